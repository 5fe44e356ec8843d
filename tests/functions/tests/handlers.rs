//! The handlers of queues, of the stream and of feedback, with what AWS delivers when something is
//! wrong.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use chrono::TimeDelta;
use dacapo_aws::functions::queue::QueueFunction;
use dacapo_aws::functions::{feedback, stream};
use dacapo_engine::decide::Event;
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_functions_tests::cloud::{Cloud, Delivery};
use dacapo_functions_tests::events::{batch, body, failed, http, message, record};
use dacapo_platform::dead_letters::DeadLetterBody;
use dacapo_platform::ports::{EnrollmentEvent, QueueMessage};
use dacapo_platform::table::{Body, Consistency, Item, Query};
use dacapo_tests::doors::signed;
use dacapo_tests::kit::CapturingMailer;
use serde_json::{Value, json};

const CAMPAIGN: &str = r#"
id: hello
sender: { address: sender@example.com }
elements:
  go: { type: start, when: { tag: Go }, next: mail }
  mail: { type: email, email: mail, next: wait }
  wait: { type: wait, for: 1 hour, next: later }
  later: { type: email, email: mail }
emails:
  mail: { purpose: transactional, subject: Hello, text: Hello }
"#;

async fn cloud() -> Cloud {
    let cloud = Cloud::new(Delivery::Once).await;
    cloud.call("PUT", "/v1/campaigns/hello", CAMPAIGN).await;
    let (status, answer) = cloud.call("POST", "/v1/campaigns/hello/publish", "{}").await;
    assert_eq!(status, 200, "{answer}");
    cloud
}

async fn post(cloud: &Cloud, email: &str, tag: &str) -> ContactId {
    let body = json!({ "email": email, "tags": [tag] }).to_string();
    let (_, answer) = cloud.call("POST", "/v1/hooks/contact", &body).await;
    ContactId::new(answer["contact_id"].as_str().unwrap()).unwrap()
}

async fn messages(cloud: &Cloud, email: &str) -> Vec<String> {
    let (_, answer) = cloud.call("GET", &format!("/v1/contacts/email:{email}/messages"), "").await;
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item["status"].as_str().unwrap().to_owned()).collect()
}

/// What was kept as a dead letter.
async fn dead_letters(cloud: &Cloud) -> Vec<DeadLetterBody> {
    let pk = cloud.platform.store.keys.dead_letter("x").pk;
    let page = cloud.platform.store.table.query(Query::of(&pk).strong()).await.unwrap();
    page.items.iter().map(|item| item.body.read().unwrap()).collect()
}

fn enrollment_event(contact: &ContactId, event: Event) -> QueueMessage {
    let campaign = CampaignId::new("hello").unwrap();
    QueueMessage::EnrollmentEvent(EnrollmentEvent::new(contact.clone(), campaign, event))
}

async fn timers(cloud: &Cloud, event: &Value) -> Vec<String> {
    let (platform, hide) = (&cloud.platform, &*cloud.services);
    let queues = QueueFunction { platform, hide, function: dacapo_aws::settings::Function::Timer };
    failed(&queues.timers(event).await.unwrap())
}

#[tokio::test]
async fn a_timer_that_comes_early_is_hidden_until_it_is_due() {
    let cloud = cloud().await;
    let contact = ContactId::new("c1").unwrap();
    let due = cloud.now() + TimeDelta::milliseconds(59_200);
    let early = enrollment_event(&contact, Event::TimerDue { run: 1, step: 1, due });
    let event = batch(vec![message("m1", "timers", 1, &early)]);
    assert_eq!(timers(&cloud, &event).await, ["m1"]);
    let hidden = cloud.services.hidden();
    assert_eq!(hidden.len(), 1);
    assert_eq!((hidden[0].receipt.as_str(), hidden[0].seconds), ("receipt-m1", 60));
    assert!(hidden[0].queue.ends_with(":timers"));
    // For twelve hours at most, however far away it is.
    let due = cloud.now() + TimeDelta::days(3);
    let early = enrollment_event(&contact, Event::TimerDue { run: 1, step: 1, due });
    timers(&cloud, &batch(vec![message("m1", "timers", 1, &early)])).await;
    let hidden = cloud.services.hidden();
    assert!((11 * 3600..12 * 3600).contains(&hidden[0].seconds), "{hidden:?}");
}

#[tokio::test]
async fn what_nobody_can_read_is_put_aside_and_keeps_nobody_waiting() {
    let mut cloud = cloud().await;
    let contact = post(&cloud, "ann@example.com", "Go").await;
    cloud.until_idle().await;
    let due = cloud.now() + TimeDelta::hours(1);
    cloud.advance(cloud.now() + TimeDelta::minutes(58)).await;
    assert_eq!(messages(&cloud, "ann@example.com").await, ["sent"]);
    // An unreadable message between others.
    cloud.advance(due - TimeDelta::seconds(1)).await;
    let good = enrollment_event(&contact, Event::TimerDue { run: 1, step: 2, due });
    let event =
        batch(vec![body("m1", "timers", 1, "{\"wake\":7}"), message("m2", "timers", 1, &good)]);
    assert_eq!(timers(&cloud, &event).await, ["m2"], "the other one is only early");
    let kept = dead_letters(&cloud).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].by, "timer");
    let raw: Value = serde_json::from_str(&kept[0].raw).unwrap();
    assert_eq!(raw, body("m1", "timers", 1, "{\"wake\":7}"), "as it came, to be given in again");
}

#[tokio::test]
async fn a_record_that_nobody_can_read_does_not_keep_its_shard_waiting() {
    let mut cloud = cloud().await;
    let contact = ContactId::new("broken").unwrap();
    let key = cloud.platform.store.keys.contact(&contact);
    let broken = Item::new(key.clone(), Body::of(&json!({ "c": 7, "w": "" })).unwrap()).rev(1);
    let mut set = record(8, &key, None, Some(&broken));
    set["dynamodb"]["NewImage"]["c"] = json!({ "SS": ["a set"] });
    let good = post(&cloud, "ann@example.com", "Go").await;
    let item = cloud
        .platform
        .store
        .table
        .get(&cloud.platform.store.keys.contact(&good), Consistency::Strong)
        .await
        .unwrap()
        .unwrap();
    let event = batch(vec![
        record(7, &key, None, Some(&broken)),
        set,
        record(9, &item.key, None, Some(&item)),
        json!({ "eventID": "10" }),
    ]);
    let answer = stream::tag_change(&cloud.platform, &event).await.unwrap();
    assert_eq!(failed(&answer), [] as [String; 0]);
    let kept = dead_letters(&cloud).await;
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(kept.iter().all(|kept| kept.by == "tag-change"));
    cloud.until_idle().await;
    assert_eq!(messages(&cloud, "ann@example.com").await, ["sent"], "its neighbour goes on");
}

/// R71: the record of an object that nobody can read is a dead letter of its own; the person and
/// the other objects go on, although all are in one partition.
#[tokio::test]
async fn r71_an_object_that_nobody_can_read_keeps_neither_its_person_nor_its_neighbours_waiting() {
    let mut cloud = cloud().await;
    let document = CAMPAIGN.replace("id: hello", "id: visits\nper: visit\nobjects: { visit: {} }");
    let (status, answer) = cloud.call("PUT", "/v1/campaigns/visits", &document).await;
    assert_eq!(status, 201, "{answer}");
    cloud.call("POST", "/v1/campaigns/visits/publish", "{}").await;
    let hook = "/v1/hooks/object/visit";
    let posted = json!({ "key": "v1", "email": "ann@example.com", "tags": ["Go"] }).to_string();
    let (_, answer) = cloud.call("POST", hook, &posted).await;
    let visit = ContactId::new(answer["object_id"].as_str().unwrap()).unwrap();
    let person = visit.person();
    let name = format!("{person}.visit.broken");
    let key = cloud.platform.store.keys.contact(&ContactId::new(name).unwrap());
    let broken = Item::new(key.clone(), Body::of(&json!({ "c": 7, "w": "" })).unwrap()).rev(1);
    let table = std::sync::Arc::clone(&cloud.platform.store.table);
    let mut records = vec![record(7, &key, None, Some(&broken))];
    for (nth, subject) in (8..).zip([&person, &visit]) {
        let key = cloud.platform.store.keys.contact(subject);
        let item = table.get(&key, Consistency::Strong).await.unwrap().unwrap();
        records.push(record(nth, &key, None, Some(&item)));
    }
    let answer = stream::tag_change(&cloud.platform, &batch(records)).await.unwrap();
    assert_eq!(failed(&answer), [] as [String; 0]);
    let kept = dead_letters(&cloud).await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0].by, "tag-change");
    assert!(kept[0].raw.contains("visit.broken"), "{}", kept[0].raw);
    cloud.until_idle().await;
    let (_, sent) = cloud.call("GET", "/v1/contacts/email:ann@example.com/messages", "").await;
    assert_eq!(sent["items"][0]["object"]["key"], "v1", "{sent}");
    // A round through the objects is not stopped by it either (R74).
    let write = dacapo_platform::table::Write::put(
        broken.index(cloud.platform.store.keys.contact_listed(&person)),
        dacapo_platform::table::Condition::Always,
    );
    table.write(vec![write], None).await.unwrap();
    cloud.until_idle().await;
    cloud.platform.expiry.look().await.unwrap();
    cloud.until_idle().await;
    let kept = dead_letters(&cloud).await.len();
    assert!(kept <= 2, "the record of the write, and nothing of the round: {kept}");
}

#[tokio::test]
async fn an_enrollment_that_nobody_can_read_leaves_the_others_of_its_batch_alone() {
    let cloud = cloud().await;
    let contact = post(&cloud, "ann@example.com", "Go").await;
    let campaign = CampaignId::new("hello").unwrap();
    let table = &cloud.platform.store.table;
    let stored = table.get(&cloud.platform.store.keys.contact(&contact), Consistency::Strong).await;
    let stored = stored.unwrap().unwrap();
    let changed = batch(vec![record(1, &stored.key, None, Some(&stored))]);
    stream::tag_change(&cloud.platform, &changed).await.unwrap();
    let key = cloud.platform.store.keys.enrollment(&contact, &campaign);
    let decided = table.get(&key, Consistency::Strong).await.unwrap().unwrap();
    let other = cloud.platform.store.keys.enrollment(&ContactId::new("other").unwrap(), &campaign);
    let broken =
        Item::new(other.clone(), Body::of(&json!({ "e": "no enrollment" })).unwrap()).rev(1);
    let event =
        batch(vec![record(2, &other, None, Some(&broken)), record(3, &key, None, Some(&decided))]);
    let answer = stream::EffectsFunction::of(&cloud.platform).perform(&event).await.unwrap();
    assert_eq!(failed(&answer), [] as [String; 0]);
    assert_eq!(dead_letters(&cloud).await.len(), 1);
    let (_, history) = cloud.call("GET", "/v1/contacts/email:ann@example.com/history", "").await;
    assert!(!history["items"].as_array().unwrap().is_empty(), "{history}");
}

#[tokio::test]
async fn what_is_no_batch_fails() {
    let cloud = cloud().await;
    assert!(stream::tag_change(&cloud.platform, &json!({})).await.is_err());
    let effects = stream::EffectsFunction::of(&cloud.platform);
    assert!(effects.perform(&json!({ "Records": 7 })).await.is_err());
}

/// What SES reports of the first message of a contact.
fn notice(kind: &str, contact: &ContactId, about: Value) -> Value {
    let mut notice = json!({
        "eventType": kind,
        "mail": { "messageId": CapturingMailer::message_id(0), "tags": {
            "contact": [contact.as_str()], "campaign": ["hello"], "run": ["1"], "step": ["1"],
        } },
    });
    notice[kind.to_lowercase()] = about;
    json!({ "id": "e1", "source": "aws.ses", "detail-type": kind, "detail": notice })
}

async fn suppressed(cloud: &Cloud) -> Value {
    let (_, contact) = cloud.call("GET", "/v1/contacts/email:ann@example.com", "").await;
    contact["suppressed"].clone()
}

#[tokio::test]
async fn who_bounced_gets_no_mail_and_who_complained_neither() {
    let mut cloud = cloud().await;
    let contact = post(&cloud, "ann@example.com", "Go").await;
    cloud.until_idle().await;
    assert_eq!(suppressed(&cloud).await, Value::Null);
    let address = json!([{ "emailAddress": "Ann@Example.com" }]);
    let other = json!([{ "emailAddress": "former@example.com" }]);
    let bounce = |recipients: &Value| {
        notice(
            "Bounce",
            &contact,
            json!({ "bounceType": "Permanent", "bouncedRecipients": recipients }),
        )
    };
    feedback::feedback(&cloud.platform, &bounce(&other)).await.unwrap();
    assert_eq!(suppressed(&cloud).await, Value::Null, "an address that she no longer has");
    for _ in 0..2 {
        feedback::feedback(&cloud.platform, &bounce(&address)).await.unwrap();
        assert_eq!(suppressed(&cloud).await, "bounced");
    }
    let complaint = notice("Complaint", &contact, json!({ "complainedRecipients": address }));
    feedback::feedback(&cloud.platform, &complaint).await.unwrap();
    assert_eq!(suppressed(&cloud).await, "complained");
    feedback::feedback(&cloud.platform, &bounce(&address)).await.unwrap();
    assert_eq!(suppressed(&cloud).await, "complained", "a complaint outweighs a bounce");
    cloud.advance(cloud.now() + TimeDelta::hours(2)).await;
    assert_eq!(messages(&cloud, "ann@example.com").await, ["sent", "suppressed"]);
}

#[tokio::test]
async fn a_message_whose_outcome_was_unknown_is_sent_when_ses_says_so() {
    let mut cloud = cloud().await;
    cloud.services.is_silent(true);
    let contact = post(&cloud, "ann@example.com", "Go").await;
    cloud.until_idle().await;
    assert_eq!(messages(&cloud, "ann@example.com").await, ["unknown"]);
    let counted = async |cloud: &Cloud| {
        let (_, statistics) = cloud.call("GET", "/v1/campaigns/hello/statistics", "").await;
        let messages = &statistics["messages"];
        (messages["sent"].as_i64().unwrap(), messages["unknown"].as_i64().unwrap())
    };
    assert_eq!(counted(&cloud).await, (0, 1));
    for _ in 0..2 {
        feedback::feedback(&cloud.platform, &notice("Send", &contact, json!({}))).await.unwrap();
        feedback::feedback(&cloud.platform, &notice("Delivery", &contact, json!({})))
            .await
            .unwrap();
        cloud.until_idle().await;
        assert_eq!(messages(&cloud, "ann@example.com").await, ["sent"]);
        assert_eq!(counted(&cloud).await, (1, 0));
    }
    let (_, history) = cloud.call("GET", "/v1/contacts/email:ann@example.com/history", "").await;
    let lines = history["items"].as_array().unwrap();
    let told = |word: &str| {
        let text = |line: &&Value| line["text"].as_str().unwrap().contains(word);
        lines.iter().filter(text).count()
    };
    assert_eq!((told("unknown"), told("message sent")), (1, 1), "{history:#}");
    assert_eq!(cloud.services.sent().len(), 1, "nothing is sent twice");
}

#[tokio::test]
async fn a_report_that_overtakes_its_worker_settles_the_message() {
    let mut cloud = cloud().await;
    let contact = post(&cloud, "ann@example.com", "Go").await;
    let report = notice("Send", &contact, json!({}));
    // Before there is a record: nothing to record yet.
    feedback::feedback(&cloud.platform, &report).await.unwrap();
    cloud.until_idle().await;
    assert_eq!(messages(&cloud, "ann@example.com").await, ["sent"]);
}

/// 0050: what a tool posts to the URL of a connection is taken by the function of posts, as the
/// gateway hands it over.
#[tokio::test]
async fn what_a_tool_posts_to_its_url_reaches_the_contact() {
    let cloud = Cloud::new(Delivery::Once).await;
    let (status, made) = cloud.call("PUT", "/v1/connections/form", "{\"kind\":\"form\"}").await;
    assert_eq!(status, 201, "{made}");
    let path = made["url"].as_str().unwrap().trim_start_matches("https://dacapo.example");
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let posted = http("POST", path, &[kind], "E-Mail=ann%40example.com&Vorname=Ann");
    let answer = cloud.answer(&posted).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let (_, page) = cloud.call("GET", "/v1/connections/form/calls", "").await;
    assert_eq!(page["items"][0]["outcome"], "done", "{page}");
    let (status, ann) = cloud.call("GET", "/v1/contacts/email:ann@example.com", "").await;
    assert_eq!((status, &ann["first_name"]), (200, &json!("Ann")));
}

/// R70, 0050: what the function of posts cannot do, since it has neither timers nor queues, it
/// keeps, and the rule has `api` do it. Here: a move comes last, and joins two bookings. A cloud
/// with a call that the door has kept and could not end: it joins two bookings.
async fn with_an_unfinished_call() -> Cloud {
    let mut cloud = Cloud::new(Delivery::Once).await;
    let made = "{\"kind\":\"calcom\",\"secret\":\"a-signing-key\"}";
    let (status, made) = cloud.call("PUT", "/v1/connections/cal", made).await;
    assert_eq!(status, 201, "{made}");
    let path = made["url"].as_str().unwrap().trim_start_matches("https://dacapo.example");
    let told = |event: &str, uid: &str, of: Option<&str>, at: &str| {
        let payload = json!({ "uid": uid, "rescheduleUid": of, "startTime": "2026-12-20T13:00:00Z",
            "attendees": [{ "email": "ann@example.com" }] });
        json!({ "triggerEvent": event, "createdAt": at, "payload": payload }).to_string()
    };
    let (at, later) = ("2026-12-01T11:00:00Z", "2026-12-01T11:30:00Z");
    for (body, status, outcome) in [
        (told("BOOKING_CREATED", "a", None, at), 200, "done"),
        (told("BOOKING_CANCELLED", "b", None, later), 200, "done"),
        (told("BOOKING_RESCHEDULED", "b", Some("a"), at), 202, "received"),
    ] {
        let header = signed("a-signing-key", &[&body]);
        let headers = [("content-type", "application/json"), ("x-cal-signature-256", &*header)];
        let answer = cloud.answer(&http("POST", path, &headers, &body)).await;
        let (_, page) = cloud.call("GET", "/v1/connections/cal/calls", "").await;
        assert_eq!(answer["statusCode"], status, "{answer} {page}");
        assert_eq!(page["items"][0]["outcome"], outcome, "{page}");
        cloud.advance(cloud.now() + TimeDelta::seconds(1)).await;
    }
    cloud
}

#[tokio::test]
async fn r70_a_kept_call_that_the_door_cannot_end_is_ended_by_the_rule() {
    let mut cloud = with_an_unfinished_call().await;
    let objects = async |cloud: &Cloud| {
        let path = "/v1/contacts/email:ann@example.com/objects";
        cloud.call("GET", path, "").await.1["items"].as_array().unwrap().len()
    };
    assert_eq!(objects(&cloud).await, 2);
    cloud.rule_calls_api().await;
    assert_eq!(objects(&cloud).await, 2, "the door may still be at it");
    cloud.advance(cloud.now() + TimeDelta::minutes(3)).await;
    cloud.rule_calls_api().await;
    cloud.until_idle().await;
    assert_eq!(objects(&cloud).await, 1);
    let (_, before) = cloud.call("GET", "/v1/connections/cal/calls", "").await;
    assert_eq!(before["items"][0]["errors"][0]["code"], "told_later", "{before}");
    cloud.rule_calls_api().await;
    assert_eq!(cloud.call("GET", "/v1/connections/cal/calls", "").await.1, before);
}

/// A call that cannot be ended for a day has failed, whatever ends the attempts; it can be
/// replayed.
#[tokio::test]
async fn r70_a_call_that_is_begun_again_for_a_day_without_success_has_failed() {
    let mut cloud = with_an_unfinished_call().await;
    cloud.advance(cloud.now() + TimeDelta::minutes(3)).await;
    cloud.services.is_shut(true);
    let newest = async |cloud: &Cloud| {
        let (_, page) = cloud.call("GET", "/v1/connections/cal/calls", "").await;
        page["items"][0].clone()
    };
    let came = cloud.now();
    for hour in 0..23 {
        cloud.advance(came + TimeDelta::hours(hour)).await;
        cloud.rule_calls_api().await;
        assert_eq!(newest(&cloud).await["outcome"], "received", "after {hour} hours");
    }
    cloud.advance(came + TimeDelta::hours(23)).await;
    cloud.rule_calls_api().await;
    let call = newest(&cloud).await;
    assert_eq!(call["outcome"], "failed", "{call}");
    assert!(call["why"].as_str().unwrap().contains("begun again 23 times"), "{call}");
    cloud.services.is_shut(false);
    let path = format!("/v1/connections/cal/calls/{}/replay", call["id"].as_str().unwrap());
    let (status, replayed) = cloud.call("POST", &path, "").await;
    // It is about a booking of which something later is known.
    assert_eq!((status, &replayed["outcome"]), (200, &json!("ignored")), "{replayed}");
}

/// R70: an object is found by its key, whatever is in it, as the gateway hands over its path: all
/// of it decoded but `%25`, or as it was sent.
#[tokio::test]
async fn r70_a_key_with_slashes_and_percent_signs_passes_the_gateway() {
    let cloud = Cloud::new(Delivery::Once).await;
    let kind = "{\"fields\":{\"status\":{\"type\":\"text\"}}}";
    let (status, made) = cloud.call("PUT", "/v1/object-types/appointment", kind).await;
    assert_eq!(status, 200, "{made}");
    for (key, encoded, decoded) in [
        (
            "https://api.calendly.example/scheduled_events/E/invitees/I1",
            "https%3A%2F%2Fapi.calendly.example%2Fscheduled_events%2FE%2Finvitees%2FI1",
            "https://api.calendly.example/scheduled_events/E/invitees/I1",
        ),
        ("50%/2 ü", "50%25%2F2%20%C3%BC", "50%25/2 ü"),
        ("a%2Fb", "a%252Fb", "a%252Fb"),
    ] {
        let path = |key: &str| format!("/v1/objects/appointment/{key}");
        let body =
            "{\"contact\":{\"email\":\"ann@example.com\"},\"fields\":{\"status\":\"booked\"}}";
        let (status, made) = cloud.call("PUT", &path(encoded), body).await;
        assert_eq!((status, &made["created"]), (200, &json!(true)), "{made}");
        for form in [encoded, decoded] {
            let (status, found) = cloud.call("GET", &path(form), "").await;
            assert_eq!((status, &found["key"]), (200, &json!(key)), "{form}: {found}");
        }
        let (status, _) = cloud.call("DELETE", &path(decoded), "").await;
        assert_eq!(status, 204, "{decoded}");
        let (status, _) = cloud.call("GET", &path(encoded), "").await;
        assert_eq!(status, 404, "{encoded}");
    }
}

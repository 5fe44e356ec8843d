//! Mail that the mail service delays is sent, or recorded as having waited too long. Failed
//! webhooks are recorded. Tested with the deployed handlers, on a real table.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::Duration;

use chrono::TimeDelta;
use dacapo_aws::functions::queue::QueueFunction;
use dacapo_engine::ids::{CampaignId, ContactId, ElementId};
use dacapo_functions_tests::cloud::{Cloud, Delivery};
use dacapo_functions_tests::events::{batch, failed, message};
use dacapo_functions_tests::ses::Ses;
use dacapo_platform::ports::{Queue, QueueMessage, WebhookCall};
use serde_json::{Value, json};

const NEWS: &str = r#"
id: news
sender: { address: sender@example.com }
elements:
  go: { type: start, when: { tag: Go }, next: mail }
  mail: { type: email, email: mail, next: noted }
  noted: { type: tag, add: [Went on] }
emails:
  mail: { purpose: marketing, subject: News, text: Hello }
"#;

const REMINDER: &str = r#"
id: reminder
sender: { address: sender@example.com }
fields: { appointment: { type: datetime, label: Appointment } }
elements:
  go: { type: start, when: { tag: Booked }, next: hour_before }
  hour_before: { type: date_timer, field: appointment, offset: -1 hour, next: mail }
  mail: { type: email, email: mail }
emails:
  mail: { purpose: transactional, subject: Soon, text: Hello }
"#;

const HOOK: &str = r#"
id: hook
elements:
  go: { type: start, when: { tag: Go }, next: tell }
  tell: { type: webhook, url: "https://hooks.example/lead" }
"#;

async fn cloud(delivery: Delivery, documents: &[&str]) -> Cloud {
    let cloud = Cloud::new(delivery).await;
    for document in documents {
        let id = document.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
        let (status, answer) = cloud.call("PUT", &format!("/v1/campaigns/{id}"), document).await;
        assert!(status < 300, "{answer}");
        let publish = format!("/v1/campaigns/{id}/publish");
        let (status, answer) = cloud.call("POST", &publish, "{}").await;
        assert_eq!(status, 200, "{answer}");
    }
    cloud
}

async fn post(cloud: &Cloud, body: Value) -> ContactId {
    let (status, answer) = cloud.call("POST", "/v1/hooks/contact", &body.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    ContactId::new(answer["contact_id"].as_str().unwrap()).unwrap()
}

async fn go(cloud: &Cloud, email: &str) -> ContactId {
    post(cloud, json!({ "email": email, "tags": ["Go"], "consent": "subscribed" })).await
}

async fn the_message(cloud: &Cloud, email: &str) -> Value {
    let (_, answer) = cloud.call("GET", &format!("/v1/contacts/email:{email}/messages"), "").await;
    answer["items"][0].clone()
}

async fn history(cloud: &Cloud, email: &str, kind: &str) -> Vec<String> {
    let (_, answer) = cloud.call("GET", &format!("/v1/contacts/email:{email}/history"), "").await;
    let lines = answer["items"].as_array().unwrap().iter();
    let lines = lines.filter(|line| line["kind"] == kind);
    lines.map(|line| line["text"].as_str().unwrap().to_owned()).collect()
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

#[tokio::test]
async fn a_burst_whose_account_is_paused_on_the_way_is_sent_once_each_at_the_rate() {
    let mut cloud = cloud(Delivery::Twice(7), &[NEWS]).await;
    let begun = cloud.now();
    let paused = Ses::BEGIN + Duration::from_secs(3);
    cloud.services.sends_by(Ses::of(5, None).paused(paused, paused + hours(8)));
    for person in 0..40 {
        go(&cloud, &format!("p{person}@example.com")).await;
    }
    cloud.advance(begun + TimeDelta::hours(4)).await;
    let sent = cloud.services.sent().len();
    assert!((1..=13).contains(&sent), "four a second, for three seconds: {sent}");
    let waits = (0..40).map(|person| format!("p{person}@example.com"));
    let mut reasons = Vec::new();
    for person in waits {
        let message = the_message(&cloud, &person).await;
        if message["status"] == "released" {
            reasons.push(message["reason"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(reasons.len(), 40 - sent, "whoever asks sees that it waits, and why");
    assert!(reasons.iter().any(|why| why.contains("paused or suspended")), "{reasons:?}");
    cloud.advance(begun + TimeDelta::hours(12)).await;
    let mut sent: Vec<String> = cloud.services.sent().into_iter().map(|mail| mail.to).collect();
    assert_eq!(sent.len(), 40);
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), 40, "each once");
}

#[tokio::test]
async fn a_quota_that_is_used_up_for_days_costs_no_try() {
    let mut cloud = cloud(Delivery::Once, &[NEWS]).await;
    let begun = cloud.now();
    cloud.services.sends_by(Ses::of(14, Some(0)));
    let contact = go(&cloud, "ann@example.com").await;
    cloud.advance(begun + TimeDelta::hours(70)).await;
    assert_eq!(the_message(&cloud, "ann@example.com").await["status"], "released");
    let key = cloud.platform.store.keys.message(&contact, &CampaignId::new("news").unwrap(), 1, 1);
    let record = cloud.platform.messages.get(&key).await.unwrap().unwrap();
    assert_eq!((record.attempt, record.put_off_since), (0, Some(begun)));
    assert!(record.stops > 12, "{}", record.stops);
    cloud.services.sends_by(Ses::of(14, None));
    cloud.advance(begun + TimeDelta::hours(73)).await;
    assert_eq!(the_message(&cloud, "ann@example.com").await["status"], "sent");
    assert_eq!(cloud.services.sent().len(), 1);
}

#[tokio::test]
async fn what_has_waited_for_four_days_has_failed_with_its_reason_and_the_contact_goes_on() {
    let mut cloud = cloud(Delivery::Once, &[NEWS]).await;
    let begun = cloud.now();
    cloud.services.sends_by(Ses::of(14, None).paused(Duration::ZERO, Ses::BEGIN * 10));
    go(&cloud, "ann@example.com").await;
    cloud.advance(begun + TimeDelta::hours(95)).await;
    assert_eq!(the_message(&cloud, "ann@example.com").await["status"], "released");
    cloud.advance(begun + TimeDelta::hours(99)).await;
    let message = the_message(&cloud, "ann@example.com").await;
    assert_eq!(message["status"], "failed");
    let reason = message["reason"].as_str().unwrap();
    assert!(reason.starts_with("given up after 4 days of waiting: SES takes no mail"), "{reason}");
    assert_eq!(cloud.services.sent().len(), 0);
    assert_eq!(cloud.services.waiting(Queue::Marketing), []);
    assert_eq!(history(&cloud, "ann@example.com", "wrote").await, ["added tag Went on"]);
}

#[tokio::test]
async fn r34_what_waits_for_the_mail_service_is_not_sent_after_its_date() {
    let mut cloud = cloud(Delivery::Once, &[REMINDER]).await;
    let begun = cloud.now();
    let paused = Ses::BEGIN + hours(1);
    cloud.services.sends_by(Ses::of(14, None).paused(paused, paused + hours(6)));
    for (email, after) in [("ann@example.com", 4), ("ben@example.com", 8)] {
        let appointment = (begun + TimeDelta::hours(after)).to_rfc3339();
        let fields = json!({ "appointment": appointment });
        post(&cloud, json!({ "email": email, "tags": ["Booked"], "fields": fields })).await;
    }
    cloud.advance(begun + TimeDelta::hours(12)).await;
    let message = the_message(&cloud, "ann@example.com").await;
    assert_eq!(message["status"], "suppressed", "{message}");
    assert!(message["reason"].as_str().unwrap().contains("too late"), "{message}");
    assert_eq!(the_message(&cloud, "ben@example.com").await["status"], "sent");
    assert_eq!(cloud.services.sent().len(), 1);
}

#[tokio::test]
async fn a_webhook_that_fails_is_called_five_times_and_told_once_whatever_comes_twice() {
    for delivery in [Delivery::Once, Delivery::Twice(3)] {
        let mut cloud = cloud(delivery, &[HOOK]).await;
        cloud.services.answers(503);
        go(&cloud, "ann@example.com").await;
        cloud.advance(cloud.now() + TimeDelta::hours(1)).await;
        assert_eq!(cloud.services.called().len(), 5, "{delivery:?}");
        let told = history(&cloud, "ann@example.com", "webhook_failed").await;
        let expected =
            "webhook failed: given up after 5 calls, the last time: it answered 503".to_owned();
        assert_eq!(told, [expected], "{delivery:?}");
        assert_eq!(cloud.services.waiting(Queue::Calls), []);
    }
}

#[tokio::test]
async fn a_webhook_that_is_refused_is_called_once_and_told() {
    let mut cloud = cloud(Delivery::Once, &[HOOK]).await;
    cloud.services.answers(404);
    go(&cloud, "ann@example.com").await;
    cloud.advance(cloud.now() + TimeDelta::hours(1)).await;
    assert_eq!(cloud.services.called().len(), 1);
    let told = history(&cloud, "ann@example.com", "webhook_failed").await;
    assert_eq!(told, ["webhook failed: it answered 404"]);
    let (_, of_it) =
        cloud.call("GET", "/v1/contacts/email:ann@example.com/history?campaign=hook", "").await;
    let line = &of_it["items"][0];
    assert_eq!((&line["element"], &line["run"]), (&json!("tell"), &json!(1)), "{of_it}");
    assert_eq!(line["cause"], "because the webhook was due", "{of_it}");
}

/// A queue counts every delivery, also those in which nothing was tried: a function that was
/// throttled, a batch that took too long.
#[tokio::test]
async fn how_often_a_queue_has_handed_a_webhook_out_is_no_number_of_tries() {
    let mut cloud = cloud(Delivery::Once, &[HOOK]).await;
    let contact = go(&cloud, "ann@example.com").await;
    cloud.until_idle().await;
    assert_eq!(cloud.services.called().len(), 1);
    cloud.services.answers(503);
    let call = QueueMessage::Call(WebhookCall {
        contact,
        campaign: CampaignId::new("hook").unwrap(),
        run: 1,
        step: 9,
        version: 1,
        element: ElementId::new("tell").unwrap(),
    });
    for (received, calls) in [(150, 2), (151, 2)] {
        let event = batch(vec![message("m1", "calls", received, &call)]);
        let (platform, hide) = (&cloud.platform, &*cloud.services);
        let queues =
            QueueFunction { platform, hide, function: dacapo_aws::settings::Function::Deliver };
        assert_eq!(
            failed(&queues.deliveries(&event, None).await.unwrap()),
            ["m1"],
            "it comes again"
        );
        assert_eq!(cloud.services.called().len(), calls, "it is too early for another call");
        assert!(cloud.services.hidden()[0].seconds >= 10);
    }
    assert_eq!(history(&cloud, "ann@example.com", "webhook_failed").await, [] as [String; 0]);
}

/// The stream may be late for hours, and a queue delivers a message a bounded number of times.
#[tokio::test]
async fn what_waits_for_the_stream_is_hidden_for_longer_each_time_that_it_is_received() {
    let mut cloud = cloud(Delivery::Once, &[REMINDER]).await;
    let appointment = (cloud.now() + TimeDelta::hours(4)).to_rfc3339();
    let fields = json!({ "appointment": appointment });
    post(&cloud, json!({ "email": "ann@example.com", "tags": ["Booked"], "fields": fields })).await;
    cloud.until_idle().await;
    for nth in 0..80 {
        post(&cloud, json!({ "email": "ann@example.com", "first_name": format!("Ann {nth}") }))
            .await;
    }
    let timer = cloud.services.scheduled().pop().unwrap();
    cloud.begins(cloud.now() + TimeDelta::hours(4));
    for (received, least, most) in [(1, 2, 5), (5, 32, 65), (40, 600, 1_201)] {
        let event = batch(vec![message("m1", "timers", received, &timer)]);
        let (platform, hide) = (&cloud.platform, &*cloud.services);
        let queues =
            QueueFunction { platform, hide, function: dacapo_aws::settings::Function::Timer };
        assert_eq!(failed(&queues.timers(&event).await.unwrap()), ["m1"]);
        let hidden = cloud.services.hidden()[0].seconds;
        assert!((least..=most).contains(&hidden), "received {received} times: {hidden} seconds");
    }
}

/// Old mail goes before other marketing mail, and not faster than the mail service takes it.
#[tokio::test]
async fn mail_that_is_older_than_a_day_keeps_to_the_rate() {
    let mut cloud = cloud(Delivery::Once, &[NEWS]).await;
    cloud.services.sends_by(Ses::of(1, None));
    for person in 0..40 {
        go(&cloud, &format!("p{person}@example.com")).await;
    }
    while cloud.stream("tag-change").await || cloud.stream("effects").await {}
    let waiting = cloud.services.waiting(Queue::Marketing);
    assert_eq!(waiting.len(), 40);
    let sent = (cloud.now() - TimeDelta::hours(25)).timestamp_millis().to_string();
    let records = waiting.iter().enumerate().map(|(nth, mail)| {
        let mut record = message(&format!("m{nth}"), "marketing", 1, mail);
        record["attributes"]["SentTimestamp"] = json!(sent);
        record
    });
    let event = batch(records.collect());
    cloud.services.hidden();
    let (platform, hide) = (&cloud.platform, &*cloud.services);
    let function = dacapo_aws::settings::Function::Deliver;
    let queues = QueueFunction { platform, hide, function };
    let stay = failed(&queues.deliveries(&event, None).await.unwrap());
    assert!(stay.len() >= 18, "one a second, for twenty seconds: {stay:?}");
    // Those that were not tried come again for a place in the rate, which a mail that was tried and
    // throttled does after seconds.
    let hidden = cloud.services.hidden();
    let for_a_place = hidden.iter().filter(|hidden| hidden.seconds >= 3_600).count();
    assert!(for_a_place >= 5, "{hidden:?}");
}

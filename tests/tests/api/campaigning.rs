//! What the API reports of a contact's way through campaigns: history, enrollments, messages,
//! release, erasure.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::called::{ADMIN, Called};
use crate::input::import;

const ANN: &str = "/v1/contacts/email:ann@example.com";

const GREETING: &str = r#"
id: greeting
name: Greeting
sender: { name: Studio Nord, address: hello@studio-nord.example }
settings: { max_runs_per_day: 1 }
elements:
  lead:  { type: start, when: { tag: Lead }, next: hello }
  hello: { type: email, email: hello, next: pause }
  pause: { type: wait, for: 2 days, next: bye }
  bye:   { type: email, email: hello }
  again: { type: event, on: { tag_added: Again }, next: reset }
  reset: { type: reset, next: drop }
  drop:  { type: tag, remove: [Again], next: hello }
emails:
  hello: { subject: "Hello {{ contact.first_name }}", text: "Dear {{ contact.first_name }}, {{ unsubscribe_url }}",
           html: "<p>Dear {{ contact.first_name }}</p>" }
"#;

/// Ann has had her first message and waits.
async fn greeted() -> Called {
    greeted_with(GREETING).await
}

async fn greeted_with(campaign: &'static str) -> Called {
    let api = Called::new().await;
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    let saved = api.bare("PUT", "/v1/campaigns/greeting", &headers, campaign).await;
    assert!(saved.status.is_success(), "{}", saved.text);
    api.post("/v1/campaigns/greeting/publish", &json!({})).await.is(200);
    api.hook(&json!({ "email": "ann@example.com", "first_name": "Ann & Co", "tags": "Lead" }))
        .await;
    api.idle().await;
    api
}

#[tokio::test]
async fn enrollments_say_where_the_contact_is() {
    let api = greeted().await;
    let page = api.get(&format!("{ANN}/enrollments")).await.is(200);
    let enrollment = &page["items"][0];
    assert_eq!(enrollment["campaign"], "greeting");
    assert_eq!(
        (&enrollment["run"], &enrollment["status"], &enrollment["version"]),
        (&json!(1), &json!("active"), &json!(1))
    );
    assert_eq!(enrollment["eligible_at"], Value::Null);
    let token = json!({ "element": "pause", "since": "2026-11-01T12:00:00Z", "due": "2026-11-03T12:00:00Z" });
    assert_eq!(enrollment["tokens"], json!([token]));
}

/// R51: a contact's enrollments show why nothing happens.
#[tokio::test]
async fn enrollments_say_since_when_their_campaign_is_paused() {
    let api = greeted().await;
    let paused_since = async || {
        let page = api.get(&format!("{ANN}/enrollments")).await.is(200);
        page["items"][0]["paused_since"].clone()
    };
    assert_eq!(paused_since().await, Value::Null);
    api.post("/v1/campaigns/greeting/pause", &json!({})).await.is(200);
    assert_eq!(paused_since().await, "2026-11-01T12:00:00Z");
    let later = api.embedded.platform.store.now() + TimeDelta::hours(1);
    api.embedded.worker.advance(later).await;
    // A version that is published meanwhile does not end the pause, and pausing again does not
    // begin it anew.
    api.post("/v1/campaigns/greeting/publish", &json!({})).await.is(200);
    api.post("/v1/campaigns/greeting/pause", &json!({})).await.is(200);
    assert_eq!(paused_since().await, "2026-11-01T12:00:00Z");
    api.post("/v1/campaigns/greeting/resume", &json!({})).await.is(200);
    assert_eq!(paused_since().await, Value::Null);
}

#[tokio::test]
async fn history_can_be_had_for_one_campaign() {
    let api = greeted().await;
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    let other = GREETING.replace("id: greeting", "id: other");
    api.bare("PUT", "/v1/campaigns/other", &headers, other).await.is(201);
    api.post("/v1/campaigns/other/publish", &json!({ "enroll_existing": true })).await.is(200);
    api.idle().await;
    let all = api.get(&format!("{ANN}/history")).await.is(200);
    let all = all["items"].as_array().expect("lines").clone();
    for campaign in ["greeting", "other"] {
        let expected: Vec<Value> =
            all.iter().filter(|line| line["campaign"] == campaign).cloned().collect();
        assert!(!expected.is_empty() && expected.len() < all.len());
        let mut lines = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("{ANN}/history?campaign={campaign}&limit=2{cursor}");
            let page = api.get(&path).await.is(200);
            lines.extend(page["items"].as_array().expect("lines").clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(lines, expected);
    }
    let none = api.get(&format!("{ANN}/history?campaign=nothing")).await.is(200);
    assert_eq!(none["items"], json!([]));
    let refused = api.get(&format!("{ANN}/history?campaign=a%20b")).await;
    assert_eq!(refused.faults(422), [("campaign".to_owned(), "id".to_owned())]);
}

/// For an address in the place of an id, every call answers how to name a contact by address.
#[tokio::test]
async fn an_address_in_the_place_of_an_id_gets_a_hint() {
    let api = greeted().await;
    for path in ["", "/history", "/enrollments", "/messages"] {
        let problem = api.get(&format!("/v1/contacts/ann@example.com{path}")).await.problem(404);
        let detail = problem["detail"].to_string();
        assert!(detail.contains("`email:ann@example.com`"), "{detail}");
    }
    let problem = api.delete("/v1/contacts/ann@example.com").await.problem(404);
    assert!(problem["detail"].to_string().contains("`email:ann@example.com`"), "{problem}");
    let asked = json!({ "campaigns": "all", "contacts": { "ids": ["ann@example.com"] } });
    let refused = api.post("/v1/mass-actions/stop-campaign", &asked).await;
    assert_eq!(refused.faults(422), [("contacts.ids.0".to_owned(), "value".to_owned())]);
    assert!(refused.text.contains("emails"), "{}", refused.text);
}

#[tokio::test]
async fn history_is_newest_first_with_causes_and_pages() {
    let api = greeted().await;
    let all = api.get(&format!("{ANN}/history")).await.is(200);
    let lines = all["items"].as_array().expect("lines").clone();
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line["kind"].as_str()).collect();
    assert_eq!(kinds.last(), Some(&"entered"), "{kinds:?}");
    assert_eq!(kinds.first(), Some(&"wait"), "{kinds:?}");
    let entered = lines.last().expect("a line");
    assert_eq!(
        entered["cause"],
        "because tag Lead was added, field email was set, field first_name was set by API key admin"
    );
    assert_eq!((&entered["element"], &entered["run"]), (&json!("lead"), &json!(1)));
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("{ANN}/history?limit=1{cursor}")).await.is(200);
        paged.extend(page["items"].as_array().expect("lines").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, lines);
}

#[tokio::test]
async fn messages_are_rendered_again_as_they_were() {
    let api = greeted().await;
    api.patch(ANN, &json!({ "first_name": "Somebody" })).await.is(200);
    let page = api.get(&format!("{ANN}/messages")).await.is(200);
    let message = &page["items"][0];
    assert_eq!((&message["status"], &message["reason"]), (&json!("sent"), &Value::Null));
    assert_eq!((&message["element"], &message["to"]), (&json!("hello"), &json!("ann@example.com")));
    assert_eq!(message["subject"], "Hello Ann & Co");
    let text = message["body_text"].as_str().expect("a text");
    assert!(text.starts_with("Dear Ann & Co, https://dacapo.example/u/"), "{text}");
    let html = message["body_html"].as_str().expect("HTML");
    assert!(html.contains("Dear Ann &amp; Co"), "{html}");
    assert_eq!(page["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_message_of_html_alone_is_shown_with_the_text_that_left() {
    let campaign = r#"
id: greeting
sender: { address: studio@example.com }
elements:
  go: { type: start, when: { tag: Lead }, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { purpose: transactional, subject: Hello, html: '<p>Dear {{ contact.first_name }},</p><p>see you <b>soon</b>.</p>' }
"#;
    let api = greeted_with(campaign).await;
    let page = api.get(&format!("{ANN}/messages")).await.is(200);
    let message = &page["items"][0];
    let text = message["body_text"].as_str().expect("the text that left");
    assert!(text.starts_with("Dear Ann & Co,\n\nsee you **soon**."), "{text}");
    assert!(message["body_html"].as_str().expect("HTML").contains("Ann &amp; Co"));
}

#[tokio::test]
async fn r40_a_held_contact_is_released() {
    let api = greeted().await;
    let release = format!("{ANN}/enrollments/greeting/release");
    api.post(&release, &json!({})).await.problem(409);
    api.post(&format!("{ANN}/tags"), &json!({ "add": ["Again"] })).await.is(200);
    api.idle().await;
    let held = &api.get(&format!("{ANN}/enrollments")).await.is(200)["items"][0];
    assert_eq!(held["status"], "held");
    assert_eq!(held["held"], "the most runs a day were reached");
    let released = api.once("k", &release, &json!({})).await;
    assert_eq!(released.is(200)["status"], "ready");
    assert_eq!(api.once("k", &release, &json!({})).await.text, released.text);
    api.post(&format!("{ANN}/enrollments/nothing/release"), &json!({})).await.problem(404);
}

#[tokio::test]
async fn erasing_takes_everything_and_what_comes_late() {
    let api = greeted().await;
    let id = api.ann().await["id"].as_str().expect("an id").to_owned();
    assert_eq!(api.delete(ANN).await.status, 204);
    api.idle().await;
    let stored = |api: &Called| {
        let platform = api.embedded.platform.clone();
        let id = dacapo_engine::ids::ContactId::new(id.clone()).expect("an id");
        async move {
            let partition = platform.store.keys.contact_partition(&id);
            let query = dacapo_platform::table::Query::of(&partition).strong();
            let page = platform.store.table.query(query).await.expect("a page");
            page.items
                .into_iter()
                .map(|item| (item.key.sk, item.body.as_str().to_owned()))
                .collect::<Vec<_>>()
        }
    };
    let left = stored(&api).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(!left[0].1.contains("ann"), "a tombstone says nothing about anybody: {left:?}");
    let statistics = api.get("/v1/campaigns/greeting/statistics").await.is(200);
    assert_eq!((&statistics["active"], &statistics["entered"]), (&json!(0), &json!(1)));
    let messages = api.get("/dev/messages").await.is(200);
    assert!(!messages.to_string().contains("ann@example.com"), "{messages}");
    // What a late worker writes is erased a day later.
    let platform = &api.embedded.platform;
    let contact = dacapo_engine::ids::ContactId::new(id.clone()).expect("an id");
    let key =
        dacapo_platform::table::Key::new(platform.store.keys.contact_partition(&contact), "H#late");
    let late = dacapo_platform::table::Item::new(
        key,
        dacapo_platform::table::Body::of(&json!({ "late": true })).expect("a body"),
    );
    let put = dacapo_platform::table::Write::put(late, dacapo_platform::table::Condition::Always);
    platform.store.table.write(vec![put], None).await.expect("written");
    assert_eq!(stored(&api).await.len(), 2);
    api.embedded.worker.advance(platform.store.now() + TimeDelta::hours(26)).await;
    api.idle().await;
    assert_eq!(stored(&api).await.len(), 1);
}

#[tokio::test]
async fn r60_a_contact_in_no_campaign_has_a_line_for_its_change_and_nothing_else() {
    let api = Called::new().await;
    api.hook(&json!({ "email": "ann@example.com" })).await;
    api.idle().await;
    let history = api.get(&format!("{ANN}/history")).await.is(200);
    assert_eq!(history["items"].as_array().map(Vec::len), Some(1), "{history}");
    assert_eq!(history["items"][0]["kind"], "nothing_followed");
    for list in ["enrollments", "messages"] {
        let page = api.get(&format!("{ANN}/{list}")).await.is(200);
        assert_eq!(page, json!({ "items": [], "next_cursor": null }), "{list}");
    }
    for list in ["history", "enrollments", "messages"] {
        api.get(&format!("/v1/contacts/nobody/{list}")).await.problem(404);
    }
}

#[tokio::test]
async fn a_day_without_a_time_where_a_timer_counts_hours_is_a_warning() {
    let api = Called::with_fields().await;
    let document = json!({
        "id": "booked",
        "name": "Booked",
        "elements": {
            "in": { "type": "start", "when": { "tag": "Booked" }, "next": "before" },
            "before": { "type": "date_timer", "field": "appointment", "offset": "-1 hour", "past": "end", "next": "done" },
            "done": { "type": "end" }
        }
    });
    let sent = json!({ "email": "ann@example.com", "appointment": "2026-12-01" });
    assert_eq!(api.hook(&sent).await.get("warnings"), None, "nobody counts from it");
    api.put("/v1/campaigns/booked", &document).await.is(201);
    api.post("/v1/campaigns/booked/publish", &json!({})).await.is(200);
    let answer = api.hook(&sent).await;
    let warning = &answer["warnings"][0];
    assert_eq!(
        (&warning["path"], &warning["code"]),
        (&json!("appointment"), &json!("no_time")),
        "{answer}"
    );
    for part in ["\"2026-12-01\"", "midnight", "`booked`"] {
        assert!(warning["message"].as_str().unwrap_or_default().contains(part), "{warning}");
    }
    // The value is written nevertheless, and a time of day gives no warning.
    assert_eq!(api.ann().await["fields"]["appointment"], "2026-12-01T00:00:00Z");
    for time in ["2026-12-01 00:00", "1764547200", "2026-12-01T14:30:00Z"] {
        let sent = json!({ "email": "ann@example.com", "appointment": time });
        assert_eq!(api.hook(&sent).await.get("warnings"), None, "{time}");
    }
    // The same through the API and in a file.
    let fields = json!({ "fields": { "appointment": "1 Dec 2026" } });
    let patched = api.patch("/v1/contacts/email:ann@example.com", &fields).await.is(200);
    assert_eq!(patched["warnings"][0]["path"], "fields.appointment", "{patched}");
    let bob = json!({ "email": "bob@example.com", "fields": { "appointment": "2026-12-01" } });
    let created = api.post("/v1/contacts", &bob).await.is(201);
    assert_eq!(created["warnings"][0]["code"], "no_time", "{created}");
    let file = b"email,appointment\nann@example.com,2026-12-02\nbob@example.com,2026-12-02 10:00\n";
    let imported = import(&api, "", "text/csv", file).await.is(200);
    assert_eq!(imported["warnings"][0]["line"], 2, "{imported}");
    assert_eq!(imported["warnings"].as_array().map(Vec::len), Some(1), "{imported}");
}

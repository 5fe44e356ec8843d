//! A change that cannot be decided because of a defect in Dacapo is quarantined, and other changes
//! go on. After the release the kept changes are decided in order.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use dacapo_embedded::clock::ClockKind;
use dacapo_embedded::{Embedded, Options};
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::ids::{CampaignId, Tag};
use dacapo_engine::time::Instant;
use dacapo_platform::api::AdminKey;
use dacapo_platform::contacts;
use dacapo_platform::handlers::{EnrollmentImage, timer_name};
use dacapo_platform::keys::fed;
use dacapo_platform::ports::Order;
use dacapo_platform::table::{Body as Stored, Condition, Consistency, Item, Table as _, Write};
use dacapo_tests::kit::ManualPump;
use dacapo_tests::kit::TestBench;
use serde_json::{Value, json};
use tower::ServiceExt as _;

async fn start(directory: &Path) -> Embedded {
    let at = Instant::from_timestamp_millis(1_796_112_000_000).unwrap();
    Embedded::start(Options {
        directory: Some(directory.to_owned()),
        clock: ClockKind::Manual(at),
        time_zone: None,
        locale: None,
        smtp: None,
        public_url: "https://dacapo.example".to_owned(),
        local: true,
    })
    .await
    .unwrap()
}

async fn call(embedded: &Embedded, method: &str, path: &str, body: &str) -> Value {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Authorization", "Bearer key")
        .header("Content-Type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = embedded.router(Some(AdminKey::of("key"))).oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 24).await.unwrap();
    assert!(status.is_success(), "{method} {path}: {status}: {}", String::from_utf8_lossy(&bytes));
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

/// A campaign that sends a mail after the tag, and another mail after the next tag.
fn campaign(id: &str) -> String {
    json!({
        "id": id,
        "sender": { "address": "a@example.com" },
        "elements": {
            "go": { "type": "event", "on": { "tag_added": "Go" }, "next": "first" },
            "first": { "type": "email", "email": "first", "next": "more" },
            "more": { "type": "event", "on": { "tag_added": "More" }, "next": "second" },
            "second": { "type": "email", "email": "second" },
        },
        "emails": {
            "first": { "purpose": "transactional", "subject": format!("{id} first"), "text": "x" },
            "second": { "purpose": "transactional", "subject": format!("{id} second"), "text": "x" },
        },
    })
    .to_string()
}

async fn status_in(embedded: &Embedded, id: &str) -> Value {
    let all = call(embedded, "GET", "/v1/contacts/email:ann@example.com/enrollments", "").await;
    let items = all["items"].as_array().unwrap().clone();
    items.into_iter().find(|item| item["campaign"] == id).unwrap()["status"].clone()
}

async fn subjects(embedded: &Embedded) -> Vec<String> {
    embedded.worker.idle().await;
    let all = call(embedded, "GET", "/dev/messages", "").await;
    let items = all["items"].as_array().unwrap();
    items.iter().map(|item| item["subject"].as_str().unwrap().to_owned()).collect()
}

async fn tag(embedded: &Embedded, tag: &str) {
    let body = json!({ "email": "ann@example.com", "tags": tag }).to_string();
    call(embedded, "POST", "/v1/hooks/contact", &body).await;
    embedded.worker.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_decided_is_kept_and_drained_in_order_on_release() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = start(directory.path()).await;
    for id in ["broken", "sound"] {
        call(&embedded, "PUT", &format!("/v1/campaigns/{id}"), &campaign(id)).await;
        call(&embedded, "POST", &format!("/v1/campaigns/{id}/publish"), "{}").await;
    }
    tag(&embedded, "Hello").await;
    // The defect: the published version can no longer be read.
    let key = embedded.platform.store.keys.version(&CampaignId::new("broken").unwrap(), 1);
    let sound = embedded.store.get(&key, Consistency::Strong).await.unwrap().unwrap();
    let garbage = Item::new(key, Stored::of(&json!({ "nothing": "here" })).unwrap());
    let put = |item: Item| vec![Write::put(item, Condition::Always)];
    embedded.store.write(put(garbage), None).await.unwrap();
    embedded.stop().await;

    let embedded = start(directory.path()).await;
    tag(&embedded, "Go").await;
    tag(&embedded, "More").await;
    assert_eq!(subjects(&embedded).await, ["sound first", "sound second"], "the neighbour goes on");
    assert_eq!(status_in(&embedded, "broken").await, "held");

    // The defect is fixed; a person releases.
    embedded.store.write(put(sound), None).await.unwrap();
    let path = "/v1/contacts/email:ann@example.com/enrollments/broken/release";
    call(&embedded, "POST", path, "{}").await;
    let mut all = subjects(&embedded).await;
    all.sort();
    // Both changes were decided, in order: the second event ended what the first had begun.
    assert!(all.contains(&"broken second".to_owned()), "{all:?}");
    assert_eq!(status_in(&embedded, "broken").await, "completed");

    // And nothing is quarantined any more.
    let undecided = embedded.platform.store.keys.contact_partition(
        &embedded.platform.contacts.id_of("ann@example.com").await.unwrap().unwrap(),
    );
    let left = dacapo_platform::table::Query::of(&undecided).prefix("Q#").strong();
    assert!(embedded.store.query(left).await.unwrap().items.is_empty());
    embedded.stop().await;
}

/// A contact that receives the tag *Go* waits for an hour.
const HOUR: &str = r"
id: hour
elements:
  go: { type: event, on: { tag_added: Go }, next: hour }
  hour: { type: wait, for: 1 hour }
";

#[tokio::test]
async fn r40_the_timers_of_an_enrollment_that_a_defect_holds_are_cancelled() {
    let (id, store) = (CampaignId::new("hour").unwrap(), ManualPump::store());
    let mut pump =
        ManualPump::publishing(Arc::clone(&store), Arc::clone(&store) as _, &id, HOUR).await;
    let tagged = async |bench: &TestBench, tag: &str| {
        let patch = Patch { add: vec![Tag::new(tag).unwrap()], ..Patch::default() };
        let by = Author::ApiKey("test".to_owned());
        let written =
            bench.platform.contacts.upsert("ann@example.com", &patch, &by, &contacts::alone).await;
        written.unwrap().contact.id
    };
    let ann = tagged(&pump.bench, "Go").await;
    pump.feed_goes_on().await;
    let due = pump.due[0].event.due().unwrap();
    // The defect: the published version can no longer be read.
    let key = pump.bench.platform.store.keys.version(&id, 1);
    let garbage = Item::new(key, Stored::of(&json!({ "nothing": "here" })).unwrap());
    store.write(vec![Write::put(garbage, Condition::Always)], None).await.unwrap();
    pump.bench = TestBench::on(Arc::clone(&store) as _);
    tagged(&pump.bench, "Go on").await;
    // The feed delivers at least once: again, to see what is ordered.
    let brought = pump.feed_goes_on().await;
    let held = brought.into_iter().rfind(|change| fed(&change.key).unwrap().1.is_some()).unwrap();
    let image = EnrollmentImage { key: held.key, old: held.old, new: held.new };
    pump.bench.platform.effects.perform_all(&[image]).await.unwrap();
    let cancelled = Order::Cancel { name: timer_name(&ann, &id, "t", 1, 1, due) };
    assert_eq!(pump.bench.outbox.take(), [cancelled]);
    // A timer that is due nevertheless finds nothing.
    pump.until_idle().await;
    let enrolled = pump.bench.platform.decisions.enrollments(&ann).await.unwrap();
    assert!(enrolled[&id].is_quarantined() && enrolled[&id].tokens.is_empty());
}

/// The same campaign about bookings.
fn about_bookings(id: &str) -> String {
    let mut document: Value = serde_json::from_str(&campaign(id)).unwrap();
    document["per"] = json!("booking");
    document["objects"] = json!({ "booking": { "fields": { "place": { "type": "text" } } } });
    for email in ["first", "second"] {
        let subject = format!("{id} {email} {{{{ booking.key }}}}");
        document["emails"][email]["subject"] = json!(subject);
    }
    document.to_string()
}

async fn tag_booking(embedded: &Embedded, key: &str, tag: &str) {
    let body = json!({ "key": key, "email": "ann@example.com", "tags": tag }).to_string();
    call(embedded, "POST", "/v1/hooks/object/booking", &body).await;
    embedded.worker.idle().await;
}

async fn status_of(embedded: &Embedded, id: &str, key: &str) -> Value {
    let path = format!("/v1/contacts/email:ann@example.com/enrollments?object=booking/{key}");
    let all = call(embedded, "GET", &path, "").await;
    let items = all["items"].as_array().unwrap().clone();
    items.into_iter().find(|item| item["campaign"] == id).unwrap()["status"].clone()
}

/// R71, R40: what is held is one booking in one campaign. A person releases it by its name.
#[tokio::test(flavor = "multi_thread")]
async fn r71_what_cannot_be_decided_of_an_object_is_kept_and_drained_in_order_on_release() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = start(directory.path()).await;
    for id in ["broken", "sound"] {
        call(&embedded, "PUT", &format!("/v1/campaigns/{id}"), &about_bookings(id)).await;
        call(&embedded, "POST", &format!("/v1/campaigns/{id}/publish"), "{}").await;
    }
    tag_booking(&embedded, "b2", "Hello").await;
    let key = embedded.platform.store.keys.version(&CampaignId::new("broken").unwrap(), 1);
    let sound = embedded.store.get(&key, Consistency::Strong).await.unwrap().unwrap();
    let garbage = Item::new(key, Stored::of(&json!({ "nothing": "here" })).unwrap());
    let put = |item: Item| vec![Write::put(item, Condition::Always)];
    embedded.store.write(put(garbage), None).await.unwrap();
    embedded.stop().await;

    let embedded = start(directory.path()).await;
    tag_booking(&embedded, "b1", "Go").await;
    tag_booking(&embedded, "b1", "More").await;
    assert_eq!(subjects(&embedded).await, ["sound first b1", "sound second b1"]);
    assert_eq!(status_of(&embedded, "broken", "b1").await, "held");
    let person = embedded.platform.contacts.id_of("ann@example.com").await.unwrap().unwrap();
    let partition = embedded.platform.store.keys.contact_partition(&person);
    let undecided = async |embedded: &Embedded| {
        let query = dacapo_platform::table::Query::of(&partition).prefix("Q#").strong();
        embedded.store.query(query).await.unwrap().items.len()
    };
    assert_eq!(undecided(&embedded).await, 2, "each change by itself");

    embedded.store.write(put(sound), None).await.unwrap();
    let release = |key: &str| {
        let of_ann = "/v1/contacts/email:ann@example.com/enrollments/broken/release";
        format!("{of_ann}?object=booking/{key}")
    };
    call(&embedded, "POST", &release("b1"), "{}").await;
    let all = subjects(&embedded).await;
    assert!(all.contains(&"broken second b1".to_owned()), "{all:?}");
    assert_eq!(status_of(&embedded, "broken", "b1").await, "completed");
    assert_eq!(undecided(&embedded).await, 0);
    // Its neighbour was never concerned, and enters as if nothing had been.
    tag_booking(&embedded, "b2", "Go").await;
    assert_eq!(status_of(&embedded, "broken", "b2").await, "active");
    embedded.stop().await;
}

/// R74: an object of which a change waits for its release is kept, however old it is.
#[tokio::test(flavor = "multi_thread")]
async fn r74_an_object_in_quarantine_is_kept_until_it_is_released() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = start(directory.path()).await;
    let document = about_bookings("broken");
    call(&embedded, "PUT", "/v1/campaigns/broken", &document).await;
    call(&embedded, "POST", "/v1/campaigns/broken/publish", "{}").await;
    call(&embedded, "PUT", "/v1/object-types/booking", r#"{ "keep": "10 days" }"#).await;
    let key = embedded.platform.store.keys.version(&CampaignId::new("broken").unwrap(), 1);
    let sound = embedded.store.get(&key, Consistency::Strong).await.unwrap().unwrap();
    let garbage = Item::new(key, Stored::of(&json!({ "nothing": "here" })).unwrap());
    let put = |item: Item| vec![Write::put(item, Condition::Always)];
    embedded.store.write(put(garbage), None).await.unwrap();
    embedded.stop().await;

    let embedded = start(directory.path()).await;
    tag_booking(&embedded, "b1", "Go").await;
    assert_eq!(status_of(&embedded, "broken", "b1").await, "held");
    let after = async |days: i64| {
        let now = embedded.platform.store.now();
        embedded.worker.advance(now + chrono::TimeDelta::days(days)).await;
        let all = call(&embedded, "GET", "/v1/contacts/email:ann@example.com/objects", "").await;
        all["items"].as_array().unwrap().len()
    };
    assert_eq!(after(60).await, 1);
    embedded.store.write(put(sound), None).await.unwrap();
    let release = "/v1/contacts/email:ann@example.com/enrollments/broken/release?object=booking/b1";
    call(&embedded, "POST", release, "{}").await;
    embedded.worker.idle().await;
    assert_eq!(status_of(&embedded, "broken", "b1").await, "active", "the change was decided");
    call(&embedded, "POST", &release.replace("release", "stop"), "{}").await;
    embedded.worker.idle().await;
    assert_eq!(after(5).await, 0);
}

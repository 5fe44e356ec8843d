//! The mass action *reconcile*, requested over the API: its parameters, and that every contact goes
//! on in one process, too.

use std::sync::Arc;

use chrono::TimeDelta;
use dacapo_embedded::{Operation, SqliteStore};
use serde_json::{Value, json};

use crate::called::{ADMIN, Called};

const PATH: &str = "/v1/mass-actions/reconcile";

const CAMPAIGN: &str = r#"
id: waits
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: hello }
  hello: { type: email, email: hello, next: pause }
  pause: { type: wait, for: 2 days, next: bye }
  bye: { type: email, email: bye, next: again }
  again: { type: restart }
emails:
  hello: { purpose: transactional, subject: "Hello {{ campaign.run }}", text: Hello }
  bye: { purpose: transactional, subject: "Bye {{ campaign.run }}", text: Bye }
"#;

async fn account(api: &Called) {
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    let saved = api.bare("PUT", "/v1/campaigns/waits", &headers, CAMPAIGN.to_owned()).await;
    assert!(saved.status.is_success(), "{}", saved.text);
    api.post("/v1/campaigns/waits/publish", &json!({})).await.is(200);
}

async fn tagged(api: &Called, tag: &str) {
    api.hook(&json!({ "email": "ann@example.com", "tags": tag })).await;
    api.idle().await;
}

async fn passes(api: &Called, time: TimeDelta) {
    let now = api.embedded.platform.store.now();
    api.embedded.worker.advance(now + time).await;
}

async fn subjects(api: &Called) -> Vec<String> {
    let page = api.get("/v1/contacts/email:ann@example.com/messages").await.is(200);
    let all = page["items"].as_array().expect("messages").iter();
    all.map(|one| one["subject"].as_str().expect("a subject").to_owned()).collect()
}

async fn reconciled(api: &Called) -> Value {
    let taken = api.post(PATH, &json!({})).await.is(202);
    api.idle().await;
    let id = taken["id"].as_str().expect("an id");
    api.get(&format!("/v1/mass-actions/{id}")).await.is(200)
}

/// Removes every timer from the store. Returns how many there were.
async fn loses_its_timers(store: &Arc<SqliteStore>, api: &Called) -> usize {
    let far = api.embedded.platform.store.now() + TimeDelta::days(3_650);
    let timers = store.due_timers(far, 1_000).expect("the timers");
    let cancelled: Vec<_> = timers.iter().map(|one| Operation::Cancel(one.name.clone())).collect();
    let many = cancelled.len();
    store.commit(cancelled).await.expect("a commit");
    many
}

#[tokio::test]
async fn what_is_asked_for_is_looked_at_member_by_member() {
    let api = Called::new().await;
    let key = api.key("writes", "write").await;
    let refused = api.with_key(&key, "POST", PATH).await;
    refused.problem(403);
    for (asked, path, code) in [
        (json!({ "restored_to": "yesterday" }), "restored_to", "instant"),
        (json!({ "sent_until": "2026-11-01T13:00:00" }), "sent_until", "instant"),
        (json!({ "sent_until": "2026-11-01T12:00:01Z" }), "sent_until", "future"),
        (
            json!({ "restored_to": "2026-11-01T10:00:00Z", "sent_until": "2026-11-01T10:59:00+01:00" }),
            "sent_until",
            "order",
        ),
        (json!({ "since": "2026-11-01T10:00:00Z" }), "since", "unknown_member"),
    ] {
        let faults = api.post(PATH, &asked).await.faults(422);
        assert_eq!(faults, [(path.to_owned(), code.to_owned())], "{asked}");
    }
    let asked = json!({ "restored_to": "2026-11-01T10:00:00+01:00" });
    let first = api.once("again", PATH, &asked).await.is(202);
    assert_eq!(api.once("again", PATH, &asked).await.is(202), first, "one key, one job");
    let job = api.get(&format!("/v1/mass-actions/{}", first["id"].as_str().unwrap())).await.is(200);
    assert_eq!(job["restored_to"], "2026-11-01T09:00:00Z");
    assert_eq!((&job["contacts"], &job["campaigns"]), (&json!("everybody"), &json!("all")));
}

#[tokio::test]
async fn timers_that_were_lost_are_set_again_and_everybody_goes_on_once() {
    let api = Called::new().await;
    account(&api).await;
    tagged(&api, "Lead").await;
    assert_eq!(loses_its_timers(&api.embedded.store, &api).await, 1);
    let job = reconciled(&api).await;
    assert_eq!(
        (&job["status"], &job["total"], &job["done"]),
        (&json!("completed"), &json!(1), &json!(1))
    );
    reconciled(&api).await;
    passes(&api, TimeDelta::days(2)).await;
    assert_eq!(subjects(&api).await, ["Hello 1", "Bye 1"]);
    // R14: the trigger in the restart's delay is parked, and its recheck is a timer too.
    tagged(&api, "Again").await;
    assert_eq!(loses_its_timers(&api.embedded.store, &api).await, 1);
    reconciled(&api).await;
    passes(&api, TimeDelta::days(3)).await;
    assert_eq!(subjects(&api).await, ["Hello 1", "Bye 1", "Hello 2", "Bye 2"]);
}

/// A copy of the file has its timers and queues. So a reconcile there changes nothing.
#[tokio::test]
async fn where_nothing_was_lost_nothing_changes() {
    let api = Called::new().await;
    account(&api).await;
    tagged(&api, "Lead").await;
    let seen = async || {
        let of_ann = |what: &str| format!("/v1/contacts/email:ann@example.com/{what}");
        let mut all = Vec::new();
        for path in [of_ann("history"), of_ann("enrollments"), of_ann("messages")] {
            all.push(api.get(&path).await.is(200));
        }
        all.push(api.get("/v1/campaigns/waits/statistics").await.is(200));
        all
    };
    let before = seen().await;
    for _ in 0..2 {
        reconciled(&api).await;
    }
    assert_eq!(seen().await, before);
    passes(&api, TimeDelta::days(2)).await;
    assert_eq!(subjects(&api).await, ["Hello 1", "Bye 1"]);
    reconciled(&api).await;
    passes(&api, TimeDelta::days(2)).await;
    assert_eq!(subjects(&api).await, ["Hello 1", "Bye 1"]);
}

/// Job steps are in a queue, too: a job whose step was lost would never end.
#[tokio::test]
async fn it_waits_for_no_job_whose_turns_were_lost() {
    let api = Called::new().await;
    account(&api).await;
    tagged(&api, "Lead").await;
    // As in the catalog of a restored table: the job is ordered, and the queues are empty.
    let stop = json!({ "campaigns": "all", "contacts": "enrolled" });
    let stopped = api.post("/v1/mass-actions/stop-campaign", &stop).await.is(202);
    api.idle().await;
    let seq: u64 = stopped["id"].as_str().unwrap().trim_start_matches("job-").parse().unwrap();
    let platform = &api.embedded.platform;
    platform
        .catalog
        .change(|catalog| {
            let open = json!({ "seq": seq + 1, "ordered": true });
            catalog.open.push(serde_json::from_value(open).expect("a job"));
            catalog.jobs += 1;
            Ok::<_, dacapo_platform::error::Error>(((), Vec::new()))
        })
        .await
        .expect("a catalog");
    let job = reconciled(&api).await;
    assert_eq!(job["status"], "completed", "it waits for nobody: {job:#}");
    api.embedded.worker.idle().await;
    let open = platform.catalog.current().await.expect("the catalog").catalog.open.clone();
    assert_eq!(open, [], "what was listed as ordered is looked at again");
}

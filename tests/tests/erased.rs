//! An erased contact stays erased: what comes too late writes nothing about it, and what takes long
//! is ordered, in pieces that a queue can deliver.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_platform::handlers::Done;
use dacapo_platform::jobs::{JobKind, JobStatus, Requested, Selection};
use dacapo_platform::keys::SHARDS;
use dacapo_platform::platform::Platform;
use dacapo_platform::ports::{Order, QueueMessage};
use dacapo_platform::table::{Body, Condition, Consistency, Item, Query, Table as _, Write};
use dacapo_tests::kit::{ADMIN, ManualPump, TestBench, bring};
use serde_json::{Value, json};

const CAMPAIGN: &str = r"
id: welcome
sender: { address: a@example.com }
elements:
  go: { type: start, when: { tag: Go }, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { purpose: transactional, subject: Hello, text: x }
";

async fn begun() -> ManualPump {
    let (campaign, store) = (CampaignId::new("welcome").unwrap(), ManualPump::store());
    ManualPump::publishing(Arc::clone(&store), store as _, &campaign, CAMPAIGN).await
}

async fn keys_of(pump: &ManualPump, contact: &ContactId) -> Vec<String> {
    let keys = &pump.bench.platform.store.keys;
    let partition = keys.contact_partition(contact);
    let page = pump.store.query(Query::of(&partition).strong()).await.unwrap();
    let tombstone = keys.tombstone(contact);
    page.items
        .into_iter()
        .map(|item| item.key)
        .filter(|key| *key != tombstone)
        .map(|key| key.sk)
        .collect()
}

/// `LeftBehind` keeps what a stream brought too late, and a person hands it in days after.
#[tokio::test]
async fn what_is_handed_in_days_later_writes_nothing_about_who_was_erased_meanwhile() {
    let mut pump = begun().await;
    let post = json!({ "email": "ann@example.com", "tags": ["Go"] });
    let (_, answer) = pump.call(ADMIN, "POST", "/v1/hooks/contact", &post).await;
    let ann = ContactId::new(answer["contact_id"].as_str().unwrap()).unwrap();
    let mut left_behind = pump.until_idle().await;
    let post = json!({ "email": "ann@example.com", "remove_tags": ["Go"], "tags": ["Unread"] });
    pump.call(ADMIN, "POST", "/v1/hooks/contact", &post).await;
    left_behind.extend(pump.until_idle().await);
    let path = format!("/v1/contacts/{ann}");
    assert_eq!(pump.call(ADMIN, "DELETE", &path, &Value::Null).await.0, 204);
    assert_eq!(keys_of(&pump, &ann).await, [] as [String; 0]);
    pump.bench.outbox.take();
    pump.feed_goes_on().await;
    pump.bench.clock.advance(26 * 3_600);
    pump.bench.platform.erasure.erase_remains(&ann).await.unwrap();
    for change in &left_behind {
        bring(&pump.bench.platform, std::slice::from_ref(change)).await.unwrap();
    }
    assert_eq!(keys_of(&pump, &ann).await, [] as [String; 0]);
    for shard in 0..SHARDS {
        for tag in ["Go", "Unread"] {
            let tag = dacapo_engine::ids::Tag::new(tag).unwrap();
            let listed = pump.bench.platform.store.keys.tagged(&tag, shard);
            let page = pump.store.query(Query::of(&listed).strong()).await.unwrap();
            assert!(page.items.iter().all(|item| item.key.sk != ann.as_str()), "{tag}");
        }
    }
}

async fn dead_letters(platform: &Platform, many: usize, raw: &str) {
    let partition = platform.store.keys.dead_letters_listed();
    for nth in 0..many {
        let body = json!({
            "kind": "message", "by": "test", "why": "no", "raw": raw,
            "at": platform.store.now().timestamp_millis(),
        });
        let key = dacapo_platform::table::Key::new(partition.clone(), format!("letter-{nth:06}"));
        let put = Write::put(Item::new(key, Body::of(&body).unwrap()).rev(1), Condition::Absent);
        platform.store.table.write(vec![put], None).await.unwrap();
    }
}

#[tokio::test]
async fn the_contact_is_gone_at_once_and_its_dead_letters_are_looked_through_by_order() {
    let mut pump = begun().await;
    let post = json!({ "email": "ann@example.com", "tags": ["Go"] });
    let (_, answer) = pump.call(ADMIN, "POST", "/v1/hooks/contact", &post).await;
    let ann = ContactId::new(answer["contact_id"].as_str().unwrap()).unwrap();
    pump.until_idle().await;
    let platform = pump.bench.platform.clone();
    let raw = json!({ "c": ann.as_str(), "pad": "x".repeat(300_000) }).to_string();
    dead_letters(&platform, 9, &raw).await;
    let path = format!("/v1/contacts/{ann}");
    assert_eq!(pump.call(ADMIN, "DELETE", &path, &Value::Null).await.0, 204);
    assert_eq!(keys_of(&pump, &ann).await, [] as [String; 0]);
    let is_order = |order: &Order| matches!(order, Order::Send { message: QueueMessage::Erase(id), .. } if *id == ann);
    assert_eq!(pump.bench.outbox.take().iter().filter(|order| is_order(order)).count(), 1);
    assert_eq!(platform.erasure.erase_remains(&ann).await.unwrap(), Done::Yes);
    let listed = platform.store.keys.dead_letters_listed();
    let left = platform.store.table.query(Query::of(&listed).strong()).await.unwrap();
    assert_eq!(left.items.len(), 0);
    let tombstone = platform.store.keys.tombstone(&ann);
    let kept = platform.store.table.get(&tombstone, Consistency::Strong).await.unwrap().unwrap();
    assert!(!kept.body.as_str().contains("letters"), "it has come to the end");
}

#[tokio::test]
async fn r16_erasing_an_account_orders_a_step_for_every_piece_of_what_is_left() {
    let bench = TestBench::on(ManualPump::store() as _);
    let platform = bench.platform.clone();
    dead_letters(&platform, 2_200, "{}").await;
    let (selection, by) = (Selection::Everybody, "test".to_owned());
    let (kind, named, campaigns) = (JobKind::EraseAccount, Vec::new(), Vec::new());
    let requested = Requested {
        kind,
        selection,
        named,
        campaigns,
        all: true,
        by,
        estimate: 0,
        estimate_is_a_minimum: false,
    };
    let begun = dacapo_platform::campaigns::alone;
    let job = platform.jobs.begin(&requested, begun).await.unwrap().seq;
    let mut orders = bench.outbox.take();
    let mut steps = 0;
    while let Some(order) = orders.pop() {
        let Order::Send { at, message: QueueMessage::JobStep(step), .. } = order else { continue };
        bench.clock.advance((at - platform.store.now()).num_seconds().max(-1) + 1);
        loop {
            let now = platform.store.now();
            match platform.job_worker.step(&step).await.unwrap() {
                Done::Yes => break,
                Done::NotBefore(at) if at > now => {
                    bench.clock.advance((at - now).num_seconds() + 1);
                }
                other => panic!("{other:?} is another receive of the same message"),
            }
        }
        steps += 1;
        orders.extend(bench.outbox.take());
    }
    let progress = platform.jobs.progress(job).await.unwrap().unwrap();
    assert_eq!(progress.status, JobStatus::Completed, "{progress:?}");
    assert!(steps > 2, "{steps}");
}

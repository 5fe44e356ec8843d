//! What takes long ends in time: it says that it is not all, or is ordered to go on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use dacapo_embedded::SqliteStore;
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::ids::ContactId;
use dacapo_platform::api::{AdminKey, router};
use dacapo_platform::contacts::alone;
use dacapo_platform::dead_letters::{DeadLetterKind, NewDeadLetter};
use dacapo_platform::handlers::Done;
use dacapo_platform::ports::{Order, QueueMessage};
use dacapo_platform::table::{Query, Table as _};
use dacapo_tests::kit::{SlowTable, TestBench};
use serde_json::{Value, json};
use tower::ServiceExt as _;

struct Slow {
    bench: TestBench,
    store: Arc<SqliteStore>,
    table: Arc<SlowTable>,
}

impl Slow {
    fn new() -> Self {
        let store = SqliteStore::open(None, |_| false).unwrap();
        let table = SlowTable::before(Arc::clone(&store) as _);
        let bench = TestBench::on(Arc::clone(&table) as _);
        Self { bench, store, table }
    }

    async fn contact(&self, email: &str) -> ContactId {
        let (patch, by) = (Patch::default(), Author::ApiKey("test".to_owned()));
        let written = self.bench.platform.contacts.upsert(email, &patch, &by, &alone).await;
        written.unwrap().contact.id
    }

    async fn call(&self, method: &str, path: &str) -> Value {
        let router = router(self.bench.platform.clone(), Some(AdminKey::of("secret")));
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", "Bearer secret");
        let request = request.header("content-type", "application/json");
        let body = if method == "POST" { Body::from("{}") } else { Body::empty() };
        let response = router.oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&bytes));
        serde_json::from_slice(&bytes).unwrap()
    }

    async fn dead_letters(&self) -> usize {
        let partition = self.bench.platform.store.keys.dead_letters_listed();
        self.store.query(Query::of(&partition).strong()).await.unwrap().items.len()
    }
}

#[tokio::test]
async fn a_count_that_ends_before_all_are_counted_says_that_it_is_a_minimum() {
    let slow = Slow::new();
    for nth in 0..80 {
        slow.contact(&format!("p{nth}@example.com")).await;
    }
    let all = slow.call("POST", "/v1/mass-actions/reconcile").await;
    assert_eq!((&all["total"], all.get("total_is_a_minimum")), (&json!(80), None), "{all}");
    // Eight lists are read at once, and ten seconds are over after a few of their pages.
    slow.table.takes(3, 1, &slow.bench.clock);
    let some = slow.call("POST", "/v1/mass-actions/reconcile").await;
    assert!((1..80).contains(&some["total"].as_u64().unwrap()), "{some}");
    assert_eq!(some["total_is_a_minimum"], true, "{some}");
    let path = format!("/v1/mass-actions/{}", some["id"].as_str().unwrap());
    assert_eq!(slow.call("GET", &path).await["total_is_a_minimum"], true);
}

#[tokio::test]
async fn a_search_of_the_dead_letters_that_is_cut_off_by_time_goes_on_where_it_stopped() {
    let slow = Slow::new();
    let (ann, ben) = (slow.contact("ann@example.com").await, slow.contact("ben@example.com").await);
    for nth in 0..12 {
        let about = if nth % 4 == 3 { &ben } else { &ann };
        let (name, raw) = (format!("letter {nth}"), json!({ "about": about }).to_string());
        let (kind, by, why) = (DeadLetterKind::Report, "test", "nobody can read it");
        let dead_letter = NewDeadLetter { name: &name, kind, by, why, raw: &raw };
        slow.bench.platform.dead_letters.keep(dead_letter).await.unwrap();
        slow.bench.clock.advance(60);
    }
    assert_eq!(slow.dead_letters().await, 12);
    slow.bench.outbox.take();
    slow.table.takes(4, 1, &slow.bench.clock);
    let erasure = &slow.bench.platform.erasure;
    assert!(erasure.erase(&ann).await.unwrap());
    let mut left = Vec::new();
    while let Some(order) = slow.bench.outbox.take().pop()
        && matches!(&order, Order::Send { message: QueueMessage::Erase(id), .. } if *id == ann)
    {
        assert_eq!(erasure.erase_remains(&ann).await.unwrap(), Done::Yes);
        left.push(slow.dead_letters().await);
        assert!(left.len() < 20, "it ends: {left:?}");
    }
    assert!(left.len() > 2, "no call took more than its time: {left:?}");
    assert!(left.is_sorted_by(|before, after| before >= after), "{left:?}");
    assert_eq!(left.last(), Some(&3), "those about others stay: {left:?}");
}

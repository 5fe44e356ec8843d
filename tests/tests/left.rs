//! What a decision that queues a message leaves to the one that settles it: shown at once, counted once, never lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use dacapo_embedded::{Operation, SqliteStore};
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::ids::{CampaignId, ContactId, Tag};
use dacapo_platform::api::{AdminKey, router};
use dacapo_platform::campaigns::{Publish, alone};
use dacapo_platform::contacts;
use dacapo_platform::handlers::{ContactImage, Done, EnrollmentImage};
use dacapo_platform::keys::{Keys, fed, is_fed};
use dacapo_platform::ports::{Message, Order, Wake};
use dacapo_platform::table::{Query, Table as _};
use dacapo_tests::ports::Bench;
use serde_json::Value;
use tower::ServiceExt as _;

const CAMPAIGN: &str = r"
id: hello
sender: { address: a@example.com }
elements:
  go: { type: event, on: { tag_added: Go }, next: mail }
  mail: { type: email, email: hello }
emails:
  hello: { purpose: transactional, subject: Hello, text: x }
";

const ADMIN: &str = "the-admin-key";

struct Story {
    store: Arc<SqliteStore>,
    bench: Bench,
    api: Router,
    ann: ContactId,
    due: Vec<Wake>,
}

impl Story {
    /// Ann's message is queued, and its decision performed.
    async fn queued() -> Self {
        let store = SqliteStore::open(None, is_fed).unwrap();
        let bench = Bench::on(Arc::clone(&store) as _);
        let campaign = CampaignId::new("hello").unwrap();
        bench.platform.put_draft(&campaign, CAMPAIGN).await.unwrap();
        bench.platform.publish(&campaign, Publish::default(), "test", alone).await.unwrap();
        bench.outbox.take();
        let patch = Patch { add: vec![Tag::new("Go").unwrap()], ..Patch::default() };
        let by = Author::ApiKey("test".to_owned());
        let written =
            bench.platform.upsert("ann@example.com", &patch, &by, &contacts::alone).await.unwrap();
        let api = router(bench.platform.clone(), Some(AdminKey::of(ADMIN)));
        let mut story = Self { store, bench, api, ann: written.contact.id, due: Vec::new() };
        story.feed_goes_on().await;
        assert_eq!(story.due.len(), 1, "one message: {:?}", story.due);
        story
    }

    async fn feed_goes_on(&mut self) {
        let platform = &self.bench.platform;
        loop {
            let changes = self.store.read_feed("test", 100).unwrap();
            let Some(last) = changes.last().map(|change| change.seq) else { break };
            // Everything comes twice.
            for change in changes.iter().chain(&changes).cloned() {
                let (old, new) = (change.old, change.new);
                match fed(&change.key).unwrap() {
                    (_, None) => {
                        platform.contact_changed(&ContactImage { old, new }).await.unwrap();
                    }
                    (_, Some(_)) => {
                        let image = EnrollmentImage { key: change.key, old, new };
                        platform.enrollments_committed(&[image]).await.unwrap();
                    }
                }
            }
            let done = Operation::Checkpoint { consumer: "test".to_owned(), seq: last };
            self.store.commit(vec![done]).await.unwrap();
        }
        for order in self.bench.outbox.take() {
            if let Order::Send { message: Message::Wake(wake), .. } = order
                && !self.due.contains(&wake)
            {
                self.due.push(wake);
            }
        }
    }

    /// The message is taken from its queue.
    async fn delivered(&mut self) {
        for wake in std::mem::take(&mut self.due) {
            assert_eq!(self.bench.platform.woken(&wake).await.unwrap(), Done::Yes);
        }
        self.feed_goes_on().await;
    }

    async fn called(&self, method: &str, path: &str) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Authorization", format!("Bearer {ADMIN}"))
            .header("Content-Type", "application/json")
            .body(Body::from("{}"))
            .unwrap();
        let response = self.api.clone().oneshot(request).await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }

    /// The kinds of the history's lines, the newest first, read by so many at once.
    async fn history(&self, limit: usize) -> Vec<String> {
        let (mut kinds, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/contacts/{}/history?limit={limit}{cursor}", self.ann);
            let page = self.called("GET", &path).await;
            let lines = page["items"].as_array().unwrap().iter();
            kinds.extend(lines.map(|line| line["kind"].as_str().unwrap().to_owned()));
            let Some(next) = page["next_cursor"].as_str() else { return kinds };
            cursor = format!("&cursor={next}");
        }
    }

    /// How many items the history has.
    async fn recorded(&self) -> usize {
        let partition = self.bench.platform.keys.contact_partition(&self.ann);
        let query = Query::of(&partition).prefix(Keys::HISTORY).strong();
        self.store.query(query).await.unwrap().items.len()
    }

    async fn statistics(&self) -> Value {
        self.called("GET", "/v1/campaigns/hello/statistics?by=day").await
    }
}

#[tokio::test]
async fn r60_what_is_left_to_the_next_decision_is_in_the_history_at_once() {
    let mut story = Story::queued().await;
    assert_eq!(story.recorded().await, 0);
    let before = story.history(100).await;
    assert!(!before.is_empty());
    assert_eq!(story.history(1).await, before);
    story.delivered().await;
    assert_eq!(story.recorded().await, 1, "both decisions are one item");
    let after = story.history(100).await;
    assert!(after.ends_with(&before) && after.len() > before.len(), "{before:?}, then {after:?}");
    assert_eq!(story.history(1).await, after);
}

#[tokio::test]
async fn r53_what_was_left_is_counted_once_with_what_settles_it() {
    let mut story = Story::queued().await;
    story.delivered().await;
    let statistics = story.statistics().await;
    assert_eq!(statistics["entered"], 1, "{statistics}");
    assert_eq!(statistics["messages"]["sent"], 1, "{statistics}");
    assert_eq!(statistics["elements"]["mail"]["entered"], 1, "{statistics}");
    assert_eq!(statistics["elements"]["mail"]["at"], 0, "{statistics}");
}

#[tokio::test]
async fn r53_each_of_two_days_has_its_own() {
    let mut story = Story::queued().await;
    story.bench.clock.advance(24 * 3_600);
    story.delivered().await;
    assert_eq!(story.recorded().await, 2);
    let id = CampaignId::new("hello").unwrap();
    let day = |day| chrono::NaiveDate::from_ymd_opt(2026, 12, day).unwrap();
    let days = story.bench.platform.statistics_by_day(&id, day(1), day(3)).await.unwrap();
    let found: Vec<_> =
        days.iter().map(|found| (found.day, found.entered, found.messages.sent)).collect();
    assert_eq!(found, [(day(1), 1, 0), (day(2), 0, 1)]);
}

#[tokio::test]
async fn r53_what_was_left_is_counted_although_the_campaign_is_paused() {
    let mut story = Story::queued().await;
    story.called("POST", "/v1/campaigns/hello/pause").await;
    story.delivered().await;
    let statistics = story.statistics().await;
    assert_eq!(statistics["entered"], 1, "{statistics}");
    assert_eq!(statistics["elements"]["mail"]["at"], 1, "{statistics}");
    assert_eq!(statistics["messages"]["sent"], 0, "{statistics}");
    let enrolled = story.bench.platform.enrollments(&story.ann).await.unwrap();
    assert!(enrolled.values().all(|enrollment| enrollment.left.is_none()));
}

#[tokio::test]
async fn r53_an_erased_contact_takes_along_nothing_that_was_not_counted() {
    let story = Story::queued().await;
    story.called("DELETE", &format!("/v1/contacts/{}", story.ann)).await;
    let statistics = story.statistics().await;
    assert_eq!(statistics["entered"], 1, "{statistics}");
    assert_eq!(statistics["active"], 0, "{statistics}");
}

//! Eventual reads that stand still: nothing is lost and nothing is concluded from them, however old they are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use dacapo_embedded::{Operation, SqliteStore};
use dacapo_engine::ids::CampaignId;
use dacapo_platform::api::{AdminKey, router};
use dacapo_platform::campaigns::{Publish, alone};
use dacapo_platform::handlers::{ContactImage, Done, EnrollmentImage};
use dacapo_platform::keys::{fed, is_fed};
use dacapo_platform::ports::{Message, Order, Wake};
use dacapo_platform::table::{Consistency, Item, Key, Page, Query, Table, TableError, Write};
use dacapo_tests::ports::Bench;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// *More* leads to a message in every run, and an hour after *Go* the next run begins.
const CAMPAIGN: &str = r"
id: circle
sender: { address: a@example.com }
fields: { at: { type: datetime } }
elements:
  go: { type: event, on: { tag_added: Go }, next: hour }
  hour: { type: wait, for: 1 hour, next: again }
  again: { type: reset }
  more: { type: event, on: { tag_added: More }, next: extra }
  extra: { type: email, email: extra }
emails:
  extra: { purpose: transactional, subject: Extra, text: x }
";

const ADMIN: &str = "the-admin-key";

/// A table whose eventual reads show what was there when it stood still.
struct Still {
    inner: Arc<SqliteStore>,
    /// What eventual reads have shown since; nothing while it does not stand still.
    shown: Mutex<Option<HashMap<Key, Option<Item>>>>,
}

impl Still {
    /// From now on these items are shown as they are now.
    async fn stand(&self, keys: &[Key]) {
        let mut shown = HashMap::new();
        for key in keys {
            let item = self.inner.get(key, Consistency::Strong).await.unwrap();
            shown.insert(key.clone(), item);
        }
        *self.shown.lock().unwrap() = Some(shown);
    }
}

#[async_trait]
impl Table for Still {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, TableError> {
        if consistency == Consistency::Eventual
            && let Some(shown) = self.shown.lock().unwrap().as_ref().and_then(|all| all.get(key))
        {
            return Ok(shown.clone());
        }
        self.inner.get(key, consistency).await
    }

    fn reads_pages_cheaply(&self) -> bool {
        true
    }

    async fn get_many(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError> {
        self.inner.get_many(keys, consistency).await
    }

    async fn query(&self, query: Query<'_>) -> Result<Page<Item>, TableError> {
        self.inner.query(query).await
    }

    async fn query_index(&self, query: Query<'_>) -> Result<Page<(Key, Key)>, TableError> {
        self.inner.query_index(query).await
    }

    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError> {
        self.inner.write(writes, token).await
    }
}

struct Story {
    store: Arc<SqliteStore>,
    still: Arc<Still>,
    bench: Bench,
    api: Router,
    campaign: CampaignId,
    due: Vec<Wake>,
}

impl Story {
    async fn begun() -> Self {
        let store = SqliteStore::open(None, is_fed).unwrap();
        let still = Arc::new(Still { inner: Arc::clone(&store), shown: Mutex::default() });
        let bench = Bench::on(Arc::clone(&still) as _);
        let campaign = CampaignId::new("circle").unwrap();
        bench.platform.put_draft(&campaign, CAMPAIGN).await.unwrap();
        bench.platform.publish(&campaign, Publish::default(), "test", alone).await.unwrap();
        bench.outbox.take();
        let api = router(bench.platform.clone(), Some(AdminKey::of(ADMIN)));
        Self { store, still, bench, api, campaign, due: Vec::new() }
    }

    async fn called(&self, key: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Authorization", format!("Bearer {key}"))
            .header("Content-Type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = self.api.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Posts to the hook as the admin. Answers the contact's id.
    async fn posted(&self, mut body: Value) -> String {
        body["email"] = json!("ann@example.com");
        let (status, answer) = self.called(ADMIN, "POST", "/v1/hooks/contact", &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["contact_id"].as_str().unwrap().to_owned()
    }

    /// The feed brings what waits in it.
    async fn feed_goes_on(&mut self) {
        let platform = &self.bench.platform;
        loop {
            let changes = self.store.read_feed("test", 100).unwrap();
            let Some(last) = changes.last().map(|change| change.seq) else { break };
            for change in changes {
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
            if let Order::Schedule { message: Message::Wake(wake), .. }
            | Order::Send { message: Message::Wake(wake), .. } = order
            {
                self.due.push(wake);
            }
        }
    }

    /// Whoever is due is taken, until nobody is.
    async fn until_idle(&mut self) {
        self.feed_goes_on().await;
        while let Some(wake) = self.due.pop() {
            match self.bench.platform.woken(&wake).await.unwrap() {
                Done::Yes => self.feed_goes_on().await,
                waits => panic!("{wake:?}: {waits:?}"),
            }
        }
    }
}

#[tokio::test]
async fn r5_that_it_has_fired_is_not_concluded_from_the_run_before() {
    let mut story = Story::begun().await;
    let ann = story.posted(json!({ "tags": "More" })).await;
    let ann = dacapo_engine::ids::ContactId::new(ann).unwrap();
    story.until_idle().await;
    story.posted(json!({ "tags": "Go", "remove_tags": "More" })).await;
    story.feed_goes_on().await;
    let keys = story.bench.platform.keys.clone();
    let enrollment = keys.enrollment(&ann, &story.campaign);
    story.still.stand(&[enrollment]).await;
    story.bench.clock.advance(3_600);
    story.until_idle().await;
    // As it was a moment ago, *More* has fired; in the run that has begun since it has not.
    story.posted(json!({ "tags": "More" })).await;
    story.until_idle().await;
    let record = story.bench.platform.message(&keys.message(&ann, &story.campaign, 2, 1)).await;
    assert_eq!(record.unwrap().map(|record| record.element.to_string()), Some("extra".to_owned()));
}

#[tokio::test]
async fn r4_a_date_is_read_in_the_zone_that_the_contact_has_not_in_the_one_that_it_had() {
    let story = Story::begun().await;
    let ann = story.posted(json!({ "time_zone": "Europe/Berlin" })).await;
    let ann = dacapo_engine::ids::ContactId::new(ann).unwrap();
    let keys = &story.bench.platform.keys;
    story.still.stand(&[keys.contact(&ann), keys.address("ann@example.com")]).await;
    story.posted(json!({ "time_zone": "America/New_York" })).await;
    story.posted(json!({ "fields": { "at": "2026-12-24T18:00" } })).await;
    let contact = story.bench.platform.contact(&ann).await.unwrap().unwrap();
    let at = contact.fields.iter().find(|(key, _)| key.as_str() == "at").unwrap().1;
    assert!(format!("{at:?}").contains("2026-12-24T23:00"), "{at:?}");
}

#[tokio::test]
async fn r1_that_a_post_changes_nothing_is_not_concluded_from_an_older_contact() {
    let story = Story::begun().await;
    let ann = story.posted(json!({ "first_name": "Ann" })).await;
    let ann = dacapo_engine::ids::ContactId::new(ann).unwrap();
    let keys = &story.bench.platform.keys;
    story.still.stand(&[keys.contact(&ann), keys.address("ann@example.com")]).await;
    story.posted(json!({ "first_name": "Anna" })).await;
    story.posted(json!({ "first_name": "Ann" })).await;
    let contact = story.bench.platform.contact(&ann).await.unwrap().unwrap();
    assert_eq!(contact.rev, 3);
    let name = contact.fields.iter().find(|(key, _)| key.as_str() == "first_name").unwrap().1;
    assert!(format!("{name:?}").contains("\"Ann\""), "{name:?}");
}

#[tokio::test]
async fn a_key_that_a_hook_knows_opens_no_more_once_it_is_deleted() {
    let story = Story::begun().await;
    let asked = json!({ "name": "zapier", "scopes": ["webhook"] });
    let (_, made) = story.called(ADMIN, "POST", "/v1/keys", &asked).await;
    let key = made["key"].as_str().unwrap();
    let post = json!({ "email": "ann@example.com" });
    for _ in 0..2 {
        assert_eq!(story.called(key, "POST", "/v1/hooks/contact", &post).await.0, 200);
    }
    let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
    assert_eq!(story.called(ADMIN, "DELETE", &path, &Value::Null).await.0, 204);
    assert_eq!(story.called(key, "POST", "/v1/hooks/contact", &post).await.0, 401);
}

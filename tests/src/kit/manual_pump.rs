//! A platform with one campaign whose feed and queue a test advances. The test decides when a
//! change of the feed and when a message of the queue is delivered. So every order of both can be
//! tested.
//!
//! Instants are ignored: a message or timer may be taken as soon as it is ordered. A cancelled
//! timer is delivered nevertheless, as may happen on AWS.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use dacapo_embedded::{Change, Operation, SqliteStore};
use dacapo_engine::ids::CampaignId;
use dacapo_platform::api::{AdminKey, router};
use dacapo_platform::campaigns::{OnlyIf, Publish, alone};
use dacapo_platform::handlers::Done;
use dacapo_platform::keys::is_fed;
use dacapo_platform::ports::{EnrollmentEvent, Order, QueueMessage};
use dacapo_platform::table::Table;
use serde_json::Value;
use tower::ServiceExt as _;

use super::{TestBench, bring};

/// The key that has all scopes.
pub const ADMIN: &str = "the-admin-key";

const CONSUMER: &str = "manual pump";

/// A platform with one published campaign, whose feed, timers and messages wait for the test.
pub struct ManualPump {
    /// The store.
    pub store: Arc<SqliteStore>,
    /// The platform, and its ports.
    pub bench: TestBench,
    /// The timers and messages that the test may take.
    pub due: Vec<EnrollmentEvent>,
    /// How often the feed delivers each batch.
    pub times: usize,
    api: Router,
}

impl ManualPump {
    /// A store in memory whose feed a test can deliver.
    ///
    /// # Panics
    ///
    /// If it cannot be opened.
    #[must_use]
    pub fn store() -> Arc<SqliteStore> {
        SqliteStore::open(None, is_fed).expect("a store")
    }

    /// Publishes a campaign on this store, which the platform sees as `table`.
    ///
    /// # Panics
    ///
    /// If the campaign cannot be published.
    pub async fn publishing(
        store: Arc<SqliteStore>,
        table: Arc<dyn Table>,
        campaign: &CampaignId,
        document: &str,
    ) -> Self {
        let bench = TestBench::on(table);
        bench
            .platform
            .campaigns
            .put_draft(campaign, document, "test", &OnlyIf::default())
            .await
            .expect("a draft");
        bench
            .platform
            .campaigns
            .publish(campaign, Publish::default(), "test", alone)
            .await
            .expect("a version");
        bench.outbox.take();
        let api = router(bench.platform.clone(), Some(AdminKey::of(ADMIN)));
        Self { store, bench, due: Vec::new(), times: 1, api }
    }

    /// The feed delivers its changes, and those that follow. Returns all of them.
    ///
    /// # Panics
    ///
    /// If something of it fails, or orders neither a timer nor a message.
    pub async fn feed_goes_on(&mut self) -> Vec<Change> {
        let mut brought = Vec::new();
        loop {
            let changes = self.store.read_feed(CONSUMER, 100).expect("the feed");
            let Some(last) = changes.last().map(|change| change.seq) else { break };
            for _ in 0..self.times {
                self.bring(&changes).await;
            }
            let done = Operation::Checkpoint { consumer: CONSUMER.to_owned(), seq: last };
            self.store.commit(vec![done]).await.expect("a checkpoint");
            brought.extend(changes);
        }
        brought
    }

    /// Delivers these changes, for the first time or again.
    ///
    /// # Panics
    ///
    /// As [`Self::feed_goes_on`].
    pub async fn bring(&mut self, changes: &[Change]) {
        for change in changes {
            let brought = bring(&self.bench.platform, std::slice::from_ref(change)).await;
            brought.expect("a change is handled");
        }
        for order in self.bench.outbox.take() {
            match order {
                Order::Schedule { message: QueueMessage::EnrollmentEvent(event), .. }
                | Order::Send { message: QueueMessage::EnrollmentEvent(event), .. } => {
                    if !self.due.contains(&event) {
                        self.due.push(event);
                    }
                }
                Order::Cancel { .. } => {}
                Order::Schedule { .. } | Order::Send { .. } => panic!("{order:?}"),
            }
        }
    }

    /// Takes what is due now, the last first, but not what follows from it.
    ///
    /// # Panics
    ///
    /// If something of it has to wait.
    pub async fn take_due(&mut self) {
        while let Some(event) = self.due.pop() {
            let done = self.bench.platform.enrollment_events.handle(&event).await.expect("taken");
            assert_eq!(done, Done::Yes, "{event:?}");
        }
    }

    /// Takes all due work and delivers the feed, until nothing is left. Returns the delivered
    /// changes.
    ///
    /// # Panics
    ///
    /// As [`Self::feed_goes_on`] and [`Self::take_due`].
    pub async fn until_idle(&mut self) -> Vec<Change> {
        let mut brought = self.feed_goes_on().await;
        while !self.due.is_empty() {
            self.take_due().await;
            brought.extend(self.feed_goes_on().await);
        }
        brought
    }

    /// Calls the API with a key. Returns the status and the body.
    ///
    /// # Panics
    ///
    /// If the arguments are no valid request.
    pub async fn call(&self, key: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Authorization", format!("Bearer {key}"))
            .header("Content-Type", "application/json")
            .body(Body::from(body.to_string()))
            .expect("a request");
        let response = self.api.clone().oneshot(request).await.expect("an answer");
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}

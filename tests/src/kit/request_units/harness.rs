//! The functions without Lambda: posts to the API, batches of the stream and of the queues, as AWS
//! would deliver them.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use dacapo_embedded::Change;
use dacapo_engine::ids::AccountId;
use dacapo_platform::Instant;
use dacapo_platform::api::{AdminKey, router};
use dacapo_platform::handlers::Done;
use dacapo_platform::keys::fed;
use dacapo_platform::platform::{Platform, Ports};
use dacapo_platform::ports::{QueueMessage, SendMode};
use serde_json::Value;
use tower::ServiceExt as _;

use super::report::Report;
use crate::kit::{
    CapturingMailer, CountingEntropy, ManualClock, MeteredTable, Pending, RecordingOutbox,
    UnreachableCaller, bring,
};

/// The admin key.
const ADMIN: &str = "measured";

/// When it begins: 1 December 2026, 8:00.
pub(crate) const BEGINS: i64 = 1_796_112_000_000;

/// All services of the cloud, in one place.
pub(crate) struct Harness {
    platform: Platform,
    api: Router,
    table: Arc<MeteredTable>,
    clock: Arc<ManualClock>,
    outbox: Arc<RecordingOutbox>,
    mailer: Arc<CapturingMailer>,
    batch: usize,
    pending: Pending,
    /// The recorded units.
    pub(crate) report: Report,
}

impl Harness {
    pub(crate) fn new(table: Arc<MeteredTable>, batch: usize) -> Self {
        let clock = Arc::new(ManualClock::ticking(at(0)));
        let outbox = Arc::new(RecordingOutbox::default());
        let mailer = Arc::new(CapturingMailer::new(SendMode::Sent));
        let ports = Ports {
            table: Arc::clone(&table) as _,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(CountingEntropy::default()),
            outbox: Arc::clone(&outbox) as _,
            mailer: Arc::clone(&mailer) as _,
            caller: Arc::new(UnreachableCaller),
        };
        let account = AccountId::new("main").expect("an id");
        let platform = Platform::new(account, ports, "https://dacapo.example".to_owned());
        let api = router(platform.clone(), Some(AdminKey::of(ADMIN)));
        Self {
            platform,
            api,
            table,
            clock,
            outbox,
            mailer,
            batch,
            pending: Pending::default(),
            report: Report::default(),
        }
    }

    /// How many mails were sent.
    pub(crate) fn mails(&self) -> usize {
        self.mailer.count()
    }

    /// Makes a call with the admin key, or another one.
    pub(crate) async fn call(
        &self,
        key: Option<&str>,
        (method, path): (&str, &str),
        body: String,
    ) -> Result<Value, String> {
        let kind = if body.starts_with('{') { "application/json" } else { "application/yaml" };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Authorization", format!("Bearer {}", key.unwrap_or(ADMIN)))
            .header("Content-Type", kind)
            .body(Body::from(body))
            .map_err(|error| error.to_string())?;
        let Ok(response) = self.api.clone().oneshot(request).await;
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await;
        let bytes = bytes.map_err(|error| error.to_string())?;
        if !status.is_success() {
            return Err(format!("{method} {path}: {status}: {}", String::from_utf8_lossy(&bytes)));
        }
        // A tool is answered with a word.
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Records the units consumed since the last call.
    pub(crate) fn note(&mut self, step: &str, function: &str) {
        for units in self.table.take() {
            self.report.add(step, function, &units);
        }
    }

    /// Discards the units consumed so far.
    pub(crate) fn forget(&mut self) {
        let _ = self.table.take();
    }

    /// Moves the clock, and fires what becomes due.
    pub(crate) async fn until(&mut self, later: i64, step: &str) -> Result<(), String> {
        self.clock.set(at(later));
        let now = self.platform.store.now();
        self.pending.fire(now);
        let mut due = self.pending.take_due(now);
        due.sort_by_key(|(at, _)| *at);
        self.take(due, step, "timer").await?;
        self.settle(step).await
    }

    /// Processes the stream and the queues, batch by batch, until nothing is left.
    pub(crate) async fn settle(&mut self, step: &str) -> Result<(), String> {
        loop {
            let changes = self.table.changes();
            self.pending.perform(self.outbox.take());
            let queued = std::mem::take(&mut self.pending.queue);
            if changes.is_empty() && queued.is_empty() {
                return Ok(());
            }
            let (contacts, enrollments): (Vec<Change>, Vec<Change>) =
                changes.into_iter().partition(|change| matches!(fed(&change.key), Some((_, None))));
            for (changes, function) in [(contacts, "tag-change"), (enrollments, "effects")] {
                for batch in changes.chunks(self.batch) {
                    let brought = bring(&self.platform.at_work(), batch).await;
                    brought.map_err(|error| error.to_string())?;
                    self.note(step, function);
                }
            }
            self.take(queued, step, "deliver").await?;
        }
    }

    /// Handles messages of a queue, batch by batch.
    async fn take(
        &mut self,
        messages: Vec<(Instant, QueueMessage)>,
        step: &str,
        function: &str,
    ) -> Result<(), String> {
        for batch in messages.chunks(self.batch) {
            let work = self.platform.at_work();
            for (_, message) in batch {
                let done = work.queues.handle(message).await.map_err(|error| error.to_string())?;
                if done != Done::Yes {
                    return Err(format!("{message:?} was not done: {done:?}"));
                }
            }
            self.note(step, function);
        }
        Ok(())
    }
}

/// So many milliseconds after it begins.
fn at(later: i64) -> Instant {
    Instant::from_timestamp_millis(BEGINS + later).expect("an instant")
}

//! The functions without Lambda: posts to the API, batches of the stream and of the queues, as they
//! would come.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use dacapo_engine::ids::AccountId;
use dacapo_platform::Instant;
use dacapo_platform::api::{AdminKey, router};
use dacapo_platform::handlers::{ContactImage, Done, EnrollmentImage};
use dacapo_platform::keys::fed;
use dacapo_platform::platform::{Platform, Ports};
use dacapo_platform::ports::{EnrollmentEvent, Message, Order};
use dacapo_platform::table::Table;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::billed::{Billed, Changed};
use crate::ports::{InOrder, Nobody, Ordered, Sent, Ticking};
use crate::report::Report;

/// The admin key.
const ADMIN: &str = "measured";

/// When it begins: 1 December 2026, 8:00.
pub(crate) const BEGINS: i64 = 1_796_112_000_000;

/// Everything that is in the cloud, in one place.
pub(crate) struct Harness {
    platform: Platform,
    api: Router,
    table: Arc<Billed>,
    clock: Arc<Ticking>,
    outbox: Arc<Ordered>,
    mailer: Arc<Sent>,
    batch: usize,
    timers: Vec<(String, Instant, EnrollmentEvent)>,
    queued: Vec<EnrollmentEvent>,
    /// What is written down as it is spent.
    pub(crate) report: Report,
}

impl Harness {
    pub(crate) fn new(inner: Arc<dyn Table>, batch: usize) -> Self {
        let table = Arc::new(Billed::new(inner));
        let clock = Arc::new(Ticking(AtomicI64::new(BEGINS)));
        let outbox = Arc::new(Ordered::default());
        let mailer = Arc::new(Sent::default());
        let ports = Ports {
            table: Arc::clone(&table) as _,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(InOrder::default()),
            outbox: Arc::clone(&outbox) as _,
            mailer: Arc::clone(&mailer) as _,
            caller: Arc::new(Nobody),
        };
        let account = AccountId::new("main").unwrap_or_else(|_| unreachable!("`main` is an id"));
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
            timers: Vec::new(),
            queued: Vec::new(),
            report: Report::default(),
        }
    }

    /// How many mails were sent.
    pub(crate) fn mails(&self) -> u64 {
        self.mailer.0.load(Ordering::SeqCst)
    }

    /// Makes a call with the admin key, or another one.
    pub(crate) async fn call(
        &self,
        key: Option<&str>,
        (method, path): (&str, &str),
        body: String,
    ) -> Result<Value, String> {
        let kind = if method == "PUT" { "application/yaml" } else { "application/json" };
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
        serde_json::from_slice(&bytes).map_err(|error| error.to_string())
    }

    /// Writes down what was spent since the last time.
    pub(crate) fn note(&mut self, step: &str, function: &str) {
        for spent in self.table.spent() {
            self.report.add(step, function, &spent);
        }
    }

    /// Forgets what was spent so far.
    pub(crate) fn forget(&mut self) {
        let _ = self.table.spent();
    }

    /// Moves the clock, and fires what comes due.
    pub(crate) async fn until(&mut self, at: i64, step: &str) -> Result<(), String> {
        self.clock.0.store(BEGINS + at, Ordering::SeqCst);
        let now = self.platform.store.now();
        let mut due: Vec<_> = self.timers.extract_if(.., |(_, due, _)| *due <= now).collect();
        due.sort_by_key(|(_, due, _)| *due);
        let wakes: Vec<_> = due.into_iter().map(|(.., wake)| wake).collect();
        for batch in wakes.chunks(self.batch) {
            self.wake(batch, step, "timer").await?;
        }
        self.settle(step).await
    }

    /// Works the stream and the queues off, batch by batch, until nothing is left.
    pub(crate) async fn settle(&mut self, step: &str) -> Result<(), String> {
        loop {
            let changed = self.table.changed();
            self.take_orders();
            let queued = std::mem::take(&mut self.queued);
            if changed.is_empty() && queued.is_empty() {
                return Ok(());
            }
            let (contacts, enrollments): (Vec<Changed>, Vec<Changed>) =
                changed.into_iter().partition(|change| {
                    fed(&change.key).is_some_and(|(_, campaign)| campaign.is_none())
                });
            for batch in contacts.chunks(self.batch) {
                let work = self.platform.at_work();
                for Changed { old, new, .. } in batch.iter().cloned() {
                    let image = ContactImage { old, new };
                    work.contact_changes.handle(&image).await.map_err(|error| error.to_string())?;
                }
                self.note(step, "tag-change");
            }
            for batch in enrollments.chunks(self.batch) {
                let work = self.platform.at_work();
                let images: Vec<_> = batch
                    .iter()
                    .cloned()
                    .map(|Changed { key, old, new }| EnrollmentImage { key, old, new })
                    .collect();
                work.effects.perform_all(&images).await.map_err(|error| error.to_string())?;
                self.note(step, "effects");
            }
            for batch in queued.chunks(self.batch) {
                self.wake(batch, step, "deliver").await?;
            }
        }
    }

    async fn wake(
        &mut self,
        batch: &[EnrollmentEvent],
        step: &str,
        function: &str,
    ) -> Result<(), String> {
        let work = self.platform.at_work();
        for wake in batch {
            let done =
                work.enrollment_events.handle(wake).await.map_err(|error| error.to_string())?;
            if done != Done::Yes {
                return Err(format!("{wake:?} was not done: {done:?}"));
            }
        }
        self.note(step, function);
        Ok(())
    }

    fn take_orders(&mut self) {
        for order in self.outbox.take() {
            match order {
                Order::Schedule { name, at, message: Message::EnrollmentEvent(wake) } => {
                    self.timers.push((name, at, wake));
                }
                Order::Cancel { name } => self.timers.retain(|(set, ..)| *set != name),
                Order::Send { message: Message::EnrollmentEvent(wake), .. } => {
                    self.queued.push(wake);
                }
                // Nothing of the kind happens on the way that is measured.
                Order::Schedule { .. } | Order::Send { .. } => {}
            }
        }
    }
}

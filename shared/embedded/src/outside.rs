//! The other ports in one process: entropy, timers and queues in the store, captured mail.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dacapo_platform::Instant;
use dacapo_platform::error::{Error, Retryability};
use dacapo_platform::mail::Mail;
use dacapo_platform::ports::{
    BlockingWork, Declined, Entropy, LISTS_FOLLOW, Mailer, MessageService, NotTaken, Order, Outbox,
    QueueMessage, SendError, SendMode, Shown,
};
use dacapo_platform::table::Body;

use crate::store::{Operation, SqliteStore, Timer};
use crate::worker::CONSUMER;

/// The system's randomness.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            // Without randomness there are no ids and no secrets, so the process cannot continue.
            panic!("the system has no randomness");
        }
    }
}

/// Work that keeps a processor busy, on threads of its own, two at a time.
pub(crate) struct OwnThreads(tokio::sync::Semaphore);

impl Default for OwnThreads {
    fn default() -> Self {
        Self(tokio::sync::Semaphore::new(2))
    }
}

#[async_trait]
impl BlockingWork for OwnThreads {
    async fn run(&self, work: Box<dyn FnOnce() + Send>) {
        // The semaphore is never closed. Work that panicked leaves no answer, which is noticed.
        let _turn = self.0.acquire().await;
        let _ = tokio::task::spawn_blocking(work).await;
    }
}

/// Timers and queues in the store.
pub(crate) struct StoreOutbox(pub(crate) Arc<SqliteStore>);

#[async_trait]
impl Outbox for StoreOutbox {
    /// What cannot be stored is refused permanently; everything else is one commit.
    async fn dispatch(&self, orders: Vec<Order>) -> Vec<NotTaken> {
        let (mut operations, mut given, mut not_taken) = (Vec::new(), Vec::new(), Vec::new());
        for order in orders {
            match operation(&order) {
                Ok(operation) => {
                    operations.push(operation);
                    given.push(order);
                }
                Err(why) => not_taken.push(NotTaken { order, why: Declined::Permanent(why) }),
            }
        }
        if !operations.is_empty()
            && let Err(error) = self.0.commit(operations).await
        {
            let words = error.to_string();
            let why = match Error::from(error).retryability() {
                Retryability::Retryable => Declined::Retryable(words),
                Retryability::Permanent => Declined::Permanent(words),
            };
            not_taken.extend(given.into_iter().map(|order| NotTaken { order, why: why.clone() }));
        }
        not_taken
    }

    /// The worker writes the lists as it reads the feed, and they show at once what is written.
    fn lists_show(&self, until: Instant, now: Instant) -> Shown {
        // Under load the feed may never be empty. Only lists by tag need it; jobs do not rely on
        // this for them.
        if self.feed_is_read() || now >= until + LISTS_FOLLOW { Shown::Yes } else { Shown::Soon }
    }

    fn feed_is_read(&self) -> bool {
        self.0.feed_is_read(CONSUMER).unwrap_or(false)
    }

    fn delivers_exclusively(&self) -> bool {
        true
    }
}

/// The operation that carries an order out.
fn operation(order: &Order) -> Result<Operation, String> {
    let body = |message: &QueueMessage| Body::of(message).map_err(|error| error.to_string());
    Ok(match order {
        Order::Schedule { name, at, message } => Operation::Schedule(Timer {
            name: name.clone(),
            due: *at,
            sort: sort(message),
            body: body(message)?,
        }),
        Order::Cancel { name } => Operation::Cancel(name.clone()),
        Order::Send { queue, at, message } => Operation::Send {
            queue: queue.name().to_owned(),
            visible_at: *at,
            body: body(message)?,
        },
    })
}

/// Timers of the same instant are in order of contact, campaign, visit.
fn sort(message: &QueueMessage) -> String {
    let QueueMessage::EnrollmentEvent(event) = message else { return String::new() };
    let (run, step) = event.event.run_and_step();
    format!("{}#{}#{run:06}#{step:06}", event.contact, event.campaign)
}

/// Mail is captured, not sent.
pub struct Capture;

#[async_trait]
impl MessageService for Capture {
    fn mode(&self) -> SendMode {
        SendMode::Captured
    }

    async fn pause(&self, _: Duration) {}
}

#[async_trait]
impl Mailer for Capture {
    async fn send(&self, _: &Mail) -> Result<String, SendError> {
        Err(SendError::Refused("mail is captured here".to_owned()))
    }
}

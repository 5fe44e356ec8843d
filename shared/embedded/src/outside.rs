//! The other ports in one process: chance, timers and queues in the store, captured mail.

use std::sync::Arc;

use async_trait::async_trait;
use dacapo_platform::Instant;
use dacapo_platform::mail::Mail;
use dacapo_platform::ports::{
    BusyWork, Chance, LISTS_FOLLOW, MailError, Mailer, Message, Order, Outbox, Post, Shown,
    Unavailable,
};
use dacapo_platform::table::Body;

use crate::store::{Operation, SqliteStore, Timer};
use crate::worker::CONSUMER;

/// The system's randomness.
pub struct SystemChance;

impl Chance for SystemChance {
    fn fill(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            // Without randomness there are no ids and no secrets; nothing can go on.
            panic!("the system has no randomness");
        }
    }
}

/// Busy work on threads of its own, two at a time, so that it takes at most as many processors.
pub(crate) struct OwnThreads(tokio::sync::Semaphore);

impl Default for OwnThreads {
    fn default() -> Self {
        Self(tokio::sync::Semaphore::new(2))
    }
}

#[async_trait]
impl BusyWork for OwnThreads {
    async fn run(&self, work: Box<dyn FnOnce() + Send>) {
        // It is never closed; and work that panicked has left no answer, which is seen.
        let _turn = self.0.acquire().await;
        let _ = tokio::task::spawn_blocking(work).await;
    }
}

/// Timers and queues in the store.
pub(crate) struct StoreOutbox(pub(crate) Arc<SqliteStore>);

#[async_trait]
impl Outbox for StoreOutbox {
    async fn dispatch(&self, orders: Vec<Order>) -> Result<(), Unavailable> {
        let unavailable = |error: &dyn std::fmt::Display| Unavailable(error.to_string());
        let operations = orders
            .into_iter()
            .map(|order| {
                Ok(match order {
                    Order::Schedule { name, at, message } => Operation::Schedule(Timer {
                        name,
                        due: at,
                        sort: sort(&message),
                        body: Body::of(&message).map_err(|error| unavailable(&error))?,
                    }),
                    Order::Cancel { name } => Operation::Cancel(name),
                    Order::Send { queue, at, message } => Operation::Send {
                        queue: queue.name().to_owned(),
                        visible_at: at,
                        body: Body::of(&message).map_err(|error| unavailable(&error))?,
                    },
                })
            })
            .collect::<Result<Vec<_>, Unavailable>>()?;
        self.0.commit(operations).await.map_err(|error| unavailable(&error))
    }

    /// Lists are written by the worker as it reads the feed, and show at once what is written.
    fn lists_show(&self, until: Instant, now: Instant) -> Shown {
        let is_read = self.0.feed_is_read(CONSUMER).unwrap_or(false);
        // Under load the feed may never be empty; it is not that far behind.
        if is_read || now >= until + LISTS_FOLLOW { Shown::Yes } else { Shown::Soon }
    }

    fn hands_out_once(&self) -> bool {
        true
    }
}

/// What is due at the same instant goes by contact, campaign, visit.
fn sort(message: &Message) -> String {
    let Message::Wake(wake) = message else { return String::new() };
    let (run, step) = wake.event.visit();
    format!("{}#{}#{run:06}#{step:06}", wake.contact, wake.campaign)
}

/// Mail is captured, not sent.
pub struct Capture;

#[async_trait]
impl Mailer for Capture {
    fn post(&self) -> Post {
        Post::Captured
    }

    async fn send(&self, _: &Mail) -> Result<String, MailError> {
        Err(MailError::Refused("mail is captured here".to_owned()))
    }
}

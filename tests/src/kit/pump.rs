//! Drives a platform: with the changes of its feed, and the messages that become due.
//!
//! On AWS an event source mapping delivers batches of DynamoDB Streams and of SQS, and EventBridge
//! Scheduler puts timers into a queue. Here [`bring`] delivers changes, and [`Pending`] holds
//! queues and timers until a test takes something out. Each test decides about order, repeats and
//! faults.

use std::collections::BTreeMap;

use dacapo_embedded::Change;
use dacapo_platform::Instant;
use dacapo_platform::error::Error;
use dacapo_platform::handlers::{ContactImage, EnrollmentImage};
use dacapo_platform::keys::fed;
use dacapo_platform::platform::Platform;
use dacapo_platform::ports::{Order, QueueMessage};

/// Passes changes of the feed to the handlers, as *tag-change* and *effects* do: contacts one by
/// one, in order, then all enrollments at once. Changes of other items are skipped.
///
/// # Errors
///
/// The error of the first handler that failed. The changes after it have not been passed on.
pub async fn bring(platform: &Platform, changes: &[Change]) -> Result<(), Error> {
    let mut enrollments = Vec::new();
    for Change { key, old, new, .. } in changes.iter().cloned() {
        match fed(&key) {
            Some((_, None)) => platform.contact_changes.handle(&ContactImage { old, new }).await?,
            Some((_, Some(_))) => enrollments.push(EnrollmentImage { key, old, new }),
            None => {}
        }
    }
    if enrollments.is_empty() {
        return Ok(());
    }
    platform.effects.perform_all(&enrollments).await
}

/// Orders that have not been taken yet: messages in queues, and timers by name.
#[derive(Debug, Default)]
pub struct Pending {
    /// The messages of all queues, each with the instant from which it may be taken.
    pub queue: Vec<(Instant, QueueMessage)>,
    /// The timers that are set, each with its instant and its message.
    pub timers: BTreeMap<String, (Instant, QueueMessage)>,
}

impl Pending {
    /// Performs orders: a timer is set or cancelled, a message is in its queue.
    pub fn perform(&mut self, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Schedule { name, at, message } => {
                    self.timers.insert(name, (at, message));
                }
                Order::Cancel { name } => {
                    self.timers.remove(&name);
                }
                Order::Send { at, message, .. } => self.queue.push((at, message)),
            }
        }
    }

    /// Due timers put their messages into the queue, in order of their names, and are removed.
    pub fn fire(&mut self, now: Instant) {
        let due = self.timers.extract_if(.., |_, (at, _)| *at <= now);
        self.queue.extend(due.map(|(_, timer)| timer));
    }

    /// Whether a message of the queue may be taken.
    pub fn is_due(&self, now: Instant) -> bool {
        self.queue.iter().any(|(at, _)| *at <= now)
    }

    /// Takes all messages that may be taken, in the order of the queue.
    pub fn take_due(&mut self, now: Instant) -> Vec<(Instant, QueueMessage)> {
        self.queue.extract_if(.., |(at, _)| *at <= now).collect()
    }

    /// Takes the first message that may be taken.
    pub fn take_first(&mut self, now: Instant) -> Option<QueueMessage> {
        let place = self.queue.iter().position(|(at, _)| *at <= now)?;
        Some(self.queue.remove(place).1)
    }
}

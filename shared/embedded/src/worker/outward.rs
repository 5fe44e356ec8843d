//! Work for other servers, webhooks and mail servers: done beside the rounds, so that a slow server
//! delays nothing else.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use dacapo_platform::Instant;
use dacapo_platform::error::Error;
use dacapo_platform::ports::{Clock as _, Queue};
use dacapo_platform::table::TableError;
use tokio::sync::Semaphore;

use super::batch::Acknowledged;
use super::{CONSUMER, Worker, WorkerContext};
use crate::store::Operation;

/// How long a message is hidden while it is with a webhook or a mail server.
const LEASE: TimeDelta = TimeDelta::seconds(180);

/// How many of those are in progress at once. Each kind has places of its own, so that none waits
/// for another: not transactional mail for marketing, nor mail for webhooks.
const MAIL_PLACES: usize = 5;
const CALL_PLACES: usize = 64;

/// The places of each kind.
pub(super) struct Places {
    transactional: Arc<Semaphore>,
    marketing: Arc<Semaphore>,
    calls: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        let places = |number| Arc::new(Semaphore::new(number));
        Self {
            transactional: places(MAIL_PLACES),
            marketing: places(MAIL_PLACES),
            calls: places(CALL_PLACES),
        }
    }
}

impl Places {
    fn of(&self, queue: Queue) -> &Arc<Semaphore> {
        match queue {
            Queue::Transactional => &self.transactional,
            Queue::Marketing => &self.marketing,
            Queue::Calls | Queue::Timers | Queue::Jobs => &self.calls,
        }
    }

    fn mail_is_under_way(&self) -> bool {
        let free = self.transactional.available_permits() + self.marketing.available_permits();
        free < 2 * MAIL_PLACES
    }
}

impl Worker {
    /// What is due next, or when stopped mail is tried again.
    pub(super) fn next_due(&self, now: Instant) -> Result<Option<Instant>, TableError> {
        let mail = self.mail.as_ref().and_then(|mail| mail.stopped_until());
        let mail = mail.filter(|again| *again > now);
        Ok(self.work.store.next_due(now)?.into_iter().chain(mail).min())
    }

    /// For how long nothing is due.
    pub(super) fn until_next_due(&self) -> Duration {
        const LONGEST_SLEEP: Duration = Duration::from_secs(60);
        if self.work.clock.is_manual() {
            return LONGEST_SLEEP;
        }
        let now = self.work.clock.now();
        match self.next_due(now) {
            Ok(Some(due)) => (due - now).to_std().unwrap_or_default().min(LONGEST_SLEEP),
            Ok(None) => LONGEST_SLEEP,
            Err(_) => Duration::from_secs(1),
        }
    }

    /// How many messages of a queue can be handed out. While the mail server takes nothing it is
    /// one from time to time, which tests whether it works again.
    fn free(&self, queue: Queue, now: Instant) -> usize {
        let free = self.places.of(queue).available_permits();
        let stopped = self.mail.as_ref().and_then(|mail| mail.stopped_until());
        match (queue, stopped) {
            (Queue::Transactional | Queue::Marketing, Some(again)) => {
                usize::from(now >= again && !self.places.mail_is_under_way())
            }
            (
                Queue::Transactional
                | Queue::Marketing
                | Queue::Calls
                | Queue::Timers
                | Queue::Jobs,
                _,
            ) => free,
        }
    }

    /// Hands messages to webhooks and mail servers, a bounded number at once.
    pub(super) async fn send_out(&mut self, now: Instant) -> Result<bool, Error> {
        let mut sent_out = false;
        // What is not begun any more is still there at the next start.
        if self.stopping.is_stopping() {
            return Ok(false);
        }
        for queue in self.work.outward_queues() {
            let free = self.free(*queue, now);
            if free == 0 {
                continue;
            }
            let fed = self.work.store.checkpoint(CONSUMER)?;
            let taken = self.work.store.receive(queue.name(), now, free, Some(now + LEASE)).await?;
            for message in taken {
                sent_out = true;
                let work = Arc::clone(&self.work);
                let place = Arc::clone(self.places.of(*queue)).try_acquire_owned();
                let (stopping, cut) = (self.stopping.clone(), *queue == Queue::Calls);
                // What has to come after the feed is handed back at once.
                let back = Operation::Defer { id: message.id, visible_at: now };
                self.outward.spawn(async move {
                    let _place = place;
                    let acknowledged = Acknowledged::default();
                    let handled = tokio::select! {
                        handled = work.one_message(message, fed) => handled,
                        // It is called again at the next start, with the same idempotency key. A
                        // mail is finished: if it were cut off, it would not be known whether it
                        // was sent.
                        () = stopping.cut_off(), if cut => Ok(None),
                    };
                    let handled = handled.map(|done| acknowledged.add(Some(done.unwrap_or(back))));
                    // What fails becomes visible again when its lease ends.
                    if let Err(error) = work.acknowledge(acknowledged, handled).await {
                        tracing::warn!(%error, "a message failed and is tried again");
                    }
                });
            }
        }
        Ok(sent_out)
    }
}

impl WorkerContext {
    /// The queues whose messages wait for other servers.
    pub(super) fn outward_queues(&self) -> &'static [Queue] {
        match self.platform.delivery.channels.any_calls_a_service() {
            true => &[Queue::Calls, Queue::Transactional, Queue::Marketing],
            false => &[Queue::Calls],
        }
    }
}

//! Small imitations of the services outside of the functions: SQS and EventBridge Scheduler, SES,
//! webhooks.
//!
//! They are the kit's outbox and mailer, with the properties of AWS that the functions see:
//! messages that are hidden for a while and delivered again, schedules that fire a minute early,
//! the limits of an SES account. A test can make them refuse, or not answer. They do not imitate
//! throttling, dead-letter queues, or messages that expire.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use dacapo_aws::functions::queue::{Hidden, Hide};
use dacapo_aws::mailer::pace::Pace;
use dacapo_engine::campaign::format::Purpose;
use dacapo_platform::Instant;
use dacapo_platform::mail::Mail;
use dacapo_platform::ports::{
    Caller, Clock as _, Mailer, MessageService, NotTaken, Order, Outbox, PutOff, Queue,
    QueueMessage, Request, SendError, SendMode, Unavailable,
};
use dacapo_tests::kit::{CapturingMailer, ManualClock, RecordingOutbox};

use crate::ses::Ses;

/// A message in a queue.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) id: String,
    pub(crate) queue: Queue,
    pub(crate) body: QueueMessage,
    pub(crate) visible_at: Instant,
    pub(crate) attempt: u32,
    /// Whether it is delivered once more after it was done.
    pub(crate) again: bool,
}

/// The services outside of the functions.
pub struct FakeServices {
    clock: Arc<ManualClock>,
    outbox: RecordingOutbox,
    mailer: CapturingMailer,
    held: Mutex<Held>,
}

#[derive(Default)]
pub(crate) struct Held {
    numbered: usize,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) schedules: BTreeMap<String, (Instant, QueueMessage)>,
    hidden: Vec<Hidden>,
    ordered: Vec<Order>,
    called: Vec<String>,
    twice: bool,
    /// A mail service with limits, and the pace of the one instance that sends here.
    ses: Option<(Ses, Pace)>,
    /// The answer to webhooks, if not 200.
    answer: Option<u16>,
}

impl Held {
    pub(crate) fn put(&mut self, queue: Queue, body: QueueMessage, visible_at: Instant) {
        self.numbered += 1;
        let (id, again) = (format!("m{}", self.numbered), self.twice);
        self.waiting.push(Waiting { id, queue, body, visible_at, attempt: 0, again });
    }
}

impl FakeServices {
    /// Services with this clock, and whether each message is delivered twice.
    pub fn new(clock: Arc<ManualClock>, twice: bool) -> Self {
        Self {
            clock,
            outbox: RecordingOutbox::default(),
            mailer: CapturingMailer::new(SendMode::Sent),
            held: Mutex::new(Held { twice, ..Held::default() }),
        }
    }

    pub(crate) fn inside(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time for [`Ses`]. Before its beginning there is none.
    fn time(&self) -> Duration {
        let since = self.clock.now() - ManualClock::at_noon().now();
        Ses::BEGIN + since.to_std().unwrap_or_default()
    }

    /// The mail that was sent.
    pub fn sent(&self) -> Vec<Mail> {
        self.mailer.sent()
    }

    /// The webhooks that were called: their `Idempotency-Key`.
    pub fn called(&self) -> Vec<String> {
        self.inside().called.clone()
    }

    /// From now on the mail service accepts mail without an answer, or answers again.
    pub fn is_silent(&self, silent: bool) {
        self.mailer.set_silent(silent);
    }

    /// From now on the mail service has limits.
    pub fn sends_by(&self, ses: Ses) {
        self.inside().ses = Some((ses, Pace::of(1)));
    }

    /// From now on webhooks have this answer.
    pub fn answers(&self, status: u16) {
        self.inside().answer = Some(status);
    }

    /// From now on orders are refused, or accepted again.
    pub fn is_shut(&self, shut: bool) {
        self.outbox.shut(shut);
    }

    /// The waiting messages of a queue.
    pub fn waiting(&self, queue: Queue) -> Vec<QueueMessage> {
        let held = self.inside();
        let waiting = held.waiting.iter().filter(|waiting| waiting.queue == queue);
        waiting.map(|waiting| waiting.body.clone()).collect()
    }

    /// The messages that schedules will send.
    pub fn scheduled(&self) -> Vec<QueueMessage> {
        self.inside().schedules.values().map(|(_, message)| message.clone()).collect()
    }

    /// Every order that was ever given.
    pub fn ordered(&self) -> Vec<Order> {
        self.inside().ordered.clone()
    }

    /// The messages hidden since the last time.
    pub fn hidden(&self) -> Vec<Hidden> {
        std::mem::take(&mut self.inside().hidden)
    }
}

#[async_trait]
impl Outbox for FakeServices {
    async fn dispatch(&self, orders: Vec<Order>) -> Vec<NotTaken> {
        let not_taken = self.outbox.dispatch(orders).await;
        let now = self.clock.now();
        let mut held = self.inside();
        for order in self.outbox.take() {
            held.ordered.push(order.clone());
            match order {
                // A schedule is set a minute early; what is due soon goes directly to the queue.
                Order::Schedule { name, at, message } => {
                    if at - now > TimeDelta::minutes(2) {
                        held.schedules.insert(name, (at - TimeDelta::minutes(1), message));
                    } else {
                        held.put(Queue::Timers, message, at);
                    }
                }
                Order::Cancel { name } => {
                    held.schedules.remove(&name);
                }
                Order::Send { queue, at, message } => held.put(queue, message, at),
            }
        }
        not_taken
    }
}

/// The queues for a function that sets no timers.
pub(crate) struct QueuesOnly(pub(crate) Arc<FakeServices>);

#[async_trait]
impl Outbox for QueuesOnly {
    async fn dispatch(&self, orders: Vec<Order>) -> Vec<NotTaken> {
        let is_sent = |order: &Order| matches!(order, Order::Send { .. });
        assert!(orders.iter().all(is_sent), "this function sets no timers: {orders:?}");
        self.0.dispatch(orders).await
    }

    fn sets_timers(&self) -> bool {
        false
    }
}

#[async_trait]
impl MessageService for FakeServices {
    fn mode(&self) -> SendMode {
        self.mailer.mode()
    }

    /// Time passes during the wait.
    async fn send_slot(&self, purpose: Purpose, within: Duration) -> Result<Duration, TimeDelta> {
        let now = self.time();
        let mut held = self.inside();
        let Some((ses, pace)) = &mut held.ses else { return Ok(Duration::ZERO) };
        if pace.asks(now) {
            pace.said(ses.account(now), now);
        }
        let wait = pace.slot(purpose, now, within);
        let span = |wait| TimeDelta::from_std(wait).expect("a span");
        let wait = wait.map_err(span)?;
        self.clock.set(self.clock.now() + span(wait));
        Ok(wait)
    }

    fn puts_off(&self, purpose: Purpose) -> Option<(PutOff, String)> {
        let (now, held) = (self.time(), self.inside());
        held.ses.as_ref().and_then(|(_, pace)| pace.puts_off(purpose, now))
    }

    async fn pause(&self, _: Duration) {}
}

#[async_trait]
impl Mailer for FakeServices {
    async fn send(&self, mail: &Mail) -> Result<String, SendError> {
        let now = self.time();
        if let Some((ses, pace)) = &mut self.inside().ses {
            if let Err(hold) = ses.send(now) {
                pace.refused(hold, now);
                return Err(SendError::PutOff(hold, "the mail service takes none".to_owned()));
            }
            pace.left();
        }
        self.mailer.send(mail).await
    }
}

#[async_trait]
impl Caller for FakeServices {
    async fn call(&self, request: &Request) -> Result<u16, Unavailable> {
        let key = request.headers.iter().find(|(name, _)| name == "Idempotency-Key");
        let mut held = self.inside();
        held.called.extend(key.map(|(_, key)| key.clone()));
        Ok(held.answer.unwrap_or(200))
    }
}

#[async_trait]
impl Hide for FakeServices {
    async fn hide(&self, hidden: Vec<Hidden>) -> Result<(), Unavailable> {
        self.inside().hidden.extend(hidden);
        Ok(())
    }
}

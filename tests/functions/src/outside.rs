//! What is outside of the functions, in small: queues, schedules, a mail service, webhooks.
//!
//! It keeps what it is given, says what it has, and can be told to answer nothing or to refuse.

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
    Caller, Clock as _, Declined, Hold, MailError, Mailer, Message, NotTaken, Order, Outbox, Post,
    Queue, Request, Unavailable,
};
use dacapo_tests::ports::Standing;

use crate::ses::Ses;

/// A message in a queue.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) id: String,
    pub(crate) queue: Queue,
    pub(crate) body: Message,
    pub(crate) visible_at: Instant,
    pub(crate) attempt: u32,
    /// Whether it comes once more after it was done.
    pub(crate) again: bool,
}

/// What is outside of the functions.
#[derive(Default)]
pub struct Outside {
    held: Mutex<Held>,
}

#[derive(Default)]
pub(crate) struct Held {
    pub(crate) now: Instant,
    pub(crate) numbered: usize,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) schedules: BTreeMap<String, (Instant, Message)>,
    pub(crate) hidden: Vec<Hidden>,
    pub(crate) ordered: Vec<Order>,
    pub(crate) sent: Vec<Mail>,
    pub(crate) called: Vec<String>,
    pub(crate) twice: bool,
    pub(crate) silent: bool,
    pub(crate) shut: bool,
    pub(crate) clock: Option<Arc<Standing>>,
    /// A mail service with bounds, and the pace of the one instance that sends here.
    pub(crate) ses: Option<(Ses, Pace)>,
    /// What webhooks are answered, if not 200.
    pub(crate) answer: Option<u16>,
}

impl Held {
    /// The time that [`Ses`] goes by. Who begins earlier has none.
    fn time(&self) -> Duration {
        let since = self.now - Standing::at_noon().now();
        Ses::BEGIN + since.to_std().unwrap_or_default()
    }

    pub(crate) fn put(&mut self, queue: Queue, body: Message, visible_at: Instant) {
        self.numbered += 1;
        let (id, again) = (format!("m{}", self.numbered), self.twice);
        self.waiting.push(Waiting { id, queue, body, visible_at, attempt: 0, again });
    }
}

impl Outside {
    pub(crate) fn inside(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mail that was sent.
    pub fn sent(&self) -> Vec<Mail> {
        self.inside().sent.clone()
    }

    /// The webhooks that were called: their `Idempotency-Key`.
    pub fn called(&self) -> Vec<String> {
        self.inside().called.clone()
    }

    /// From now on the mail service takes mail without a word, or says so again.
    pub fn is_silent(&self, silent: bool) {
        self.inside().silent = silent;
    }

    /// From now on the mail service has bounds.
    pub fn sends_by(&self, ses: Ses) {
        self.inside().ses = Some((ses, Pace::of(1)));
    }

    /// From now on webhooks are answered so.
    pub fn answers(&self, status: u16) {
        self.inside().answer = Some(status);
    }

    /// From now on no order is taken, or taken again.
    pub fn is_shut(&self, shut: bool) {
        self.inside().shut = shut;
    }

    /// What waits in a queue.
    pub fn waiting(&self, queue: Queue) -> Vec<Message> {
        let held = self.inside();
        let waiting = held.waiting.iter().filter(|waiting| waiting.queue == queue);
        waiting.map(|waiting| waiting.body.clone()).collect()
    }

    /// What schedules will send.
    pub fn scheduled(&self) -> Vec<Message> {
        self.inside().schedules.values().map(|(_, message)| message.clone()).collect()
    }

    /// Every order that was ever given.
    pub fn ordered(&self) -> Vec<Order> {
        self.inside().ordered.clone()
    }

    /// What was hidden since the last time.
    pub fn hidden(&self) -> Vec<Hidden> {
        std::mem::take(&mut self.inside().hidden)
    }
}

#[async_trait]
impl Outbox for Outside {
    async fn dispatch(&self, orders: Vec<Order>) -> Vec<NotTaken> {
        let mut held = self.inside();
        if held.shut {
            let why = Declined::ForNow("nothing is taken".to_owned());
            return orders.into_iter().map(|order| NotTaken { order, why: why.clone() }).collect();
        }
        for order in orders {
            held.ordered.push(order.clone());
            match order {
                // A schedule is set a minute early; what is due soon goes straight to the queue.
                Order::Schedule { name, at, message } => {
                    if at - held.now > TimeDelta::minutes(2) {
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
        Vec::new()
    }
}

#[async_trait]
impl Mailer for Outside {
    fn post(&self) -> Post {
        Post::Sent
    }

    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let mut held = self.inside();
        let now = held.time();
        if let Some((ses, pace)) = &mut held.ses {
            if let Err(hold) = ses.send(now) {
                pace.refused(hold, now);
                return Err(MailError::Held(hold, "the mail service takes none".to_owned()));
            }
            pace.left();
        }
        held.sent.push(mail.clone());
        if held.silent {
            return Err(MailError::Unknown("no answer".to_owned()));
        }
        Ok(format!("receipt-{}", held.sent.len()))
    }

    /// Time passes while it is waited for.
    async fn turn(&self, purpose: Purpose, within: Duration) -> Result<Duration, TimeDelta> {
        let mut held = self.inside();
        let now = held.time();
        let Some((ses, pace)) = &mut held.ses else { return Ok(Duration::ZERO) };
        if pace.asks(now) {
            pace.said(ses.account(now), now);
        }
        let wait = pace.turn(purpose, now, within);
        let span = |wait| TimeDelta::from_std(wait).expect("a span");
        let wait = wait.map_err(span)?;
        held.now += span(wait);
        held.clock.as_ref().expect("a clock").set(held.now);
        Ok(wait)
    }

    fn held(&self, purpose: Purpose) -> Option<(Hold, String)> {
        let held = self.inside();
        let now = held.time();
        held.ses.as_ref().and_then(|(_, pace)| pace.held(purpose, now))
    }
}

#[async_trait]
impl Caller for Outside {
    async fn call(&self, request: &Request) -> Result<u16, Unavailable> {
        let key = request.headers.iter().find(|(name, _)| name == "Idempotency-Key");
        let mut held = self.inside();
        held.called.extend(key.map(|(_, key)| key.clone()));
        Ok(held.answer.unwrap_or(200))
    }
}

#[async_trait]
impl Hide for Outside {
    async fn hide(&self, hidden: Vec<Hidden>) -> Result<(), Unavailable> {
        self.inside().hidden.extend(hidden);
        Ok(())
    }
}

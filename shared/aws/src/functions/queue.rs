//! The queues: timers that are due, mail, webhooks, work on many contacts.
//!
//! The messages of one contact go one after the other, those of different contacts side by side. What is not to happen yet
//! stays in its queue, hidden until then: no function sends to its own queue for that. The Scheduler is set a minute
//! early, so most timers come early once; they are hidden before anything else is done, and without a look at the table.

mod hiding;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use dacapo_platform::Instant;
use dacapo_platform::error::Error;
use dacapo_platform::handlers::Done;
use dacapo_platform::platform::Platform;
use dacapo_platform::ports::Message;
use futures_util::future::{join, join_all};
use serde_json::Value;

use super::start::Started;
use super::{Failure, Outcome, answer, outcome, put_aside, records};
pub use hiding::{Hidden, Hide, SqsHide};

/// How long something is hidden that has to come after what the stream is about to bring: at least, and at most so much
/// longer.
const SOON: (TimeDelta, TimeDelta) = (TimeDelta::seconds(2), TimeDelta::seconds(4));

/// The longest time that a message is hidden after it failed.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(5);

/// What is done with a message, and how often it was received by now.
trait Handler: AsyncFn(&Platform, &Message, u32) -> Result<Done, Error> {}

impl<H: AsyncFn(&Platform, &Message, u32) -> Result<Done, Error>> Handler for H {}

/// A function that works queues off.
pub struct Queues<'a> {
    /// The platform.
    pub platform: &'a Platform,
    /// How messages are hidden.
    pub hide: &'a dyn Hide,
    /// The function's name.
    pub function: &'static str,
}

/// A message as it came.
struct Received<'a> {
    id: String,
    receipt: String,
    queue: String,
    /// How often it was received, this time included.
    attempt: u32,
    raw: &'a Value,
    message: Result<Message, String>,
}

/// What becomes of a message.
enum Fate {
    Gone,
    /// It comes again; how it is hidden until then, unless the queue's own time will do.
    Stays(Option<Hidden>),
}

impl<'a> Queues<'a> {
    /// Those of a function that has started, and how it hides their messages.
    pub fn of(started: &'a Started, hide: &'a dyn Hide) -> Self {
        Self { platform: &started.platform, hide, function: started.function.name() }
    }

    /// Works a batch of timers off. Answers the messages that stay in the queue; so do the others.
    ///
    /// # Errors
    ///
    /// If the event is no batch of a queue.
    pub async fn timers(&self, event: &Value) -> Result<Value, Failure> {
        let handler =
            async |platform: &Platform, message: &Message, _| platform.handle_timer(message).await;
        self.work(event, &handler).await
    }

    /// Works a batch of mail or webhooks off.
    ///
    /// # Errors
    ///
    /// If the event is no batch of a queue.
    pub async fn deliveries(&self, event: &Value) -> Result<Value, Failure> {
        let handler = async |platform: &Platform, message: &Message, attempt| {
            platform.handle_delivery(message, attempt).await
        };
        self.work(event, &handler).await
    }

    /// Works on many contacts; also what a rule tells every few minutes: that what was committed but not ordered is to be.
    ///
    /// # Errors
    ///
    /// If the event is neither, or the order could not be given.
    pub async fn many(&self, event: &Value) -> Result<Value, Failure> {
        if event.get("source").and_then(Value::as_str) == Some("aws.events") {
            let pending = self.platform.dispatch_pending().await;
            return pending.map(|()| answer([])).map_err(|error| Failure(error.to_string()));
        }
        let handler =
            async |platform: &Platform, message: &Message, _| platform.handle_many(message).await;
        self.work(event, &handler).await
    }

    async fn work(&self, event: &Value, handler: &impl Handler) -> Result<Value, Failure> {
        let now = self.platform.now();
        let mut early = Vec::new();
        let mut lanes: BTreeMap<Option<String>, Vec<Received<'_>>> = BTreeMap::new();
        let mut stay = Vec::new();
        for record in records(event)? {
            let received = Received::of(record);
            let message = received.message.as_ref().ok();
            match message.and_then(due).filter(|due| *due > now) {
                Some(due) => {
                    early.push(received.hidden(due - now));
                    stay.push(received.id);
                }
                None => {
                    let lane = message.and_then(Message::lane);
                    lanes.entry(lane).or_default().push(received);
                }
            }
        }
        let worked = self.worked(lanes.into_values().collect(), handler);
        let ((), worked) = join(self.hide(early), worked).await;
        let mut hidden = Vec::new();
        for (id, fate) in worked? {
            if let Fate::Stays(hide) = fate {
                stay.push(id);
                hidden.extend(hide);
            }
        }
        self.hide(hidden).await;
        Ok(answer(stay))
    }

    /// Works messages off, each list in order, the lists side by side.
    async fn worked(
        &self,
        lists: Vec<Vec<Received<'_>>>,
        handler: &impl Handler,
    ) -> Result<Vec<(String, Fate)>, Failure> {
        if lists.is_empty() {
            return Ok(Vec::new());
        }
        let platform = &self.platform.at_work();
        let worked = join_all(lists.into_iter().map(|messages| async move {
            let mut fates = Vec::new();
            for received in messages {
                let fate = self.one(platform, &received, handler).await;
                fates.push((received.id, fate));
            }
            fates
        }));
        Ok(worked.await.into_iter().flatten().collect())
    }

    async fn one(
        &self,
        platform: &Platform,
        received: &Received<'_>,
        handler: &impl Handler,
    ) -> Fate {
        let message = match &received.message {
            Ok(message) => message,
            Err(why) => return self.aside(received, why).await,
        };
        let now = || self.platform.now();
        match outcome(handler(platform, message, received.attempt)).await {
            Outcome::Done(Done::Yes) => Fate::Gone,
            Outcome::Done(Done::Soon) => {
                let (least, more) = SOON;
                Fate::Stays(Some(received.hidden(least + self.part_of(more))))
            }
            // How often it was received is SQS's count: nobody here leaves a message untried.
            Outcome::Done(Done::NotBefore(at) | Done::NotTried(at)) => {
                // What waits for the same thing should not all come back in the same second.
                let wait = at - now();
                let jitter = match due(message) {
                    Some(_) => TimeDelta::zero(),
                    None => self.part_of(wait / 4),
                };
                Fate::Stays(Some(received.hidden(wait + jitter)))
            }
            Outcome::Again(error) => {
                let (id, attempt) = (received.id.as_str(), received.attempt);
                tracing::warn!(%error, function = self.function, message.id = id, message.attempt = attempt,
                    "a message comes again");
                let pause = TimeDelta::seconds(1 << attempt.min(9)).min(LONGEST_PAUSE);
                Fate::Stays(Some(received.hidden(pause + self.part_of(pause))))
            }
            Outcome::Never(why) => self.aside(received, &why).await,
        }
    }

    async fn aside(&self, received: &Received<'_>, why: &str) -> Fate {
        let name = format!("{}/{}", self.function, received.id);
        if put_aside(self.platform, &name, self.function, why, received.raw).await {
            Fate::Gone
        } else {
            Fate::Stays(None)
        }
    }

    /// Hides messages. Those that cannot be hidden come back after the queue's own time, which is late but no loss.
    async fn hide(&self, hidden: Vec<Hidden>) {
        if hidden.is_empty() {
            return;
        }
        let messages = hidden.len();
        if let Err(error) = self.hide.hide(hidden).await {
            tracing::warn!(%error, function = self.function, messages, "messages were not hidden");
        }
    }

    /// By chance, some of a span.
    fn part_of(&self, span: TimeDelta) -> TimeDelta {
        let mut drawn = [0; 2];
        self.platform.ports.chance.fill(&mut drawn);
        span.max(TimeDelta::zero()) * i32::from(u16::from_le_bytes(drawn)) / i32::from(u16::MAX)
    }
}

/// The instant before which a message has no effect.
fn due(message: &Message) -> Option<Instant> {
    match message {
        Message::Wake(wake) => wake.event.due(),
        Message::Call(_) | Message::Sweep(_) | Message::Erase(_) => None,
    }
}

impl<'a> Received<'a> {
    fn of(raw: &'a Value) -> Self {
        let text = |name: &str| raw.get(name).and_then(Value::as_str).unwrap_or_default();
        let attempt = raw.pointer("/attributes/ApproximateReceiveCount").and_then(Value::as_str);
        let message = serde_json::from_str(text("body")).map_err(|error| error.to_string());
        Self {
            id: text("messageId").to_owned(),
            receipt: text("receiptHandle").to_owned(),
            queue: text("eventSourceARN").to_owned(),
            attempt: attempt.and_then(|attempt| attempt.parse().ok()).unwrap_or(1),
            raw,
            message,
        }
    }

    fn hidden(&self, wait: TimeDelta) -> Hidden {
        Hidden::new(&self.queue, &self.receipt, wait)
    }
}

//! What the platform needs from outside, besides the table: the time, entropy, timers and queues,
//! mail, and calls.
//!
//! Every order may be carried out more than once, and may be delivered more than once; no port
//! promises more than EventBridge Scheduler, SQS and SES do.

mod mail;
mod messages;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use dacapo_engine::campaign::format::Purpose;

use crate::Instant;
use crate::table::Table;

pub use mail::{Mail, MessageName};
pub use messages::{
    Done, EnrollmentEvent, ExpiryStep, JobStep, PendingTimer, Queue, QueueMessage, Redrive,
    WebhookCall,
};

/// The one place that reads the clock.
pub trait Clock: Send + Sync {
    /// Now. It never goes back.
    fn now(&self) -> Instant;

    /// What is wrong with the clock for now.
    fn trouble(&self) -> Option<Trouble> {
        None
    }
}

/// What is wrong with a port for now, for people to see. It holds no e-mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What kind, stable: `mail_stopped`, `clock_went_back`.
    pub code: &'static str,
    /// What is wrong, and what to do about it.
    pub detail: String,
    /// The instant since when that is so.
    pub since: Instant,
}

/// Letters and digits that are not easily confused, in order.
pub(crate) const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Entropy, for ids and secrets.
pub trait Entropy: Send + Sync {
    /// Unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// An unpredictable text of `length` letters and digits that are not easily confused.
    fn text(&self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
    }
}

/// An order for timers and queues. Idempotent.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Put the message into [`Queue::Timers`] at an instant, under a name. A timer of that name is
    /// replaced.
    Schedule {
        /// The name: at most 64 letters, digits, `-` and `_`.
        name: String,
        /// The instant.
        at: Instant,
        /// The message.
        message: QueueMessage,
    },
    /// The timer of that name is no longer needed.
    Cancel {
        /// The name.
        name: String,
    },
    /// Put the message into a queue.
    Send {
        /// The queue.
        queue: Queue,
        /// Not before this instant, which is at most [`LONGEST_DELAY`] away.
        at: Instant,
        /// The message.
        message: QueueMessage,
    },
}

/// The longest delay of a message in a queue, from when it is sent.
pub const LONGEST_DELAY: TimeDelta = TimeDelta::minutes(15);

/// An order in words, without personal data: for logs, and for the user who has to handle it.
impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let message = match self {
            Self::Schedule { name, at, message } => {
                write!(f, "the timer {name}, due {at:?}")?;
                message
            }
            Self::Cancel { name } => return write!(f, "that the timer {name} is cancelled"),
            Self::Send { queue, message, .. } => {
                write!(f, "a message for the queue {}", queue.name())?;
                message
            }
        };
        let (contact, campaign) = message.about();
        contact.map_or(Ok(()), |contact| write!(f, ", of contact {contact}"))?;
        campaign.map_or(Ok(()), |campaign| write!(f, " in campaign {campaign}"))
    }
}

/// Why an order was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declined {
    /// For now: retryable.
    Retryable(String),
    /// Permanently: it would be refused every time.
    Permanent(String),
}

/// An order that was not accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct NotTaken {
    /// The order.
    pub order: Order,
    /// The reason.
    pub why: Declined,
}

/// Timers and queues.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Takes the orders, and answers those that it has not accepted; no other is lost. Orders for
    /// queues do not wait for timers. The whole call takes seconds, even if a service does not
    /// answer.
    async fn dispatch(&self, orders: Vec<Order>) -> Vec<NotTaken>;

    /// Whether it sets timers. If not, they are set by who works off [`Queue::Jobs`].
    fn sets_timers(&self) -> bool {
        true
    }

    /// Whether lists, which are eventually consistent, show by now everything that was written
    /// until an instant.
    fn lists_show(&self, until: Instant, now: Instant) -> Shown {
        if now >= until + LISTS_FOLLOW {
            Shown::Yes
        } else {
            Shown::NotBefore(until + LISTS_FOLLOW)
        }
    }

    /// Whether the change feed is known to have been read to its end. Where that is unknown, lists
    /// that the feed writes may lack what was written long ago: nothing bounds how late it is.
    fn feed_is_read(&self) -> bool {
        false
    }

    /// Whether a message is never with two workers at once.
    fn delivers_exclusively(&self) -> bool {
        false
    }
}

/// How long lists may take to show what was written: the index takes a moment. The lists by tag
/// take as long as the change feed is late, so no code may rely on this for them.
pub const LISTS_FOLLOW: TimeDelta = TimeDelta::minutes(2);

/// What lists show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Everything.
    Yes,
    /// Everything as soon as the feed has been read.
    Soon,
    /// Everything from this instant on.
    NotBefore(Instant),
}

/// A port does not answer. Retryable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// How messages leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendMode {
    /// They are captured: the ledger's record is the message, nothing is called.
    Captured,
    /// They are sent by a service.
    Sent,
}

/// What the delivery of messages asks of each service that sends some, whatever they say: how they
/// leave, when, and what keeps them from leaving.
#[async_trait]
pub trait MessageService: Send + Sync {
    /// How messages leave.
    fn mode(&self) -> SendMode;

    /// Waits until a message of this purpose can be sent without going over the service's rate, and
    /// answers how long it waited. To be asked before anything is read about the message.
    ///
    /// # Errors
    ///
    /// How long it would take, if that is longer than `within`: then it has not waited.
    async fn send_slot(&self, _purpose: Purpose, _within: Duration) -> Result<Duration, TimeDelta> {
        Ok(Duration::ZERO)
    }

    /// Waits before the ledger is written again, of a message whose outcome is known and whose
    /// record the table did not take.
    async fn pause(&self, wait: Duration);

    /// What keeps messages of this purpose from leaving, and why, as far as that is known without
    /// asking the service.
    fn puts_off(&self, _purpose: Purpose) -> Option<(PutOff, String)> {
        None
    }

    /// What is wrong with the service for now.
    fn trouble(&self) -> Option<Trouble> {
        None
    }
}

/// The mail service.
#[async_trait]
pub trait Mailer: MessageService {
    /// Sends a mail, within two minutes: a claim in the ledger holds no longer. Answers the
    /// service's id for it.
    async fn send(&self, mail: &Mail) -> Result<String, SendError>;
}

/// Why a service sends no message, whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOff {
    /// The rate of messages a second is used up.
    Rate,
    /// The quota of 24 hours is used up, or the rest of it is reserved for other messages.
    Quota,
    /// The service cannot be reached, or takes no message from here: wrong credentials, a paused or
    /// suspended account, a sender that it has not verified.
    Stopped,
}

impl PutOff {
    /// What a refusal by SES means; its API and SMTP use the same words.
    pub fn meant_by(words: &str) -> Option<Self> {
        let words = words.to_ascii_lowercase();
        if words.contains("maximum sending rate exceeded") {
            return Some(Self::Rate);
        }
        let quota = ["daily message quota exceeded", "daily sending quota exceeded"];
        quota.iter().any(|said| words.contains(said)).then_some(Self::Quota)
    }
}

/// Why a message was not sent, or may have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Definitely not sent, and retryable: the service may take this message later.
    #[error("not sent for now: {0}")]
    NotNow(String),
    /// Definitely not sent, for a reason that concerns all messages. It waits, and this does not
    /// count as a try.
    #[error("mail waits: {1}")]
    PutOff(PutOff, String),
    /// Definitely not sent, and permanent: rejected.
    #[error("refused: {0}")]
    Refused(String),
    /// The answer was lost: it may have been sent.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
}

/// An HTTP request of a *webhook* element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: dacapo_engine::campaign::format::Method,
    /// The URL.
    pub url: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<String>,
}

/// Makes HTTP requests.
#[async_trait]
pub trait Caller: Send + Sync {
    /// When a request to this URL could be made, if its host has the most requests under way that
    /// it may have.
    fn not_before(&self, _url: &str, _now: Instant) -> Option<Instant> {
        None
    }

    /// Makes a request, within ten seconds. Answers the HTTP status.
    async fn call(&self, request: &Request) -> Result<u16, Unavailable>;
}

/// Does work that keeps a processor busy for longer than others should wait: off the threads that
/// answer and decide, where there are several.
#[async_trait]
pub trait BlockingWork: Send + Sync {
    /// Does the work, and returns when it is done. Work that panics is over, too.
    async fn run(&self, work: Box<dyn FnOnce() + Send>);
}

/// Busy work is done at once on the caller's thread: for where no other work waits.
pub struct Inline;

#[async_trait]
impl BlockingWork for Inline {
    async fn run(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }
}

/// The ports.
#[derive(Clone)]
pub struct Ports {
    /// What is stored.
    pub table: Arc<dyn Table>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Entropy.
    pub entropy: Arc<dyn Entropy>,
    /// Timers and queues.
    pub outbox: Arc<dyn Outbox>,
    /// Mail.
    pub mailer: Arc<dyn Mailer>,
    /// Webhooks.
    pub caller: Arc<dyn Caller>,
}

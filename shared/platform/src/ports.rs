//! What the platform asks of the world outside, besides the table: the time, chance, timers and
//! queues, mail, and calls.
//!
//! Every order may be carried out more than once, and may come back more than once; nothing here
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
pub use messages::{Call, Done, EnrollmentEvent, JobStep, Message, PendingTimer, Queue, Redrive};

/// The one place that reads the clock.
pub trait Clock: Send + Sync {
    /// Now. It never falls.
    fn now(&self) -> Instant;

    /// What is wrong with it for now.
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
    /// Since when.
    pub since: Instant,
}

/// Letters and digits that are not easily confused, in order.
pub(crate) const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Chance, for ids and secrets.
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

/// An order for timers and queues. Carrying it out again changes nothing.
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
        message: Message,
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
        message: Message,
    },
}

/// How long a queue holds a message back at most, where it is put into it.
pub const LONGEST_DELAY: TimeDelta = TimeDelta::minutes(15);

/// An order in words, without a personal word in it: for logs, and for whoever has to look after
/// it.
impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let message = match self {
            Self::Schedule { name, at, message } => {
                write!(f, "the timer {name}, due {at:?}")?;
                message
            }
            Self::Cancel { name } => return write!(f, "that the timer {name} is called off"),
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

/// Why an order was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declined {
    /// For now: it is worth another try.
    ForNow(String),
    /// For good: it would be refused every time.
    ForGood(String),
}

/// An order that was not taken.
#[derive(Debug, Clone, PartialEq)]
pub struct NotTaken {
    /// The order.
    pub order: Order,
    /// Why.
    pub why: Declined,
}

/// Timers and queues.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Takes the orders, and answers those that it has not taken: none of the others is lost. What
    /// goes into queues waits for no timer, and all of it together takes seconds, whatever does not
    /// answer.
    async fn dispatch(&self, orders: Vec<Order>) -> Vec<NotTaken>;

    /// Whether lists, which follow what is written, show by now everything that was written until
    /// an instant.
    fn lists_show(&self, until: Instant, now: Instant) -> Shown {
        if now >= until + LISTS_FOLLOW {
            Shown::Yes
        } else {
            Shown::NotBefore(until + LISTS_FOLLOW)
        }
    }

    /// Whether a message is never with two workers at once.
    fn delivers_exclusively(&self) -> bool {
        false
    }
}

/// How long lists may take to show what was written: the change feed and the index take a moment
/// each.
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

/// A port does not answer. Worth another try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// How mail leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Post {
    /// It is captured: the ledger's record is the mail, nothing is called.
    Captured,
    /// It is sent by a mail service.
    Sent,
}

/// The mail service.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// How mail leaves.
    fn post(&self) -> Post;

    /// Sends a mail, within two minutes: a claim in the ledger holds no longer. Answers the
    /// service's id for it.
    async fn send(&self, mail: &Mail) -> Result<String, MailError>;

    /// Waits until a mail of this purpose can be sent without going over the service's rate, and
    /// answers how long it waited. To be asked before anything is read about the mail.
    ///
    /// # Errors
    ///
    /// How long it would take, if that is longer than `within`: nothing was waited for.
    async fn turn(&self, _purpose: Purpose, _within: Duration) -> Result<Duration, TimeDelta> {
        Ok(Duration::ZERO)
    }

    /// What keeps mail of this purpose from leaving, and why, as far as that is known without
    /// asking the service.
    fn held(&self, _purpose: Purpose) -> Option<(Hold, String)> {
        None
    }

    /// What is wrong with the service for now.
    fn trouble(&self) -> Option<Trouble> {
        None
    }
}

/// What keeps mail from leaving, whatever the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// As many mails a second are sent as may be.
    Rate,
    /// As many were sent in 24 hours as may be, or what is left of them is kept for other mail.
    Quota,
    /// The service is not reached, or takes none from here: wrong credentials, a paused or
    /// suspended account, a sender that it has not verified.
    Stopped,
}

impl Hold {
    /// What SES means by a refusal, through its API and by SMTP alike: both say it in these words.
    pub fn meant_by(words: &str) -> Option<Self> {
        let words = words.to_ascii_lowercase();
        if words.contains("maximum sending rate exceeded") {
            return Some(Self::Rate);
        }
        let quota = ["daily message quota exceeded", "daily sending quota exceeded"];
        quota.iter().any(|said| words.contains(said)).then_some(Self::Quota)
    }
}

/// Why a mail was not sent, or may have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Definitely not sent, worth another try: the service takes this mail later, perhaps.
    #[error("not sent for now: {0}")]
    NotNow(String),
    /// Definitely not sent, and whatever the mail. It waits, and this was none of its tries.
    #[error("mail waits: {1}")]
    Held(Hold, String),
    /// Definitely not sent, and it would not be the next time: rejected.
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

/// Who makes HTTP requests.
#[async_trait]
pub trait Caller: Send + Sync {
    /// When a request to this URL could be made, if its host has as many under way as it may have
    /// for now.
    fn not_before(&self, _url: &str, _now: Instant) -> Option<Instant> {
        None
    }

    /// Makes one, within ten seconds. Answers the HTTP status.
    async fn call(&self, request: &Request) -> Result<u16, Unavailable>;
}

/// Where work goes that keeps a processor busy for longer than others should wait: off the threads
/// that answer and decide, where there are several.
#[async_trait]
pub trait BlockingWork: Send + Sync {
    /// Does it, and comes back when it is done. Work that panics is over, too.
    async fn run(&self, work: Box<dyn FnOnce() + Send>);
}

/// Busy work is done at once by whoever asks: where nobody else waits.
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
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Timers and queues.
    pub outbox: Arc<dyn Outbox>,
    /// Mail.
    pub mailer: Arc<dyn Mailer>,
    /// Webhooks.
    pub caller: Arc<dyn Caller>,
}

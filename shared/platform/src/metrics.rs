//! What is counted for whoever runs the platform: decisions, conflicts, messages by outcome,
//! lateness of timers.
//!
//! A figure is an event of [`TARGET`], with its name and value. Whoever wants figures listens to
//! that target; nobody else sees them. They are told once what they count is committed, so a repeat
//! that changes nothing counts nothing.

use dacapo_engine::decide::ContactWrite;
use dacapo_engine::history::{Happened, Record};
use dacapo_engine::statistics::Outcome;

use crate::Instant;

/// The target of the events.
pub const TARGET: &str = "metrics";

/// A figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Decisions that were committed.
    Decisions,
    /// Decisions that were made again, because somebody else was faster.
    Conflicts,
    /// Messages that were settled, by outcome.
    Messages(Outcome),
    /// Messages that were put off because the mail service takes none for now: the day's quota is
    /// used up, or it is stopped.
    MessagesHeld,
    /// Webhooks that were given up, refused or could not be made.
    WebhooksFailed,
    /// How long after its due instant a timer was committed, in milliseconds.
    TimerLateness,
    /// Triggers inside a restart delay (R14).
    Parked,
    /// Enrollments that a guard stopped (R40–R43).
    Held,
    /// Changes that could not be decided by a defect of ours.
    Undecided,
    /// What nobody could read or do, and was put aside.
    PutAside,
    /// Reads and writes that the table put off, after all tries.
    Throttled,
    /// Timers that wait to be set, and were not taken once more.
    TimersPending,
    /// How many writes of campaigns led to a write (R42).
    CausalDepth,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Decisions,
        Self::Conflicts,
        Self::Messages(Outcome::Sent),
        Self::Messages(Outcome::Suppressed),
        Self::Messages(Outcome::Failed),
        Self::Messages(Outcome::Unknown),
        Self::MessagesHeld,
        Self::WebhooksFailed,
        Self::TimerLateness,
        Self::Parked,
        Self::Held,
        Self::Undecided,
        Self::PutAside,
        Self::Throttled,
        Self::TimersPending,
        Self::CausalDepth,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decisions => "decisions",
            Self::Conflicts => "conflicts",
            Self::Messages(Outcome::Sent) => "messages_sent",
            Self::Messages(Outcome::Suppressed) => "messages_suppressed",
            Self::Messages(Outcome::Failed) => "messages_failed",
            Self::Messages(Outcome::Unknown) => "messages_unknown",
            Self::MessagesHeld => "messages_held",
            Self::WebhooksFailed => "webhooks_failed",
            Self::TimerLateness => "timer_lateness_ms",
            Self::Parked => "parked_triggers",
            Self::Held => "held",
            Self::Undecided => "undecided",
            Self::PutAside => "put_aside",
            Self::Throttled => "throttled",
            Self::TimersPending => "timers_pending",
            Self::CausalDepth => "causal_depth",
        }
    }

    /// Tells one more of it, or a value.
    pub fn tell(self, value: i64) {
        tracing::trace!(target: TARGET, metric = self.name(), value);
    }
}

/// A decision was committed, with what it writes to the contact and to the history.
pub(crate) fn committed(writes: &[ContactWrite], records: &[Record]) {
    Metric::Decisions.tell(1);
    if let Some(depth) = writes.iter().map(|write| write.causality.depth).max() {
        Metric::CausalDepth.tell(i64::from(depth));
    }
    for line in records.iter().flat_map(|record| &record.lines) {
        if let Happened::MessageSettled { outcome, .. } = &line.what {
            Metric::Messages(*outcome).tell(1);
        } else if let Happened::Parked { .. } | Happened::ParkedUntilResumed { .. } = &line.what {
            Metric::Parked.tell(1);
        } else if let Happened::Held { .. } = &line.what {
            Metric::Held.tell(1);
        }
    }
}

/// A timer that was due at an instant was committed at another.
pub(crate) fn timer_fired(due: Instant, now: Instant) {
    Metric::TimerLateness.tell((now - due).num_milliseconds().max(0));
}

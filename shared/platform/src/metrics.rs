//! Metrics for the operator of the platform: decisions, conflicts, messages by outcome, lateness of
//! timers.
//!
//! A metric is an event of [`TARGET`], with its name and value. Only subscribers of that target see
//! it. It is emitted after the commit of what it counts, so a repeat without effect counts nothing.

use dacapo_engine::decide::ContactWrite;
use dacapo_engine::history::{Happened, Record};
use dacapo_engine::statistics::Outcome;

use crate::Instant;

/// The target of the events.
pub const TARGET: &str = "metrics";

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Decisions that were committed.
    Decisions,
    /// Decisions that were made again, because another writer committed first.
    Conflicts,
    /// Messages that were settled, by outcome.
    Messages(Outcome),
    /// Messages that were delayed because the mail service takes none for now: the day's quota is
    /// used up, or it is stopped.
    MessagesHeld,
    /// Webhooks that were given up, refused or could not be made.
    WebhooksFailed,
    /// Webhooks that waited in their queue for more than a quarter of an hour before their first
    /// try.
    WebhooksLate,
    /// Calls to connections that could not be used: something is missing in them, or a map is
    /// wrong.
    CallsFailed,
    /// Calls to connections that were signed, but wrongly: the secret is another one.
    CallsRefused,
    /// Calls to connections that could not be done for half an hour.
    CallsUnfinished,
    /// How long after its due instant a timer was committed, in milliseconds.
    TimerLateness,
    /// Triggers inside a restart delay (R14).
    Parked,
    /// Enrollments that a guard stopped (R40–R43).
    Held,
    /// Changes that could not be decided because of a defect in Dacapo.
    Undecided,
    /// Work that was kept as a dead letter.
    PutAside,
    /// Reads and writes that the table throttled, after all tries.
    Throttled,
    /// Pending timers that were again not accepted.
    TimersPending,
    /// How many writes of campaigns led to a write (R42).
    CausalDepth,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Decisions,
        Self::Conflicts,
        Self::Messages(Outcome::Sent),
        Self::Messages(Outcome::Suppressed),
        Self::Messages(Outcome::Failed),
        Self::Messages(Outcome::Unknown),
        Self::MessagesHeld,
        Self::WebhooksFailed,
        Self::WebhooksLate,
        Self::CallsFailed,
        Self::CallsRefused,
        Self::CallsUnfinished,
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
            Self::WebhooksLate => "webhooks_late",
            Self::CallsFailed => "calls_failed",
            Self::CallsRefused => "calls_refused",
            Self::CallsUnfinished => "calls_unfinished",
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

    /// Emits the metric, with a count or a value.
    pub fn emit(self, value: i64) {
        tracing::info!(target: TARGET, metric = self.name(), value);
    }
}

/// Emits the metrics of a committed decision, with its writes to the contact and the history.
pub(crate) fn committed<'w>(writes: impl Iterator<Item = &'w ContactWrite>, records: &[Record]) {
    Metric::Decisions.emit(1);
    if let Some(depth) = writes.map(|write| write.causality.depth).max() {
        Metric::CausalDepth.emit(i64::from(depth));
    }
    for line in records.iter().flat_map(|record| &record.lines) {
        if let Happened::MessageSettled { outcome, .. } = &line.what {
            Metric::Messages(*outcome).emit(1);
        } else if let Happened::Parked { .. } | Happened::ParkedUntilResumed { .. } = &line.what {
            Metric::Parked.emit(1);
        } else if let Happened::Held { .. } = &line.what {
            Metric::Held.emit(1);
        }
    }
}

/// Emits the lateness of a timer: due at one instant, committed at another.
pub(crate) fn timer_fired(due: Instant, now: Instant) {
    Metric::TimerLateness.emit((now - due).num_milliseconds().max(0));
}

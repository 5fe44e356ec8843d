//! A decision that queues a transactional message defers its lines and counts to the next decision,
//! mostly the one that settles the message: both are recorded at once.
//!
//! The deferred recording is in the enrollment's item, so no decision can be committed without it.
//! The history shows it. If the message does not leave at its first try, it is recorded without
//! waiting any longer.

use dacapo_engine::campaign::format::Purpose;
use dacapo_engine::decide::{Advance, Effect, written_again};
use dacapo_engine::enrollment::{Enrollment, MessageRest, Rest, Status};
use dacapo_engine::history::{Happened, Record};
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_engine::statistics::{Gauge, Tally};

use super::{Decisions, Deferred, StoredEnrollment, instant_of};
use crate::Instant;
use crate::error::Error;

impl StoredEnrollment {
    /// A state without effects. Its image is performed like any other.
    pub(crate) fn of(enrollment: Enrollment) -> Self {
        Self {
            stamp: enrollment.rev,
            enrollment,
            effects: Vec::new(),
            records: Vec::new(),
            delta: Tally::default(),
            day: None,
            first: None,
            earlier: None,
            deferred: None,
            self_write: None,
            status_unread_as_of: None,
            w: String::new(),
        }
    }

    /// The next state with its effects, where the campaign writes nothing to the contact.
    pub(crate) fn of_advance(advance: Advance) -> Self {
        let Advance { enrollment, effects, records, delta, .. } = advance;
        Self { effects, records, delta, ..Self::of(enrollment) }
    }

    /// Adds what the earlier decision deferred to this one: as one recording, unless it counts on
    /// another day or belongs to another version.
    pub(crate) fn with_deferred(mut self, deferred: Option<Box<Deferred>>) -> Self {
        let Some(deferred) = deferred else { return self };
        let is_one = match (deferred.day, self.day) {
            (Some(one), Some(other)) => one == other,
            (None, Some(_)) => true,
            (_, None) => self.delta.of_a_day().is_empty(),
        };
        if !is_one
            || resets_statistics(&self.records)
            || deferred.version != self.enrollment.version
        {
            self.earlier = Some(deferred);
            return self;
        }
        let Deferred { stamp, records, delta, day, .. } = *deferred;
        self.first = Some(stamp);
        self.records.splice(..0, records);
        self.delta.add(&delta);
        self.day = self.day.or(day);
        self
    }

    /// Defers its lines and counts to the next decision, if that comes soon: a message that the
    /// same decision dropped again is never settled, and no decision need follow (R53).
    pub(super) fn deferring(mut self, before: Option<&Enrollment>) -> Self {
        let enrollment = &self.enrollment;
        let waits = |run: u32, step: u32| {
            let token = enrollment.token(step).filter(|_| run == enrollment.run);
            token.is_some_and(|token| token.rest == Rest::Message(MessageRest::Queued))
        };
        let is_near = self.effects.iter().any(|effect| match effect {
            Effect::Deliver { run, step, purpose, .. } => {
                *purpose == Purpose::Transactional && waits(*run, *step)
            }
            Effect::Schedule { .. }
            | Effect::Cancel { .. }
            | Effect::Recheck { .. }
            | Effect::RecordMessage { .. }
            | Effect::Call { .. }
            | Effect::Command { .. }
            | Effect::StatusChanged { .. } => false,
        });
        let took_over = self.first.is_some() || self.earlier.is_some();
        let is_active = self.enrollment.status == Status::Active;
        if !is_near || took_over || !is_active || resets_statistics(&self.records) {
            return self;
        }
        let mut delta = std::mem::take(&mut self.delta);
        delta.add(&Gauge::between(before, Some(&self.enrollment)));
        self.deferred = Some(Box::new(Deferred {
            stamp: self.stamp,
            version: self.enrollment.version,
            records: std::mem::take(&mut self.records),
            delta,
            day: self.day.take(),
        }));
        self
    }

    /// The revision under which it is in the history: that of the first decision whose lines it
    /// has.
    pub(crate) fn recorded_as(&self) -> u64 {
        self.first.unwrap_or(self.stamp)
    }
}

impl Decisions {
    /// What was deferred to the next decision is recorded now: the message does not leave yet.
    pub(crate) async fn record_deferred(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
    ) -> Result<(), Error> {
        self.rewrite(contact, campaign, |before| {
            let before = before?;
            let deferred = before.deferred.clone()?;
            let enrollment = written_again(&before.enrollment);
            Some(StoredEnrollment::of(enrollment).with_deferred(Some(deferred)))
        })
        .await
    }
}

/// The instant under which it is in the history.
pub(crate) fn instant_of_deferred(deferred: &Deferred, enrollment: &Enrollment) -> Instant {
    instant_of(&deferred.records, enrollment)
}

/// Whether contributions to the statistics are subtracted.
pub(crate) fn resets_statistics(records: &[Record]) -> bool {
    let lines = records.iter().flat_map(|record| &record.lines);
    lines.into_iter().any(|line| line.what == Happened::StatisticsReset)
}

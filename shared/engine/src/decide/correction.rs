//! Corrections of an enrollment without an event of its campaign: a result that was reported too
//! early, changes that will not arrive any more, a state that is written once more.
//!
//! Each is a function of the enrollment alone and raises its `rev` by one. No token moves.

use super::Advance;
use crate::enrollment::Enrollment;
use crate::history::{Cause, Happened, Line, Record};
use crate::ids::ElementId;
use crate::statistics::{Counter, Outcome, Tally};
use crate::time::Instant;

/// A message that was settled as unknown has left after all (R30): one unknown message less and one
/// sent message more, with a line. `run` and `element` are the message's.
///
/// `None` if the enrollment no longer counts any unknown message: its statistics were reset.
pub fn message_left_after_all(
    before: &Enrollment,
    run: u32,
    element: &ElementId,
    now: Instant,
) -> Option<Advance> {
    let (unknown, sent) = (Counter::Messages(Outcome::Unknown), Counter::Messages(Outcome::Sent));
    if before.tally.get(&unknown) < 1 {
        return None;
    }
    let mut one_unknown = Tally::default();
    one_unknown.count(&unknown);
    let mut delta = one_unknown.negative();
    delta.count(&sent);
    let mut next = written_again(before);
    next.tally.add(&delta);
    let what = Happened::MessageSettled { outcome: Outcome::Sent, reason: None };
    let lines = vec![Line { run, element: Some(element.clone()), what }];
    let records = vec![Record { at: now, because: Cause::Message, lines }];
    Some(Advance { records, delta, ..advance_without_effects(next) })
}

/// Changes up to the contact's `rev` `now_seen` will not come any more: they are taken as seen.
/// `None` if the enrollment has seen more than `was_seen` meanwhile.
pub fn missing_changes_seen(
    before: &Enrollment,
    was_seen: u64,
    now_seen: u64,
) -> Option<Enrollment> {
    (before.seen == was_seen).then(|| Enrollment { seen: now_seen, ..written_again(before) })
}

/// The same state under the next `rev`, for what is stored beside it.
pub fn written_again(before: &Enrollment) -> Enrollment {
    Enrollment { rev: before.rev + 1, ..before.clone() }
}

/// An advance from which nothing follows.
pub(super) fn advance_without_effects(enrollment: Enrollment) -> Advance {
    Advance {
        enrollment,
        writes: Vec::new(),
        person_writes: Vec::new(),
        effects: Vec::new(),
        records: Vec::new(),
        delta: Tally::default(),
        ignored: None,
        ask_again: false,
    }
}

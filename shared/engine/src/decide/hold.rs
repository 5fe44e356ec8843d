//! How tokens end and enrollments are held, as functions of the enrollment alone.
//!
//! A guard holds an enrollment within a decision (R40, R41, R43). A defect in Dacapo holds it
//! outside of one: then perhaps neither the campaign nor the contact is readable, so nothing here
//! reads them. In both cases nothing of the old run is left: timers are cancelled, messages that
//! have not left are dropped, and what was parked is discarded, each with its line.

use super::correction::{advance_without_effects, written_again};
use super::{Advance, Effect};
use crate::contact::{Causality, Chain};
use crate::enrollment::{Enrollment, Guard, MessageRest, Rest, Status, Token};
use crate::history::{Cause, Happened, Line, Record};
use crate::ids::ElementId;
use crate::time::{Instant, Zone, day_of};

/// What follows from a part of a decision.
#[derive(Default)]
pub(super) struct Consequences {
    pub(super) effects: Vec<Effect>,
    pub(super) lines: Vec<Line>,
}

impl Consequences {
    fn line(&mut self, enrollment: &Enrollment, element: Option<&ElementId>, what: Happened) {
        self.lines.push(Line { run: enrollment.run, element: element.cloned(), what });
    }
}

/// Holds an enrollment for which something could not be decided, because of a defect in Dacapo: its
/// tokens end, and nothing happens to it until it is released (R40).
///
/// `before` is the enrollment as it is stored, if there is one; `zone` is the account's. `None` if
/// it is in quarantine already.
pub fn hold_undecided(before: Option<&Enrollment>, zone: Zone, now: Instant) -> Option<Advance> {
    if before.is_some_and(Enrollment::is_quarantined) {
        return None;
    }
    let fresh = || Enrollment { created: Some(now), ..Enrollment::new(1, 0, 0) };
    let mut next = before.cloned().unwrap_or_else(fresh);
    let causality = deepest(&next);
    let was = before.map(|before| before.status);
    let Consequences { mut effects, lines } = hold(&mut next, None, Guard::Undecided, zone);
    next.quarantined_changes = true;
    if was != Some(next.status) {
        effects.push(Effect::StatusChanged { causality });
    }
    next.rev += 1;
    let records = vec![Record { at: now, because: Cause::Defect, lines }];
    Some(Advance { effects, records, ..advance_without_effects(next) })
}

/// After a release, what was in quarantine has been decided: removes the mark that it comes first.
/// `None` if there is no such mark, or the enrollment is still in quarantine.
pub fn quarantine_is_empty(before: &Enrollment) -> Option<Enrollment> {
    let is_marked = before.has_quarantined_changes() && !before.is_quarantined();
    let held = before.held.filter(|guard| *guard != Guard::Undecided);
    is_marked.then(|| Enrollment { quarantined_changes: false, held, ..written_again(before) })
}

/// All tokens end, and the enrollment is held.
pub(super) fn hold(
    next: &mut Enrollment,
    element: Option<&ElementId>,
    guard: Guard,
    zone: Zone,
) -> Consequences {
    let mut follows = Consequences::default();
    follows.line(next, element, Happened::Held { guard });
    for token in std::mem::take(&mut next.tokens) {
        end_token(next, &token, zone, &mut follows);
    }
    follows.lines.extend(discard_parked(next));
    next.restart_chain = None;
    next.status = Status::Held;
    next.held = Some(guard);
    follows
}

/// Nothing of a token that ended has any effect (R18). The caller has taken it out already.
pub(super) fn end_token(
    next: &mut Enrollment,
    token: &Token,
    zone: Zone,
    follows: &mut Consequences,
) {
    if let Some(due) = token.due() {
        follows.effects.push(Effect::Cancel { run: next.run, step: token.step, due });
    }
    match token.rest {
        Rest::Message(MessageRest::Queued) => {
            uncount_message(next, token, zone);
            follows.line(next, Some(&token.element), Happened::MessageDropped);
        }
        Rest::Message(MessageRest::Window(_)) => {
            follows.line(next, Some(&token.element), Happened::MessageDropped);
        }
        Rest::Message(MessageRest::Settled)
        | Rest::Wait(_)
        | Rest::Date(_)
        | Rest::Event
        | Rest::Goal => {}
    }
}

/// Takes a queued message off the count of its day: it did not leave (R43). `zone` is the
/// account's.
pub(super) fn uncount_message(next: &mut Enrollment, token: &Token, zone: Zone) {
    let queued_on = token.queued_on.unwrap_or_else(|| day_of(token.since, zone));
    if let Some(count) = next.messages_on.as_mut()
        && count.day == queued_on
    {
        count.count = count.count.saturating_sub(1);
    }
}

/// Discards the trigger and the entries that are parked (R14, R51). Returns the lines that say so.
pub(super) fn discard_parked(next: &mut Enrollment) -> Vec<Line> {
    let run = next.run;
    let discarded = |element| Line { run, element, what: Happened::ParkedDiscarded };
    let trigger = next.parked.take().map(|_| discarded(None));
    let entries = std::mem::take(&mut next.parked_entries);
    let entries = entries.into_iter().map(|entry| discarded(Some(entry.element)));
    trigger.into_iter().chain(entries).collect()
}

/// The deepest place in a chain among the tokens; without tokens that of the last change that was
/// seen (R42).
fn deepest(enrollment: &Enrollment) -> Causality {
    let tokens = enrollment.tokens.iter().map(|token| token.causality);
    let seen = Causality { chain: Chain::of_write(enrollment.seen), depth: 0 };
    tokens.max_by_key(|causality| causality.depth).unwrap_or(seen)
}

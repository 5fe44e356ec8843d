//! The decision while it is made: the next state, and what has been added so far.
//!
//! [`DecisionBuilder::begin`] takes the state as it is, the other files of `decide` work on it, and
//! [`DecisionBuilder::finish`] makes the [`Decision`]. It promises that a decision which changed
//! nothing is no [`Decision::Advance`], so that nothing is written for it.

use std::borrow::Cow;

use super::hold::{Consequences, hold};
use super::in_flight_token::InFlightToken;
use super::occasion::Occasion;
use super::{Advance, ContactWrite, Decision, Effect, Ignored, Situation};
use crate::campaign::CampaignState;
use crate::campaign::graph::Graph;
use crate::condition::View;
use crate::contact::{Causality, Contact};
use crate::enrollment::{DayCount, Enrollment, Guard, Status};
use crate::history::{Cause, Happened, Line, Record};
use crate::ids::{ContactId, ElementId};
use crate::statistics::{Counter, Tally};
use crate::time::{Instant, Zone, day_of};

/// The next state, and what has been added so far.
pub(super) struct DecisionBuilder<'a> {
    pub(super) situation: &'a Situation<'a>,
    pub(super) next: Enrollment,
    /// The version that the enrollment is on.
    pub(super) graph: &'a Graph,
    /// The current occasion.
    pub(super) occasion: Occasion<'a>,
    /// The latest contact with everything that this decision has written.
    pub(super) latest: Cow<'a, Contact>,
    /// The person with everything that this decision has written to it, if the subject is an object
    /// (R72).
    pub(super) person: Option<Cow<'a, Contact>>,
    pub(super) in_flight: Vec<InFlightToken>,
    pub(super) effects: Vec<Effect>,
    pub(super) delta: Tally,
    /// Whether a milestone that concerns the enrollment was applied. That is always committed, so
    /// that no later decision applies it again.
    pub(super) reached: bool,
    /// The place in its chain of the path that went on last.
    pub(super) last_path_causality: Option<Causality>,
    pub(super) writes: Vec<ContactWrite>,
    /// What is written to the person whose object the subject is (R72).
    pub(super) person_writes: Vec<ContactWrite>,
    records: Vec<Record>,
}

impl<'a> DecisionBuilder<'a> {
    pub(super) fn begin(situation: &'a Situation<'a>) -> Result<Self, Ignored> {
        let campaign = situation.campaign;
        let timeline = &campaign.timeline;
        let standing = timeline.standing().ok_or(Ignored::NotPublished)?;
        let next = situation.enrollment.cloned().unwrap_or_else(|| {
            // For a contact that was never in the campaign, earlier changes do not matter.
            let unseen = situation.contact.changes_after(situation.baseline).unwrap_or(&[]);
            let milestones =
                unseen.first().map_or(timeline.count(), |first| timeline.before(first));
            Enrollment::new(standing.version, situation.baseline, milestones)
        });
        let graph = campaign.versions.get(&next.version).ok_or(Ignored::NoVersion)?;
        let contact = Cow::Borrowed(situation.contact);
        let causality =
            Causality { chain: situation.contact.chain_of(situation.contact.rev), depth: 0 };
        let builder = Self {
            situation,
            next,
            graph,
            occasion: Occasion::new(situation.now, Cause::Timer, causality, contact.clone()),
            latest: contact,
            person: situation.person.map(Cow::Borrowed),
            in_flight: Vec::new(),
            effects: Vec::new(),
            delta: Tally::default(),
            reached: false,
            last_path_causality: None,
            writes: Vec::new(),
            person_writes: Vec::new(),
            records: Vec::new(),
        };
        let carried = situation.contact.changes_after(situation.baseline).is_some();
        if carried || builder.is_quarantined() { Ok(builder) } else { Err(Ignored::Behind) }
    }

    /// Whether a change could not be decided, and waits with those after it.
    pub(super) fn is_quarantined(&self) -> bool {
        self.next.is_quarantined()
    }

    /// How much has been added so far: lines, effects, writes.
    pub(super) fn count_added(&self) -> (usize, usize, usize) {
        let lines = self.records.iter().map(|record| record.lines.len()).sum();
        (lines, self.effects.len(), self.writes.len() + self.person_writes.len())
    }

    /// Without tokens an enrollment is on the newest version (R50). It never returns to an older
    /// one, even if a change from before the publishing comes late.
    pub(super) fn choose_version(&mut self, standing: CampaignState) {
        if self.next.tokens.is_empty()
            && self.in_flight.is_empty()
            && (self.situation.enrollment.is_none() || standing.version > self.next.version)
            && let Some(graph) = self.situation.campaign.versions.get(&standing.version)
        {
            self.go_over_to(graph);
        }
    }

    /// Switches to another version. An id whose type has changed is another element, which has not
    /// fired (R50).
    pub(super) fn go_over_to(&mut self, newest: &'a Graph) {
        let before = self.graph;
        let is_same = |id: &ElementId| match (before.type_of(id), newest.type_of(id)) {
            (Some(one), Some(other)) => one == other,
            (Some(_) | None, None) | (None, Some(_)) => true,
        };
        self.next.fired.retain(is_same);
        self.next.fired_at.retain(|id, _| is_same(id));
        self.next.yearly.retain(|id, _| is_same(id));
        self.next.version = newest.version;
        self.graph = newest;
    }

    /// The campaign's state on the occasion: after the milestones that were applied.
    pub(super) fn standing(&self) -> Result<CampaignState, Ignored> {
        let timeline = &self.situation.campaign.timeline;
        timeline.standing_after(self.next.milestones).ok_or(Ignored::NotPublished)
    }

    /// Refuses while the campaign is paused (R51).
    pub(super) fn unless_paused(&self) -> Result<CampaignState, Ignored> {
        let standing = self.standing()?;
        if standing.paused { Err(Ignored::Paused) } else { Ok(standing) }
    }

    /// Makes this the current occasion.
    pub(super) fn look_at(&mut self, occasion: Occasion<'a>) {
        self.occasion = occasion;
    }

    /// Makes the instant of deciding the current occasion. It has no chain of its own: what follows
    /// goes on in the chain of the occasion before it.
    pub(super) fn keep_chain(&mut self, cause: Cause) {
        self.look_at(self.happening_now(cause, self.occasion.causality()));
    }

    /// What happens at the instant of deciding, to the latest contact.
    pub(super) fn happening_now(&self, cause: Cause, causality: Causality) -> Occasion<'a> {
        Occasion::new(self.situation.now, cause, causality, self.latest.clone())
    }

    /// The contact as the change with this `rev` left it (R3). It does not hold what the campaign
    /// wrote because of an earlier change: that write is a later change of its own. So it makes no
    /// difference whether changes come one by one or together.
    pub(super) fn contact_as_of(&self, rev: u64) -> Cow<'a, Contact> {
        let contact = self.situation.contact;
        if rev == contact.rev {
            Cow::Borrowed(contact)
        } else {
            contact.as_of(rev).map_or(Cow::Borrowed(contact), Cow::Owned)
        }
    }

    pub(super) fn zone(&self) -> Zone {
        self.situation.account.zone_of(self.person())
    }

    /// The subject's id, if it is an object.
    pub(super) fn object(&self) -> Option<&'a ContactId> {
        Some(&self.situation.contact.id).filter(|id| id.is_object())
    }

    /// The person: the subject itself as of the occasion, or the one whose object it is, as it is
    /// now (R72).
    pub(super) fn person(&self) -> &Contact {
        self.person.as_deref().unwrap_or_else(|| self.occasion.contact())
    }

    /// Evaluates something on the contact of the occasion.
    pub(super) fn judged<T>(&self, judge: impl FnOnce(&View<'_>) -> T) -> T {
        judge(&View {
            contact: self.occasion.contact(),
            person: self.person(),
            statuses: self.situation.statuses,
            now: self.occasion.now(),
            zone: self.zone(),
        })
    }

    pub(super) fn line(&mut self, element: Option<&ElementId>, what: Happened) {
        self.push_line(Line { run: self.next.run, element: element.cloned(), what });
    }

    pub(super) fn push_line(&mut self, line: Line) {
        add_line(&mut self.records, self.occasion.now(), self.occasion.cause(), line);
    }

    /// Adds a line that has a cause of its own.
    pub(super) fn push_line_because(&mut self, cause: &Cause, line: Line) {
        add_line(&mut self.records, self.occasion.now(), cause, line);
    }

    pub(super) fn count(&mut self, counter: &Counter<'_>) {
        self.delta.count(counter);
    }

    /// The account's calendar day of the occasion (R40, R43).
    pub(super) fn today(&self) -> chrono::NaiveDate {
        day_of(self.occasion.now(), self.situation.account.zone)
    }

    /// Whether what was due at an instant is taken to have happened then: the table was restored to
    /// before it (R30).
    pub(super) fn is_before_restore(&self, at: Instant) -> bool {
        self.situation.account.sent_until.is_some_and(|until| at <= until)
    }

    /// Counts one more on the day.
    pub(super) fn one_more(count: Option<DayCount>, day: chrono::NaiveDate) -> Option<DayCount> {
        Some(DayCount { day, count: DayCount::on(count, day) + 1 })
    }

    /// A guard stops the contact: all tokens end, with a line (R40, R41, R43).
    pub(super) fn hold(&mut self, element: Option<&ElementId>, guard: Guard) {
        self.in_flight.clear();
        let follows = hold(&mut self.next, element, guard, self.situation.account.zone);
        self.take_consequences(follows);
    }

    /// Adds what followed from a step.
    pub(super) fn take_consequences(&mut self, follows: Consequences) {
        self.effects.extend(follows.effects);
        for line in follows.lines {
            self.push_line(line);
        }
    }

    /// Whether anything happened that must be committed.
    pub(super) fn must_be_committed(&self) -> bool {
        if self.reached {
            return true;
        }
        let nothing_written = self.writes.is_empty() && self.person_writes.is_empty();
        if !(self.records.is_empty() && self.effects.is_empty() && nothing_written) {
            return true;
        }
        match self.situation.enrollment {
            Some(before) => {
                let seen = Enrollment {
                    seen: before.seen,
                    no_effect: before.no_effect.clone(),
                    milestones: before.milestones,
                    ..self.next.clone()
                };
                seen != *before
            }
            None => false,
        }
    }

    /// The decision.
    pub(super) fn finish(mut self, ignored: Option<Ignored>) -> Decision {
        if !self.must_be_committed() {
            return match (self.situation.enrollment, ignored) {
                (Some(before), None | Some(Ignored::AlreadyApplied)) if *before != self.next => {
                    self.next.rev += 1;
                    Decision::Seen(Box::new(self.next))
                }
                (_, ignored) => Decision::Ignore(ignored.unwrap_or(Ignored::NothingConcerned)),
            };
        }
        self.clear_what_is_over();
        self.keep_last_commands();
        if self.situation.enrollment.is_none() {
            self.next.created =
                Some(self.records.first().map_or(self.occasion.now(), |record| record.at));
        }
        let had_tokens = self.situation.enrollment.is_some_and(|before| !before.tokens.is_empty());
        if let Some(person) = self.situation.person
            && !had_tokens
            && !self.next.tokens.is_empty()
        {
            self.next.person_seen = person.rev;
        }
        let before = self.situation.enrollment.map(|before| before.status);
        if before != Some(self.next.status) {
            let causality = self.occasion.causality();
            self.effects.push(Effect::StatusChanged { causality });
        }
        self.next.tally.add(&self.delta);
        self.next.rev += 1;
        Decision::Advance(Box::new(Advance {
            enrollment: self.next,
            writes: self.writes,
            person_writes: self.person_writes,
            effects: self.effects,
            records: self.records,
            delta: self.delta,
            ignored,
            ask_again: false,
        }))
    }

    /// The decision when something has to be committed before the event is handled: unseen changes,
    /// or a goal that took tokens on other paths.
    pub(super) fn ask_again(self) -> Decision {
        match self.finish(None) {
            Decision::Advance(mut advance) => {
                advance.ask_again = true;
                Decision::Advance(advance)
            }
            other => other,
        }
    }

    /// Removes what is no longer needed.
    fn clear_what_is_over(&mut self) {
        if self.next.status != Status::AwaitingRestart {
            self.next.restart_chain = None;
            if self.next.parked.is_none()
                && self
                    .next
                    .eligible_at
                    .is_some_and(|at| at <= self.situation.now.min(self.occasion.now()))
            {
                self.next.eligible_at = None;
            }
        }
    }
}

/// Adds a line to the last record, or to a new one if that has another cause.
fn add_line(records: &mut Vec<Record>, at: Instant, because: &Cause, line: Line) {
    match records.last_mut() {
        Some(record) if record.because == *because => record.lines.push(line),
        _ => records.push(Record { at, because: because.clone(), lines: vec![line] }),
    }
}

//! What a change causes: date timers are re-planned, goals are checked, events and starts fire (R5
//! to R10, R13 to R15, R52).
//!
//! It promises that an entry or a goal fires once in a run, in the order of the document, and that
//! a trigger that comes too early is parked, never lost.

use std::borrow::Cow;

use super::builder::DecisionBuilder;
use super::in_flight_token::InFlightToken;
use super::occasion::Occasion;
use super::{DEEPEST, Effect, Ignored, NotStarted, Source};
use crate::campaign::Reached;
use crate::campaign::format::{Element, EventElement};
use crate::campaign::graph::Graph;
use crate::condition::Reads;
use crate::contact::{Causality, Change, Contact};
use crate::enrollment::{DayCount, Guard, Parked, Status};
use crate::history::{Cause, Happened};
use crate::ids::{CampaignId, ElementId};
use crate::statistics::Counter;
use crate::time::Instant;

impl<'a> DecisionBuilder<'a> {
    /// One change of the contact, in the order of R10.
    pub(super) fn changed(&mut self, change: &Change) {
        if !self.may_concern(change) {
            return;
        }
        // A change that fires an event can still be a trigger (R13, R14).
        let was_awaiting = self.next.status == Status::AwaitingRestart;
        let is_a_trigger = self.is_a_trigger(change);
        self.follow_dates(true);
        self.goals();
        self.events(change);
        if is_a_trigger && self.next.status != Status::Held {
            let graph = self.graph;
            self.trigger(was_awaiting, |reads| graph.makes_start_checked(change, reads));
        }
        self.move_tokens();
    }

    /// Takes every token upstream of a goal that holds (R8). Returns whether any goal fired.
    pub(super) fn goals(&mut self) -> bool {
        let graph = self.graph;
        let mut fired = false;
        for (place, id, element) in graph.elements() {
            let Element::Goal(goal) = element else { continue };
            if self.next.tokens.is_empty() && self.in_flight.is_empty() {
                break;
            }
            if self.next.has_fired(id) || !self.judged(|view| goal.when.holds(view)) {
                continue;
            }
            // A token that rests there was counted when it arrived.
            let was_counted = self.rests_at(id);
            let ended = self.end_upstream(place);
            if ended.count > 0 {
                if !was_counted {
                    self.count(&Counter::Arrived(id));
                }
                self.fire_goal(id, goal.next.as_ref(), ended.deepest_in_flight.as_ref());
                fired = true;
            }
        }
        fired
    }

    /// One token goes on. If it replaces one that was in flight, that one's bounds go on counting
    /// (R41, R42).
    fn fire_goal(
        &mut self,
        id: &ElementId,
        next: Option<&ElementId>,
        taken: Option<&InFlightToken>,
    ) {
        self.next.fired.push(id.clone());
        self.line(Some(id), Happened::GoalReached);
        let new = self.new_token(id);
        let token = match taken {
            Some(InFlightToken { causality, moves, .. }) => {
                InFlightToken { causality: *causality, moves: moves + 1, ..new }
            }
            None => new,
        };
        self.send_on(next, token);
    }

    /// Fires the events that react to the change (R7).
    fn events(&mut self, change: &Change) {
        let graph = self.graph;
        let mut matching: Vec<(usize, &ElementId, &EventElement)> = Vec::new();
        for (place, id, element) in graph.elements() {
            if let Element::Event(event) = element
                && !self.next.has_fired(id)
                && self.happens(&event.on, change)
                && (!event.requires_active || self.next.status == Status::Active)
            {
                matching.push((place, id, event));
            }
        }
        let place_of = |(place, ..): &(usize, &ElementId, &EventElement)| *place;
        for (nth, (place, id, event)) in matching.iter().enumerate() {
            let (before, after) = (&matching[..nth], &matching[nth + 1..]);
            let (before, after) = (before.iter().map(place_of), after.iter().map(place_of));
            let used_up = graph.is_used_up(*place, before, after);
            self.fire_entry(*place, id, event.next.as_ref(), used_up);
        }
    }

    /// Fires a start or an event, once a run (R5). If it is used up, no token goes on (R10).
    /// Returns whether it counts as fired.
    pub(super) fn fire_entry(
        &mut self,
        place: usize,
        id: &ElementId,
        next: Option<&ElementId>,
        used_up: bool,
    ) -> bool {
        if matches!(self.next.status, Status::Stopped | Status::Held) || self.next.has_fired(id) {
            return false;
        }
        let graph = self.graph;
        let used_up = used_up
            || graph.elements().any(|(to, later, element)| {
                matches!(element, Element::Event(_))
                    && later != id
                    && self.next.has_fired(later)
                    && graph.is_only_ahead(place, to)
            });
        if !self.next.begun && !used_up && self.begin_run(Some(id)).is_err() {
            return false;
        }
        self.next.fired.push(id.clone());
        if !self.rests_at(id) {
            self.count(&Counter::Arrived(id));
        }
        let is_event = matches!(graph.element(id), Some((_, Element::Event(_))));
        if used_up {
            self.line(Some(id), Happened::UsedUp);
            return true;
        }
        // An entry that is used up lets nobody in: it does not count as entered (R53).
        if !self.next.entered {
            self.next.entered = true;
            self.count(&Counter::Entered);
        }
        if is_event {
            self.end_upstream(place);
        }
        self.line(Some(id), if is_event { Happened::EventFired } else { Happened::Entered });
        self.next.status = Status::Active;
        let token = self.new_token(id);
        self.send_on(next, token);
        true
    }

    /// Counts a run from its first token, unless the day's bound is reached (R40).
    pub(super) fn begin_run(&mut self, at: Option<&ElementId>) -> Result<(), Guard> {
        // The bound does not apply to what a user did by hand.
        if self.next.by_hand {
            self.next.begun = true;
            return Ok(());
        }
        if self.has_most_runs(self.graph) {
            self.hold(at, Guard::RunsPerDay);
            return Err(Guard::RunsPerDay);
        }
        self.next.runs_on = Self::one_more(self.next.runs_on, self.today());
        self.next.begun = true;
        Ok(())
    }

    /// Whether the day has as many runs as a version allows (R40).
    pub(super) fn has_most_runs(&self, graph: &Graph) -> bool {
        let most = graph.document.settings.max_runs_per_day;
        DayCount::on(self.next.runs_on, self.today()) >= most
    }

    /// Whether the starts are to be checked (R6), or a restart is to be triggered (R13).
    pub(super) fn is_a_trigger(&self, change: &Change) -> bool {
        match self.next.status {
            Status::Stopped | Status::Held => false,
            Status::AwaitingRestart => {
                self.has_starts()
                    && change.is_of_tags_or_fields()
                    && self.next.restart_chain != Some(change.causality.chain)
            }
            Status::Active | Status::Completed | Status::Ready => {
                self.graph.starts().any(|(_, id, _, reads)| {
                    !self.next.has_fired(id) && self.graph.makes_start_checked(change, reads)
                })
            }
        }
    }

    /// Checks the starts, or parks the trigger until they may fire (R14). Where a restart was
    /// awaited, all of them are checked (R13), and what was missing is recorded (R15); otherwise
    /// those that are concerned.
    fn trigger(&mut self, was_awaiting: bool, concerned: impl Fn(&Reads) -> bool) {
        if self.is_too_early() {
            self.park(false);
        } else if was_awaiting {
            if !self.starts(|_| true) {
                self.record_missing();
            }
        } else {
            self.starts(concerned);
        }
    }

    /// Whether there is anything that a trigger could start (R13).
    fn has_starts(&self) -> bool {
        self.graph.starts().next().is_some()
    }

    pub(super) fn is_too_early(&self) -> bool {
        self.next.eligible_at.is_some_and(|eligible_at| self.occasion.now() < eligible_at)
    }

    /// One recheck, however many triggers come (R14).
    pub(super) fn park(&mut self, regardless: bool) {
        let Some(until) = self.next.eligible_at.filter(|_| self.has_starts()) else { return };
        let causality = self.occasion.causality();
        let parked = Parked { because: self.occasion.cause().clone(), regardless, causality };
        match self.next.parked.as_mut() {
            Some(before) if regardless && !before.regardless => before.regardless = true,
            Some(before) => {
                // A restart by a token of the parked trigger's chain would discard it (R13): one of
                // another chain takes its place.
                let chain = before.causality.chain;
                let is_of_a_token = self.next.tokens.iter().any(|it| it.causality.chain == chain);
                if is_of_a_token && chain != causality.chain && !before.regardless {
                    *before = parked;
                }
                return;
            }
            None => {
                self.next.parked = Some(parked);
                self.effects.push(Effect::Recheck { run: self.next.run, due: until });
            }
        }
        self.line(None, Happened::Parked { until });
    }

    /// Fires the starts that hold, in the order of the document (R6). Returns whether any did.
    pub(super) fn starts(&mut self, concerned: impl Fn(&Reads) -> bool) -> bool {
        let graph = self.graph;
        let mut fired = false;
        for (place, id, start, reads) in graph.starts() {
            if !self.next.has_fired(id)
                && concerned(reads)
                && self.judged(|view| start.when.holds(view))
            {
                fired |= self.fire_entry(place, id, start.next.as_ref(), false);
            }
        }
        fired
    }

    /// Records in the history which conditions of the starts did not hold (R15).
    fn record_missing(&mut self) {
        let graph = self.graph;
        let missing = self.judged(|view| {
            graph
                .starts()
                .filter(|(_, id, _, _)| !self.next.has_fired(id))
                .flat_map(|(_, _, start, _)| start.when.missing(view))
                .collect::<Vec<_>>()
        });
        if !missing.is_empty() {
            self.line(None, Happened::NotStarted { missing });
        }
    }

    /// The recheck of a parked trigger, on the contact as it is now (R14).
    pub(super) fn recheck_due(&mut self, run: u32, due: Instant) -> Result<(), Ignored> {
        self.must_be_in_run(run)?;
        if self.next.parked.is_none() || self.next.eligible_at != Some(due) {
            return Err(Ignored::NotParked);
        }
        let now = self.handled_at(due)?;
        self.recheck(now, self.latest.clone());
        self.move_tokens();
        Ok(())
    }

    /// Handles the parked trigger, at an instant and on the contact as it was then.
    pub(super) fn recheck(&mut self, now: Instant, contact: Cow<'a, Contact>) {
        let Some(parked) = self.next.parked.take() else { return };
        if let Ok(standing) = self.standing() {
            self.choose_version(standing);
        }
        if !self.has_starts() {
            self.line(None, Happened::ParkedDiscarded);
            return;
        }
        let cause = Cause::Recheck(Box::new(parked.because));
        self.look_at(Occasion::new(now, cause, parked.causality, contact));
        self.line(None, Happened::Rechecked);
        let entered = parked.regardless && self.enter_first_start();
        if !self.starts(|_| true) && !entered {
            self.record_missing();
        }
    }

    fn enter_first_start(&mut self) -> bool {
        let graph = self.graph;
        let first = graph.starts().next();
        first.is_some_and(|(place, id, start, _)| {
            self.fire_entry(place, id, start.next.as_ref(), false)
        })
    }

    /// *Start campaign* of another campaign or of the path itself, and a start by hand: the first
    /// start is entered as if its condition held (R52).
    ///
    /// # Errors
    ///
    /// [`Ignored::NotStarted`], with a line.
    pub(super) fn start_regardless(&mut self) -> Result<(), Ignored> {
        let graph = self.graph;
        let ignored = match (self.next.status, graph.starts().next()) {
            (Status::Stopped, _) => Some(NotStarted::Stopped),
            (Status::Held, _) => Some(NotStarted::Held),
            (_, None) => Some(NotStarted::NoStart),
            (_, Some((_, id, _, _))) if self.next.has_fired(id) => Some(NotStarted::Used),
            (
                Status::Active | Status::Completed | Status::Ready | Status::AwaitingRestart,
                Some(_),
            ) => None,
        };
        match ignored {
            Some(why) => {
                self.line(None, Happened::StartIgnored { reason: why.words().to_owned() });
                return Err(Ignored::NotStarted(why));
            }
            None if self.standing().is_ok_and(|standing| standing.paused) => {
                self.park_first_start();
            }
            None if self.is_too_early() => self.park(true),
            None => {
                self.enter_first_start();
            }
        }
        Ok(())
    }

    /// The contact's status in another campaign changed: goals and the starts that read it are
    /// checked (R6).
    pub(super) fn status_changed(
        &mut self,
        from: &Source,
        causality: Causality,
    ) -> Result<(), Ignored> {
        let standing = self.standing()?;
        if standing.paused {
            return self.status_changed_in_pause(from, causality, standing);
        }
        self.apply_once(from, false)?;
        if causality.depth >= DEEPEST {
            return Err(Ignored::NothingConcerned);
        }
        self.look_at(self.happening_now(Cause::StatusIn(from.campaign.clone()), causality));
        self.choose_version(standing);
        // A status that a start reads is a trigger as any change is (R13 to R15).
        let was_awaiting = self.next.status == Status::AwaitingRestart;
        self.goals();
        if self.a_start_reads_status_in(&from.campaign) && self.may_enter_by_status(causality) {
            self.trigger(was_awaiting, |reads| reads.campaigns.contains(&from.campaign));
        }
        self.move_tokens();
        Ok(())
    }

    /// Whether a start that has not fired reads the status in this campaign.
    pub(super) fn a_start_reads_status_in(&self, campaign: &CampaignId) -> bool {
        let mut starts = self.graph.starts();
        starts
            .any(|(_, id, _, reads)| !self.next.has_fired(id) && reads.campaigns.contains(campaign))
    }

    /// Whether the contact may enter because of a status in another campaign (R6, R13).
    pub(super) fn may_enter_by_status(&self, causality: Causality) -> bool {
        match self.next.status {
            Status::Active | Status::Completed | Status::Ready => true,
            Status::AwaitingRestart => self.next.restart_chain != Some(causality.chain),
            Status::Stopped | Status::Held => false,
        }
    }

    /// Publishing or resuming with `enroll_existing`: for contacts without enrollment, or `ready`
    /// (R6).
    pub(super) fn enroll_existing(&mut self, job: u64) -> Result<(), Ignored> {
        // In a pause a job waits for its end: nothing is applied yet.
        let standing = self.unless_paused()?;
        self.apply_job(job)?;
        if self.next.status != Status::Ready {
            self.next.idle = true;
            return Err(Ignored::NothingConcerned);
        }
        let cause = match self.situation.campaign.timeline.resumed_last().map(|last| &last.what) {
            Some(Reached::Resumed { by, .. }) => Cause::ResumedBy { by: by.clone(), parked: None },
            Some(Reached::Published { .. } | Reached::Paused {}) | None => {
                Cause::Published(standing.version)
            }
        };
        self.keep_chain(cause);
        self.choose_version(standing);
        if self.is_too_early() {
            self.park(false);
        } else {
            self.next.idle = !self.starts(|_| true);
        }
        self.move_tokens();
        Ok(())
    }
}

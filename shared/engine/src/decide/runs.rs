//! Runs: how one begins, is reset, restarted, stopped and released (R11, R12, R16, R17, R40).
//!
//! It promises that a new run begins with everything re-armed and without a token of the old one.
//! The restart delay goes on unless a user ends it, and a restart keeps what is parked.

use super::builder::DecisionBuilder;
use super::in_flight_token::InFlightToken;
use super::occasion::Occasion;
use super::{Effect, Ignored, NotStarted, Source};
use crate::campaign::format::Element;
use crate::contact::{Author, Causality};
use crate::enrollment::{Guard, Status};
use crate::history::{Cause, Command, Happened, Line};
use crate::ids::ElementId;
use crate::statistics::Counter;

impl<'a> DecisionBuilder<'a> {
    /// The next run: everything is re-armed, no token of the old one is left (R11, R18). It lifts
    /// `stopped` and `held`. Of a contact in quarantine only a release comes here, and
    /// `quarantined_changes` stays set until those changes have been decided.
    fn next_run(&mut self) {
        self.end_all();
        self.discard_parked();
        self.next.run += 1;
        self.next.fired.clear();
        self.next.fired_at.clear();
        self.next.arrivals = 0;
        self.next.begun = false;
        self.next.entered = false;
        self.next.completed = false;
        self.next.by_hand = false;
        self.next.held = None;
        self.next.status = Status::Ready;
        self.count(&Counter::NextRuns);
        if let Ok(standing) = self.standing() {
            self.choose_version(standing);
        }
    }

    /// The element *reset* (R11): the token that reached it goes on, in the new run, from
    /// the element's `next` in the newest version (R50).
    pub(super) fn reset_by_element(&mut self, in_flight: InFlightToken) {
        let id = in_flight.to.clone();
        let newest = self
            .standing()
            .ok()
            .and_then(|standing| self.situation.campaign.versions.get(&standing.version));
        let element = newest.and_then(|graph| graph.element(&id)).map(|(_, element)| element);
        let next = match element {
            Some(Element::Reset(reset)) => reset.next.clone(),
            Some(_) | None => None,
        };
        // The bound is looked at before the old run is ended; `begin_run` counts the new one (R40).
        if next.is_some() && newest.is_some_and(|graph| self.has_most_runs(graph)) {
            self.hold(Some(&id), Guard::RunsPerDay);
            return;
        }
        self.next_run();
        self.line(Some(&id), Happened::Reset);
        if !matches!(element, Some(Element::Reset(_))) {
            self.line(Some(&id), Happened::ElementGone);
        }
        if next.is_some() && self.begin_run(Some(&id)).is_ok() {
            self.next.status = Status::Active;
            self.send_on(next.as_ref(), in_flight);
        }
    }

    /// The element *restart* (R12), and a run that is completed with `multiple_send` (R17).
    pub(super) fn restart(&mut self, id: Option<&ElementId>, causality: Causality) {
        let delay = self.graph.document.settings.restart_delay();
        let eligible_at = delay.after(self.occasion.now(), self.zone());
        // What is parked is kept (R14, R51), except a trigger of the restart's own chain, which is
        // no trigger (R13): `next_run` discards it. A start that was asked for is kept, whatever
        // its chain (R52).
        let parked_entries = std::mem::take(&mut self.next.parked_entries);
        let parked = self
            .next
            .parked
            .take_if(|parked| parked.regardless || parked.causality.chain != causality.chain);
        self.next_run();
        self.next.parked_entries = parked_entries;
        self.next.status = Status::AwaitingRestart;
        self.next.eligible_at = Some(eligible_at);
        self.next.restart_chain = Some(causality.chain);
        self.line(id, Happened::Restarted { eligible_at });
        if let Some(parked) = parked {
            let run = self.next.run;
            self.effects.push(Effect::Recheck { run, due: eligible_at });
            let line = Line { run, element: None, what: Happened::Parked { until: eligible_at } };
            self.push_line_because(&parked.because, line);
            self.next.parked = Some(parked);
        }
    }

    /// *Stop campaign* (R16): the contact may not enter until it is reset.
    fn stop(&mut self, id: Option<&ElementId>) {
        self.end_all();
        self.discard_parked();
        self.next.held = None;
        self.next.status = Status::Stopped;
        self.line(id, Happened::Stopped);
    }

    /// *Stop campaign* with *reset contacts*, and a reset from outside (R16): the contact may enter
    /// again.
    fn reset(&mut self, id: Option<&ElementId>) {
        self.next_run();
        self.line(id, Happened::Reset);
    }

    /// *Stop campaign*, with or without *reset contacts* (R16).
    pub(super) fn stop_or_reset(&mut self, id: Option<&ElementId>, reset_contacts: bool) {
        if reset_contacts { self.reset(id) } else { self.stop(id) }
    }

    /// Does what a command asks for.
    fn apply_command(&mut self, command: Command) -> Result<(), Ignored> {
        match command {
            Command::Start => return self.start_regardless(),
            Command::Reset | Command::StopAndReset => self.reset(None),
            Command::Stop => self.stop(None),
        }
        Ok(())
    }

    /// What another campaign asks for, once. It becomes the occasion if it is not ignored.
    pub(super) fn commanded(
        &mut self,
        from: &Source,
        command: Command,
        occasion: Occasion<'a>,
    ) -> Result<(), Ignored> {
        if self.is_never_enrolled() && command != Command::Start {
            // Noted for the rest of this decision only: if a later change in it lets the contact
            // in, the command's own event is a repeat. Otherwise nothing is committed.
            self.apply_once(from, true)?;
            return Err(Ignored::NeverEnrolled);
        }
        // A repeat changes nothing, not even the version that the contact is on.
        if self.was_applied(from, true) {
            return Err(Ignored::AlreadyApplied);
        }
        let standing = self.standing()?;
        self.choose_version(standing);
        // What is ignored does not enroll the contact (R52).
        if self.is_never_enrolled() && self.graph.starts().next().is_none() {
            return Err(Ignored::NothingConcerned);
        }
        self.apply_once(from, true)?;
        self.look_at(occasion);
        // A start that did not happen is remembered as done, too.
        self.apply_command(command).unwrap_or_default();
        self.move_tokens();
        Ok(())
    }

    /// Whether the contact was never in the campaign, changes applied in this decision included
    /// (R16).
    fn is_never_enrolled(&self) -> bool {
        self.situation.enrollment.is_none() && !self.must_be_committed()
    }

    /// What a user asks for, for this contact alone, once a call: start as R52, reset and stop as
    /// by a job (R16). Runs that begin this way do not count (R40).
    pub(super) fn by_hand(
        &mut self,
        command: Command,
        by: &Author,
        call: Option<u64>,
    ) -> Result<(), Ignored> {
        if self.is_never_enrolled() && command != Command::Start {
            return Err(Ignored::NeverEnrolled);
        }
        if call.is_some() && self.next.hand_call == call {
            return Err(Ignored::AlreadyApplied);
        }
        let standing = self.standing()?;
        self.keep_chain(Cause::ByHand(by.clone()));
        self.choose_version(standing);
        if command == Command::Start && self.graph.starts().next().is_none() {
            return Err(Ignored::NotStarted(NotStarted::NoStart));
        }
        if command == Command::Stop && self.next.status == Status::Stopped {
            return Err(Ignored::AlreadyApplied);
        }
        // A run that the start begins does not count, from its beginning on.
        let was_by_hand = self.next.by_hand;
        self.next.by_hand |= command == Command::Start && !self.next.begun;
        if let Err(ignored) = self.apply_command(command) {
            self.next.by_hand = was_by_hand;
            return Err(ignored);
        }
        match command {
            Command::Reset | Command::StopAndReset => {
                self.next.eligible_at = None;
                self.next.by_hand = true;
            }
            Command::Start | Command::Stop => {}
        }
        self.next.hand_call = call;
        self.move_tokens();
        Ok(())
    }

    /// The job *Stop campaign* (R16). Contacts that were never enrolled are skipped.
    pub(super) fn mass_stop(
        &mut self,
        job: u64,
        name: &str,
        reset_contacts: bool,
        reset_statistics: bool,
    ) -> Result<(), Ignored> {
        if self.is_never_enrolled() {
            return Err(Ignored::NeverEnrolled);
        }
        self.apply_job(job)?;
        self.keep_chain(Cause::Job(name.to_owned()));
        self.stop_or_reset(None, reset_contacts);
        if reset_contacts {
            // The contact can be used again at once (R14).
            self.next.eligible_at = None;
        }
        if reset_statistics {
            self.line(None, Happened::StatisticsReset);
            let mut contributed = self.next.tally.clone();
            contributed.add(&self.delta);
            self.delta.add(&contributed.negative());
        }
        Ok(())
    }

    /// A held enrollment is released: it is `ready` (R40).
    pub(super) fn released(&mut self, by: &Author, call: Option<u64>) -> Result<(), Ignored> {
        if call.is_some() && self.next.hand_call == call {
            return Err(Ignored::AlreadyApplied);
        }
        self.must_be_held()?;
        self.release(Cause::Released(by.clone()));
        self.next.by_hand = true;
        self.next.hand_call = call;
        Ok(())
    }

    /// The same by a job. A contact that is not held is not changed, and does not remember
    /// the job.
    pub(super) fn mass_release(&mut self, job: u64, name: &str) -> Result<(), Ignored> {
        if self.next.job >= job {
            return Err(Ignored::AlreadyApplied);
        }
        self.must_be_held()?;
        self.apply_job(job)?;
        self.release(Cause::Job(name.to_owned()));
        Ok(())
    }

    fn must_be_held(&self) -> Result<(), Ignored> {
        if self.is_never_enrolled() {
            return Err(Ignored::NeverEnrolled);
        }
        if self.next.status == Status::Held { Ok(()) } else { Err(Ignored::NotHeld) }
    }

    fn release(&mut self, cause: Cause) {
        self.keep_chain(cause);
        self.next.quarantined_changes = self.next.has_quarantined_changes();
        self.next_run();
        self.line(None, Happened::Released);
    }
}

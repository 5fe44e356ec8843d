//! Runs: how one begins, is reset, restarted, stopped and released (R11, R12, R16, R17, R40).
//!
//! It promises that a new run begins with everything re-armed, and that nothing of the old one is
//! left.

use super::builder::DecisionBuilder;
use super::in_flight_token::InFlightToken;
use super::occasion::Occasion;
use super::{Ignored, Source};
use crate::campaign::format::Element;
use crate::contact::{Author, Causality};
use crate::enrollment::{Enrollment, Guard, Status};
use crate::history::{Cause, Happened, Order};
use crate::ids::{CampaignId, ContactId, ElementId};
use crate::statistics::Counter;

/// Of how many objects a campaign remembers the last thing that they asked of it.
const OBJECTS_KEPT: usize = 16;

/// What a stop does to the contact (R16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reset {
    /// It may not enter.
    No,
    /// It may enter again.
    Contacts,
}

impl Reset {
    pub(super) fn contacts(yes: bool) -> Self {
        if yes { Self::Contacts } else { Self::No }
    }
}

impl<'a> DecisionBuilder<'a> {
    /// The next run: everything is re-armed, nothing of the old one is left (R11, R18). Any reset
    /// lifts `stopped` and `held`.
    fn next_run(&mut self) {
        self.end_all();
        self.forget_parked_entries();
        self.next.run += 1;
        self.next.fired.clear();
        self.next.let_go.clear();
        self.next.arrivals = 0;
        self.next.begun = false;
        self.next.entered = false;
        self.next.completed = false;
        self.next.by_hand = false;
        self.next.parked = None;
        self.next.held = None;
        self.next.status = Status::Ready;
        self.count(&Counter::Restarted);
        if let Ok(standing) = self.standing() {
            self.choose_version(standing);
        }
    }

    /// The element *Reset campaign* (R11): the token that reached it goes on, in the new run, from
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
        let today = self.today();
        let most = newest.map_or(u32::MAX, |graph| graph.document.settings.max_runs_per_day);
        if next.is_some() && crate::enrollment::DayCount::on(self.next.runs_on, today) >= most {
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

    /// *Restart (Multiple Send)* (R12), and a completed run with the legacy setting (R17).
    pub(super) fn restart(&mut self, id: Option<&ElementId>, causality: Causality) {
        let delay = self.graph.document.settings.restart_delay();
        let eligible_at = delay.after(self.occasion.now(), self.zone());
        // Only a reset or a stop discards what came in the pause (R51).
        let parked_entries = std::mem::take(&mut self.next.parked_entries);
        self.next_run();
        self.next.parked_entries = parked_entries;
        self.next.status = Status::AwaitingRestart;
        self.next.eligible_at = Some(eligible_at);
        self.next.restart_chain = Some(causality.chain);
        self.line(id, Happened::Restarted { eligible_at });
    }

    /// *Stop campaign* (R16).
    pub(super) fn stop(&mut self, id: Option<&ElementId>, reset: Reset) {
        match reset {
            Reset::No => {
                self.end_all();
                self.next.parked = None;
                self.forget_parked_entries();
                self.next.held = None;
                self.next.status = Status::Stopped;
                self.line(id, Happened::Stopped);
            }
            Reset::Contacts => {
                self.next_run();
                self.line(id, Happened::Reset);
            }
        }
    }

    /// What another campaign asks for, once. It becomes the occasion if it is not ignored.
    pub(super) fn commanded(
        &mut self,
        from: &Source,
        order: Order,
        occasion: Occasion<'a>,
    ) -> Result<(), Ignored> {
        if self.is_never_enrolled() && order != Order::Start {
            // It is remembered in case the path later lets the contact in.
            self.obey_once(from)?;
            return Err(Ignored::NeverEnrolled);
        }
        let standing = self.standing()?;
        self.choose_version(standing);
        // What is ignored does not enroll the contact (R52).
        if self.is_never_enrolled() && self.graph.starts().next().is_none() {
            return Err(Ignored::NothingConcerned);
        }
        self.obey_once(from)?;
        self.look_at(occasion);
        match order {
            // A start that did not happen is remembered as done, too.
            Order::Start => self.start_regardless().unwrap_or_default(),
            Order::Reset => self.stop(None, Reset::Contacts),
            Order::Stop => self.stop(None, Reset::No),
            Order::StopAndReset => self.stop(None, Reset::Contacts),
        }
        self.advance();
        Ok(())
    }

    /// Whether the contact was never in the campaign, changes applied in this decision included
    /// (R16).
    pub(super) fn is_never_enrolled(&self) -> bool {
        self.situation.enrollment.is_none() && !self.is_material()
    }

    /// What a person asks for, for this contact alone, once a call: start as R52, reset and stop as
    /// the mass action (R16). Runs that begin this way do not count (R40).
    pub(super) fn by_hand(
        &mut self,
        order: Order,
        by: &Author,
        call: Option<u64>,
    ) -> Result<(), Ignored> {
        if self.is_never_enrolled() && order != Order::Start {
            return Err(Ignored::NeverEnrolled);
        }
        if call.is_some() && self.next.hand_call == call {
            return Err(Ignored::AlreadyApplied);
        }
        let standing = self.standing()?;
        self.keep_chain(Cause::ByHand(by.clone()));
        self.choose_version(standing);
        match order {
            Order::Start => {
                if self.graph.starts().next().is_none() {
                    return Err(Ignored::NothingConcerned);
                }
                let is_new = !self.next.begun;
                self.start_regardless()?;
                self.next.by_hand |= is_new;
            }
            Order::Reset | Order::StopAndReset => {
                self.stop(None, Reset::Contacts);
                self.next.eligible_at = None;
                self.next.by_hand = true;
            }
            Order::Stop if self.next.status == Status::Stopped => {
                return Err(Ignored::AlreadyApplied);
            }
            Order::Stop => self.stop(None, Reset::No),
        }
        self.next.hand_call = call;
        self.advance();
        Ok(())
    }

    /// What another campaign asks for is done once, in the order of its requests.
    fn obey_once(&mut self, from: &Source) -> Result<(), Ignored> {
        let this = (from.rev, from.index);
        if let Some(object) = from.object.as_ref().filter(|id| **id != self.situation.contact.id) {
            return self.obey_object_once(&from.campaign, object, this);
        }
        let Enrollment { commands, applied, .. } = &self.next;
        // Enrollments stored by older versions had one note for everything that came from a
        // campaign.
        let last = commands.get(&from.campaign).or_else(|| applied.get(&from.campaign));
        if last.is_some_and(|last| *last >= this) {
            return Err(Ignored::AlreadyApplied);
        }
        self.next.commands.insert(from.campaign.clone(), this);
        Ok(())
    }

    /// The same for a path of an object that asks something of a campaign of its person (R71).
    fn obey_object_once(
        &mut self,
        campaign: &CampaignId,
        object: &ContactId,
        this: (u64, u32),
    ) -> Result<(), Ignored> {
        let all = &mut self.next.commands_of_objects;
        let last = all.iter().position(|(of, by, ..)| of == campaign && by == object);
        if last.is_some_and(|nth| (all[nth].2, all[nth].3) >= this) {
            return Err(Ignored::AlreadyApplied);
        }
        last.map(|nth| all.remove(nth));
        all.push((campaign.clone(), object.clone(), this.0, this.1));
        let over = all.len().saturating_sub(OBJECTS_KEPT);
        all.drain(..over);
        Ok(())
    }

    /// The mass action (R16). Contacts that were never enrolled are skipped.
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
        self.stop(None, Reset::contacts(reset_contacts));
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
    pub(super) fn released(&mut self, by: &Author) -> Result<(), Ignored> {
        self.must_be_held()?;
        self.release(Cause::Released(by.clone()));
        self.next.by_hand = true;
        Ok(())
    }

    /// The same by a mass action. A contact that is not held is not changed, and does not remember
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
        let undecided = self.next.held.filter(|guard| *guard == Guard::Undecided);
        self.next_run();
        // What is in quarantine still comes first: the code that drains it removes the mark.
        self.next.held = undecided;
        self.line(None, Happened::Released);
    }
}

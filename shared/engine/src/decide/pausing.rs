//! What comes while the campaign is paused, and how it is handled on the resume (R51, R52).
//!
//! In a pause nothing fires, and nothing is lost: an event that would have fired, a start that
//! would have been checked and a trigger of a restart are parked, each once, with a line that says
//! so. A reset, a stop, a release or a guard that holds discards them, each with a line. The list
//! is bounded by the number of entries.

use super::builder::DecisionBuilder;
use super::hold::discard_parked;
use super::{DEEPEST, Effect, Ignored, Source};
use crate::campaign::CampaignState;
use crate::campaign::format::Element;
use crate::condition::Reads;
use crate::contact::{Causality, Change};
use crate::enrollment::{Parked, ParkedEntry, Status};
use crate::history::{Cause, Happened};
use crate::ids::ElementId;

/// Which kind of entry is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ParkedKind {
    Event,
    Start,
    /// The first start, condition or not (R52).
    StartRegardless,
}

impl DecisionBuilder<'_> {
    /// A change of the contact while the campaign is paused: what it would have started is parked.
    pub(super) fn changed_in_pause(&mut self, change: &Change) {
        if matches!(self.next.status, Status::Stopped | Status::Held) || !self.may_concern(change) {
            return;
        }
        let graph = self.graph;
        // Whether an event that needs an active contact finds one is checked on the resume.
        for (_, id, element) in graph.elements() {
            if let Element::Event(event) = element
                && self.happens(&event.on, change)
            {
                self.park_entry(id, ParkedKind::Event);
            }
        }
        if !self.is_a_trigger(change) {
            return;
        }
        if self.next.status == Status::AwaitingRestart {
            self.park_trigger();
        } else {
            self.park_starts(|reads| graph.makes_start_checked(change, reads));
        }
    }

    /// The contact's status in another campaign changed while this one is paused (R6). Goals are
    /// checked on the resume anyway.
    pub(super) fn status_changed_in_pause(
        &mut self,
        from: &Source,
        causality: Causality,
        standing: CampaignState,
    ) -> Result<(), Ignored> {
        if causality.depth >= DEEPEST || !self.may_enter_by_status(causality) {
            return Err(Ignored::Paused);
        }
        self.choose_version(standing);
        if !self.a_start_reads_status_in(&from.campaign) {
            return Err(Ignored::Paused);
        }
        self.apply_once(from, false)?;
        self.look_at(self.happening_now(Cause::StatusIn(from.campaign.clone()), causality));
        if self.next.status == Status::AwaitingRestart {
            self.park_trigger();
        } else {
            self.park_starts(|reads| reads.campaigns.contains(&from.campaign));
        }
        Ok(())
    }

    /// A *start campaign*, or a start by hand, while the campaign is paused (R52).
    pub(super) fn park_first_start(&mut self) {
        let graph = self.graph;
        if let Some((_, id, _, _)) = graph.starts().next() {
            self.park_entry(id, ParkedKind::StartRegardless);
        }
    }

    fn park_starts(&mut self, concerned: impl Fn(&Reads) -> bool) {
        let graph = self.graph;
        for (_, id, _, reads) in graph.starts() {
            if concerned(reads) {
                self.park_entry(id, ParkedKind::Start);
            }
        }
    }

    /// Parks an entry, once.
    fn park_entry(&mut self, id: &ElementId, kind: ParkedKind) {
        if self.next.has_fired(id) {
            return;
        }
        let (is_event, regardless) =
            (kind == ParkedKind::Event, kind == ParkedKind::StartRegardless);
        let is_it = |entry: &&mut ParkedEntry| entry.element == *id && entry.is_event == is_event;
        match self.next.parked_entries.iter_mut().find(is_it) {
            Some(parked) if regardless && !parked.regardless => parked.regardless = true,
            Some(_) => return,
            None => self.next.parked_entries.push(ParkedEntry {
                element: id.clone(),
                is_event,
                because: self.occasion.cause().clone(),
                regardless,
                causality: self.occasion.causality(),
            }),
        }
        self.line(Some(id), Happened::ParkedUntilResumed { not_before: None });
    }

    /// Parks a trigger of a restart (R13, R14). One that comes within the restart delay may not be
    /// handled before its end.
    fn park_trigger(&mut self) {
        if self.next.parked.is_some() {
            return;
        }
        let now = self.occasion.now();
        let not_before = self.next.eligible_at.filter(|eligible_at| now < *eligible_at);
        self.next.parked = Some(Parked {
            because: self.occasion.cause().clone(),
            regardless: false,
            causality: self.occasion.causality(),
        });
        let run = self.next.run;
        self.effects.extend(not_before.map(|due| Effect::Recheck { run, due }));
        self.line(None, Happened::ParkedUntilResumed { not_before });
    }

    /// Discards what is parked, with a line for each.
    pub(super) fn discard_parked(&mut self) {
        for line in discard_parked(&mut self.next) {
            self.push_line(line);
        }
    }

    /// Fires what was parked, in the order of arrival, as on one change (R10): tokens advance
    /// afterwards. The occasion then has the last entry's reason.
    pub(super) fn handle_parked_entries(&mut self, by: Option<&str>) {
        let parked = std::mem::take(&mut self.next.parked_entries);
        let mut fired = Vec::new();
        for (nth, entry) in parked.iter().enumerate() {
            // A guard holds it: the rest can no longer fire.
            if matches!(self.next.status, Status::Stopped | Status::Held) {
                for entry in &parked[nth..] {
                    self.line(Some(&entry.element), Happened::ParkedDiscarded);
                }
                break;
            }
            let because = Box::new(entry.because.clone());
            let cause = Cause::ResumedBy { by: by.map(str::to_owned), parked: Some(because) };
            self.occasion.replace_cause(cause, entry.causality);
            self.handle_parked(entry, &parked[nth + 1..], &mut fired);
        }
    }

    /// One parked entry, on the contact as it is now. `later` are the entries after it; `fired` are
    /// the places of the events that have fired on this resume.
    fn handle_parked(
        &mut self,
        entry: &ParkedEntry,
        later: &[ParkedEntry],
        fired: &mut Vec<usize>,
    ) {
        let graph = self.graph;
        let id = &entry.element;
        if self.next.has_fired(id) {
            return;
        }
        match (graph.element(id), entry.is_event) {
            (Some((place, Element::Event(event))), true) => {
                if event.requires_active && self.next.status != Status::Active {
                    let reason = "the contact is not active in this campaign".to_owned();
                    self.line(Some(id), Happened::NotFired { reason });
                } else {
                    let used_up = self.is_used_up(place, later, fired);
                    if self.fire_entry(place, id, event.next.as_ref(), used_up) && !used_up {
                        fired.push(place);
                    }
                }
            }
            (Some((place, Element::Start(start))), false) => {
                if self.is_too_early() {
                    self.park(entry.regardless);
                } else if entry.regardless || self.judged(|view| start.when.holds(view)) {
                    let used_up = self.is_used_up(place, later, fired);
                    self.fire_entry(place, id, start.next.as_ref(), used_up);
                } else {
                    let missing = self.judged(|view| start.when.missing(view));
                    self.line(Some(id), Happened::NotStarted { missing });
                }
            }
            (Some(_) | None, _) => {
                let reason = "the version that applies now has no such entry".to_owned();
                self.line(Some(id), Happened::NotFired { reason });
            }
        }
    }

    /// Whether an entry is used up by the events that fire on the same resume.
    fn is_used_up(&self, place: usize, later: &[ParkedEntry], fired: &[usize]) -> bool {
        let graph = self.graph;
        let fires = |entry: &ParkedEntry| match graph.element(&entry.element) {
            Some((to, Element::Event(event)))
                if entry.is_event
                    && !self.next.has_fired(&entry.element)
                    && (!event.requires_active || self.next.status == Status::Active) =>
            {
                Some(to)
            }
            Some(_) | None => None,
        };
        graph.is_used_up(place, fired.iter().copied(), later.iter().filter_map(fires))
    }
}

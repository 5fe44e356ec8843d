//! Why a change had no effect: the entries, goals and date timers that read it, and why none of
//! them did anything (R60). Nothing here decides.
//!
//! That a change had no effect is noted within the decision ([`DecisionBuilder::note_no_effect`]).
//! Why, [`why_no_effect`] says after it, for the same situation.

use super::Situation;
use super::builder::DecisionBuilder;
use super::edges::happened;
use crate::account::Account;
use crate::campaign::format::{Edge, Element, EventElement};
use crate::campaign::graph::Graph;
use crate::compact::CollectCompactly as _;
use crate::condition::{Condition, Reads, View};
use crate::contact::{Author, Causality, Change, Contact, Patch};
use crate::enrollment::{Enrollment, Status, Token};
use crate::history::{Changed, MOST_NAMED_CHANGES, MOST_NO_EFFECTS, NoEffect, WhyNot};
use crate::ids::ElementId;
use crate::time::Instant;

/// For how many of the contact's last changes it is known whether they had no effect.
const NO_EFFECT_KEPT: u64 = 8;

impl DecisionBuilder<'_> {
    /// The change had no effect here. What a campaign writes has a line where it was written.
    pub(super) fn note_no_effect(&mut self, change: &Change) {
        if !matches!(change.by, Author::Element(..)) && !self.next.no_effect.contains(&change.rev) {
            self.next.no_effect.push(change.rev);
        }
        // The feed evaluates a change soon after it was made, or not at all.
        self.next.no_effect.retain(|rev| rev + NO_EFFECT_KEPT > change.rev);
    }
}

/// The elements that read a change which had no effect in the campaign, at most
/// [`MOST_NO_EFFECTS`], each with the reason. The situation's contact is as the change left it, its
/// enrollment as it was decided on. `unchanged` says that the contact was the same before.
pub fn why_no_effect(situation: &Situation<'_>, change: &Change, unchanged: bool) -> Vec<NoEffect> {
    let campaign = situation.campaign;
    let timeline = &campaign.timeline;
    let Some(standing) = timeline.standing_after(timeline.before(change)) else {
        return Vec::new();
    };
    let enrollment = situation.enrollment;
    let version = match enrollment {
        Some(enrollment) if !enrollment.tokens.is_empty() => enrollment.version,
        Some(_) | None => standing.version,
    };
    let Some(graph) = campaign.versions.get(&version) else { return Vec::new() };
    let person = situation.person.unwrap_or(situation.contact);
    let view = View {
        contact: situation.contact,
        person,
        statuses: situation.statuses,
        now: situation.now,
        zone: situation.account.zone_of(person),
    };
    let checked = ChangeWithoutEffect {
        account: situation.account,
        graph,
        enrollment,
        change,
        view,
        unchanged,
        paused: standing.paused,
    };
    graph
        .elements()
        .filter_map(|(place, id, element)| {
            let why = checked.why_not(place, id, element)?;
            let run = enrollment.map(|enrollment| enrollment.run);
            Some(NoEffect { campaign: campaign.id.clone(), run, element: id.clone(), why })
        })
        .take(MOST_NO_EFFECTS)
        .collect()
}

/// What a write that changed nothing was about: what was sent, in brief, and a change that touches
/// it, for [`why_no_effect`].
pub fn nothing_changed(
    contact: &Contact,
    patch: &Patch,
    by: Author,
    at: Instant,
) -> (Vec<Changed>, Change) {
    let fields = patch.fields.keys().map(|key| (key.clone(), contact.fields.get(key).cloned()));
    let removed = patch.remove.iter().filter(|tag| !patch.add.contains(tag));
    let causality = Causality { chain: contact.chain_of(contact.rev), depth: 0 };
    let change = Change {
        rev: contact.rev,
        removed: removed.map(|tag| (tag.clone(), at)).collect_compactly(),
        fields: fields.collect_compactly(),
        ..Change::empty(by, causality, at)
    };
    let tags = change.removed.keys().map(|tag| Changed::TagNotThere(tag.to_string()));
    let fields = change.fields.keys().map(|key| Changed::FieldAsBefore(key.clone()));
    let what = tags.chain(fields).take(MOST_NAMED_CHANGES).collect();
    (what, change)
}

struct ChangeWithoutEffect<'a> {
    account: &'a Account,
    graph: &'a Graph,
    enrollment: Option<&'a Enrollment>,
    change: &'a Change,
    view: View<'a>,
    unchanged: bool,
    paused: bool,
}

impl ChangeWithoutEffect<'_> {
    /// Why the change had no effect at an element; `None` if it does not read what was sent.
    fn why_not(&self, place: usize, id: &ElementId, element: &Element) -> Option<WhyNot> {
        match element {
            Element::Start(start) => {
                self.is_looked_at(&start.when).then(|| self.why_no_start(id, &start.when))
            }
            Element::Event(event) => {
                concerns(&event.on, self.change).then(|| self.why_no_event(id, event))
            }
            Element::Goal(goal) => {
                let concerns = self.change.touches(&goal.when.reads());
                concerns.then(|| self.why_no_goal(place, id, &goal.when))
            }
            Element::DateTimer(timer)
                if timer
                    .field
                    .as_ref()
                    .is_some_and(|field| self.change.fields.contains_key(field)) =>
            {
                let waits = self.tokens().iter().any(|token| token.element == *id);
                match (waits, self.unchanged) {
                    (false, _) => Some(WhyNot::NoPathWaiting),
                    (true, true) => Some(WhyNot::Unchanged),
                    (true, false) => self.paused.then_some(WhyNot::Paused),
                }
            }
            Element::DateTimer(_)
            | Element::Email(_)
            | Element::Wait(_)
            | Element::Condition(_)
            | Element::Split(_)
            | Element::Tag(_)
            | Element::SetField(_)
            | Element::Reset(_)
            | Element::Restart(_)
            | Element::StopCampaign(_)
            | Element::StartCampaign(_)
            | Element::Webhook(_)
            | Element::End(_) => None,
        }
    }

    /// Whether a start is looked at because of the change (R6, R72).
    fn is_looked_at(&self, condition: &Condition) -> bool {
        match self.unchanged {
            true => self.change.touches(&condition.reads()),
            false => self.graph.makes_start_checked(self.change, &condition.reads()),
        }
    }

    fn tokens(&self) -> &[Token] {
        match self.enrollment {
            Some(enrollment) => &enrollment.tokens,
            None => &[],
        }
    }

    fn status(&self) -> Status {
        self.enrollment.map_or(Status::Ready, |enrollment| enrollment.status)
    }

    fn has_fired(&self, id: &ElementId) -> bool {
        self.enrollment.is_some_and(|enrollment| enrollment.has_fired(id))
    }

    /// What prevents every entry of the campaign from firing.
    fn may_not_enter(&self) -> Option<WhyNot> {
        match self.status() {
            status @ (Status::Stopped | Status::Held) => {
                Some(WhyNot::MayNotEnter { status: status.word().to_owned() })
            }
            Status::Active | Status::Completed | Status::Ready | Status::AwaitingRestart => None,
        }
    }

    fn why_no_start(&self, id: &ElementId, when: &Condition) -> WhyNot {
        if let Some(why) = self.may_not_enter() {
            return why;
        }
        if self.has_fired(id) {
            return WhyNot::Fired;
        }
        let missing = when.missing(&self.view);
        if !missing.is_empty() {
            return WhyNot::Missing { missing };
        }
        if self.unchanged { WhyNot::Unchanged } else { WhyNot::Parked }
    }

    fn why_no_event(&self, id: &ElementId, event: &EventElement) -> WhyNot {
        if let Some(why) = self.may_not_enter() {
            return why;
        }
        if self.has_fired(id) {
            return WhyNot::Fired;
        }
        if let Edge::Becomes(condition) = &event.on {
            let missing = condition.missing(&self.view);
            if !missing.is_empty() {
                return WhyNot::Missing { missing };
            }
        }
        let happened = || happened(&event.on, self.change, &self.view, self.account);
        if self.unchanged || !happened() {
            return WhyNot::ReactsTo { edge: event.on.word().to_owned() };
        }
        // In a pause it is parked anyway, and checked on the resume (R51).
        if event.requires_active && !self.paused && self.status() != Status::Active {
            let of = self.view.contact.id.object().map(|(kind, _)| kind);
            let status = self.enrollment.map(|enrollment| enrollment.status.word().to_owned());
            return WhyNot::RequiresActive { of, status };
        }
        WhyNot::Parked
    }

    fn why_no_goal(&self, place: usize, id: &ElementId, when: &Condition) -> WhyNot {
        if self.has_fired(id) {
            return WhyNot::Fired;
        }
        let missing = when.missing(&self.view);
        if !missing.is_empty() {
            return WhyNot::Missing { missing };
        }
        let leads_here = self.tokens().iter().any(|token| {
            self.graph
                .element(&token.element)
                .is_some_and(|(from, _)| self.graph.is_upstream(from, place))
        });
        match (leads_here, self.unchanged) {
            (false, _) => WhyNot::NoPath,
            (true, true) => WhyNot::Unchanged,
            (true, false) => WhyNot::Paused,
        }
    }
}

/// Whether a change is about what an event reacts to, whether or not it is the edge.
fn concerns(edge: &Edge, change: &Change) -> bool {
    match edge {
        Edge::Custom(name) => change.event.as_ref() == Some(name),
        Edge::TagAdded(_)
        | Edge::TagRemoved(_)
        | Edge::TagAssigned(_)
        | Edge::FieldSet(_)
        | Edge::FieldChanged(_)
        | Edge::FieldCleared(_)
        | Edge::Becomes(_)
        | Edge::Contact(_) => {
            let mut reads = Reads::default();
            edge.add_reads(&mut reads);
            change.touches(&reads)
        }
    }
}

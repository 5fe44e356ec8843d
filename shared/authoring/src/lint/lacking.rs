//! Ways through a campaign on which a field may be without a value: nothing on them asks for it or
//! sets it.
//!
//! Tags that a campaign assigns may stand for what it has asked before, so what asks for one is
//! taken to ask for the field.

use dacapo_engine::campaign::format::{DateTimer, Edge, Element, Empty, Unmet};
use dacapo_engine::condition::{Condition, Test};
use dacapo_engine::ids::FieldKey;
use serde_json::Value;

use super::facts::{AllFacts, ElementPath, Facts};
use super::reasoning::{holds, necessary};

/// A field of the contact, or of the object that a campaign is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Field {
    pub(super) of_person: bool,
    pub(super) key: FieldKey,
}

/// The shortest way to an element on which nothing makes sure of the field, or on which it is
/// cleared and nothing makes sure of it afterwards.
pub(super) fn way_without(
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    to: usize,
    field: &Field,
) -> Option<ElementPath> {
    // The date of a booking is posted together with it.
    let follows = |(timer, it): (usize, &DateTimer)| {
        it.field.as_ref() == Some(&field.key)
            && is_of(facts, false, field)
            && facts.leads_to(to, timer)
    };
    if facts.timers().any(follows) {
        return None;
    }
    let entries: Vec<usize> = facts.entries().collect();
    let is_open = |at: usize, edge: &str| leaves_open(facts, all, at, edge, field);
    facts.way_by(&entries, to, is_open).or_else(|| {
        let clears = |at: &usize| written_value(facts, *at, field).is_some_and(Value::is_null);
        (0..facts.len()).filter(clears).find_map(|clearing| {
            let goes_on = |at: usize, _: &str| !facts.begins_next_run(at);
            let mut way = facts.way_by(&entries, clearing, goes_on)?;
            way.pop();
            way.extend(facts.way_by(&[clearing], to, is_open)?);
            Some(way)
        })
    })
}

/// Whether a field that is named in a condition, or around one for the contact, is this one.
fn is_of(facts: &Facts<'_>, around_contact: bool, field: &Field) -> bool {
    (around_contact || facts.document.per.is_none()) == field.of_person
}

/// What an element writes into the field.
fn written_value<'a>(facts: &Facts<'a>, at: usize, field: &Field) -> Option<&'a Value> {
    match facts.element(at) {
        Element::SetField(set) if is_of(facts, set.of.is_some(), field) => {
            set.fields.get(&field.key)
        }
        _ => None,
    }
}

/// Whether somebody may leave the element by this edge who has no value in the field.
fn leaves_open(
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    at: usize,
    edge: &str,
    field: &Field,
) -> bool {
    let asked = facts.reads(at).tags;
    if asked.into_iter().any(|tag| !all.adding(&(facts.kind(), tag)).is_empty()) {
        return false;
    }
    let open = |condition: &Condition| !makes_sure(facts, condition, field);
    match facts.element(at) {
        Element::Start(start) => open(&start.when),
        Element::Event(event) => is_open_at(facts, &event.on, false, field),
        Element::Goal(goal) => goal.unmet == Unmet::Continue || open(&goal.when),
        Element::Condition(branch) if edge == "then" => open(&branch.when),
        Element::Condition(branch) => open(&Condition::Not(Box::new(branch.when.clone()))),
        Element::DateTimer(timer) => {
            let is_other = timer.field.as_ref() != Some(&field.key) || !is_of(facts, false, field);
            is_other || (edge == "next" && timer.empty == Empty::Continue)
        }
        Element::SetField(_) => written_value(facts, at, field).is_none_or(Value::is_null),
        Element::Reset(_) | Element::Restart(_) => !facts.begins_next_run(at),
        Element::Split(_)
        | Element::Email(_)
        | Element::Wait(_)
        | Element::Tag(_)
        | Element::StopCampaign(_)
        | Element::StartCampaign(_)
        | Element::Webhook(_)
        | Element::End(_) => true,
    }
}

/// Whether the edge may happen to somebody who has no value in the field then.
fn is_open_at(facts: &Facts<'_>, edge: &Edge, around_contact: bool, field: &Field) -> bool {
    match edge {
        Edge::FieldSet(key) | Edge::FieldChanged(key) => {
            *key != field.key || !is_of(facts, around_contact, field)
        }
        Edge::Becomes(condition) => !makes_sure(facts, condition, field),
        Edge::Contact(edge) => is_open_at(facts, edge, true, field),
        Edge::TagAdded(_)
        | Edge::TagRemoved(_)
        | Edge::TagAssigned(_)
        | Edge::FieldCleared(_)
        | Edge::Custom(_) => true,
    }
}

/// Whether the condition holds only for those who have a value in the field.
fn makes_sure(facts: &Facts<'_>, condition: &Condition, field: &Field) -> bool {
    let set = Condition::Field(field.key.clone(), Test::Set);
    let is_person = field.of_person && facts.document.per.is_some();
    let set = if is_person { Condition::Contact(Box::new(set)) } else { set };
    holds(&set, &necessary(condition)) == Some(true)
}

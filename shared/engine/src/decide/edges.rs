//! Whether a change is the edge that an event reacts to (R7, R72, R73).
//!
//! It is judged on the subject as the change left it. What the change did not touch, such as the
//! person around an object, is taken as it is now.

use super::builder::DecisionBuilder;
use crate::account::Account;
use crate::campaign::format::Edge;
use crate::condition::{Condition, View};
use crate::contact::{Change, Contact};
use crate::ids::Tag;

impl DecisionBuilder<'_> {
    /// Whether the change is the edge that an event reacts to (R7), whatever this decision has
    /// written since.
    pub(super) fn happens(&self, edge: &Edge, change: &Change) -> bool {
        let left = self.contact_after(change);
        let person = self.situation.person.unwrap_or(&left);
        let account = self.situation.account;
        self.judged(|view| {
            happened(edge, change, &View { contact: &left, person, ..*view }, account)
        })
    }

    /// Whether the change can concern this enrollment: what changed of an object's person concerns
    /// only those that had tokens before (R72).
    pub(super) fn may_concern(&self, change: &Change) -> bool {
        let of_person = change.person.as_ref();
        of_person.is_none_or(|person| self.next.is_concerned_by_person(person.rev))
    }
}

/// Whether a change, which left the subject like this, is the edge that an event reacts to. The
/// person is as it is now.
pub(super) fn happened(edge: &Edge, change: &Change, view: &View<'_>, account: &Account) -> bool {
    let any = |tags: &[Tag], happened: &dyn Fn(&Tag) -> bool| tags.iter().any(happened);
    let now_set = |key| view.contact.fields.contains_key(key);
    match edge {
        Edge::TagAdded(tags) => any(tags.as_slice(), &|tag| change.added.contains(tag)),
        Edge::TagRemoved(tags) => any(tags.as_slice(), &|tag| change.removed.contains_key(tag)),
        Edge::TagAssigned(tags) => any(tags.as_slice(), &|tag| {
            change.added.contains(tag) || change.refreshed.contains_key(tag)
        }),
        Edge::FieldSet(key) => matches!(change.fields.get(key), Some(None)) && now_set(key),
        Edge::FieldChanged(key) => matches!(change.fields.get(key), Some(Some(_))) && now_set(key),
        Edge::FieldCleared(key) => matches!(change.fields.get(key), Some(Some(_))) && !now_set(key),
        Edge::Custom(name) => change.event.as_ref() == Some(name),
        Edge::Becomes(condition) => became(condition, change, view, account),
        Edge::Contact(edge) => change.person.as_ref().is_some_and(|of_person| {
            let person = of_person.after(view.person);
            let view = View { contact: &person, person: &person, ..*view };
            happened(edge, &of_person.as_change(change), &view, account)
        }),
    }
}

/// Whether a change made a condition come true (R73). What it did not touch was then as it is now;
/// before and after are each judged in the zone that the person had.
fn became(condition: &Condition, change: &Change, view: &View<'_>, account: &Account) -> bool {
    if !change.touches(&condition.reads()) {
        return false;
    }
    let holds = |contact: &Contact, person: &Contact| {
        let zone = account.zone_of(person);
        condition.holds(&View { contact, person, zone, ..*view })
    };
    match &change.person {
        Some(of_person) => {
            let after = of_person.after(view.person);
            let before = of_person.as_change(change).before(&after);
            holds(view.contact, &after) && !holds(view.contact, &before)
        }
        None => {
            let before = change.before(view.contact);
            let person = if before.id.is_object() { view.person } else { &before };
            holds(view.contact, view.person) && !holds(&before, person)
        }
    }
}

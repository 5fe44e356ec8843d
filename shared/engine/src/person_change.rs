//! What a person's change is to an object of that person (R72).
//!
//! The object's changes are one ordered stream: a change of the person that a campaign of the
//! object reads becomes a change of the object, which says what of the person changed. It holds the
//! values before and after, so that it can be judged however much later it is looked at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::contact::{Change, Contact};
use crate::field::FieldValue;
use crate::ids::{FieldKey, Tag};
use crate::reads::PersonReads;
use crate::time::Instant;

/// What a write changed of the person, as far as campaigns of the object read it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PersonChange {
    /// The person's `rev` after it.
    #[serde(rename = "r")]
    pub rev: u64,
    /// Tags that the person did not have.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<Tag>,
    /// Tags that the person had, with their instants before.
    #[serde(
        rename = "f",
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        with = "crate::time::stored_by"
    )]
    pub refreshed: BTreeMap<Tag, Instant>,
    /// Tags that the person lost, with their instants before.
    #[serde(
        rename = "x",
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        with = "crate::time::stored_by"
    )]
    pub removed: BTreeMap<Tag, Instant>,
    /// Fields with their values before.
    #[serde(rename = "s", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<FieldKey, Option<FieldValue>>,
    /// The values of these fields after it, of those that have one.
    #[serde(rename = "v", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<FieldKey, FieldValue>,
    /// The custom event.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

impl PersonChange {
    /// What is read of a person's change; `None` if nothing of it is. `person` is the person as
    /// the change left it.
    pub fn of(change: &Change, person: &Contact, reads: &PersonReads) -> Option<Self> {
        let tag = |tag: &&Tag| reads.tags.contains(*tag);
        let of_tags = |tags: &BTreeMap<Tag, Instant>| {
            let read = tags.iter().filter(|(tag, _)| reads.tags.contains(*tag));
            read.map(|(tag, at)| (tag.clone(), *at)).collect()
        };
        let fields: BTreeMap<_, _> = change
            .fields
            .iter()
            .filter(|(key, _)| reads.fields.contains(*key))
            .map(|(key, before)| (key.clone(), before.clone()))
            .collect();
        let values =
            fields.keys().filter_map(|key| Some((key.clone(), person.fields.get(key)?.clone())));
        let read = Self {
            rev: change.rev,
            added: change.added.iter().filter(tag).cloned().collect(),
            refreshed: of_tags(&change.refreshed),
            removed: of_tags(&change.removed),
            values: values.collect(),
            fields,
            event: change.event.clone().filter(|name| reads.events.contains(name)),
        };
        (read != Self { rev: change.rev, ..Self::default() }).then_some(read)
    }

    /// Whether it touches something in `reads`, a posted event included.
    pub fn touches(&self, reads: &PersonReads) -> bool {
        self.added
            .iter()
            .chain(self.refreshed.keys())
            .chain(self.removed.keys())
            .any(|tag| reads.tags.contains(tag))
            || self.fields.keys().any(|key| reads.fields.contains(key))
            || self.event.as_ref().is_some_and(|name| reads.events.contains(name))
    }

    /// The same as a change of the person. `of` is the object's.
    pub(crate) fn as_change(&self, of: &Change) -> Change {
        Change {
            rev: self.rev,
            added: self.added.clone(),
            refreshed: self.refreshed.clone(),
            removed: self.removed.clone(),
            fields: self.fields.clone(),
            event: self.event.clone(),
            ..Change::empty(of.by.clone(), of.causality, of.at)
        }
    }

    /// The person as this change left it. What it did not touch is as the person is now.
    pub fn after(&self, now: &Contact) -> Contact {
        if let Some(exactly) = now.as_of(self.rev).filter(|person| person.rev == self.rev) {
            return exactly;
        }
        let mut person = now.clone();
        for tag in &self.added {
            person.tags.entry(tag.clone()).or_insert(now.updated_at);
        }
        self.removed.keys().for_each(|tag| {
            person.tags.remove(tag);
        });
        for key in self.fields.keys() {
            match self.values.get(key) {
                Some(value) => person.fields.insert(key.clone(), value.clone()),
                None => person.fields.remove(key),
            };
        }
        person
    }
}

impl Contact {
    /// What follows for this object from a change of its person, as a change of the object:
    /// `None` if nothing that campaigns of the object read was changed, or if this change has been
    /// applied before. `person` is the person as the change left it. Applying a person's changes
    /// in their order, each may come again at any time.
    ///
    /// The caller says how many of the object's changes belong to the same write (`fresh`), as
    /// with [`Contact::apply`].
    pub fn apply_person(
        &mut self,
        change: &Change,
        person: &Self,
        reads: &PersonReads,
        fresh: usize,
    ) -> Option<&Change> {
        if change.rev <= self.person_rev {
            return None;
        }
        let of_person = PersonChange::of(change, person, reads)?;
        self.person_rev = change.rev;
        self.push(
            Change {
                rev: self.rev + 1,
                at: change.at.max(self.updated_at),
                person: Some(Box::new(of_person)),
                after: change
                    .after
                    .iter()
                    .filter(|asked| asked.object.as_ref() == Some(&self.id))
                    .cloned()
                    .collect(),
                ..Change::empty(change.by.clone(), change.causality, change.at)
            },
            fresh,
        )
    }
}

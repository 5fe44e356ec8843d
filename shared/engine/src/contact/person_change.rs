//! What a person's change is to an object of that person (R72).
//!
//! The object's changes are one ordered stream: a change of the person that a campaign of the
//! object reads becomes a change of the object, which says what of the person changed. It holds the
//! values before and after, so that it can be judged however much later it is looked at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Change, Contact};
use crate::compact::CollectCompactly as _;
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
            read.map(|(tag, at)| (tag.clone(), *at)).collect_compactly()
        };
        let fields: BTreeMap<_, _> = change
            .fields
            .iter()
            .filter(|(key, _)| reads.fields.contains(*key))
            .map(|(key, before)| (key.clone(), before.clone()))
            .collect_compactly();
        let values =
            fields.keys().filter_map(|key| Some((key.clone(), person.fields.get(key)?.clone())));
        let read = Self {
            rev: change.rev,
            added: change.added.iter().filter(tag).cloned().collect(),
            refreshed: of_tags(&change.refreshed),
            removed: of_tags(&change.removed),
            values: values.collect_compactly(),
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
        for tag in self.added.iter().chain(self.refreshed.keys()) {
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
                asked_before: change
                    .asked_before
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::subject_in;
    use crate::contact::{Author, Chain, Consent, ObjectIdentity, Patch};
    use crate::ids::{ContactId, ObjectType};
    use chrono::DateTime;

    fn at(seconds: i64) -> Instant {
        DateTime::from_timestamp(seconds, 0).expect("an instant")
    }

    fn tag(name: &str) -> Tag {
        Tag::new(name).expect("a tag")
    }

    fn city() -> FieldKey {
        FieldKey::new("city").expect("a key")
    }

    fn kind() -> ObjectType {
        ObjectType::new("appointment").expect("a type")
    }

    fn person() -> Contact {
        Contact::new(ContactId::new("ann").expect("an id"), Consent::Subscribed, at(0))
    }

    fn object() -> Contact {
        let id = ContactId::of_object(&person().id, &kind(), "a1").expect("an id");
        let identity = ObjectIdentity { kind: kind(), key: "a1".to_owned() };
        Contact::object(id, identity, at(0))
    }

    fn reads() -> PersonReads {
        PersonReads {
            tags: [tag("Premium")].into(),
            fields: [city()].into(),
            events: ["asked".to_owned()].into(),
        }
    }

    fn change(person: &mut Contact, add: &str, city_is: &str, seconds: i64) -> Change {
        let fields = [(city(), Some(FieldValue::Text(city_is.to_owned())))];
        let patch = Patch { add: vec![tag(add)], fields: fields.into(), ..Patch::default() };
        let by = Author::ApiKey("zapier".to_owned());
        person.apply(&patch, by, None, at(seconds), 0).expect("a change").clone()
    }

    #[test]
    fn r72_a_change_of_the_person_reaches_an_object_once_and_only_what_is_read() {
        let (mut ann, mut object) = (person(), object());
        let first = change(&mut ann, "Premium", "Berlin", 10);
        let made = object.apply_person(&first, &ann, &reads(), 0).expect("a change").clone();
        assert_eq!((made.rev, object.rev, object.person_rev), (1, 1, 1));
        assert!(made.touches(&crate::condition::Reads { person: reads(), ..Default::default() }));
        assert!(!made.touches(&crate::condition::Reads {
            tags: reads().tags,
            fields: reads().fields,
            ..Default::default()
        }));
        assert_eq!(object.tags.len() + object.fields.len(), 0, "nothing of it is the object's");
        assert_eq!(object.apply_person(&first, &ann, &reads(), 0), None, "a repeat");

        let nothing_read = PersonReads::default();
        let second = change(&mut ann, "Other", "Bremen", 20);
        assert_eq!(object.apply_person(&second, &ann, &nothing_read, 0), None);
        assert_eq!(object.rev, 1);
        let only_tags = PersonReads { tags: reads().tags, ..PersonReads::default() };
        assert_eq!(object.apply_person(&second, &ann, &only_tags, 0), None, "another tag");
    }

    #[test]
    fn r73_before_and_after_are_told_whatever_has_happened_to_the_person_since() {
        let mut ann = person();
        change(&mut ann, "Other", "Berlin", 5);
        let then = change(&mut ann, "Premium", "Bremen", 10);
        let of_person = PersonChange::of(&then, &ann, &reads()).expect("it is read");
        let remove = Patch {
            remove: vec![tag("Premium")],
            fields: [(city(), None)].into(),
            ..Patch::default()
        };
        let by = Author::ApiKey("zapier".to_owned());
        ann.apply(&remove, by.clone(), None, at(20), 0);
        for forgotten in [false, true] {
            if forgotten {
                ann.recent.clear();
            }
            let after = of_person.after(&ann);
            assert!(after.tags.contains_key(&tag("Premium")));
            assert_eq!(after.text("city"), Some("Bremen"));
            let object_change = Change::empty(by.clone(), then.causality, at(10));
            let before = of_person.as_change(&object_change).before(&after);
            assert!(!before.tags.contains_key(&tag("Premium")));
            assert_eq!(before.text("city"), Some("Berlin"));
        }
    }

    #[test]
    fn r73_a_tag_that_was_assigned_again_was_there_after_the_change() {
        let mut ann = person();
        change(&mut ann, "Premium", "Berlin", 5);
        let then = change(&mut ann, "Premium", "Bremen", 10);
        let of_person = PersonChange::of(&then, &ann, &reads()).expect("it is read");
        let remove = Patch { remove: vec![tag("Premium")], ..Patch::default() };
        ann.apply(&remove, Author::ApiKey("zapier".to_owned()), None, at(20), 0);
        ann.recent.clear();
        assert!(of_person.after(&ann).tags.contains_key(&tag("Premium")));
    }

    #[test]
    fn r71_who_a_subject_is_in_another_campaign() {
        let (ann, object) = (person().id, object().id);
        let other = ObjectType::new("order").expect("a type");
        assert_eq!(subject_in(None, &object), Some(ann.clone()));
        assert_eq!(subject_in(None, &ann), Some(ann.clone()));
        assert_eq!(subject_in(Some(&kind()), &object), Some(object.clone()));
        assert_eq!(subject_in(Some(&other), &object), None);
        assert_eq!(subject_in(Some(&kind()), &ann), None);
    }

    #[test]
    fn r42_chains_of_a_person_and_of_its_objects_are_different() {
        let (ann, one) = (person(), object());
        assert_eq!(ann.chain_of(1), Chain::of_write(1));
        assert_ne!(one.chain_of(1), ann.chain_of(1));
        let other =
            Contact { id: ContactId::new("ann.appointment.a2").expect("an id"), ..one.clone() };
        assert_ne!(one.chain_of(1), other.chain_of(1));
    }

    #[test]
    fn r72_what_is_stored_of_a_contact_without_objects_is_what_it_was() {
        let mut ann = person();
        change(&mut ann, "Premium", "Berlin", 10);
        let stored = serde_json::to_value(&ann).expect("it can be written");
        assert!(stored.get("pr").is_none() && stored.get("ob").is_none(), "{stored}");
        assert!(stored["recent"][0].get("p").is_none(), "{stored}");
        let mut object = object();
        object.apply_person(&ann.recent[0], &ann, &reads(), 0).expect("a change");
        let stored = serde_json::to_string(&object).expect("it can be written");
        assert_eq!(serde_json::from_str::<Contact>(&stored).expect("it is read"), object);
    }
}

//! Objects of contacts in the world (R70 to R74): how they are written, and how changes of their
//! contact reach them.

use super::{SimulatedWork, World};
use crate::campaign::format::ObjectDefinition;
use crate::contact::{Author, Change, Contact, ObjectIdentity, Patch};
use crate::decide::Event;
use crate::enrollment::Enrollment;
use crate::ids::{CampaignId, ContactId, ObjectType};
use crate::reads::PersonReads;
use crate::statistics::Gauge;
use std::collections::BTreeMap;

/// Which object is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectKey {
    /// Whose it is.
    pub person: ContactId,
    /// Its type.
    pub kind: ObjectType,
    /// Its key.
    pub key: String,
    /// The older key that this one replaces, if it does (R70).
    pub replaces: Option<String>,
}

/// What a key stands for.
#[derive(Debug, Clone)]
pub(super) struct SubjectOfKey {
    subject: ContactId,
    /// Whether a newer key stands for it now.
    is_replaced: bool,
}

impl World {
    /// The types of objects that campaigns have declared.
    pub fn object_types(&self) -> &BTreeMap<ObjectType, ObjectDefinition> {
        &self.object_types
    }

    /// Declares a type of objects of the account.
    pub fn declare_objects(&mut self, kind: ObjectType, of: ObjectDefinition) {
        self.object_types.insert(kind, of);
    }

    /// The object that a key stands for, or stood for.
    pub fn object(&self, kind: &ObjectType, key: &str) -> Option<&ContactId> {
        Some(&self.keys.get(&(kind.clone(), key.to_owned()))?.subject)
    }

    /// Creates or changes an object of a contact that is there (R70). Returns whether anything
    /// changed: what comes late about a key that has been replaced changes nothing.
    pub fn write_object(&mut self, object: &ObjectKey, patch: &Patch, by: Author) -> bool {
        let ObjectKey { person, kind, key, replaces } = object;
        let Some(person) = self.contacts.get(person) else { return false };
        let (person, person_rev) = (person.id.clone(), person.rev);
        let place = |key: &str| (kind.clone(), key.to_owned());
        if self.keys.get(&place(key)).is_some_and(|keyed| keyed.is_replaced) {
            return false;
        }
        let older = replaces.as_ref().and_then(|older| self.keys.get(&place(older)).cloned());
        let known = self.keys.get(&place(key)).or(older.as_ref()).map(|it| it.subject.clone());
        let subject = match known {
            Some(subject) if subject.person() == person => subject,
            Some(_) => return false,
            None => {
                let nth = self.keys.len();
                let named = ContactId::of_object(&person, kind, key);
                let Ok(id) =
                    named.or_else(|_| ContactId::of_object(&person, kind, &format!("o{nth}")))
                else {
                    return false;
                };
                let identity = ObjectIdentity { kind: kind.clone(), key: key.clone() };
                let made =
                    Contact { person_rev, ..Contact::object(id.clone(), identity, self.now) };
                self.contacts.insert(id.clone(), made);
                id
            }
        };
        let is_new = self
            .keys
            .insert(place(key), SubjectOfKey { subject: subject.clone(), is_replaced: false });
        if let Some(older) = replaces.as_ref().filter(|_| is_new.is_none()) {
            let keyed = SubjectOfKey { subject: subject.clone(), is_replaced: true };
            self.keys.insert(place(older), keyed);
        }
        if let Some(identity) = self.contacts.get_mut(&subject).and_then(|it| it.object.as_mut()) {
            identity.key.clone_from(key);
        }
        self.write(&subject, patch, by)
    }

    /// Erases a contact, its objects, and all that campaigns know of them (R74). What still waits
    /// for them finds no subject.
    pub fn erase(&mut self, person: &ContactId) {
        let is_of = |id: &ContactId| id.person() == *person;
        self.contacts.retain(|id, _| !is_of(id));
        self.keys.retain(|_, keyed| !is_of(&keyed.subject));
        self.ledger.retain(|(id, ..), _| !is_of(id));
        let gone: Vec<_> = self.enrollments.keys().filter(|(id, _)| is_of(id)).cloned().collect();
        for key in gone {
            let before = self.enrollments.remove(&key);
            let gauges = Gauge::between(before.as_ref(), None);
            self.statistics.entry(key.1).or_default().add(&gauges);
        }
    }

    /// The person, if the subject is an object.
    pub(super) fn person_of(&self, subject: &ContactId) -> Option<&Contact> {
        subject.is_object().then(|| self.contacts.get(&subject.person())).flatten()
    }

    /// The objects of a person.
    fn objects_of(&self, person: &ContactId) -> Vec<ContactId> {
        let ids = self.contacts.keys().filter(|id| id.is_object() && id.person() == *person);
        ids.cloned().collect()
    }

    /// What of a person's change concerns an object.
    fn person_reads_of(&self, object: &ContactId, change: &Change) -> PersonReads {
        let mut reads = PersonReads::default();
        for ((subject, campaign), enrollment) in &self.enrollments {
            if subject == object
                && let Some(campaign) = self.campaigns.get(campaign)
            {
                reads.add(&campaign.person_reads(enrollment, change));
            }
        }
        reads
    }

    /// A person changed: what campaigns of its objects read of that becomes a change of each object
    /// with tokens (R72). Returns whether any object was concerned.
    pub(super) fn pass_on(&mut self, before: u64, image: &Contact) -> bool {
        let mut any = false;
        for id in self.objects_of(&image.id) {
            let (rev, mut fresh) = (self.contacts[&id].rev, 0);
            for change in image.changes_after(before).unwrap_or(&[]) {
                let reads = self.person_reads_of(&id, change);
                let Some(person) = image.as_of(change.rev) else { continue };
                let Some(object) = self.contacts.get_mut(&id) else { continue };
                let made = object.apply_person(change, &person, &reads, fresh);
                fresh += usize::from(made.is_some());
            }
            if let Some(object) = self.contacts.get_mut(&id).filter(|_| fresh > 0) {
                any = true;
                object.note_known_catalog(rev, Some(self.catalog));
                let image = Box::new(object.clone());
                self.waiting.push(SimulatedWork::Contact { before: rev, image });
            }
        }
        any
    }

    /// The subjects that are to know that the subject's status in a campaign changed, in a campaign
    /// that reads it (R6, R71): itself, and of a person the objects that have tokens there.
    pub(super) fn readers_of_status(
        &self,
        subject: &ContactId,
        reader: &CampaignId,
    ) -> Vec<ContactId> {
        let Some(campaign) = self.campaigns.get(reader) else { return Vec::new() };
        if campaign.is_about(subject) {
            return vec![subject.clone()];
        }
        let mut objects = self.objects_of(subject);
        objects.retain(|id| {
            campaign.is_about(id) && self.enrollment(id, reader).is_some_and(has_tokens)
        });
        objects
    }

    /// Adds an event for every subject that the campaign is about.
    pub(super) fn for_every_subject(&mut self, id: &CampaignId, event: &Event) {
        let Some(campaign) = self.campaigns.get(id) else { return };
        for subject in self.contacts.keys().filter(|subject| campaign.is_about(subject)) {
            self.waiting.push(SimulatedWork::Event(subject.clone(), id.clone(), event.clone()));
        }
    }
}

fn has_tokens(enrollment: &Enrollment) -> bool {
    !enrollment.tokens.is_empty()
}

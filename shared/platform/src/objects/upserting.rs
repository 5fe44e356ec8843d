//! An object is made or changed, together with its person: one transaction.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use dacapo_engine::address::folded;
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::contact::{
    Author, Causality, Change, Contact, ObjectIdentity, Patch, Telling, ToldByField,
};
use dacapo_engine::ids::{ContactId, ObjectType};

use super::{ObjectError, ObjectWritten, Objects, WithObject};
use crate::Instant;
use crate::contacts::{WriteError, Written, write_id};
use crate::error::Error;
use crate::object_keys::{StoredObjectKey, free_key};
use crate::store::{TRIES, is_own, item};
use crate::table::{Condition, Write};

/// What is written about an object.
#[derive(Clone, Copy)]
pub struct ObjectWrite<'a> {
    /// Its type.
    pub kind: &'a ObjectType,
    /// Its key, as the sender gives it.
    pub key: &'a str,
    /// The key whose place this one takes: its object goes on under this key.
    pub replaces: Option<&'a str>,
    /// The person.
    pub person: PersonWrite<'a>,
    /// What is written to the object.
    pub patch: &'a Patch,
}

/// Whose object it is, and what is written to the person.
#[derive(Clone, Copy)]
pub enum PersonWrite<'a> {
    /// The contact with this address, which is made if there is none.
    ByAddress(&'a str, &'a Patch),
    /// The contact of this id.
    ById(&'a ContactId, &'a Patch),
    /// Whoever's it is: the object must be there.
    Unsaid,
}

/// What a sender tells, whose calls come in any order.
#[derive(Clone, Copy)]
pub struct ToldBy<'a> {
    /// When it happened.
    pub telling: Telling,
    /// What is written to the person if something later is known of the object.
    pub late: &'a Patch,
}

/// The state on which an object is written.
pub(super) struct Present {
    /// The object, under the key or under the one that is to be replaced.
    pub(super) object: Option<Contact>,
    /// What the key leads to.
    pub(super) key: Option<StoredObjectKey>,
    /// What the key that is to be replaced leads to.
    pub(super) replaced: Option<StoredObjectKey>,
    /// When what is written happened, if the sender says so.
    telling: Option<Telling>,
}

impl Present {
    /// Whether both keys have an object of their own.
    fn are_two(&self) -> bool {
        let of = |key: &StoredObjectKey| key.object.clone();
        let (key, replaced) = (self.key.as_ref().map(of), self.replaced.as_ref().map(of));
        key.is_some() && replaced.is_some() && key != replaced
    }

    /// Whether something later is known about what is written.
    fn knows_later(&self, key: &str) -> bool {
        let same = self.object.as_ref().filter(|object| has_key(object, key));
        same.zip(self.telling).is_some_and(|(object, telling)| telling.is_late(&object.told))
    }
}

/// Whether an object has this key now.
fn has_key(object: &Contact, key: &str) -> bool {
    object.object.as_ref().is_some_and(|identity| identity.key == key)
}

impl Objects {
    /// Makes an object, or changes it as one change, together with its person.
    ///
    /// # Errors
    ///
    /// Those of [`ObjectError`].
    pub async fn upsert(
        &self,
        write: ObjectWrite<'_>,
        by: &Author,
        together: WithObject<'_>,
    ) -> Result<ObjectWritten, ObjectError> {
        self.write(write, None, by, together).await
    }

    /// The same, for a sender whose calls come in any order and who says when it happened what it
    /// tells: what happened later stays. Two objects that turn out to be one become one.
    ///
    /// # Errors
    ///
    /// Those of [`ObjectError`].
    pub async fn upsert_as_told<'a>(
        &self,
        write: ObjectWrite<'a>,
        told: ToldBy<'a>,
        by: &Author,
        together: WithObject<'_>,
    ) -> Result<ObjectWritten, ObjectError> {
        self.write(write, Some(told), by, together).await
    }

    async fn write<'a>(
        &self,
        mut write: ObjectWrite<'a>,
        told: Option<ToldBy<'a>>,
        by: &Author,
        together: WithObject<'_>,
    ) -> Result<ObjectWritten, ObjectError> {
        let wanted = write.person;
        for _ in 0..TRIES {
            let mut present = self.present(write).await?;
            if self.frees_dead_keys(write, &present).await? {
                continue;
            }
            if let Some(told) = told {
                if self.united(write, &present, by).await? {
                    continue;
                }
                present.telling = Some(told.telling);
                write.person = match wanted {
                    PersonWrite::ByAddress(address, _) if present.knows_later(write.key) => {
                        PersonWrite::ByAddress(address, told.late)
                    }
                    wanted => wanted,
                };
            }
            if let Some(replaces) = write.replaces.filter(|_| present.are_two()) {
                return Err(ObjectError::BothThere { replaces: replaces.to_owned() });
            }
            if let Some(by) = present.key.as_ref().and_then(|key| key.replaced_by.clone()) {
                return Err(ObjectError::Replaced { by });
            }
            let owner = self.owner(write, &present).await?;
            if let Some(written) = self.write_once(write, &present, owner, by, together).await? {
                return Ok(*written);
            }
        }
        Err(Error::Contended(TRIES).into())
    }

    /// Frees the keys that lead to objects which are gone. `true` if there was one: the state is to
    /// be read again then.
    async fn frees_dead_keys(
        &self,
        write: ObjectWrite<'_>,
        present: &Present,
    ) -> Result<bool, ObjectError> {
        let mut freed = false;
        let there = present.object.as_ref().map(|object| &object.id);
        let keys = [(Some(write.key), &present.key), (write.replaces, &present.replaced)];
        for (name, key) in keys {
            let (Some(name), Some(key)) = (name, key) else { continue };
            if Some(&key.object) != there && self.contacts.get(&key.object).await?.is_none() {
                free_key(&self.store, write.kind, name, &key.object).await?;
                freed = true;
            }
        }
        Ok(freed)
    }

    async fn present(&self, write: ObjectWrite<'_>) -> Result<Present, ObjectError> {
        let key = self.key(write.kind, write.key).await?;
        let replaces = write.replaces.filter(|replaces| *replaces != write.key);
        let replaced = match replaces {
            Some(replaces) => self.key(write.kind, replaces).await?,
            None => None,
        };
        let id = key.as_ref().or(replaced.as_ref()).map(|found| &found.object);
        let object = match id {
            Some(id) => self.contacts.get(id).await?,
            None => None,
        };
        Ok(Present { object, key, replaced, telling: None })
    }

    /// The id of the person whose object it is, or is to be; `None` if the person is to be made.
    async fn owner(
        &self,
        write: ObjectWrite<'_>,
        present: &Present,
    ) -> Result<Option<ContactId>, ObjectError> {
        let said = match write.person {
            PersonWrite::ByAddress(address, _) => self.contacts.id_of(&folded(address)).await?,
            PersonWrite::ById(id, _) => Some(id.person()),
            PersonWrite::Unsaid => None,
        };
        match (&present.object, said, write.person) {
            (Some(object), _, PersonWrite::Unsaid) => Ok(Some(object.id.person())),
            (Some(object), said, _) => {
                let owner = object.id.person();
                if said.as_ref() == Some(&owner) {
                    Ok(said)
                } else {
                    Err(ObjectError::OfAnother { owner })
                }
            }
            (None, _, PersonWrite::Unsaid) => Err(ObjectError::NoContact),
            (None, Some(person), _) => {
                if self.is_full(&person).await? {
                    return Err(ObjectError::TooMany);
                }
                Ok(Some(person))
            }
            (None, None, _) => Ok(None),
        }
    }

    /// `None` if another writer was first with the object, with its key, or with the person.
    async fn write_once(
        &self,
        write: ObjectWrite<'_>,
        present: &Present,
        owner: Option<ContactId>,
        by: &Author,
        together: WithObject<'_>,
    ) -> Result<Option<Box<ObjectWritten>>, ObjectError> {
        let name = self.store.new_contact_id();
        let now = self.store.now();
        let late = present.knows_later(write.key);
        if let Some(before) = &present.object
            && !before.has_room_for(write.patch)
        {
            return Err(WriteError::TooManyTags.into());
        }
        let object_of = |person: &Contact| -> Result<(Written, Vec<Write>), Error> {
            match &present.object {
                Some(before) => self.changed(write, before, present, by, now),
                None => self.made(write, person, name.as_str(), present, by, now),
            }
        };
        // How many of the writes are the object's, and the identity of the first.
        let own = Mutex::new((0, None));
        let all = |person: &Written| -> Result<Vec<Write>, Error> {
            let (object, mut writes) = object_of(&person.contact)?;
            if object.created && !person.created && person.change.is_none() {
                // An erased person gets no object.
                let key = self.store.keys.contact(&person.contact.id);
                writes.push(Write::check(key, Condition::Present));
            }
            let write_id = writes.first().and_then(write_id);
            *own.lock().unwrap_or_else(PoisonError::into_inner) = (writes.len(), write_id);
            let written = ObjectWritten { object, person: person.clone(), late };
            writes.extend(together(&written)?);
            Ok(writes)
        };
        let nothing = Patch::default();
        let is_by_id = matches!(write.person, PersonWrite::ById(..));
        let person = match (write.person, &owner) {
            (PersonWrite::ByAddress(address, patch), None) => {
                self.contacts.upsert(address, patch, by, &all).await
            }
            (PersonWrite::ByAddress(_, patch) | PersonWrite::ById(_, patch), Some(owner)) => {
                self.contacts.change(owner, patch, by, &all).await
            }
            (PersonWrite::Unsaid, Some(owner)) => {
                self.contacts.change(owner, &nothing, by, &all).await
            }
            (PersonWrite::ById(..) | PersonWrite::Unsaid, None) => {
                return Err(ObjectError::NoContact);
            }
        };
        let person = match person {
            Ok(person) => person,
            Err(WriteError::Refused(which, current)) => {
                let (own, write_id) = own.into_inner().unwrap_or_else(PoisonError::into_inner);
                // This very write, whose answer was lost: nothing else wrote to the person.
                if which == 0
                    && write_id.is_some_and(|id| is_own(current.as_deref(), &id))
                    && let Some(owner) = &owner
                    && let Some(contact) = self.contacts.get(owner).await?
                {
                    Written { contact, created: false, change: None }
                } else if which < own {
                    return Ok(None);
                } else {
                    return Err(WriteError::Refused(which - own, current).into());
                }
            }
            // The person was erased just now; one that was named by the id does not come back.
            Err(WriteError::NoSuchContact) if !is_by_id => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (object, _) = object_of(&person.contact)?;
        Ok(Some(Box::new(ObjectWritten { object, person, late })))
    }

    /// A new object, with its key.
    fn made(
        &self,
        write: ObjectWrite<'_>,
        person: &Contact,
        name: &str,
        present: &Present,
        by: &Author,
        now: Instant,
    ) -> Result<(Written, Vec<Write>), Error> {
        let person_id = &person.id;
        let id = ContactId::of_object(person_id, write.kind, name)
            .map_err(|why| Error::Refused(format!("{person_id} can have no object: {why}")))?;
        let identity = ObjectIdentity { kind: write.kind.clone(), key: write.key.to_owned() };
        // What changed of the person before concerns the object no more.
        let mut object = Contact { person_rev: person.rev, ..Contact::object(id, identity, now) };
        let mut patch = write.patch.clone();
        // Nothing can be withdrawn from what is new.
        patch.remove.clear();
        if object.apply(&patch, by.clone(), None, now, 0).is_none() {
            empty_change(&mut object, by, now);
        }
        if let Some(telling) = present.telling {
            telling.note(&patch, &mut object.told);
        }
        object.note_known_catalog(0, self.catalog.known_revision());
        let change = object.recent.last().cloned();
        let mut writes = vec![Write::put(self.contacts.item(&object)?, Condition::Absent)];
        writes.extend(self.keys_written(write, &object.id, present)?);
        Ok((Written { contact: object, created: true, change }, writes))
    }

    /// The object with what is written to it, under its key.
    fn changed(
        &self,
        write: ObjectWrite<'_>,
        before: &Contact,
        present: &Present,
        by: &Author,
        now: Instant,
    ) -> Result<(Written, Vec<Write>), Error> {
        let mut object = before.clone();
        let renamed = !has_key(before, write.key);
        if renamed {
            // What was told about the old key says nothing about the new one.
            object.told = ToldByField::default();
        }
        let patch = match present.telling {
            Some(telling) => {
                let news = telling.news(write.patch, Some(before), &object.told);
                telling.note(write.patch, &mut object.told);
                Cow::Owned(news)
            }
            None => Cow::Borrowed(write.patch),
        };
        let changed = object.apply(&patch, by.clone(), None, now, 0).is_some();
        if let Some(identity) = object.object.as_mut().filter(|_| renamed) {
            write.key.clone_into(&mut identity.key);
        }
        if !changed && (renamed || object.told != before.told) {
            // A writer that knows only the old key must not put it back; and what was told counts
            // for the next one, also where it is what the object has already.
            empty_change(&mut object, by, now);
        }
        object.note_known_catalog(before.rev, self.catalog.known_revision());
        let mut writes = Vec::new();
        if object.rev != before.rev {
            writes.push(Write::put(self.contacts.item(&object)?, Condition::Rev(before.rev)));
        }
        writes.extend(self.keys_written(write, &object.id, present)?);
        let change = object.recent.last().filter(|_| changed).cloned();
        Ok((Written { contact: object, created: false, change }, writes))
    }

    /// The items of keys: the object's own, and of the one that it replaces.
    fn keys_written(
        &self,
        write: ObjectWrite<'_>,
        object: &ContactId,
        present: &Present,
    ) -> Result<Vec<Write>, Error> {
        let place = |key: &str| self.store.keys.object(write.kind, key);
        let replaces = write.replaces.filter(|replaces| *replaces != write.key);
        let mut own = present.key.clone().unwrap_or_else(|| StoredObjectKey {
            object: object.clone(),
            replaced_by: None,
            replaces: Vec::new(),
        });
        let mut writes = Vec::new();
        // The object's present key, where the one that was named had been replaced before.
        let before = present.object.as_ref().and_then(|object| object.object.as_ref());
        let old = before.map(|identity| identity.key.as_str()).filter(|key| *key != write.key);
        let by_now: BTreeMap<&str, Option<&StoredObjectKey>> = replaces
            .map(|replaces| (replaces, present.replaced.as_ref()))
            .into_iter()
            .chain(old.filter(|old| Some(*old) != replaces).map(|old| (old, None)))
            .collect_compactly();
        for (key, there) in by_now {
            if there.is_some_and(|there| there.replaced_by.is_some()) {
                continue;
            }
            if !own.replaces.iter().any(|one| one == key) {
                own.replaces.push(key.to_owned());
            }
            let next = StoredObjectKey {
                object: object.clone(),
                replaced_by: Some(write.key.to_owned()),
                replaces: there.map(|there| there.replaces.clone()).unwrap_or_default(),
            };
            let condition = match there {
                Some(_) => Condition::Present,
                None if old == Some(key) => Condition::Present,
                None => Condition::Absent,
            };
            writes.push(Write::put(item(place(key), &next)?, condition));
        }
        if present.key.as_ref() != Some(&own) {
            let condition =
                if present.key.is_some() { Condition::Present } else { Condition::Absent };
            writes.push(Write::put(item(place(write.key), &own)?, condition));
        }
        Ok(writes)
    }
}

/// A change of nothing: the object is new, has another key, or was told again what it has.
pub(super) fn empty_change(object: &mut Contact, by: &Author, now: Instant) {
    let at = now.max(object.updated_at);
    object.rev += 1;
    object.updated_at = at;
    let causality = Causality { chain: object.chain_of(object.rev), depth: 0 };
    object.recent.push(Change { rev: object.rev, ..Change::empty(by.clone(), causality, at) });
}

//! Merges two objects that turn out to be one: a booking was told of under its new key before it
//! was known which key that replaces.
//!
//! It promises that the older object stays, with what was told of the newer one, and that all keys
//! of both lead to it, in one transaction.

use dacapo_engine::contact::{Author, Contact, taken_over};
use dacapo_engine::ids::ContactId;

use super::upserting::{ObjectWrite, Present, empty_change};
use super::{ObjectError, Objects};
use crate::object_keys::{StoredObjectKey, keys_of};
use crate::store::item;
use crate::table::{Condition, Write};

/// The most keys that are led to another object in one transaction.
const MOST_KEYS: usize = 50;

impl Objects {
    /// Sees to it that a key and the one that it replaces lead to one object. `true` if that was
    /// written, or another writer wrote meanwhile: the state is to be read again then.
    pub(super) async fn united(
        &self,
        write: ObjectWrite<'_>,
        present: &Present,
        by: &Author,
    ) -> Result<bool, ObjectError> {
        let Some(replaces) = write.replaces.filter(|replaces| *replaces != write.key) else {
            return Ok(false);
        };
        let Some(key) = &present.key else { return Ok(false) };
        match &present.replaced {
            Some(replaced) if replaced.object == key.object => Ok(false),
            Some(replaced) if replaced.replaced_by.is_some() => Ok(false),
            Some(replaced) => {
                let (older, newer) =
                    (self.contacts.get(&replaced.object), self.contacts.get(&key.object));
                match (older.await?, newer.await?) {
                    (Some(older), Some(newer)) if older.id.person() == newer.id.person() => {
                        let names = (write.key, replaces, replaced.clone());
                        self.unite(write, names, (&older, &newer), by).await
                    }
                    _ => Ok(false),
                }
            }
            // The key was replaced itself, so nothing else is written: what it replaced is noted.
            None if key.replaced_by.is_some() => {
                let mut own = key.clone();
                own.replaces.push(replaces.to_owned());
                let old = StoredObjectKey {
                    object: key.object.clone(),
                    replaced_by: Some(write.key.to_owned()),
                    replaces: Vec::new(),
                };
                let place = |key: &str| self.store.keys.object(write.kind, key);
                let there = self.store.keys.contact(&key.object);
                self.written(vec![
                    Write::put(item(place(replaces), &old)?, Condition::Absent),
                    Write::put(item(place(write.key), &own)?, Condition::Present),
                    // No other writer deletes the object, and its keys, meanwhile.
                    Write::check(there, Condition::Present),
                ])
                .await
            }
            None => Ok(false),
        }
    }

    /// The older object takes over what was told of the newer one, and its keys; the newer one is
    /// deleted. One transaction.
    async fn unite(
        &self,
        write: ObjectWrite<'_>,
        (key, replaces, replaced): (&str, &str, StoredObjectKey),
        (older, newer): (&Contact, &Contact),
        by: &Author,
    ) -> Result<bool, ObjectError> {
        let keys = keys_of(&self.store, newer).await?;
        if keys.len() > MOST_KEYS {
            return Ok(false);
        }
        let (mut object, now) = (older.clone(), self.store.now());
        object.object.clone_from(&newer.object);
        object.told = newer.told.clone();
        let patch = taken_over(older, newer);
        if object.apply(&patch, by.clone(), None, now, 0).is_none() {
            empty_change(&mut object, by, now);
        }
        object.note_known_catalog(older.rev, self.catalog.known_revision());
        let mut writes = vec![Write::put(self.contacts.item(&object)?, Condition::Rev(older.rev))];
        writes.extend(self.erasure.of_object(newer).await?);
        let place = |key: &str| self.store.keys.object(write.kind, key);
        let led = |to: &ContactId, stored: StoredObjectKey| StoredObjectKey {
            object: to.clone(),
            ..stored
        };
        for (name, mut stored) in keys {
            if name == key && !stored.replaces.iter().any(|one| one == replaces) {
                stored.replaces.push(replaces.to_owned());
            }
            let stored = item(place(&name), &led(&older.id, stored))?;
            writes.push(Write::put(stored, Condition::Present));
        }
        let replaced = StoredObjectKey { replaced_by: Some(key.to_owned()), ..replaced };
        writes.push(Write::put(item(place(replaces), &replaced)?, Condition::Present));
        let again = self.written(writes).await?;
        // If that is broken off, it is done again 25 hours later.
        self.erasure.erase_remains(&newer.id).await?;
        Ok(again)
    }

    /// Writes, unless another writer wrote meanwhile: the state is to be read again in either case.
    async fn written(&self, writes: Vec<Write>) -> Result<bool, ObjectError> {
        self.store.write_if_first(writes).await?;
        Ok(true)
    }
}

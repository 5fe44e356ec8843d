//! An object is deleted: with its keys and its enrollments. What happened to it, and what was sent
//! about it, stays in its person's history, and goes with the person.

use dacapo_engine::contact::{Contact, ObjectIdentity};
use dacapo_engine::ids::ObjectType;

use super::{Objects, StoredObjectKey};
use crate::error::Error;
use crate::store::{Store, read};
use crate::table::{Condition, Write};

impl Objects {
    /// Deletes an object, which may be named by a key that was replaced. `true` if there was one.
    ///
    /// # Errors
    ///
    /// What the table answers; deleting again goes on where it stopped.
    pub async fn delete(&self, kind: &ObjectType, key: &str) -> Result<bool, Error> {
        match self.key(kind, key).await? {
            Some(stored) => self.erasure.erase_object(&stored.object).await,
            None => Ok(false),
        }
    }
}

/// The deletes of all keys that lead, or led, to an object. They are made before the object is
/// deleted, or in the same transaction: the object is what leads to them.
///
/// # Errors
///
/// What the table answers.
pub(crate) async fn delete_keys(store: &Store, object: &Contact) -> Result<Vec<Write>, Error> {
    let Some(identity) = &object.object else { return Ok(Vec::new()) };
    let ObjectIdentity { kind, key } = &**identity;
    let (mut open, mut deletes) = (vec![key.clone()], Vec::<Write>::new());
    while let Some(key) = open.pop() {
        let key = store.keys.object(kind, &key);
        if deletes.iter().any(|delete| *delete.key() == key) {
            continue;
        }
        let Some(stored) = store.get(&key).await? else { continue };
        let stored: StoredObjectKey = read(&stored)?;
        if stored.object == object.id {
            deletes.push(Write::delete(key, Condition::Always));
            open.extend(stored.replaces);
        }
    }
    Ok(deletes)
}

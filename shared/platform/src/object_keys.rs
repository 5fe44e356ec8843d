//! Keys of objects from outside: what they lead to, and how they are deleted with their object.
//!
//! An object may have had any number of keys. Most are deleted in the transaction that deletes the
//! object, the others after it, those first to which others lead no more: whatever is broken off
//! can be found again. A key that leads to an object that is gone blocks nobody: it is freed by
//! whoever wants it.

use dacapo_engine::contact::{Contact, ObjectIdentity};
use dacapo_engine::ids::{ContactId, ObjectType};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::store::{Store, item, read};
use crate::table::{Condition, Write};

/// How many keys are freed in one transaction. Each is two writes.
const FREED_AT_ONCE: usize = 40;

/// How long it is known that a key was freed: longer than any write takes.
const FREED_KNOWN: chrono::TimeDelta = chrono::TimeDelta::days(1);

/// What a key from outside leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredObjectKey {
    /// The object's id.
    #[serde(rename = "c")]
    pub(crate) object: ContactId,
    /// The key that took its place.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaced_by: Option<String>,
    /// The keys whose place it took.
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) replaces: Vec<String>,
}

/// That a key was freed which led to an object that is gone. It is written once.
#[derive(Serialize)]
struct Freed {}

/// All keys that lead, or led, to an object, its own first.
///
/// # Errors
///
/// What the table answers.
pub(crate) async fn keys_of(
    store: &Store,
    object: &Contact,
) -> Result<Vec<(String, StoredObjectKey)>, Error> {
    let Some(identity) = &object.object else { return Ok(Vec::new()) };
    let ObjectIdentity { kind, key } = &**identity;
    keys_from(store, kind, vec![key.clone()], &object.id).await
}

/// The keys that lead to an object and are reached from these, each behind one that leads to it.
async fn keys_from(
    store: &Store,
    kind: &ObjectType,
    mut open: Vec<String>,
    object: &ContactId,
) -> Result<Vec<(String, StoredObjectKey)>, Error> {
    let mut found = Vec::<(String, StoredObjectKey)>::new();
    while let Some(key) = open.pop() {
        if found.iter().any(|(known, _)| *known == key) {
            continue;
        }
        let Some(stored) = store.get(&store.keys.object(kind, &key)).await? else { continue };
        let stored: StoredObjectKey = read(&stored)?;
        if stored.object == *object {
            open.extend(stored.replaces.iter().cloned());
            found.push((key, stored));
        }
    }
    Ok(found)
}

/// The deletes of an object's keys, for the transaction that deletes the object, and from which keys
/// those are reached that have no place in it.
pub(crate) struct KeysDeleted {
    /// The deletes.
    pub(crate) writes: Vec<Write>,
    /// Where [`free_from`] begins with the others.
    pub(crate) others: Vec<String>,
}

/// The deletes of the keys that lead, or led, to an object, at most so many.
///
/// # Errors
///
/// What the table answers.
pub(crate) async fn delete_keys(
    store: &Store,
    object: &Contact,
    most: usize,
) -> Result<KeysDeleted, Error> {
    let mut deleted = KeysDeleted { writes: Vec::new(), others: Vec::new() };
    let Some(identity) = &object.object else { return Ok(deleted) };
    let keys = keys_of(store, object).await?;
    let (first, rest) = keys.split_at(most.min(keys.len()));
    for (key, stored) in first {
        deleted
            .writes
            .push(Write::delete(store.keys.object(&identity.kind, key), Condition::Always));
        let is_of_rest = |key: &&String| rest.iter().any(|(one, _)| one == *key);
        deleted.others.extend(stored.replaces.iter().filter(is_of_rest).cloned());
    }
    Ok(deleted)
}

/// Frees these keys of an object that is gone, and those that are reached from them. Idempotent.
///
/// Nobody else can have taken a key that is deleted here: whoever frees one says so in the same
/// transaction, and that is said once.
///
/// # Errors
///
/// What the table answers.
pub(crate) async fn free_from(
    store: &Store,
    kind: &ObjectType,
    keys: Vec<String>,
    object: &ContactId,
) -> Result<(), Error> {
    let until = store.now() + FREED_KNOWN;
    let mut found = keys_from(store, kind, keys, object).await?;
    // Those first to which no other leads: what is broken off can still be reached.
    found.reverse();
    let free = |key: &str| -> Result<[Write; 2], Error> {
        let freed = item(store.keys.freed_object_key(kind, key, object), &Freed {})?;
        Ok([
            Write::put(freed.expires(until), Condition::Absent),
            Write::delete(store.keys.object(kind, key), Condition::Present),
        ])
    };
    for some in found.chunks(FREED_AT_ONCE) {
        let mut writes = Vec::new();
        for (key, _) in some {
            writes.extend(free(key)?);
        }
        if store.write_if_first(writes).await? {
            continue;
        }
        for (key, _) in some {
            // One that somebody else has freed is free.
            store.write_if_first(free(key)?.into()).await?;
        }
    }
    Ok(())
}

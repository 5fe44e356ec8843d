//! Keys of objects from outside: what they lead to, and how they are deleted with their object.

use chrono::TimeDelta;
use dacapo_engine::contact::{Contact, ObjectIdentity};
use dacapo_engine::ids::{ContactId, ObjectType};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::store::{Store, item, read};
use crate::table::{Condition, MOST_WRITES, Write};

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
    let (mut open, mut found) = (vec![key.clone()], Vec::<(String, StoredObjectKey)>::new());
    while let Some(key) = open.pop() {
        if found.iter().any(|(known, _)| *known == key) {
            continue;
        }
        let Some(stored) = store.get(&store.keys.object(kind, &key)).await? else { continue };
        let stored: StoredObjectKey = read(&stored)?;
        if stored.object == object.id {
            open.extend(stored.replaces.iter().cloned());
            found.push((key, stored));
        }
    }
    Ok(found)
}

/// The deletes of the keys that lead, or led, to an object, for the transaction that deletes it: at
/// most `room` of them. Where there are more, the others are deleted before, those first that were
/// replaced first, as long as the object is as it was read. `None` if it is not any more.
///
/// # Errors
///
/// What the table answers.
pub(crate) async fn delete_keys(
    store: &Store,
    object: &Contact,
    room: usize,
) -> Result<Option<Vec<Write>>, Error> {
    let Some(identity) = &object.object else { return Ok(Some(Vec::new())) };
    let place = |key: &str| store.keys.object(&identity.kind, key);
    let keys = keys_of(store, object).await?.into_iter();
    // Each is found by the one that took its place, which stands before it.
    let mut deletes: Vec<Write> =
        keys.map(|(key, _)| Write::delete(place(&key), Condition::Always)).collect();
    let is_unchanged = Write::check(store.keys.contact(&object.id), Condition::Rev(object.rev));
    while deletes.len() > room {
        let few = (deletes.len() - room).min(MOST_WRITES - 1);
        let mut writes = deletes.split_off(deletes.len() - few);
        writes.push(is_unchanged.clone());
        if !store.write_if_first(writes).await? {
            return Ok(None);
        }
    }
    Ok(Some(deletes))
}

/// How long it is known that a key was freed: longer than any call takes.
const FREED_KEPT: TimeDelta = TimeDelta::days(1);

/// Frees a key whose object is gone: it was left behind when the object was deleted. An object and
/// its key are made in one transaction and ids are never used again, so once its object is gone, a
/// key belongs to none. A key is freed of an object once: a later attempt finds that it was.
///
/// # Errors
///
/// What the table answers.
pub(crate) async fn free_key(
    store: &Store,
    kind: &ObjectType,
    key: &str,
    of: &ContactId,
) -> Result<(), Error> {
    let place = store.keys.object(kind, key);
    let Some(stored) = store.get(&place).await? else { return Ok(()) };
    if read::<StoredObjectKey>(&stored)?.object != *of {
        return Ok(());
    }
    let freed = item(store.keys.freed(&place, of), &serde_json::Map::new())?;
    let freed = freed.expires(store.now() + FREED_KEPT);
    let writes =
        vec![Write::delete(place, Condition::Present), Write::put(freed, Condition::Absent)];
    store.write_if_first(writes).await?;
    Ok(())
}

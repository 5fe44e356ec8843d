//! Keys of objects from outside: what they lead to, and how they are deleted with their object.

use dacapo_engine::contact::{Contact, ObjectIdentity};
use dacapo_engine::ids::ContactId;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::store::{Store, read};
use crate::table::{Condition, Write};

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

/// The deletes of all keys that lead, or led, to an object. They are made before the object is
/// deleted, or in the same transaction: the object is what leads to them.
///
/// # Errors
///
/// What the table answers.
pub(crate) async fn delete_keys(store: &Store, object: &Contact) -> Result<Vec<Write>, Error> {
    let Some(identity) = &object.object else { return Ok(Vec::new()) };
    let keys = keys_of(store, object).await?.into_iter();
    let place = |key: &str| store.keys.object(&identity.kind, key);
    Ok(keys.map(|(key, _)| Write::delete(place(&key), Condition::Always)).collect())
}

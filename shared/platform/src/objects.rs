//! Objects: things that belong to one contact each, such as appointments (R70).
//!
//! An object is stored as a contact is, in the partition of its person, with a `rev` and changes of
//! its own. Its key from outside is an item of its own, written in the transaction that makes the
//! object. The id never changes; a key may be replaced by another one, and the old key's item stays
//! and says so. An object and its contact are written in one transaction, however many of the two
//! are new.

mod telling;
mod upserting;

use std::collections::BTreeMap;
use std::sync::Arc;

use dacapo_engine::contact::{Contact, ObjectIdentity};
use dacapo_engine::ids::{ContactId, ObjectType};

use crate::catalog::CatalogStore;
use crate::contacts::{Contacts, WriteError, Written, read_contact};
use crate::erasure::Erasure;
use crate::error::Error;
use crate::keys::{OBJECT, SHARDS};
use crate::object_keys::StoredObjectKey;
use crate::store::{Store, read};
use crate::table::{Query, Range};

pub use upserting::{ObjectWrite, PersonWrite, ToldBy};

/// The most objects that a contact has.
pub const MOST_OBJECTS: usize = 1_000;

/// The longest key of an object, in bytes.
pub const LONGEST_OBJECT_KEY: usize = 1_024;

/// An object that was found by a key.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundObject {
    /// The object, under its present key.
    pub object: Contact,
    /// The key that took the place of the one that was asked for, if any did.
    pub replaced_by: Option<String>,
}

/// What was written: an object, and its person if that was written with it.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectWritten {
    /// The object.
    pub object: Written,
    /// The person; unchanged if only the object was written.
    pub person: Written,
    /// Whether its sender had told something later before, so that only what that left open was
    /// written.
    pub late: bool,
}

/// Makes the writes that go into one transaction with an object's.
pub type WithObject<'a> =
    &'a (dyn Fn(&ObjectWritten) -> Result<Vec<crate::table::Write>, Error> + Sync);

/// Why an object was not written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ObjectError {
    /// There is none of this key, and it was not said whose it is to be.
    #[error("there is no such object yet; say whose it is: send `contact` with an `email`")]
    NoContact,
    /// It belongs to another contact, for ever.
    #[error(
        "the object belongs to the contact {owner}, and an object never changes its contact; send \
         the e-mail address of that contact, leave `contact` out, or take another key"
    )]
    OfAnother {
        /// Whose it is.
        owner: ContactId,
    },
    /// Another key took the place of this one.
    #[error("the key was replaced: the object goes on as `{by}`; send that key")]
    Replaced {
        /// The key that did.
        by: String,
    },
    /// Both keys have an object of their own.
    #[error(
        "there is an object of this key and one of the key `{replaces}`; one cannot replace the \
         other: delete one of the two, or leave `replaces` out"
    )]
    BothThere {
        /// The key that was to be replaced.
        replaces: String,
    },
    /// The contact has as many as it may have.
    #[error(
        "a contact has at most {MOST_OBJECTS} objects; DELETE /v1/objects/{{type}}/{{key}} takes \
         away one that is over"
    )]
    TooMany,
    /// The contact, or the object, cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<Error> for ObjectError {
    fn from(error: Error) -> Self {
        Self::Write(WriteError::Failed(error))
    }
}

/// The objects of the account, found and written.
pub struct Objects {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) contacts: Arc<Contacts>,
    pub(crate) erasure: Arc<Erasure>,
}

impl Objects {
    /// The object of a key, also by a key that was replaced.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn find(&self, kind: &ObjectType, key: &str) -> Result<Option<FoundObject>, Error> {
        let Some(stored) = self.key(kind, key).await? else { return Ok(None) };
        let object = self.contacts.get(&stored.object).await?;
        let StoredObjectKey { replaced_by, .. } = stored;
        Ok(object.map(|object| FoundObject { object, replaced_by }))
    }

    /// What a key leads to.
    pub(crate) async fn key(
        &self,
        kind: &ObjectType,
        key: &str,
    ) -> Result<Option<StoredObjectKey>, Error> {
        let stored = self.store.get(&self.store.keys.object(kind, key)).await?;
        stored.map(|item| read(&item)).transpose()
    }

    /// All objects of a contact, by type and in the order in which they were made.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn all_of_contact(&self, person: &ContactId) -> Result<Vec<Contact>, Error> {
        let partition = self.store.keys.contact_partition(person);
        let query = Query::of(&partition).prefix(OBJECT).limit(MOST_OBJECTS).strong();
        self.store.all(query).await?.iter().map(read_contact).collect()
    }

    /// What identifies each of a contact's objects, those that were deleted included.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub(crate) async fn names(
        &self,
        person: &ContactId,
    ) -> Result<BTreeMap<ContactId, ObjectIdentity>, Error> {
        let mut names: BTreeMap<_, _> = self.erasure.names_of_deleted(person).await?;
        for object in self.all_of_contact(person).await? {
            names.extend(object.object.map(|identity| (object.id, *identity)));
        }
        Ok(names)
    }

    /// Deletes an object, which may be named by a key that was replaced. `true` if there was one.
    /// What happened to it, and what was sent about it, stays in its person's history.
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

    /// The ids of objects of a type in a shard behind one of them, as the lists show them, in
    /// order.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub(crate) async fn listed(
        &self,
        kind: &ObjectType,
        shard: u32,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<ContactId>, Error> {
        let partition = self.store.keys.objects_listed(kind, shard % SHARDS);
        let mut query = Query::of(&partition).limit(most + 1);
        if let Some(after) = after {
            query.range = Range::From(after);
        }
        let page = self.store.table.query_index(query).await?;
        let behind = page.items.into_iter().map(|(place, _)| place.sk);
        let behind = behind.filter(|id| Some(id.as_str()) != after).take(most);
        Ok(behind.filter_map(|id| ContactId::new(id).ok()).collect())
    }

    /// Whether a contact has as many objects as it may have.
    async fn is_full(&self, person: &ContactId) -> Result<bool, Error> {
        let partition = self.store.keys.contact_partition(person);
        let mut pages = self.store.pages(Query::of(&partition).prefix(OBJECT).strong());
        let mut count = 0;
        while count < MOST_OBJECTS
            && let Some(page) = pages.next_page().await?
        {
            count += page.len();
        }
        Ok(count >= MOST_OBJECTS)
    }
}

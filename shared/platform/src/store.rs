//! The table, with what every write needs: keys, the time, and entropy.
//!
//! It promises that reads by key are strong, that a write of which another writer was first writes
//! nothing, and that a writer recognises its own write if the answer to it was lost (`is_own`). How
//! often a caller tries again is said here once (`TRIES`).

use std::sync::Arc;

use dacapo_engine::ids::ContactId;

use crate::Instant;
use crate::error::Error;
use crate::keys::Keys;
use crate::last_id::LastId;
use crate::ports::{Clock, Entropy};
use crate::table::{Body, Consistency, Item, Key, Query, Table, TableError, Write};

/// How long history is kept.
pub(crate) const HISTORY_KEPT: chrono::TimeDelta = chrono::TimeDelta::days(2 * 365);

/// How often a write that lost a race is tried again.
pub(crate) const TRIES: u32 = 16;

/// The table of one account.
pub struct Store {
    /// The table.
    pub table: Arc<dyn Table>,
    /// The keys.
    pub keys: Keys,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Entropy.
    pub entropy: Arc<dyn Entropy>,
    pub(crate) last_id: Arc<LastId>,
}

impl Store {
    /// Now.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// A new contact's id.
    pub(crate) fn new_contact_id(&self) -> ContactId {
        self.last_id.next(self.now(), &*self.entropy)
    }

    /// An identity for a write: it shows that a write was made whose answer was lost.
    pub(crate) fn new_write_id(&self) -> String {
        self.entropy.text(8)
    }

    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Item>, TableError> {
        self.table.get(key, Consistency::Strong).await
    }

    pub(crate) async fn write(&self, writes: Vec<Write>) -> Result<(), TableError> {
        self.table.write(writes, None).await
    }

    /// Writes, unless another writer committed first: then nothing is written, and it answers
    /// `false`.
    pub(crate) async fn write_if_first(&self, writes: Vec<Write>) -> Result<bool, Error> {
        match self.write(writes).await {
            Ok(()) => Ok(true),
            Err(TableError::Conflict { .. } | TableError::Contended) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// What a query finds, a page at a time.
    pub(crate) fn pages<'a>(&'a self, query: Query<'a>) -> Pages<'a> {
        Pages { table: &*self.table, next: Some(query) }
    }

    /// All that a query finds: for what is never more than one process holds with ease.
    pub(crate) async fn all(&self, query: Query<'_>) -> Result<Vec<Item>, Error> {
        let (mut pages, mut items) = (self.pages(query), Vec::new());
        while let Some(page) = pages.next_page().await? {
            items.extend(page);
        }
        Ok(items)
    }
}

/// The pages of a query that have not been read yet.
pub(crate) struct Pages<'a> {
    table: &'a dyn Table,
    next: Option<Query<'a>>,
}

impl Pages<'_> {
    /// The items of the next page; `None` after the last one. A page may be empty.
    pub(crate) async fn next_page(&mut self) -> Result<Option<Vec<Item>>, Error> {
        let Some(query) = self.next.take() else { return Ok(None) };
        let page = self.table.query(query.clone()).await?;
        self.next = page.cursor.map(|cursor| query.after(Some(cursor)));
        Ok(Some(page.items))
    }
}

/// Whether the caller's own earlier write, whose answer was lost, is why a write was refused: the
/// write ids are equal then.
pub(crate) fn is_own(current: Option<&Item>, write_id: &str) -> bool {
    current.and_then(write_id_of).is_some_and(|written| written == write_id)
}

/// The identity of the write that an item came from.
pub(crate) fn write_id_of(item: &Item) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Written {
        w: String,
    }
    item.body.read::<Written>().ok().map(|written| written.w)
}

/// Reads a stored body.
pub(crate) fn read<T: serde::de::DeserializeOwned>(item: &Item) -> Result<T, Error> {
    Ok(item.body.read()?)
}

/// An item without anything but its body.
pub(crate) fn item<T: serde::Serialize>(key: Key, value: &T) -> Result<Item, Error> {
    Ok(Item::new(key, Body::of(value)?))
}

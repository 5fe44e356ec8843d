//! The table port: everything that is stored goes through these few methods.
//!
//! It promises what DynamoDB promises and nothing more, so that what works on SQLite works in the
//! cloud. The contract suite in `tests` tests every sentence here.
//!
//! - Keys are ordered bytewise. A page holds at most [`LARGEST_PAGE`] bytes of items.
//! - A strong read sees every acknowledged write. An eventual read, and every read of the index,
//!   may see an older state for a while, item by item: it may lead to a conditional write, never to
//!   the conclusion that nothing is to be done.
//! - A write of one item is a plain one. Several are one transaction: all or nothing, at most
//!   [`MOST_WRITES`] different items and [`LARGEST_TRANSACTION`] bytes.
//! - A failed condition returns the item as it is. A caller that puts an identity of its own into
//!   the body recognises by it that an earlier attempt, whose answer was lost, succeeded.
//! - An item past its expiry may stay readable until it is deleted, in the cloud for days.

mod body;
mod bounds;
mod error;
mod query;
mod size;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use body::{Body, RESERVED, Unreadable, Unwritable};
pub use bounds::{
    LARGEST_ITEM, LARGEST_PAGE, LARGEST_TRANSACTION, LONGEST_PK, LONGEST_SK, LONGEST_TOKEN,
    MOST_WRITES, check, check_item, check_key, check_query, check_token,
};
pub use error::TableError;
pub use query::{Consistency, Cursor, Direction, Query, QueryPage, Range};
pub use size::{DEEPEST, is_native_number, size, size_at_most};

use crate::Instant;

/// The store of items.
#[async_trait]
pub trait Table: Send + Sync {
    /// One item, or `None` if there is none.
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, TableError>;

    /// A strong read of an item that the caller knows as of revision `rev`, 0 if as absent. A store
    /// that has it in memory need not return it again.
    async fn get_since(&self, key: &Key, rev: u64) -> Result<Since, TableError> {
        Ok(Since::of(self.get(key, Consistency::Strong).await?, rev))
    }

    /// Whether each call is a request to a service elsewhere: then one query is preferred to two
    /// reads. A store in this process may answer reads of items from memory.
    fn is_remote(&self) -> bool {
        false
    }

    /// Many items, in the order of `keys`; a key may be there twice. Each item is read by itself:
    /// together they are no snapshot.
    async fn get_many(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError>;

    /// Items of one partition in the order of their sort keys, a page at a time.
    ///
    /// Only a page without a cursor is the last; one with a cursor may be followed by an empty one.
    async fn query(&self, query: Query<'_>) -> Result<QueryPage<Item>, TableError>;

    /// Index keys of one partition of the index, each with the key of its item, ordered by the
    /// index's sort key. Items of the same index key come in no reliable order.
    ///
    /// The index is always eventual: a strong read of it is [`TableError::Invalid`].
    async fn query_index(&self, query: Query<'_>) -> Result<QueryPage<(Key, Key)>, TableError>;

    /// Applies all the writes, or none of them with the reason. An empty list does nothing.
    ///
    /// `token` names a transaction, at most [`LONGEST_TOKEN`] bytes: the same writes again with the
    /// same token, within minutes, succeed without being applied twice. A plain write ignores it.
    /// It is for the retries of one caller, and no lasting identity.
    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError>;
}

#[async_trait]
impl<T: Table + ?Sized> Table for Arc<T> {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, TableError> {
        (**self).get(key, consistency).await
    }

    async fn get_since(&self, key: &Key, rev: u64) -> Result<Since, TableError> {
        (**self).get_since(key, rev).await
    }

    fn is_remote(&self) -> bool {
        (**self).is_remote()
    }

    async fn get_many(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError> {
        (**self).get_many(keys, consistency).await
    }

    async fn query(&self, query: Query<'_>) -> Result<QueryPage<Item>, TableError> {
        (**self).query(query).await
    }

    async fn query_index(&self, query: Query<'_>) -> Result<QueryPage<(Key, Key)>, TableError> {
        (**self).query_index(query).await
    }

    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError> {
        (**self).write(writes, token).await
    }
}

/// The key of an item: partition and sort key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition key, 1 to [`LONGEST_PK`] bytes.
    pub pk: String,
    /// The sort key within the partition, 1 to [`LONGEST_SK`] bytes.
    pub sk: String,
}

impl Key {
    /// The key of these two parts.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pk, self.sk)
    }
}

/// An item: what is stored under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its key.
    pub key: Key,
    /// The number of its revision, for items that are written under a condition on it.
    pub rev: Option<u64>,
    /// Its place in the index, if it has one.
    pub index: Option<Key>,
    /// When it may be deleted. Kept in whole seconds, rounded up.
    pub expires: Option<Instant>,
    /// Its content.
    pub body: Body,
}

impl Item {
    /// An item with nothing but a key and a body.
    #[must_use]
    pub fn new(key: Key, body: Body) -> Self {
        Self { key, rev: None, index: None, expires: None, body }
    }

    /// The same with this revision.
    #[must_use]
    pub fn rev(mut self, rev: u64) -> Self {
        self.rev = Some(rev);
        self
    }

    /// The same, listed in the index.
    #[must_use]
    pub fn index(mut self, index: Key) -> Self {
        self.index = Some(index);
        self
    }

    /// The same, to be deleted at an instant.
    #[must_use]
    pub fn expires(mut self, at: Instant) -> Self {
        self.expires = Some(at);
        self
    }
}

/// The answer of [`Table::get_since`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// The item has the revision that the caller knows.
    Same,
    /// The item as it is; `None` if there is none.
    Now(Option<Item>),
}

impl Since {
    /// The answer to a caller that knows `rev`.
    #[must_use]
    pub fn of(item: Option<Item>, rev: u64) -> Self {
        if Self::is_same(item.as_ref(), rev) { Self::Same } else { Self::Now(item) }
    }

    /// Whether the item has that revision.
    #[must_use]
    pub fn is_same(item: Option<&Item>, rev: u64) -> bool {
        item.and_then(|item| item.rev).unwrap_or(0) == rev
    }
}

/// The condition on the existing item under which a write happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Always,
    /// There is no such item.
    Absent,
    /// There is one.
    Present,
    /// There is one, of this revision.
    Rev(u64),
}

impl Condition {
    /// Whether it holds for the existing item.
    #[must_use]
    pub fn holds(self, current: Option<&Item>) -> bool {
        match self {
            Self::Always => true,
            Self::Absent => current.is_none(),
            Self::Present => current.is_some(),
            Self::Rev(rev) => current.is_some_and(|item| item.rev == Some(rev)),
        }
    }
}

/// One change of one item.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Stores the item, and replaces the one that may be there.
    Put {
        /// All of it.
        item: Item,
        /// The condition.
        condition: Condition,
    },
    /// Deletes the item. If it is not there, that is no error.
    Delete {
        /// The item.
        key: Key,
        /// The condition.
        condition: Condition,
    },
    /// Changes nothing: the condition must hold at the instant at which the others are applied.
    Check {
        /// The item.
        key: Key,
        /// The condition; [`Condition::Always`] is [`TableError::Invalid`].
        condition: Condition,
    },
    /// Adds to whole numbers among the top-level members of the body. A missing item, or a missing
    /// number in it, counts as zero and is created. Revision and expiry stay as they are.
    Add {
        /// The item.
        key: Key,
        /// Its place in the index from now on; `None` leaves that as it is.
        index: Option<Key>,
        /// The number to add, for each member.
        counters: BTreeMap<String, i64>,
    },
}

impl Write {
    /// A put.
    #[must_use]
    pub fn put(item: Item, condition: Condition) -> Self {
        Self::Put { item, condition }
    }

    /// A put of the next revision of an item, on condition that it still has the one before; the
    /// first one is put where there is none.
    #[must_use]
    pub fn next(item: Item) -> Self {
        let condition = match item.rev {
            None | Some(0 | 1) => Condition::Absent,
            Some(rev) => Condition::Rev(rev - 1),
        };
        Self::Put { item, condition }
    }

    /// A delete.
    #[must_use]
    pub fn delete(key: Key, condition: Condition) -> Self {
        Self::Delete { key, condition }
    }

    /// A check.
    #[must_use]
    pub fn check(key: Key, condition: Condition) -> Self {
        Self::Check { key, condition }
    }

    /// The item that it is about.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { item, .. } => &item.key,
            Self::Delete { key, .. } | Self::Check { key, .. } | Self::Add { key, .. } => key,
        }
    }

    /// The condition.
    #[must_use]
    pub fn condition(&self) -> Condition {
        match self {
            Self::Put { condition, .. }
            | Self::Delete { condition, .. }
            | Self::Check { condition, .. } => *condition,
            Self::Add { .. } => Condition::Always,
        }
    }
}

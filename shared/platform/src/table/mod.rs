//! The table port: everything that is stored goes through these few verbs.
//!
//! It promises what DynamoDB promises and nothing more, so that what holds on SQLite holds in the
//! cloud. The contract suite in `tests` pins every sentence here.
//!
//! - Keys are ordered bytewise. A page holds at most [`LARGEST_PAGE`] bytes of items.
//! - A strong read sees every acknowledged write. An eventual read, and every read of the index,
//!   may see an older state for a while, item by item: it may lead to a conditional write, never to
//!   the conclusion that nothing is to be done.
//! - A write of one item is a plain one. Several are one transaction: all or nothing, at most
//!   [`MOST_WRITES`] different items and [`LARGEST_TRANSACTION`] bytes.
//! - A condition that failed returns the item as it stands. A caller who puts an identity of its
//!   own into the body recognises by it that an earlier attempt, whose answer was lost, succeeded.
//! - An item past its expiry may stay readable until it is swept, in the cloud for days.

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
pub use query::{Consistency, Cursor, Order, Page, Query, Range};
pub use size::{DEEPEST, is_native_number, size, size_at_most};

use crate::Instant;

/// Where items are kept.
#[async_trait]
pub trait Table: Send + Sync {
    /// One item, or `None` where there is none.
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, TableError>;

    /// A strong read of an item that the caller knows as of revision `rev`, 0 if as absent: a store
    /// that has it in memory need not hand it over again.
    async fn get_since(&self, key: &Key, rev: u64) -> Result<Since, TableError> {
        Ok(Since::of(self.get(key, Consistency::Strong).await?, rev))
    }

    /// Whether a page of a few small items takes less than to get two of them one by one.
    fn reads_pages_cheaply(&self) -> bool {
        false
    }

    /// Many items, answered in the order of `keys`; a key may stand there twice. Each item is read
    /// for itself: together they are no snapshot.
    async fn get_many(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError>;

    /// Items of one partition in the order of their sort keys, a page at a time.
    ///
    /// Only a page without a cursor is the last; one with a cursor may be followed by an empty one.
    async fn query(&self, query: Query<'_>) -> Result<Page<Item>, TableError>;

    /// Index keys of one partition of the index, each with the key of its item, ordered by the
    /// index's sort key; items of the same index key come in no order one may rely on.
    ///
    /// The index is always eventual: asking it for a strong read is [`TableError::Invalid`].
    async fn query_index(&self, query: Query<'_>) -> Result<Page<(Key, Key)>, TableError>;

    /// Applies all the writes, or none of them and says why. No writes are no work.
    ///
    /// `token` names a transaction, at most [`LONGEST_TOKEN`] bytes: the same writes again with the
    /// same token, within minutes, succeed without being applied twice. A plain write ignores it.
    /// It bridges the retries of one caller; it is no lasting identity.
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

    fn reads_pages_cheaply(&self) -> bool {
        (**self).reads_pages_cheaply()
    }

    async fn get_many(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError> {
        (**self).get_many(keys, consistency).await
    }

    async fn query(&self, query: Query<'_>) -> Result<Page<Item>, TableError> {
        (**self).query(query).await
    }

    async fn query_index(&self, query: Query<'_>) -> Result<Page<(Key, Key)>, TableError> {
        (**self).query_index(query).await
    }

    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError> {
        (**self).write(writes, token).await
    }
}

/// What an item is found by: partition and sort key.
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

/// What is stored under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it is stored.
    pub key: Key,
    /// The number of its revision, for those that are written on condition of it.
    pub rev: Option<u64>,
    /// Where it stands in the index, if it does.
    pub index: Option<Key>,
    /// When it may be swept away. Kept in whole seconds; a fraction counts as a full one.
    pub expires: Option<Instant>,
    /// What it says.
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

    /// The same, to be swept away at an instant.
    #[must_use]
    pub fn expires(mut self, at: Instant) -> Self {
        self.expires = Some(at);
        self
    }
}

/// What [`Table::get_since`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// The item is of the revision that the caller knows.
    Same,
    /// As it stands now; `None` where there is none.
    Now(Option<Item>),
}

impl Since {
    /// What is to be answered to a caller who knows `rev`.
    #[must_use]
    pub fn of(item: Option<Item>, rev: u64) -> Self {
        if Self::is_same(item.as_ref(), rev) { Self::Same } else { Self::Now(item) }
    }

    /// Whether the item is of that revision.
    #[must_use]
    pub fn is_same(item: Option<&Item>, rev: u64) -> bool {
        item.and_then(|item| item.rev).unwrap_or(0) == rev
    }
}

/// What must hold of the item as it stands for a write to happen.
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
    /// Whether it holds of what stands there.
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
    /// Stores the item, in the place of one that may be there.
    Put {
        /// All of it.
        item: Item,
        /// What must hold before.
        condition: Condition,
    },
    /// Removes the item; one that isn't there is removed already.
    Delete {
        /// Which.
        key: Key,
        /// What must hold before.
        condition: Condition,
    },
    /// Changes nothing: the condition must hold at the instant at which the others are applied.
    Check {
        /// Which.
        key: Key,
        /// What must hold; [`Condition::Always`] is [`TableError::Invalid`].
        condition: Condition,
    },
    /// Adds to whole numbers at the top of the body. An item, or a number in it, that isn't there
    /// counts as zero and is made. The revision and the expiry stay as they are.
    Add {
        /// Which.
        key: Key,
        /// Where it stands in the index from now on; `None` leaves that as it is.
        index: Option<Key>,
        /// What to add to which member.
        counters: BTreeMap<String, i64>,
    },
}

impl Write {
    /// A put.
    #[must_use]
    pub fn put(item: Item, condition: Condition) -> Self {
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

    /// What must hold before it.
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

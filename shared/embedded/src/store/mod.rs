//! The table, its feed, the timers and the queues in one SQLite file.
//!
//! What it promises:
//!
//! - What was acknowledged survives `kill -9`. What was written through the table itself
//!   ([`SqliteStore`]) is on disk and survives a loss of power too. What was committed by
//!   [`SqliteStore::commit`] or written through [`Derived`] may be lost with the power, from the
//!   latest backwards, never with a gap.
//! - Table writes, timers, queue messages and checkpoints that are committed together are there
//!   together or not at all ([`SqliteStore::commit`]).
//! - One writer thread makes every change, in order of arrival. It commits everything that waits in
//!   one SQLite transaction, and does not wait for the disk: other threads do (`flush`,
//!   `wal_checkpoint`).
//! - Reads see every acknowledged commit. They take microseconds and are made on the caller's
//!   thread; recent items are answered from memory (`cache`).
//! - The store reads no clock: instants are arguments.
//!
//! It is as strict as the table port demands, with one exception that a consumer must not rely on:
//! eventual reads are strong here.

mod apply;
mod cache;
mod feed;
mod flush;
mod identity;
mod pages;
mod queue;
mod rows;
mod schema;
mod scrub;
mod timers;
mod wal_checkpoint;
mod work;
mod writer;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, TryLockError as Taken};

use async_trait::async_trait;
use dacapo_platform::Instant;
use dacapo_platform::table::{
    Body, Consistency, Item, Key, Query, QueryPage, Since, Table, TableError, Write, check,
    check_key, check_query, check_token,
};
use rusqlite::Connection;
use tokio::sync::watch;

pub use feed::Change;
pub use timers::Timer;
pub use work::ReceivedMessage;

use cache::{CachedItem, ItemCache};
use flush::Flusher;
use wal_checkpoint::Checkpointer;
use work::{Durability, UnitOfWork, UnitResult};
use writer::Writer;

/// The store's file in its directory.
const FILE: &str = "dacapo.db";
/// SQLite's log beside it.
const LOG: &str = "dacapo.db-wal";
/// The file whose lock shows that a process has the directory open.
const LOCK: &str = "dacapo.lock";
/// Connections for reading; more would wait for the cores, not for each other.
const READERS: usize = 4;

/// Everything that the embedded engine stores.
pub struct SqliteStore {
    readers: Vec<Arc<Mutex<Connection>>>,
    cache: Arc<ItemCache>,
    writer: Writer,
    /// The store's file, for flushing it. Closing it releases SQLite's locks on the file for the
    /// whole process, so it is closed last.
    _file: Option<Arc<File>>,
    /// Held as long as the store is open. The system releases it, however the process ends.
    _lock: Option<File>,
}

/// One part of a commit: see [`SqliteStore::commit`].
#[derive(Debug, Clone)]
pub enum Operation {
    /// A write to the table.
    Write(Write),
    /// Sets a timer; one of the same name is replaced.
    Schedule(Timer),
    /// Removes the timer of this name, if there is one.
    Cancel(String),
    /// Puts a message at the end of a queue.
    Send {
        /// Which queue; a queue is made by being named.
        queue: String,
        /// From when on it is visible.
        visible_at: Instant,
        /// Its content.
        body: Body,
    },
    /// Removes a message permanently. Removing it again has no effect.
    Remove {
        /// Its number.
        id: i64,
    },
    /// Hides a message until later. This does not count as an attempt.
    Defer {
        /// Its number.
        id: i64,
        /// From when on it is visible again.
        visible_at: Instant,
    },
    /// Puts back a message that was received with a lease, as if it had not been: hidden until
    /// then, and no attempt.
    PutBack {
        /// Its number.
        id: i64,
        /// From when on it is visible again.
        visible_at: Instant,
    },
    /// Notes that a consumer of the feed has done everything up to a change. A checkpoint never
    /// falls, so `seq: 0` registers a new consumer and has no effect on a known one.
    Checkpoint {
        /// The consumer.
        consumer: String,
        /// The number of the last change that it has done.
        seq: i64,
    },
    /// Keeps a text under a name.
    SetMeta {
        /// The name.
        name: String,
        /// The text.
        value: String,
    },
}

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process, or another store in this one, has it open.
    #[error("`{}` is in use by another process; stop that one first or choose another \
             directory", .0.display())]
    InUse(PathBuf),
    /// The directory can't be made or written.
    #[error("`{}` can't be used: {source}", .directory.display())]
    Directory {
        /// The path.
        directory: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is not a store of Dacapo, and is left unchanged.
    #[error("`{}` {why}", .file.display())]
    Foreign {
        /// The path.
        file: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// It was written by another version of the program.
    #[error("the store has schema {found}, this program knows {known}")]
    Schema {
        /// The version of the file.
        found: String,
        /// The version of this program.
        known: &'static str,
    },
    /// SQLite refused.
    #[error("the store can't be opened: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl SqliteStore {
    /// Opens the store in a directory, which is created if needed; `None` keeps it in memory.
    ///
    /// The feed holds the changes of the items whose keys pass `feed_filter`.
    pub fn open(
        directory: Option<&Path>,
        feed_filter: fn(&Key) -> bool,
    ) -> Result<Arc<Self>, StoreError> {
        let cache = Arc::new(ItemCache::default());
        let Some(directory) = directory else {
            let connection = Arc::new(Mutex::new(schema::prepare(Connection::open_in_memory()?)?));
            let (connection_, cache_) = (Arc::clone(&connection), Arc::clone(&cache));
            let writer =
                Writer::start(connection_, cache_, (Flusher::start(None), None), feed_filter);
            let readers = vec![connection];
            return Ok(Arc::new(Self { readers, cache, writer, _file: None, _lock: None }));
        };
        let unusable = |source| StoreError::Directory { directory: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(unusable)?;
        let lock =
            File::options().create(true).truncate(false).write(true).open(directory.join(LOCK));
        let lock = lock.map_err(unusable)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::InUse(directory.to_owned()),
            TryLockError::Error(source) => unusable(source),
        })?;
        let file = directory.join(FILE);
        identity::made_or_ours(directory, &file)?;
        let connection = schema::prepare(Connection::open(&file)?)?;
        let readers = (0..READERS)
            .map(|_| Ok(Arc::new(Mutex::new(schema::open_reader(&file)?))))
            .collect::<Result<_, rusqlite::Error>>()?;
        let connection = Arc::new(Mutex::new(connection));
        let opened = Arc::new(File::options().write(true).open(&file).map_err(unusable)?);
        let checkpointer = Checkpointer::start(&file, Arc::clone(&opened))?;
        let threads = (Flusher::start(Some(directory.join(LOG))), Some(checkpointer));
        let writer = Writer::start(connection, Arc::clone(&cache), threads, feed_filter);
        Ok(Arc::new(Self { readers, cache, writer, _file: Some(opened), _lock: Some(lock) }))
    }

    /// Commits all of these, or none of them.
    ///
    /// The table writes among them are held to the bounds of one transaction, and all conditions
    /// are checked before any of it is applied; `which` of a conflict counts the table writes only.
    /// Once this is called, the commit goes on even if the caller drops the future.
    pub async fn commit(&self, operations: Vec<Operation>) -> Result<(), TableError> {
        self.commit_once(operations, None, Durability::Process).await
    }

    /// Counts the commits. Wait for a change of it instead of polling for new work.
    #[must_use]
    pub fn commit_notifier(&self) -> watch::Receiver<u64> {
        self.writer.commits()
    }

    /// The text kept under a name.
    pub fn meta(&self, name: &str) -> Result<Option<String>, TableError> {
        self.read(|connection| rows::meta(connection, name))
    }

    /// Deletes what expired at or before an instant, some at a time. Answers how many, so that the
    /// caller goes on until there are none. The feed has these deletes like any other.
    pub async fn delete_expired(&self, now: Instant) -> Result<usize, TableError> {
        match self.writer.run(UnitOfWork::DeleteExpired { now }, Durability::Process).await? {
            UnitResult::Count(swept) => Ok(swept),
            UnitResult::Committed | UnitResult::Received(_) => Ok(0),
        }
    }

    async fn write_as(
        &self,
        writes: Vec<Write>,
        token: Option<&str>,
        durability: Durability,
    ) -> Result<(), TableError> {
        token.map_or(Ok(()), check_token)?;
        // A plain write has no token in DynamoDB either.
        let token = token.filter(|_| writes.len() > 1).map(str::to_owned);
        let operations = writes.into_iter().map(Operation::Write).collect();
        self.commit_once(operations, token, durability).await
    }

    async fn commit_once(
        &self,
        operations: Vec<Operation>,
        token: Option<String>,
        durability: Durability,
    ) -> Result<(), TableError> {
        check(table_writes(&operations))?;
        if operations.is_empty() {
            return Ok(());
        }
        self.writer.run(UnitOfWork::Commit { operations, token }, durability).await.map(|_| ())
    }

    /// One item as it is.
    fn item(&self, key: &Key) -> Result<Option<Item>, TableError> {
        let ticket = match self.cache.look_up(key) {
            CachedItem::Item(item) => return Ok(Some(Arc::unwrap_or_clone(item))),
            CachedItem::Unknown(ticket) => ticket,
        };
        let item = self.read(|connection| rows::get(connection, key))?;
        if let Some(item) = &item {
            self.cache.keep(&ticket, item);
        }
        Ok(item)
    }

    /// Items as they are. Those that have to be read are read in one transaction, so that SQLite
    /// keeps the pages that lead to them.
    fn items(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, TableError> {
        let mut items = Vec::with_capacity(keys.len());
        let mut unknown = Vec::new();
        for key in keys {
            items.push(match self.cache.look_up(key) {
                CachedItem::Item(item) => Some(Arc::unwrap_or_clone(item)),
                CachedItem::Unknown(ticket) => {
                    unknown.push((items.len(), ticket));
                    None
                }
            });
        }
        if unknown.is_empty() {
            return Ok(items);
        }
        self.read(|connection| {
            let transaction = connection.unchecked_transaction()?;
            for (at, ticket) in &unknown {
                items[*at] = rows::get(&transaction, &keys[*at])?;
                if let Some(item) = &items[*at] {
                    self.cache.keep(ticket, item);
                }
            }
            Ok(())
        })?;
        Ok(items)
    }

    /// Reads on the first free connection. The fewer are in use, the more each has in its cache.
    fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, TableError> {
        let free = self.readers.iter().find_map(|reader| match reader.try_lock() {
            Ok(connection) => Some(connection),
            // A connection holds no state between reads that a panic could have left half done.
            Err(Taken::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(Taken::WouldBlock) => None,
        });
        let connection =
            free.unwrap_or_else(|| self.readers[0].lock().unwrap_or_else(PoisonError::into_inner));
        query(&connection).map_err(|error| writer::told(&error))
    }
}

/// The table writes among operations, in their order.
fn table_writes(operations: &[Operation]) -> impl Iterator<Item = &Write> {
    operations.iter().filter_map(|operation| match operation {
        Operation::Write(write) => Some(write),
        _ => None,
    })
}

#[async_trait]
impl Table for SqliteStore {
    async fn get(&self, key: &Key, _: Consistency) -> Result<Option<Item>, TableError> {
        check_key(key)?;
        self.item(key)
    }

    async fn get_since(&self, key: &Key, rev: u64) -> Result<Since, TableError> {
        check_key(key)?;
        if let CachedItem::Item(item) = self.cache.look_up(key)
            && Since::is_same(Some(&item), rev)
        {
            return Ok(Since::Same);
        }
        Ok(Since::of(self.item(key)?, rev))
    }

    async fn get_many(
        &self,
        keys: &[Key],
        _: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError> {
        keys.iter().try_for_each(check_key)?;
        self.items(keys)
    }

    async fn query(&self, query: Query<'_>) -> Result<QueryPage<Item>, TableError> {
        check_query(&query, false)?;
        let from = pages::PageStart::of_items(&query)?;
        self.read(|connection| pages::items(connection, &query, from.as_ref()))
    }

    async fn query_index(&self, query: Query<'_>) -> Result<QueryPage<(Key, Key)>, TableError> {
        check_query(&query, true)?;
        let from = pages::PageStart::of_index(&query)?;
        self.read(|connection| pages::index(connection, &query, from.as_ref()))
    }

    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError> {
        self.write_as(writes, token, Durability::Power).await
    }
}

/// The same table for the worker. What it writes follows from what is stored, and is not
/// acknowledged to callers outside. After a loss of power the store is as it was at an earlier
/// moment, and the worker does the rest again. So it need not wait for the disk.
pub struct Derived(pub Arc<SqliteStore>);

#[async_trait]
impl Table for Derived {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, TableError> {
        self.0.get(key, consistency).await
    }

    async fn get_since(&self, key: &Key, rev: u64) -> Result<Since, TableError> {
        self.0.get_since(key, rev).await
    }

    async fn get_many(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError> {
        self.0.get_many(keys, consistency).await
    }

    async fn query(&self, query: Query<'_>) -> Result<QueryPage<Item>, TableError> {
        self.0.query(query).await
    }

    async fn query_index(&self, query: Query<'_>) -> Result<QueryPage<(Key, Key)>, TableError> {
        self.0.query_index(query).await
    }

    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError> {
        self.0.write_as(writes, token, Durability::Process).await
    }
}

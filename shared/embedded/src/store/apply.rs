//! What the writer does for one unit of work, inside the SQLite transaction of its group.
//!
//! All conditions of a unit are checked before any of it is applied: a refused one has changed
//! nothing, and the group goes on without it. So no unit needs a savepoint.

use std::sync::Arc;

use dacapo_platform::Instant;
use dacapo_platform::table::{Body, Condition, Item, Key, RESERVED, TableError, Write, check_item};
use foldhash::HashMap;
use rusqlite::{Connection, params};
use serde_json::{Map, Value};

use super::cache::{CachedItem, ItemCache};
use super::{Operation, feed, queue, rows, timers};

/// The most expired items that are deleted at once, so that other work does not wait long.
const EXPIRED_AT_ONCE: i64 = 500;

/// Why a unit wasn't applied.
pub(super) enum UnitError {
    /// It can't be; nothing of it was applied.
    Refused(TableError),
    /// SQLite failed, perhaps when half of it was done.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for UnitError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<TableError> for UnitError {
    fn from(error: TableError) -> Self {
        Self::Refused(error)
    }
}

/// The result for one item.
struct ItemChange<'a> {
    key: &'a Key,
    /// The item as it is, where the feed or the condition needs it.
    old: Option<Arc<Item>>,
    outcome: ItemOutcome,
}

enum ItemOutcome {
    Stored(Arc<Item>),
    Deleted,
    Untouched,
}

/// The SQLite transaction of a group, and the items that it has changed so far.
pub(super) struct Group<'a> {
    connection: &'a Connection,
    cache: &'a ItemCache,
    in_feed: fn(&Key) -> bool,
    /// Items as they will be; `None` for those that will be gone.
    pub(super) items: HashMap<Key, Option<Arc<Item>>>,
}

impl<'a> Group<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        cache: &'a ItemCache,
        in_feed: fn(&Key) -> bool,
    ) -> Self {
        Self { connection, cache, in_feed, items: HashMap::default() }
    }

    /// Checks and applies the operations of one commit.
    pub(super) fn commit(&mut self, operations: &[Operation]) -> Result<(), UnitError> {
        let steps = super::table_writes(operations)
            .enumerate()
            .map(|(which, write)| self.judge(which, write))
            .collect::<Result<Vec<_>, _>>()?;
        for step in steps {
            self.apply(step)?;
        }
        let connection = self.connection;
        for operation in operations {
            match operation {
                Operation::Write(_) => {}
                Operation::Schedule(timer) => timers::schedule(connection, timer)?,
                Operation::Cancel(name) => timers::cancel(connection, name)?,
                Operation::Send { queue, visible_at, body } => {
                    queue::send(connection, queue, *visible_at, body)?;
                }
                Operation::Remove { id } => queue::remove(connection, *id)?,
                Operation::Defer { id, visible_at } => queue::defer(connection, *id, *visible_at)?,
                Operation::PutBack { id, visible_at } => {
                    queue::put_back(connection, *id, *visible_at)?;
                }
                Operation::Checkpoint { consumer, seq } => {
                    feed::note_checkpoint(connection, consumer, *seq)?;
                }
                Operation::SetMeta { name, value } => set_meta(connection, name, value)?,
            }
        }
        Ok(())
    }

    /// Deletes some of the expired items, and notes it in the feed.
    pub(super) fn delete_expired(&mut self, now: Instant) -> rusqlite::Result<usize> {
        let select = "SELECT pk, sk FROM items WHERE expires <= ?1 ORDER BY expires LIMIT ?2";
        let mut statement = self.connection.prepare_cached(select)?;
        let expired: Vec<Key> = statement
            .query_map(params![now.timestamp(), EXPIRED_AT_ONCE], |row| {
                Ok(Key { pk: row.get(0)?, sk: row.get(1)? })
            })?
            .collect::<Result<_, _>>()?;
        for key in &expired {
            let old = if (self.in_feed)(key) { self.get(key)? } else { None };
            self.apply(ItemChange { key, old, outcome: ItemOutcome::Deleted })?;
        }
        Ok(expired.len())
    }

    fn judge<'w>(&self, which: usize, write: &'w Write) -> Result<ItemChange<'w>, UnitError> {
        let key = write.key();
        let adds = matches!(write, Write::Add { .. });
        let old = if write.condition() != Condition::Always || adds || (self.in_feed)(key) {
            self.get(key)?
        } else {
            None
        };
        if !write.condition().holds(old.as_deref()) {
            let current = old.map(|item| Box::new(Arc::unwrap_or_clone(item)));
            return Err(TableError::Conflict { which, current }.into());
        }
        let outcome = match write {
            Write::Put { item, .. } => ItemOutcome::Stored(Arc::new(rows::as_kept(item))),
            Write::Delete { .. } => ItemOutcome::Deleted,
            Write::Check { .. } => ItemOutcome::Untouched,
            Write::Add { key, index, counters } => {
                let item = old.as_deref().cloned();
                let item = item.unwrap_or_else(|| Item::new(key.clone(), Body::stored("{}")));
                let body = sum(key, &item.body, counters)?;
                let item = Item { index: index.clone().or(item.index), body, ..item };
                check_item(&item)?;
                ItemOutcome::Stored(Arc::new(item))
            }
        };
        Ok(ItemChange { key, old, outcome })
    }

    fn apply(&mut self, step: ItemChange<'_>) -> rusqlite::Result<()> {
        let new = match step.outcome {
            ItemOutcome::Stored(item) => Some(item),
            ItemOutcome::Deleted => None,
            ItemOutcome::Untouched => return Ok(()),
        };
        let is_listed_alike = |new: &Item| {
            step.old
                .as_deref()
                .is_some_and(|old| old.index == new.index && old.expires == new.expires)
        };
        match &new {
            Some(item) if is_listed_alike(item) => rows::replace(self.connection, item)?,
            Some(item) => rows::put(self.connection, item)?,
            None => rows::delete(self.connection, step.key)?,
        }
        // As in a stream, deleting what is not there is no change.
        if (self.in_feed)(step.key) && (step.old.is_some() || new.is_some()) {
            feed::append(self.connection, step.key, step.old.as_deref(), new.as_deref())?;
        }
        self.items.insert(step.key.clone(), new);
        Ok(())
    }

    /// An item as it is, with the changes of the group so far.
    fn get(&self, key: &Key) -> rusqlite::Result<Option<Arc<Item>>> {
        if let Some(item) = self.items.get(key) {
            return Ok(item.clone());
        }
        match self.cache.look_up(key) {
            CachedItem::Item(item) => Ok(Some(item)),
            CachedItem::Unknown(_) => Ok(rows::get(self.connection, key)?.map(Arc::new)),
        }
    }
}

fn sum<'a>(
    key: &Key,
    body: &Body,
    counters: impl IntoIterator<Item = (&'a String, &'a i64)>,
) -> Result<Body, TableError> {
    let mut members: Map<String, Value> =
        body.read().map_err(|error| TableError::Failed(error.to_string()))?;
    for (name, amount) in counters {
        let before = members.get(name).map_or(Some(0), Value::as_i64);
        let Some(total) = before.and_then(|before| before.checked_add(*amount)) else {
            return Err(TableError::Invalid(format!(
                "`{name}` of `{key}` is no whole number that {amount} fits on"
            )));
        };
        members.insert(name.clone(), total.into());
    }
    debug_assert!(RESERVED.iter().all(|name| !members.contains_key(*name)));
    Ok(Body::stored(Value::Object(members).to_string()))
}

pub(super) fn set_meta(connection: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    let insert = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = \
                  excluded.value";
    connection.prepare_cached(insert)?.execute([name, value])?;
    Ok(())
}

//! What the writer does for one unit of work, inside the SQLite transaction of its group.
//!
//! A unit is judged as a whole before any of it is applied: a refused one has changed nothing, and
//! the group goes on without it. That spares a savepoint for every unit.

use dacapo_platform::Instant;
use dacapo_platform::table::{Body, Condition, Item, Key, RESERVED, TableError, Write, check_item};
use rusqlite::{Connection, params};
use serde_json::{Map, Value};

use super::{Operation, feed, queue, rows, timers};

/// The most items a sweep deletes at once, so that nobody waits long behind it.
const SWEPT_AT_ONCE: i64 = 500;

/// Why a unit wasn't applied.
pub(super) enum Failure {
    /// It can't be; nothing of it was applied.
    Refused(TableError),
    /// SQLite failed, perhaps half way through it.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        Self::Refused(error)
    }
}

/// What becomes of one item.
struct Step<'a> {
    key: &'a Key,
    /// As it stands, where the feed or the condition asks for it.
    old: Option<Item>,
    outcome: Outcome<'a>,
}

enum Outcome<'a> {
    Stored(&'a Item),
    Summed(Box<Item>),
    Deleted,
    Untouched,
}

/// Judges and applies the operations of one commit.
pub(super) fn commit(
    connection: &Connection,
    operations: &[Operation],
    in_feed: fn(&Key) -> bool,
) -> Result<(), Failure> {
    let steps = super::table_writes(operations)
        .enumerate()
        .map(|(which, write)| judge(connection, which, write, in_feed))
        .collect::<Result<Vec<_>, _>>()?;
    for step in &steps {
        apply(connection, step, in_feed)?;
    }
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
            Operation::Checkpoint { consumer, seq } => {
                feed::note_checkpoint(connection, consumer, *seq)?;
            }
            Operation::SetMeta { name, value } => set_meta(connection, name, value)?,
        }
    }
    Ok(())
}

/// Deletes some of what has expired, and tells the feed.
pub(super) fn sweep(
    connection: &Connection,
    now: Instant,
    in_feed: fn(&Key) -> bool,
) -> rusqlite::Result<usize> {
    let select = "SELECT pk, sk FROM items WHERE expires <= ?1 ORDER BY expires LIMIT ?2";
    let mut statement = connection.prepare_cached(select)?;
    let expired: Vec<Key> = statement
        .query_map(params![now.timestamp(), SWEPT_AT_ONCE], |row| {
            Ok(Key { pk: row.get(0)?, sk: row.get(1)? })
        })?
        .collect::<Result<_, _>>()?;
    for key in &expired {
        if in_feed(key) {
            feed::append(connection, key, rows::get(connection, key)?.as_ref(), None)?;
        }
        rows::delete(connection, key)?;
    }
    Ok(expired.len())
}

fn judge<'a>(
    connection: &Connection,
    which: usize,
    write: &'a Write,
    in_feed: fn(&Key) -> bool,
) -> Result<Step<'a>, Failure> {
    let key = write.key();
    let adds = matches!(write, Write::Add { .. });
    let old = if write.condition() != Condition::Always || adds || in_feed(key) {
        rows::get(connection, key)?
    } else {
        None
    };
    if !write.condition().holds(old.as_ref()) {
        return Err(TableError::Conflict { which, current: old.map(Box::new) }.into());
    }
    let outcome = match write {
        Write::Put { item, .. } => Outcome::Stored(item),
        Write::Delete { .. } => Outcome::Deleted,
        Write::Check { .. } => Outcome::Untouched,
        Write::Add { key, index, counters } => {
            let item = old.clone().unwrap_or_else(|| Item::new(key.clone(), Body::stored("{}")));
            let body = sum(key, &item.body, counters)?;
            let item = Item { index: index.clone().or(item.index), body, ..item };
            check_item(&item)?;
            Outcome::Summed(Box::new(item))
        }
    };
    Ok(Step { key, old, outcome })
}

fn apply(
    connection: &Connection,
    step: &Step<'_>,
    in_feed: fn(&Key) -> bool,
) -> rusqlite::Result<()> {
    let new = match &step.outcome {
        Outcome::Stored(item) => Some(*item),
        Outcome::Summed(item) => Some(&**item),
        Outcome::Deleted => None,
        Outcome::Untouched => return Ok(()),
    };
    match new {
        Some(item) => rows::put(connection, item)?,
        None => rows::delete(connection, step.key)?,
    }
    // As in a stream, a delete of nothing is no change.
    if in_feed(step.key) && (step.old.is_some() || new.is_some()) {
        feed::append(connection, step.key, step.old.as_ref(), new)?;
    }
    Ok(())
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

fn set_meta(connection: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    let insert = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
    connection.prepare_cached(insert)?.execute([name, value])?;
    Ok(())
}

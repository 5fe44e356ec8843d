//! The change feed in the store.
//!
//! A change is committed together with the write that it is about, so none is lost. The changes of
//! one item come in the order in which they were made. A consumer reads on from its own checkpoint,
//! so after a crash it sees again what it had not noted as done. What every registered consumer has
//! done is trimmed.

use dacapo_platform::table::{Item, Key, TableError};
use rusqlite::{Connection, OptionalExtension, params};

use super::timers::row_limit;
use super::work::{Durability, UnitOfWork, UnitResult};
use super::{SqliteStore, rows};

/// One change of one item.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its number, higher than that of every earlier one.
    pub seq: i64,
    /// What changed.
    pub key: Key,
    /// The item before; `None` if it was not there.
    pub old: Option<Item>,
    /// The item after; `None` if it was deleted.
    pub new: Option<Item>,
}

impl SqliteStore {
    /// The changes after a consumer's checkpoint. A consumer that never noted one reads from the
    /// start of what is left. To have the feed wait for it, register it with a checkpoint of 0.
    pub fn read_feed(&self, consumer: &str, limit: usize) -> Result<Vec<Change>, TableError> {
        let select = "SELECT seq, pk, sk, old, new FROM feed WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        self.read(|connection| {
            let checkpoint = checkpoint_of(connection, consumer)?;
            let mut statement = connection.prepare_cached(select)?;
            let changes = statement.query_map(params![checkpoint, row_limit(limit)], |row| {
                let key = Key { pk: row.get(1)?, sk: row.get(2)? };
                let image = |column| -> rusqlite::Result<Option<Item>> {
                    let text: Option<String> = row.get(column)?;
                    Ok(text.map(|text| rows::from_image(&key, &text)))
                };
                Ok(Change { seq: row.get(0)?, old: image(3)?, new: image(4)?, key })
            })?;
            changes.collect()
        })
    }

    /// Whether a registered consumer has done every change there is.
    pub fn feed_is_read(&self, consumer: &str) -> Result<bool, TableError> {
        Ok(self.feed_rests_at(consumer)?.is_some())
    }

    /// The checkpoint of a registered consumer that has done every change there is. Both are read
    /// at one moment: in two reads the consumer could finish in between, and would seem to have
    /// been idle.
    pub fn feed_rests_at(&self, consumer: &str) -> Result<Option<i64>, TableError> {
        let select = "SELECT seq FROM checkpoints WHERE consumer = ?1
            AND NOT EXISTS (SELECT 1 FROM feed WHERE feed.seq > checkpoints.seq)";
        self.read(|connection| {
            connection.prepare_cached(select)?.query_row([consumer], |row| row.get(0)).optional()
        })
    }

    /// How many changes are before a registered consumer, at most.
    pub fn feed_behind(&self, consumer: &str) -> Result<i64, TableError> {
        let select = "SELECT max((SELECT coalesce(max(seq), 0) FROM feed) - seq, 0)
            FROM checkpoints WHERE consumer = ?1";
        let behind: Option<i64> = self.read(|connection| {
            connection.prepare_cached(select)?.query_row([consumer], |row| row.get(0)).optional()
        })?;
        Ok(behind.unwrap_or(0))
    }

    /// The number of the last change, 0 if there is none left.
    pub fn last_change(&self) -> Result<i64, TableError> {
        self.read(|connection| {
            let last = "SELECT coalesce(max(seq), 0) FROM feed";
            connection.prepare_cached(last)?.query_row([], |row| row.get(0))
        })
    }

    /// The number of the last change that a consumer has done, 0 if it is not registered.
    pub fn checkpoint(&self, consumer: &str) -> Result<i64, TableError> {
        self.read(|connection| checkpoint_of(connection, consumer))
    }

    /// Deletes what every registered consumer has done. Answers how much that was. The writer does
    /// so by itself from time to time.
    pub async fn trim(&self) -> Result<usize, TableError> {
        match self.writer.run(UnitOfWork::Trim, Durability::Process).await? {
            UnitResult::Count(trimmed) => Ok(trimmed),
            UnitResult::Committed | UnitResult::Received(_) => Ok(0),
        }
    }
}

pub(super) fn append(
    connection: &Connection,
    key: &Key,
    old: Option<&Item>,
    new: Option<&Item>,
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO feed (pk, sk, old, new) VALUES (?1, ?2, ?3, ?4)";
    let old = old.map(rows::image).transpose()?;
    let new = new.map(rows::image).transpose()?;
    connection.prepare_cached(insert)?.execute(params![key.pk, key.sk, old, new])?;
    Ok(())
}

pub(super) fn note_checkpoint(
    connection: &Connection,
    consumer: &str,
    seq: i64,
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO checkpoints (consumer, seq) VALUES (?1, ?2)
        ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)";
    connection.prepare_cached(insert)?.execute(params![consumer, seq])?;
    Ok(())
}

/// Without a registered consumer the smallest checkpoint is null, and nothing is deleted.
pub(super) fn trim(connection: &Connection) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("DELETE FROM feed WHERE seq <= (SELECT min(seq) FROM checkpoints)")?
        .execute([])
}

fn checkpoint_of(connection: &Connection, consumer: &str) -> rusqlite::Result<i64> {
    let mut statement =
        connection.prepare_cached("SELECT seq FROM checkpoints WHERE consumer = ?1")?;
    Ok(statement.query_row([consumer], |row| row.get(0)).optional()?.unwrap_or(0))
}

//! Erased data is removed from the files too, not only from the tables.
//!
//! | where it could be | what is done |
//! |---|---|
//! | the feed, with the values before each change | trimmed up to what is done |
//! | a row's place in a used page | overwritten when deleted (`secure_delete = FAST`) |
//! | a free page; a gap that a moved row has left | the file is rebuilt (`VACUUM`) |
//! | the log | copied into the file and truncated |
//!
//! Rebuilding takes about a second for 50 MB, during which nothing is written. So a file of up to
//! [`SMALL`] is rebuilt at once, a larger one if the last time was a day ago.

use chrono::TimeDelta;
use dacapo_platform::Instant;
use dacapo_platform::table::TableError;
use rusqlite::Connection;

use super::work::{Durability, UnitOfWork, UnitResult};
use super::{Operation, SqliteStore, rows};

/// Up to this many bytes the file is rebuilt at once.
pub(super) const SMALL: i64 = 32 * 1024 * 1024;

/// How long after the last time a larger file is rebuilt.
const EVERY: TimeDelta = TimeDelta::hours(24);

/// When the file was last rebuilt, in milliseconds.
const REBUILT: &str = "rebuilt";

/// Set while something is erased and the file has not been rebuilt since.
const WANTED: &str = "rebuild_wanted";

impl SqliteStore {
    /// Something was erased: the file is to be rebuilt, also by the next process.
    ///
    /// # Errors
    ///
    /// What the writer answers.
    pub async fn want_rebuild(&self) -> Result<(), TableError> {
        let (name, value) = (WANTED.to_owned(), "1".to_owned());
        self.commit(vec![Operation::SetMeta { name, value }]).await
    }

    /// Removes erased data from the files. Answers whether nothing is left to do, except in a large
    /// file the daily rebuilding. Something is left while a reader still reads an older state, or
    /// while the feed has not been read.
    ///
    /// # Errors
    ///
    /// What the writer answers.
    pub async fn scrub(&self, now: Instant) -> Result<bool, TableError> {
        match self.writer.run(UnitOfWork::Scrub { now }, Durability::Process).await? {
            UnitResult::Count(left) => Ok(left == 0),
            UnitResult::Committed | UnitResult::Received(_) => Ok(true),
        }
    }

    /// Whether the file is to be rebuilt, and may be by now.
    ///
    /// # Errors
    ///
    /// What SQLite answers.
    pub fn rebuild_is_due(&self, now: Instant) -> Result<bool, TableError> {
        self.read(|connection| {
            Ok(rows::meta(connection, WANTED)?.is_some() && is_due(connection, now)?)
        })
    }
}

/// Removes erased data. Answers whether the log could not be truncated.
pub(super) fn scrub(connection: &Connection, now: Instant) -> rusqlite::Result<usize> {
    super::feed::trim(connection)?;
    if rows::meta(connection, WANTED)?.is_some() && is_due(connection, now)? {
        rebuild(connection)?;
        super::apply::set_meta(connection, REBUILT, &now.timestamp_millis().to_string())?;
        connection.execute("DELETE FROM meta WHERE name = ?1", [WANTED])?;
    }
    // In memory there is no log.
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(usize::from(busy != 0))
}

fn is_due(connection: &Connection, now: Instant) -> rusqlite::Result<bool> {
    let number = |pragma: &str| -> rusqlite::Result<i64> {
        connection.pragma_query_value(None, pragma, |row| row.get(0))
    };
    if number("page_count")? * number("page_size")? <= SMALL {
        return Ok(true);
    }
    let last: Option<i64> = rows::meta(connection, REBUILT)?.and_then(|text| text.parse().ok());
    Ok(last.is_none_or(|last| now.timestamp_millis() - last >= EVERY.num_milliseconds()))
}

/// Writes the whole file again, without gaps.
fn rebuild(connection: &Connection) -> rusqlite::Result<()> {
    // A large copy does not fit in memory.
    connection.pragma_update(None, "temp_store", "FILE")?;
    let rebuilt = connection.execute_batch("VACUUM");
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    rebuilt
}

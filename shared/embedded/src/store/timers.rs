//! Timers: what is to happen when, in a deterministic order.

use dacapo_platform::Instant;
use dacapo_platform::table::{Body, TableError};
use rusqlite::{Connection, params};

use super::{SqliteStore, rows};

/// Something that comes due.
#[derive(Debug, Clone, PartialEq)]
pub struct Timer {
    /// Its name; there is one timer of a name.
    pub name: String,
    /// When it is due, in whole milliseconds, rounded up.
    pub due: Instant,
    /// Its place among those that are due at the same instant.
    pub sort: String,
    /// Its content.
    pub body: Body,
}

impl SqliteStore {
    /// Timers due at or before an instant, in the order of due, sort and name. They stay until they
    /// are cancelled, which belongs into the commit of their results.
    pub fn due_timers(&self, until: Instant, limit: usize) -> Result<Vec<Timer>, TableError> {
        let select = "SELECT name, due, sort, body FROM timers WHERE due <= ?1 ORDER BY due, sort, \
                      name LIMIT ?2";
        self.read(|connection| {
            let mut statement = connection.prepare_cached(select)?;
            let timers = statement.query_map(
                params![until.timestamp_millis(), row_limit(limit)],
                |row| {
                    Ok(Timer {
                        name: row.get(0)?,
                        due: rows::from_millis(row.get(1)?),
                        sort: row.get(2)?,
                        body: Body::stored(row.get::<_, String>(3)?),
                    })
                },
            )?;
            timers.collect()
        })
    }

    /// The timer of a name.
    pub fn timer(&self, name: &str) -> Result<Option<Timer>, TableError> {
        let select = "SELECT due, sort, body FROM timers WHERE name = ?1";
        self.read(|connection| {
            let mut statement = connection.prepare_cached(select)?;
            let mut found = statement.query([name])?;
            found.next()?.map_or(Ok(None), |row| {
                Ok(Some(Timer {
                    name: name.to_owned(),
                    due: rows::from_millis(row.get(0)?),
                    sort: row.get(1)?,
                    body: Body::stored(row.get::<_, String>(2)?),
                }))
            })
        })
    }

    /// When something is due next: the earliest timer, even if it is overdue, or the earliest
    /// message that is still hidden at `now`.
    pub fn next_due(&self, now: Instant) -> Result<Option<Instant>, TableError> {
        // There are few queues: the query goes from one name to the next by the index.
        let hidden = "WITH RECURSIVE named(queue) AS (
                SELECT min(queue) FROM queue
                UNION ALL
                SELECT (SELECT min(later.queue) FROM queue AS later WHERE later.queue > named.queue)
                FROM named WHERE named.queue IS NOT NULL)
            SELECT min((SELECT min(hidden.visible_at) FROM queue AS hidden
                WHERE hidden.queue = named.queue AND hidden.visible_at > ?1)) FROM named";
        self.read(|connection| {
            let earliest = |select, now: &[i64]| -> rusqlite::Result<Option<i64>> {
                connection
                    .prepare_cached(select)?
                    .query_row(rusqlite::params_from_iter(now), |row| row.get(0))
            };
            let timer = earliest("SELECT min(due) FROM timers", &[])?;
            let message = earliest(hidden, &[now.timestamp_millis()])?;
            Ok(timer.into_iter().chain(message).min().map(rows::from_millis))
        })
    }
}

pub(super) fn schedule(connection: &Connection, timer: &Timer) -> rusqlite::Result<()> {
    let insert = "INSERT INTO timers (name, due, sort, body) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO UPDATE SET due = excluded.due, sort = excluded.sort, body = excluded.body";
    let values = params![timer.name, rows::millis(timer.due), timer.sort, timer.body.as_str()];
    connection.prepare_cached(insert)?.execute(values)?;
    Ok(())
}

pub(super) fn cancel(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM timers WHERE name = ?1")?.execute([name])?;
    Ok(())
}

/// A number of rows as SQLite counts them.
pub(super) fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

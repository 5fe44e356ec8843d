//! Queues: work to be done once it is visible, by the one process that has the store open.

use dacapo_platform::Instant;
use dacapo_platform::table::{Body, TableError};
use rusqlite::{Connection, params};

use super::timers::row_limit;
use super::work::{Durability, ReceivedMessage, UnitOfWork, UnitResult};
use super::{SqliteStore, rows};

impl SqliteStore {
    /// Messages that are visible at `now`, in the order in which they became visible.
    ///
    /// With a `lease` they are hidden until then, and the attempt is counted, before they are
    /// returned: no two receivers get the same one. Without a lease they stay as they are. In both
    /// cases a message stays until it is removed, which belongs into the commit of its results.
    pub async fn receive(
        &self,
        queue: &str,
        now: Instant,
        limit: usize,
        lease: Option<Instant>,
    ) -> Result<Vec<ReceivedMessage>, TableError> {
        let Some(lease) = lease else {
            return self.read(|connection| visible(connection, queue, now, limit));
        };
        // Usually nothing is there, and that is seen without asking the writer.
        if self.read(|connection| visible(connection, queue, now, 1))?.is_empty() {
            return Ok(Vec::new());
        }
        match self
            .writer
            .run(
                UnitOfWork::Receive { queue: queue.to_owned(), now, limit, lease },
                Durability::Process,
            )
            .await?
        {
            UnitResult::Received(messages) => Ok(messages),
            UnitResult::Committed | UnitResult::Count(_) => Ok(Vec::new()),
        }
    }

    /// How many messages a queue has, hidden ones included.
    pub fn queue_len(&self, queue: &str) -> Result<usize, TableError> {
        let count = "SELECT count(*) FROM queue WHERE queue = ?1";
        let length: i64 = self.read(|connection| {
            connection.prepare_cached(count)?.query_row([queue], |row| row.get(0))
        })?;
        Ok(usize::try_from(length).unwrap_or_default())
    }
}

pub(super) fn send(
    connection: &Connection,
    queue: &str,
    visible_at: Instant,
    body: &Body,
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO queue (queue, visible_at, attempts, body) VALUES (?1, ?2, 0, ?3)";
    connection.prepare_cached(insert)?.execute(params![
        queue,
        rows::millis(visible_at),
        body.as_str()
    ])?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM queue WHERE id = ?1")?.execute([id])?;
    Ok(())
}

pub(super) fn defer(connection: &Connection, id: i64, visible_at: Instant) -> rusqlite::Result<()> {
    let update = "UPDATE queue SET visible_at = ?2 WHERE id = ?1";
    connection.prepare_cached(update)?.execute(params![id, rows::millis(visible_at)])?;
    Ok(())
}

pub(super) fn put_back(
    connection: &Connection,
    id: i64,
    visible_at: Instant,
) -> rusqlite::Result<()> {
    let update = "UPDATE queue SET visible_at = ?2, attempts = max(attempts - 1, 0) WHERE id = ?1";
    connection.prepare_cached(update)?.execute(params![id, rows::millis(visible_at)])?;
    Ok(())
}

pub(super) fn lease(
    connection: &Connection,
    queue: &str,
    now: Instant,
    limit: usize,
    until: Instant,
) -> rusqlite::Result<Vec<ReceivedMessage>> {
    let mut messages = visible(connection, queue, now, limit)?;
    let update = "UPDATE queue SET visible_at = ?2, attempts = attempts + 1 WHERE id = ?1";
    for message in &mut messages {
        connection.prepare_cached(update)?.execute(params![message.id, rows::millis(until)])?;
        message.attempts += 1;
    }
    Ok(messages)
}

fn visible(
    connection: &Connection,
    queue: &str,
    now: Instant,
    limit: usize,
) -> rusqlite::Result<Vec<ReceivedMessage>> {
    let select = "SELECT id, attempts, body FROM queue WHERE queue = ?1 AND visible_at <= ?2
        ORDER BY visible_at, id LIMIT ?3";
    let mut statement = connection.prepare_cached(select)?;
    let messages =
        statement.query_map(params![queue, now.timestamp_millis(), row_limit(limit)], |row| {
            Ok(ReceivedMessage {
                id: row.get(0)?,
                attempts: row.get(1)?,
                body: Body::stored(row.get::<_, String>(2)?),
            })
        })?;
    messages.collect()
}

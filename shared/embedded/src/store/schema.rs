//! The tables in the file, and how connections to it are set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::StoreError;

/// The version that this program writes; any other one is refused.
const VERSION: &str = "2";

/// The application id in the header of every store, "daCa". It distinguishes a store from other
/// files of its name.
pub(super) const APPLICATION: i32 = i32::from_be_bytes(*b"daCa");

/// There is no other writer, but a reader that starts while the log is being reset has to wait.
const BUSY: Duration = Duration::from_secs(5);

/// The statements in use, with room for more.
const STATEMENTS: usize = 64;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- With row ids: rows are appended, so that what is written together lies together, and a row of up to a page has no
-- overflow. In the order of keys a row could be a quarter of a page.
CREATE TABLE IF NOT EXISTS items (
    pk TEXT NOT NULL,
    sk TEXT NOT NULL,
    rev INTEGER,
    gpk TEXT,
    gsk TEXT,
    expires INTEGER, -- seconds
    body TEXT NOT NULL,
    PRIMARY KEY (pk, sk)
);
CREATE INDEX IF NOT EXISTS items_index ON items (gpk, gsk, pk, sk) WHERE gpk IS NOT NULL;
CREATE INDEX IF NOT EXISTS items_expiring ON items (expires) WHERE expires IS NOT NULL;

-- Numbers of changes are never used again, not even after all were trimmed.
CREATE TABLE IF NOT EXISTS feed (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    pk TEXT NOT NULL,
    sk TEXT NOT NULL,
    old TEXT,
    new TEXT
);
CREATE TABLE IF NOT EXISTS checkpoints (
    consumer TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS timers (
    name TEXT PRIMARY KEY,
    due INTEGER NOT NULL, -- milliseconds
    sort TEXT NOT NULL,
    body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS timers_due ON timers (due, sort, name);

CREATE TABLE IF NOT EXISTS queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    visible_at INTEGER NOT NULL, -- milliseconds
    attempts INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS queue_visible ON queue (queue, visible_at, id);
";

/// Makes a connection the writer's, and the file a store if it isn't one yet.
pub(super) fn prepare(connection: Connection) -> Result<Connection, StoreError> {
    settle_in(&connection, 16 * 1024)?;
    // In memory there is no log; SQLite then answers `memory`, which is fine.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "journal_size_limit", 256 * 1024 * 1024)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // What is deleted or overwritten is not left in pages that stay in use. `ON` would also write
    // pages that become free, a fifth of all that is written; those go when the file is rebuilt
    // (`scrub`).
    connection.pragma_update(None, "secure_delete", "FAST")?;
    let transaction = connection.unchecked_transaction()?;
    let is_store =
        transaction.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'")?.exists([])?;
    let found: Option<String> = if is_store {
        let value = "SELECT value FROM meta WHERE name = 'schema'";
        transaction.query_row(value, [], |row| row.get(0)).optional()?
    } else {
        None
    };
    match found {
        Some(found) if found != VERSION => {
            return Err(StoreError::Schema { found, known: VERSION });
        }
        Some(_) => {}
        None => {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction
                .execute("INSERT INTO meta (name, value) VALUES ('schema', ?1)", [VERSION])?;
        }
    }
    transaction.commit()?;
    // From here on the log is flushed by the threads that wait for it, and copied into the file by
    // the checkpoint thread.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

/// One more connection to the file, for reading only. Every commit empties its cache of pages.
pub(super) fn open_reader(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    settle_in(&connection, 2 * 1024)?;
    Ok(connection)
}

/// The connection that copies the log into the file.
pub(super) fn open_checkpointer(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    settle_in(&connection, 1024)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

fn settle_in(connection: &Connection, cache_kib: i64) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    // Values that are bound to a statement do not change its plan. Without this, SQLite would
    // prepare some statements again for every value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

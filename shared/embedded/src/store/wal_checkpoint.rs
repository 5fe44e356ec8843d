//! The thread that copies SQLite's log (WAL) into the file, so that the writer waits for the disk
//! as little as possible.
//!
//! The log can start again only when all of it was copied and the file has been flushed, and under
//! load the writer is always ahead. So when the log is long, the thread has most of it flushed, and
//! the writer does the rest between two groups.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::schema;

/// After this many units the thread checks the log.
const UNITS: usize = 1_000;

/// From this many pages on the log is to start again: about 160 MB.
const LONG: i64 = 40_000;

/// So often the file is flushed before the writer does the rest.
const ROUNDS: usize = 2;

/// The writer's handle of the thread.
pub(super) struct Checkpointer {
    request: Option<SyncSender<()>>,
    /// Whether the writer is to do the rest.
    rest: Arc<AtomicBool>,
    units: usize,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Checkpoints the log of the store in this file, which is open for writing too.
    pub(super) fn start(path: &Path, file: Arc<File>) -> rusqlite::Result<Self> {
        let connection = schema::open_checkpointer(path)?;
        let (request, requests) = sync_channel(1);
        let rest = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&rest);
        let thread = std::thread::spawn(move || run(&connection, &file, &requests, &told));
        Ok(Self { request: Some(request), rest, units: 0, thread: Some(thread) })
    }

    /// This many more units are committed on this connection.
    pub(super) fn committed(&mut self, units: usize, connection: &Connection) {
        self.units += units;
        if self.units >= UNITS {
            self.units = 0;
            if let Some(request) = &self.request {
                // If the thread has been notified already, that is enough.
                let _ = request.try_send(());
            }
        }
        if self.rest.swap(false, Ordering::Relaxed) {
            checkpoint_passively(connection);
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.request.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that carries the log over ended in a panic");
        }
    }
}

fn run(connection: &Connection, file: &File, requests: &Receiver<()>, rest: &AtomicBool) {
    while requests.recv().is_ok() {
        if checkpoint_passively(connection).is_some_and(|pages| pages >= LONG) {
            // The first time takes long, and the log grows meanwhile.
            for _ in 0..ROUNDS {
                if let Err(error) = file.sync_data() {
                    tracing::warn!(%error, "the disk did not take the store");
                }
                checkpoint_passively(connection);
            }
            rest.store(true, Ordering::Relaxed);
        }
    }
}

/// Copies what it can without waiting for readers. Answers how long the log is, in pages; after a
/// failure it is tried again the next time.
fn checkpoint_passively(connection: &Connection) -> Option<i64> {
    let log = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1));
    match log {
        Ok(pages) => Some(pages),
        Err(error) => {
            tracing::warn!(%error, "the log of the store was not carried over");
            None
        }
    }
}

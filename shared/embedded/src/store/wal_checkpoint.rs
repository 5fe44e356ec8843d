//! The thread that carries SQLite's log over into the file, so that the writer waits for the disk
//! as little as can be.
//!
//! The log can begin anew only when all of it was carried over and the disk has taken the file, and
//! while there is load the writer is always ahead. So when it has grown long the thread has the
//! disk take most of it, and the writer does the rest between two groups.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::schema;

/// After so many units the thread has a look.
const UNITS: usize = 1_000;

/// From so many pages on the log is to begin anew: about 160 MB.
const LONG: i64 = 40_000;

/// So often the disk takes what was carried over before the writer does the rest.
const ROUNDS: usize = 2;

/// The end of the thread that the writer holds.
pub(super) struct Checkpointer {
    request: Option<SyncSender<()>>,
    /// Whether the writer is to do the rest.
    rest: Arc<AtomicBool>,
    units: usize,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Carries over the log of the store in this file, which is open for writing too.
    pub(super) fn start(path: &Path, file: Arc<File>) -> rusqlite::Result<Self> {
        let connection = schema::open_checkpointer(path)?;
        let (request, requests) = sync_channel(1);
        let rest = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&rest);
        let thread = std::thread::spawn(move || run(&connection, &file, &requests, &told));
        Ok(Self { request: Some(request), rest, units: 0, thread: Some(thread) })
    }

    /// So many units more are committed, on this connection.
    pub(super) fn committed(&mut self, units: usize, connection: &Connection) {
        self.units += units;
        if self.units >= UNITS {
            self.units = 0;
            if let Some(request) = &self.request {
                // Woken already is as good.
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

/// Carries over what it can without waiting for anybody. Says how long the log is, in pages; what
/// fails is tried again the next time.
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

//! The thread that waits for the disk, so that the writer need not.
//!
//! It answers callers that were promised that a commit survives a loss of power. The writer goes on
//! meanwhile; all commits until the disk is ready share the next flush. The log is one sequence:
//! with a commit, everything before it is on the disk.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use dacapo_platform::table::TableError;
use tokio::sync::oneshot;

use super::work::{UnitAnswer, UnitResult};

/// A caller that waits for the disk, and for which commit.
pub(super) type Promised = (oneshot::Sender<UnitAnswer>, UnitResult);

/// The writer's handle of the thread. Dropping it waits until all callers are answered.
pub(super) struct Flusher {
    waiting: Option<Sender<Vec<Promised>>>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// Flushes SQLite's log, which must exist when the first promise is made; `None` is a store in
    /// memory.
    pub(super) fn start(log: Option<PathBuf>) -> Self {
        let (waiting, promises) = channel();
        let thread = std::thread::spawn(move || run(log.as_deref(), &promises));
        Self { waiting: Some(waiting), thread: Some(thread) }
    }

    /// Answers these callers when everything committed so far is on the disk.
    pub(super) fn answer(&self, promised: Vec<Promised>) {
        // Without the thread the senders are dropped, and callers hear that the result is unknown.
        if let Some(waiting) = &self.waiting {
            let _ = waiting.send(promised);
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        drop(self.waiting.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that flushes the store ended in a panic");
        }
    }
}

fn run(log: Option<&Path>, promises: &Receiver<Vec<Promised>>) {
    let mut file = None;
    while let Ok(mut promised) = promises.recv() {
        promised.extend(promises.try_iter().flatten());
        let flushed = log.map_or(Ok(()), |log| flush(&mut file, log));
        for (answer, done) in promised {
            let told = match &flushed {
                Ok(()) => Ok(done),
                Err(error) => Err(TableError::Disk { reason: error.to_string(), unknown: true }),
            };
            // The caller may have gone.
            let _ = answer.send(told);
        }
    }
}

/// SQLite takes its locks on other files, so this one may be open twice.
fn flush(file: &mut Option<File>, log: &Path) -> std::io::Result<()> {
    let opened = match file.take() {
        Some(opened) => opened,
        None => File::options().write(true).open(log)?,
    };
    opened.sync_data()?;
    *file = Some(opened);
    Ok(())
}

//! The only thread that writes.
//!
//! It takes everything that waits, does it in one SQLite transaction, and answers the callers after
//! the commit. Later units of a group see what earlier ones did. A unit that is refused has changed
//! nothing. A failure of SQLite undoes the group, whose units are then tried one by one, so that
//! none of them fails the others.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use dacapo_platform::table::{Key, TableError};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{oneshot, watch};

use super::apply::{Group, UnitError};
use super::cache::ItemCache;
use super::flush::Flusher;
use super::wal_checkpoint::Checkpointer;
use super::work::{Durability, UnitAnswer, UnitOfWork, UnitResult};
use super::{Operation, feed, queue};

/// The most units in one group; the others wait for the next group.
const LARGEST_GROUP: usize = 512;
/// Under load a commit costs more than its units, so the writer waits for more: this long for the
/// next one, and for this many in all.
const GATHERED_UNITS: usize = 96;
const NEXT_UNIT_WAIT: Duration = Duration::from_micros(150);
/// This many units in the last group mean that there is load.
const UNITS_UNDER_LOAD: usize = 4;
/// After this many checkpoints of consumers the feed is trimmed.
const CHECKPOINTS_TO_TRIM: usize = 16;
/// How many tokens of transactions are remembered. They cover retries, which come within seconds.
const MOST_REQUEST_TOKENS: usize = 4096;

/// The handle of the thread that others have. Dropping it waits for what was asked before.
pub(super) struct Writer {
    requests: Option<Sender<WriterRequest>>,
    commits: watch::Receiver<u64>,
    thread: Option<JoinHandle<()>>,
}

struct WriterRequest {
    work: UnitOfWork,
    durability: Durability,
    answer: oneshot::Sender<UnitAnswer>,
}

impl Writer {
    pub(super) fn start(
        connection: Arc<Mutex<Connection>>,
        cache: Arc<ItemCache>,
        (flusher, checkpointer): (Flusher, Option<Checkpointer>),
        in_feed: fn(&Key) -> bool,
    ) -> Self {
        let (requests, waiting) = channel();
        let (notifier, commits) = watch::channel(0);
        let mut groups = Groups {
            connection,
            cache,
            in_feed,
            notifier,
            request_tokens: RequestTokens::default(),
            checkpoints: 0,
            flusher,
            checkpointer,
        };
        let thread = std::thread::spawn(move || groups.run(&waiting));
        Self { requests: Some(requests), commits, thread: Some(thread) }
    }

    pub(super) async fn run(&self, work: UnitOfWork, durability: Durability) -> UnitAnswer {
        let (answer, outcome) = oneshot::channel();
        let gone = || TableError::Failed("the writer has ended".to_owned());
        self.requests
            .as_ref()
            .ok_or_else(gone)?
            .send(WriterRequest { work, durability, answer })
            .map_err(|_| gone())?;
        // If no answer comes, the commit may or may not have been made.
        outcome
            .await
            .unwrap_or_else(|_| Err(TableError::Unknown("the writer gave no answer".to_owned())))
    }

    pub(super) fn commits(&self) -> watch::Receiver<u64> {
        self.commits.clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.requests.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the writer of the store ended in a panic");
        }
    }
}

struct Groups {
    connection: Arc<Mutex<Connection>>,
    cache: Arc<ItemCache>,
    in_feed: fn(&Key) -> bool,
    notifier: watch::Sender<u64>,
    request_tokens: RequestTokens,
    checkpoints: usize,
    flusher: Flusher,
    /// None in memory.
    checkpointer: Option<Checkpointer>,
}

impl Groups {
    fn run(&mut self, waiting: &Receiver<WriterRequest>) {
        let mut loaded = false;
        let (mut groups, mut units) = (0_u64, 0);
        while let Ok(first) = waiting.recv() {
            let mut group = vec![first];
            group.extend(waiting.try_iter().take(LARGEST_GROUP - 1));
            while loaded
                && group.len() < GATHERED_UNITS
                && let Ok(next) = waiting.recv_timeout(NEXT_UNIT_WAIT)
            {
                group.push(next);
            }
            loaded = group.len() >= UNITS_UNDER_LOAD;
            groups += 1;
            units += group.len();
            let is_scrub =
                |request: &WriterRequest| matches!(request.work, UnitOfWork::Scrub { .. });
            let (scrubs, group): (Vec<WriterRequest>, Vec<WriterRequest>) =
                group.into_iter().partition(is_scrub);
            // A panic is a defect. It costs this group its answers, and the writer goes on.
            if catch_unwind(AssertUnwindSafe(|| self.settle(group))).is_err() {
                tracing::error!("a panic in the writer of the store; its group was not answered");
                self.undo();
            }
            self.scrub(scrubs);
        }
        tracing::debug!(groups, units, "the store was closed");
    }

    /// Removes erased data from the files, once for all callers that ask.
    fn scrub(&mut self, asked: Vec<WriterRequest>) {
        let Some(UnitOfWork::Scrub { now }) = asked.last().map(|request| &request.work) else {
            return;
        };
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let done = match super::scrub::scrub(&connection, *now) {
            Ok(left) => Ok(left),
            // A reader or the checkpoint thread is using the log.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(1),
            Err(error) => Err(TableError::Failed(error.to_string())),
        };
        drop(connection);
        for request in asked {
            let _ = request.answer.send(done.clone().map(UnitResult::Count));
        }
    }

    fn settle(&mut self, group: Vec<WriterRequest>) {
        if group.is_empty() {
            return;
        }
        let answers = match self.attempt(&group) {
            Ok(answers) => answers,
            Err(TableError::Failed(_) | TableError::Disk { unknown: false, .. })
                if group.len() > 1 =>
            {
                group
                    .iter()
                    .map(|request| self.attempt(std::slice::from_ref(request))?.remove(0))
                    .collect()
            }
            Err(error) => group.iter().map(|_| Err(error.clone())).collect(),
        };
        let told = group.iter().zip(&answers).any(|(request, answer)| match answer {
            Ok(UnitResult::Committed) => true,
            Ok(UnitResult::Count(count)) => {
                *count > 0 && matches!(request.work, UnitOfWork::DeleteExpired { .. })
            }
            Ok(UnitResult::Received(_)) | Err(_) => false,
        });
        if told {
            self.notifier.send_modify(|commits| *commits += 1);
        }
        let mut promised = Vec::new();
        for (request, answer) in group.into_iter().zip(answers) {
            match (request.durability, answer) {
                (Durability::Power, Ok(done)) => promised.push((request.answer, done)),
                // The caller may have gone.
                (_, answer) => drop(request.answer.send(answer)),
            }
        }
        if !promised.is_empty() {
            self.flusher.answer(promised);
        }
    }

    /// Does a group in one transaction. `Failed` has undone all of it; with `Unknown`, or a failing
    /// disk, it is not known what became of the commit.
    fn attempt(&mut self, group: &[WriterRequest]) -> Result<Vec<UnitAnswer>, TableError> {
        let connection = Arc::clone(&self.connection);
        let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.attempt_on(&connection, group);
        if outcome.is_err() {
            self.request_tokens.forget_uncommitted();
            undo_on(&connection);
        }
        outcome
    }

    fn attempt_on(
        &mut self,
        connection: &Connection,
        group: &[WriterRequest],
    ) -> Result<Vec<UnitAnswer>, TableError> {
        let failed = |error: rusqlite::Error| told(&error);
        execute(connection, "BEGIN IMMEDIATE").map_err(failed)?;
        let cache = Arc::clone(&self.cache);
        let mut changes = Group::new(connection, &cache, self.in_feed);
        let mut answers = Vec::with_capacity(group.len());
        for request in group {
            answers.push(match self.perform(&mut changes, connection, &request.work) {
                Ok(done) => Ok(done),
                Err(UnitError::Refused(error)) => Err(error),
                Err(UnitError::Sqlite(error)) => return Err(failed(error)),
            });
        }
        if self.checkpoints >= CHECKPOINTS_TO_TRIM {
            feed::trim(connection).map_err(failed)?;
            self.checkpoints = 0;
        }
        cache.change(changes.items.keys());
        if let Err(error) = execute(connection, "COMMIT") {
            cache.not_changed(changes.items.keys());
            return Err(match told(&error) {
                TableError::Disk { reason, .. } => TableError::Disk { reason, unknown: true },
                _ => TableError::Unknown(error.to_string()),
            });
        }
        cache.changed(changes.items);
        self.request_tokens.committed();
        if let Some(checkpointer) = &mut self.checkpointer {
            checkpointer.committed(group.len(), connection);
        }
        Ok(answers)
    }

    fn perform(
        &mut self,
        changes: &mut Group<'_>,
        connection: &Connection,
        work: &UnitOfWork,
    ) -> Result<UnitResult, UnitError> {
        match work {
            UnitOfWork::Commit { operations, token } => {
                let token = token.as_ref().map(|token| (token, fingerprint(operations)));
                if let Some((token, fingerprint)) = token
                    && self.request_tokens.knows(token, fingerprint)?
                {
                    return Ok(UnitResult::Committed);
                }
                changes.commit(operations)?;
                if let Some((token, fingerprint)) = token {
                    self.request_tokens.remember(token, fingerprint);
                }
                let checkpoint =
                    |operation: &&Operation| matches!(operation, Operation::Checkpoint { .. });
                self.checkpoints += operations.iter().filter(checkpoint).count();
                Ok(UnitResult::Committed)
            }
            UnitOfWork::Receive { queue, now, limit, lease } => {
                Ok(UnitResult::Received(queue::lease(connection, queue, *now, *limit, *lease)?))
            }
            UnitOfWork::DeleteExpired { now } => {
                Ok(UnitResult::Count(changes.delete_expired(*now)?))
            }
            UnitOfWork::Trim => Ok(UnitResult::Count(feed::trim(connection)?)),
            // It is taken out of every group before.
            UnitOfWork::Scrub { .. } => Ok(UnitResult::Count(0)),
        }
    }

    fn undo(&mut self) {
        self.request_tokens.forget_uncommitted();
        undo_on(&self.connection.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The tokens of recent transactions.
#[derive(Default)]
struct RequestTokens {
    known: HashMap<String, u64>,
    order: VecDeque<String>,
    /// This many of them, from the oldest on, are committed.
    committed: usize,
}

impl RequestTokens {
    fn knows(&self, token: &str, fingerprint: u64) -> Result<bool, TableError> {
        match self.known.get(token) {
            None => Ok(false),
            Some(known) if *known == fingerprint => Ok(true),
            Some(_) => Err(TableError::Invalid(
                "the token belongs to a transaction of other writes".to_owned(),
            )),
        }
    }

    fn remember(&mut self, token: &str, fingerprint: u64) {
        self.known.insert(token.to_owned(), fingerprint);
        self.order.push_back(token.to_owned());
    }

    fn committed(&mut self) {
        while self.order.len() > MOST_REQUEST_TOKENS {
            if let Some(token) = self.order.pop_front() {
                self.known.remove(&token);
            }
        }
        self.committed = self.order.len();
    }

    fn forget_uncommitted(&mut self) {
        for token in self.order.drain(self.committed..) {
            self.known.remove(&token);
        }
    }
}

fn fingerprint(operations: &[Operation]) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{operations:?}").hash(&mut hasher);
    hasher.finish()
}

/// The meaning of a failure of SQLite before the commit.
pub(super) fn told(error: &rusqlite::Error) -> TableError {
    let reason = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
            TableError::Disk { reason, unknown: false }
        }
        _ => TableError::Failed(reason),
    }
}

fn undo_on(connection: &Connection) {
    // Some failures have already ended the transaction.
    if !connection.is_autocommit()
        && let Err(error) = execute(connection, "ROLLBACK")
    {
        tracing::error!(%error, "a group of writes could not be undone");
    }
}

fn execute(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{rows, schema};
    use dacapo_platform::table::{Body, Condition, Item, Write};

    fn put(pk: &str, bytes: usize) -> WriterRequest {
        let body = Body::of(&serde_json::json!({ "text": "x".repeat(bytes) })).unwrap();
        let write = Write::put(Item::new(Key::new(pk, "s"), body), Condition::Absent);
        let work = UnitOfWork::Commit {
            operations: vec![Operation::Write(write)],
            token: Some(pk.to_owned()),
        };
        WriterRequest { work, durability: Durability::Power, answer: oneshot::channel().0 }
    }

    fn groups() -> Groups {
        let connection = schema::prepare(Connection::open_in_memory().unwrap()).unwrap();
        Groups {
            connection: Arc::new(Mutex::new(connection)),
            cache: Arc::default(),
            in_feed: |key| {
                assert_ne!(key.pk, "a defect");
                false
            },
            notifier: watch::channel(0).0,
            request_tokens: RequestTokens::default(),
            checkpoints: 0,
            flusher: Flusher::start(None),
            checkpointer: None,
        }
    }

    fn stored(groups: &Groups) -> Vec<&'static str> {
        let connection = groups.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let there = |pk: &&str| rows::get(&connection, &Key::new(*pk, "s")).unwrap().is_some();
        ["before", "too large", "a defect", "behind"].into_iter().filter(there).collect()
    }

    #[test]
    fn a_unit_that_sqlite_fails_does_not_fail_its_group() {
        let mut groups = groups();
        let pages = "PRAGMA max_page_count = 40";
        groups.connection.lock().unwrap().query_row(pages, [], |_| Ok(())).unwrap();
        assert!(groups.attempt(&[put("before", 10), put("too large", 300_000)]).is_err());
        assert_eq!(stored(&groups), [""; 0], "the group is undone");
        groups.settle(vec![put("before", 10), put("too large", 300_000), put("behind", 10)]);
        assert_eq!(stored(&groups), ["before", "behind"]);
    }

    #[test]
    fn a_full_disk_is_told_as_such_and_it_goes_on_when_there_is_room() {
        let mut groups = groups();
        let pages = |groups: &Groups, most: i64| {
            let pragma = format!("PRAGMA max_page_count = {most}");
            let connection = groups.connection.lock().unwrap_or_else(PoisonError::into_inner);
            connection.query_row(&pragma, [], |_| Ok(())).unwrap();
        };
        pages(&groups, 40);
        let full = groups.attempt(&[put("too large", 300_000)]).map(|_| ()).unwrap_err();
        assert!(matches!(&full, TableError::Disk { unknown: false, .. }), "{full}");
        assert!(full.to_string().contains("disk is full"), "{full}");
        pages(&groups, 400);
        groups.settle(vec![put("too large", 300_000)]);
        assert_eq!(stored(&groups), ["too large"]);
    }

    #[test]
    fn a_panic_costs_its_group_and_not_the_writer() {
        let mut groups = groups();
        let (requests, waiting) = channel();
        requests.send(put("before", 10)).unwrap();
        // One that asks the filter, which panics.
        let mut defect = put("a defect", 10);
        let delete = Write::delete(Key::new("a defect", "s"), Condition::Always);
        defect.work =
            UnitOfWork::Commit { operations: vec![Operation::Write(delete)], token: None };
        requests.send(defect).unwrap();
        drop(requests);
        groups.run(&waiting);
        assert_eq!(stored(&groups), [""; 0]);
        groups.settle(vec![put("before", 10), put("behind", 10)]);
        assert_eq!(
            stored(&groups),
            ["before", "behind"],
            "a token of the lost group is not remembered"
        );
    }
}

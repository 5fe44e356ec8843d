//! A batch of a round: the contact of each piece of work, how they run concurrently, what
//! acknowledges them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dacapo_platform::error::Error;
use dacapo_platform::ports::QueueMessage;
use dacapo_platform::table::{Body, TableError};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::store::Operation;

/// What acknowledges the work of a batch: one commit. A crash before it repeats the work, which is
/// idempotent.
#[derive(Clone, Default)]
pub(super) struct Acknowledged(Arc<Mutex<Vec<Operation>>>);

impl Acknowledged {
    pub(super) fn add(&self, operation: Option<Operation>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(operation);
    }

    pub(super) fn take(&self) -> Vec<Operation> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How often a round takes something, from any source. What is done between rounds has to have its
/// turn under load, too.
const TAKES: usize = 32;

/// The sources of a round, which are read concurrently. One that has nothing looks again as soon as
/// something is committed, since one source makes work for another. The round ends when none has
/// anything.
pub(super) struct Sources {
    commits: watch::Receiver<u64>,
    at_work: watch::Sender<usize>,
    takes: AtomicUsize,
}

impl Sources {
    /// This many of them, around a store with this notifier.
    pub(super) fn new(number: usize, commits: watch::Receiver<u64>) -> Self {
        Self { commits, at_work: watch::Sender::new(number), takes: AtomicUsize::new(0) }
    }

    /// Takes from one of them as long as there is anything, and the round goes on. Answers whether
    /// there was.
    pub(super) async fn drained<F>(&self, mut take: impl FnMut() -> F) -> Result<bool, Error>
    where
        F: Future<Output = Result<bool, Error>>,
    {
        let mut at_work = AtWork { sources: self, counted: true };
        let mut commits = self.commits.clone();
        let mut any = false;
        while self.takes.load(Ordering::Relaxed) < TAKES {
            commits.mark_unchanged();
            if take().await? {
                any = true;
                self.takes.fetch_add(1, Ordering::Relaxed);
            } else if !at_work.wait_for(&mut commits).await {
                break;
            }
        }
        Ok(any)
    }
}

/// Guard: a source is at work, until this is dropped.
struct AtWork<'a> {
    sources: &'a Sources,
    counted: bool,
}

impl AtWork<'_> {
    fn is(&mut self, at_work: bool) {
        if std::mem::replace(&mut self.counted, at_work) != at_work {
            self.sources.at_work.send_modify(|number| match at_work {
                true => *number += 1,
                false => *number -= 1,
            });
        }
    }

    /// Waits until something is committed; `false`: no source is at work that could commit.
    async fn wait_for(&mut self, commits: &mut watch::Receiver<u64>) -> bool {
        self.is(false);
        let mut others = self.sources.at_work.subscribe();
        let committed = tokio::select! {
            changed = commits.changed() => changed.is_ok(),
            _ = others.wait_for(|number| *number == 0) => false,
        };
        self.is(committed);
        committed
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.is(false);
    }
}

/// Processes different contacts concurrently, on all cores. The first failure is answered when all
/// are done. A task is copied several times before and after it runs, so a large one is boxed where
/// it begins.
pub(super) async fn side_by_side<F>(contacts: impl Iterator<Item = F>) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let mut under_way: JoinSet<Result<(), Error>> = contacts.collect();
    let mut answer = Ok(());
    while let Some(done) = under_way.join_next().await {
        let done = done.unwrap_or_else(|error| {
            Err(Error::from(TableError::Failed(format!("a task ended: {error}"))))
        });
        answer = answer.and(done);
    }
    answer
}

/// The ordering key of a message: a contact, or a shard of a job.
pub(super) fn whose(body: &Body) -> Option<String> {
    body.read::<QueueMessage>().ok()?.ordering_key()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    #[tokio::test]
    async fn what_one_source_commits_another_takes_meanwhile() {
        let (notifier, commits) = watch::channel(0);
        let sources = Sources::new(2, commits);
        let taken = AtomicBool::new(false);
        // The ordering key of a job whose shards order their next steps until the feed has moved
        // on.
        let job_step = async || {
            tokio::task::yield_now().await;
            notifier.send_modify(|commits| *commits += 1);
            Ok(!taken.load(SeqCst))
        };
        let feed = async || Ok(*notifier.borrow() > 0 && !taken.swap(true, SeqCst));
        let (fed, stepped) = tokio::join!(sources.drained(feed), sources.drained(job_step));
        assert!(fed.unwrap() && stepped.unwrap());
        assert!(taken.load(SeqCst), "the feed waited for the job to end");
    }

    #[tokio::test]
    async fn a_source_that_fails_keeps_nobody_waiting() {
        let (_notifier, commits) = watch::channel(0);
        let sources = Sources::new(2, commits);
        let fails = async || Err(Error::from(TableError::Failed("the disk".to_owned())));
        let (failed, empty) =
            tokio::join!(sources.drained(fails), sources.drained(async || Ok(false)));
        assert!(failed.is_err() && !empty.unwrap());
    }

    #[tokio::test]
    async fn a_round_ends_although_there_is_always_more() {
        let (_notifier, commits) = watch::channel(0);
        let sources = Sources::new(1, commits);
        assert!(sources.drained(async || Ok(true)).await.unwrap());
        assert_eq!(sources.takes.into_inner(), TAKES);
    }
}

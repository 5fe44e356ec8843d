//! Progress, the list, cancelling.

use super::lifecycle::sum;
use super::{ContactFailure, Counts, Job, JobKind, JobStatus, Jobs, Shard};
use crate::error::Error;
use crate::store::read;
use crate::table::{Consistency, Key, Query};

/// How far a job is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The job.
    pub job: Job,
    /// How it stands.
    pub status: JobStatus,
    /// How many pairs of contact and campaign it is about: an estimate until it has ended.
    pub total: u64,
    /// Whether it is about so many at least, since there was no time to count all.
    pub total_is_a_minimum: bool,
    /// What was counted so far.
    pub counts: Counts,
    /// The first failures.
    pub failures: Vec<ContactFailure>,
}

impl Progress {
    fn of(job: Job, shards: &[Option<Shard>]) -> Self {
        let counts = sum(&job, shards);
        let begun = shards.iter().any(Option::is_some);
        let status = match (job.status, job.ends_as) {
            (JobStatus::Queued, Some(JobStatus::Cancelled)) => JobStatus::Cancelling,
            (JobStatus::Queued, _) if begun => JobStatus::Running,
            (status, _) => status,
        };
        let total = match (status, &job.dry_run) {
            (_, Some(_)) => job.estimate,
            (JobStatus::Completed, None) => counts.sum(),
            (
                JobStatus::Queued
                | JobStatus::Running
                | JobStatus::Cancelling
                | JobStatus::Cancelled
                | JobStatus::Failed,
                None,
            ) => job.estimate.max(counts.sum()),
        };
        let is_counted = status == JobStatus::Completed && job.dry_run.is_none();
        let total_is_a_minimum = job.estimate_is_a_minimum && !is_counted;
        let failures = shards.iter().flatten().flat_map(|shard| shard.failures.iter().cloned());
        let failures = failures.collect();
        Self { job, status, total, total_is_a_minimum, counts, failures }
    }
}

/// Why a job was not cancelled.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CancelError {
    /// There is no such job.
    #[error("there is no such mass action")]
    NoSuchJob,
    /// It is over: nothing is left to cancel.
    #[error("the mass action is {} already", .0.word())]
    Over(JobStatus),
    /// It cannot be left half done.
    #[error("an account is erased as a whole; this cannot be cancelled")]
    Erasing,
    /// The platform.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Jobs {
    /// How far a job is.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn progress(&self, seq: u64) -> Result<Option<Progress>, Error> {
        let Some(job) = self.get(seq).await? else { return Ok(None) };
        let shards = self.shards(&job).await?;
        Ok(Some(Progress::of(job, &shards)))
    }

    /// The newest jobs, newest first: of all of them, or of those that were asked for before this
    /// one; and, if there are more, before which the next ones were.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn list(
        &self,
        most: usize,
        before: Option<u64>,
    ) -> Result<(Vec<Progress>, Option<u64>), Error> {
        let partition = self.store.keys.jobs_listed();
        let query = Query::of(&partition).descending().limit(most);
        let bounds = match before {
            None => None,
            Some(before) => match before.checked_sub(1) {
                Some(last) => Some([0, last].map(|seq| self.store.keys.job_listed(seq).sk)),
                None => return Ok((Vec::new(), None)),
            },
        };
        let query = match &bounds {
            Some([first, last]) => query.between(first, last),
            None => query,
        };
        let page = self.store.table.query_index(query).await?;
        let last = page.items.last().filter(|_| page.cursor.is_some());
        let next = last.and_then(|(listed, _)| listed.sk.parse().ok());
        let keys: Vec<Key> = page.items.into_iter().map(|(_, key)| key).collect();
        let stored = self.store.table.get_many(&keys, Consistency::Strong).await?;
        let mut items = Vec::new();
        for stored in stored.iter().flatten() {
            let job: Job = read(stored)?;
            let shards = self.shards(&job).await?;
            items.push(Progress::of(job, &shards));
        }
        Ok((items, next))
    }

    /// Cancels a job. What was done stays done; a page that is under way is done and counted, and
    /// until then the job is [`JobStatus::Cancelling`]. Idempotent.
    ///
    /// # Errors
    ///
    /// See [`CancelError`].
    pub async fn cancel(&self, seq: u64) -> Result<Progress, CancelError> {
        let job = self.get(seq).await?.ok_or(CancelError::NoSuchJob)?;
        if job.kind == JobKind::EraseAccount {
            return Err(CancelError::Erasing);
        }
        if Box::pin(self.cancel_waiting(job)).await? {
            return self.progress(seq).await?.ok_or(CancelError::NoSuchJob);
        }
        match Box::pin(self.wind_up(seq, JobStatus::Cancelled, None)).await? {
            Some(JobStatus::Completed) => Err(CancelError::Over(JobStatus::Completed)),
            Some(JobStatus::Failed) => Err(CancelError::Over(JobStatus::Failed)),
            Some(_) => self.progress(seq).await?.ok_or(CancelError::NoSuchJob),
            None => Err(CancelError::NoSuchJob),
        }
    }
}

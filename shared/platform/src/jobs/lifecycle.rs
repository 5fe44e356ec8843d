//! How a job begins, waits, and ends.
//!
//! A job and the catalog that counts it are written in one transaction, together with the change
//! from which the job follows. The catalog lists the jobs that are not over; a job that concerns a
//! campaign of an earlier one waits for that one's end. Jobs that are listed and not yet in the
//! queue are ordered by the next caller. So no job is lost after a crash. Steps are idempotent, so
//! they may be ordered twice.

use std::collections::BTreeSet;

use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::ids::ContactId;

use super::{
    Counted, Counts, Job, JobKind, JobStatus, Jobs, Requested, SHARDS, Selection, Shard, StoredPage,
};
use crate::Instant;
use crate::catalog::{Catalog, Head, OpenJob, Together};
use crate::error::Error;
use crate::orders::pause_end_order;
use crate::ports::{Done, JobStep, Order, Queue, QueueMessage, Shown};
use crate::store::{TRIES, item, read};
use crate::table::{Condition, Consistency, Write};

/// How many contacts a page has.
pub(super) const PAGE: usize = 200;

/// How long pages are kept; the job itself is kept permanently.
pub(super) const PAGES_KEPT: chrono::TimeDelta = chrono::TimeDelta::days(30);

/// A job that names more campaigns is taken to concern all of them, so that the catalog stays
/// small.
const MOST_NAMED: usize = 20;

/// The most jobs that may wait or be under way, so that the catalog stays small.
const MOST_OPEN: usize = 100;

/// Why a job was not opened.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BeginError {
    /// The greatest number of open jobs is reached.
    #[error("{MOST_OPEN} mass actions wait or are under way; cancel some, or try again later")]
    TooMany,
    /// The platform.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Jobs {
    /// Opens a job, and orders it unless it has to wait for an earlier one.
    ///
    /// # Errors
    ///
    /// [`BeginError::TooMany`], and what the table answers.
    pub async fn begin(
        &self,
        requested: &Requested,
        together: impl Together<Job>,
    ) -> Result<Job, BeginError> {
        if let JobKind::Reconcile { .. } = requested.kind {
            let loaded = self.catalog.after(Instant::MAX_UTC).await?;
            let ends = loaded.catalog.campaigns.values().filter_map(Head::paused_until);
            let ends: BTreeSet<Instant> = ends.collect_compactly();
            if !ends.is_empty() {
                self.orders.give(ends.into_iter().map(pause_end_order).collect()).await?;
            }
        }
        let job = self
            .catalog
            .change(|catalog| {
                // After a restore, open jobs go on only when this one orders them.
                let reconciles = matches!(requested.kind, JobKind::Reconcile { .. });
                if catalog.open.len() >= MOST_OPEN && !reconciles {
                    return Err(BeginError::TooMany);
                }
                let (job, mut writes) = self.open(catalog, requested)?;
                writes.extend(together(&job)?);
                Ok((job, writes))
            })
            .await?;
        self.dispatch_or_leave().await;
        Ok(job)
    }

    /// Gives a job its number and lists it. The caller writes the answer together with the catalog.
    pub(crate) fn open(
        &self,
        catalog: &mut Catalog,
        requested: &Requested,
    ) -> Result<(Job, Vec<Write>), Error> {
        catalog.jobs += 1;
        let mut pages = Vec::new();
        let chunks: Vec<&[ContactId]> = requested.named.chunks(PAGE).collect();
        let shards = match requested.selection {
            Selection::Named { .. } => {
                u32::try_from(chunks.len()).unwrap_or(SHARDS).clamp(1, SHARDS)
            }
            Selection::Tag(_)
            | Selection::Enrolled
            | Selection::Everybody
            | Selection::Objects(_)
            | Selection::Members(_) => SHARDS,
        };
        let job = self.job_of(catalog.jobs, requested, shards, JobStatus::Queued);
        for (nth, chunk) in (0u32..).zip(&chunks) {
            let page = StoredPage { contacts: chunk.to_vec(), after: None };
            let key = self.store.keys.page(job.seq, 0, nth % shards, 0, nth / shards);
            let page = item(key, &page)?.expires(job.at + PAGES_KEPT);
            pages.push(Write::put(page, Condition::Always));
        }
        let every = job.kind == JobKind::EraseAccount || job.campaigns.len() > MOST_NAMED;
        let campaigns = if every { Vec::new() } else { job.campaigns.clone() };
        let mut beside_others = false;
        if let JobKind::Reconcile { sent_until, .. } = job.kind {
            beside_others = true;
            // It is not known whether the queue still has the steps of earlier jobs: they are
            // ordered again.
            catalog.open.iter_mut().for_each(|open| open.ordered = false);
            catalog.sent_until = catalog.sent_until.max(sent_until);
        }
        catalog.open.push(OpenJob { seq: job.seq, campaigns, ordered: false, beside_others });
        let mut writes = vec![self.write_of(&job)?];
        writes.extend(pages);
        Ok((job, writes))
    }

    /// A job of this number.
    pub(super) fn job_of(
        &self,
        seq: u64,
        requested: &Requested,
        shards: u32,
        status: JobStatus,
    ) -> Job {
        Job {
            seq,
            kind: requested.kind,
            selection: requested.selection.clone(),
            campaigns: requested.campaigns.clone(),
            all: requested.all,
            by: requested.by.clone(),
            at: self.store.now(),
            shards,
            estimate: requested.estimate,
            estimate_is_a_minimum: requested.estimate_is_a_minimum,
            status,
            ends_as: None,
            reason: None,
            ended_at: status.is_over().then(|| self.store.now()),
            dry_run: None,
            n: 1,
        }
    }

    /// The first or the next state of a job.
    pub(super) fn write_of(&self, job: &Job) -> Result<Write, Error> {
        let stored = item(self.store.keys.job(job.seq), job)?.rev(job.n);
        Ok(Write::next(stored.index(self.store.keys.job_listed(job.seq))))
    }

    /// A job.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn get(&self, seq: u64) -> Result<Option<Job>, Error> {
        self.store.get(&self.store.keys.job(seq)).await?.map(|item| read(&item)).transpose()
    }

    /// The shards of a job that have begun.
    pub(super) async fn shards(&self, job: &Job) -> Result<Vec<Option<Shard>>, Error> {
        let keys: Vec<_> =
            (0..job.shards).map(|shard| self.store.keys.shard(job.seq, shard)).collect();
        let stored = self.store.table.get_many(&keys, Consistency::Strong).await?;
        stored.iter().map(|item| item.as_ref().map(read).transpose()).collect()
    }

    /// Orders the jobs that are listed, not yet in the queue, and need not wait for an earlier one.
    /// To be called whenever a process starts. Code that opens or ends a job calls it too.
    ///
    /// # Errors
    ///
    /// Retryable errors.
    pub async fn dispatch_pending(&self) -> Result<(), Error> {
        // Other jobs may have waited for one that turns out to be over.
        while self.dispatch_ready().await? {}
        Ok(())
    }

    /// Orders the jobs that are ready. `true` if a job was over and was taken off the list.
    async fn dispatch_ready(&self) -> Result<bool, Error> {
        let loaded = self.catalog.after(Instant::MAX_UTC).await?;
        let open = &loaded.catalog.open;
        let ready: Vec<u64> = open
            .iter()
            .filter(|job| !job.ordered)
            .filter(|job| !open.iter().any(|other| other.seq < job.seq && other.meets(job)))
            .map(|job| job.seq)
            .collect();
        if ready.is_empty() {
            return Ok(false);
        }
        let (mut orders, mut over) = (Vec::new(), Vec::new());
        for seq in &ready {
            let Some(job) = self.get(*seq).await?.filter(|job| !job.status.is_over()) else {
                over.push(*seq);
                continue;
            };
            let now = self.store.now();
            // Nothing bounds how late the lists by tag are, where that is unknown.
            let shown = match job.selection.tag() {
                Some(_) => self.orders.outbox.feed_is_read(),
                None => self.orders.outbox.lists_show(job.at, now) == Shown::Yes,
            };
            for (shard, stored) in (0..).zip(self.shards(&job).await?) {
                let number = stored.map_or(0, |shard| shard.next_step);
                orders.push(self.step_order(JobStep { job: *seq, shard, number, shown }, now));
            }
        }
        if !orders.is_empty() {
            self.orders.give(orders).await?;
        }
        self.catalog
            .change(|catalog| {
                catalog.open.retain(|job| !over.contains(&job.seq));
                for job in catalog.open.iter_mut().filter(|job| ready.contains(&job.seq)) {
                    job.ordered = true;
                }
                Ok::<_, Error>(((), Vec::new()))
            })
            .await?;
        Ok(!over.is_empty())
    }

    /// What was committed is done, whether or not the queue answers: the next caller orders the
    /// rest.
    pub(crate) async fn dispatch_or_leave(&self) {
        if let Err(error) = self.dispatch_pending().await {
            tracing::warn!(%error, "jobs stay pending");
        }
    }

    pub(super) fn step_order(&self, job_step: JobStep, at: Instant) -> Order {
        Order::Send { queue: Queue::Jobs, at, message: QueueMessage::JobStep(job_step) }
    }

    /// Takes a job that is over off the list, and orders the jobs that waited for it.
    pub(super) async fn close(&self, seq: u64) -> Result<(), Error> {
        let loaded = self.catalog.after(Instant::MAX_UTC).await?;
        if !loaded.catalog.open.iter().any(|open| open.seq == seq) {
            return Ok(());
        }
        self.catalog
            .change(|catalog| {
                catalog.open.retain(|open| open.seq != seq);
                Ok::<_, Error>(((), Vec::new()))
            })
            .await?;
        self.dispatch_pending().await
    }

    /// Opens the job that erases the account. From now on nothing happens in any campaign, and no
    /// contact is let in.
    pub(crate) fn open_erasure(
        &self,
        catalog: &mut Catalog,
        by: &str,
        counted: Counted,
    ) -> Result<(Job, Vec<Write>), Error> {
        let requested = Requested {
            kind: JobKind::EraseAccount,
            selection: Selection::Everybody,
            named: Vec::new(),
            campaigns: catalog.campaigns.keys().cloned().collect(),
            all: true,
            by: by.to_owned(),
            estimate: counted.count,
            estimate_is_a_minimum: counted.is_a_minimum,
        };
        let opened = self.open(catalog, &requested)?;
        catalog.erased_by = Some(opened.0.seq);
        catalog.campaigns.clear();
        Ok(opened)
    }

    /// Ends a job, unless it is over, and takes it off the list. Answers how it ended.
    pub(super) async fn end(
        &self,
        seq: u64,
        status: JobStatus,
        reason: Option<&str>,
    ) -> Result<Option<JobStatus>, Error> {
        for _ in 0..TRIES {
            let Some(mut job) = self.get(seq).await? else { return Ok(None) };
            if !job.status.is_over() {
                job.status = job.ends_as.unwrap_or(status);
                job.reason = reason.map(str::to_owned).or(job.reason);
                job.ended_at = Some(self.store.now());
                job.n += 1;
                if !self.store.write_if_first(vec![self.write_of(&job)?]).await? {
                    continue;
                }
            }
            self.close(seq).await?;
            return Ok(Some(job.status));
        }
        Err(Error::Contended(TRIES))
    }
}

impl Jobs {
    /// Has a job end so, as soon as no worker is at any of its shards: each shard ends with its
    /// next step, and the last one ends the job. Answers how it ended, if it is over already.
    pub(super) async fn wind_up(
        &self,
        seq: u64,
        status: JobStatus,
        reason: Option<&str>,
    ) -> Result<Option<JobStatus>, Error> {
        for _ in 0..TRIES {
            let Some(mut job) = self.get(seq).await? else { return Ok(None) };
            if job.status.is_over() {
                self.close(seq).await?;
                return Ok(Some(job.status));
            }
            if job.ends_as.is_none() {
                job.ends_as = Some(status);
                job.reason = reason.map(str::to_owned);
                job.n += 1;
                if !self.store.write_if_first(vec![self.write_of(&job)?]).await? {
                    continue;
                }
            }
            // A step may wait for long: these come at once. The message that is in the queue
            // already finds that the shard has ended.
            let now = self.store.now();
            let shards = (0..).zip(self.shards(&job).await?);
            let left = shards.filter(|(_, shard)| shard.as_ref().is_none_or(|shard| !shard.ended));
            let steps = left.map(|(shard, stored)| {
                let number = stored.map_or(0, |shard| shard.next_step);
                self.step_order(JobStep { job: seq, shard, number, shown: false }, now)
            });
            self.orders.give(steps.collect()).await?;
            return Ok(Some(job.status));
        }
        Err(Error::Contended(TRIES))
    }

    /// Cancels a job that waits for an earlier one: no step of it was ever ordered, and none will
    /// be. `false` if it does not wait.
    pub(super) async fn cancel_waiting(&self, mut job: Job) -> Result<bool, Error> {
        let seq = job.seq;
        if job.status.is_over() || job.ends_as.is_some() {
            return Ok(false);
        }
        job.status = JobStatus::Cancelled;
        job.ended_at = Some(self.store.now());
        job.n += 1;
        self.catalog
            .change(|catalog| {
                let open = &catalog.open;
                let waits = |job: &OpenJob| {
                    let mut earlier = open.iter().filter(|other| other.seq < seq);
                    !job.ordered && earlier.any(|other| other.meets(job))
                };
                if !open.iter().any(|job| job.seq == seq && waits(job)) {
                    return Ok((false, Vec::new()));
                }
                catalog.open.retain(|open| open.seq != seq);
                Ok::<_, Error>((true, vec![self.write_of(&job)?]))
            })
            .await
    }

    /// A paused campaign takes no contact in. The job ends here, and the resume opens one for the
    /// contacts that are left.
    pub(super) async fn leave_for_resume(&self, job: &Job) -> Result<Done, Error> {
        let Some(campaign) = job.campaigns.first() else { return Ok(Done::Yes) };
        let left = self
            .catalog
            .change(|catalog| {
                let head = catalog.campaigns.get_mut(campaign);
                let paused = |head: &&mut Head| head.standing().is_some_and(|now| now.paused);
                let Some(head) = head.filter(paused) else { return Ok((false, Vec::new())) };
                head.enrolls = true;
                Ok::<_, Error>((true, Vec::new()))
            })
            .await?;
        if !left {
            // It has been resumed meanwhile.
            return Ok(Done::NotBefore(self.store.now()));
        }
        let reason = "the campaign was paused; those who are left may enter when it is resumed";
        self.wind_up(job.seq, JobStatus::Cancelled, Some(reason)).await?;
        Ok(Done::Yes)
    }
}

/// The sum over the shards of a job, plus the contacts that are skipped because they do not exist.
pub(super) fn sum(job: &Job, shards: &[Option<Shard>]) -> Counts {
    let mut counts = Counts::default();
    if let Selection::Named { missing, .. } = job.selection {
        counts.skipped = missing * u64::try_from(job.campaigns.len()).unwrap_or(0);
    }
    for shard in shards.iter().flatten() {
        counts.add(shard.counts);
    }
    counts
}

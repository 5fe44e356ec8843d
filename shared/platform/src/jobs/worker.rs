//! What a message does: one step of a shard.
//!
//! | the message's step | what is done |
//! |---|---|
//! | was done | nothing: the next one was ordered before this one was noted as done |
//! | was not | the shard is claimed, pages are done, the next step is ordered, this one is noted |
//! | is of a job that is to end | the shard is claimed and ends; the last one ends the job |
//!
//! Every write of the shard is conditional on its revision. A worker that loses this race has lost
//! the shard, and its counts are dropped: so nothing is counted twice. A shard never goes back, so
//! repeated messages come to an end.

use std::sync::Arc;

use chrono::TimeDelta;

use super::account::AccountErasure;
use super::outcomes::PageWork;
use super::pages::{Next, Pages, campaign_at};
use super::{Claim, ContactOutcome, Job, JobKind, JobStatus, Jobs, Shard};
use crate::Instant;
use crate::error::{Error, Retryability};
use crate::orders::Orders;
use crate::ports::{Done, JobStep, Shown};
use crate::store::{Store, item, read};
use crate::table::{TableError, Write};

/// How many pages a step does.
const PAGES_PER_STEP: usize = 2;

/// The most pages of a shard. Only a defect comes near it.
const MOST_PAGES: u32 = 1_000_000;

/// How long a claim holds: longer than a worker may take for a step.
const LEASE: TimeDelta = TimeDelta::seconds(120);

/// After how long contacts that wait for the feed are tried again.
const PAUSE_FOR_FEED: TimeDelta = TimeDelta::seconds(30);

/// What comes after a page.
enum PageResult {
    /// The next one.
    Went,
    /// Nothing before something else has happened.
    Wait(Done),
    /// Nothing: the campaign is paused, and no contact enters it now.
    Paused,
    /// Nothing: the shard is done.
    Ended,
}

/// A worker at a shard.
struct StepWorker<'a> {
    worker: &'a JobWorker,
    job: &'a Job,
    step: &'a JobStep,
    /// The shard as it was last noted.
    shard: Shard,
}

/// The handler of job steps.
pub struct JobWorker {
    pub(crate) store: Arc<Store>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) account: AccountErasure,
    pub(crate) page_work: PageWork,
    pub(crate) pages: Pages,
}

impl JobWorker {
    /// Does a step of a job. Idempotent.
    ///
    /// # Errors
    ///
    /// Retryable errors.
    pub async fn step(&self, step: &JobStep) -> Result<Done, Error> {
        let Some(job) = self.jobs.get(step.job).await? else { return Ok(Done::Yes) };
        if job.status.is_over() {
            self.jobs.close(job.seq).await?;
            return Ok(Done::Yes);
        }
        let stored = self.store.get(&self.store.keys.shard(job.seq, step.shard)).await?;
        let shard: Shard = stored.map(|item| read(&item)).transpose()?.unwrap_or_default();
        if shard.ended {
            return self.finish(&job, step).await;
        }
        if step.number < shard.next_step && job.ends_as.is_none() {
            return Ok(Done::Yes);
        }
        let mut worker = StepWorker { worker: self, job: &job, step, shard };
        if let Some(done) = worker.claim().await? {
            return Ok(done);
        }
        if job.ends_as.is_some() {
            return worker.give_up().await;
        }
        match worker.do_pages().await {
            Ok(done) => Ok(done),
            Err(error) if error.retryability() == Retryability::Permanent => {
                tracing::error!(%error, job = job.seq, "a job cannot go on");
                worker.release_claim().await;
                self.jobs.wind_up(job.seq, JobStatus::Failed, Some(&error.to_string())).await?;
                Ok(Done::Yes)
            }
            Err(error) => {
                worker.release_claim().await;
                Err(error)
            }
        }
    }

    /// Ends a job whose shards have all ended.
    async fn finish(&self, job: &Job, step: &JobStep) -> Result<Done, Error> {
        let shards = self.jobs.shards(job).await?;
        if !shards.iter().all(|shard| shard.as_ref().is_some_and(|shard| shard.ended)) {
            return Ok(Done::Yes);
        }
        match job.kind {
            JobKind::EraseAccount if job.ends_as.is_none() => {
                match self.orders.outbox.lists_show(job.at, self.store.now()) {
                    // A change that the feed still brings may count.
                    Shown::Soon => return Ok(Done::Soon),
                    Shown::NotBefore(at) => return Ok(Done::NotBefore(at)),
                    // A queue delivers one message a bounded number of times: a step of its own
                    // goes on.
                    Shown::Yes if !self.account.erase_rest(job).await? => {
                        let order = self.jobs.step_order(step.clone(), self.store.now());
                        self.orders.give(vec![order]).await?;
                        return Ok(Done::Yes);
                    }
                    Shown::Yes => {}
                }
            }
            JobKind::EraseAccount
            | JobKind::StopCampaign { .. }
            | JobKind::Release
            | JobKind::EnrollExisting
            | JobKind::Milestones
            | JobKind::Reconcile { .. } => {}
        }
        self.jobs.end(job.seq, JobStatus::Completed, None).await?;
        Ok(Done::Yes)
    }
}

impl StepWorker<'_> {
    /// Claims the shard, where a message may be with two workers at once. Answers what to do if
    /// that is not possible.
    async fn claim(&mut self) -> Result<Option<Done>, Error> {
        if self.worker.orders.outbox.delivers_exclusively() {
            return Ok(None);
        }
        let now = self.worker.store.now();
        if let Some(claim) = self.shard.claim.as_ref().filter(|claim| now < claim.until) {
            return Ok(Some(Done::NotBefore(claim.until)));
        }
        let claim = Claim { by: self.worker.store.new_write_id(), until: now + LEASE };
        let next = Shard { claim: Some(claim), ..self.shard.clone() };
        Ok(if self.note(next).await? { None } else { Some(Done::Soon) })
    }

    /// Ends the shard of a job that is to end, with what is left of it.
    async fn give_up(&mut self) -> Result<Done, Error> {
        let next = Shard { ended: true, claim: None, ..self.shard.clone() };
        match self.note(next).await? {
            true => self.worker.finish(self.job, self.step).await,
            false => Ok(Done::Soon),
        }
    }

    /// Does pages of the shard, as many as a step may, and notes after each where it is.
    async fn do_pages(&mut self) -> Result<Done, Error> {
        for nth in 1.. {
            let mut next = self.shard.clone();
            let page_step = self.page_step(&mut next).await?;
            if next.pages > MOST_PAGES {
                let reason = format!("a shard has more than {MOST_PAGES} pages");
                self.release_claim().await;
                self.worker.jobs.wind_up(self.job.seq, JobStatus::Failed, Some(&reason)).await?;
                return Ok(Done::Yes);
            }
            let done = match &page_step {
                PageResult::Went if nth < PAGES_PER_STEP => {
                    if let Some(claim) = next.claim.as_mut() {
                        claim.until = self.worker.store.now() + LEASE;
                    }
                    None
                }
                PageResult::Went => Some(self.go_on(&mut next, self.worker.store.now()).await?),
                PageResult::Wait(Done::NotBefore(at) | Done::NotTried(at)) => {
                    Some(self.go_on(&mut next, *at).await?)
                }
                PageResult::Wait(Done::Soon) => Some(Done::Soon),
                PageResult::Ended | PageResult::Wait(Done::Yes) => {
                    next.next_step = self.step.number + 1;
                    next.ended = true;
                    Some(Done::Yes)
                }
                PageResult::Paused => Some(Done::Yes),
            };
            if done.is_some() {
                next.claim = None;
            }
            // A step that waits without having done anything writes nothing: a write would be an
            // event for the worker that tries again.
            if next != self.shard && !self.note(next).await? {
                return Ok(Done::Soon);
            }
            match (done, page_step) {
                (None, _) => {}
                (Some(_), PageResult::Ended) => {
                    return self.worker.finish(self.job, self.step).await;
                }
                (Some(_), PageResult::Paused) => {
                    return self.worker.jobs.leave_for_resume(self.job).await;
                }
                (Some(done), PageResult::Went | PageResult::Wait(_)) => return Ok(done),
            }
        }
        Ok(Done::Yes)
    }

    /// Orders the next step, before this one is noted as done. So a step that was done always has a
    /// next one, even after a crash in between.
    async fn go_on(&self, next: &mut Shard, at: Instant) -> Result<Done, Error> {
        next.next_step = self.step.number + 1;
        let step = JobStep { number: next.next_step, ..self.step.clone() };
        self.worker.orders.give(vec![self.worker.jobs.step_order(step, at)]).await?;
        Ok(Done::Yes)
    }

    /// Does one page.
    async fn page_step(&self, next: &mut Shard) -> Result<PageResult, Error> {
        let at = next.campaign;
        let contacts = match self.worker.pages.next_page(self.job, self.step, next).await? {
            Next::Page(contacts) => contacts,
            Next::Late => return self.late(next).await,
            Next::Wait(done) => return Ok(PageResult::Wait(done)),
            Next::Ended => return Ok(PageResult::Ended),
        };
        next.pages += 1;
        if contacts.is_empty() {
            return Ok(PageResult::Went);
        }
        let (campaign, pass) = (campaign_at(self.job, at), u32::from(next.pass));
        let outcomes = self.worker.page_work.done_to(self.job, campaign, &contacts, pass).await?;
        let paused = outcomes.contains(&ContactOutcome::Paused);
        if !next.take(at, contacts, outcomes, self.job, self.worker.store.now()) {
            *next = self.shard.clone();
            return Ok(PageResult::Wait(self.soon()));
        }
        Ok(if paused { PageResult::Paused } else { PageResult::Went })
    }

    /// Tries the contacts again that had to wait for the feed.
    async fn late(&self, next: &mut Shard) -> Result<PageResult, Error> {
        let waited = std::mem::take(&mut next.late);
        let before = waited.len();
        for (at, contact) in waited {
            let contacts = vec![contact];
            let campaign = campaign_at(self.job, at);
            let pass = u32::from(next.pass);
            let outcomes =
                self.worker.page_work.done_to(self.job, campaign, &contacts, pass).await?;
            next.take(at, contacts, outcomes, self.job, self.worker.store.now());
        }
        Ok(if next.late.len() < before { PageResult::Went } else { PageResult::Wait(self.soon()) })
    }

    /// When the feed may have brought more.
    fn soon(&self) -> Done {
        match self.worker.orders.outbox.delivers_exclusively() {
            true => Done::Soon,
            false => Done::NotBefore(self.worker.store.now() + PAUSE_FOR_FEED),
        }
    }

    /// Notes how far the shard is. `false` if another worker did: then the shard is with that
    /// worker.
    async fn note(&mut self, mut next: Shard) -> Result<bool, Error> {
        next.n = self.shard.n + 1;
        let key = self.worker.store.keys.shard(self.job.seq, self.step.shard);
        let stored = item(key, &next)?.rev(next.n);
        match self.worker.store.write(vec![Write::next(stored)]).await {
            Ok(()) => {}
            // This very write, whose answer was lost.
            Err(TableError::Conflict { current: Some(current), .. })
                if read::<Shard>(&current)? == next => {}
            Err(TableError::Conflict { .. } | TableError::Contended) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        self.shard = next;
        Ok(true)
    }

    /// Releases the claim, so that the next try need not wait for its end.
    async fn release_claim(&mut self) {
        if self.shard.claim.is_some() {
            let next = Shard { claim: None, ..self.shard.clone() };
            if let Err(error) = self.note(next).await {
                tracing::debug!(%error, job = self.job.seq, "a claim ends by itself");
            }
        }
    }
}

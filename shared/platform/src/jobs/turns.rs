//! What a message does: a turn of a lane.
//!
//! | the message's turn | what is done |
//! |---|---|
//! | has been taken | nothing: the next one was ordered before it was noted as taken |
//! | has not | the lane is claimed, some pages are done, the next turn is ordered, the turn is noted as taken |
//!
//! Everything is noted on condition of the lane's revision: whoever loses that race has lost the lane, and with it what
//! would have been counted twice. A lane never goes back, so however often messages come, there is an end to them.

use chrono::TimeDelta;

use super::outcomes::Outcome;
use super::pages::{Next, campaign_at};
use super::{Claim, Job, JobStatus, Lane};
use crate::Instant;
use crate::error::{Answer, Error};
use crate::handlers::Done;
use crate::platform::{Platform, item, read};
use crate::ports::Sweep;
use crate::table::{Condition, TableError, Write};

/// How many pages a turn takes.
const PAGES_A_TURN: usize = 2;

/// The most pages of a lane. Nothing comes near it but a defect.
const MOST_PAGES: u32 = 1_000_000;

/// How long a claim holds: longer than a worker may take for a turn.
const LEASE: TimeDelta = TimeDelta::seconds(120);

/// After how long it is worth another try what waits for the feed.
const FEED_GOES_ON: TimeDelta = TimeDelta::seconds(30);

/// What comes after a page.
enum Step {
    /// The next one.
    Went,
    /// Nothing before something else has happened.
    Wait(Done),
    /// Nothing: the campaign is paused, and nobody enters it now.
    Paused,
    /// Nothing: the lane is through.
    Ended,
}

/// A worker at a lane.
struct Turn<'a> {
    platform: &'a Platform,
    job: &'a Job,
    sweep: &'a Sweep,
    /// The lane as it was last noted.
    lane: Lane,
}

impl Platform {
    /// Takes a turn of a job. A repeat changes nothing.
    ///
    /// # Errors
    ///
    /// What is worth another try.
    pub async fn sweep(&self, sweep: &Sweep) -> Result<Done, Error> {
        let Some(job) = self.job(sweep.job).await? else { return Ok(Done::Yes) };
        if job.status.is_over() {
            self.close_job(job.seq).await?;
            return Ok(Done::Yes);
        }
        let stored = self.get(&self.keys.lane(job.seq, sweep.lane)).await?;
        let lane: Lane = stored.map(|item| read(&item)).transpose()?.unwrap_or_default();
        if lane.ended {
            return self.finish_job(&job).await;
        }
        if sweep.turn < lane.turn {
            return Ok(Done::Yes);
        }
        let mut turn = Turn { platform: self, job: &job, sweep, lane };
        if let Some(done) = turn.claim().await? {
            return Ok(done);
        }
        match turn.take().await {
            Ok(done) => Ok(done),
            Err(error) if error.answer() == Answer::Page => {
                tracing::error!(%error, job = job.seq, "a job cannot go on");
                self.end_job(job.seq, JobStatus::Failed, Some(&error.to_string())).await?;
                Ok(Done::Yes)
            }
            Err(error) => {
                turn.let_go().await;
                Err(error)
            }
        }
    }
}

impl Turn<'_> {
    /// Claims the lane, where a message may be with two workers at once. Answers what to do if that is not possible.
    async fn claim(&mut self) -> Result<Option<Done>, Error> {
        if self.platform.ports.outbox.hands_out_once() {
            return Ok(None);
        }
        let now = self.platform.now();
        if let Some(claim) = self.lane.claim.as_ref().filter(|claim| now < claim.until) {
            return Ok(Some(Done::NotBefore(claim.until)));
        }
        let claim = Claim { by: self.platform.new_write_id(), until: now + LEASE };
        let next = Lane { claim: Some(claim), ..self.lane.clone() };
        Ok(if self.note(next).await? { None } else { Some(Done::Soon) })
    }

    async fn take(&mut self) -> Result<Done, Error> {
        for nth in 1.. {
            let mut next = self.lane.clone();
            let step = self.step(&mut next).await?;
            if next.pages > MOST_PAGES {
                let reason = format!("a lane has more than {MOST_PAGES} pages");
                self.platform.end_job(self.job.seq, JobStatus::Failed, Some(&reason)).await?;
                return Ok(Done::Yes);
            }
            let done = match &step {
                Step::Went if nth < PAGES_A_TURN => {
                    if let Some(claim) = next.claim.as_mut() {
                        claim.until = self.platform.now() + LEASE;
                    }
                    None
                }
                Step::Went => Some(self.go_on(&mut next, self.platform.now()).await?),
                Step::Wait(Done::NotBefore(at) | Done::NotTried(at)) => {
                    Some(self.go_on(&mut next, *at).await?)
                }
                Step::Wait(Done::Soon) => Some(Done::Soon),
                Step::Ended | Step::Wait(Done::Yes) => {
                    next.turn = self.sweep.turn + 1;
                    next.ended = true;
                    Some(Done::Yes)
                }
                Step::Paused => Some(Done::Yes),
            };
            if done.is_some() {
                next.claim = None;
            }
            // Whoever waits without having done anything leaves no trace: a write would wake the one who tries again.
            if next != self.lane && !self.note(next).await? {
                return Ok(Done::Soon);
            }
            match (done, step) {
                (None, _) => {}
                (Some(_), Step::Ended) => return self.platform.finish_job(self.job).await,
                (Some(_), Step::Paused) => return self.platform.leave_for_resume(self.job).await,
                (Some(done), Step::Went | Step::Wait(_)) => return Ok(done),
            }
        }
        Ok(Done::Yes)
    }

    /// Orders the next turn. It is ordered before it is noted: a turn that was taken has a next one, whatever happens in
    /// between.
    async fn go_on(&self, next: &mut Lane, at: Instant) -> Result<Done, Error> {
        next.turn = self.sweep.turn + 1;
        let sweep = Sweep { turn: next.turn, ..self.sweep.clone() };
        self.platform.order(vec![self.platform.turn_order(sweep, at)]).await?;
        Ok(Done::Yes)
    }

    /// Does one page.
    async fn step(&self, next: &mut Lane) -> Result<Step, Error> {
        let at = next.campaign;
        let contacts = match self.platform.next_page(self.job, self.sweep, next).await? {
            Next::Page(contacts) => contacts,
            Next::Late => return self.late(next).await,
            Next::Wait(done) => return Ok(Step::Wait(done)),
            Next::Ended => return Ok(Step::Ended),
        };
        next.pages += 1;
        if contacts.is_empty() {
            return Ok(Step::Went);
        }
        let outcomes =
            self.platform.done_to(self.job, campaign_at(self.job, at), &contacts).await?;
        let paused = outcomes.contains(&Outcome::Paused);
        if !next.take(at, contacts, outcomes, self.job, self.platform.now()) {
            *next = self.lane.clone();
            return Ok(Step::Wait(self.soon()));
        }
        Ok(if paused { Step::Paused } else { Step::Went })
    }

    /// Once more those that had to wait for the feed.
    async fn late(&self, next: &mut Lane) -> Result<Step, Error> {
        let waited = std::mem::take(&mut next.late);
        let before = waited.len();
        for (at, contact) in waited {
            let contacts = vec![contact];
            let campaign = campaign_at(self.job, at);
            let outcomes = self.platform.done_to(self.job, campaign, &contacts).await?;
            next.take(at, contacts, outcomes, self.job, self.platform.now());
        }
        Ok(if next.late.len() < before { Step::Went } else { Step::Wait(self.soon()) })
    }

    /// When the feed may have gone on.
    fn soon(&self) -> Done {
        match self.platform.ports.outbox.hands_out_once() {
            true => Done::Soon,
            false => Done::NotBefore(self.platform.now() + FEED_GOES_ON),
        }
    }

    /// Notes how far the lane is. `false` if somebody else did: then the lane is theirs.
    async fn note(&mut self, mut next: Lane) -> Result<bool, Error> {
        let condition = match self.lane.n {
            0 => Condition::Absent,
            n => Condition::Rev(n),
        };
        next.n = self.lane.n + 1;
        let key = self.platform.keys.lane(self.job.seq, self.sweep.lane);
        let stored = item(key, &next)?.rev(next.n);
        match self.platform.write(vec![Write::put(stored, condition)]).await {
            Ok(()) => {}
            // This very write, whose answer was lost.
            Err(TableError::Conflict { current: Some(current), .. })
                if read::<Lane>(&current)? == next => {}
            Err(TableError::Conflict { .. } | TableError::Contended) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        self.lane = next;
        Ok(true)
    }

    /// Whoever tries again need not wait for the claim to end.
    async fn let_go(&mut self) {
        if self.lane.claim.is_some() {
            let next = Lane { claim: None, ..self.lane.clone() };
            if let Err(error) = self.note(next).await {
                tracing::debug!(%error, job = self.job.seq, "a claim ends by itself");
            }
        }
    }
}

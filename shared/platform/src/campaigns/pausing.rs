//! Pausing and resuming (R51): one campaign or all of them, and until when (R26).
//!
//! A pause that ends by itself is in the head of the campaign, and a timer brings its end. The
//! timer is set before the pause is written, so that no pause is without one; what it brings says
//! no more than that some pause may be over, and the catalog says which are. So a timer that comes
//! again, or belongs to a pause that somebody has ended or changed, does nothing. A start of
//! a server, and a look every few minutes, end the pauses whose timers were lost.

use dacapo_engine::campaign::Reached;
use dacapo_engine::ids::CampaignId;

use super::publishing::Follows;
use super::{CampaignError, Campaigns, State, there_mut};
use crate::Instant;
use crate::catalog::{Catalog, Head, Paused, Together};
use crate::error::Error;
use crate::jobs::{JobKind, Requested};
use crate::orders::pause_end_order;
use crate::ports::{Done, Unavailable};
use crate::table::Write;

/// How many campaigns are resumed in one transaction: each may open a job.
const MOST_AT_ONCE: usize = 80;

/// How campaigns are paused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pause {
    /// When the pause ends by itself; never without it.
    pub until: Option<Instant>,
    /// Whether what is overdue then is skipped.
    pub skip: bool,
    /// The name of the API key that asks.
    pub by: String,
}

/// How a paused campaign goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resume {
    /// Whether what is overdue is skipped.
    pub skip: bool,
    /// Whether contacts that are there already may enter (R6).
    pub enroll_existing: bool,
}

/// The outcome of pausing all campaigns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PausedTogether {
    /// How many are paused together now.
    pub paused: usize,
    /// How many were paused by themselves before, and stay so.
    pub left: usize,
    /// When the pause ends by itself.
    pub until: Option<Instant>,
}

/// The outcome of resuming what was paused together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResumedTogether {
    /// How many go on.
    pub resumed: usize,
    /// How many were paused by themselves, and stay so.
    pub left: usize,
}

impl Pause {
    fn stored(&self, together: bool) -> Paused {
        let Self { until, skip, by } = self.clone();
        Paused { until, skip, by: until.map(|_| by), together }
    }
}

impl Campaigns {
    /// Pauses a campaign. For one that is paused already, the last call says until when.
    ///
    /// # Errors
    ///
    /// [`CampaignError::NotPublished`], [`CampaignError::NoSuchCampaign`], and what the table or
    /// the timers answer.
    pub async fn pause(
        &self,
        id: &CampaignId,
        how: &Pause,
        together: impl Together<State>,
    ) -> Result<State, CampaignError> {
        if self.head(id).await?.state == State::Draft {
            return Err(CampaignError::NotPublished(id.clone()));
        }
        self.order_end(how.until).await?;
        self.catalog
            .change(|catalog| {
                let head = there_mut(catalog, id)?;
                if State::of(head) == State::Draft {
                    return Err(CampaignError::NotPublished(id.clone()));
                }
                self.pause_head(head, how.stored(false));
                let state = State::of(head);
                let writes = together(&state)?;
                Ok((state, writes))
            })
            .await
    }

    /// Pauses all published campaigns, until they are resumed together or the pause ends. One that
    /// was paused by itself before stays as it is. A campaign that is published later runs.
    ///
    /// # Errors
    ///
    /// What the table or the timers answer.
    pub async fn pause_all(
        &self,
        how: &Pause,
        together: impl Together<PausedTogether>,
    ) -> Result<PausedTogether, CampaignError> {
        self.order_end(how.until).await?;
        self.catalog
            .change(|catalog| {
                let mut outcome = PausedTogether { until: how.until, ..PausedTogether::default() };
                for head in catalog.campaigns.values_mut() {
                    match State::of(head) {
                        State::Draft => continue,
                        State::Paused { .. } if !head.pause.together => outcome.left += 1,
                        State::Paused { .. } | State::Published(_) => {
                            self.pause_head(head, how.stored(true));
                            outcome.paused += 1;
                        }
                    }
                }
                let writes = together(&outcome)?;
                Ok((outcome, writes))
            })
            .await
    }

    /// Resumes a campaign; `by` is the name of the API key that asks. A running campaign stays as
    /// it is, and no contact is enrolled.
    ///
    /// # Errors
    ///
    /// [`CampaignError::NotPublished`], [`CampaignError::NoSuchCampaign`], and what the table
    /// answers.
    pub async fn resume(
        &self,
        id: &CampaignId,
        how: Resume,
        by: &str,
        together: impl Together<State>,
    ) -> Result<State, CampaignError> {
        let state = self
            .catalog
            .change(|catalog| {
                let mut writes = Vec::new();
                match State::of(there_mut(catalog, id)?) {
                    State::Draft => return Err(CampaignError::NotPublished(id.clone())),
                    State::Published(_) => {}
                    State::Paused { .. } => {
                        writes =
                            self.resume_heads(catalog, std::slice::from_ref(id), Some(how), by)?;
                    }
                }
                let state = State::of(there_mut(catalog, id)?);
                writes.extend(together(&state)?);
                Ok((state, writes))
            })
            .await?;
        self.jobs.dispatch_or_leave().await;
        Ok(state)
    }

    /// Resumes the campaigns that were paused together; `by` is the name of the API key that asks.
    ///
    /// # Errors
    ///
    /// What the table answers; a repeat goes on where it stopped.
    pub async fn resume_all(
        &self,
        skip: bool,
        by: &str,
        together: impl Together<ResumedTogether>,
    ) -> Result<ResumedTogether, CampaignError> {
        let mut resumed = 0;
        loop {
            let (now, last) = self
                .catalog
                .change(|catalog| {
                    let (all, left): (Vec<_>, Vec<_>) =
                        paused(catalog).partition(|(_, head)| head.pause.together);
                    let (all, left) = (ids(all), left.len());
                    let some = &all[..all.len().min(MOST_AT_ONCE)];
                    let how = Resume { skip, enroll_existing: false };
                    let mut writes = self.resume_heads(catalog, some, Some(how), by)?;
                    let now = ResumedTogether { resumed: resumed + some.len(), left };
                    let last = some.len() == all.len();
                    if last {
                        writes.extend(together(&now)?);
                    }
                    Ok::<_, CampaignError>(((now, last), writes))
                })
                .await?;
            resumed = now.resumed;
            if last {
                self.jobs.dispatch_or_leave().await;
                return Ok(now);
            }
        }
    }

    /// A timer says that pauses end at an instant. Idempotent.
    ///
    /// # Errors
    ///
    /// Retryable errors.
    pub(crate) async fn pauses_end(&self, at: Instant) -> Result<Done, Error> {
        if self.store.now() < at {
            return Ok(Done::NotBefore(at));
        }
        self.end_pauses().await?;
        Ok(Done::Yes)
    }

    /// Resumes the campaigns whose pause is over. To be called whenever a process starts, too.
    ///
    /// # Errors
    ///
    /// Retryable errors.
    pub async fn end_pauses(&self) -> Result<(), Error> {
        let is_over = |head: &Head| head.paused_until().is_some_and(|at| at <= self.store.now());
        loop {
            let loaded = self.catalog.after(Instant::MAX_UTC).await?;
            if !loaded.catalog.campaigns.values().any(is_over) {
                return Ok(());
            }
            self.catalog
                .change(|catalog| {
                    let over = ids(paused(catalog).filter(|(_, head)| is_over(head)));
                    let some = &over[..over.len().min(MOST_AT_ONCE)];
                    let by = some.first().and_then(|id| catalog.campaigns.get(id));
                    let by = by.and_then(|head| head.pause.by.clone()).unwrap_or_default();
                    let writes = self.resume_heads(catalog, some, None, &by)?;
                    Ok::<_, CampaignError>(((), writes))
                })
                .await
                .map_err(|error| match error {
                    CampaignError::Failed(error) => error,
                    other => Error::Unavailable(Unavailable(other.to_string())),
                })?;
            self.jobs.dispatch_or_leave().await;
        }
    }

    fn pause_head(&self, head: &mut Head, pause: Paused) {
        if let State::Published(_) = State::of(head) {
            head.timeline.reach(self.store.now(), Reached::Paused {});
        }
        head.pause = pause;
    }

    /// Resumes paused campaigns, and opens the jobs that follow. Without a `how` each goes on as
    /// was said when it was paused, at the request of whoever said so.
    fn resume_heads(
        &self,
        catalog: &mut Catalog,
        ids: &[CampaignId],
        how: Option<Resume>,
        by: &str,
    ) -> Result<Vec<Write>, CampaignError> {
        let (mut writes, now) = (Vec::new(), self.store.now());
        let Some(first) = ids.first() else { return Ok(writes) };
        for id in ids {
            let head = there_mut(catalog, id)?;
            let pause = std::mem::take(&mut head.pause);
            let (skip, asked) = match how {
                Some(how) => (how.skip, Some(by.to_owned())),
                None => (pause.skip, pause.by),
            };
            head.timeline.reach(now, Reached::Resumed { skip, by: asked });
        }
        let requested = Requested::of_campaign(JobKind::Milestones, first, None, by);
        let requested = Requested { campaigns: ids.to_vec(), ..requested };
        writes.extend(self.jobs.open(catalog, &requested)?.1);
        for id in ids {
            let enroll_existing = how.is_some_and(|how| how.enroll_existing);
            let follows = Follows { milestones: false, enroll_existing, by };
            writes.extend(self.follow(catalog, id, follows)?);
        }
        Ok(writes)
    }

    /// Sets the timer that ends pauses at an instant.
    async fn order_end(&self, until: Option<Instant>) -> Result<(), Error> {
        match until {
            Some(until) => self.orders.give(vec![pause_end_order(until)]).await,
            None => Ok(()),
        }
    }
}

/// The paused campaigns.
fn paused(catalog: &Catalog) -> impl Iterator<Item = (&CampaignId, &Head)> {
    catalog.campaigns.iter().filter(|(_, head)| head.paused_since().is_some())
}

fn ids<'a>(campaigns: impl IntoIterator<Item = (&'a CampaignId, &'a Head)>) -> Vec<CampaignId> {
    campaigns.into_iter().map(|(id, _)| id.clone()).collect()
}

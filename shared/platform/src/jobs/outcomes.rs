//! What is done to the contacts of a page, and how it counts.
//!
//! How a contact counts follows from its enrollment alone, whichever writer changed it: a page that
//! is done again counts the same.
//!
//! | kind | done | skipped |
//! |---|---|---|
//! | stop | stopped or reset, by this or a later job | not enrolled then, or stood otherwise |
//! | release | it was released, by this job or a later one | it was not held |
//! | enroll existing | it was let in | it did not enter |
//! | milestones | it is up to date | it is gone |
//! | erase account | it is erased | |
//! | reconcile | something was ordered again | it waits for nothing |
//!
//! In a campaign about objects, what is done to a contact is done to each of its objects in it, and
//! counts once: as the worst that came.

use std::sync::Arc;

use dacapo_engine::decide::{Event, Ignored};
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::ids::{CampaignId, ContactId, ObjectType, Tag};
use futures_util::StreamExt as _;

use super::reconciling::Reconciler;
use super::{ContactFailure, ContactOutcome, Job, JobKind, Selection, Shard};
use crate::Instant;
use crate::enrollments::{Decisions, EventOutcome, ManyRequest, Reply, Standing};
use crate::erasure::Erasure;
use crate::error::{Error, Retryability};
use crate::handlers::Quarantine;

/// The most contacts of a shard that wait for the feed. Beyond that the shard waits, too.
const MOST_WAITING_FOR_FEED: usize = 200;

/// How long contacts wait for the feed.
const LONGEST_WAIT_FOR_FEED: chrono::TimeDelta = chrono::TimeDelta::hours(24);

/// How many failures a shard keeps with their reasons.
const MOST_FAILURES: usize = 10;

/// How many contacts are erased at once.
const ERASED_AT_ONCE: usize = 16;

/// What the work on a page needs. The catalog is read once for all its contacts.
pub(crate) struct PageParts {
    pub(crate) decisions: Arc<Decisions>,
    pub(crate) reconciler: Reconciler,
}

/// Does the job's work on the contacts of a page.
pub(crate) struct PageWork {
    pub(crate) quarantine: Arc<Quarantine>,
    pub(crate) erasure: Arc<Erasure>,
    pub(crate) page_parts: Arc<dyn Fn() -> PageParts + Send + Sync>,
}

impl PageWork {
    /// Does to contacts what the job says, and answers an outcome for each. `pass` is that of the
    /// shard: from the second on, who is listed need not be selected.
    pub(super) async fn done_to(
        &self,
        job: &Job,
        campaign: Option<&CampaignId>,
        contacts: &[ContactId],
        pass: u32,
    ) -> Result<Vec<ContactOutcome>, Error> {
        let event = match (job.kind, campaign) {
            (JobKind::EraseAccount, _) => return self.erased(contacts).await,
            (JobKind::Reconcile { restored_to, .. }, _) => {
                return (self.page_parts)().reconciler.reconciled(restored_to, contacts).await;
            }
            (_, None) => return Ok(Vec::new()),
            (JobKind::StopCampaign { reset_contacts, reset_statistics }, Some(_)) => {
                Event::MassStop { job: job.seq, name: job.id(), reset_contacts, reset_statistics }
            }
            (JobKind::Release, Some(_)) => Event::MassRelease { job: job.seq, name: job.id() },
            (JobKind::EnrollExisting, Some(_)) => Event::EnrollExisting { job: job.seq },
            (JobKind::Milestones, Some(_)) => Event::Changed,
        };
        let Some(campaign) = campaign else { return Ok(Vec::new()) };
        // The catalog is read once a page.
        let decisions = (self.page_parts)().decisions;
        let as_of = job.kind.stops_or_releases().then_some(job.at);
        let tag = job.selection.tag();
        let status = job.selection.status();
        let standing = status.map(|status| Standing { status, job: job.seq });
        if let Selection::Named { .. } | Selection::Tag(_) = &job.selection {
            let loaded = decisions.catalog.current().await?;
            let head = loaded.catalog.campaigns.get(campaign);
            if let Some(kind) = head.and_then(|head| head.per.as_ref()) {
                let what = ToObjects { job, campaign, kind, event: &event, as_of };
                return self.done_to_objects(&decisions, &what, contacts).await;
            }
        }
        let asked = ManyRequest { campaign, event: &event, as_of, tag, standing };
        let replies = decisions.apply_event_to_many(&asked, contacts).await?;
        let mut outcomes = Vec::with_capacity(contacts.len());
        for (contact, reply) in contacts.iter().zip(replies) {
            let is_outside = matches!(reply.outcome, Ok(None)) && pass > 0;
            let outcome = self.outcome(job, campaign, contact, reply).await?;
            outcomes.push(if is_outside { ContactOutcome::Outside } else { outcome });
        }
        Ok(outcomes)
    }

    async fn outcome(
        &self,
        job: &Job,
        campaign: &CampaignId,
        contact: &ContactId,
        reply: Reply,
    ) -> Result<ContactOutcome, Error> {
        let before = reply.before.as_ref();
        let outcome = match reply.outcome {
            Ok(Some(EventOutcome::Committed(next)))
                if next.enrollment.job == job.seq && next.enrollment.idle =>
            {
                ContactOutcome::Skipped
            }
            Ok(Some(EventOutcome::Committed(_) | EventOutcome::Deliver(_))) => ContactOutcome::Done,
            Ok(Some(EventOutcome::Ignored(ignored))) => of_ignored(job, ignored, before),
            Ok(None) => match job.selection {
                Selection::Enrolled => ContactOutcome::Outside,
                Selection::Named { .. }
                | Selection::Tag(_)
                | Selection::Everybody
                | Selection::Objects(_) => ContactOutcome::Skipped,
                // Who stands otherwise is skipped; who came later is none of them.
                Selection::Members(_) => match before {
                    Some(before) if before.created.is_none_or(|created| created <= job.at) => {
                        ContactOutcome::Skipped
                    }
                    Some(_) | None => ContactOutcome::Outside,
                },
            },
            Ok(Some(EventOutcome::Undecidable(why))) => {
                tracing::error!(job = job.seq, contact = contact.as_str(), why, "undecided");
                ContactOutcome::Failed(format!("it could not be decided: {why}"))
            }
            Err(Error::Behind) => ContactOutcome::Late,
            Err(error) if error.retryability() == Retryability::Permanent => {
                ContactOutcome::Failed(error.to_string())
            }
            Err(error) => return Err(error),
        };
        let waits = before.is_some_and(Enrollment::has_quarantined_changes);
        if job.kind == JobKind::Release && outcome == ContactOutcome::Done && waits {
            self.quarantine.drain_all(contact, campaign).await?;
        }
        Ok(outcome)
    }

    async fn erased(&self, contacts: &[ContactId]) -> Result<Vec<ContactOutcome>, Error> {
        let erased: Vec<_> = contacts.iter().map(|contact| self.erasure.erase(contact)).collect();
        let erased = futures_util::stream::iter(erased).buffered(ERASED_AT_ONCE);
        let erased: Vec<_> = erased.collect().await;
        erased
            .into_iter()
            .map(|erased| match erased {
                Ok(_) => Ok(ContactOutcome::Done),
                Err(error) if error.retryability() == Retryability::Permanent => {
                    Ok(ContactOutcome::Failed(error.to_string()))
                }
                Err(error) => Err(error),
            })
            .collect()
    }
}

/// What is done to the objects of contacts.
struct ToObjects<'a> {
    job: &'a Job,
    campaign: &'a CampaignId,
    kind: &'a ObjectType,
    event: &'a Event,
    as_of: Option<Instant>,
}

impl PageWork {
    /// Does it to the objects of these contacts, and answers an outcome for each contact. An id of
    /// an object stands for that object.
    async fn done_to_objects(
        &self,
        decisions: &Decisions,
        what: &ToObjects<'_>,
        contacts: &[ContactId],
    ) -> Result<Vec<ContactOutcome>, Error> {
        let mut outcomes = Vec::with_capacity(contacts.len());
        for contact in contacts {
            outcomes.push(self.done_to_objects_of(decisions, what, contact).await?);
        }
        Ok(outcomes)
    }

    async fn done_to_objects_of(
        &self,
        decisions: &Decisions,
        what: &ToObjects<'_>,
        contact: &ContactId,
    ) -> Result<ContactOutcome, Error> {
        let ToObjects { job, campaign, kind, event, as_of } = *what;
        if let Selection::Tag(tag) = &job.selection
            && !decisions.has_tag(contact, tag).await?
        {
            return Ok(ContactOutcome::Skipped);
        }
        let objects = match contact.is_object() {
            true => vec![contact.clone()],
            false => {
                let enrolled = decisions.states_of_objects(contact, Some(kind)).await?;
                let here = enrolled.into_iter().filter(|(_, other, _)| other == campaign);
                here.map(|(object, ..)| object).collect()
            }
        };
        let asked = ManyRequest { campaign, event, as_of, tag: None, standing: None };
        let replies = decisions.apply_event_to_many(&asked, &objects).await?;
        let mut all = ContactOutcome::Skipped;
        for (object, reply) in objects.iter().zip(replies) {
            all = worse(all, self.outcome(job, campaign, object, reply).await?);
        }
        Ok(all)
    }
}

/// How a contact counts of whose objects these two have come.
fn worse(one: ContactOutcome, other: ContactOutcome) -> ContactOutcome {
    let weight = |outcome: &ContactOutcome| match outcome {
        ContactOutcome::Late => 5,
        ContactOutcome::Failed(_) => 4,
        ContactOutcome::Paused => 3,
        ContactOutcome::Done => 2,
        ContactOutcome::Skipped => 1,
        ContactOutcome::Outside => 0,
    };
    if weight(&other) > weight(&one) { other } else { one }
}

impl Decisions {
    async fn has_tag(&self, contact: &ContactId, tag: &Tag) -> Result<bool, Error> {
        let contact = self.contacts.get(&contact.person()).await?;
        Ok(contact.is_some_and(|contact| contact.tags.contains_key(tag)))
    }
}

/// How an event counts that was ignored. `before` is the enrollment as it was then.
fn of_ignored(job: &Job, ignored: Ignored, before: Option<&Enrollment>) -> ContactOutcome {
    match ignored {
        Ignored::Quarantined => {
            ContactOutcome::Failed("a change waits in quarantine; release it first".to_owned())
        }
        Ignored::Paused => ContactOutcome::Paused,
        Ignored::Behind => ContactOutcome::Late,
        Ignored::NeverEnrolled
        | Ignored::NotPublished
        | Ignored::NoVersion
        | Ignored::NotStarted(_) => ContactOutcome::Skipped,
        Ignored::AlreadyApplied
        | Ignored::NothingConcerned
        | Ignored::NotHeld
        | Ignored::StaleRun
        | Ignored::LeftStep
        | Ignored::Replanned
        | Ignored::Early
        | Ignored::NotParked => {
            let applied = before.is_some_and(|before| before.job >= job.seq && !before.idle);
            let done = match job.kind {
                JobKind::StopCampaign { .. } | JobKind::Release | JobKind::EnrollExisting => {
                    applied
                }
                JobKind::Milestones => before.is_some(),
                JobKind::EraseAccount | JobKind::Reconcile { .. } => false,
            };
            if done { ContactOutcome::Done } else { ContactOutcome::Skipped }
        }
    }
}

impl Shard {
    /// Counts the outcomes of a page. `false` if more contacts wait for the feed than the shard
    /// keeps: then the page has to be done again.
    pub(super) fn take(
        &mut self,
        campaign: u32,
        contacts: Vec<ContactId>,
        outcomes: Vec<ContactOutcome>,
        job: &Job,
        now: Instant,
    ) -> bool {
        let patient = self.waits.is_none_or(|since| now < since + LONGEST_WAIT_FOR_FEED);
        for (contact, outcome) in contacts.into_iter().zip(outcomes) {
            match outcome {
                ContactOutcome::Done => self.counts.done += 1,
                ContactOutcome::Skipped => self.counts.skipped += 1,
                ContactOutcome::Failed(reason) => self.fail(job, campaign, contact, reason),
                ContactOutcome::Late if patient => self.late.push((campaign, contact)),
                ContactOutcome::Late => {
                    let reason = "its older changes did not come from the feed".to_owned();
                    self.fail(job, campaign, contact, reason);
                }
                ContactOutcome::Outside | ContactOutcome::Paused => {}
            }
        }
        self.waits = if self.late.is_empty() { None } else { self.waits.or(Some(now)) };
        self.late.len() <= MOST_WAITING_FOR_FEED
    }

    fn fail(&mut self, job: &Job, campaign: u32, contact: ContactId, reason: String) {
        self.counts.failed += 1;
        if self.failures.len() < MOST_FAILURES {
            let campaign = super::pages::campaign_at(job, campaign).cloned();
            self.failures.push(ContactFailure { contact, campaign, reason });
        }
    }
}

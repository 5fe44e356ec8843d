//! How many contacts a selection has, and what a job would find: the dry run.
//!
//! Counting goes through the lists, which are eventually consistent, and ends after a stated time:
//! a job must be able to begin however slowly they are read. The dry run reads the contacts
//! themselves, up to a bound, and does not change them.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use dacapo_engine::enrollment::{Enrollment, Status};
use dacapo_engine::ids::{CampaignId, ContactId, Tag};
use serde::{Deserialize, Serialize};

use super::{Job, JobKind, JobStatus, Jobs, Requested, SHARDS, Selection};
use crate::Instant;
use crate::catalog::Together;
use crate::contacts::read_contact;
use crate::enrollments::read_state;
use crate::error::Error;
use crate::table::{Consistency, Cursor, Query};

/// How many entries of lists are counted before a job is opened. The rest is counted as it is done.
const MOST_COUNTED: u64 = 1_000_000;

/// How long is counted before a job is opened: then there are so many at least.
const COUNTED_FOR: TimeDelta = TimeDelta::seconds(10);

/// How many pairs of contact and campaign a dry run looks at.
const LOOKED_AT: u64 = 10_000;

/// How long those in flight are looked for.
const LOOKED_FOR: TimeDelta = TimeDelta::seconds(5);

/// How many pairs a dry run shows.
const SHOWN: usize = 20;

/// How many are read at once.
const AT_ONCE: usize = 100;

/// What a dry run found among the pairs that it looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picked {
    /// How many pairs it looked at.
    pub looked_at: u64,
    /// How many of them would be changed.
    pub affected: u64,
    /// How many of them would be skipped.
    pub skipped: u64,
    /// The first that would be changed.
    pub sample: Vec<Sample>,
}

/// A pair that would be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The contact.
    pub contact: ContactId,
    /// The campaign.
    pub campaign: CampaignId,
    /// Its status there.
    pub status: Status,
}

/// What was counted in the lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many pairs of contact and campaign, or contacts, there are.
    pub count: u64,
    /// Whether there are so many at least, since there was no time to count all.
    pub is_a_minimum: bool,
}

impl Counted {
    fn and(self, other: Self) -> Self {
        let count = self.count.saturating_add(other.count);
        Self { count, is_a_minimum: self.is_a_minimum || other.is_a_minimum }
    }

    fn times(self, many: u64) -> Self {
        Self { count: self.count.saturating_mul(many), ..self }
    }
}

impl Jobs {
    /// How many pairs of contact and campaign a selection has, as the lists show it.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn count_selected(
        &self,
        selection: &Selection,
        campaigns: &[CampaignId],
    ) -> Result<Counted, Error> {
        let many = u64::try_from(campaigns.len()).unwrap_or(u64::MAX);
        let until = self.store.now() + COUNTED_FOR;
        match selection {
            Selection::Named { there, missing } => {
                Ok(Counted { count: there + missing, is_a_minimum: false }.times(many))
            }
            Selection::Tag(_) | Selection::Everybody | Selection::Objects(_) => {
                Ok(self.count_listed(selection, None, until).await?.times(many))
            }
            Selection::Enrolled | Selection::Members(_) => {
                let mut sum = Counted::default();
                for campaign in campaigns {
                    sum = sum.and(self.count_listed(selection, Some(campaign), until).await?);
                }
                Ok(sum)
            }
        }
    }

    /// How many contacts there are, as the lists show it.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn count_contacts(&self) -> Result<Counted, Error> {
        self.count_listed(&Selection::Everybody, None, self.store.now() + COUNTED_FOR).await
    }

    async fn count_listed(
        &self,
        selection: &Selection,
        campaign: Option<&CampaignId>,
        until: Instant,
    ) -> Result<Counted, Error> {
        let shards = (0..SHARDS).map(|shard| async move {
            let (mut count, mut cursor) = (0, None);
            loop {
                let (contacts, after) =
                    self.selected(selection, campaign, shard, cursor, usize::MAX).await?;
                count += u64::try_from(contacts.len()).unwrap_or(0);
                cursor = after;
                let is_over = self.store.now() >= until;
                if cursor.is_none() || is_over || count >= MOST_COUNTED / u64::from(SHARDS) {
                    return Ok::<_, Error>(Counted { count, is_a_minimum: cursor.is_some() });
                }
            }
        });
        let counted = futures_util::future::try_join_all(shards).await?;
        Ok(counted.into_iter().fold(Counted::default(), Counted::and))
    }

    /// Some of the contacts that a selection lists in a shard, in order of id, and where the list
    /// goes on.
    pub(super) async fn selected(
        &self,
        selection: &Selection,
        campaign: Option<&CampaignId>,
        shard: u32,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<ContactId>, Option<Cursor>), Error> {
        let partition = match (selection, campaign) {
            (Selection::Tag(tag), _) => self.store.keys.tagged(tag, shard),
            (Selection::Enrolled | Selection::Members(_), Some(campaign)) => {
                self.store.keys.members_listed(campaign, shard)
            }
            (Selection::Objects(kind), _) => self.store.keys.objects_listed(kind, shard),
            (Selection::Everybody | Selection::Named { .. }, _)
            | (Selection::Enrolled | Selection::Members(_), None) => {
                self.store.keys.contacts_listed(shard)
            }
        };
        let query = Query::of(&partition).limit(limit).after(cursor);
        let (listed, cursor): (Vec<String>, _) = if let Selection::Tag(_) = selection {
            let page = self.store.table.query(query).await?;
            (page.items.into_iter().map(|item| item.key.sk).collect(), page.cursor)
        } else {
            let page = self.store.table.query_index(query).await?;
            (page.items.into_iter().map(|(listed, _)| listed.sk).collect(), page.cursor)
        };
        Ok((listed.into_iter().filter_map(|id| ContactId::new(id).ok()).collect(), cursor))
    }

    /// Looks at what a job would find, and stores the result like a job that is over.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn dry_run(
        &self,
        requested: &Requested,
        together: impl Together<Job>,
    ) -> Result<Job, Error> {
        let picked = self.picked(requested).await?;
        self.catalog
            .change(|catalog| {
                catalog.jobs += 1;
                let job = self.job_of(catalog.jobs, requested, 0, JobStatus::Completed);
                let job = Job { dry_run: Some(picked.clone()), ..job };
                let mut writes = vec![self.write_of(&job)?];
                writes.extend(together(&job)?);
                Ok((job, writes))
            })
            .await
    }

    /// Some of those in flight in a campaign, `most` at most. They are looked for among its
    /// members, up to a bound and for a stated time.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn in_flight(
        &self,
        campaign: &CampaignId,
        most: usize,
    ) -> Result<Vec<ContactId>, Error> {
        let until = self.store.now() + LOOKED_FOR;
        let (mut found, mut looked_at) = (BTreeSet::new(), 0);
        for shard in 0..SHARDS {
            let mut cursor = None;
            loop {
                let (listed, after) = self
                    .selected(&Selection::Enrolled, Some(campaign), shard, cursor, AT_ONCE)
                    .await?;
                let subjects = self.subjects_of(&Selection::Enrolled, campaign, &listed).await?;
                let key = |subject| self.store.keys.enrollment(subject, campaign);
                let keys: Vec<_> = subjects.iter().map(key).collect();
                let stored = match keys.as_slice() {
                    [] => Vec::new(),
                    keys => self.store.table.get_many(keys, Consistency::Eventual).await?,
                };
                for (subject, stored) in subjects.into_iter().zip(&stored) {
                    looked_at += 1;
                    let state = stored.as_ref().map(read_state).transpose()?;
                    if state.is_some_and(|state| !state.enrollment.tokens.is_empty()) {
                        found.insert(subject);
                    }
                }
                if found.len() >= most || looked_at >= LOOKED_AT || self.store.now() >= until {
                    return Ok(found.into_iter().take(most).collect());
                }
                cursor = after;
                if cursor.is_none() {
                    break;
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    async fn picked(&self, requested: &Requested) -> Result<Picked, Error> {
        let mut picked = Picked::default();
        if let Selection::Named { missing, .. } = requested.selection {
            let many = u64::try_from(requested.campaigns.len()).unwrap_or(0);
            picked.looked_at = missing * many;
            picked.skipped = missing * many;
        }
        for campaign in &requested.campaigns {
            if let Selection::Named { .. } = requested.selection {
                for contacts in requested.named.chunks(AT_ONCE) {
                    self.look_at(requested, campaign, contacts, &mut picked).await?;
                }
                continue;
            }
            for shard in 0..SHARDS {
                let mut cursor = None;
                loop {
                    let (contacts, after) = self
                        .selected(&requested.selection, Some(campaign), shard, cursor, AT_ONCE)
                        .await?;
                    self.look_at(requested, campaign, &contacts, &mut picked).await?;
                    cursor = after;
                    if cursor.is_none() || picked.looked_at >= LOOKED_AT {
                        break;
                    }
                }
            }
        }
        Ok(picked)
    }

    async fn look_at(
        &self,
        requested: &Requested,
        campaign: &CampaignId,
        contacts: &[ContactId],
        picked: &mut Picked,
    ) -> Result<(), Error> {
        if picked.looked_at >= LOOKED_AT || contacts.is_empty() {
            return Ok(());
        }
        let subjects = self.subjects_of(&requested.selection, campaign, contacts).await?;
        let contacts = &subjects;
        let now = self.store.now();
        let keys = contacts.iter().map(|contact| self.store.keys.contact(contact));
        let enrolled = contacts.iter().map(|contact| self.store.keys.enrollment(contact, campaign));
        let keys: Vec<_> = keys.chain(enrolled).collect();
        let mut stored = self.store.table.get_many(&keys, Consistency::Strong).await?;
        let enrollments = stored.split_off(contacts.len());
        for (contact, (there, enrolled)) in contacts.iter().zip(stored.iter().zip(&enrollments)) {
            picked.looked_at += 1;
            let there = there.as_ref().map(read_contact).transpose()?;
            let selected = there.as_ref().is_some_and(|there| {
                // Whose object it is has the tag.
                let has = |tag: &Tag| there.object.is_some() || there.tags.contains_key(tag);
                requested.selection.tag().is_none_or(has)
            });
            let state = enrolled.as_ref().map(read_state).transpose()?;
            let state = state.map(|state| state.enrollment);
            let status = requested.selection.status();
            let selected = selected
                && state.as_ref().is_none_or(|state| status.is_none_or(|it| it == state.status));
            match state.filter(|state| selected && would_change(requested.kind, state, now)) {
                Some(state) => {
                    picked.affected += 1;
                    if picked.sample.len() < SHOWN {
                        let (contact, campaign) = (contact.clone(), campaign.clone());
                        picked.sample.push(Sample { contact, campaign, status: state.status });
                    }
                }
                None => picked.skipped += 1,
            }
        }
        Ok(())
    }
}

fn would_change(kind: JobKind, enrollment: &Enrollment, now: Instant) -> bool {
    enrollment.created.is_none_or(|created| created <= now)
        && match kind {
            JobKind::Release => enrollment.status == Status::Held,
            JobKind::StopCampaign { .. }
            | JobKind::Milestones
            | JobKind::EraseAccount
            | JobKind::Reconcile { .. } => true,
            JobKind::EnrollExisting => enrollment.status == Status::Ready,
        }
}

//! Where the contacts of a page come from.
//!
//! A page is fixed when it is first listed: a worker that does it again finds the same contacts.
//! The first pass goes through the lists as they are. Lists are eventually consistent. Unless they
//! showed everything when the pass began, or when the job was put into the queue, a second pass
//! goes through them later and takes the contacts that are on no page of the first.
//!
//! The lists by tag are written by the change feed, which may be late for hours. So the second pass
//! of a job by tag does not rely on them: it goes through those who are in the campaign, whom the
//! index lists, and each contact itself says whether it has the tag.

use std::collections::BTreeSet;
use std::sync::Arc;

use dacapo_engine::ids::{CampaignId, ContactId};

use super::lifecycle::{PAGE, PAGES_KEPT};
use super::{Job, JobKind, Jobs, Selection, Shard, StoredPage};
use crate::error::Error;
use crate::orders::Orders;
use crate::ports::{Done, JobStep, Shown};
use crate::store::{Store, item, read};
use crate::table::{Condition, Cursor, TableError, Write};

/// How much of a list the second pass reads at once, in pages.
const COMPARED_AT_ONCE: usize = 20;

/// What comes next in a shard.
pub(super) enum Next {
    /// These contacts, in the campaign that the shard was at; none if the list held no new contact.
    Page(Vec<ContactId>),
    /// The contacts that had to wait for the feed.
    Late,
    /// Nothing before something else has happened.
    Wait(Done),
    /// Nothing.
    Ended,
}

/// The campaign that a number in a shard stands for; none for a job without campaigns.
pub(super) fn campaign_at(job: &Job, number: u32) -> Option<&CampaignId> {
    job.campaigns.get(number as usize).filter(|_| job.kind.is_in_campaigns())
}

/// Lists the contacts of a job, page by page.
pub(crate) struct Pages {
    pub(crate) store: Arc<Store>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) jobs: Arc<Jobs>,
}

impl Pages {
    /// The next page of a shard; the shard is moved behind it.
    pub(super) async fn next_page(
        &self,
        job: &Job,
        job_step: &JobStep,
        shard: &mut Shard,
    ) -> Result<Next, Error> {
        let number = job_step.shard;
        if !shard.begun {
            shard.begun = true;
            let shows = || self.orders.outbox.lists_show(job.at, self.store.now()) == Shown::Yes;
            // In an account that is erased no contact may be left: the list is read until no
            // contact is new.
            shard.settled = match job.selection {
                Selection::Named { .. } => true,
                Selection::Tag(_) => job_step.shown || self.orders.outbox.feed_is_read(),
                Selection::Enrolled
                | Selection::Everybody
                | Selection::Objects(_)
                | Selection::Members(_) => {
                    job.kind != JobKind::EraseAccount && (job_step.shown || shows())
                }
            };
        }
        let walks = if job.kind.is_in_campaigns() { job.campaigns.len() } else { 1 };
        if (shard.campaign as usize) < walks {
            return self.page_of(job, number, shard).await.map(Next::Page);
        }
        if !shard.late.is_empty() {
            return Ok(Next::Late);
        }
        if shard.settled || shard.pass > 0 {
            return Ok(Next::Ended);
        }
        match self.orders.outbox.lists_show(job.at, self.store.now()) {
            Shown::Yes => {
                shard.pass += 1;
                shard.campaign = 0;
                Ok(Next::Page(Vec::new()))
            }
            Shown::Soon => Ok(Next::Wait(Done::Soon)),
            Shown::NotBefore(at) => Ok(Next::Wait(Done::NotBefore(at))),
        }
    }

    async fn page_of(
        &self,
        job: &Job,
        number: u32,
        shard: &mut Shard,
    ) -> Result<Vec<ContactId>, Error> {
        if let Selection::Named { .. } = job.selection {
            // The same pages for every campaign.
            let key = self.store.keys.page(job.seq, 0, number, 0, shard.page);
            let page: Option<StoredPage> =
                self.store.get(&key).await?.map(|item| read(&item)).transpose()?;
            match page {
                Some(page) => {
                    shard.page += 1;
                    return Ok(page.contacts);
                }
                None => {
                    shard.next_campaign();
                    return Ok(Vec::new());
                }
            }
        }
        for _ in 0..COMPARED_AT_ONCE {
            let (mut contacts, after) = self.list_behind(job, number, shard).await?;
            if shard.pass > 0 {
                contacts = self.new_among(job, number, shard, contacts).await?;
            }
            if contacts.is_empty() {
                shard.go_behind(after);
                if shard.cursor.is_none() {
                    break;
                }
                continue;
            }
            let page = StoredPage { contacts, after };
            let key = self.store.keys.page(job.seq, shard.pass, number, shard.campaign, shard.page);
            let write = item(key, &page)?.expires(job.at + PAGES_KEPT);
            let page = match self.store.write(vec![Write::put(write, Condition::Absent)]).await {
                Ok(()) => page,
                // It was listed before, by a worker that did not finish it.
                Err(TableError::Conflict { current: Some(current), .. }) => read(&current)?,
                Err(error) => return Err(error.into()),
            };
            shard.page += 1;
            shard.go_behind(page.after);
            return Ok(page.contacts);
        }
        Ok(Vec::new())
    }

    /// What the list has behind the shard's place.
    async fn list_behind(
        &self,
        job: &Job,
        number: u32,
        shard: &Shard,
    ) -> Result<(Vec<ContactId>, Option<Cursor>), Error> {
        let campaign = campaign_at(job, shard.campaign);
        let selection = match &job.selection {
            // Only who is in a campaign can be stopped or released there.
            Selection::Tag(_) if shard.pass > 0 && job.kind.stops_or_releases() => {
                &Selection::Enrolled
            }
            Selection::Tag(_) if shard.pass > 0 => &Selection::Everybody,
            selection => selection,
        };
        self.jobs.selected(selection, campaign, number, shard.cursor.clone(), PAGE).await
    }

    /// The contacts that are on no page of the first pass. Both are in order of id, so the shard
    /// remembers up to which page it has looked.
    async fn new_among(
        &self,
        job: &Job,
        number: u32,
        shard: &mut Shard,
        mut contacts: Vec<ContactId>,
    ) -> Result<Vec<ContactId>, Error> {
        let Some(last) = contacts.last().cloned() else { return Ok(contacts) };
        let mut known: BTreeSet<ContactId> = BTreeSet::new();
        loop {
            let key = self.store.keys.page(job.seq, 0, number, shard.campaign, shard.compared);
            let Some(stored) = self.store.get(&key).await? else { break };
            let page: StoredPage = read(&stored)?;
            let reaches = page.contacts.last().is_some_and(|end| *end >= last);
            known.extend(page.contacts);
            if reaches {
                break;
            }
            shard.compared += 1;
        }
        contacts.retain(|contact| !known.contains(contact));
        Ok(contacts)
    }
}

impl Shard {
    /// The list goes on here, or with the next campaign's.
    fn go_behind(&mut self, after: Option<Cursor>) {
        if after.is_none() {
            self.next_campaign();
        }
        self.cursor = after;
    }

    fn next_campaign(&mut self) {
        self.campaign += 1;
        self.page = 0;
        self.cursor = None;
        self.compared = 0;
    }
}

//! Enrollments: stored, decided, committed.
//!
//! A decision is one conditional write of one item that carries the next state and everything that is to be
//! performed. Whoever loses a race decides again on what is there then. If the campaign writes to the contact, both items are
//! one transaction. What the stream of these items drives is in `crate::handlers`.

mod many;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dacapo_engine::campaign::Campaign;
use dacapo_engine::contact::Contact;
use dacapo_engine::decide::{
    Advance, Decision, Delivery, Effect, Event, Ignored, Situation, decide,
};
use dacapo_engine::enrollment::{Enrollment, Status};
use dacapo_engine::history::Record;
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_engine::statistics::Tally;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::contacts::read_contact;
use crate::error::Error;
use crate::metrics::{self, Metric};
use crate::platform::{Platform, TRIES, is_own, item, read};
use crate::table::{Condition, Item, Query, TableError, Write};

pub(crate) use many::{Asked, Reply};

/// An enrollment as it is stored: the state, and what the last decision asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredEnrollment {
    /// The state.
    #[serde(rename = "e")]
    pub enrollment: Enrollment,
    /// What is to be performed.
    #[serde(rename = "x", default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
    /// What goes into the history.
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Record>,
    /// What is added to the statistics.
    #[serde(rename = "d", default, skip_serializing_if = "Tally::is_empty")]
    pub delta: Tally,
    /// The enrollment's `rev` after the decision that asked for it: only the image of that revision is performed.
    #[serde(rename = "s")]
    pub stamp: u64,
    /// The identity of the write.
    pub w: String,
}

/// The state alone, for deciding: what the last decision asked for is not looked at.
#[derive(Deserialize)]
pub(crate) struct State {
    #[serde(rename = "e")]
    pub(crate) enrollment: Enrollment,
}

/// The state alone, from the item of an enrollment.
pub(crate) fn read_state(item: &Item) -> Result<Enrollment, Error> {
    Ok(read::<State>(item)?.enrollment)
}

/// What came of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Came {
    /// The next state was committed.
    Committed(Box<Enrollment>),
    /// The message may leave.
    Deliver(Delivery),
    /// Nothing was to be done.
    Ignored(Ignored),
    /// It could not be decided, by a defect of ours.
    Undecidable(String),
}

/// The image of a contact in the change feed.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// The `rev` before the write.
    pub before: u64,
    /// The contact after it.
    pub contact: &'a Contact,
}

/// What came of a commit.
enum Commit {
    Made(Box<Enrollment>),
    /// Somebody else was faster.
    Lost,
    /// The contact is gone.
    Erased,
}

/// The outcome of one try.
enum Try {
    Came(Came),
    Again,
    /// It was enrolled later than the question is about.
    Outside,
}

/// What is decided about: an event in a campaign.
#[derive(Clone, Copy)]
struct Question<'a> {
    campaign: &'a CampaignId,
    event: &'a Event,
    image: Option<Image<'a>>,
    /// Who was enrolled later is left alone.
    as_of: Option<Instant>,
}

impl Platform {
    /// An enrollment, as it is now.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn enrollment(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
    ) -> Result<Option<StoredEnrollment>, Error> {
        let stored = self.get(&self.keys.enrollment(contact, campaign)).await?;
        stored.map(|item| read(&item)).transpose()
    }

    /// All enrollments of a contact.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn enrollments(
        &self,
        contact: &ContactId,
    ) -> Result<BTreeMap<CampaignId, Enrollment>, Error> {
        let partition = self.keys.contact_partition(contact);
        let mut all = BTreeMap::new();
        let mut cursor = None;
        loop {
            let query =
                Query::of(&partition).prefix(crate::keys::ENROLLMENT).after(cursor).strong();
            let page = self.ports.table.query(query).await?;
            for item in &page.items {
                if let Some((_, Some(campaign))) = crate::keys::fed(&item.key) {
                    all.insert(campaign, read_state(item)?);
                }
            }
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }

    /// Decides an event for a contact's enrollment in a campaign and commits what comes of it.
    ///
    /// # Errors
    ///
    /// [`Error::Behind`] if older changes have to come from the feed first; what the table answers.
    pub async fn happen(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
        event: &Event,
    ) -> Result<Came, Error> {
        self.happen_on(contact, campaign, event, None, None).await
    }

    /// The same, for the change feed: the image is what is looked at. `known` is the enrollment, or that there is none,
    /// if the caller has just read it strongly.
    pub(crate) async fn happen_on(
        &self,
        id: &ContactId,
        campaign: &CampaignId,
        event: &Event,
        image: Option<Image<'_>>,
        mut known: Option<Option<Enrollment>>,
    ) -> Result<Came, Error> {
        for _ in 0..TRIES {
            let enrollment = match known.take() {
                Some(known) => known,
                None => self.state(id, campaign).await?,
            };
            let question = Question { campaign, event, image, as_of: None };
            match self.try_once(question, id, enrollment.as_ref()).await? {
                Try::Came(came) => return Ok(came),
                Try::Again | Try::Outside => {}
            }
        }
        Err(Error::Contended(TRIES))
    }

    /// An enrollment's state, as it is now.
    pub(crate) async fn state(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
    ) -> Result<Option<Enrollment>, Error> {
        let stored = self.get(&self.keys.enrollment(contact, campaign)).await?;
        stored.map(|item| read_state(&item)).transpose()
    }

    async fn try_once(
        &self,
        question: Question<'_>,
        id: &ContactId,
        enrollment: Option<&Enrollment>,
    ) -> Result<Try, Error> {
        let latest;
        let contact = match question.image {
            Some(image) => image.contact,
            None => match self.contact(id).await? {
                Some(contact) => {
                    latest = contact;
                    &latest
                }
                None => return Ok(Try::Came(Came::Ignored(Ignored::NeverEnrolled))),
            },
        };
        self.decide_and_commit(question, enrollment, contact).await
    }

    async fn decide_and_commit(
        &self,
        question: Question<'_>,
        enrollment: Option<&Enrollment>,
        contact: &Contact,
    ) -> Result<Try, Error> {
        let Question { campaign, event, image, as_of } = question;
        let id = &contact.id;
        let baseline = match (image.map(|image| image.before), enrollment) {
            (Some(before), Some(enrollment)) => before.max(enrollment.seen).min(contact.rev),
            (Some(before), None) => before,
            (None, Some(enrollment)) => enrollment.seen,
            // What the contact still carries may not have been looked at; what it has lost cannot be.
            (None, None) => contact.recent.first().map_or(contact.rev, |first| first.rev - 1),
        };
        if let Some(enrollment) = enrollment
            && image.is_some()
            && enrollment.seen >= contact.rev
        {
            return Ok(Try::Came(Came::Ignored(Ignored::AlreadyApplied)));
        }
        let mut loaded = self.catalog_for(contact.updated_at).await?;
        if enrollment.is_some_and(|enrollment| !loaded.knows(campaign, enrollment)) {
            loaded = self.catalog_for(Instant::MAX_UTC).await?;
        }
        if let Some(error) = loaded.broken.get(campaign) {
            return Ok(Try::Came(Came::Undecidable(error.to_string())));
        }
        let Some(campaign) = loaded.campaigns.get(campaign) else {
            return Ok(Try::Came(Came::Ignored(Ignored::NotPublished)));
        };
        let campaign = &self.with_version(campaign, enrollment).await?;
        let others = self.statuses(campaign, id).await?;
        let statuses = |other: &CampaignId| others.get(other).copied();
        let situation = Situation {
            account: &loaded.account,
            campaign,
            contact,
            baseline,
            enrollment,
            statuses: &statuses,
            now: self.now(),
        };
        // A defect of ours must not take the process with it: the event is kept and somebody is told.
        let decision = match catch_unwind(AssertUnwindSafe(|| decide(&situation, event))) {
            Ok(decision) => decision,
            Err(panic) => return Ok(Try::Came(Came::Undecidable(words_of(panic.as_ref())))),
        };
        match decision {
            Decision::Advance(advance) if is_later(&advance.enrollment, as_of) => Ok(Try::Outside),
            Decision::Advance(advance) => {
                let again = advance.ask_again;
                let ignored = advance.ignored;
                match self.commit(id, campaign, enrollment, *advance).await? {
                    Commit::Lost => {
                        Metric::Conflicts.tell(1);
                        Ok(Try::Again)
                    }
                    Commit::Erased => Ok(Try::Came(Came::Ignored(Ignored::NeverEnrolled))),
                    Commit::Made(_) if again => Ok(Try::Again),
                    Commit::Made(committed) => Ok(Try::Came(match ignored {
                        Some(ignored) => Came::Ignored(ignored),
                        None => Came::Committed(committed),
                    })),
                }
            }
            Decision::Seen(next) => {
                if image.is_some_and(|image| is_about_to_forget(image.contact, enrollment)) {
                    self.commit_seen(id, campaign, enrollment, *next).await?;
                }
                Ok(Try::Came(Came::Ignored(Ignored::NothingConcerned)))
            }
            Decision::Deliver(delivery) => Ok(Try::Came(Came::Deliver(delivery))),
            Decision::Ignore(Ignored::Behind) => Err(Error::Behind),
            Decision::Ignore(Ignored::NoVersion) => {
                Ok(Try::Came(Came::Undecidable("the version is missing".to_owned())))
            }
            Decision::Ignore(ignored) => Ok(Try::Came(Came::Ignored(ignored))),
        }
    }

    /// The campaign with the version that the enrollment's tokens are on.
    async fn with_version(
        &self,
        campaign: &Arc<Campaign>,
        enrollment: Option<&Enrollment>,
    ) -> Result<Arc<Campaign>, Error> {
        match enrollment {
            Some(enrollment) if !campaign.versions.contains_key(&enrollment.version) => {
                let mut with = Campaign::clone(campaign);
                let graph = self.version(&campaign.id, enrollment.version).await?;
                with.versions.insert(enrollment.version, graph);
                Ok(Arc::new(with))
            }
            Some(_) | None => Ok(Arc::clone(campaign)),
        }
    }

    /// The contact's statuses in other campaigns, if anything in the campaign asks for them.
    async fn statuses(
        &self,
        campaign: &Campaign,
        contact: &ContactId,
    ) -> Result<BTreeMap<CampaignId, Status>, Error> {
        if !campaign.versions.values().any(|graph| graph.asks_for_statuses()) {
            return Ok(BTreeMap::new());
        }
        let all = self.enrollments(contact).await?;
        Ok(all.into_iter().map(|(id, enrollment)| (id, enrollment.status)).collect())
    }

    /// One write, on condition that nobody else was faster.
    async fn commit(
        &self,
        id: &ContactId,
        campaign: &Campaign,
        before: Option<&Enrollment>,
        advance: Advance,
    ) -> Result<Commit, Error> {
        let Advance { enrollment, writes, effects, records, delta, .. } = advance;
        let stored = StoredEnrollment {
            stamp: enrollment.rev,
            enrollment,
            effects,
            records,
            delta,
            w: self.new_write_id(),
        };
        let mut together = vec![self.enrollment_write(id, &campaign.id, before, &stored)?];
        if !writes.is_empty() {
            // The latest contact, not the one that was judged: another change may have come since.
            let Some(mut contact) = self.contact(id).await? else {
                return Ok(Commit::Erased);
            };
            let condition = Condition::Rev(contact.rev);
            let mut fresh = 0;
            let now = self.now();
            for write in &writes {
                let (by, causality) = (write.by.clone(), Some(write.causality));
                if contact.apply(&write.patch, by, causality, now, fresh).is_some() {
                    fresh += 1;
                }
            }
            if fresh > 0 {
                together.push(Write::put(self.contact_item(&contact)?, condition));
            }
        }
        let checks = before.is_none() && together.len() == 1;
        if checks {
            // An erased contact is not enrolled again.
            together.push(Write::check(self.keys.contact(id), Condition::Present));
        }
        match self.write(together).await {
            Ok(()) => {}
            Err(TableError::Conflict { which: 0, current })
                if is_own(current.as_deref(), &stored.w) => {}
            Err(TableError::Conflict { which: 1, current: None }) if checks => {
                return Ok(Commit::Erased);
            }
            Err(TableError::Conflict { .. } | TableError::Contended) => return Ok(Commit::Lost),
            Err(error) => return Err(error.into()),
        }
        metrics::committed(&writes, &stored.records);
        Ok(Commit::Made(Box::new(stored.enrollment)))
    }

    /// Notes what has been seen before the contact forgets it; losing a race is as good.
    async fn commit_seen(
        &self,
        id: &ContactId,
        campaign: &Campaign,
        before: Option<&Enrollment>,
        next: Enrollment,
    ) -> Result<(), Error> {
        // Nothing is to be performed: the stamp is that of no image.
        let stored = StoredEnrollment {
            enrollment: next,
            effects: Vec::new(),
            records: Vec::new(),
            delta: Tally::default(),
            stamp: 0,
            w: self.new_write_id(),
        };
        match self.write(vec![self.enrollment_write(id, &campaign.id, before, &stored)?]).await {
            Ok(()) | Err(TableError::Conflict { .. } | TableError::Contended) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The write of an enrollment, on condition that nobody else was faster.
    pub(crate) fn enrollment_write(
        &self,
        id: &ContactId,
        campaign: &CampaignId,
        before: Option<&Enrollment>,
        next: &StoredEnrollment,
    ) -> Result<Write, Error> {
        let condition = before.map_or(Condition::Absent, |before| Condition::Rev(before.rev));
        let stored: Item = item(self.keys.enrollment(id, campaign), next)?
            .rev(next.enrollment.rev)
            .index(self.keys.member_listed(campaign, id));
        Ok(Write::put(stored, condition))
    }

    /// A contact image from its item.
    pub(crate) fn image(item: &Item) -> Result<Contact, Error> {
        read_contact(item)
    }
}

/// Whether the contact was enrolled later than somebody speaks of.
fn is_later(enrollment: &Enrollment, as_of: Option<Instant>) -> bool {
    as_of.is_some_and(|as_of| enrollment.created.is_some_and(|created| created > as_of))
}

/// Whether whoever reads the contact now would no longer find all the changes that the enrollment has not noted as
/// seen.
fn is_about_to_forget(contact: &Contact, enrollment: Option<&Enrollment>) -> bool {
    enrollment.is_some_and(|enrollment| contact.changes_after(enrollment.seen).is_none())
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a defect")
        .to_owned()
}

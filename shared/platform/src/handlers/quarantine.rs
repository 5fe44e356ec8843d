//! Changes that could not be decided because of a defect in Dacapo: kept in the table, the
//! enrollment held, later changes queued behind. A release decides them in order.

use std::sync::Arc;

use dacapo_engine::contact::{Author, Contact};
use dacapo_engine::decide::{Event, hold_undecided, quarantine_is_empty};
use dacapo_engine::ids::{CampaignId, ContactId};
use serde::{Deserialize, Serialize};

use super::Done;
use crate::Instant;
use crate::catalog::CatalogStore;
use crate::enrollments::{Decisions, EventOutcome, Image, StoredEnrollment};
use crate::error::Error;
use crate::metrics::Metric;
use crate::store::{Store, item, read};
use crate::table::{Condition, Item, Query, Write};

/// A change in quarantine.
#[derive(Debug, Serialize, Deserialize)]
struct Undecided {
    /// The contact's `rev` before the write.
    before: u64,
    /// The contact after it.
    contact: Contact,
    /// Why it could not be decided.
    why: String,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    at: Instant,
}

/// Changes that could not be decided because of a defect in Dacapo, and the enrollments that wait
/// for them.
pub struct Quarantine {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) decisions: Arc<Decisions>,
}

impl Quarantine {
    /// Keeps a change for later, and holds the enrollment.
    pub(super) async fn quarantine(
        &self,
        campaign: &CampaignId,
        image: Image<'_>,
        why: &str,
    ) -> Result<(), Error> {
        let contact = image.contact;
        let kept = Undecided {
            before: image.before,
            contact: contact.clone(),
            why: why.to_owned(),
            at: self.store.now(),
        };
        let key = self.store.keys.undecided(&contact.id, campaign, contact.rev);
        self.store.write(vec![Write::put(item(key, &kept)?, Condition::Always)]).await?;
        self.hold_undecided(&contact.id, campaign, why).await
    }

    /// Releases a held enrollment (R40), once a call, and decides the changes in quarantine, in
    /// order. Until that is done, new changes queue behind them.
    ///
    /// # Errors
    ///
    /// Retryable errors; releasing again goes on where it stopped.
    pub async fn release(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
        by: Author,
        call: Option<u64>,
    ) -> Result<EventOutcome, Error> {
        let before = self.decisions.enrollment(contact, campaign).await?;
        let outcome =
            self.decisions.apply_event(contact, campaign, &Event::Released { by, call }).await?;
        if !before.is_some_and(|stored| stored.enrollment.has_quarantined_changes()) {
            return Ok(outcome);
        }
        self.drain_all(contact, campaign).await?;
        Ok(outcome)
    }

    /// Decides the changes in quarantine after a release, until none is left.
    pub(crate) async fn drain_all(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
    ) -> Result<(), Error> {
        while self.drain(contact, campaign).await? {
            if self.undecided(contact, campaign).await?.is_empty() {
                self.unmark(contact, campaign).await?;
                // A change that came after the read and before the mark was removed is still there.
                if self.undecided(contact, campaign).await?.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// A page of the changes in quarantine, oldest first.
    async fn undecided(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
    ) -> Result<Vec<Item>, Error> {
        let partition = self.store.keys.contact_partition(contact);
        let prefix = crate::keys::Keys::undecided_of(contact, campaign);
        let query = Query::of(&partition).prefix(&prefix).limit(25).strong();
        Ok(self.store.table.query(query).await?.items)
    }

    /// Decides these changes. `false` if there is still a defect: that change and all after it stay
    /// in quarantine.
    async fn drain(&self, contact: &ContactId, campaign: &CampaignId) -> Result<bool, Error> {
        for kept in self.undecided(contact, campaign).await? {
            let Undecided { before, contact, .. } = read(&kept)?;
            let image = Image { before, contact: &contact };
            let outcome = self
                .decisions
                .apply_event_to_image(&contact.id, campaign, &Event::Changed, Some(image), None)
                .await?;
            if let EventOutcome::Undecidable(why) = outcome {
                self.hold_undecided(&contact.id, campaign, &why).await?;
                return Ok(false);
            }
            self.store.write(vec![Write::delete(kept.key.clone(), Condition::Always)]).await?;
        }
        Ok(true)
    }

    /// What follows from the outcome of an event, where only this matters: an event that cannot be
    /// decided holds its enrollment, and one that came too early comes again.
    pub(super) async fn done(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
        outcome: Result<EventOutcome, Error>,
    ) -> Result<Done, Error> {
        match outcome {
            Ok(EventOutcome::Undecidable(why)) => {
                self.hold_undecided(contact, campaign, &why).await?;
                Ok(Done::Yes)
            }
            Ok(EventOutcome::Ignored(ignored)) => {
                tracing::debug!(?ignored, contact = contact.as_str(), "ignored");
                Ok(Done::Yes)
            }
            Ok(EventOutcome::Committed(_) | EventOutcome::Deliver(_)) => Ok(Done::Yes),
            Err(Error::Behind) => Ok(Done::Soon),
            Err(error) => Err(error),
        }
    }

    /// Holds an enrollment whose change could not be decided: its tokens end, and nothing happens
    /// to it until it is released.
    pub(crate) async fn hold_undecided(
        &self,
        id: &ContactId,
        campaign: &CampaignId,
        why: &str,
    ) -> Result<(), Error> {
        tracing::error!(campaign = campaign.as_str(), contact = id.as_str(), why, "undecided");
        Metric::Undecided.emit(1);
        let zone = self.catalog.current().await?.account.zone;
        self.decisions
            .rewrite(id, campaign, |before| {
                let enrollment = before.map(|before| &before.enrollment);
                let advance = hold_undecided(enrollment, zone, self.store.now())?;
                let deferred = before.and_then(|before| before.deferred.clone());
                Some(StoredEnrollment::of_advance(advance).with_deferred(deferred))
            })
            .await
    }

    /// Removes the mark that changes wait in quarantine.
    async fn unmark(&self, id: &ContactId, campaign: &CampaignId) -> Result<(), Error> {
        self.decisions
            .rewrite(id, campaign, |before| {
                let before = before?;
                let enrollment = quarantine_is_empty(&before.enrollment)?;
                Some(StoredEnrollment { enrollment, ..before.clone() })
            })
            .await
    }
}

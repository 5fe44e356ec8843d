//! Changes that could not be decided by a defect of ours: kept in the table, the enrollment held, later changes queued
//! behind. Releasing drains them in order.

use dacapo_engine::contact::{Author, Contact};
use dacapo_engine::decide::{Event, Ignored};
use dacapo_engine::enrollment::Guard;
use dacapo_engine::ids::{CampaignId, ContactId};
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::enrollments::{Came, Image};
use crate::error::Error;
use crate::platform::{Platform, item, read};
use crate::table::{Condition, Query, Write};

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

impl Platform {
    /// Keeps a change for later, and holds the enrollment.
    pub(super) async fn quarantine(
        &self,
        campaign: &CampaignId,
        image: Image<'_>,
        why: &str,
    ) -> Result<(), Error> {
        let contact = image.contact;
        tracing::error!(
            campaign = campaign.as_str(),
            contact = contact.id.as_str(),
            why,
            "undecided"
        );
        let kept = Undecided {
            before: image.before,
            contact: contact.clone(),
            why: why.to_owned(),
            at: self.now(),
        };
        let key = self.keys.undecided(&contact.id, campaign, contact.rev);
        self.write(vec![Write::put(item(key, &kept)?, Condition::Always)]).await?;
        self.hold_undecided(&contact.id, campaign).await
    }

    /// Releases a held enrollment (R40), and decides what waited in quarantine, in order.
    ///
    /// # Errors
    ///
    /// What is worth another try.
    pub async fn release(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
        by: Author,
    ) -> Result<Came, Error> {
        let held = self.enrollment(contact, campaign).await?;
        let drains = held.is_some_and(|stored| stored.enrollment.held == Some(Guard::Undecided));
        let came = self.happen(contact, campaign, &Event::Released { by }).await?;
        if drains && matches!(came, Came::Committed(_)) {
            self.drain(contact, campaign).await?;
        }
        Ok(came)
    }

    async fn drain(&self, contact: &ContactId, campaign: &CampaignId) -> Result<(), Error> {
        let partition = self.keys.contact_partition(contact);
        let prefix = crate::keys::Keys::undecided_of(campaign);
        let mut cursor = None;
        loop {
            let query = Query::of(&partition).prefix(&prefix).after(cursor).strong();
            let page = self.ports.table.query(query).await?;
            for kept in &page.items {
                let Undecided { before, contact, .. } = read(kept)?;
                let image = Image { before, contact: &contact };
                match self.happen_on(&contact.id, campaign, &Event::Changed, Some(image)).await? {
                    // Still a defect: it and what follows stay where they are.
                    Came::Undecidable(_) => {
                        return self.hold_undecided(&contact.id, campaign).await;
                    }
                    Came::Committed(_) | Came::Deliver(_) | Came::Ignored(_) => {}
                }
                self.write(vec![Write::delete(kept.key.clone(), Condition::Always)]).await?;
            }
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }
}

/// Whether nothing came of a release because the enrollment is not held.
pub fn was_not_held(came: &Came) -> bool {
    matches!(came, Came::Ignored(Ignored::NotHeld | Ignored::NeverEnrolled))
}

//! The change feed, contacts and objects: the campaigns about them look at every change. The lists
//! of tags are updated from contacts, and what campaigns of a contact's objects read of the contact
//! reaches them. Lists of tags show contacts only, never objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::contact::{Change, Contact};
use dacapo_engine::decide::{Event, Ignored};
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::ids::{CampaignId, Tag};

use super::person_changed::PersonChanges;
use super::quarantine::Quarantine;
use super::trace::{Traces, concerns};
use crate::catalog::{CatalogStore, Loaded};
use crate::contacts::read_contact;
use crate::enrollments::{
    Decisions, EventOutcome, Image, SelfWrite, State, has_dropped_unseen_changes,
};
use crate::erasure::comes_after_last_erasure;
use crate::error::Error;
use crate::store::Store;
use crate::table::Item;
use crate::tags::Tags;

/// Why a change waits in quarantine although it could be decided itself.
const BEHIND_ANOTHER: &str = "an older change could not be decided";

/// A contact, or an object, in the change feed, before and after a write.
#[derive(Debug, Clone)]
pub struct ContactImage {
    /// Before; nothing if it was created.
    pub old: Option<Item>,
    /// After; nothing if it was erased.
    pub new: Option<Item>,
}

/// The handler of contacts in the change feed.
pub struct ContactChanges {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) tags: Arc<Tags>,
    pub(crate) decisions: Arc<Decisions>,
    pub(crate) quarantine: Arc<Quarantine>,
    pub(crate) traces: Arc<Traces>,
    pub(crate) person_changes: Arc<PersonChanges>,
}

impl ContactChanges {
    /// A contact changed: every campaign that is concerned decides, in order of id (R10).
    /// Idempotent.
    ///
    /// # Errors
    ///
    /// Retryable errors. A change that can never be decided is kept in quarantine, and is no error.
    pub async fn handle(&self, image: &ContactImage) -> Result<(), Error> {
        let Some(new) = &image.new else {
            let before = image.old.as_ref().map(read_contact).transpose()?;
            let before = before.filter(|before| before.object.is_none());
            return self.tags.untag_all(before.as_ref()).await;
        };
        let contact = read_contact(new)?;
        // It was handed in by a user, later than any feed brings it.
        let is_old = comes_after_last_erasure(contact.updated_at, self.store.now());
        if is_old && self.store.get(&self.store.keys.contact(&contact.id)).await?.is_none() {
            return Ok(());
        }
        self.follow(image).await
    }

    /// The same for a contact that is known not to be erased.
    pub(crate) async fn follow(&self, image: &ContactImage) -> Result<(), Error> {
        let Some(new) = &image.new else { return Ok(()) };
        let contact = read_contact(new)?;
        let rev_before = image.old.as_ref().and_then(|old| old.rev).unwrap_or(0);
        let Some(changes) = contact.changes_after(rev_before) else { return Err(Error::Behind) };
        let loaded = self.catalog.after(contact.updated_at).await?;
        let image = Image { before: rev_before, contact: &contact };
        let mut withdrawn = Vec::new();
        let decided = self.decided(&loaded, image, changes, &mut withdrawn).await;
        if contact.object.is_none() {
            self.tags.follow(&contact, changes, &withdrawn, &loaded.catalog.secret).await?;
            self.person_changes.reach_objects(&loaded, &contact, changes).await?;
        }
        match decided? {
            Followed::Something => Ok(()),
            Followed::Nothing(enrollments) => {
                self.traces.nothing_followed(&loaded, &contact, changes, &enrollments).await
            }
        }
    }

    /// Every campaign that is concerned decides. Notes the tags that they take from the contact at
    /// once.
    async fn decided(
        &self,
        loaded: &Loaded,
        image: Image<'_>,
        changes: &[Change],
        withdrawn: &mut Vec<Tag>,
    ) -> Result<Followed, Error> {
        let contact = image.contact;
        if loaded.campaigns.is_empty() && loaded.broken.is_empty() {
            return Ok(Followed::Nothing(BTreeMap::new()));
        }
        let ids = loaded.campaigns.keys().chain(loaded.broken.keys());
        let ids: BTreeSet<_> =
            ids.filter(|id| loaded.is_about(id, &contact.id)).collect_compactly();
        if ids.is_empty() {
            return Ok(Followed::Nothing(BTreeMap::new()));
        }
        // If the campaign is concerned, the commit checks what was read. If not, a strong read is
        // needed: an older state does not prove that there is nothing to do.
        let is_concerned = |id: &CampaignId| {
            loaded.campaigns.get(id).is_some_and(|campaign| concerns(campaign, changes))
        };
        if let Some(only) = ids.first().filter(|only| ids.len() == 1 && is_concerned(only))
            && let Some(followed) =
                self.decided_eventual(only, image, loaded.rev, withdrawn).await?
        {
            return Ok(followed);
        }
        let states: BTreeMap<_, _> = match ids.first() {
            // Reading one costs less than a list of them.
            Some(only) if ids.len() == 1 => {
                let state = self.decisions.state(&contact.id, only).await?;
                state.map(|state| (CampaignId::clone(only), state)).into_iter().collect_compactly()
            }
            Some(_) | None => self.decisions.states(&contact.id).await?,
        };
        let mut followed = false;
        for id in ids {
            let state = states.get(id);
            let concerned = match loaded.campaigns.get(id) {
                Some(campaign) => state.is_some() || concerns(campaign, changes),
                None => true,
            };
            if !concerned {
                continue;
            }
            if waits_in_quarantine(state) {
                self.quarantine.quarantine(id, image, BEHIND_ANOTHER).await?;
                followed = true;
                continue;
            }
            let known = Some(state.cloned());
            match self
                .decisions
                .apply_event_to_image(&contact.id, id, &Event::Changed, Some(image), known)
                .await?
            {
                EventOutcome::Undecidable(why) => {
                    self.quarantine.quarantine(id, image, &why).await?;
                    followed = true;
                }
                EventOutcome::Ignored(Ignored::Quarantined) => {
                    self.quarantine.quarantine(id, image, BEHIND_ANOTHER).await?;
                    followed = true;
                }
                EventOutcome::Committed(next) => {
                    followed |= !had_no_effect(&next.enrollment, contact);
                    withdrawn.extend(next.withdrawn);
                }
                // Another writer has applied it: its outcome is in the enrollment as it is now.
                EventOutcome::Ignored(Ignored::AlreadyApplied) if !followed => {
                    let now = self.decisions.state(&contact.id, id).await?;
                    followed = now.is_some_and(|state| !had_no_effect(&state.enrollment, contact));
                }
                EventOutcome::Deliver(_) | EventOutcome::Ignored(_) => {}
            }
        }
        let enrollments = states.into_iter().map(|(id, state)| (id, state.enrollment));
        Ok(if followed {
            Followed::Something
        } else {
            Followed::Nothing(enrollments.collect_compactly())
        })
    }

    /// Tries to decide a change on the enrollment from an eventual read. `None` if it has to be
    /// decided on a strong read: only a commit, or a change that was seen before, is a valid
    /// result.
    async fn decided_eventual(
        &self,
        campaign: &CampaignId,
        image: Image<'_>,
        catalog: u64,
        withdrawn: &mut Vec<Tag>,
    ) -> Result<Option<Followed>, Error> {
        let contact = image.contact;
        let eventual = self.decisions.state_eventual(&contact.id, campaign).await?;
        let self_write = eventual.as_ref().and_then(|state| state.self_write);
        let enrollment = eventual.as_ref().map(|state| &state.enrollment);
        if waits_in_quarantine(eventual.as_ref()) {
            return Ok(None);
        }
        // The campaign's own write: it looked at that when it made it, so whatever it has done
        // since came later.
        if self_write == Some(SelfWrite { rev: contact.rev, catalog })
            && image.before + 1 == contact.rev
            && !has_dropped_unseen_changes(contact, enrollment)
        {
            return Ok(Some(Followed::Something));
        }
        let followed = |enrollment: &Enrollment| {
            if had_no_effect(enrollment, contact) {
                Followed::Nothing([(campaign.clone(), enrollment.clone())].into())
            } else {
                Followed::Something
            }
        };
        match self.decisions.apply_change_once(campaign, image, eventual.as_ref()).await {
            Ok(Some(EventOutcome::Committed(next))) => {
                withdrawn.extend(next.withdrawn);
                Ok(Some(followed(&next.enrollment)))
            }
            Ok(Some(EventOutcome::Ignored(Ignored::AlreadyApplied))) => {
                Ok(enrollment.map(followed))
            }
            Ok(
                Some(
                    EventOutcome::Ignored(_)
                    | EventOutcome::Deliver(_)
                    | EventOutcome::Undecidable(_),
                )
                | None,
            )
            | Err(Error::Behind) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What came of a change in all campaigns.
enum Followed {
    /// An effect in at least one campaign.
    Something,
    /// No effect in any campaign: the enrollments as they were then (R60).
    Nothing(BTreeMap<CampaignId, Enrollment>),
}

/// Whether the contact's last change, which the campaign has looked at, had no effect in it.
fn had_no_effect(enrollment: &Enrollment, contact: &Contact) -> bool {
    enrollment.no_effect.contains(&contact.rev)
}

fn waits_in_quarantine(state: Option<&State>) -> bool {
    state.is_some_and(|state| state.enrollment.has_quarantined_changes())
}

//! The change feed, contact items: campaigns look at every change, and the lists of tags follow.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Mutex;

use dacapo_engine::campaign::Campaign;
use dacapo_engine::contact::{Change, Contact};
use dacapo_engine::decide::{Event, Ignored};
use dacapo_engine::enrollment::{Enrollment, Guard};
use dacapo_engine::ids::{CampaignId, Tag};
use serde::{Deserialize, Serialize};

use crate::catalog::Loaded;
use crate::enrollments::{EventOutcome, Image, SelfWrite, State, is_about_to_forget};
use crate::error::Error;
use crate::platform::{Platform, item};
use crate::table::{Condition, Item, TableError, Write};

/// Why a change waits that could be decided itself.
const BEHIND_ANOTHER: &str = "an older change could not be decided";

/// A contact in the change feed, before and after a write.
#[derive(Debug, Clone)]
pub struct ContactImage {
    /// Before; nothing if it was created.
    pub old: Option<Item>,
    /// After; nothing if it was erased.
    pub new: Option<Item>,
}

/// A tag of the account.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredTag {
    /// As it was first written.
    pub(crate) tag: Tag,
}

impl Platform {
    /// A contact changed: every campaign that is concerned decides, in order of id (R10). A repeat
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// What is worth another try. What can never be decided is kept in quarantine, and is no error.
    pub async fn contact_changed(&self, image: &ContactImage) -> Result<(), Error> {
        let Some(new) = &image.new else {
            let before = image.old.as_ref().map(Self::image).transpose()?;
            return self.untag_all(before.as_ref()).await;
        };
        let contact = Self::image(new)?;
        let rev_before = image.old.as_ref().and_then(|old| old.rev).unwrap_or(0);
        let Some(changes) = contact.changes_after(rev_before) else { return Err(Error::Behind) };
        let loaded = self.catalog_for(contact.updated_at).await?;
        let image = Image { before: rev_before, contact: &contact };
        let mut withdrawn = Vec::new();
        let decided = self.decided(&loaded, image, changes, &mut withdrawn).await;
        self.list_tags(&contact, changes, &withdrawn, &loaded.catalog.secret).await?;
        match decided? {
            Followed::Something => Ok(()),
            Followed::Nothing(enrollments) => {
                self.nothing_followed(&loaded, &contact, changes, &enrollments).await
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
        let ids: BTreeSet<_> = loaded.campaigns.keys().chain(loaded.broken.keys()).collect();
        // What is concerned will be committed, on condition of what was read. What is not has to be
        // read strongly: that nothing is to be done is no conclusion from an older state.
        let is_concerned = |id: &CampaignId| {
            loaded.campaigns.get(id).is_some_and(|campaign| concerns(campaign, changes))
        };
        if let Some(only) = ids.first().filter(|only| ids.len() == 1 && is_concerned(only))
            && let Some(followed) = self.decided_lately(only, image, loaded.rev, withdrawn).await?
        {
            return Ok(followed);
        }
        let states: BTreeMap<_, _> = match ids.first() {
            // One is got for less than a list of them.
            Some(only) if ids.len() == 1 => {
                let state = self.state(&contact.id, only).await?;
                state.map(|state| (CampaignId::clone(only), state)).into_iter().collect()
            }
            Some(_) | None => self.states(&contact.id).await?,
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
                self.quarantine(id, image, BEHIND_ANOTHER).await?;
                followed = true;
                continue;
            }
            let known = Some(state.cloned());
            match self
                .apply_event_to_image(&contact.id, id, &Event::Changed, Some(image), known)
                .await?
            {
                EventOutcome::Undecidable(why) => {
                    self.quarantine(id, image, &why).await?;
                    followed = true;
                }
                EventOutcome::Ignored(Ignored::Quarantined) => {
                    self.quarantine(id, image, BEHIND_ANOTHER).await?;
                    followed = true;
                }
                EventOutcome::Committed(next) => {
                    followed |= !is_quiet(&next.enrollment, contact);
                    withdrawn.extend(next.withdrawn);
                }
                // Something else has applied it: what came of it stands in the enrollment as it is
                // now.
                EventOutcome::Ignored(Ignored::AlreadyApplied) if !followed => {
                    let now = self.state(&contact.id, id).await?;
                    followed = now.is_some_and(|state| !is_quiet(&state.enrollment, contact));
                }
                EventOutcome::Deliver(_) | EventOutcome::Ignored(_) => {}
            }
        }
        let enrollments = states.into_iter().map(|(id, state)| (id, state.enrollment));
        Ok(if followed { Followed::Something } else { Followed::Nothing(enrollments.collect()) })
    }

    /// Tries to decide a change on the enrollment as it was a moment ago at least. `None` if it has
    /// to be decided on what is there now: only what was committed, and what was seen before,
    /// stands.
    async fn decided_lately(
        &self,
        campaign: &CampaignId,
        image: Image<'_>,
        catalog: u64,
        withdrawn: &mut Vec<Tag>,
    ) -> Result<Option<Followed>, Error> {
        let contact = image.contact;
        let lately = self.state_lately(&contact.id, campaign).await?;
        let self_write = lately.as_ref().and_then(|state| state.self_write);
        let enrollment = lately.as_ref().map(|state| &state.enrollment);
        if waits_in_quarantine(lately.as_ref()) {
            return Ok(None);
        }
        // The campaign's own write, which it looked at when it made it: whatever it has done since
        // came after.
        if self_write == Some(SelfWrite { rev: contact.rev, catalog })
            && image.before + 1 == contact.rev
            && !is_about_to_forget(contact, enrollment)
        {
            return Ok(Some(Followed::Something));
        }
        let followed = |enrollment: &Enrollment| {
            if is_quiet(enrollment, contact) {
                Followed::Nothing([(campaign.clone(), enrollment.clone())].into())
            } else {
                Followed::Something
            }
        };
        match self.apply_change_once(campaign, image, lately.as_ref()).await {
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

    /// The lists of contacts by tag follow the contact. One that was withdrawn at once need not be
    /// in its list first.
    async fn list_tags(
        &self,
        contact: &Contact,
        changes: &[Change],
        withdrawn: &[Tag],
        secret: &str,
    ) -> Result<(), Error> {
        for change in changes {
            for tag in &change.added {
                let Some((shown, at)) = contact.tags.get_key_value(tag) else { continue };
                self.list_tag(shown, secret).await?;
                if withdrawn.contains(tag) {
                    continue;
                }
                let since = serde_json::json!({ "at": at.timestamp_millis() });
                let member = item(self.keys.tag_member(tag, &contact.id), &since)?;
                self.write(vec![Write::put(member, Condition::Always)]).await?;
            }
            for tag in change.removed.keys().filter(|tag| !contact.tags.contains_key(tag)) {
                self.untag(contact, tag).await?;
            }
        }
        Ok(())
    }

    /// The account's list of tags has the tag as it was first written; once a process is enough.
    async fn list_tag(&self, shown: &Tag, secret: &str) -> Result<(), Error> {
        if self.known_tags.has(shown, secret) {
            return Ok(());
        }
        let tag_item = item(self.keys.tag(shown), &StoredTag { tag: shown.clone() })?;
        match self.write(vec![Write::put(tag_item, Condition::Absent)]).await {
            Ok(()) | Err(TableError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.known_tags.add(shown, secret);
        Ok(())
    }

    async fn untag(&self, contact: &Contact, tag: &Tag) -> Result<(), Error> {
        let before = self.keys.tag_member_before(tag, &contact.id).into_iter();
        let keys = before.chain([self.keys.tag_member(tag, &contact.id)]);
        let writes = keys.map(|key| Write::delete(key, Condition::Always)).collect();
        Ok(self.write(writes).await?)
    }

    async fn untag_all(&self, contact: Option<&Contact>) -> Result<(), Error> {
        let Some(contact) = contact else { return Ok(()) };
        for tag in contact.tags.keys() {
            self.untag(contact, tag).await?;
        }
        Ok(())
    }
}

/// Tags that are in the account's list, as far as this process knows: an account that was erased
/// has another secret, and its list is made anew.
#[derive(Default)]
pub(crate) struct KnownTags(Mutex<(String, HashSet<Tag>)>);

impl KnownTags {
    /// So many tags are known at most.
    const MOST: usize = 4_096;

    fn has(&self, tag: &Tag, secret: &str) -> bool {
        self.0.lock().is_ok_and(|known| known.0 == secret && known.1.contains(tag))
    }

    fn add(&self, tag: &Tag, secret: &str) {
        if let Ok(mut known) = self.0.lock() {
            if known.0 != secret || known.1.len() >= Self::MOST {
                *known = (secret.to_owned(), HashSet::new());
            }
            known.1.insert(tag.clone());
        }
    }
}

/// What came of a change in all campaigns.
enum Followed {
    /// Something, in one at least.
    Something,
    /// Nothing in any: the enrollments as they were asked (R60).
    Nothing(BTreeMap<CampaignId, Enrollment>),
}

/// Whether nothing followed in a campaign from the contact's last change, which it has looked at.
fn is_quiet(enrollment: &Enrollment, contact: &Contact) -> bool {
    enrollment.no_effect.contains(&contact.rev)
}

/// Whether a contact without enrollment could enter because of the changes.
pub(super) fn concerns(campaign: &Campaign, changes: &[Change]) -> bool {
    campaign.versions.values().any(|graph| {
        changes.iter().any(|change| {
            change.touches(graph.reads())
                || change.event.as_ref().is_some_and(|event| graph.custom_events().contains(event))
        })
    })
}

fn waits_in_quarantine(state: Option<&State>) -> bool {
    state.is_some_and(|state| state.enrollment.held == Some(Guard::Undecided))
}

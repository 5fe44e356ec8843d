//! What a decision needs is read here: a contact and its enrollment, one pair or many, by a strong
//! or an eventual read; and what stands around them, such as the campaign's version.
//!
//! Contact and enrollment are read one after the other. If the enrollment knows a later change of
//! the contact than the contact shows, both were written in between, and the contact is read once
//! more.

use std::collections::BTreeMap;

use dacapo_engine::contact::Contact;
use dacapo_engine::decide::Ignored;
use dacapo_engine::enrollment::{Enrollment, Status};
use dacapo_engine::ids::{CampaignId, ContactId, ObjectType};

use super::{DecisionContext, DecisionRequest, Decisions, EventOutcome, State, read_state};
use crate::Instant;
use crate::contacts::read_contact;
use crate::error::Error;
use crate::keys::{BEHIND_ENROLLMENTS, CONTACT, Keys, OBJECT_ENROLLMENT, fed};
use crate::table::{Consistency, Item, Query};

/// The most campaigns with which a contact's enrollments are read together: they are few then.
const FEW_CAMPAIGNS: usize = 8;

/// What stands around a contact and its enrollment in a decision, and the statuses in other
/// campaigns.
type Around = (DecisionContext, BTreeMap<CampaignId, Status>);

/// A contact and its enrollment in one campaign, as they were read.
pub(super) struct Snapshot {
    /// The contact; `None` if there is none, or if the image of the change feed shows it.
    pub(super) contact: Option<Contact>,
    /// The enrollment's state.
    pub(super) state: Option<State>,
}

impl Snapshot {
    /// Whether the contact was read before a change that the enrollment knows.
    fn is_torn(&self) -> bool {
        let knows = self.state.as_ref().map_or(0, State::knows);
        self.contact.as_ref().is_some_and(|contact| contact.rev < knows)
    }
}

impl Decisions {
    /// What stands around a contact and its enrollment: the catalog as new as they are, the
    /// campaign's version, the person of an object, and the statuses in other campaigns that the
    /// campaign reads. If nothing can be decided with it, the outcome is the error.
    pub(super) async fn load_around(
        &self,
        id: &ContactId,
        request: DecisionRequest<'_>,
        enrollment: Option<&Enrollment>,
        contact: &Contact,
    ) -> Result<Result<Around, EventOutcome>, Error> {
        let (mut catalog, mut as_of) = self.catalog.after_with_instant(contact.updated_at).await?;
        // A decision about a change has to know what was published, paused or resumed before it.
        if enrollment.is_some_and(|enrollment| !catalog.knows(request.campaign, enrollment))
            || contact.known_catalog_revision().is_some_and(|known| catalog.rev < known)
        {
            (catalog, as_of) = self.catalog.after_with_instant(Instant::MAX_UTC).await?;
        }
        if let Some(error) = catalog.broken.get(request.campaign) {
            return Ok(Err(EventOutcome::Undecidable(error.to_string())));
        }
        let Some(campaign) = catalog.campaigns.get(request.campaign) else {
            return Ok(Err(EventOutcome::Ignored(Ignored::NotPublished)));
        };
        if !campaign.is_about(id) {
            return Ok(Err(EventOutcome::Ignored(Ignored::NeverEnrolled)));
        }
        // The person is read after the enrollment, which may have written to the person.
        let person = if id.is_object() { self.contacts.get(&id.person()).await? } else { None };
        if person.is_none() && id.is_object() {
            return Ok(Err(EventOutcome::Ignored(Ignored::NeverEnrolled)));
        }
        let campaign = self.with_version(campaign, enrollment).await?;
        let statuses = self.statuses(&campaign, id).await?;
        Ok(Ok((DecisionContext { campaign, person, catalog, as_of }, statuses)))
    }

    /// A contact and its enrollment, by a strong read.
    pub(super) async fn load(
        &self,
        id: &ContactId,
        request: DecisionRequest<'_>,
    ) -> Result<Snapshot, Error> {
        if request.image.is_some() {
            return Ok(Snapshot { contact: None, state: self.state(id, request.campaign).await? });
        }
        let one_by_one = id.is_object()
            || !self.store.table.is_remote()
            || self.catalog.known_campaigns() > FEW_CAMPAIGNS;
        let mut snapshot = if one_by_one {
            let state = self.state(id, request.campaign).await?;
            Snapshot { contact: self.contacts.get(id).await?, state }
        } else {
            self.load_page(id, request.campaign).await?
        };
        if snapshot.is_torn() {
            snapshot.contact = self.contacts.get(id).await?;
        }
        Ok(snapshot)
    }

    /// Both in one query, which also reads the contact's other enrollments.
    async fn load_page(&self, id: &ContactId, campaign: &CampaignId) -> Result<Snapshot, Error> {
        let keys = &self.store.keys;
        let (key, enrolled) = (keys.contact(id), keys.enrollment(id, campaign));
        let mut snapshot = Snapshot { contact: None, state: None };
        let query = Query::of(&key.pk).between(CONTACT, BEHIND_ENROLLMENTS).strong();
        for item in self.store.all(query).await? {
            if item.key == key {
                snapshot.contact = Some(read_contact(&item)?);
            } else if item.key == enrolled {
                snapshot.state = Some(read_state(&item)?);
            }
        }
        Ok(snapshot)
    }

    /// What a decision needs for each of these contacts, in their order. `None` where it has to be
    /// read once more.
    pub(super) async fn load_many(
        &self,
        contacts: &[ContactId],
        campaign: &CampaignId,
    ) -> Result<Vec<Result<Option<Snapshot>, Error>>, Error> {
        let keys = &self.store.keys;
        let enrolled = contacts.iter().map(|contact| keys.enrollment(contact, campaign));
        let wanted = contacts.iter().map(|contact| keys.contact(contact)).chain(enrolled);
        let wanted: Vec<_> = wanted.collect();
        let mut stored = self.store.table.get_many(&wanted, Consistency::Strong).await?;
        let states = stored.split_off(contacts.len());
        let snapshot = |(contact, state): (Option<Item>, Option<Item>)| {
            let contact = contact.as_ref().map(read_contact).transpose()?;
            let state = state.as_ref().map(read_state).transpose()?;
            Ok(Some(Snapshot { contact, state }).filter(|snapshot| !snapshot.is_torn()))
        };
        Ok(stored.into_iter().zip(states).map(snapshot).collect())
    }

    /// An enrollment's state, by a strong read.
    pub(crate) async fn state(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
    ) -> Result<Option<State>, Error> {
        let stored = self.store.get(&self.store.keys.enrollment(contact, campaign)).await?;
        stored.map(|item| read_state(&item)).transpose()
    }

    /// An enrollment's state, by an eventual read.
    pub(crate) async fn state_eventual(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
    ) -> Result<Option<State>, Error> {
        let key = self.store.keys.enrollment(contact, campaign);
        let stored = self.store.table.get(&key, Consistency::Eventual).await?;
        stored.map(|item| read_state(&item)).transpose()
    }

    /// All enrollments of a contact, each with what its last decision deferred to the next one.
    pub(crate) async fn states(
        &self,
        contact: &ContactId,
    ) -> Result<BTreeMap<CampaignId, State>, Error> {
        let partition = self.store.keys.contact_partition(contact);
        let prefix = Keys::enrollments_of(contact);
        let mut all = BTreeMap::new();
        for item in self.store.all(Query::of(&partition).prefix(&prefix).strong()).await? {
            if let Some((_, Some(campaign))) = fed(&item.key) {
                all.insert(campaign, read_state(&item)?);
            }
        }
        Ok(all)
    }

    /// The enrollments of a person's objects, of a type or of all, each with its object and
    /// campaign, in the order of both.
    pub(crate) async fn states_of_objects(
        &self,
        person: &ContactId,
        kind: Option<&ObjectType>,
    ) -> Result<Vec<(ContactId, CampaignId, State)>, Error> {
        let partition = self.store.keys.contact_partition(person);
        let prefix =
            kind.map_or_else(|| OBJECT_ENROLLMENT.to_owned(), Keys::enrollments_of_objects);
        let mut all = Vec::new();
        for item in self.store.all(Query::of(&partition).prefix(&prefix).strong()).await? {
            if let Some((object, Some(campaign))) = fed(&item.key) {
                all.push((object, campaign, read_state(&item)?));
            }
        }
        Ok(all)
    }
}

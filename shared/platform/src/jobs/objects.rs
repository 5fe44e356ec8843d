//! A campaign about objects, and contacts that were selected: what is done to a contact is done to
//! each of its objects in the campaign, and counts once (R16, R71).

use dacapo_engine::decide::Event;
use dacapo_engine::ids::{CampaignId, ContactId, ObjectType, Tag};

use super::outcomes::PageWork;
use super::{ContactOutcome, Job, Jobs, Selection};
use crate::Instant;
use crate::contacts::read_contact;
use crate::enrollments::{Asked, Decisions};
use crate::error::Error;
use crate::keys::{Keys, fed};
use crate::table::Query;

/// What is done to the objects of contacts.
pub(super) struct ToObjects<'a> {
    pub(super) job: &'a Job,
    pub(super) campaign: &'a CampaignId,
    pub(super) kind: &'a ObjectType,
    pub(super) event: &'a Event,
    pub(super) as_of: Option<Instant>,
}

impl PageWork {
    /// Does it to the objects of these contacts, and answers an outcome for each contact. An id of
    /// an object stands for that object.
    pub(super) async fn done_to_objects(
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
        let asked = Asked { campaign, event, as_of, tag: None };
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

impl Jobs {
    /// Who is meant by selected contacts in a campaign: in one about objects, their objects in it;
    /// a contact without any stands for itself.
    pub(super) async fn subjects_of(
        &self,
        selection: &Selection,
        campaign: &CampaignId,
        contacts: &[ContactId],
    ) -> Result<Vec<ContactId>, Error> {
        let loaded = self.catalog.current().await?;
        let head = loaded.catalog.campaigns.get(campaign);
        let Some(kind) = head.and_then(|head| head.per.as_ref()) else {
            return Ok(contacts.to_vec());
        };
        let mut subjects = Vec::new();
        for contact in contacts {
            let objects = match contact.is_object() || !self.meets(selection, contact).await? {
                true => Vec::new(),
                false => self.objects_in(contact, kind, campaign).await?,
            };
            if objects.is_empty() {
                subjects.push(contact.clone());
            }
            subjects.extend(objects);
        }
        Ok(subjects)
    }

    async fn meets(&self, selection: &Selection, contact: &ContactId) -> Result<bool, Error> {
        let Selection::Tag(tag) = selection else { return Ok(true) };
        let stored = self.store.get(&self.store.keys.contact(contact)).await?;
        let contact = stored.map(|item| read_contact(&item)).transpose()?;
        Ok(contact.is_some_and(|contact| contact.tags.contains_key(tag)))
    }

    async fn objects_in(
        &self,
        person: &ContactId,
        kind: &ObjectType,
        campaign: &CampaignId,
    ) -> Result<Vec<ContactId>, Error> {
        let partition = self.store.keys.contact_partition(person);
        let prefix = Keys::enrollments_of_objects(kind);
        let (mut objects, mut cursor) = (Vec::new(), None);
        loop {
            let query = Query::of(&partition).prefix(&prefix).after(cursor).strong();
            let page = self.store.table.query(query).await?;
            let enrolled = page.items.iter().filter_map(|item| fed(&item.key));
            let here = enrolled.filter(|(_, other)| other.as_ref() == Some(campaign));
            objects.extend(here.map(|(object, _)| object));
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(objects);
            }
        }
    }
}

//! Who is meant by contacts that were selected, in a campaign about objects: their objects (R16,
//! R71). It is for looking at them: the dry run, and those in flight. What a job does to them is in
//! `outcomes`.

use dacapo_engine::ids::{CampaignId, ContactId, ObjectType};

use super::{Jobs, Selection};
use crate::contacts::read_contact;
use crate::error::Error;
use crate::keys::{Keys, fed};
use crate::table::Query;

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
        let items = self.store.all(Query::of(&partition).prefix(&prefix).strong()).await?;
        let enrolled = items.iter().filter_map(|item| fed(&item.key));
        let here = enrolled.filter(|(_, other)| other.as_ref() == Some(campaign));
        Ok(here.map(|(object, _)| object).collect())
    }
}

//! A person's change reaches the person's objects (R72).
//!
//! | step | why it is safe |
//! |---|---|
//! | the objects with tokens whose campaigns read what changed are found | the query is strong |
//! | each gets the change as one of its own | on condition of its `rev`; it notes the person's |
//!
//! So the changes of an object are one ordered stream. It happens at least once, before the feed
//! goes on; what an object has noted is not applied again. A person has at most a thousand objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use dacapo_engine::campaign::Campaign;
use dacapo_engine::condition::PersonReads;
use dacapo_engine::contact::{Change, Contact, PersonChange};
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::ids::{ContactId, ObjectType};

use crate::catalog::Loaded;
use crate::contacts::Contacts;
use crate::enrollments::Decisions;
use crate::error::Error;
use crate::store::{Store, TRIES};
use crate::table::{Condition, Write};

/// Passes changes of persons on to their objects.
pub struct PersonChanges {
    pub(crate) store: Arc<Store>,
    pub(crate) contacts: Arc<Contacts>,
    pub(crate) decisions: Arc<Decisions>,
}

impl PersonChanges {
    /// Passes changes of a person on. Idempotent.
    pub(super) async fn reach_objects(
        &self,
        loaded: &Loaded,
        person: &Contact,
        changes: &[Change],
    ) -> Result<(), Error> {
        for (kind, reads) in read_by_types(loaded) {
            if !changes.iter().any(|change| PersonChange::of(change, person, &reads).is_some()) {
                continue;
            }
            let mut enrolled: BTreeMap<ContactId, Vec<(&Campaign, Enrollment)>> = BTreeMap::new();
            for (object, campaign, state) in
                self.decisions.states_of_objects(&person.id, Some(&kind)).await?
            {
                if let Some(campaign) = loaded.campaigns.get(&campaign) {
                    enrolled.entry(object).or_default().push((campaign, state.enrollment));
                }
            }
            for (object, enrollments) in enrolled {
                let reads = |change: &Change| {
                    let mut reads = PersonReads::default();
                    for (campaign, enrollment) in &enrollments {
                        reads.add(&campaign.person_reads(enrollment, change));
                    }
                    reads
                };
                let read: Vec<_> = changes.iter().map(|change| (change, reads(change))).collect();
                self.reach(&object, person, &read).await?;
            }
        }
        Ok(())
    }

    /// Writes of the changes into one object what is read of them, unless it has it.
    async fn reach(
        &self,
        id: &ContactId,
        person: &Contact,
        changes: &[(&Change, PersonReads)],
    ) -> Result<(), Error> {
        if !changes.iter().any(|(change, reads)| PersonChange::of(change, person, reads).is_some())
        {
            return Ok(());
        }
        for _ in 0..TRIES {
            let Some(before) = self.contacts.get(id).await? else { return Ok(()) };
            let mut object = before.clone();
            let mut fresh = 0;
            for (change, reads) in changes {
                let left = person.as_of(change.rev);
                let left = left.as_ref().unwrap_or(person);
                if object.apply_person(change, left, reads, fresh).is_some() {
                    fresh += 1;
                }
            }
            if fresh == 0 {
                return Ok(());
            }
            object.note_known_catalog(before.rev, person.known_catalog_revision());
            let write = Write::put(self.contacts.item(&object)?, Condition::Rev(before.rev));
            if self.store.write_if_first(vec![write]).await? {
                return Ok(());
            }
        }
        Err(Error::Contended(TRIES))
    }
}

/// What the campaigns about each type of objects read of persons.
fn read_by_types(loaded: &Loaded) -> BTreeMap<ObjectType, PersonReads> {
    let mut by_type: BTreeMap<ObjectType, PersonReads> = BTreeMap::new();
    for campaign in loaded.campaigns.values() {
        let Some(kind) = campaign.per() else { continue };
        for graph in campaign.versions.values() {
            if !graph.person_reads().is_empty() {
                by_type.entry(kind.clone()).or_default().add(graph.person_reads());
            }
        }
    }
    by_type
}

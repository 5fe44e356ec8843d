//! Finding contacts: all of them, those with a tag, those in a campaign, those whose name or
//! address has a prefix. In a campaign about objects are those whose objects are in it (R71).
//!
//! Contacts are listed in shards, each in order of id. A page merges the shards, so that the order
//! is by id and pages never overlap, even during writes. The lists are eventually consistent and
//! give only candidates: every contact is read afresh. The caller receives one contact after the
//! other, and says where its page ends.

use dacapo_engine::compact::SortCompactly as _;
use dacapo_engine::contact::Contact;
use dacapo_engine::enrollment::Status;
use dacapo_engine::ids::{CampaignId, ContactId, Tag};
use dacapo_engine::text::folded;

use crate::api::call::lists::{foreign_cursor, listing_failed};
use crate::api::call::problem::Problem;
use crate::catalog::Catalog;
use crate::contacts::read_contact;
use crate::enrollments::read_state;
use crate::error::Error;
use crate::keys::SHARDS;
use crate::store::Store;
use crate::table::{Consistency, Cursor, Item, LONGEST_SK, Query, Range};

/// How many contacts a call reads before it answers with what it has found.
const LOOKED_AT: usize = 1_000;

/// How many contacts are read at once.
const CONTACTS_AT_ONCE: usize = 100;

/// The prefix of a cursor of the list.
const LISTED: &str = "contacts";

/// What a list shows at a place.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) enum ListedEntry<'a> {
    /// A contact.
    Contact(&'a Contact),
    /// A contact that is stored and cannot be read.
    Unreadable {
        /// Its id.
        id: &'a ContactId,
        /// Why it cannot be read.
        why: &'a str,
    },
}

/// Which contacts are wanted.
#[derive(Debug, Default)]
pub(in crate::api) struct Wanted {
    tag: Option<Tag>,
    begins: Option<String>,
    /// In which campaign, and with which status.
    campaign: Option<(CampaignId, Option<Status>)>,
    /// Whether the campaign is about objects of contacts.
    of_objects: bool,
}

impl Wanted {
    pub(in crate::api) fn new(
        tag: Option<Tag>,
        begins: Option<&str>,
        campaign: Option<(CampaignId, Option<Status>)>,
    ) -> Self {
        let begins = begins.map(|text| folded(text.trim())).filter(|text| !text.is_empty());
        Self { tag, begins, campaign, of_objects: false }
    }

    /// The same with what is known of the campaign: one about objects has contacts whose objects
    /// are in it.
    pub(in crate::api) fn knowing(mut self, catalog: &Catalog) -> Self {
        let campaign = self.campaign.as_ref().map(|(campaign, _)| campaign);
        let head = campaign.and_then(|campaign| catalog.campaigns.get(campaign));
        self.of_objects = head.is_some_and(|head| head.per.is_some());
        self
    }

    /// The tag whose list shows the candidates. The members of a campaign about objects are its
    /// own list, since nothing lists a contact's objects by the contact's tags: each of their
    /// contacts is read anyway, and says whether it has the tag.
    fn listed_by_tag(&self) -> Option<&Tag> {
        self.tag.as_ref().filter(|_| !self.of_objects)
    }

    fn is(&self, contact: &Contact) -> bool {
        let begins = |text: &str, wanted: &str| folded(text).starts_with(wanted);
        let text = |key| contact.text(key).unwrap_or_default();
        self.tag.as_ref().is_none_or(|tag| contact.tags.contains_key(tag))
            && self.begins.as_ref().is_none_or(|wanted| {
                let whole = format!("{} {}", text("first_name"), text("last_name"));
                begins(text("email"), wanted)
                    || begins(text("last_name"), wanted)
                    || begins(whole.trim_start(), wanted)
            })
    }
}

impl Wanted {
    /// Puts contacts on a page, in order of id, until it is full; about `few` are expected to fit.
    /// Returns where the next page begins, if there may be one. A page may end before it is full,
    /// if few of the contacts that were read match.
    pub(in crate::api) async fn people(
        &self,
        store: &Store,
        few: usize,
        cursor: Option<Cursor>,
        put: &mut (dyn FnMut(ListedEntry<'_>) -> Result<bool, Problem> + Send),
    ) -> Result<Option<Cursor>, Problem> {
        let mut after = match cursor {
            Some(cursor) => {
                let [_, after] = cursor.parts::<2>(LISTED).map_err(|_| foreign_cursor())?;
                if after.is_empty() || after.len() > LONGEST_SK {
                    return Err(foreign_cursor());
                }
                Some(after)
            }
            None => None,
        };
        let mut looked_at = 0;
        // Several objects of a contact may be in a campaign: the contact is shown once.
        let mut shown = None;
        loop {
            // One more than fits shows whether there is a next page.
            let ids = self
                .listed(store, after.as_deref(), CONTACTS_AT_ONCE.min(few.saturating_add(1)))
                .await?;
            if ids.is_empty() {
                return Ok(None);
            }
            let keys: Vec<_> = ids.iter().map(|id| store.keys.contact(&id.person())).collect();
            let stored = store.table.get_many(&keys, Consistency::Strong).await;
            let stand = self.that_stand(store, &ids).await?;
            for ((id, stored), stands) in ids.iter().zip(stored.map_err(Error::from)?).zip(stand) {
                let person = id.person();
                let was_shown = id.is_object() && shown.as_ref() == Some(&person);
                if let Some(stored) = stored.filter(|_| stands && !was_shown) {
                    let (contact, why);
                    let found = match read_contact(&stored) {
                        Ok(read) => {
                            contact = read;
                            self.is(&contact).then_some(ListedEntry::Contact(&contact))
                        }
                        // Whether its name or address begins so cannot be told.
                        Err(Error::Unreadable(error)) => {
                            why = error.to_string();
                            let found = ListedEntry::Unreadable { id: &person, why: &why };
                            self.begins.is_none().then_some(found)
                        }
                        Err(error) => return Err(error.into()),
                    };
                    if let Some(found) = found {
                        if !put(found)? {
                            return Ok(after.map(|after| Cursor::at(&[LISTED, &after])));
                        }
                        shown = Some(person);
                    }
                }
                after = Some(id.to_string());
            }
            looked_at += ids.len();
            if looked_at >= LOOKED_AT {
                // A contact that has been shown is not shown again for the rest of its objects.
                let after = match shown {
                    Some(person)
                        if after.as_deref().is_some_and(|it| is_object_of(it, &person)) =>
                    {
                        Some(behind_objects_of(&person))
                    }
                    Some(_) | None => after,
                };
                return Ok(after.map(|after| Cursor::at(&[LISTED, &after])));
            }
        }
    }

    /// Which of these have the wanted status in the campaign.
    async fn that_stand(&self, store: &Store, ids: &[ContactId]) -> Result<Vec<bool>, Error> {
        let Some((campaign, status)) = &self.campaign else { return Ok(vec![true; ids.len()]) };
        let keys: Vec<_> = ids.iter().map(|id| store.keys.enrollment(id, campaign)).collect();
        let stored = store.table.get_many(&keys, Consistency::Strong).await?;
        let stands = |item: &Option<Item>| -> Result<bool, Error> {
            let state = item.as_ref().map(read_state).transpose()?;
            Ok(state
                .is_some_and(|state| status.is_none_or(|status| state.enrollment.status == status)))
        };
        stored.iter().map(stands).collect()
    }

    /// The next ids over all shards.
    async fn listed(
        &self,
        store: &Store,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<ContactId>, Problem> {
        let mut ids = Vec::new();
        for shard in 0..SHARDS {
            let partitions: Vec<String> = match (self.listed_by_tag(), &self.campaign) {
                (Some(tag), _) => {
                    let before = store.keys.tagged_before(tag, shard);
                    std::iter::once(store.keys.tagged(tag, shard)).chain(before).collect()
                }
                (None, Some((campaign, _))) => vec![store.keys.members_listed(campaign, shard)],
                (None, None) => vec![store.keys.contacts_listed(shard)],
            };
            for partition in &partitions {
                let mut query = Query::of(partition).limit(most + 1);
                if let Some(after) = after {
                    query.range = Range::From(after);
                }
                let listed: Vec<String> = if self.listed_by_tag().is_some() {
                    let page = store.table.query(query.strong()).await;
                    let page = page.map_err(listing_failed)?;
                    page.items.into_iter().map(|item| item.key.sk).collect()
                } else {
                    let page = store.table.query_index(query).await.map_err(listing_failed)?;
                    page.items.into_iter().map(|(listed, _)| listed.sk).collect()
                };
                ids.extend(listed.into_iter().filter(|id| Some(id.as_str()) != after));
            }
        }
        ids.sort_compactly();
        ids.dedup();
        ids.truncate(most);
        Ok(ids.into_iter().filter_map(|id| ContactId::new(id).ok()).collect())
    }
}

/// Whether an id in a list is that of an object of this contact.
fn is_object_of(listed: &str, person: &ContactId) -> bool {
    listed.strip_prefix(person.as_str()).is_some_and(|rest| rest.starts_with('.'))
}

/// The place behind all objects of a contact, and before the next contact.
fn behind_objects_of(person: &ContactId) -> String {
    // `/` follows upon the dot of an object's id.
    format!("{person}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r71_the_place_behind_the_objects_of_a_contact_is_before_every_other_contact() {
        let person = ContactId::new("c7").expect("an id");
        let behind = behind_objects_of(&person);
        for own in ["c7", "c7.appointment.a1", "c7.zzz.zzz"] {
            assert!(own < behind.as_str(), "{own}");
            assert_eq!(is_object_of(own, &person), own != "c7");
        }
        for other in ["c70", "c70.appointment.a1", "c7a", "c7_", "c8.appointment.a1"] {
            assert!(other > behind.as_str(), "{other}");
            assert!(!is_object_of(other, &person));
        }
    }
}

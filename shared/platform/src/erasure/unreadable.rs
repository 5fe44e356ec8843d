//! Erasing a contact whose stored item cannot be read: somebody has changed it by hand.
//!
//! What the contact's items still say is searched for its address: an address belongs to it if the
//! item of that address names the contact. So no other contact loses its address. If none is found,
//! a warning says so; erasing it once more as `email:…` frees the address.

use std::collections::BTreeSet;

use dacapo_engine::address::folded;
use dacapo_engine::ids::{ContactId, Tag};
use serde_json::Value;

use super::Erasure;
use crate::error::Error;
use crate::mentions::Mentions;
use crate::refusals::Refusal;
use crate::table::{Condition, Item, Query, Unreadable, Write};

/// How many lists by tag are left in one transaction.
const TAG_LISTS_AT_ONCE: usize = 50;

impl Erasure {
    /// Erases a contact that cannot be read. `false` if another writer has written it meanwhile.
    pub(super) async fn erase_unreadable(
        &self,
        id: &ContactId,
        named: Option<&str>,
        why: &Unreadable,
    ) -> Result<bool, Error> {
        let stored = self.store.get(&self.store.keys.contact(id)).await?;
        let Some(stored) = stored else { return Ok(false) };
        self.order_last_erasure(id).await?;
        let address = self.address_of_unreadable(id, named).await?;
        if address.is_none() {
            tracing::warn!(contact = %id, %why,
                "no address was found of an unreadable contact; erase it as `email:…` too if it \
                 has one");
        }
        let condition = stored.rev.map_or(Condition::Present, Condition::Rev);
        let refusal = Refusal::of_unreadable(&stored.body);
        let writes = self.removal(id, condition, address.as_deref(), refusal).await?;
        if !self.store.write_if_first(writes).await? {
            return Ok(false);
        }
        self.order_erasure(id).await?;
        self.forget_tags_of_unreadable(id, &stored).await?;
        self.erase_partition(id).await?;
        Ok(true)
    }

    /// Frees an address that names a contact which is erased. `true` if it did.
    pub(super) async fn free_address(
        &self,
        id: &ContactId,
        address: Option<&str>,
    ) -> Result<bool, Error> {
        let Some(address) = address.map(folded) else { return Ok(false) };
        if self.contacts.id_of(&address).await?.as_ref() != Some(id) {
            return Ok(false);
        }
        let keys = self.store.keys.addresses(&address);
        let writes = keys.map(|key| Write::delete(key, Condition::Always)).collect();
        self.store.write(writes).await?;
        Ok(true)
    }

    /// The address that belongs to the contact, among the one by which it was named and those in
    /// its items.
    async fn address_of_unreadable(
        &self,
        id: &ContactId,
        named: Option<&str>,
    ) -> Result<Option<String>, Error> {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut candidates: Vec<String> = named.map(folded).into_iter().collect();
        let partition = self.store.keys.contact_partition(id);
        let mut pages = self.store.pages(Query::of(&partition).strong());
        while let Some(page) = pages.next_page().await? {
            for stored in &page {
                let text = stored.body.as_str();
                if text.contains('@') || text.contains("u0040") {
                    candidates.extend(Mentions::of(text).addresses().map(str::to_owned));
                }
            }
            for candidate in candidates.drain(..) {
                if seen.insert(candidate.clone())
                    && self.contacts.id_of(&candidate).await?.as_ref() == Some(id)
                {
                    return Ok(Some(candidate));
                }
            }
        }
        Ok(None)
    }

    /// The tags that can still be read. Entries of other tags name a contact that is not there, and
    /// are passed over by each reader.
    async fn forget_tags_of_unreadable(&self, id: &ContactId, stored: &Item) -> Result<(), Error> {
        let body: Value = stored.body.read().unwrap_or_default();
        let tags = body["c"]["tags"].as_object().into_iter().flat_map(|tags| tags.keys());
        let writes: Vec<Write> = tags
            .filter_map(|tag| Tag::new(tag.as_str()).ok())
            .map(|tag| Write::delete(self.store.keys.tag_member(&tag, id), Condition::Always))
            .collect();
        for some in writes.chunks(TAG_LISTS_AT_ONCE) {
            self.store.write(some.to_vec()).await?;
        }
        Ok(())
    }
}

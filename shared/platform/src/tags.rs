//! The tags of the account, and the lists of contacts by tag, which are updated from the contacts.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use dacapo_engine::compact::SortCompactly as _;
use dacapo_engine::contact::{Change, Contact};
use dacapo_engine::ids::Tag;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::SHARDS;
use crate::store::{Store, item, read};
use crate::table::{Condition, Query, TableError, Write};

/// A tag of the account.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredTag {
    /// As it was first written.
    pub(crate) tag: Tag,
}

/// Tags that are in the account's list, as far as this process knows: an account that was erased
/// has another secret, and its list is made anew.
#[derive(Default)]
pub(crate) struct KnownTags(Mutex<(String, HashSet<Tag>)>);

impl KnownTags {
    /// The most tags that are kept.
    const MOST_TAGS: usize = 4_096;

    fn has(&self, tag: &Tag, secret: &str) -> bool {
        self.0.lock().is_ok_and(|known| known.0 == secret && known.1.contains(tag))
    }

    fn add(&self, tag: &Tag, secret: &str) {
        if let Ok(mut known) = self.0.lock() {
            if known.0 != secret || known.1.len() >= Self::MOST_TAGS {
                *known = (secret.to_owned(), HashSet::new());
            }
            known.1.insert(tag.clone());
        }
    }
}

/// The tags of the account.
pub struct Tags {
    pub(crate) store: Arc<Store>,
    pub(crate) known: Arc<KnownTags>,
}

impl Tags {
    /// Updates the lists of contacts by tag from the contact. A tag that was removed at once is not
    /// added to its list first.
    pub(crate) async fn follow(
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
                let member = item(self.store.keys.tag_member(tag, &contact.id), &since)?;
                self.store.write(vec![Write::put(member, Condition::Always)]).await?;
            }
            for tag in change.removed.keys().filter(|tag| !contact.tags.contains_key(tag)) {
                self.untag(contact, tag).await?;
            }
        }
        Ok(())
    }

    /// Puts the tag, as it was first written, into the account's list of tags; once per process is
    /// enough.
    async fn list_tag(&self, shown: &Tag, secret: &str) -> Result<(), Error> {
        if self.known.has(shown, secret) {
            return Ok(());
        }
        let tag_item = item(self.store.keys.tag(shown), &StoredTag { tag: shown.clone() })?;
        match self.store.write(vec![Write::put(tag_item, Condition::Absent)]).await {
            Ok(()) | Err(TableError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.known.add(shown, secret);
        Ok(())
    }

    async fn untag(&self, contact: &Contact, tag: &Tag) -> Result<(), Error> {
        let before = self.store.keys.tag_member_before(tag, &contact.id).into_iter();
        let keys = before.chain([self.store.keys.tag_member(tag, &contact.id)]);
        let writes = keys.map(|key| Write::delete(key, Condition::Always)).collect();
        Ok(self.store.write(writes).await?)
    }

    /// A contact that is gone has no tags.
    pub(crate) async fn untag_all(&self, contact: Option<&Contact>) -> Result<(), Error> {
        let Some(contact) = contact else { return Ok(()) };
        for tag in contact.tags.keys() {
            self.untag(contact, tag).await?;
        }
        Ok(())
    }

    /// The tags of the account, in order.
    pub(crate) async fn all(&self) -> Result<Vec<Tag>, Error> {
        let partition = self.store.keys.tags();
        let mut tags = Vec::new();
        for stored in self.store.all(Query::of(&partition)).await? {
            tags.push(read::<StoredTag>(&stored)?.tag);
        }
        tags.sort_compactly();
        // Two spellings that were two tags in an earlier version.
        tags.dedup();
        Ok(tags)
    }

    /// How many contacts the lists show with a tag.
    pub(crate) async fn count(&self, tag: &Tag) -> Result<usize, Error> {
        let mut count = 0;
        for shard in 0..SHARDS {
            let before = self.store.keys.tagged_before(tag, shard);
            for partition in std::iter::once(self.store.keys.tagged(tag, shard)).chain(before) {
                let mut pages = self.store.pages(Query::of(&partition));
                while let Some(page) = pages.next_page().await? {
                    count += page.len();
                }
            }
        }
        Ok(count)
    }
}

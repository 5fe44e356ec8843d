//! Contacts: found by id or address, written as one change at a time (R1).
//!
//! Every write is one conditional write, in one transaction with the items that guard it (the
//! address, an idempotency key). After a lost race it is tried again on the contact as it is then.
//! The change feed does the rest.

use std::borrow::Cow;
use std::sync::Arc;

use dacapo_engine::address::folded;
use dacapo_engine::contact::{Author, Change, Consent, Contact, MOST_TAGS, Patch};
use dacapo_engine::field::FieldValue;
use dacapo_engine::ids::{ContactId, FieldKey};
use serde::{Deserialize, Serialize};

use crate::catalog::CatalogStore;
use crate::error::Error;
use crate::refusals::{Refusal, Refusals};
use crate::store::{Store, TRIES, is_own, item, read};
use crate::table::{
    Condition, Consistency, Item, LARGEST_ITEM, TableError, Write, size, size_at_most,
};

/// The largest that a post may make a contact, in bytes as stored: a fifth of what the table takes
/// for an item is left for what campaigns write to it.
pub const LARGEST_CONTACT: usize = LARGEST_ITEM / 5 * 4;

/// A contact as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredContact {
    #[serde(rename = "c")]
    pub(crate) contact: Contact,
    /// The identity of the last write.
    pub(crate) w: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredAddress {
    contact: ContactId,
}

/// The result of a write.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The contact as it is now.
    pub contact: Contact,
    /// Whether it was created.
    pub created: bool,
    /// What changed; `None` if the write changed nothing.
    pub change: Option<Change>,
}

/// Why a contact was not written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WriteError {
    /// There is no such contact.
    #[error("there is no such contact")]
    NoSuchContact,
    /// Another contact has the address.
    #[error("the address belongs to contact {0}")]
    AddressTaken(ContactId),
    /// The account is being erased: no contact is created.
    #[error("the account is being erased")]
    Erasing,
    /// It would have more tags than a contact may have.
    #[error("a contact has at most {MOST_TAGS} tags; withdraw some that are no longer needed")]
    TooManyTags,
    /// It would be larger than a post may make a contact.
    #[error(
        "the contact would have {size} bytes, at most {LARGEST_CONTACT} are taken; clear fields, \
         or withdraw tags, that are no longer needed"
    )]
    TooLarge {
        /// Its size, as stored.
        size: usize,
    },
    /// A write in the same transaction was refused: its index among those.
    #[error("a write that belongs to it was refused")]
    Refused(usize, Option<Box<Item>>),
    /// The platform.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Makes the writes that go into one transaction with a contact's.
pub type Together<'a> = &'a (dyn Fn(&Written) -> Result<Vec<Write>, Error> + Sync);

/// Nothing goes together with the write.
///
/// # Errors
///
/// None.
pub fn alone(_: &Written) -> Result<Vec<Write>, Error> {
    Ok(Vec::new())
}

/// The contacts of the account, found and written.
pub struct Contacts {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) refusals: Arc<Refusals>,
}

impl Contacts {
    /// A contact, as it is now.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn get(&self, id: &ContactId) -> Result<Option<Contact>, Error> {
        let stored = self.store.get(&self.store.keys.contact(id)).await?;
        stored.map(|item| read_contact(&item)).transpose()
    }

    /// The contact that has an address.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn id_of(&self, address: &str) -> Result<Option<ContactId>, Error> {
        for key in self.store.keys.addresses(address) {
            if let Some(item) = self.store.get(&key).await? {
                return Ok(Some(read::<StoredAddress>(&item)?.contact));
            }
        }
        Ok(None)
    }

    /// The contact that has an address, by an eventual read: a write that relies on it has to be
    /// conditional on it.
    pub(crate) async fn get_eventual(&self, address: &str) -> Result<Option<Contact>, Error> {
        let key = self.store.keys.address(address);
        let Some(owner) = self.store.table.get(&key, Consistency::Eventual).await? else {
            return Ok(None);
        };
        let key = self.store.keys.contact(&read::<StoredAddress>(&owner)?.contact);
        let stored = self.store.table.get(&key, Consistency::Eventual).await?;
        stored.map(|item| read_contact(&item)).transpose()
    }

    /// The contacts that have these addresses, in their order.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn ids_of(&self, addresses: &[String]) -> Result<Vec<Option<ContactId>>, Error> {
        let keys: Vec<_> =
            addresses.iter().map(|address| self.store.keys.address(address)).collect();
        let stored = self.store.table.get_many(&keys, Consistency::Strong).await?;
        let mut owners = Vec::new();
        for (item, address) in stored.iter().zip(addresses) {
            owners.push(match item {
                Some(item) => Some(read::<StoredAddress>(item)?.contact),
                // An ASCII address has never had another form.
                None if address.is_ascii() && !address.contains("xn--") => None,
                None => self.id_of(address).await?,
            });
        }
        Ok(owners)
    }

    /// Creates the contact with this address, or changes it, as one change. The patch itself need
    /// not hold the address.
    ///
    /// # Errors
    ///
    /// [`WriteError::Refused`] if a write of `together` was refused, and what the table answers.
    pub async fn upsert(
        &self,
        address: &str,
        patch: &Patch,
        by: &Author,
        together: Together<'_>,
    ) -> Result<Written, WriteError> {
        let address = folded(address);
        for _ in 0..TRIES {
            if let Some(id) = self.id_of(&address).await? {
                match self.change(&id, patch, by, together).await {
                    Err(WriteError::NoSuchContact) => {}
                    other => return other,
                }
            } else if let Some(written) = self.create_once(&address, patch, by, together).await? {
                return Ok(written);
            }
        }
        Err(Error::Contended(TRIES).into())
    }

    /// Creates the contact with this address, which must not belong to one yet.
    ///
    /// # Errors
    ///
    /// [`WriteError::AddressTaken`] if it does, [`WriteError::Refused`] if a write of `together`
    /// was refused, and what the table answers.
    pub async fn create(
        &self,
        address: &str,
        patch: &Patch,
        by: &Author,
        together: Together<'_>,
    ) -> Result<Written, WriteError> {
        let address = folded(address);
        for _ in 0..TRIES {
            if let Some(owner) = self.id_of(&address).await? {
                return Err(WriteError::AddressTaken(owner));
            }
            if let Some(written) = self.create_once(&address, patch, by, together).await? {
                return Ok(written);
            }
        }
        Err(Error::Contended(TRIES).into())
    }

    /// `None` if another writer created it meanwhile.
    async fn create_once(
        &self,
        address: &str,
        patch: &Patch,
        by: &Author,
        together: Together<'_>,
    ) -> Result<Option<Written>, WriteError> {
        let now = self.store.now();
        let loaded = self.catalog.current().await?;
        if loaded.catalog.erased_by.is_some() {
            return Err(WriteError::Erasing);
        }
        let consent = patch.consent.unwrap_or(loaded.catalog.settings.default_consent);
        let id = self.store.new_contact_id();
        let mut contact = Contact::new(id.clone(), consent, now);
        let refusal = self.refusals.get(address, &loaded.catalog.secret).await?;
        if let Some(refusal) = refusal {
            refusal.begins(&mut contact);
        }
        if !contact.has_room_for(patch) {
            return Err(WriteError::TooManyTags);
        }
        let mut patch = patch.clone();
        let email = FieldKey::new("email").map_err(|_| WriteError::NoSuchContact)?;
        patch.fields.insert(email, Some(FieldValue::Text(address.to_owned())));
        contact.apply(&patch, by.clone(), None, now, 0);
        contact.note_known_catalog(0, self.catalog.known_revision());
        let change = contact.recent.last().cloned();
        let written = Written { contact, created: true, change };
        let owner = item(self.store.keys.address(address), &StoredAddress { contact: id })
            .map_err(WriteError::Failed)?;
        self.has_room_in_its_item(None, &written.contact)?;
        let mut writes = vec![
            Write::put(self.item(&written.contact)?, Condition::Absent),
            Write::put(owner, Condition::Absent),
        ];
        writes.extend(together(&written)?);
        if refusal.is_some() {
            // From now on the contact itself has the refusal.
            writes.push(self.refusals.forget(address, &loaded.catalog.secret));
        }
        match self.store.write(writes).await {
            Ok(()) => Ok(Some(written)),
            Err(TableError::Conflict { which: 0 | 1, .. } | TableError::Contended) => Ok(None),
            Err(TableError::Conflict { which, current }) => {
                Err(WriteError::Refused(which - 2, current))
            }
            Err(error) => Err(Error::from(error).into()),
        }
    }

    /// Changes a contact, as one change.
    ///
    /// # Errors
    ///
    /// [`WriteError::NoSuchContact`], [`WriteError::AddressTaken`], [`WriteError::Refused`] if a
    /// write of `together` was refused, and what the table answers.
    pub async fn change(
        &self,
        id: &ContactId,
        patch: &Patch,
        by: &Author,
        together: Together<'_>,
    ) -> Result<Written, WriteError> {
        for _ in 0..TRIES {
            let before = self.get(id).await?.ok_or(WriteError::NoSuchContact)?;
            if let Some(written) = self.change_once(&before, patch, by, together).await? {
                return Ok(written);
            }
        }
        Err(Error::Contended(TRIES).into())
    }

    /// Changes a contact from an eventual read, on condition that it has not changed. `None` if it
    /// has, or does not have this address, or if nothing would change: a strong read has to decide
    /// then.
    pub(crate) async fn change_eventual(
        &self,
        address: &str,
        eventual: Contact,
        patch: &Patch,
        by: &Author,
        together: Together<'_>,
    ) -> Result<Option<Written>, WriteError> {
        if !eventual.has_room_for(patch) {
            return Ok(None);
        }
        let has_it = eventual.address().is_some_and(|its| folded(its) == address);
        let changes =
            || eventual.clone().apply(patch, by.clone(), None, self.store.now(), 0).is_some();
        if !has_it || !changes() {
            return Ok(None);
        }
        self.change_once(&eventual, patch, by, together).await
    }

    /// `None` if another writer changed the contact first.
    async fn change_once(
        &self,
        before: &Contact,
        patch: &Patch,
        by: &Author,
        together: Together<'_>,
    ) -> Result<Option<Written>, WriteError> {
        if !before.has_room_for(patch) {
            return Err(WriteError::TooManyTags);
        }
        let moved = moved(before, patch);
        // The owner of the address is looked up first: while a contact has the address, the contact
        // has the refusal, and `refusals` has none.
        if let Some(to) = moved
            && let Some(owner) = self.id_of(to).await?
            && owner != before.id
        {
            return Err(WriteError::AddressTaken(owner));
        }
        let refusal = match moved {
            Some(to) => {
                self.refusals.get(to, &self.catalog.current().await?.catalog.secret).await?
            }
            None => None,
        };
        let patch = match refusal {
            Some(refusal) => Cow::Owned(refusal.joins(before, patch)),
            None => Cow::Borrowed(patch),
        };
        let mut contact = before.clone();
        let changed = contact.apply(&patch, by.clone(), None, self.store.now(), 0).is_some();
        contact.note_known_catalog(before.rev, self.catalog.known_revision());
        let change = contact.recent.last().filter(|_| changed).cloned();
        let written = Written { contact, created: false, change };
        let mut writes = Vec::new();
        if written.change.is_some() {
            let condition = Condition::Rev(before.rev);
            self.has_room_in_its_item(Some(before), &written.contact)?;
            writes.push(Write::put(self.item(&written.contact)?, condition));
            self.move_address(before, &written.contact, &mut writes).await?;
            if refusal.is_some()
                && let Some(to) = moved
            {
                writes.push(self.refusals.forget(to, &self.catalog.secret().await?));
            }
        }
        let own = writes.len();
        writes.extend(together(&written)?);
        if writes.is_empty() {
            return Ok(Some(written));
        }
        let write_id = writes.first().and_then(write_id);
        match self.store.write(writes).await {
            Ok(()) => Ok(Some(written)),
            Err(TableError::Conflict { which: 0, current }) if own > 0 => {
                let is_own = write_id.is_some_and(|id| is_own(current.as_deref(), &id));
                Ok(is_own.then_some(written))
            }
            Err(TableError::Conflict { which, current }) if which >= own => {
                Err(WriteError::Refused(which - own, current))
            }
            Err(TableError::Conflict { current: Some(owner), .. }) => {
                let owner: StoredAddress = read(&owner)?;
                Err(WriteError::AddressTaken(owner.contact))
            }
            Err(TableError::Conflict { current: None, .. } | TableError::Contended) => Ok(None),
            Err(error) => Err(Error::from(error).into()),
        }
    }

    /// A new address takes the place of the old one, in the same transaction.
    async fn move_address(
        &self,
        before: &Contact,
        after: &Contact,
        writes: &mut Vec<Write>,
    ) -> Result<(), WriteError> {
        let (old, new) = (before.address().map(folded), after.address().map(folded));
        if old == new || before.object.is_some() {
            return Ok(());
        }
        if let Some(new) = &new {
            let owner =
                item(self.store.keys.address(new), &StoredAddress { contact: after.id.clone() })?;
            writes.push(Write::put(owner, Condition::Absent));
        }
        if let Some(old) = &old {
            let keys = self.store.keys.addresses(old);
            writes.extend(keys.map(|key| Write::delete(key, Condition::Always)));
            // A later post of the old address must not lift the refusal.
            if let Some(refusal) = Refusal::left_behind(before, after) {
                writes.push(self.refusals.remember(old, refusal).await?);
            }
        }
        Ok(())
    }

    /// Whether the table still has room for what campaigns write to the contact. A contact that is
    /// too large already may become smaller, and what adds nothing always fits. Its last changes
    /// do not count: the next one takes their place.
    fn has_room_in_its_item(
        &self,
        before: Option<&Contact>,
        after: &Contact,
    ) -> Result<(), WriteError> {
        if size_at_most(&self.item(after)?) <= LARGEST_CONTACT {
            return Ok(());
        }
        let lasting = |contact: &Contact| {
            let contact = Contact { recent: Vec::new(), ..contact.clone() };
            self.item(&contact).map(|item| size(&item))
        };
        let size = lasting(after)?;
        if size <= LARGEST_CONTACT {
            return Ok(());
        }
        match before.map(lasting).transpose()? {
            Some(before) if size <= before => Ok(()),
            Some(_) | None => Err(WriteError::TooLarge { size }),
        }
    }

    /// The item of a contact, with its place in the index and a new write id.
    pub(crate) fn item(&self, contact: &Contact) -> Result<Item, Error> {
        let stored = StoredContact { contact: contact.clone(), w: self.store.new_write_id() };
        Ok(item(self.store.keys.contact(&contact.id), &stored)?
            .rev(contact.rev)
            .index(self.store.keys.contact_listed(&contact.id)))
    }
}

/// The address that a patch moves the contact to.
fn moved<'a>(before: &Contact, patch: &'a Patch) -> Option<&'a str> {
    // An object may have a field of any name, and no address.
    if before.object.is_some() {
        return None;
    }
    let to = patch.fields.get("email")?.as_ref()?.as_text()?;
    (before.address().map(folded) != Some(folded(to))).then_some(to)
}

pub(crate) fn write_id(write: &Write) -> Option<String> {
    match write {
        Write::Put { item, .. } => crate::store::write_id_of(item),
        Write::Delete { .. } | Write::Check { .. } | Write::Add { .. } => None,
    }
}

/// A contact from its item.
pub(crate) fn read_contact(item: &Item) -> Result<Contact, Error> {
    Ok(read::<StoredContact>(item)?.contact)
}

/// The words for a consent, as programs outside read them.
pub fn consent_word(consent: Consent) -> &'static str {
    match consent {
        Consent::Subscribed => "subscribed",
        Consent::Unsubscribed => "unsubscribed",
        Consent::None => "none",
    }
}

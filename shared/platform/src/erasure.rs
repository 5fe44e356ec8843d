//! Erasing a person: everything about them is deleted, and so is what a late worker writes.
//!
//! A tombstone without personal data takes the contact's place in one transaction, so that the
//! contact cannot be enrolled again. Then the rest is ordered, and begun at once: first the
//! contact's items are deleted, then the dead letters and received calls that name the contact or
//! its address, for ten seconds. A worker goes on with those, in pieces. All of it is done again a
//! last time when the feeds have dropped their records. Until then the tombstone has a keyed hash
//! of the address, because a late report of the mail service names only the address. Answers that
//! are kept for repeated calls hold nothing about the person. The tombstone of a deleted object has
//! its type and key, because the history names it; it goes with the person.
//!
//! One thing is kept: the refusal of the address (`refusals`).

mod unreadable;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use dacapo_engine::contact::{Contact, ObjectIdentity};
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_engine::statistics::{Gauge, Tally};
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::catalog::CatalogStore;
use crate::contacts::{Contacts, read_contact};
use crate::enrollments::read_stored;
use crate::error::Error;
use crate::keys::{self, Keys, SHARDS};
use crate::mentions::Mentions;
use crate::messages::MessageRecord;
use crate::object_keys::delete_keys;
use crate::orders::Orders;
use crate::ports::{Done, Order, Queue, QueueMessage};
use crate::refusals::{Refusal, Refusals};
use crate::store::{HISTORY_KEPT, Store, TRIES, item, read};
use crate::table::{Condition, Cursor, Item, Key, MOST_WRITES, Query, TableError, Write};
use crate::unsubscribe::sealed;

/// How long after the erasure its remains are erased for the last time: both feeds keep records for
/// 24 hours. After so long no feed brings a change any more.
pub(crate) const LAST_ERASURE_AFTER: TimeDelta = TimeDelta::hours(25);

/// How long after the erasure its remains are erased for the last time, at least. A timer may come
/// a minute early.
const LAST_ERASURE_AT_LEAST_AFTER: TimeDelta = TimeDelta::hours(24);

/// Whether something that happened at an instant comes so late that its contact may have been
/// erased for the last time before. Nothing erases again what is written about it then: so the
/// contact has to be looked at first. Both feeds bring what is younger.
pub(crate) fn comes_after_last_erasure(at: Instant, now: Instant) -> bool {
    now - at >= LAST_ERASURE_AT_LEAST_AFTER
}

/// How long dead letters are looked through at once. Then the rest is ordered.
const DEAD_LETTERS_SEARCHED_FOR: TimeDelta = TimeDelta::seconds(10);

/// What is left of an erased contact, or of a deleted object.
#[derive(Debug, Serialize, Deserialize)]
struct Tombstone {
    #[serde(with = "chrono::serde::ts_milliseconds")]
    at: Instant,
    /// The keyed hash of the address, until the remains are erased for the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Behind which place the dead letters have still to be looked through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    letters: Option<Cursor>,
    /// What identified the object, if it was one: the history names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object: Option<Box<ObjectIdentity>>,
}

/// Erases contacts.
pub struct Erasure {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) contacts: Arc<Contacts>,
    pub(crate) orders: Arc<Orders>,
}

impl Erasure {
    /// Erases everything about a contact. `true` if there was one.
    ///
    /// # Errors
    ///
    /// What the table and the outbox answer; erasing again goes on where it stopped.
    pub async fn erase(&self, id: &ContactId) -> Result<bool, Error> {
        self.erase_named(id, None).await
    }

    /// The same, of a contact that was named by this address. It matters where the stored contact
    /// cannot be read, or could not be when it was erased: its address has to be freed too.
    ///
    /// # Errors
    ///
    /// What the table and the outbox answer; erasing again goes on where it stopped.
    pub async fn erase_named(&self, id: &ContactId, address: Option<&str>) -> Result<bool, Error> {
        for _ in 0..TRIES {
            let contact = match self.contacts.get(id).await {
                Err(Error::Unreadable(why)) => {
                    match self.erase_unreadable(id, address, &why).await? {
                        true => return Ok(true),
                        false => continue,
                    }
                }
                contact => contact?,
            };
            let Some(contact) = contact else {
                let erased = self.store.get(&self.store.keys.tombstone(id)).await?.is_some();
                if erased {
                    self.erase_remains(id).await?;
                    return self.free_address(id, address).await;
                }
                return Ok(false);
            };
            // This is ordered before anything is deleted, so that a crash does not lose it. It has
            // no effect on a contact that is not erased.
            self.order_last_erasure(id).await?;
            let (condition, refusal) = (Condition::Rev(contact.rev), Refusal::of(&contact));
            let writes = self.removal(id, condition, contact.address(), refusal).await?;
            if !self.store.write_if_first(writes).await? {
                continue;
            }
            self.order_erasure(id).await?;
            self.forget_tags(&contact).await?;
            self.erase_remains(id).await?;
            return Ok(true);
        }
        Err(Error::Contended(TRIES))
    }

    /// The writes by which a tombstone takes a contact's place: they free its address, and keep
    /// what that has refused.
    async fn removal(
        &self,
        id: &ContactId,
        condition: Condition,
        address: Option<&str>,
        refusal: Option<Refusal>,
    ) -> Result<Vec<Write>, Error> {
        // When a whole account is erased, no refusal is kept.
        let remembers = self.catalog.current().await?.catalog.erased_by.is_none();
        let hash = match address.filter(|_| remembers) {
            Some(address) => Some(sealed(&self.catalog.secret().await?, address)),
            None => None,
        };
        let tombstone =
            Tombstone { at: self.store.now(), address: hash, letters: None, object: None };
        let mut writes = vec![
            Write::delete(self.store.keys.contact(id), condition),
            Write::put(item(self.store.keys.tombstone(id), &tombstone)?, Condition::Always),
        ];
        if let Some(address) = address {
            let keys = self.store.keys.addresses(address);
            writes.extend(keys.map(|key| Write::delete(key, Condition::Always)));
            if let Some(refusal) = refusal.filter(|_| remembers) {
                writes.push(self.refusals.remember(address, refusal).await?);
            }
        }
        Ok(writes)
    }

    /// Deletes what is still, or again, stored about an erased contact. Idempotent; it has no
    /// effect on a contact that has not been erased.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn erase_remains(&self, id: &ContactId) -> Result<Done, Error> {
        let tombstone = self.store.keys.tombstone(id);
        let Some(stored) = self.store.get(&tombstone).await? else { return Ok(Done::Yes) };
        let Tombstone { at, address, letters, object } = read(&stored)?;
        self.erase_partition(id).await?;
        let begun = letters.is_some();
        if let Some(address) = &address {
            self.forget_received_calls(address).await?;
        }
        self.forget_test_mails(id, address.as_deref()).await?;
        let rest = self.forget_dead_letters(id, address.as_deref(), letters).await?;
        let nameless = rest.is_none() && self.store.now() - at >= LAST_ERASURE_AT_LEAST_AFTER;
        if rest.is_some() || begun || (nameless && address.is_some()) {
            let (more, address) = (rest.is_some(), address.filter(|_| !nameless));
            let next = Tombstone { at, address, letters: rest, object };
            let next = Item { expires: stored.expires, ..item(tombstone, &next)? };
            self.store.write(vec![Write::put(next, Condition::Present)]).await?;
            if more {
                self.order_erasure(id).await?;
            }
        }
        Ok(Done::Yes)
    }

    /// Deletes the contact's partition, but for the tombstone.
    async fn erase_partition(&self, id: &ContactId) -> Result<(), Error> {
        let tombstone = self.store.keys.tombstone(id);
        let partition = self.store.keys.contact_partition(id);
        let mut pages = self.store.pages(Query::of(&partition).strong());
        while let Some(page) = pages.next_page().await? {
            for stored in page.iter().filter(|stored| stored.key != tombstone) {
                if !id.is_object() || is_state_of(&stored.key, id) {
                    self.delete(stored).await?;
                }
            }
        }
        Ok(())
    }

    /// Orders that the remains are erased by a worker.
    async fn order_erasure(&self, id: &ContactId) -> Result<(), Error> {
        let message = QueueMessage::Erase(id.clone());
        let order = Order::Send { queue: Queue::Jobs, at: self.store.now(), message };
        self.orders.give(vec![order]).await
    }

    /// Deletes an object with its keys and its enrollments. `true` if there was one.
    ///
    /// # Errors
    ///
    /// What the table and the outbox answer; deleting again goes on where it stopped.
    pub async fn erase_object(&self, id: &ContactId) -> Result<bool, Error> {
        for _ in 0..TRIES {
            let Some(object) = self.contacts.get(id).await? else {
                self.erase_remains(id).await?;
                return Ok(false);
            };
            let mut writes = self.of_object(&object).await?;
            let room = MOST_WRITES - writes.len();
            let Some(keys) = delete_keys(&self.store, &object, room).await? else { continue };
            writes.extend(keys);
            if !self.store.write_if_first(writes).await? {
                continue;
            }
            self.erase_remains(id).await?;
            return Ok(true);
        }
        Err(Error::Contended(TRIES))
    }

    /// The writes that delete an object and leave its tombstone, for one transaction with what
    /// becomes of its keys. Its remains are erased afterwards; if they are not, a last time.
    ///
    /// # Errors
    ///
    /// What the outbox answers.
    pub(crate) async fn of_object(&self, object: &Contact) -> Result<Vec<Write>, Error> {
        self.order_last_erasure(&object.id).await?;
        object_deleted(&self.store, object)
    }

    /// What identified each of a contact's objects that were deleted.
    pub(crate) async fn names_of_deleted(
        &self,
        person: &ContactId,
    ) -> Result<BTreeMap<ContactId, ObjectIdentity>, Error> {
        let partition = self.store.keys.contact_partition(person);
        let mut names = BTreeMap::new();
        let query = Query::of(&partition).prefix(keys::ERASED_OBJECTS);
        for stored in self.store.all(query).await? {
            let tombstone: Tombstone = read(&stored)?;
            if let (Some(id), Some(identity)) = (keys::subject_in(&stored.key), tombstone.object) {
                names.insert(id, *identity);
            }
        }
        Ok(names)
    }

    async fn order_last_erasure(&self, id: &ContactId) -> Result<(), Error> {
        // A timer's name has at most 64 bytes.
        let name = match id.is_object() {
            true => format!("erase-{}", &keys::sha256(id.as_str())[..40]),
            false => format!("erase-{id}"),
        };
        let (at, message) =
            (self.store.now() + LAST_ERASURE_AFTER, QueueMessage::Erase(id.clone()));
        self.orders.give(vec![Order::Schedule { name, at, message }]).await
    }

    /// The lists by tag have only the contact's id; the feed updates them too.
    async fn forget_tags(&self, contact: &Contact) -> Result<(), Error> {
        for tag in contact.tags.keys() {
            let key = self.store.keys.tag_member(tag, &contact.id);
            self.store.write(vec![Write::delete(key, Condition::Always)]).await?;
        }
        Ok(())
    }

    /// Deletes dead letters that name the contact, or an address with this keyed hash. Answers
    /// where it has to go on, if there is no more time.
    async fn forget_dead_letters(
        &self,
        id: &ContactId,
        address: Option<&str>,
        from: Option<Cursor>,
    ) -> Result<Option<Cursor>, Error> {
        let partition = self.store.keys.dead_letters_listed();
        let secret = self.secret_for(address).await?;
        let is_about = |stored: &Item| names(stored, id, address, &secret);
        let until = self.store.now() + DEAD_LETTERS_SEARCHED_FOR;
        let mut cursor = from;
        loop {
            let page = self.store.table.query(Query::of(&partition).after(cursor).strong()).await?;
            for stored in page.items.iter().filter(|stored| is_about(stored)) {
                self.store
                    .write(vec![Write::delete(stored.key.clone(), Condition::Always)])
                    .await?;
            }
            cursor = page.cursor;
            if cursor.is_none() || self.store.now() >= until {
                return Ok(cursor);
            }
        }
    }

    /// Deletes test mails that show the contact, or go to an address with this keyed hash. There
    /// are as many as an account sends in a week, and those that have left say nothing.
    async fn forget_test_mails(&self, id: &ContactId, address: Option<&str>) -> Result<(), Error> {
        let partition = self.store.keys.test_mails();
        let mut pages = self.store.pages(Query::of(&partition).strong());
        while let Some(page) = pages.next_page().await? {
            if page.is_empty() {
                continue;
            }
            let secret = self.secret_for(address).await?;
            for stored in page.iter().filter(|stored| names(stored, id, address, &secret)) {
                self.delete(stored).await?;
            }
        }
        Ok(())
    }

    /// The secret by which an address is recognised, if there is one to be recognised.
    async fn secret_for(&self, address: Option<&str>) -> Result<String, Error> {
        Ok(match address {
            Some(_) => self.catalog.loaded_eventual().await?.catalog.secret.clone(),
            None => String::new(),
        })
    }

    /// Deletes received calls that name an address with this keyed hash.
    async fn forget_received_calls(&self, address: &str) -> Result<(), Error> {
        let partition = self.store.keys.received_naming(address);
        let mut pages = self.store.pages(Query::of(&partition).strong());
        while let Some(page) = pages.next_page().await? {
            for stored in &page {
                self.delete(stored).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, stored: &Item) -> Result<(), Error> {
        let mut writes = vec![Write::delete(stored.key.clone(), Condition::Always)];
        match keys::fed(&stored.key) {
            Some((contact, Some(campaign))) => {
                return self.delete_enrollment(&contact, &campaign, stored).await;
            }
            Some((object, None)) if object.is_object() => match read_contact(stored) {
                Ok(object) => {
                    // If it is written meanwhile, who erases next finds the rest.
                    if let Some(keys) = delete_keys(&self.store, &object, 0).await? {
                        writes.extend(keys);
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        %object, %error, "keys of an object that cannot be read are left"
                    );
                }
            },
            Some((_, None)) | None => {}
        }
        if matches!(keys::kind(&stored.key), "message" | "test mail")
            && let Ok(record) = read::<MessageRecord>(stored)
        {
            let pointer = self.store.keys.captured_mail(record.at, &stored.key);
            writes.push(Write::delete(pointer, Condition::Always));
        }
        if let Some((connection, id)) = keys::received_in(&stored.key) {
            let keys = &self.store.keys;
            let call = [keys.received_call(&connection, id), keys.received_body(&connection, id)];
            writes.extend(call.map(|key| Write::delete(key, Condition::Always)));
        }
        Ok(self.store.write(writes).await?)
    }

    /// Subtracts the contact where the statistics counted it (R53).
    async fn delete_enrollment(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
        stored: &Item,
    ) -> Result<(), Error> {
        let writes = enrollment_deleted(&self.store.keys, contact, campaign, stored);
        match self.store.write(writes).await {
            // Another worker has deleted it; or it was changed, and the next call of
            // `erase_remains` finds it.
            Ok(()) | Err(TableError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The writes that delete an object as it was read, and leave its tombstone for as long as history
/// may name it.
pub(crate) fn object_deleted(store: &Store, object: &Contact) -> Result<Vec<Write>, Error> {
    let (at, object_key) = (store.now(), store.keys.contact(&object.id));
    let identity = object.object.clone();
    let tombstone = Tombstone { at, address: None, letters: None, object: identity };
    let tombstone = item(store.keys.tombstone(&object.id), &tombstone)?;
    Ok(vec![
        Write::delete(object_key, Condition::Rev(object.rev)),
        Write::put(tombstone.expires(at + HISTORY_KEPT), Condition::Always),
    ])
}

/// The writes that delete an enrollment as it was read, and subtract it where the statistics count
/// who is where now (R53).
pub(crate) fn enrollment_deleted(
    keys: &Keys,
    subject: &ContactId,
    campaign: &CampaignId,
    stored: &Item,
) -> Vec<Write> {
    let condition = stored.rev.map_or(Condition::Present, Condition::Rev);
    let mut writes = vec![Write::delete(stored.key.clone(), condition)];
    let Ok(stored) = read_stored(stored) else { return writes };
    let mut of_no_day = Gauge::between(Some(&stored.enrollment), None);
    let shard = keys::shard(subject) % SHARDS;
    let mut add = |key, tally: &Tally| {
        if !tally.is_empty() {
            let counters = tally.counters().clone();
            writes.push(Write::Add { key, index: None, counters });
        }
    };
    // What was deferred to the next decision is counted now: there will be none.
    if let Some(deferred) = &stored.deferred {
        match deferred.day {
            Some(day) => add(keys.statistics_of(campaign, shard, day), &deferred.delta),
            None => of_no_day.add(&deferred.delta),
        }
    }
    add(keys.statistics(campaign, shard), &of_no_day);
    writes
}

/// Whether an item names the contact, or an address with this keyed hash.
fn names(stored: &Item, id: &ContactId, address: Option<&str>, secret: &str) -> bool {
    let text = stored.body.as_str();
    let holds = |address: &str| {
        let may = text.contains('@') || text.contains("u0040");
        may && Mentions::of(text).addresses().any(|one| sealed(secret, one) == address)
    };
    text.contains(id.as_str()) || address.is_some_and(holds)
}

/// Whether a key is about where an object stands: that goes with the object. What happened stays
/// with the person.
fn is_state_of(key: &Key, object: &ContactId) -> bool {
    let is_state = key.sk.starts_with(keys::OBJECT_ENROLLMENT) || keys::kind(key) == "undecided";
    is_state && keys::subject_in(key).as_ref() == Some(object)
}

//! Dead letters: work that is unreadable or has failed permanently. It is kept as it came, until a
//! person has it done again (`redriving`) or deletes it.
//!
//! A dead letter expires [`DEAD_LETTERS_KEPT`] after it was first kept, and is deleted with its
//! contact (`erasure`). It is not kept at all if it is about a contact that has been erased. Its
//! content is as it came; its reason quotes no value and no address.

use std::sync::Arc;

use chrono::TimeDelta;
use chrono::serde::ts_milliseconds_option;
use dacapo_engine::ids::ContactId;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::error::Error;
use crate::mentions::Mentions;
use crate::metrics::Metric;
use crate::rate_limited_log::without_addresses;
use crate::redaction::without_values;
use crate::store::{Store, TRIES, item, read};
use crate::table::{
    Condition, Consistency, Cursor, Item, Key, Query, QueryPage, TableError, Write,
};

/// For how long a dead letter is kept.
pub const DEAD_LETTERS_KEPT: TimeDelta = TimeDelta::days(90);

/// The longest reason of a dead letter, in characters.
const LONGEST_REASON: usize = 1_000;

/// How many of the contacts that a dead letter names are looked at.
const MOST_CONTACTS: usize = 16;

/// The kind of work that is kept as a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterKind {
    /// A change of a contact, from the feed.
    Change,
    /// A decision whose effects are to be performed, from the feed.
    Decision,
    /// A message from a queue: a timer, mail, a webhook, work on many contacts.
    Message,
    /// A report of the mail service.
    Report,
}

/// Work that is to be kept as a dead letter.
#[derive(Debug, Clone, Copy)]
pub struct NewDeadLetter<'a> {
    /// Its name: the same for a repeat.
    pub name: &'a str,
    /// What kind of work it is.
    pub kind: DeadLetterKind,
    /// What could not do it.
    pub by: &'a str,
    /// The reason.
    pub why: &'a str,
    /// The work, as it came.
    pub raw: &'a str,
}

/// A dead letter as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterBody {
    /// What kind of work it is.
    pub kind: DeadLetterKind,
    /// What could not do it.
    pub by: String,
    /// Why, the last time.
    pub why: String,
    /// The work, as it came.
    pub raw: String,
    /// The contact that it is about, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactId>,
    /// When it was first kept as a dead letter.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub at: Instant,
    /// How often it was done again without success.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub tries: u32,
    /// Since when it is to be done again; `None` if no redrive was requested.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ts_milliseconds_option")]
    pub asked: Option<Instant>,
}

/// A dead letter with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDeadLetter {
    /// Its id.
    pub id: String,
    /// The dead letter.
    pub body: DeadLetterBody,
    /// Its revision.
    pub(crate) rev: u64,
    /// The condition that it is as it was read.
    pub(crate) unchanged: Condition,
}

impl StoredDeadLetter {
    fn of(stored: &Item) -> Result<Self, Error> {
        let (id, rev) = (stored.key.sk.clone(), stored.rev.unwrap_or(0));
        Ok(Self { id, body: read(stored)?, rev, unchanged: unchanged(stored) })
    }

    /// When it expires.
    pub fn expires(&self) -> Instant {
        self.body.at + DEAD_LETTERS_KEPT
    }
}

/// The condition that a dead letter is as it was read; a dead letter of an earlier version has no
/// revision.
fn unchanged(stored: &Item) -> Condition {
    stored.rev.map_or(Condition::Present, Condition::Rev)
}

/// A reason as a dead letter keeps it: without values and addresses, and bounded.
pub(crate) fn reason(why: &str) -> String {
    without_addresses(&without_values(why)).chars().take(LONGEST_REASON).collect()
}

/// Keeps dead letters until a user has them done again.
pub struct DeadLetters {
    pub(crate) store: Arc<Store>,
}

impl DeadLetters {
    /// Keeps work as [`Self::keep`] does; if it is too large for that, the first of `smaller` that
    /// is not. So work that cannot be kept as it came blocks nothing.
    ///
    /// # Errors
    ///
    /// What the table answers; also if all of them are too large.
    pub async fn keep_or(
        &self,
        found: NewDeadLetter<'_>,
        smaller: impl IntoIterator<Item = String>,
    ) -> Result<(), Error> {
        let mut kept = self.keep(found).await;
        for raw in smaller {
            if !matches!(&kept, Err(Error::Table(TableError::TooLarge { .. }))) {
                break;
            }
            tracing::warn!(letter = found.name, "too large to be put aside as it came");
            kept = self.keep(NewDeadLetter { raw: &raw, ..found }).await;
        }
        kept
    }

    /// Keeps work as a dead letter under its name; the same name again replaces the content. Work
    /// that names an erased contact is not kept: it must not bring the contact back, and it could
    /// have no other effect.
    ///
    /// # Errors
    ///
    /// What the table answers; also if it is too large to be kept.
    pub async fn keep(&self, found: NewDeadLetter<'_>) -> Result<(), Error> {
        let NewDeadLetter { name, kind, by, why, raw } = found;
        let why = reason(why);
        let (key, mentions) = (self.store.keys.dead_letter(name), Mentions::of(raw));
        let letter = key.sk.as_str();
        if self.names_the_erased(&mentions).await? {
            tracing::warn!(letter, by, why, "not put aside: it is about an erased contact");
            return Ok(());
        }
        for _ in 0..TRIES {
            let before = self.store.get(&key).await?;
            // An earlier dead letter that has expired, or cannot be read itself, is replaced as if
            // there were none.
            let earlier = before.as_ref().and_then(|stored| read::<DeadLetterBody>(stored).ok());
            let earlier =
                earlier.filter(|earlier| self.store.now() < earlier.at + DEAD_LETTERS_KEPT);
            let body = DeadLetterBody {
                kind,
                by: by.to_owned(),
                why: why.clone(),
                raw: raw.to_owned(),
                contact: mentions.contact().cloned(),
                at: earlier.as_ref().map_or_else(|| self.store.now(), |earlier| earlier.at),
                tries: earlier
                    .map_or(0, |earlier| earlier.tries + u32::from(earlier.asked.is_some())),
                asked: None,
            };
            let condition = before.as_ref().map_or(Condition::Absent, unchanged);
            let rev = before.and_then(|stored| stored.rev).unwrap_or(0) + 1;
            let write = self.write_of(&key, &body, rev, condition)?;
            if self.store.write_if_first(vec![write]).await? {
                tracing::error!(letter, by, why, "put aside");
                Metric::PutAside.emit(1);
                return Ok(());
            }
        }
        Err(Error::Contended(TRIES))
    }

    async fn names_the_erased(&self, mentions: &Mentions) -> Result<bool, Error> {
        let tombstones: Vec<Key> = mentions
            .contacts()
            .take(MOST_CONTACTS)
            .map(|id| self.store.keys.tombstone(id))
            .collect();
        if tombstones.is_empty() {
            return Ok(false);
        }
        let found = self.store.table.get_many(&tombstones, Consistency::Strong).await?;
        Ok(found.iter().any(Option::is_some))
    }

    pub(crate) fn write_of(
        &self,
        key: &Key,
        body: &DeadLetterBody,
        rev: u64,
        condition: Condition,
    ) -> Result<Write, Error> {
        let listed = self.store.keys.dead_letter_listed(body.at, &key.sk);
        let kept =
            item(key.clone(), body)?.rev(rev).index(listed).expires(body.at + DEAD_LETTERS_KEPT);
        Ok(Write::put(kept, condition))
    }

    /// A page of dead letters, oldest first. The list is eventually consistent.
    ///
    /// # Errors
    ///
    /// What the table answers; [`TableError::Invalid`] for a cursor of another list.
    pub async fn list(
        &self,
        limit: usize,
        cursor: Option<Cursor>,
    ) -> Result<QueryPage<StoredDeadLetter>, Error> {
        let partition = self.store.keys.dead_letters_listed();
        let query = Query::of(&partition).limit(limit).after(cursor);
        let page = self.store.table.query_index(query).await?;
        let keys: Vec<Key> = page.items.into_iter().map(|(_, key)| key).collect();
        let stored = self.store.table.get_many(&keys, Consistency::Strong).await?;
        let items =
            stored.iter().flatten().map(StoredDeadLetter::of).collect::<Result<Vec<_>, _>>()?;
        let items = items.into_iter().filter(|dead_letter| self.is_kept(dead_letter)).collect();
        Ok(QueryPage { items, cursor: page.cursor })
    }

    /// A dead letter.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn get(&self, id: &str) -> Result<Option<StoredDeadLetter>, Error> {
        let stored = self.store.get(&self.store.keys.dead_letter(id)).await?;
        let dead_letter = stored.map(|stored| StoredDeadLetter::of(&stored)).transpose()?;
        Ok(dead_letter.filter(|dead_letter| self.is_kept(dead_letter)))
    }

    /// Expired items may stay readable for days.
    fn is_kept(&self, dead_letter: &StoredDeadLetter) -> bool {
        self.store.now() < dead_letter.expires()
    }

    /// Deletes a dead letter. `true` if there was one.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn delete(&self, id: &str) -> Result<bool, Error> {
        let key = self.store.keys.dead_letter(id);
        let is_there = self.store.get(&key).await?.is_some();
        self.store.write(vec![Write::delete(key, Condition::Always)]).await?;
        Ok(is_there)
    }
}

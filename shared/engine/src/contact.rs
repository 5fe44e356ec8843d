//! A subject, which is a contact or an object of one, and what changes it.
//!
//! Both are a [`Contact`], an object with an [`ObjectIdentity`] besides (R71). It is changed by a
//! write: a [`Patch`] applied to the subject as it is. What the write changed is a [`Change`], kept
//! on the subject itself among its last ones, each with the values before it. So the subject can be
//! seen as an earlier change left it ([`Contact::as_of`]). A write that changes nothing is no
//! change (R1).

mod person_change;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::compact::CollectCompactly as _;
use crate::field::FieldValue;
use crate::ids::{ContactId, FieldKey, ObjectType, Tag};
use crate::reads::Reads;
use crate::time::{Instant, Zone};

pub use crate::causality::{AskedCommand, Author, Causality, Chain};
pub use person_change::PersonChange;
pub use told::{Telling, ToldAt, ToldByField, taken_over};

/// How many changes a contact carries, unless one write made more.
pub const CHANGES_KEPT: usize = 4;

/// How many bytes of changes a contact carries, unless one write made more.
const CHANGES_KEPT_BYTES: usize = 512;

/// How many tags a contact has at most. A contact is one item, which is read as a whole with every
/// change.
pub const MOST_TAGS: usize = 1_000;

/// A subject of campaigns: a person, or an object that belongs to a person (R70, R71). An object
/// has tags, fields and changes of its own; it has no consent, no suppression and no address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// Made by the platform.
    pub id: ContactId,
    /// What identifies the object outside; `None` for a person.
    #[serde(rename = "ob", default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Box<ObjectIdentity>>,
    /// Assigned tags, each with the instant it was last assigned.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "crate::time::stored_by")]
    pub tags: BTreeMap<Tag, Instant>,
    /// The fields that have a value, the built-in ones (`crate::field::BUILT_IN`) included.
    pub fields: BTreeMap<FieldKey, FieldValue>,
    /// Whether the contact accepts marketing mail.
    pub consent: Consent,
    /// Why no mail may be sent at all, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<Suppression>,
    /// The number of changes so far.
    #[serde(rename = "rv")]
    pub rev: u64,
    /// The person's `rev` up to which the person's changes are among the object's (R72); 0 for a
    /// person.
    #[serde(rename = "pr", default, skip_serializing_if = "is_zero")]
    pub person_rev: u64,
    /// When what an object has was told by its sender, if the sender says so.
    #[serde(rename = "to", default, skip_serializing_if = "ToldByField::is_empty")]
    pub told: ToldByField,
    /// When the contact was created.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub created_at: Instant,
    /// When it last changed.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub updated_at: Instant,
    /// The last changes, oldest first; all those of the last write at least.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<Change>,
}

/// What identifies an object outside: unique in the account (R70).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectIdentity {
    /// Its type.
    #[serde(rename = "t")]
    pub kind: ObjectType,
    /// Its key, as the sender gives it.
    #[serde(rename = "k")]
    pub key: String,
}

/// Whether the contact agreed to marketing mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// Agreed, or a person confirmed it for the contact.
    Subscribed,
    /// Withdrawn.
    Unsubscribed,
    /// Never asked.
    None,
}

/// Why an address gets no mail at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suppression {
    /// Mail bounced permanently.
    Bounced,
    /// The recipient reported it as spam.
    Complained,
    /// A person suppressed it by hand.
    Manual,
}

/// What one write asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Patch {
    /// Tags to assign. A tag that is also in `remove` ends up assigned (R2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Tag>,
    /// Tags to withdraw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Tag>,
    /// Values to set, `None` to clear.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<FieldKey, Option<FieldValue>>,
    /// New consent. Only `subscribed` takes an unsubscription back, and only if `resubscribe` says
    /// so too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consent>,
    /// Whether the new consent also applies to a contact that has unsubscribed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resubscribe: bool,
    /// New suppression, `Some(None)` to lift it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<Option<Suppression>>,
    /// A custom event, by name (R7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

/// What one write changed, with what was there before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The contact's `rev` after it.
    #[serde(rename = "r")]
    pub rev: u64,
    /// When it was made; never before the change before it.
    #[serde(rename = "t", with = "chrono::serde::ts_milliseconds")]
    pub at: Instant,
    /// Tags that the contact did not have.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<Tag>,
    /// Tags that it had, with their instants before.
    #[serde(
        rename = "f",
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        with = "crate::time::stored_by"
    )]
    pub refreshed: BTreeMap<Tag, Instant>,
    /// Tags that it lost, with their instants before.
    #[serde(
        rename = "x",
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        with = "crate::time::stored_by"
    )]
    pub removed: BTreeMap<Tag, Instant>,
    /// Fields with their values before.
    #[serde(rename = "s", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<FieldKey, Option<FieldValue>>,
    /// The consent before.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consent>,
    /// The suppression before.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none", with = "stored_twice")]
    pub suppressed: Option<Option<Suppression>>,
    /// The custom event.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// What changed of the person, if this is a change of an object because its person changed
    /// (R72). Then nothing of the object itself changed.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Box<PersonChange>>,
    /// Who made it.
    #[serde(rename = "y")]
    pub by: Author,
    /// Its place in the chain of causes.
    #[serde(rename = "c")]
    pub causality: Causality,
    /// The newest revision of the catalog that was known to the writer: what was published, paused
    /// or resumed in it came before, even if the clock does not show it. `None` if it is unknown.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<u64>,
    /// What the path that made it asked of other campaigns before, in order (R11): each of them
    /// does that first when it decides about the change.
    #[serde(rename = "q", default, skip_serializing_if = "Vec::is_empty")]
    pub asked_before: Vec<AskedCommand>,
}

impl Contact {
    /// A contact without any write yet.
    pub fn new(id: ContactId, consent: Consent, at: Instant) -> Self {
        Self {
            id,
            object: None,
            tags: BTreeMap::new(),
            fields: BTreeMap::new(),
            consent,
            suppressed: None,
            rev: 0,
            person_rev: 0,
            told: ToldByField::default(),
            created_at: at,
            updated_at: at,
            recent: Vec::new(),
        }
    }

    /// An object without any write yet.
    pub fn object(id: ContactId, identity: ObjectIdentity, at: Instant) -> Self {
        Self { object: Some(Box::new(identity)), ..Self::new(id, Consent::None, at) }
    }

    /// The type of the object; `None` for a person.
    pub fn kind(&self) -> Option<&ObjectType> {
        self.object.as_ref().map(|object| &object.kind)
    }

    /// The text of a built-in field.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.fields.get(key).and_then(FieldValue::as_text)
    }

    /// The contact's zone, if it has one.
    pub fn zone(&self) -> Option<Zone> {
        self.text("time_zone")?.parse().ok()
    }

    /// Whether a mail may be addressed to the contact.
    pub fn address(&self) -> Option<&str> {
        self.text("email")
    }

    /// Applies a patch as one change, unless it changes nothing. Its instant is never before that
    /// of the previous change. The caller says how many of its changes belong to the same write
    /// (`fresh`), so that none of them is dropped from the last changes.
    pub fn apply(
        &mut self,
        patch: &Patch,
        by: Author,
        causality: Option<Causality>,
        at: Instant,
        fresh: usize,
    ) -> Option<&Change> {
        let at = at.max(self.updated_at);
        let causality =
            causality.unwrap_or_else(|| Causality { chain: self.chain_of(self.rev + 1), depth: 0 });
        let mut change = Change {
            rev: self.rev + 1,
            event: patch.event.clone(),
            ..Change::empty(by, causality, at)
        };
        for tag in &patch.remove {
            if !patch.add.contains(tag)
                && let Some((tag, before)) = self.tags.remove_entry(tag)
            {
                change.removed.insert(tag, before);
            }
        }
        for tag in &patch.add {
            if let Some(instant) = self.tags.get_mut(tag) {
                if !change.added.contains(tag) && !change.refreshed.contains_key(tag) {
                    change.refreshed.insert(tag.clone(), *instant);
                    *instant = at;
                }
            } else {
                self.tags.insert(tag.clone(), at);
                change.added.push(tag.clone());
            }
        }
        for (key, value) in &patch.fields {
            if self.fields.get(key) == value.as_ref() {
                continue;
            }
            let before = match value {
                Some(value) => self.fields.insert(key.clone(), value.clone()),
                None => self.fields.remove(key),
            };
            change.fields.insert(key.clone(), before);
        }
        if let Some(consent) = patch.consent
            && consent != self.consent
            && (self.consent != Consent::Unsubscribed
                || (patch.resubscribe && consent == Consent::Subscribed))
        {
            change.consent = Some(std::mem::replace(&mut self.consent, consent));
        }
        if let Some(suppressed) = patch.suppressed
            && suppressed != self.suppressed
        {
            change.suppressed = Some(std::mem::replace(&mut self.suppressed, suppressed));
        }
        if change.is_empty() {
            return None;
        }
        self.push(change, fresh)
    }

    /// Adds a change to the last ones.
    pub(crate) fn push(&mut self, change: Change, fresh: usize) -> Option<&Change> {
        self.rev = change.rev;
        self.updated_at = change.at;
        self.recent.push(change);
        self.forget(fresh + 1);
        self.recent.last()
    }

    /// The chain that a change from outside begins, by its `rev` (R42). Those of a person and of
    /// each of its objects are different.
    pub fn chain_of(&self, rev: u64) -> Chain {
        if self.object.is_some() { Chain::of_object(&self.id, rev) } else { Chain::of_write(rev) }
    }

    /// Whether the tags that a patch assigns still fit ([`MOST_TAGS`]). One that adds none always
    /// fits.
    pub fn has_room_for(&self, patch: &Patch) -> bool {
        let added: BTreeSet<&Tag> =
            patch.add.iter().filter(|tag| !self.tags.contains_key(*tag)).collect_compactly();
        if added.is_empty() {
            return true;
        }
        let assigned: BTreeSet<&Tag> = patch.add.iter().collect_compactly();
        let removed: BTreeSet<&Tag> = patch
            .remove
            .iter()
            .filter(|tag| self.tags.contains_key(*tag) && !assigned.contains(tag))
            .collect_compactly();
        self.tags.len() + added.len() - removed.len() <= MOST_TAGS
    }

    /// Notes the revision of the catalog that was known to the writer of the changes after `since`,
    /// never an older one than was known before; `None` if it is unknown.
    pub fn note_known_catalog(&mut self, since: u64, catalog: Option<u64>) {
        let Some(catalog) = catalog else { return };
        let before = self.recent.iter().filter(|change| change.rev <= since);
        let catalog = before.filter_map(|change| change.catalog).fold(catalog, u64::max);
        let new = self.recent.iter_mut().filter(|change| change.rev > since);
        new.for_each(|change| change.catalog = Some(catalog));
    }

    /// The newest revision of the catalog that was known to a writer of the changes it carries.
    pub fn known_catalog_revision(&self) -> Option<u64> {
        self.recent.iter().filter_map(|change| change.catalog).max()
    }

    /// Drops the oldest changes beyond the bounds, but none of the `fresh` newest.
    fn forget(&mut self, fresh: usize) {
        let mut kept = 0;
        let mut bytes = 0;
        for change in self.recent.iter().rev() {
            bytes += serde_json::to_string(change).map_or(0, |text| text.len());
            if kept >= fresh && (kept >= CHANGES_KEPT || bytes > CHANGES_KEPT_BYTES) {
                break;
            }
            kept += 1;
        }
        self.recent.drain(..self.recent.len() - kept);
    }

    /// The changes after `seen`, oldest first; `None` if the contact no longer carries all of them.
    pub fn changes_after(&self, seen: u64) -> Option<&[Change]> {
        if seen >= self.rev {
            return Some(&[]);
        }
        let first = self.recent.iter().position(|change| change.rev == seen + 1)?;
        Some(&self.recent[first..])
    }

    /// The contact as the change with this `rev` left it; `None` if the changes since are no longer
    /// carried.
    pub fn as_of(&self, rev: u64) -> Option<Self> {
        let later = self.changes_after(rev)?;
        let mut earlier = self.clone();
        for change in later.iter().rev() {
            change.undo(&mut earlier);
        }
        earlier.rev = rev;
        earlier.recent.retain(|change| change.rev <= rev);
        if let Some(last) = earlier.recent.last() {
            earlier.updated_at = last.at;
        }
        Some(earlier)
    }
}

/// Whether a number need not be stored.
pub fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

impl Change {
    /// A change of nothing, with `rev` 0.
    pub fn empty(by: Author, causality: Causality, at: Instant) -> Self {
        Self {
            rev: 0,
            at,
            added: Vec::new(),
            refreshed: BTreeMap::new(),
            removed: BTreeMap::new(),
            fields: BTreeMap::new(),
            consent: None,
            suppressed: None,
            event: None,
            person: None,
            by,
            causality,
            catalog: None,
            asked_before: Vec::new(),
        }
    }

    /// Whether it changed nothing at all.
    fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.refreshed.is_empty()
            && self.removed.is_empty()
            && self.fields.is_empty()
            && self.consent.is_none()
            && self.suppressed.is_none()
            && self.event.is_none()
    }

    /// Whether tags or fields changed: what triggers a restart (R13).
    pub fn is_of_tags_or_fields(&self) -> bool {
        !(self.added.is_empty()
            && self.refreshed.is_empty()
            && self.removed.is_empty()
            && self.fields.is_empty())
    }

    /// Whether it touches something in `reads`: a re-assigned tag counts (R2, R6).
    pub fn touches(&self, reads: &Reads) -> bool {
        self.added
            .iter()
            .chain(self.refreshed.keys())
            .chain(self.removed.keys())
            .any(|tag| reads.tags.contains(tag))
            || self.fields.keys().any(|key| reads.fields.contains(key))
            || self.person.as_ref().is_some_and(|person| person.touches(&reads.person))
    }

    /// The contact as this change found it, from the contact as it left it.
    pub(crate) fn before(&self, after: &Contact) -> Contact {
        let mut before = after.clone();
        self.undo(&mut before);
        before
    }

    fn undo(&self, contact: &mut Contact) {
        for tag in &self.added {
            contact.tags.remove(tag);
        }
        for (tag, before) in self.refreshed.iter().chain(&self.removed) {
            contact.tags.insert(tag.clone(), *before);
        }
        for (key, before) in &self.fields {
            match before {
                Some(before) => contact.fields.insert(key.clone(), before.clone()),
                None => contact.fields.remove(key),
            };
        }
        if let Some(before) = self.consent {
            contact.consent = before;
        }
        if let Some(before) = self.suppressed {
            contact.suppressed = before;
        }
    }
}

/// `Some(None)` is written as `null`.
mod stored_twice {
    use super::Suppression;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        value: &Option<Option<Suppression>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<Suppression>>, D::Error> {
        Option::<Suppression>::deserialize(deserializer).map(Some)
    }
}

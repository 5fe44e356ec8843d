//! The catalog: the account's settings and fields, and the head of every campaign.
//!
//! One item. It is read strongly, by every decision or once for the work of one invocation
//! (`at_work`), so that a trigger two seconds after publishing sees the new version. Published
//! versions never change; they are read once and kept.

mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::serde::ts_milliseconds_option;
use dacapo_engine::account::Account;
use dacapo_engine::campaign::format::{FieldDefinition, ObjectDefinition, Sender};
use dacapo_engine::campaign::{Campaign, CampaignState, Timeline};
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::contact::Consent;
use dacapo_engine::conventions::DateOrder;
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::field::FieldType;
use dacapo_engine::ids::{CampaignId, ContactId, FieldKey, ObjectType};
use dacapo_engine::time::Span;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::error::Error;
use crate::table::Write;

pub(crate) use store::CatalogCache;
pub use store::CatalogStore;

/// The account's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The zone of its calendar days, and of contacts that have none.
    pub time_zone: String,
    /// The language of contacts that have none.
    pub locale: String,
    /// How dates such as `03/12/2026` are read; they are refused while this is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_order: Option<DateOrder>,
    /// The consent of contacts that are posted without one.
    pub default_consent: Consent,
    /// The sender of mail of campaigns that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            time_zone: "UTC".to_owned(),
            locale: "en".to_owned(),
            date_order: None,
            default_consent: Consent::Subscribed,
            sender: None,
        }
    }
}

/// The head of a campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The name that people see: the newest version's, else the draft's.
    pub name: String,
    /// Its milestones; empty before the first publishing.
    #[serde(default)]
    pub timeline: Timeline,
    /// The newest version, 0 before the first publishing.
    #[serde(default)]
    pub version: u32,
    /// Whether the draft has changes that are not published yet.
    #[serde(default)]
    pub draft: bool,
    /// The identity of the draft as it was last saved. A draft that was read is compared with it
    /// before it is published.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub saved: String,
    /// Whether it was deleted after it had been published: nothing happens in it until it is
    /// published again.
    #[serde(default)]
    pub withdrawn: bool,
    /// The type of objects that it is about; `None` if it is about contacts (R71).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<ObjectType>,
    /// Whether contacts that are there may enter when it is resumed: this was requested while it
    /// was paused.
    #[serde(default)]
    pub enrolls: bool,
    /// The fields whose dates timers of the newest version follow.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub followed: BTreeSet<FieldKey>,
    /// How it is paused, if that is more than a pause of this campaign until somebody resumes it.
    #[serde(default, skip_serializing_if = "Paused::is_plain")]
    pub pause: Paused,
}

/// How a campaign is paused (R26).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// When the pause ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ts_milliseconds_option")]
    pub until: Option<Instant>,
    /// Whether what is overdue then is skipped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip: bool,
    /// The name of the API key that said until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Whether it was paused together with all others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub together: bool,
}

impl Paused {
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

impl Head {
    /// The standing of the campaign; `None` while it is not published.
    pub fn standing(&self) -> Option<CampaignState> {
        if self.withdrawn { None } else { self.timeline.standing() }
    }

    /// Since when the campaign is paused, if it is.
    pub fn paused_since(&self) -> Option<Instant> {
        if self.withdrawn { None } else { self.timeline.paused_since() }
    }

    /// When its pause ends by itself, if it is paused and that was said.
    pub fn paused_until(&self) -> Option<Instant> {
        self.paused_since().and(self.pause.until)
    }

    /// Whether people see it: a draft, or published. A deleted campaign is kept for its versions
    /// only.
    pub fn is_there(&self) -> bool {
        !self.withdrawn || self.draft
    }
}

/// A job that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenJob {
    /// Its sequence number.
    pub seq: u64,
    /// The campaigns that it concerns; none for all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub campaigns: Vec<CampaignId>,
    /// Whether the queue has it.
    #[serde(default)]
    pub ordered: bool,
    /// Whether it waits for no other job, and no other job for it: it makes no decision that
    /// another job could make.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside_others: bool,
}

impl OpenJob {
    /// Whether the two must not be under way together.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        if self.beside_others || other.beside_others {
            return false;
        }
        self.campaigns.is_empty()
            || other.campaigns.is_empty()
            || self.campaigns.iter().any(|campaign| other.campaigns.contains(campaign))
    }
}

/// What the catalog item holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// Settings.
    pub settings: Settings,
    /// Custom fields.
    pub fields: BTreeMap<FieldKey, FieldDefinition>,
    /// Types of objects, with their fields (R70).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub objects: BTreeMap<ObjectType, ObjectDefinition>,
    /// When objects are looked through next for those that have been kept long enough (R74). `None`
    /// if they are to be looked through at once.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ts_milliseconds_option")]
    pub objects_due: Option<Instant>,
    /// Campaigns, in order of id.
    pub campaigns: BTreeMap<CampaignId, Head>,
    /// The key of signed links.
    #[serde(default)]
    pub secret: String,
    /// How many API keys were deleted. A key that was read as of a revision of the catalog need not
    /// be read again.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub keys_deleted: u64,
    /// The last sequence number given to a job.
    #[serde(default)]
    pub jobs: u64,
    /// The jobs that are not over, in the order of their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<OpenJob>,
    /// Everything that was due up to this instant is taken as done, and its messages as sent: the
    /// table was restored.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ts_milliseconds_option")]
    pub sent_until: Option<Instant>,
    /// The job that is erasing the account, if any: meanwhile nothing new is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_by: Option<u64>,
}

impl Catalog {
    /// A campaign whose timers follow the dates in a field, if there is one.
    pub fn followed_by(&self, field: &str) -> Option<&CampaignId> {
        self.follows(None, field)
    }

    /// The same for a field of a type of objects.
    pub fn followed_of(&self, kind: &ObjectType, field: &str) -> Option<&CampaignId> {
        self.follows(Some(kind), field)
    }

    fn follows(&self, per: Option<&ObjectType>, field: &str) -> Option<&CampaignId> {
        let mut published = self.campaigns.iter().filter(|(_, head)| head.standing().is_some());
        let follows = |head: &Head| head.per.as_ref() == per && head.followed.contains(field);
        published.find(|(_, head)| follows(head)).map(|(id, _)| id)
    }

    /// The account, as decisions need it.
    pub fn account(&self) -> Account {
        Account {
            zone: self.settings.time_zone.parse().unwrap_or_default(),
            locale: self.settings.locale.clone(),
            sent_until: self.sent_until,
        }
    }

    /// Makes a field, unless there is one of this key already. Answers the type that it has.
    ///
    /// # Errors
    ///
    /// [`FieldsFull`].
    pub fn declare(
        &mut self,
        key: &FieldKey,
        field: FieldDefinition,
    ) -> Result<FieldType, FieldsFull> {
        if let Some(there) = self.fields.get(key) {
            return Ok(there.kind);
        }
        if self.fields.len() >= MOST_FIELDS {
            return Err(FieldsFull);
        }
        let kind = field.kind;
        self.fields.insert(key.clone(), field);
        Ok(kind)
    }

    /// Makes a type of objects, or adds fields to the one that is there. Labels and `keep` are set
    /// where they are given, and stay otherwise.
    ///
    /// # Errors
    ///
    /// [`ObjectTypeRefused`].
    pub fn declare_object(
        &mut self,
        kind: &ObjectType,
        wanted: &ObjectDefinition,
    ) -> Result<(), ObjectTypeRefused> {
        let there = self.objects.get(kind).cloned();
        if there.is_none() && self.objects.len() >= MOST_OBJECT_TYPES {
            return Err(ObjectTypeRefused::TooManyTypes);
        }
        let kept_before = there.as_ref().map(ObjectDefinition::kept);
        let mut next = there.unwrap_or_default();
        next.label = wanted.label.clone().or(next.label);
        next.keep = wanted.keep.or(next.keep);
        for (key, field) in &wanted.fields {
            match next.fields.get_mut(key) {
                Some(there) if there.kind != field.kind => {
                    return Err(ObjectTypeRefused::OtherType {
                        kind: kind.clone(),
                        field: key.clone(),
                        is: there.kind,
                    });
                }
                Some(there) => there.label = field.label.clone().or(there.label.take()),
                None => {
                    next.fields.insert(key.clone(), field.clone());
                }
            }
        }
        if next.fields.len() > MOST_FIELDS_OF_OBJECT {
            return Err(ObjectTypeRefused::TooManyFields(kind.clone()));
        }
        if kept_before != Some(next.kept()) {
            // Objects may be due sooner than was known.
            self.objects_due = None;
        }
        self.objects.insert(kind.clone(), next);
        Ok(())
    }

    /// The types of the custom fields.
    pub fn field_types(&self) -> BTreeMap<FieldKey, FieldType> {
        self.fields.iter().map(|(key, field)| (key.clone(), field.kind)).collect_compactly()
    }
}

/// The most custom fields that an account has: they all stand in one item.
pub const MOST_FIELDS: usize = 500;

/// The most types of objects that an account has: they stand in the same item.
pub const MOST_OBJECT_TYPES: usize = 50;

/// The most fields that a type of objects has.
pub const MOST_FIELDS_OF_OBJECT: usize = 100;

/// Why a type of objects was not made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectTypeRefused {
    /// The account has as many as it may have.
    #[error("an account has at most {MOST_OBJECT_TYPES} types of objects; use one that is there")]
    TooManyTypes,
    /// It would have more fields than it may have.
    #[error(
        "`{0}` would have more than {MOST_FIELDS_OF_OBJECT} fields; leave out those that nobody \
         needs"
    )]
    TooManyFields(ObjectType),
    /// A field of another type is there.
    #[error("`{field}` of `{kind}` is a {} field already; take another key for another \
             type", .is.word())]
    OtherType {
        /// The type of objects.
        kind: ObjectType,
        /// The field.
        field: FieldKey,
        /// The type that it has.
        is: FieldType,
    },
}

/// The account has as many fields as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an account has at most {MOST_FIELDS} fields; DELETE /v1/fields/{{key}} takes away one that \
     nobody needs"
)]
pub struct FieldsFull;

/// A stored version: the document, and the account's fields at the time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredVersion {
    pub(crate) source: String,
    pub(crate) fields: BTreeMap<FieldKey, FieldType>,
    /// The type of objects that the campaign is about, as it was at the time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) objects: BTreeMap<ObjectType, ObjectDefinition>,
    /// The default restart delay at the time, for a document without one: a version never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) restart_delay: Option<Span>,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub(crate) at: Instant,
}

/// The catalog as it was read, with its campaigns ready for decisions.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Its revision, 0 before the first write.
    pub rev: u64,
    /// What it holds.
    pub catalog: Catalog,
    /// The account.
    pub account: Account,
    /// Published campaigns with the versions that their timelines name.
    pub campaigns: BTreeMap<CampaignId, Arc<Campaign>>,
    /// Campaigns whose versions cannot be read.
    pub broken: BTreeMap<CampaignId, Error>,
}

impl Loaded {
    /// Whether a published campaign is about the subject: an object of its type, or a contact.
    pub(crate) fn is_about(&self, campaign: &CampaignId, subject: &ContactId) -> bool {
        match self.campaigns.get(campaign) {
            Some(campaign) => campaign.is_about(subject),
            // It cannot be read.
            None => {
                let head = self.catalog.campaigns.get(campaign);
                let per = head.and_then(|head| head.per.as_ref());
                per == subject.object().map(|(kind, _)| kind).as_ref()
            }
        }
    }

    /// The other campaigns that ask for a contact's status in this one.
    pub(crate) fn asking_for<'a>(
        &'a self,
        campaign: &'a CampaignId,
    ) -> impl Iterator<Item = &'a CampaignId> {
        let asks = move |other: &Campaign| {
            other.versions.values().any(|graph| graph.reads().campaigns.contains(campaign))
        };
        self.campaigns
            .iter()
            .filter(move |(id, other)| *id != campaign && asks(other))
            .map(|(id, _)| id)
    }

    /// Whether it is at least as new as an enrollment: it has all milestones that were applied to
    /// that one.
    pub(crate) fn knows(&self, campaign: &CampaignId, enrollment: &Enrollment) -> bool {
        let timeline = self.campaigns.get(campaign).map(|campaign| &campaign.timeline);
        timeline.is_some_and(|timeline| timeline.count() >= enrollment.milestones)
    }
}

/// Makes the writes that go into one transaction with a change of a campaign, from the answer of
/// the change.
pub trait Together<T>: Fn(&T) -> Result<Vec<Write>, Error> + Send + Sync {}

impl<T, F: Fn(&T) -> Result<Vec<Write>, Error> + Send + Sync> Together<T> for F {}

/// Nothing goes together with the change.
///
/// # Errors
///
/// None.
pub fn alone<T>(_: &T) -> Result<Vec<Write>, Error> {
    Ok(Vec::new())
}

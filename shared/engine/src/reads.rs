//! What conditions read, as sets that can be compared with what a change touched.
//!
//! What is not in them cannot make a condition hold, unless by the passing of time. What is read of
//! an object's contact stands by itself (R72).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{CampaignId, FieldKey, Tag};

/// What conditions read: only a change of these can make one hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reads {
    /// Tags.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<Tag>,
    /// Fields.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub fields: BTreeSet<FieldKey>,
    /// Statuses of other campaigns.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub campaigns: BTreeSet<CampaignId>,
    /// What is read of the person whose object the subject is (R72).
    #[serde(default, skip_serializing_if = "PersonReads::is_empty")]
    pub person: PersonReads,
}

impl Reads {
    /// Whether it reads anything that is no part of the subject: the person, or a status (R72).
    pub fn more_than_the_subject(&self) -> bool {
        !(self.person.is_empty() && self.campaigns.is_empty())
    }

    /// Adds what a condition reads of the person (R72). Statuses are the same for both.
    pub fn of_person(&mut self, read: Self) {
        self.person.tags.extend(read.tags);
        self.person.fields.extend(read.fields);
        self.person.add(&read.person);
        self.campaigns.extend(read.campaigns);
    }
}

/// What campaigns of objects read of the person: only a change of these concerns an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonReads {
    /// Tags.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<Tag>,
    /// Fields.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub fields: BTreeSet<FieldKey>,
    /// Custom events.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub events: BTreeSet<String>,
}

impl PersonReads {
    /// Whether nothing is read.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.fields.is_empty() && self.events.is_empty()
    }

    /// Adds what another reads.
    pub fn add(&mut self, other: &Self) {
        self.tags.extend(other.tags.iter().cloned());
        self.fields.extend(other.fields.iter().cloned());
        self.events.extend(other.events.iter().cloned());
    }
}

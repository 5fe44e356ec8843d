//! The campaign document as people write it: the types behind the YAML and the JSON.
//!
//! Every type here is read by `campaign::reader` (which adds place and remedy to every refusal) and
//! described by the JSON Schema that the API serves. Reading promises shape only;
//! `campaign::validate` checks whether the edges lead anywhere.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compact::CollectCompactly as _;
use crate::field::FieldType;
use crate::ids::{CampaignId, ElementId, FieldKey, ObjectType};
use crate::time::{Daytime, Hours, Span, TimeOfDay, Weekdays};

pub use super::elements::{
    Arrival, Branch, ChangeTags, DateTimer, Edge, EdgeKey, Element, Empty, End, EventElement, Goal,
    Method, Of, Otherwise, Past, Repeat, Reset, Restart, SendEmail, SetField, Split, Start,
    StartCampaign, StopCampaign, Unmet, Until, Wait, Webhook, WeightedEdge, Window, other_than,
};
pub use crate::one_or_many::OneOrMany;

/// One campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The id, stable and chosen by the author.
    pub id: CampaignId,
    /// The name that people see.
    #[serde(default)]
    #[schemars(example = &"Repeat automated appointment scheduling")]
    pub name: String,
    /// What it is for, in the author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The type of objects that the campaign is about: each of them runs through it by itself
    /// (R71). Without it, each contact does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<ObjectType>,
    /// The types of objects that the campaign uses; made in the account on publishing (R70).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub objects: BTreeMap<ObjectType, ObjectDefinition>,
    /// Who the e-mails come from; the account's sender unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
    /// The contact fields that the campaign uses; made in the account on publishing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<FieldKey, FieldDefinition>,
    /// Bounds and habits.
    #[serde(default)]
    pub settings: Settings,
    /// The graph. The order of writing is the *definition order* of R10.
    #[serde(with = "super::in_order")]
    #[schemars(with = "BTreeMap<ElementId, Element>")]
    pub elements: Vec<(ElementId, Element)>,
    /// The e-mails, by the key that `email` elements name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub emails: BTreeMap<String, Email>,
    /// What `dacapo validate` finds and the author means so, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Allow>,
}

/// A finding that the author has looked at and keeps (`dacapo validate` does not show it).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// The code of the lint, such as `D101`, or its name.
    #[schemars(example = &"D106", example = &"second-booking-does-nothing")]
    pub lint: String,
    /// The element that the finding is about, or the key of the e-mail; every one unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// Why it is meant so, for whoever reads it later.
    pub reason: String,
}

impl Document {
    /// The fields whose dates timers follow (R21).
    pub fn followed_fields(&self) -> BTreeSet<FieldKey> {
        let timers = self.elements.iter().filter_map(|(_, element)| {
            if let Element::DateTimer(timer) = element { timer.field.clone() } else { None }
        });
        timers.collect_compactly()
    }
}

/// A name and an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// The name shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The e-mail address.
    #[schemars(example = &"hello@studio-nord.example")]
    pub address: String,
}

/// A field, typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldDefinition {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// The label that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A type of objects: things that belong to one contact each, such as appointments (R70).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectDefinition {
    /// The label that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The fields that an object of the type has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<FieldKey, FieldDefinition>,
    /// How long an object without tokens is kept after its last change (R74): 400 days unless
    /// given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Span>,
}

impl ObjectDefinition {
    /// How long an object without tokens is kept after its last change, if the type does not say.
    pub const KEPT_UNLESS_GIVEN: Span = Span::days(400);

    /// The shortest time for which a type may say that its objects are kept (R74).
    pub const LEAST_KEPT: Span = Span::days(1);

    /// Whether that is too short a time to keep objects.
    pub fn is_too_short(keep: Span) -> bool {
        Self::LEAST_KEPT.is_longer_than(keep)
    }

    /// How long an object without tokens is kept after its last change (R74).
    pub fn kept(&self) -> Span {
        self.keep.unwrap_or(Self::KEPT_UNLESS_GIVEN)
    }
}

/// Bounds and habits of a campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    #[doc = "How long after a restart no start fires (R14): 5 minutes, unless the operator has \
             set another time."]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_delay: Option<Span>,
    /// The legacy setting: a completed run restarts by itself (R17).
    pub multiple_send: bool,
    /// The guard of R40.
    pub max_runs_per_day: u32,
    /// The guard of R43.
    pub max_messages_per_day: u32,
    /// When marketing mail may leave, in the zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_time: Option<EmailTime>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            restart_delay: None,
            multiple_send: false,
            max_runs_per_day: 10,
            max_messages_per_day: 20,
            email_time: None,
        }
    }
}

impl Settings {
    /// How long after a restart no start fires (R14).
    pub fn restart_delay(&self) -> Span {
        self.restart_delay.unwrap_or(Span::minutes(5))
    }
}

/// A daily window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailTime {
    /// From this time of day, inclusive.
    pub from: TimeOfDay,
    /// To this time of day, exclusive.
    pub to: TimeOfDay,
    /// On these days; every day unless given.
    #[serde(default)]
    pub weekdays: Weekdays,
}

impl EmailTime {
    /// The hours that it means.
    pub fn hours(&self) -> Hours {
        Hours { daytime: Daytime { from: self.from, to: self.to }, weekdays: self.weekdays }
    }
}

/// What an e-mail is for (R32).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Needs consent, carries one-click unsubscribe.
    #[default]
    Marketing,
    /// A confirmation or a reminder: sent to unsubscribed contacts too.
    Transactional,
}

/// An e-mail: templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// Marketing unless given.
    #[serde(default)]
    pub purpose: Purpose,
    /// The subject line.
    #[schemars(example = &"See you on {{ contact.appointment | date('full') }}")]
    pub subject: String,
    /// The plain text body; made from `html` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Hello {{ contact.first_name | default('there') }},")]
    pub text: Option<String>,
    /// The HTML body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// Overrides the campaign's sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
    /// The address to which answers go. It is no template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

//! The journey: everything that came of a scenario, as data.
//!
//! The JSON of a [`Journey`] is stable: keys and kinds are only added. Instants are in UTC; `local`
//! is the same instant on the wall where the contact is.

mod mermaid;
mod text;

use std::collections::BTreeMap;

use dacapo_engine::contact::{Consent, Suppression};
use dacapo_engine::enrollment::Status;
use dacapo_engine::field::FieldValue;
use dacapo_engine::ids::{CampaignId, ElementId, FieldKey};
use dacapo_engine::statistics::Outcome;
use dacapo_engine::time::{Instant, Zone};
use serde::{Serialize, Serializer};

use crate::scenario::ObjectName;

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Journey {
    /// The scenario's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The account's zone.
    #[serde(serialize_with = "zone_name")]
    pub time_zone: Zone,
    /// Where the clock began.
    pub began: Instant,
    /// Where it was at the end.
    pub ended: Instant,
    /// Why it ended.
    pub ended_because: Ended,
    /// The campaigns that were played, in order of id.
    pub campaigns: Vec<CampaignId>,
    /// Everything that happened, in order.
    pub entries: Vec<Entry>,
    /// Every message that was settled, in order.
    pub messages: Vec<Mail>,
    /// Where everybody stands at the end, in order of contact and campaign.
    pub enrollments: Vec<Standing>,
    /// What everybody is at the end, by name.
    pub contacts: BTreeMap<String, Person>,
}

/// Why a journey ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Nothing is due any more: nothing happens until somebody does something.
    NothingDue,
    /// It is as long as the scenario says.
    Until,
    /// Something is due, but so long after the last step that nobody looks any more.
    LongAfter,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// When.
    pub at: Instant,
    /// The same where the contact is, such as `2026-12-01 09:00:00`.
    pub local: String,
    /// What: a kind of the contact's history (`entered`, `wait`, `message_sent` …), a trace
    /// (`nothing_followed`, `nothing_changed`), or `step`, `mail`, `called`, `ignored`.
    pub kind: &'static str,
    /// The contact's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The object that it is about, of that contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<ObjectName>,
    /// The campaign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignId>,
    /// The run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// The element.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<ElementId>,
    /// What happened, in words.
    pub text: String,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Of a wait, a timer, a restart or what is parked: when it is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Instant>,
    /// Of a `mail`: which of the journey's messages, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<usize>,
    /// Of a `step`: which of the scenario's, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
}

/// A message that was settled.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mail {
    /// When.
    pub at: Instant,
    /// The same where the contact is.
    pub local: String,
    /// The contact's name.
    pub to: String,
    /// The object that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<ObjectName>,
    /// The campaign.
    pub campaign: CampaignId,
    /// The run.
    pub run: u32,
    /// The element.
    pub element: ElementId,
    /// `sent`, `suppressed`, `failed` or `unknown`.
    #[serde(serialize_with = "outcome_word")]
    pub outcome: Outcome,
    /// Why it was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The rendered subject; empty if it was not rendered.
    pub subject: String,
    /// The rendered text; empty if it was not rendered, or if the e-mail has none of its own and
    /// nobody has made it from the HTML.
    pub text: String,
    /// The rendered HTML of an e-mail without a text of its own: what is sent as text is made from
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

/// Where a contact, or an object of it, stands in a campaign.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// The contact's name.
    pub contact: String,
    /// The object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<ObjectName>,
    /// The campaign.
    pub campaign: CampaignId,
    /// The status.
    pub status: Status,
    /// The run.
    pub run: u32,
    /// Where its paths rest.
    pub waits: Vec<Waiting>,
    /// Until when a trigger is parked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked: Option<Instant>,
    /// The entries that are handled when the campaign is resumed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parked_entries: Vec<ElementId>,
}

/// Where a path rests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waiting {
    /// The element.
    pub element: ElementId,
    /// Since when.
    pub since: Instant,
    /// Until when, if a timer ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Instant>,
}

/// What a contact is at the end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Person {
    /// The contact's zone, else the account's.
    #[serde(serialize_with = "zone_name")]
    pub time_zone: Zone,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its fields.
    pub fields: BTreeMap<FieldKey, serde_json::Value>,
    /// Its consent.
    pub consent: Consent,
    /// Why it gets no mail at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<Suppression>,
}

impl Journey {
    /// The messages that were sent, in order.
    pub fn sent(&self) -> impl Iterator<Item = &Mail> {
        self.messages.iter().filter(|mail| mail.outcome == Outcome::Sent)
    }
}

/// A value as the API shows it.
pub(crate) fn shown(value: &FieldValue) -> serde_json::Value {
    match value {
        FieldValue::Text(text) => text.as_str().into(),
        FieldValue::Number(number) => (*number).into(),
        FieldValue::Boolean(boolean) => (*boolean).into(),
        FieldValue::Date(date) => date.to_string().into(),
        FieldValue::Datetime(at) => at.format("%Y-%m-%dT%H:%M:%SZ").to_string().into(),
    }
}

/// An instant on the wall.
pub(crate) fn local(at: Instant, zone: Zone) -> String {
    at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string()
}

fn zone_name<S: Serializer>(zone: &Zone, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(zone.name())
}

fn outcome_word<S: Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(outcome.word())
}

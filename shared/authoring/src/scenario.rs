//! Scenarios: what happens to contacts, when, and what is expected to come of it.
//!
//! | key | says |
//! |---|---|
//! | `name` | what it shows, in words |
//! | `campaigns` | files beside the scenario, besides those that were named |
//! | `at` | where the clock begins |
//! | `time_zone` | the account's; local times are read in it |
//! | `contact`, `contacts` | who is there at the beginning, each as posted to `/v1/hooks/contact` |
//! | `then` | what happens, in order |
//! | `until` | how long to look on |
//! | `expect` | what has to come of it |
//!
//! The types are as they are written, so that a program can build a scenario and write it down.
//! What only makes sense together is checked when it is played.

mod moment;
mod post;

use std::collections::BTreeMap;

use dacapo_engine::enrollment::Status;
use dacapo_engine::ids::{CampaignId, ElementId, FieldKey, ObjectType, Tag};
use dacapo_engine::time::{Span, Zone};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use moment::{InvalidMoment, InvalidWeekdayTime, Moment, Until, WeekdayTime};
pub use post::Post;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Files of campaigns, as paths beside the scenario; those of the command line without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub campaigns: Vec<String>,
    /// Where the clock begins; 2026-12-01 09:00 in the account's zone without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// The account's zone; UTC without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<ZoneName>,
    /// The only contact, posted at the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Post>,
    /// Several contacts by name, each posted at the beginning, in the order of their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contacts: BTreeMap<String, Post>,
    /// What happens, in order; reactions to messages anywhere among it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<ScenarioStep>,
    /// How long to look on; without it until nothing is due, at most 400 days after the last step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// What has to come of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expectation>,
}

/// One thing that happens: exactly one of `at`, `after` and `on` says when, or `when_sent`, which
/// `after` may follow; and exactly one of the other keys says what.
///
/// The default is a step at which nothing happens: `ScenarioStep { after: …, post: …,
/// ..ScenarioStep::default() }`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioStep {
    /// At an instant, not before the step before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// So long after the step before, or after the message of `when_sent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// The next time, after the step before, that it is this time of this weekday where the
    /// contact is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<WeekdayTime>,
    /// Each time that the contact is sent the message of this element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_sent: Option<ElementId>,
    /// How often at most the contact reacts so; every time without it. Only with `when_sent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// To whom it happens; not needed where there is only one contact. With `when_sent` and without
    /// this, everybody who is sent the message reacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Something is posted about the contact, as to `/v1/hooks/contact`: one change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<Post>,
    /// A custom event is posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// An object of the contact is made, or changes (R70).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectPost>,
    /// By hand: the contact is started in this campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<CampaignId>,
    /// By hand: the contact is reset in this campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<CampaignId>,
    /// By hand: the contact is stopped in this campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<CampaignId>,
    /// By hand: the contact that a guard holds in this campaign is released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<CampaignId>,
    /// The object that is started, reset, stopped or released, instead of its contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<ObjectName>,
    /// This campaign is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<CampaignId>,
    /// This campaign is resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<CampaignId>,
    /// What is done on the resume with what is overdue; `run` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ResumeMode>,
    /// How the mail service answers from now on (R31).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail_service: Option<MailService>,
}

/// What is posted about an object of a contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectPost {
    /// Its type, such as `appointment`.
    #[serde(rename = "type")]
    pub kind: ObjectType,
    /// Its key.
    pub key: String,
    /// The key that it had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// Its fields, as they are sent; `null` clears one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<FieldKey, Value>,
    /// Tags to assign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Tags to withdraw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove_tags: Vec<Tag>,
    /// A custom event about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

/// Which object is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectName {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ObjectType,
    /// Its key.
    pub key: String,
}

/// What is done on a resume with what is overdue (R51).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResumeMode {
    /// It is done now.
    #[default]
    Run,
    /// It is left out.
    Skip,
}

/// How the mail service answers (R31).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailService {
    /// It takes every message.
    Accepts,
    /// It refuses every message.
    Refuses,
    /// It gives no answer.
    Silent,
}

/// What has to come of a scenario. What is left out is not compared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// All messages that are sent, in order, and no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<ExpectedMessage>>,
    /// Messages that are sent, among others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<ExpectedMessage>,
    /// Messages of which none is sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_sent: Vec<ExpectedMessage>,
    /// The status at the end, of the only contact in the first campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ExpectedStatus>,
    /// The run at the end, of the only contact in the first campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// Where contacts stand at the end, in campaigns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enrollments: Vec<ExpectedEnrollment>,
    /// What contacts are at the end, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contacts: BTreeMap<String, ExpectedContact>,
}

/// A message as it is expected. What is left out is not compared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedMessage {
    /// The element that sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<ElementId>,
    /// The name of the contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The key of the object that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignId>,
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// When it is sent; a local time is read where the contact is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// The whole subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Words that are somewhere in the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How often; in `sent` at least once without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// Where a contact, or an object, is expected to stand at the end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedEnrollment {
    /// The name of the contact; not needed where there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The key of the object, in a campaign about objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The campaign; the first without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignId>,
    /// The status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ExpectedStatus>,
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// All elements at which paths rest, in any order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_at: Option<Vec<ElementId>>,
}

/// What a contact is expected to be at the end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedContact {
    /// Tags that it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Tags that it has not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_tags: Vec<Tag>,
    /// Values of fields, as they are sent; `null` for none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<FieldKey, Value>,
}

/// A status, or `none` for who is not in the campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedStatus {
    /// Not in the campaign.
    None,
    /// It has tokens.
    Active,
    /// Its paths have run out.
    Completed,
    /// It was reset or released, and nothing is running; or it was never in, and something is
    /// parked for it (R51).
    Ready,
    /// It has reached a restart.
    AwaitingRestart,
    /// It may not enter.
    Stopped,
    /// A guard stopped it, or a defect in Dacapo.
    Held,
}

impl ExpectedStatus {
    /// The status; `None` for who is not in the campaign.
    pub fn status(self) -> Option<Status> {
        match self {
            Self::None => None,
            Self::Active => Some(Status::Active),
            Self::Completed => Some(Status::Completed),
            Self::Ready => Some(Status::Ready),
            Self::AwaitingRestart => Some(Status::AwaitingRestart),
            Self::Stopped => Some(Status::Stopped),
            Self::Held => Some(Status::Held),
        }
    }
}

/// A time zone by any name that the account's settings take, written by IANA's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneName(pub Zone);

impl Serialize for ZoneName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for ZoneName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        dacapo_engine::time::zone_named(&text).map(Self).ok_or_else(|| {
            serde::de::Error::custom(format_args!(
                "{text:?} is no time zone; write an IANA name such as Europe/Berlin"
            ))
        })
    }
}

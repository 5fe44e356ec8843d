//! Types for the description only: what is read member by member, and words that are parsed
//! elsewhere. A program that uses the description then knows what to send and what to expect.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a contact stands in a campaign.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum EnrollmentStatus {
    Active,
    Completed,
    Ready,
    AwaitingRestart,
    Stopped,
    Held,
}

/// How a campaign stands.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum CampaignStatus {
    Draft,
    Published,
    Paused,
}

/// Which of two numbers in a date is the day.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum DateOrderWord {
    DayFirst,
    MonthFirst,
}

/// The type of a field.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum FieldTypeWord {
    Text,
    Number,
    Boolean,
    Date,
    Datetime,
}

/// What became of a message.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum MessageStatusWord {
    Claimed,
    Released,
    Sent,
    Suppressed,
    Failed,
    Unknown,
}

/// How far a mass action is.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum MassActionStatus {
    Queued,
    Running,
    Completed,
    Cancelling,
    Cancelled,
    Failed,
}

/// Campaigns that are meant.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum CampaignSelection {
    /// Their ids.
    Ids(Vec<String>),
    /// All of them.
    All(All),
}

/// The word `all`.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum All {
    All,
}

/// Contacts that are meant.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ContactSelection {
    /// By their ids.
    Ids(ByIds),
    /// By their addresses.
    Emails(ByEmails),
    /// Those that have a tag.
    Tag(ByTag),
    /// Everybody in the campaigns.
    Enrolled(Enrolled),
    /// The objects of a type in the campaigns about it.
    Objects(MembersOfType),
    /// Those that stand so in the campaigns.
    Standing(MembersStanding),
}

/// Contacts that a mass action is about.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum SelectedContacts {
    /// So many were named.
    Named(Named),
    /// Those that have a tag.
    Tag(ByTag),
    /// Everybody in the campaigns, or in the account.
    Everybody(Everybody),
    /// All objects of a type.
    Objects(ByObjectType),
    /// The objects of a type in the campaigns about it.
    ObjectsIn(MembersOfType),
    /// Those that stand so in the campaigns.
    Standing(MembersStanding),
}

/// Contacts by their ids.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByIds {
    #[schema(min_items = 1, max_items = 10_000)]
    ids: Vec<String>,
}

/// Contacts by their addresses.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByEmails {
    #[schema(min_items = 1, max_items = 10_000)]
    emails: Vec<String>,
}

/// Contacts that have a tag.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByTag {
    tag: String,
}

/// All objects of a type.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByObjectType {
    objects: String,
}

/// The objects of a type in the campaigns about it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MembersOfType {
    /// A type of objects.
    object_type: String,
    /// Only those that stand so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    status: Option<EnrollmentStatus>,
}

/// Those that stand so in the campaigns.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MembersStanding {
    status: EnrollmentStatus,
}

/// How many contacts were named.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Named {
    named: u64,
}

/// The word `enrolled`.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Enrolled {
    Enrolled,
}

/// The words `enrolled` and `everybody`.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Everybody {
    Enrolled,
    Everybody,
}

/// Several texts as they are sent: a list, or one text with commas between them.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum SentList {
    List(Vec<String>),
    Text(String),
}

/// Tags that a contact is to have: all of them as a list or a text with commas; or an object, in
/// which `null` withdraws a tag.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum WantedTags {
    List(Vec<String>),
    Text(String),
    Each(BTreeMap<String, Option<String>>),
}

/// A value of a field as it is written: `null` clears it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum WrittenFieldJson {
    Text(String),
    Number(f64),
    Boolean(bool),
    Null,
}

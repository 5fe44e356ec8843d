//! The elements of a campaign, as people write them. All keys but edges have defaults where one makes sense.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::ids::{CampaignId, ElementId, FieldKey, Tag};
use crate::time::{Span, TimeOfDay, Weekdays};

/// An element of the graph; `type` says which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Element {
    /// Where contacts enter when a condition holds (R6).
    Start(Start),
    /// Reacts to an edge (R7).
    Event(EventElement),
    /// Ends what leads up to it when a condition holds (R8).
    Goal(Goal),
    /// Sends an e-mail (R30 to R34).
    Email(SendEmail),
    /// Waits (R20).
    Wait(Wait),
    /// Follows a date of the contact (R21, R22).
    DateTimer(DateTimer),
    /// Goes one of two ways.
    Condition(Branch),
    /// Goes one of several ways, by weight.
    Split(Split),
    /// Assigns and withdraws tags.
    Tag(ChangeTags),
    /// Sets fields of the contact.
    SetField(SetField),
    /// Resets this or another campaign (R11).
    Reset(Reset),
    /// Restart (Multiple Send) (R12).
    Restart(Restart),
    /// Stops this or another campaign (R16).
    StopCampaign(StopCampaign),
    /// Enters another campaign (R52).
    StartCampaign(StartCampaign),
    /// Calls an HTTP endpoint.
    Webhook(Webhook),
    /// The path is over.
    End(End),
}

/// See [`Element::Start`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// A level, not an edge.
    pub when: Condition,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// See [`Element::Event`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventElement {
    /// The edge it reacts to.
    pub on: Edge,
    /// Whether it fires only while the contact is active in the campaign.
    #[serde(default)]
    pub requires_active: bool,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// One or several tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// A single one.
    One(T),
    /// Any of several.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// An edge: something that happens to a contact at an instant (R7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// A tag was assigned that the contact did not have.
    TagAdded(OneOrMany<Tag>),
    /// A tag was withdrawn.
    TagRemoved(OneOrMany<Tag>),
    /// A tag was added or refreshed (R2).
    TagAssigned(OneOrMany<Tag>),
    /// An empty field got a value.
    FieldSet(FieldKey),
    /// A value was replaced by another.
    FieldChanged(FieldKey),
    /// A value was cleared.
    FieldCleared(FieldKey),
    /// A custom event of this name was posted.
    Custom(String),
}

/// What a token does at a goal whose condition does not hold (R8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unmet {
    /// Rests there.
    #[default]
    Wait,
    /// Goes on.
    Continue,
    /// Ends.
    End,
}

/// See [`Element::Goal`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// The condition.
    pub when: Condition,
    /// What an early token does.
    #[serde(default)]
    pub unmet: Unmet,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// See [`Element::Email`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendEmail {
    /// The key under `emails`.
    pub email: String,
    /// Where the token goes once the message is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// See [`Element::Wait`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// How long.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
    /// Until when, after the duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// A time of day and weekdays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// The time of day; without one, the beginning of the first such day, or now if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeOfDay>,
    /// On these days; every day unless given.
    #[serde(default)]
    pub weekdays: Weekdays,
}

/// What happens to a date timer whose moment has passed (R22).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Past {
    /// Takes the edge `missed`; without one, stays until the date has passed.
    #[default]
    Missed,
    /// Goes on as if it had fired.
    Continue,
    /// Ends.
    End,
}

/// What happens to a date timer whose field is empty on arrival (R22).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Empty {
    /// Rests until there is a date.
    #[default]
    Wait,
    /// Goes on.
    Continue,
    /// Ends.
    End,
}

fn nine() -> TimeOfDay {
    TimeOfDay::new(9, 0).unwrap_or_default()
}

fn is_nine(at: &TimeOfDay) -> bool {
    *at == nine()
}

fn half_an_hour() -> Span {
    Span::minutes(30)
}

/// See [`Element::DateTimer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DateTimer {
    /// A `date` or `datetime` field.
    pub field: FieldKey,
    /// Before (negative) or after the date; none unless given.
    #[serde(default)]
    pub offset: Span,
    /// The time of day, for a `date`; 09:00 unless given.
    #[serde(default = "nine", skip_serializing_if = "is_nine")]
    pub at: TimeOfDay,
    /// When the moment has passed.
    #[serde(default)]
    pub past: Past,
    /// When there is no date on arrival.
    #[serde(default)]
    pub empty: Empty,
    /// How late it may be delivered; 30 minutes unless given.
    #[serde(default = "half_an_hour")]
    pub grace: Span,
    /// Where the token goes when the moment has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<ElementId>,
    /// Where the token goes at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// See [`Element::Condition`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// The condition.
    pub when: Condition,
    /// When it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<ElementId>,
    /// When it does not.
    #[serde(default, rename = "else", skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<ElementId>,
}

/// See [`Element::Split`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The ways, stable per contact and run.
    pub branches: Vec<WeightedEdge>,
}

/// One way of a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightedEdge {
    /// Its share among the weights.
    pub weight: u32,
    /// Where it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// See [`Element::Tag`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeTags {
    /// Tags to assign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Tag>,
    /// Tags to withdraw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Tag>,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// See [`Element::SetField`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetField {
    /// New values; `null` clears, a text may be a template.
    pub fields: BTreeMap<FieldKey, serde_json::Value>,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// See [`Element::Reset`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// This campaign unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignId>,
    /// Where the token goes, in the new run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// See [`Element::Restart`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// The action's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A tag that is assigned as the contact restarts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
}

/// See [`Element::StopCampaign`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopCampaign {
    /// This campaign unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignId>,
    /// Whether the contact may enter again (R16).
    #[serde(default)]
    pub reset_contacts: bool,
    /// Where the token goes, if it is another campaign that is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// See [`Element::StartCampaign`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartCampaign {
    /// The campaign to enter.
    pub campaign: CampaignId,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// The HTTP methods of a [`Webhook`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum Method {
    Get,
    #[default]
    Post,
    Put,
    Patch,
    Delete,
}

/// See [`Element::Webhook`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where to; a template.
    pub url: String,
    /// POST unless given.
    #[serde(default)]
    pub method: Method,
    /// Headers; the values are templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body: a text is a template, anything else JSON whose texts are templates. The contact unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<serde_json::Value>,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// See [`Element::End`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct End {}

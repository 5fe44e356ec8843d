//! An explanation as the API shows it (R61).

use dacapo_authoring::explain::{
    ChangeTold, ExplainedMessage, ExplainedParked, Explanation, NextStep, StartJudged, TokenPlace,
};
use dacapo_engine::condition::Judged;
use dacapo_engine::enrollment::Status;
use dacapo_engine::ids::CampaignId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::call::shapes::{EnrollmentStatus, MessageStatusWord};
use crate::api::contacts::object_names::ObjectName;
use crate::contact_json::instant_text;

/// Where a contact, or one of its objects, is in a campaign, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ExplanationShape {
    /// Everything in a few sentences. Instants are in the contact's zone, which is named.
    summary: String,
    /// The contact's zone, or the account's if it has none: the sentences tell instants in it.
    time_zone: &'static str,
    #[schema(value_type = String)]
    campaign: CampaignId,
    /// Which of the contact's objects it is about; left out where it is about the contact.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<ObjectName>,
    /// `null` if it was never in the campaign; so for the run.
    #[schema(value_type = Option<EnrollmentStatus>)]
    status: Option<&'static str>,
    run: Option<u32>,
    /// Since when it stands so; `null` if the history that was read does not know it.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Why it stands so, in words; `null` if the history that was read does not know it.
    why: Option<String>,
    /// The version that applies to it; `null` if none was published.
    version: Option<u32>,
    /// Since when the campaign is paused; `null` while it runs.
    #[schema(format = DateTime)]
    paused_since: Option<String>,
    /// When the pause ends by itself.
    #[schema(format = DateTime)]
    paused_until: Option<String>,
    /// Where its paths are.
    #[serde(rename = "where")]
    places: Vec<PlaceShape>,
    /// What can come next: first what has an instant, in order of time.
    next: Vec<NextShape>,
    /// If nothing is running: the condition of the start that could fire, as a tree; of several
    /// starts, `any` of them. `null` if something is running, or if no start can fire.
    missing: Option<JudgedShape>,
    /// What came too early, and is looked at later.
    parked: Vec<ParkedShape>,
    /// The last messages, newest first, ten at most.
    last_messages: Vec<MessageToldShape>,
    /// The last changes, newest first, ten at most, and what came of each in this campaign.
    last_changes: Vec<ChangeToldShape>,
    /// Whether all of the contact's history was read; if not, the newest hundred pieces of it.
    whole_history: bool,
}

/// Where a path is.
#[derive(Debug, Serialize, ToSchema)]
struct PlaceShape {
    element: String,
    /// When it arrived.
    #[schema(format = DateTime)]
    since: String,
    /// When a timer moves it.
    #[schema(format = DateTime)]
    due: Option<String>,
    /// What it does there, in words.
    text: String,
    /// Why it arrived, in words; `null` if the history that was read does not know it.
    why: Option<String>,
}

/// Something that can come next.
#[derive(Debug, Serialize, ToSchema)]
struct NextShape {
    /// When; `null` if no clock decides it.
    #[schema(format = DateTime)]
    at: Option<String>,
    /// At which element, if at one.
    element: Option<String>,
    what: String,
}

/// A condition, or a part of one.
#[derive(Debug, Serialize, ToSchema)]
struct JudgedShape {
    /// The start whose condition it is; left out inside of a condition.
    #[schema(required = false, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    element: Option<String>,
    /// `tag`, `field`, `campaign`, `all`, `any`, `not` or `contact`.
    kind: &'static str,
    /// In words.
    text: String,
    holds: bool,
    /// Since when it has been so; `null` if that is not known.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// What it consists of.
    #[schema(no_recursion)]
    parts: Vec<JudgedShape>,
}

/// What came too early.
#[derive(Debug, Serialize, ToSchema)]
struct ParkedShape {
    /// The start or event; `null` if it is a trigger, which all starts are checked for.
    element: Option<String>,
    /// Until when; `null` if until the campaign is resumed.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// By which trigger, in words.
    because: String,
}

/// A message, and which check stopped it.
#[derive(Debug, Serialize, ToSchema)]
struct MessageToldShape {
    #[schema(format = DateTime)]
    at: String,
    run: u32,
    element: String,
    #[schema(value_type = MessageStatusWord)]
    status: &'static str,
    /// Which check stopped it, or what went wrong.
    reason: Option<String>,
}

/// A change, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
struct ChangeToldShape {
    #[schema(format = DateTime)]
    at: String,
    /// What changed, and by whom.
    text: String,
    /// What it did in this campaign; `null` if nothing.
    effect: Option<String>,
    /// Why it did nothing; `null` if it did something.
    why_not: Option<String>,
}

impl ExplanationShape {
    /// An explanation as the API shows it.
    pub(in crate::api) fn of(
        campaign: CampaignId,
        object: Option<ObjectName>,
        of: Explanation,
        whole_history: bool,
    ) -> Self {
        Self {
            summary: of.summary,
            time_zone: of.time_zone.name(),
            campaign,
            object,
            status: of.status.map(Status::word),
            run: of.run,
            since: of.since.map(instant_text),
            why: of.why,
            version: of.version,
            paused_since: of.paused_since.map(instant_text),
            paused_until: of.paused_until.map(instant_text),
            places: of.places.into_iter().map(PlaceShape::of).collect(),
            next: of.next.into_iter().map(NextShape::of).collect(),
            missing: JudgedShape::of_starts(of.starts),
            parked: of.parked.into_iter().map(ParkedShape::of).collect(),
            last_messages: of.last_messages.into_iter().map(MessageToldShape::of).collect(),
            last_changes: of.last_changes.into_iter().map(ChangeToldShape::of).collect(),
            whole_history,
        }
    }
}

impl PlaceShape {
    fn of(TokenPlace { element, since, due, text, why }: TokenPlace) -> Self {
        let (since, due) = (instant_text(since), due.map(instant_text));
        Self { element: element.to_string(), since, due, text, why }
    }
}

impl NextShape {
    fn of(NextStep { at, element, text }: NextStep) -> Self {
        let element = element.map(|element| element.to_string());
        Self { at: at.map(instant_text), element, what: text }
    }
}

impl JudgedShape {
    fn of(Judged { kind, text, holds, since, parts }: Judged) -> Self {
        let parts = parts.into_iter().map(Self::of).collect();
        Self { element: None, kind, text, holds, since: since.map(instant_text), parts }
    }

    fn of_starts(starts: Vec<StartJudged>) -> Option<Self> {
        let shape = |start: StartJudged| {
            let element = Some(start.element.to_string());
            Self { element, ..Self::of(start.condition) }
        };
        let mut parts: Vec<Self> = starts.into_iter().map(shape).collect();
        if parts.len() < 2 {
            return parts.pop();
        }
        let holds = parts.iter().any(|part| part.holds);
        let text = "any of the starts".to_owned();
        Some(Self { element: None, kind: "any", text, holds, since: None, parts })
    }
}

impl ParkedShape {
    fn of(ExplainedParked { element, until, because }: ExplainedParked) -> Self {
        let element = element.map(|element| element.to_string());
        Self { element, until: until.map(instant_text), because }
    }
}

impl MessageToldShape {
    fn of(ExplainedMessage { at, run, element, status, reason }: ExplainedMessage) -> Self {
        Self { at: instant_text(at), run, element: element.to_string(), status, reason }
    }
}

impl ChangeToldShape {
    fn of(ChangeTold { at, text, effect, why_not }: ChangeTold) -> Self {
        Self { at: instant_text(at), text, effect, why_not }
    }
}

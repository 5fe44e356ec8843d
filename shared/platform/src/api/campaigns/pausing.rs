//! Pausing and resuming campaigns: one, or all of them (R26, R51).

use std::sync::Arc;

use axum::extract::State;
use dacapo_engine::ids::CampaignId;
use dacapo_engine::time::parse_datetime;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::calls::{OptionalJson, answer};
use crate::api::Api;
use crate::api::call::auth::Holder;
use crate::api::call::extract::Path;
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::problem::Problem;
use crate::api::call::shapes::CampaignStatus;
use crate::api::call::surface::{Surface, calls};
use crate::campaigns::{Campaigns, Pause, PausedTogether, Resume, ResumedTogether};
use crate::contact_json::instant_text;
use crate::platform::Platform;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, pause, resume, pause_all, resume_all)
}

/// How a campaign stands.
#[derive(Debug, Serialize, ToSchema)]
struct Stands {
    /// `published` or `paused`.
    #[schema(value_type = CampaignStatus)]
    status: &'static str,
    /// The newest version.
    version: Option<u32>,
    /// When the pause ends by itself, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    paused_until: Option<String>,
}

impl From<&crate::campaigns::State> for Stands {
    fn from(state: &crate::campaigns::State) -> Self {
        Self {
            status: state.word(),
            version: state.version(),
            paused_until: state.paused_until().map(instant_text),
        }
    }
}

/// How to pause.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct HowToPause {
    /// When the pause ends by itself, such as `2027-01-04T08:00`, in the account's zone unless it
    /// says an offset; without it, when somebody resumes.
    #[schema(value_type = Option<String>)]
    until: Option<String>,
    /// What becomes then of what is overdue; `run` unless given. Needs `until`.
    #[schema(value_type = Option<Mode>)]
    mode: Option<Mode>,
}

impl HowToPause {
    /// What is asked for, once it is known to make sense.
    async fn read(self, platform: &Platform, holder: &Holder) -> Result<Pause, Problem> {
        let by = holder.name().to_owned();
        let Some(text) = self.until else {
            if self.mode.is_some() {
                let message =
                    "it says how a pause ends by itself, and this one does not: add `until`";
                return Err(Problem::invalid_at("mode", "without_until", message));
            }
            return Ok(Pause { by, ..Pause::default() });
        };
        let account = &platform.catalog.current().await?.account;
        let until = parse_datetime(&text, account.zone)
            .map_err(|why| Problem::invalid_at("until", "instant", why.to_string()))?;
        if until <= platform.store.now() {
            let message = format!("{} has passed; name an instant ahead", instant_text(until));
            return Err(Problem::invalid_at("until", "past", message));
        }
        Ok(Pause { until: Some(until), skip: self.mode == Some(Mode::Skip), by })
    }
}

/// Pauses a campaign: nobody enters, and contacts on their way stand still. With `until` it goes on
/// by itself then. Of a paused one this says anew until when it is paused.
#[utoipa::path(
    post, path = "/v1/campaigns/{id}/pause", tag = "Campaigns",
    params(("id" = String, Path)),
    request_body = Option<HowToPause>,
    responses(
        (status = 200, body = Stands), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem),
    ),
)]
async fn pause(
    State(api): State<Api>,
    holder: Holder,
    Path(id): Path<CampaignId>,
    once: Once,
    OptionalJson(how): OptionalJson<HowToPause>,
) -> Result<Answer, Problem> {
    let how = how.read(&api.platform, &holder).await?;
    let together = |state: &crate::campaigns::State| once.keeps(&answer(&Stands::from(state))?);
    let state = api.platform.campaigns.pause(&id, &how, together).await?;
    Ok(answer(&Stands::from(&state))?)
}

/// The campaigns that were paused together.
#[derive(Debug, Serialize, ToSchema)]
struct AllPaused {
    /// How many are paused together now.
    paused: usize,
    /// How many were paused by themselves before, and stay so.
    left: usize,
    /// When the pause ends by itself, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    paused_until: Option<String>,
}

impl From<&PausedTogether> for AllPaused {
    fn from(outcome: &PausedTogether) -> Self {
        let paused_until = outcome.until.map(instant_text);
        Self { paused: outcome.paused, left: outcome.left, paused_until }
    }
}

/// Pauses all published campaigns, such as over closing days. One that is paused by itself stays as
/// it is; one that is published later runs.
#[utoipa::path(post, path = "/v1/campaigns/pause", tag = "Campaigns",
    request_body = Option<HowToPause>,
    responses((status = 200, body = AllPaused), (status = 422, body = Problem)))]
async fn pause_all(
    State(api): State<Api>,
    holder: Holder,
    once: Once,
    OptionalJson(how): OptionalJson<HowToPause>,
) -> Result<Answer, Problem> {
    let how = how.read(&api.platform, &holder).await?;
    let together = |outcome: &PausedTogether| once.keeps(&answer(&AllPaused::from(outcome))?);
    let outcome = api.platform.campaigns.pause_all(&how, together).await?;
    Ok(answer(&AllPaused::from(&outcome))?)
}

/// How to go on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct HowToResume {
    /// What becomes of what is overdue.
    mode: Mode,
    /// Whether contacts that are there already may enter.
    enroll_existing: bool,
}

/// What becomes of what is overdue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// It is done now.
    #[default]
    Run,
    /// It is skipped, and recorded.
    Skip,
}

/// Resumes a paused campaign. One that runs is left as it is.
#[utoipa::path(
    post, path = "/v1/campaigns/{id}/resume", tag = "Campaigns",
    params(("id" = String, Path)),
    request_body = Option<HowToResume>,
    responses(
        (status = 200, body = Stands), (status = 404, body = Problem),
        (status = 409, body = Problem),
    ),
)]
async fn resume(
    State(campaigns): State<Arc<Campaigns>>,
    holder: Holder,
    Path(id): Path<CampaignId>,
    once: Once,
    OptionalJson(how): OptionalJson<HowToResume>,
) -> Result<Answer, Problem> {
    let how = Resume { skip: how.mode == Mode::Skip, enroll_existing: how.enroll_existing };
    let together = |state: &crate::campaigns::State| once.keeps(&answer(&Stands::from(state))?);
    let state = campaigns.resume(&id, how, holder.name(), together).await?;
    Ok(answer(&Stands::from(&state))?)
}

/// How all go on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct HowToResumeAll {
    /// What becomes of what is overdue.
    mode: Mode,
}

/// The campaigns that go on.
#[derive(Debug, Serialize, ToSchema)]
struct AllResumed {
    /// How many go on.
    resumed: usize,
    /// How many were paused by themselves, and stay so.
    left: usize,
}

impl From<&ResumedTogether> for AllResumed {
    fn from(outcome: &ResumedTogether) -> Self {
        Self { resumed: outcome.resumed, left: outcome.left }
    }
}

/// Resumes the campaigns that were paused together. One that was paused by itself stays paused.
#[utoipa::path(post, path = "/v1/campaigns/resume", tag = "Campaigns",
    request_body = Option<HowToResumeAll>,
    responses((status = 200, body = AllResumed), (status = 422, body = Problem)))]
async fn resume_all(
    State(campaigns): State<Arc<Campaigns>>,
    holder: Holder,
    once: Once,
    OptionalJson(how): OptionalJson<HowToResumeAll>,
) -> Result<Answer, Problem> {
    let together = |outcome: &ResumedTogether| once.keeps(&answer(&AllResumed::from(outcome))?);
    let skip = how.mode == Mode::Skip;
    let outcome = campaigns.resume_all(skip, holder.name(), together).await?;
    Ok(answer(&AllResumed::from(&outcome))?)
}

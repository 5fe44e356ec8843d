//! Publishing, and what it would do.

use axum::extract::State;
use axum::http::HeaderMap;
use dacapo_engine::ids::CampaignId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::calls::{Finding, OptionalJson, answer};
use super::foreseeing::Foresight;
use super::foreseen::{Foreseen, HowToPublish, InFlight};
use super::preconditions::{CHANGED, ChangedDraft, Preconditions, SEEN};
use crate::api::Api;
use crate::api::call::auth::Holder;
use crate::api::call::extract::{Path, Query};
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::problem::{MEDIA_TYPE, Problem};
use crate::api::call::surface::{Surface, calls};
use crate::campaigns::Publish;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, publish)
}

/// Whether it is really published.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct WhetherToPublish {
    /// Whether it is only said what publishing would do: nothing is written.
    #[param(required = false)]
    #[serde(default)]
    dry_run: bool,
}

/// A version that was published.
#[derive(Debug, Serialize, ToSchema)]
struct Published {
    version: u32,
    /// What the lints find in it: worth a look, and no more than 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Finding>,
}

/// What came of publishing, or what would come of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum PublishAnswer {
    Published(Published),
    Foreseen(Box<Foreseen>),
}

/// Publishes the draft as a new version, which never changes. With `dry_run=true` nothing is
/// written, and the answer says what publishing would do: what is different, who waits where, and
/// who in flight would go elsewhere.
#[utoipa::path(post, path = "/v1/campaigns/{id}/publish", tag = "Campaigns",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = SEEN),
    WhetherToPublish),
    request_body = Option<HowToPublish>,
    responses((status = 200, body = PublishAnswer), (status = 404, body = Problem),
        (status = 412, body = ChangedDraft, content_type = MEDIA_TYPE, description = CHANGED),
        (status = 422, body = Problem)))]
async fn publish(
    State(api): State<Api>,
    holder: Holder,
    Path(id): Path<CampaignId>,
    Query(whether): Query<WhetherToPublish>,
    headers: HeaderMap,
    once: Once,
    OptionalJson(how): OptionalJson<HowToPublish>,
) -> Result<Answer, Problem> {
    if whether.dry_run {
        // Nothing is written, so there is nothing to repeat.
        once.shows_anew();
        let only_if = Preconditions::of(&headers)?.into_only_if();
        let foreseen = Foresight(&api.platform).foresee(&id, &how, &only_if).await?;
        return Answer::ok(&PublishAnswer::Foreseen(Box::new(foreseen)));
    }
    if how.source.is_some() {
        let message = "what is published is the draft; save the document as the draft first, or \
                       add `?dry_run=true`";
        return Err(Problem::invalid_at("source", "contradiction", message));
    }
    let campaigns = &api.platform.campaigns;
    let migrate = how.in_flight == InFlight::Migrate;
    let only_if = Preconditions::of(&headers)?.into_only_if();
    let how = Publish { enroll_existing: how.enroll_existing, migrate, only_if };
    let found = campaigns.findings(&id).await?;
    let published = |version: u32| {
        let problems = found.iter().cloned().map(Finding::from).collect();
        answer(&PublishAnswer::Published(Published { version, problems }))
    };
    let together = |version: &u32| once.keeps(&published(*version)?);
    let version = campaigns.publish(&id, how, holder.name(), together).await?;
    Ok(published(version)?)
}

//! Drafts: read, saved and deleted, and who comes too late.
//!
//! A document is received and sent as text. It is never turned into a JSON value in between: the
//! order of its elements has a meaning. What a caller has seen is named by the draft's entity tag
//! (`preconditions`).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dacapo_engine::campaign::reader;
use dacapo_engine::ids::CampaignId;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::call::auth::Holder;
use crate::api::call::describing::CampaignDocument;
use crate::api::call::extract::{Path, Query};
use crate::api::call::idempotency::Answer;
use crate::api::call::problem::{Fault, MEDIA_TYPE, Problem};
use crate::api::call::room::Room;
use crate::api::call::surface::{Surface, calls};
use crate::api::campaigns::calls::{Findings, Text};
use crate::api::campaigns::preconditions::{
    CHANGED, ChangedDraft, Preconditions, Read, SEEN, refused, tag, tag_of_json,
};
use crate::campaigns::{CampaignError, Campaigns, Changed, LONGEST_DRAFT};
use crate::error::Error;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, get, put, delete)
}

/// Which document, and how it is written.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// A published version instead of the draft.
    version: Option<u32>,
    /// How: `json` unless the header `Accept` asks for YAML.
    #[param(inline)]
    format: Option<Format>,
}

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// As JSON.
    Json,
    /// As it was saved: YAML, or JSON, which is YAML too.
    Yaml,
}

/// The draft, or a published version. A draft has an `ETag`, which differs as JSON and as it was
/// written; `If-None-Match` answers 304 to who has it already.
#[utoipa::path(
    get, path = "/v1/campaigns/{id}", tag = "Campaigns",
    params(
        ("id" = String, Path), Wanted,
        (
            "If-None-Match" = Option<String>, Header,
            description = "The `ETag` of what you have: 304 if it is still that",
        ),
    ),
    responses(
        (
            status = 200, description = "The document, as /v1/campaign-schema.json describes it",
            headers(("ETag" = String, description = "Of a draft: what names it in `If-Match` and `If-None-Match`")),
            content((CampaignDocument = "application/json"), (CampaignDocument = "application/yaml")),
        ),
        (status = 304, description = "You have it already"), (status = 404, body = Problem),
        (status = 412, body = ChangedDraft, content_type = MEDIA_TYPE, description = CHANGED),
    ),
)]
async fn get(
    State(campaigns): State<Arc<Campaigns>>,
    Path(id): Path<CampaignId>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let conditions = Preconditions::of(&headers)?;
    let (source, draft) = match wanted.version {
        Some(version) => (campaigns.published(&id, version).await?.source, None),
        None => {
            let draft = campaigns.draft(&id).await?;
            (draft.source.clone(), Some(draft))
        }
    };
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let asks_for_yaml = accept.is_some_and(|accept| accept.to_ascii_lowercase().contains("yaml"));
    let format = wanted.format.unwrap_or(if asks_for_yaml { Format::Yaml } else { Format::Json });
    let (kind, text) = match format {
        Format::Yaml => ("application/yaml", source),
        Format::Json => ("application/json", short_enough(as_json(source)?)?),
    };
    let shown = ([(header::CONTENT_TYPE, kind), (header::VARY, "Accept")], text);
    let Some(draft) = draft else { return Ok(shown.into_response()) };
    let tag = match format {
        Format::Yaml => tag(&draft.identity),
        Format::Json => tag_of_json(&draft.identity, &shown.1),
    };
    let tagged = [
        (header::ETAG, tag.clone()),
        (header::VARY, "Accept".to_owned()),
        // No cache answers a call that has no key.
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
    ];
    match conditions.read(&tag) {
        Read::Answered => Ok((tagged, shown).into_response()),
        Read::NotModified => Ok((StatusCode::NOT_MODIFIED, tagged).into_response()),
        Read::Refused => {
            let changed = Changed { campaign: id, draft: Some(draft), difference: None };
            Err(CampaignError::Changed(Box::new(changed)).into())
        }
    }
}

/// A document as JSON, if an answer holds it.
fn short_enough(text: String) -> Result<String, Problem> {
    let mut room = Room::WHOLE;
    if room.holds(text.as_bytes()) {
        return Ok(text);
    }
    let message =
        "as JSON the document is longer than an answer may be; take it as it was written: `yaml`";
    Err(Problem::invalid_at("format", "too_large", message))
}

/// The document as JSON: as it was written, if it was.
fn as_json(source: String) -> Result<String, Problem> {
    if serde_json::from_str::<IgnoredAny>(&source).is_ok() {
        return Ok(source);
    }
    let unreadable = |why: String| Error::from(crate::table::Unreadable(why));
    let source = reader::read(&source).map_err(|problems| {
        let first = problems.first().map(|problem| problem.message.clone());
        unreadable(first.unwrap_or_default())
    })?;
    Ok(serde_json::to_string(&source.document).map_err(|error| unreadable(error.to_string()))?)
}

/// A draft that was saved.
#[derive(Debug, Serialize, ToSchema)]
struct Saved {
    #[schema(value_type = String)]
    id: CampaignId,
    /// The name that people see: the published one's, once there is one.
    name: String,
    /// What keeps it from being published, or is odd. It is saved nevertheless.
    #[serde(flatten)]
    findings: Findings,
}

/// Saves the draft, YAML or JSON. What keeps it from being published is answered and saved; only
/// what cannot be read is refused. The `ETag` is that of the draft as it was written; there is none
/// if the document did not come in UTF-8, since it is kept so.
#[utoipa::path(
    put, path = "/v1/campaigns/{id}", tag = "Campaigns",
    params(
        ("id" = String, Path), ("If-Match" = Option<String>, Header, description = SEEN),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if there is none yet"),
    ),
    request_body(
        description = "The document, as /v1/campaign-schema.json describes it",
        content( (CampaignDocument = "application/json"), (CampaignDocument = "application/yaml")),
    ),
    responses(
        (
            status = 200, body = Saved,
            headers(("ETag" = String, description = "What names the draft in `If-Match`")),
        ),
        (
            status = 201, body = Saved,
            headers(("ETag" = String, description = "What names the draft in `If-Match`")),
        ),
        (status = 412, body = ChangedDraft, content_type = MEDIA_TYPE, description = CHANGED),
        (status = 422, body = Problem),
    ),
)]
async fn put(
    State(campaigns): State<Arc<Campaigns>>,
    holder: Holder,
    Path(id): Path<CampaignId>,
    headers: HeaderMap,
    Text { text, as_sent }: Text,
) -> Result<Response, Problem> {
    let only_if = Preconditions::of(&headers)?.into_only_if();
    let saved = campaigns.put_draft(&id, &text, holder.name(), &only_if).await?;
    let status = if saved.created { StatusCode::CREATED } else { StatusCode::OK };
    let findings = Findings::of(saved.problems)?;
    let answer = Answer::new(status, &Saved { id, name: saved.name, findings })?;
    // RFC 9110, section 9.3.4: no tag unless what came is what is kept, byte by byte.
    let tag = as_sent.then(|| [(header::ETAG, tag(&saved.identity))]);
    Ok(match tag {
        Some(tag) => (tag, answer).into_response(),
        None => answer.into_response(),
    })
}

/// Deletes a campaign. A published one must have no active contacts; its versions, history and
/// messages stay.
#[utoipa::path(delete, path = "/v1/campaigns/{id}", tag = "Campaigns",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = SEEN)),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 412, body = ChangedDraft, content_type = MEDIA_TYPE, description = CHANGED)))]
async fn delete(
    State(campaigns): State<Arc<Campaigns>>,
    Path(id): Path<CampaignId>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    campaigns.delete(&id, &Preconditions::of(&headers)?.into_only_if()).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<CampaignError> for Problem {
    fn from(error: CampaignError) -> Self {
        match error {
            CampaignError::NoSuchCampaign(_) | CampaignError::NoSuchVersion(..) => {
                Self::not_found(error.to_string())
            }
            CampaignError::NotPublished(_) | CampaignError::InUse { .. } => {
                Self::conflict(error.to_string())
            }
            CampaignError::TooLarge { .. } => Self::too_large(LONGEST_DRAFT),
            CampaignError::Invalid(problems) => {
                Self::invalid(problems.into_iter().map(Fault::from).collect())
            }
            CampaignError::Changed(changed) => refused(*changed),
            CampaignError::Failed(error) => error.into(),
        }
    }
}

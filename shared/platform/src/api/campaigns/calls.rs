//! Campaigns: the list, and validating. `drafts` has the documents, `publishing` publishes.

use std::sync::Arc;

use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use dacapo_engine::campaign::schema;
use dacapo_engine::ids::CampaignId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::api::call::charset;
use crate::api::call::describing::CampaignDocument;
use crate::api::call::extract::{Path, Query, json, whole};
use crate::api::call::idempotency::Answer;
use crate::api::call::lists::{Listed, Page, Paging, filled};
use crate::api::call::openapi::open_document;
use crate::api::call::problem::{Fault, Problem};
use crate::api::call::room::{Room, place, sentence};
use crate::api::call::shapes::CampaignStatus;
use crate::api::call::surface::{Surface, calls};
use crate::campaigns::Campaigns;
use crate::contact_json::{instant_json, instant_text};
use crate::error::Error;
use crate::table::Unwritable;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, list, validate, document_schema)
}

/// A campaign in the list.
#[derive(Debug, Serialize, ToSchema)]
struct CampaignItem {
    #[schema(value_type = String)]
    id: CampaignId,
    /// The name that people see.
    name: String,
    /// `draft`, `published` or `paused`.
    #[schema(value_type = CampaignStatus)]
    status: &'static str,
    /// The newest version; `null` for a draft.
    version: Option<u32>,
    /// When it was published.
    #[schema(value_type = Option<String>, format = DateTime)]
    published_at: serde_json::Value,
    /// Whether the draft says something that is not published yet.
    draft: bool,
    /// When its pause ends by itself, if it is paused and does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    paused_until: Option<String>,
}

impl From<crate::campaigns::Listed> for CampaignItem {
    fn from(listed: crate::campaigns::Listed) -> Self {
        Self {
            status: listed.state.word(),
            version: listed.state.version(),
            paused_until: listed.state.paused_until().map(instant_text),
            published_at: listed.published_at.map(instant_json).unwrap_or_default(),
            id: listed.id,
            name: listed.name,
            draft: listed.draft,
        }
    }
}

/// The campaigns, in order of id.
#[utoipa::path(get, path = "/v1/campaigns", tag = "Campaigns", params(Paging),
    responses((status = 200, body = Page<CampaignItem>)))]
async fn list(
    State(campaigns): State<Arc<Campaigns>>,
    Query(paging): Query<Paging>,
) -> Result<Listed<CampaignItem>, Problem> {
    let begin = (paging.limit()?, paging.after(LISTED)?);
    let all = campaigns.list().await?;
    let items = all.into_iter().map(|each| (each.id.to_string(), CampaignItem::from(each)));
    filled(begin, LISTED, items)
}

/// The prefix of a cursor of the list.
const LISTED: &str = "campaigns";

/// A finding of the validator.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Finding {
    /// `error`: keeps the campaign from being published; `warning`: is worth a look.
    #[schema(value_type = String)]
    severity: dacapo_engine::problem::Severity,
    /// What kind of thing, stable.
    code: &'static str,
    /// Where in the document, dotted; empty for the whole.
    #[serde(serialize_with = "place")]
    path: String,
    /// The line in the text, from 1.
    line: Option<u32>,
    /// The column in the line, from 1.
    column: Option<u32>,
    /// What is wrong.
    #[serde(serialize_with = "sentence")]
    message: String,
    /// What to do about it.
    #[serde(serialize_with = "sentence")]
    remedy: String,
}

impl From<dacapo_engine::problem::Problem> for Finding {
    fn from(problem: dacapo_engine::problem::Problem) -> Self {
        let dacapo_engine::problem::Problem { severity, code, path, line, column, message, remedy } =
            problem;
        Self { severity, code, path, line, column, message, remedy }
    }
}

/// What is wrong or odd with a document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Findings {
    /// In order of place: several hundred at most.
    problems: Vec<Finding>,
}

impl Findings {
    /// As many as an answer holds.
    pub(super) fn of(all: Vec<dacapo_engine::problem::Problem>) -> Result<Self, Error> {
        let (mut room, mut problems) = (Room::WHOLE, Vec::new());
        for finding in all.into_iter().map(Finding::from) {
            if !room.holds_item(&finding)? {
                break;
            }
            problems.push(finding);
        }
        Ok(Self { problems })
    }
}

/// What is wrong or odd with the document in the body; without one, with the draft.
#[utoipa::path(
    post, path = "/v1/campaigns/{id}/validate", tag = "Campaigns",
    params(("id" = String, Path)),
    request_body(
        description = "The document, YAML or JSON; the draft without one",
        content(
            (Option<CampaignDocument> = "application/json"),
            (Option<CampaignDocument> = "application/yaml"),
        ),
    ),
    responses((status = 200, body = Findings), (status = 404, body = Problem)),
)]
async fn validate(
    State(campaigns): State<Arc<Campaigns>>,
    Path(id): Path<CampaignId>,
    Text { text, .. }: Text,
) -> Result<Answer, Problem> {
    let text = match text.trim() {
        "" => campaigns.draft(&id).await?.source,
        _ => text,
    };
    Answer::ok(&Findings::of(campaigns.validate(&id, &text).await?)?)
}

/// The JSON Schema of the campaign document: open, so that editors can load it.
#[utoipa::path(
    get, path = "/v1/campaign-schema.json", tag = "Campaigns",
    responses(
        (
            status = 200, body = std::collections::BTreeMap<String, serde_json::Value>,
            content_type = "application/schema+json",
        ),
    ),
)]
async fn document_schema() -> Response {
    open_document("application/schema+json", schema::JSON_SCHEMA)
}

pub(super) fn answer<T: Serialize>(body: &T) -> Result<Answer, Error> {
    Answer::ok(body).map_err(|_| Unwritable::NoObject.into())
}

/// A body as text. Whether it is YAML or JSON is recognised from it, whatever is declared: one
/// reader reads both.
pub(super) struct Text {
    pub(super) text: String,
    /// Whether it came in these bytes, and not in another charset.
    pub(super) as_sent: bool,
}

impl<S: Sync> FromRequest<S> for Text {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = whole(&parts, body).await?;
        let text = charset::text(&parts, &body)?.into_owned();
        let as_sent = text.as_bytes() == body;
        Ok(Self { text, as_sent })
    }
}

/// An optional JSON body.
pub(super) struct OptionalJson<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = whole(&parts, body).await?;
        if body.trim_ascii().is_empty() {
            Ok(Self(T::default()))
        } else {
            json(&parts, &body).map(Self)
        }
    }
}

impl From<dacapo_engine::problem::Problem> for Fault {
    fn from(problem: dacapo_engine::problem::Problem) -> Self {
        Self {
            line: problem.line,
            column: problem.column,
            remedy: Some(problem.remedy),
            ..Self::new(problem.path, problem.code, problem.message)
        }
    }
}

//! Drawing: a campaign as a picture, with the counts and a contact's way on it.

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use dacapo_authoring::graph::{ContactPath, Count, Picture, PictureOverlay};
use dacapo_engine::campaign::reader::read as read_document;
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::history::Line;
use dacapo_engine::ids::{CampaignId, ContactId};
use serde::Deserialize;

use crate::api::Api;
use crate::api::call::extract::{Path, Query};
use crate::api::call::problem::{Fault, Problem};
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::calls::contact_named;
use crate::api::contacts::object_names::subject_of;
use crate::handlers::StoredHistory;
use crate::keys::{Keys, is_trace, subject_in};
use crate::platform::Platform;
use crate::store::read;

/// How many decisions of a contact a way is drawn from at most, the newest.
const MOST_DECISIONS: usize = 1_000;

/// A picture is shown as an image. Opened by itself it runs and loads nothing, whatever is in it.
const SAFE: [(HeaderName, HeaderValue); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    ),
];

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, svg, mermaid)
}

/// What is drawn.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct WhatToDraw {
    /// A published version instead of the draft.
    version: Option<u32>,
    /// Whether it shows how many were at each element, and how many are there now: in all versions,
    /// by the element's id.
    #[param(required = false)]
    #[serde(default)]
    counts: bool,
    /// A contact whose way is marked, in all its runs: its id, or `email:ann@example.com`.
    contact: Option<String>,
    /// In a campaign about objects, the object of the contact, such as `appointment/evt-7`.
    object: Option<String>,
}

/// What pictures are made from.
struct Drawing<'a>(&'a Platform);

/// The campaign as an SVG image for light and dark ground: a box for each element, an arrow for
/// each edge. It may show the counts, and a contact's way.
#[utoipa::path(
    get, path = "/v1/campaigns/{id}/graph.svg", tag = "Campaigns",
    params(("id" = String, Path), WhatToDraw),
    responses(
        (status = 200, body = String, content_type = "image/svg+xml"),
        (status = 404, body = Problem), (status = 422, body = Problem),
    ),
)]
async fn svg(
    State(api): State<Api>,
    Path(id): Path<CampaignId>,
    Query(what): Query<WhatToDraw>,
) -> Result<Response, Problem> {
    let picture = Drawing(&api.platform).picture(&id, &what).await?;
    let svg = api.platform.blocking.run(move || picture.as_svg()).await?;
    Ok((SAFE, [(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response())
}

/// The same as a flowchart of Mermaid.
#[utoipa::path(
    get, path = "/v1/campaigns/{id}/graph.mmd", tag = "Campaigns",
    params(("id" = String, Path), WhatToDraw),
    responses(
        (status = 200, body = String, content_type = "text/plain"), (status = 404, body = Problem),
        (status = 422, body = Problem),
    ),
)]
async fn mermaid(
    State(api): State<Api>,
    Path(id): Path<CampaignId>,
    Query(what): Query<WhatToDraw>,
) -> Result<Response, Problem> {
    let picture = Drawing(&api.platform).picture(&id, &what).await?;
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((SAFE, kind, picture.as_mermaid()).into_response())
}

impl Drawing<'_> {
    async fn picture(&self, id: &CampaignId, what: &WhatToDraw) -> Result<Picture, Problem> {
        let text = self.0.campaigns.text(id, what.version).await?;
        let source = read_document(&text).map_err(|problems| {
            Problem::invalid(problems.into_iter().map(Fault::from).collect())
        })?;
        let counts = if what.counts {
            let all = self.0.campaigns.statistics(id).await?.elements.into_iter();
            Some(
                all.map(|(id, it)| (id, Count { entered: it.entered, at: it.at }))
                    .collect_compactly(),
            )
        } else {
            None
        };
        let way = match (&what.contact, &what.object) {
            (Some(contact), object) => Some(self.way(id, contact, object.as_deref()).await?),
            (None, None) => None,
            (None, Some(_)) => {
                let message = "an object belongs to a contact; name it in `contact`";
                return Err(Problem::invalid_at("object", "parameter", message));
            }
        };
        Picture::of(&source.document, &PictureOverlay { counts, way })
            .map_err(|error| Problem::invalid_at("elements", "too_many_elements", error))
    }

    /// The way of a contact, or of an object of it, from its history.
    async fn way(
        &self,
        id: &CampaignId,
        name: &str,
        object: Option<&str>,
    ) -> Result<ContactPath, Problem> {
        let contact = contact_named(&self.0.contacts, name).await?;
        let loaded = self.0.catalog.current().await?;
        let subject =
            subject_of(&loaded.catalog, &self.0.objects, &contact.id, (object, false), id).await?;
        let mut lines = self.recorded(id, &contact.id, &subject).await?;
        let state = self.0.decisions.state(&subject, id).await?;
        let who = object.map_or_else(|| name.to_owned(), |object| format!("{object} of {name}"));
        let mut way = ContactPath { who, ..ContactPath::default() };
        if let Some(state) = state {
            // What the last decision did is recorded a little later.
            let deferred = state.deferred.map(|deferred| deferred.records).unwrap_or_default();
            lines.extend(deferred.into_iter().flat_map(|record| record.lines));
            way.rests.extend(state.enrollment.tokens.into_iter().map(|token| token.element));
        }
        for line in &lines {
            way.comes(line.what.kind(), line.element.as_ref());
        }
        Ok(way)
    }

    /// What the newest decisions did, oldest first.
    async fn recorded(
        &self,
        id: &CampaignId,
        person: &ContactId,
        subject: &ContactId,
    ) -> Result<Vec<Line>, Problem> {
        let partition = self.0.store.keys.contact_partition(person);
        let query = crate::table::Query::of(&partition).prefix(Keys::HISTORY).descending().strong();
        let (mut newest_first, mut cursor, mut looked_at) = (Vec::new(), None, 0);
        loop {
            let page = self.0.store.table.query(query.clone().limit(MOST_DECISIONS).after(cursor));
            let page = page.await.map_err(crate::error::Error::from)?;
            looked_at += page.items.len();
            for stored in &page.items {
                if is_trace(&stored.key) || subject_in(&stored.key).as_ref() != Some(subject) {
                    continue;
                }
                let StoredHistory { campaign, records, .. } = read(stored)?;
                if campaign == *id {
                    newest_first.push(records);
                }
            }
            cursor = page.cursor;
            if cursor.is_none() || looked_at >= MOST_DECISIONS {
                break;
            }
        }
        let records = newest_first.into_iter().rev().flatten();
        Ok(records.flat_map(|record| record.lines).collect())
    }
}

//! Contacts as CSV: written page by page, however many there are. An import reads it back.
//!
//! A Lambda answers at once and with 6 MB at most, so a file can be had in parts: `limit` rows, and in a header where the
//! next part begins.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use dacapo_engine::contact::Contact;
use dacapo_engine::field::built_in;
use dacapo_engine::ids::FieldKey;
use serde::Deserialize;
use serde_json::Value;

use super::Api;
use super::contacts::Which;
use super::csv_guard::guarded;
use super::extract::Query;
use super::lists::foreign_cursor;
use super::people::Wanted;
use super::problem::Problem;
use super::surface::{Surface, calls};
use super::tag_lists;
use crate::contact_json::{instant_text, suppression_word};
use crate::contacts::consent_word;
use crate::table::Cursor;

/// How many contacts are written at once.
const AT_ONCE: usize = 200;

/// The columns before those of the account's fields.
const COLUMNS: [&str; 9] = [
    "id",
    "email",
    "first_name",
    "last_name",
    "phone",
    "time_zone",
    "locale",
    "consent",
    "suppressed",
];

/// The columns behind them.
const LAST: [&str; 4] = ["tags", "rev", "created_at", "updated_at"];

pub(super) fn routes<S: Surface>(on: S) -> S {
    calls!(on, export)
}

const HEADERS: [(HeaderName, &str); 2] = [
    (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
    (header::CONTENT_DISPOSITION, "attachment; filename=\"contacts.csv\""),
];

/// Where the next part of the file begins.
const NEXT_CURSOR: HeaderName = HeaderName::from_static("dacapo-next-cursor");

/// The most rows of a part.
const MOST: usize = 10_000;

/// Which part of the file; all of it, if nothing is said.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Part {
    /// How many contacts, 1 to 10,000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    limit: Option<String>,
    /// The header `Dacapo-Next-Cursor` of the part before.
    cursor: Option<String>,
}

impl Part {
    fn limit(&self) -> Result<Option<usize>, Problem> {
        match self.limit.as_deref().map(str::parse) {
            None => Ok(None),
            Some(Ok(limit)) if (1..=MOST).contains(&limit) => Ok(Some(limit)),
            Some(_) => {
                let message = format!("a whole number from 1 to {MOST} is needed");
                Err(Problem::invalid_at("limit", "parameter", message))
            }
        }
    }

    fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        self.cursor.as_deref().map(|text| text.parse().map_err(|_| foreign_cursor())).transpose()
    }
}

/// Exports contacts as CSV, in order of id, with a column for every field of the account: all of them, or `limit` of them,
/// and then `Dacapo-Next-Cursor` tells where the next part begins, if there is one. Every part has the row of headings.
#[utoipa::path(get, path = "/v1/contacts/export", tag = "Contacts", params(Which, Part),
    responses((status = 200, body = String, content_type = "text/csv"), (status = 422, body = Problem)))]
async fn export(
    State(api): State<Api>,
    Query(which): Query<Which>,
    Query(part): Query<Part>,
) -> Result<Response, Problem> {
    let wanted = which.wanted()?;
    let (limit, cursor) = (part.limit()?, part.cursor()?);
    let fields = api.platform.catalog().await?.catalog.fields.keys().cloned().collect();
    let export = Export { api, wanted, fields };
    let head =
        written(|csv| csv.write_record(export.columns().map(|cell| guarded(cell).into_owned())))?;
    if let Some(limit) = limit {
        return export.part(head, limit, cursor).await;
    }
    let begin = (export, Next::Head(head));
    let pages = futures_util::stream::try_unfold(begin, |(export, next)| async move {
        let cursor = match next {
            Next::Head(head) => return Ok(Some((head, (export, Next::From(None))))),
            Next::From(cursor) => cursor,
            Next::Nothing => return Ok(None),
        };
        let (text, next) =
            export.page(AT_ONCE, cursor).await.map_err(|problem| broken_off(&problem))?;
        Ok::<_, std::io::Error>(Some((text, (export, next))))
    });
    Ok((HEADERS, Body::from_stream(pages)).into_response())
}

struct Export {
    api: Api,
    wanted: Wanted,
    fields: Vec<FieldKey>,
}

/// What is written next.
enum Next {
    Head(Bytes),
    From(Option<Cursor>),
    Nothing,
}

impl Export {
    fn columns(&self) -> impl Iterator<Item = &str> {
        let fields = self.fields.iter().map(FieldKey::as_str);
        COLUMNS.into_iter().chain(fields).chain(LAST)
    }

    /// So many rows, in memory.
    async fn part(
        &self,
        head: Bytes,
        limit: usize,
        mut cursor: Option<Cursor>,
    ) -> Result<Response, Problem> {
        let (mut text, mut rest) = (head.to_vec(), limit);
        while rest > 0 {
            let rows = rest.min(AT_ONCE);
            let (more, next) = self.page(rows, cursor).await?;
            text.extend_from_slice(&more);
            rest -= rows;
            cursor = match next {
                Next::From(cursor) => cursor,
                Next::Head(_) | Next::Nothing => None,
            };
            if cursor.is_none() {
                break;
            }
        }
        let mut response = (HEADERS, text).into_response();
        if let Some(cursor) = cursor.and_then(|cursor| cursor.to_string().parse().ok()) {
            response.headers_mut().insert(NEXT_CURSOR, cursor);
        }
        Ok(response)
    }

    async fn page(&self, rows: usize, cursor: Option<Cursor>) -> Result<(Bytes, Next), Problem> {
        let page = self.api.platform.people(&self.wanted, rows, cursor).await?;
        let text = written(|csv| {
            page.items.iter().try_for_each(|contact| {
                csv.write_record(self.row(contact).iter().map(|cell| guarded(cell).into_owned()))
            })
        })?;
        let next = page.cursor.map_or(Next::Nothing, |cursor| Next::From(Some(cursor)));
        Ok((text, next))
    }

    fn row(&self, contact: &Contact) -> Vec<String> {
        let mut row = vec![contact.id.to_string()];
        let built_in = COLUMNS.iter().filter(|column| built_in(column).is_some());
        row.extend(built_in.map(|column| contact.text(column).unwrap_or_default().to_owned()));
        row.push(consent_word(contact.consent).to_owned());
        row.push(contact.suppressed.map(suppression_word).unwrap_or_default().to_owned());
        row.extend(self.fields.iter().map(|key| match contact.fields.get(key) {
            Some(value) => match value.to_json() {
                Value::String(text) => text,
                other => other.to_string(),
            },
            None => String::new(),
        }));
        row.push(tag_lists::written(contact.tags.keys()));
        row.push(contact.rev.to_string());
        row.push(instant_text(contact.created_at));
        row.push(instant_text(contact.updated_at));
        row
    }
}

/// What is written into memory.
fn written(
    write: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> Result<(), csv::Error>,
) -> Result<Bytes, Problem> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let failed = |why: String| Problem::not_now(format!("the file could not be written: {why}"));
    write(&mut csv).map_err(|error| failed(error.to_string()))?;
    csv.into_inner().map(Bytes::from).map_err(|error| failed(error.to_string()))
}

/// The reader has half of it already: the connection breaks off.
fn broken_off(problem: &Problem) -> std::io::Error {
    tracing::warn!(status = problem.status().as_u16(), "an export broke off");
    std::io::Error::other("the export broke off")
}

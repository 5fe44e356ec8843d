//! Contacts as CSV: written page by page, however many there are. An import reads it back.
//!
//! The transport may carry an answer only in one piece, of a bounded length (`room`). So a file can
//! be exported in parts: up to `limit` rows, as many as an answer holds, and a header says where
//! the next part begins. Without `limit` the file is sent completely or not at all: a part must not
//! be taken for the whole file.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use dacapo_engine::contact::Contact;
use dacapo_engine::field::{FieldValue, built_in};
use dacapo_engine::ids::{ContactId, FieldKey};
use futures_util::future::ready;
use futures_util::stream::{self, StreamExt as _};
use serde::Deserialize;
use serde_json::Value;

use crate::api::call::extract::Query;
use crate::api::call::lists::foreign_cursor;
use crate::api::call::problem::Problem;
use crate::api::call::room::{InOnePiece, Room};
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::calls::Which;
use crate::api::contacts::csv::guard::guarded;
use crate::api::contacts::listing::{ListedEntry, Wanted};
use crate::api::contacts::tag_lists;
use crate::catalog::CatalogStore;
use crate::contact_json::{instant_text, suppression_word};
use crate::contacts::consent_word;
use crate::store::Store;
use crate::table::Cursor;

/// How many contacts are written at once.
const CONTACTS_AT_ONCE: usize = 200;

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

/// The columns after them.
pub(in crate::api) const LAST: [&str; 4] = ["tags", "rev", "created_at", "updated_at"];

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, export)
}

/// The name of the file, as a header says it.
const FILE: &str = "attachment; filename=\"contacts.csv\"";

/// Where the next part of the file begins.
const NEXT_CURSOR: HeaderName = HeaderName::from_static("dacapo-next-cursor");

/// The most rows of a part.
const MOST_ROWS: usize = 10_000;

/// Which part of the file; all of it, if nothing is said.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Part {
    /// How many contacts at most, 1 to 10,000. A part ends before that where an answer holds no
    /// more.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    limit: Option<String>,
    /// The header `Dacapo-Next-Cursor` of the part before.
    cursor: Option<String>,
}

impl Part {
    pub(in crate::api) fn limit(&self) -> Result<Option<usize>, Problem> {
        match self.limit.as_deref().map(str::parse) {
            None => Ok(None),
            Some(Ok(limit)) if (1..=MOST_ROWS).contains(&limit) => Ok(Some(limit)),
            Some(_) => {
                let message = format!("a whole number from 1 to {MOST_ROWS} is needed");
                Err(Problem::invalid_at("limit", "parameter", message))
            }
        }
    }

    pub(in crate::api) fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        let cursor = self.cursor.as_deref().filter(|cursor| !cursor.is_empty());
        cursor.map(|text| text.parse().map_err(|_| foreign_cursor())).transpose()
    }

    /// The answer: these rows, and where the next ones begin, if there are more.
    ///
    /// # Errors
    ///
    /// 422 if there are more, and no part was asked for.
    pub(in crate::api) fn answer(
        &self,
        file: &'static str,
        text: Bytes,
        next: Option<&Cursor>,
    ) -> Result<Response, Problem> {
        if next.is_some() && self.limit.is_none() {
            let message = format!(
                "one answer does not hold all of them; take them in parts: send `limit`, 1 to \
                 {MOST_ROWS}, and for the next part `cursor` with the header Dacapo-Next-Cursor of \
                 the part before"
            );
            return Err(Problem::invalid_at("limit", "too_large", message));
        }
        let mut response = csv_of(file, text.into());
        if let Some(Ok(next)) = next.map(|next| next.to_string().parse()) {
            response.headers_mut().insert(NEXT_CURSOR, next);
        }
        Ok(response)
    }
}

/// An answer that is a file of CSV.
fn csv_of(file: &'static str, body: Body) -> Response {
    let kind = "text/csv; charset=utf-8";
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, file)];
    (headers, body).into_response()
}

/// Exports contacts as CSV, in order of id, with a column for every field of the account: all of
/// them, or `limit` of them at most, and then `Dacapo-Next-Cursor` tells where the next part
/// begins, if there is one. Every part has the row of headings. A contact that cannot be read has
/// its id, and the reason in the column `rev`. 422 for all of them where an answer
/// does not hold them: then there is nothing but parts.
#[utoipa::path(
    get, path = "/v1/contacts/export", tag = "Contacts",
    params(Which, Part),
    responses(
        (status = 200, body = String, content_type = "text/csv"), (status = 422, body = Problem),
    ),
)]
async fn export(
    State(store): State<Arc<Store>>,
    State(catalog): State<Arc<CatalogStore>>,
    in_one_piece: Option<Extension<InOnePiece>>,
    Query(which): Query<Which>,
    Query(part): Query<Part>,
) -> Result<Response, Problem> {
    let wanted = which.wanted(&catalog).await?;
    let (limit, cursor) = (part.limit()?, part.cursor()?);
    let fields = catalog.current().await?.catalog.fields.keys().cloned().collect();
    let export = Export { store, wanted, fields };
    if limit.is_none() && in_one_piece.is_none() {
        return export.whole(cursor).await;
    }
    let limit_of_rows = limit.unwrap_or(usize::MAX);
    let (text, next) = export.written(Rows::default(), true, limit_of_rows, cursor).await?;
    part.answer(FILE, text, next.as_ref())
}

struct Export {
    store: Arc<Store>,
    wanted: Wanted,
    fields: Vec<FieldKey>,
}

impl Export {
    fn columns(&self) -> impl Iterator<Item = &str> {
        let fields = self.fields.iter().map(FieldKey::as_str);
        COLUMNS.into_iter().chain(fields).chain(LAST)
    }

    /// All rows, sent while they are written. A fault known at the beginning is a problem, and not
    /// an answer that breaks off.
    async fn whole(self, cursor: Option<Cursor>) -> Result<Response, Problem> {
        let rows = || Rows { room: None, ..Rows::default() };
        let (first, next) = self.written(rows(), true, CONTACTS_AT_ONCE, cursor).await?;
        let others = stream::try_unfold((self, next), move |(export, next)| async move {
            let Some(cursor) = next else { return Ok(None) };
            let (text, next) = export
                .written(rows(), false, CONTACTS_AT_ONCE, Some(cursor))
                .await
                .map_err(|problem| broken_off(&problem))?;
            Ok::<_, std::io::Error>(Some((text, (export, next))))
        });
        let pages = stream::once(ready(Ok(first))).chain(others);
        Ok(csv_of(FILE, Body::from_stream(pages)))
    }

    /// Up to so many rows, in memory, with or without the headings; and where the next ones begin,
    /// if there are more.
    async fn written(
        &self,
        mut rows: Rows,
        head: bool,
        limit: usize,
        mut cursor: Option<Cursor>,
    ) -> Result<(Bytes, Option<Cursor>), Problem> {
        if head {
            rows.put(self.columns())?;
        }
        let (mut left, mut full) = (limit, false);
        loop {
            let few = left;
            let mut put = |found: ListedEntry<'_>| {
                let row = match found {
                    ListedEntry::Contact(contact) => self.row(contact),
                    ListedEntry::Unreadable { id, why } => self.row_of_unreadable(id, why),
                };
                full = left == 0 || !rows.put(row.iter().map(String::as_str))?;
                left = left.saturating_sub(1);
                Ok(!full)
            };
            cursor = self.wanted.people(&self.store, few, cursor, &mut put).await?;
            if full || cursor.is_none() {
                return Ok((rows.done()?, cursor));
            }
        }
    }

    /// The id, and the reason in the column `rev`, which an import passes over.
    fn row_of_unreadable(&self, id: &ContactId, why: &str) -> Vec<String> {
        let cell = |column: &str| match column {
            "id" => id.to_string(),
            "rev" => format!("unreadable: {why}"),
            _ => String::new(),
        };
        // A field of the account has no such key.
        self.columns().map(cell).collect()
    }

    fn row(&self, contact: &Contact) -> Vec<String> {
        let mut row = vec![contact.id.to_string()];
        let built_in = COLUMNS.iter().filter(|column| built_in(column).is_some());
        row.extend(built_in.map(|column| contact.text(column).unwrap_or_default().to_owned()));
        row.push(consent_word(contact.consent).to_owned());
        row.push(contact.suppressed.map(suppression_word).unwrap_or_default().to_owned());
        put_last(&mut row, &self.fields, contact);
        row
    }
}

/// Adds the cells of fields, and those of [`LAST`].
pub(in crate::api) fn put_last(row: &mut Vec<String>, fields: &[FieldKey], of: &Contact) {
    row.extend(fields.iter().map(|key| match of.fields.get(key).map(FieldValue::to_json) {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    }));
    row.push(tag_lists::written(of.tags.keys()));
    row.push(of.rev.to_string());
    row.push(instant_text(of.created_at));
    row.push(instant_text(of.updated_at));
}

/// Rows in memory.
pub(in crate::api) struct Rows {
    csv: csv::Writer<Vec<u8>>,
    /// How much of the answer is left; `None` for an answer without a bound.
    room: Option<Room>,
    rows: usize,
    /// Where the last row that fits ends.
    end: usize,
}

impl Default for Rows {
    /// Those of one answer.
    fn default() -> Self {
        let csv = csv::Writer::from_writer(Vec::new());
        Self { csv, room: Some(Room::WHOLE), rows: 0, end: 0 }
    }
}

impl Rows {
    /// Adds a row; `false` if it does not fit into the answer. The headings and the row after them
    /// always fit: an answer without any row would never advance.
    pub(in crate::api) fn put<'a>(
        &mut self,
        cells: impl Iterator<Item = &'a str>,
    ) -> Result<bool, Problem> {
        self.csv
            .write_record(cells.map(|cell| guarded(cell).into_owned()))
            .and_then(|()| Ok(self.csv.flush()?))
            .map_err(|error| unwritten(&error))?;
        let written = self.csv.get_ref();
        let holds = self.room.as_mut().is_none_or(|room| room.holds(&written[self.end..]));
        if !holds && self.rows > 1 {
            return Ok(false);
        }
        self.end = written.len();
        self.rows += 1;
        Ok(true)
    }

    pub(in crate::api) fn done(self) -> Result<Bytes, Problem> {
        let mut text =
            self.csv.into_inner().map_err(|error| unwritten(&error.into_error().into()))?;
        text.truncate(self.end);
        Ok(Bytes::from(text))
    }
}

fn unwritten(error: &csv::Error) -> Problem {
    Problem::not_now(format!("the file could not be written: {error}"))
}

/// Half of it was sent already: the connection is closed.
fn broken_off(problem: &Problem) -> std::io::Error {
    tracing::warn!(status = problem.status().as_u16(), "an export broke off");
    std::io::Error::other("the export broke off")
}

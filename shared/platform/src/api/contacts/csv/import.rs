//! Contacts from CSV: read as a stream, row by row, of any length.
//!
//! | a cell | is |
//! |---|---|
//! | of the first row | a name, as `csv_columns` reads it |
//! | empty | nothing said: what the contact has stays; `clear` names fields that are to be cleared |
//! | with an apostrophe before `=`, `+`, `-`, `@` | what follows it, as an export writes it |
//! | in `consent` | never takes an unsubscription back, unless `resubscribe` says `true` |
//! | in `tags` | tags as `tag_lists` reads them; those that the contact has are not assigned again |
//!
//! A row is one change of a contact (R1), and importing it again is idempotent. So an interrupted
//! import is sent again: with the same `Idempotency-Key` it continues where it was, without the key
//! it repeats what is done. A refused row is reported with its line and its faults.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use dacapo_engine::address::folded;
use dacapo_engine::contact::{Author, Contact};
use dacapo_engine::field::quoted;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::call::auth::Holder;
use crate::api::call::charset::{self, Charset};
use crate::api::call::extract::{Query, media_type};
use crate::api::call::idempotency::{LONGEST_KEY, REPLAYED};
use crate::api::call::problem::{Fault, Problem};
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::csv::columns::columns_of;
use crate::api::contacts::csv::guard::unguarded;
use crate::api::contacts::csv::report::Imported;
use crate::api::contacts::csv::rows::{Row, Rows};
use crate::api::contacts::hooks::create_fields;
use crate::api::contacts::reading::{How, Invalid, Read, Reader, UnknownFields};
use crate::api::contacts::resubscribing::Resubscribing;
use crate::api::contacts::skipping;
use crate::api::contacts::sorting::Manner;
use crate::catalog::{CatalogStore, Loaded};
use crate::contact_json::suppression_of;
use crate::contacts::{Contacts, WriteError, Written};
use crate::error::{Error, Retryability};
use crate::store::{Store, item, read};
use crate::table::{Condition, Key, TableError, Write};

/// How many rows are written at once.
const AT_ONCE: usize = 32;

/// How many rows are collected before they are written.
const WINDOW: usize = 128;

/// After how many rows the progress of an import is stored.
const NOTED: u64 = 1_024;

/// The most rows that are refused: with more, the file as a whole is probably wrong, and the import
/// stops.
const MOST_REFUSED: usize = 500;

/// How long the progress of an import is kept.
const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// How many rows with values left out are reported, and how many with something doubtful. What was
/// left out is in the history of the contacts.
const MOST_TOLD: usize = 200;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, import)
}

/// How to read the file.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct HowToRead {
    /// What is done about columns that are no fields of the account: they are refused unless this
    /// says otherwise. Those that are created are texts.
    #[param(inline)]
    #[serde(default)]
    unknown_fields: UnknownFields,
    /// What is done about values that cannot be read: their rows are refused unless this says
    /// otherwise.
    #[param(inline)]
    #[serde(default)]
    invalid: Invalid,
}

/// The progress of an import.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct StoredImport {
    done: Imported,
    /// The checksum of the file up to there.
    sum: u64,
    ended: bool,
    /// The number of writes.
    n: u64,
}

/// Imports contacts from CSV. The first row names the columns: `email`, any other member of a
/// contact, keys of fields.
#[utoipa::path(post, path = "/v1/contacts/import", tag = "Contacts", params(HowToRead),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = Imported), (status = 422, body = Problem)))]
async fn import(
    State(store): State<Arc<Store>>,
    State(catalog): State<Arc<CatalogStore>>,
    State(contacts): State<Arc<Contacts>>,
    holder: Holder,
    Query(how): Query<HowToRead>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    if media_type(&parts).as_deref() != Some("text/csv") {
        return Err(Problem::media_type("send CSV, with `Content-Type: text/csv`"));
    }
    let declared = charset::declared(&parts)?;
    let key = key(&store, &holder, &parts.headers)?;
    let known: Option<StoredImport> = match &key {
        Some(key) => {
            let stored = store.get(key).await.map_err(Error::from)?;
            stored.map(|item| read(&item)).transpose()?
        }
        None => None,
    };
    let noted = known.unwrap_or_default();
    let (replayed, sum, now) = (noted.ended, noted.sum, noted.done.clone());
    let by = holder.author();
    let mut import = Import {
        store: &store,
        catalog: &catalog,
        contacts: &contacts,
        by,
        how,
        key,
        noted,
        columns: None,
        passed: 0,
        sum,
        now,
    };
    import.read(body, declared).await?;
    let mut response = (StatusCode::OK, axum::Json(import.now)).into_response();
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Where the progress of this key's import is stored.
fn key(store: &Store, holder: &Holder, headers: &HeaderMap) -> Result<Option<Key>, Problem> {
    let Some(given) = headers.get("idempotency-key") else { return Ok(None) };
    let given = given.to_str().map(str::trim).unwrap_or_default();
    if !(1..=LONGEST_KEY).contains(&given.len()) {
        let message = format!("an Idempotency-Key has 1 to {LONGEST_KEY} ASCII characters");
        return Err(Problem::invalid_at("Idempotency-Key", "header", message));
    }
    Ok(Some(store.keys.idempotency(&format!("import {} {given}", holder.id()))))
}

/// An import under way.
struct Import<'a> {
    store: &'a Store,
    catalog: &'a CatalogStore,
    contacts: &'a Contacts,
    by: Author,
    how: HowToRead,
    /// Where its progress is stored.
    key: Option<Key>,
    noted: StoredImport,
    /// The names of the columns; empty for one that is skipped.
    columns: Option<Vec<String>>,
    /// How many rows of this body have been read.
    passed: u64,
    /// The checksum of the file up to the last row that was taken.
    sum: u64,
    now: Imported,
}

/// The result of a row.
enum RowOutcome {
    Created(RowReport),
    Changed(RowReport),
    Unchanged(RowReport),
    Refused(Vec<Fault>),
}

/// What has to be reported about a row that was taken.
struct RowReport {
    skipped: Vec<Fault>,
    doubtful: Vec<Fault>,
}

/// A row as a contact would be posted, with its line.
type SentRow = (u64, Map<String, Value>);

impl Import<'_> {
    async fn read(&mut self, body: Body, declared: Option<Charset>) -> Result<(), Problem> {
        let (mut rows, mut waiting) = (Rows::new(declared), Vec::new());
        let mut stream = body.into_data_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| {
                let detail = "the file broke off; send it again with the same Idempotency-Key";
                Problem::malformed(detail)
            })?;
            rows.push(&chunk, &mut waiting)?;
            if waiting.len() >= WINDOW {
                self.take(std::mem::take(&mut waiting)).await?;
            }
        }
        rows.finish(&mut waiting)?;
        self.take(waiting).await?;
        if self.columns.is_none() {
            let message = "the file is empty; its first row names the columns";
            return Err(Problem::invalid_at("", "empty", message));
        }
        if self.passed < self.noted.done.rows {
            return Err(other_file());
        }
        if !self.noted.ended {
            self.now.complete = !self.is_refused();
            self.note(true).await?;
        }
        Ok(())
    }

    /// Whether so many rows were refused that the rest is not read.
    fn is_refused(&self) -> bool {
        self.now.errors.len() > MOST_REFUSED
    }

    async fn take(&mut self, rows: Vec<Row>) -> Result<(), Problem> {
        let mut rows = rows.into_iter();
        if self.columns.is_none()
            && let Some(first) = rows.next()
        {
            let loaded = self.catalog.current().await?;
            let (columns, new) =
                columns_of(&first, &loaded.catalog.fields, self.how.unknown_fields)?;
            if !new.is_empty() {
                create_fields(self.catalog, &new).await?;
            }
            self.columns = Some(columns);
        }
        let mut new = Vec::new();
        for row in rows {
            if self.is_new(&row)? {
                new.push(row);
            }
        }
        for rows in new.chunks(WINDOW) {
            if !self.is_refused() {
                self.write(rows).await?;
                self.sum = rows.last().map_or(self.sum, |row| row.sum);
            }
            if self.now.rows >= self.noted.done.rows + NOTED {
                self.note(false).await?;
            }
        }
        Ok(())
    }

    /// Whether the row has not been done before.
    fn is_new(&mut self, row: &Row) -> Result<bool, Problem> {
        self.passed += 1;
        let done = self.noted.done.rows;
        if self.passed == done && row.sum != self.noted.sum {
            return Err(other_file());
        }
        if self.passed > done && self.noted.ended && self.noted.done.complete {
            return Err(other_file());
        }
        Ok(self.passed > done && !self.noted.ended)
    }

    /// Writes rows: those of one address in order, others concurrently.
    async fn write(&mut self, rows: &[Row]) -> Result<(), Problem> {
        let columns = self.columns.as_deref().unwrap_or_default();
        let loaded = self.catalog.current().await?;
        let mut people: BTreeMap<String, Vec<SentRow>> = BTreeMap::new();
        let mut came: Vec<(u64, RowOutcome)> = Vec::new();
        for row in rows {
            match members(columns, row) {
                Ok(sent) => {
                    let address = sent.get("email").and_then(Value::as_str).map(folded);
                    people.entry(address.unwrap_or_default()).or_default().push((row.line, sent));
                }
                Err(fault) => came.push((row.line, RowOutcome::Refused(vec![fault]))),
            }
        }
        let written: Vec<_> = people
            .into_iter()
            .map(|(address, rows)| self.write_person(&loaded, address, rows))
            .collect();
        let mut written = futures_util::stream::iter(written).buffer_unordered(AT_ONCE);
        while let Some(written) = written.next().await {
            came.extend(written?);
        }
        drop(written);
        came.sort_by_key(|(line, _)| *line);
        for (line, came) in came {
            self.now.rows += 1;
            let (count, RowReport { skipped, doubtful }) = match came {
                RowOutcome::Created(told) => (&mut self.now.created, told),
                RowOutcome::Changed(told) => (&mut self.now.changed, told),
                RowOutcome::Unchanged(told) => (&mut self.now.unchanged, told),
                RowOutcome::Refused(errors) => {
                    self.now.refused += 1;
                    self.now.errors.push(self.now.told(line, errors));
                    continue;
                }
            };
            *count += 1;
            if !skipped.is_empty() {
                self.now.skipped_rows += 1;
                if self.now.skipped.len() < MOST_TOLD {
                    self.now.skipped.push(self.now.told(line, skipped));
                }
            }
            if !doubtful.is_empty() && self.now.warnings.len() < MOST_TOLD {
                self.now.warnings.push(self.now.told(line, doubtful));
            }
        }
        Ok(())
    }

    async fn write_person(
        &self,
        loaded: &Loaded,
        address: String,
        rows: Vec<(u64, Map<String, Value>)>,
    ) -> Result<Vec<(u64, RowOutcome)>, Problem> {
        let mut came = Vec::new();
        for (line, sent) in rows {
            came.push((line, self.write_row(loaded, &address, sent).await?));
        }
        Ok(came)
    }

    async fn write_row(
        &self,
        loaded: &Loaded,
        address: &str,
        mut sent: Map<String, Value>,
    ) -> Result<RowOutcome, Problem> {
        let suppressed = match sent.remove("suppressed") {
            Some(word) => match word.as_str().and_then(suppression_of) {
                Some(suppression) => Some(suppression),
                None => {
                    let words = "write bounced, complained or manual, or nothing";
                    let message = format!("{} is no suppression; {words}", quoted(&word));
                    let fault = Fault::new("suppressed", "suppressed", message);
                    return Ok(RowOutcome::Refused(vec![fault]));
                }
            },
            None => None,
        };
        let resubscribing = match Resubscribing::taken(&mut sent) {
            Ok(resubscribing) => resubscribing,
            Err(problem) => return Ok(RowOutcome::Refused(problem.into_faults())),
        };
        let before: Option<Contact> = match self.contacts.id_of(address).await? {
            Some(id) => self.contacts.get(&id).await?,
            None => None,
        };
        let how = How {
            manner: Manner::Hook,
            unknown_fields: UnknownFields::Refuse,
            invalid: self.how.invalid,
        };
        let (mut patch, told) = match Reader::new(loaded, before.as_ref(), how).read(&sent) {
            Ok(Read { patch, skipped, doubtful, .. }) => (patch, RowReport { skipped, doubtful }),
            Err(problem) => return Ok(RowOutcome::Refused(problem.into_faults())),
        };
        // Writing the same row again is idempotent.
        patch.add.retain(|tag| before.as_ref().is_none_or(|before| !before.tags.contains_key(tag)));
        patch.suppressed = suppressed.map(Some);
        if let Err(problem) = resubscribing.put_into(&mut patch) {
            return Ok(RowOutcome::Refused(problem.into_faults()));
        }
        let together = |written: &Written| -> Result<Vec<Write>, Error> {
            Ok(skipping::line(self.store, written, &self.by, &told.skipped)?.into_iter().collect())
        };
        let came = self.contacts.upsert(address, &patch, &self.by, &together).await;
        match came {
            Ok(written) if written.created => Ok(RowOutcome::Created(told)),
            Ok(written) if written.change.is_some() => Ok(RowOutcome::Changed(told)),
            Ok(_) => Ok(RowOutcome::Unchanged(told)),
            Err(full @ WriteError::TooManyTags) => {
                Ok(RowOutcome::Refused(vec![Fault::new("tags", "too_many", full)]))
            }
            Err(full @ WriteError::TooLarge { .. }) => {
                Ok(RowOutcome::Refused(vec![Fault::new("", "too_large", full)]))
            }
            Err(WriteError::Failed(error)) if error.retryability() == Retryability::Permanent => {
                Ok(RowOutcome::Refused(vec![Fault::new("", "too_large", error)]))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Stores its progress, in case the file is sent again.
    async fn note(&mut self, ended: bool) -> Result<(), Problem> {
        let Some(key) = &self.key else { return Ok(()) };
        let before = self.noted.n;
        let condition = if before == 0 { Condition::Absent } else { Condition::Rev(before) };
        let done = self.now.without_words();
        let next = StoredImport { done, sum: self.sum, ended, n: before + 1 };
        let until = self.store.now() + KEPT_FOR;
        let stored = item(key.clone(), &next)?.rev(next.n).expires(until);
        match self.store.write(vec![Write::put(stored, condition)]).await {
            Ok(()) => {}
            Err(TableError::Conflict { .. }) => {
                return Err(Problem::not_now("the same import is under way; try again"));
            }
            Err(error) => return Err(Error::from(error).into()),
        }
        self.noted = next;
        Ok(())
    }
}

/// The content of a row.
fn members(columns: &[String], row: &Row) -> Result<Map<String, Value>, Fault> {
    let cells = row.cells.as_ref().map_err(|why| Fault::new("", "utf8", why))?;
    if cells.len() > columns.len() {
        let message = format!("{} cells, but {} columns", cells.len(), columns.len());
        return Err(Fault::new("", "cells", message));
    }
    let said = columns.iter().zip(cells).filter(|(column, cell)| {
        // An empty address counts as missing, and is reported so.
        !column.is_empty() && (!cell.trim().is_empty() || *column == "email")
    });
    Ok(said
        .map(|(column, cell)| (column.clone(), Value::String(unguarded(cell).to_owned())))
        .collect())
}

fn other_file() -> Problem {
    let message = "this key came with another file before; take a new key for a new file";
    Problem::invalid_at("Idempotency-Key", "key_reused", message)
}

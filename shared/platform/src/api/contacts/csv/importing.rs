//! Importing from CSV: a stream of any length, written row by row, whatever a row stands for.
//!
//! | a cell | is |
//! |---|---|
//! | of the first row | a name, as the writer of the rows reads it |
//! | empty | nothing said |
//! | with an apostrophe before `=`, `+`, `-`, `@` | what follows it, as an export writes it |
//!
//! Importing a row again is idempotent. So an interrupted import is sent again: with the same
//! `Idempotency-Key` it continues where it was, without the key it repeats what is done. A refused
//! row is reported with its line and its faults, the first 500 of them; all are counted. However
//! many are refused, the others are written.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use dacapo_engine::compact::{CollectCompactly as _, SortCompactly as _};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::call::auth::Holder;
use crate::api::call::charset::{self, Charset};
use crate::api::call::extract::media_type;
use crate::api::call::idempotency::{LONGEST_KEY, REPLAYED};
use crate::api::call::problem::{Fault, Problem};
use crate::api::contacts::csv::guard::unguarded;
use crate::api::contacts::csv::report::Imported;
use crate::api::contacts::csv::rows::{Row, Rows};
use crate::api::contacts::reading::{Invalid, UnknownFields};
use crate::catalog::{CatalogStore, Loaded};
use crate::error::Error;
use crate::platform::Platform;
use crate::store::{Store, item, read};
use crate::table::{Key, TableError, Write};

/// How many rows are written at once.
const ROWS_AT_ONCE: usize = 32;

/// How many rows are collected before they are written.
const WINDOW: usize = 128;

/// After how many rows the progress of an import is stored.
const NOTED: u64 = 1_024;

/// How many refused rows are reported.
const MOST_REFUSED: usize = 500;

/// How long the progress of an import is kept.
const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// How many rows with values left out are reported, and how many with something doubtful. What was
/// left out is in the history of the contacts.
const MOST_TOLD: usize = 200;

/// How to read the file.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct HowToRead {
    /// What is done about columns that are no fields of the account, or of the type: they are
    /// refused unless this says otherwise. Those that are created are texts.
    #[param(inline)]
    #[serde(default)]
    pub(in crate::api) unknown_fields: UnknownFields,
    /// What is done about values that cannot be read: their rows are refused unless this says
    /// otherwise.
    #[param(inline)]
    #[serde(default)]
    pub(in crate::api) invalid: Invalid,
}

/// What comes of something that takes a while.
pub(in crate::api) type RowFuture<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

/// What rows stand for, and how one is written.
pub(in crate::api) trait RowWriter: Sync {
    /// The columns that the first row names, empty for one that is skipped; fields are created that
    /// are to be.
    fn columns<'a>(&'a self, first: &'a Row) -> RowFuture<'a, Vec<String>>;

    /// A column whose empty cells count as missing, and not as nothing said.
    fn needed(&self) -> Option<&'static str>;

    /// What a row is about: rows that have any of these in common are written in order, others
    /// concurrently.
    fn about(&self, sent: &Map<String, Value>) -> Vec<String>;

    /// Writes a row. Writing it again is idempotent.
    fn write<'a>(
        &'a self,
        loaded: &'a Loaded,
        sent: Map<String, Value>,
    ) -> RowFuture<'a, RowOutcome>;
}

/// The result of a row.
pub(in crate::api) enum RowOutcome {
    Created(RowReport),
    Changed(RowReport),
    Unchanged(RowReport),
    Refused(Vec<Fault>),
}

/// What has to be reported about a row that was taken.
#[derive(Default)]
pub(in crate::api) struct RowReport {
    pub(in crate::api) skipped: Vec<Fault>,
    pub(in crate::api) doubtful: Vec<Fault>,
    /// Whether a contact was made beside what the row stands for.
    pub(in crate::api) contact_created: bool,
}

/// A row as it would be posted, with its line.
type SentRow = (u64, Map<String, Value>);

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

/// Imports the file of a request. `what` distinguishes imports of one kind from those of another
/// under the same key.
///
/// # Errors
///
/// 415 for what is no CSV, 422 for a file that is wrong as a whole, and what the writer answers.
pub(in crate::api) async fn imported(
    platform: &Platform,
    holder: &Holder,
    what: &str,
    writer: &dyn RowWriter,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    if media_type(&parts).as_deref() != Some("text/csv") {
        return Err(Problem::media_type("send CSV, with `Content-Type: text/csv`"));
    }
    let declared = charset::declared(&parts)?;
    let Platform { store, catalog, .. } = platform;
    let key = key(store, holder, what, &parts.headers)?;
    let known: Option<StoredImport> = match &key {
        Some(key) => {
            let stored = store.get(key).await.map_err(Error::from)?;
            stored.map(|item| read(&item)).transpose()?
        }
        None => None,
    };
    let noted = known.unwrap_or_default();
    let (replayed, sum, now) = (noted.ended, noted.sum, noted.done.clone());
    let mut import =
        Import { store, catalog, writer, key, noted, columns: None, passed: 0, sum, now };
    import.read(body, declared).await?;
    let mut response = (StatusCode::OK, axum::Json(import.now)).into_response();
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Where the progress of this key's import is stored.
fn key(
    store: &Store,
    holder: &Holder,
    what: &str,
    headers: &HeaderMap,
) -> Result<Option<Key>, Problem> {
    let Some(given) = headers.get("idempotency-key") else { return Ok(None) };
    let given = given.to_str().map(str::trim).unwrap_or_default();
    if !(1..=LONGEST_KEY).contains(&given.len()) {
        let message = format!("an Idempotency-Key has 1 to {LONGEST_KEY} ASCII characters");
        return Err(Problem::invalid_at("Idempotency-Key", "header", message));
    }
    Ok(Some(store.keys.idempotency(&format!("{what} {} {given}", holder.id()))))
}

/// An import under way.
struct Import<'a> {
    store: &'a Store,
    catalog: &'a CatalogStore,
    writer: &'a dyn RowWriter,
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
            self.now.complete = true;
            self.note(true).await?;
        }
        Ok(())
    }

    async fn take(&mut self, rows: Vec<Row>) -> Result<(), Problem> {
        let mut rows = rows.into_iter();
        if self.columns.is_none()
            && let Some(first) = rows.next()
        {
            self.columns = Some(self.writer.columns(&first).await?);
        }
        let mut new = Vec::new();
        for row in rows {
            if self.is_new(&row)? {
                new.push(row);
            }
        }
        for rows in new.chunks(WINDOW) {
            self.write(rows).await?;
            self.sum = rows.last().map_or(self.sum, |row| row.sum);
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

    /// Writes rows: those that are about the same thing in order, others concurrently.
    async fn write(&mut self, rows: &[Row]) -> Result<(), Problem> {
        let columns = self.columns.as_deref().unwrap_or_default();
        let loaded = self.catalog.current().await?;
        let mut sent: Vec<SentRow> = Vec::new();
        let mut came: Vec<(u64, RowOutcome)> = Vec::new();
        for row in rows {
            match members(columns, row, self.writer.needed()) {
                Ok(members) => sent.push((row.line, members)),
                Err(fault) => came.push((row.line, RowOutcome::Refused(vec![fault]))),
            }
        }
        let written: Vec<_> = grouped(self.writer, sent)
            .into_iter()
            .map(|rows| written_in_order(self.writer, &loaded, rows))
            .collect();
        let mut written = futures_util::stream::iter(written).buffer_unordered(ROWS_AT_ONCE);
        while let Some(written) = written.next().await {
            came.extend(written?);
        }
        drop(written);
        came.sort_compactly_by_key(|(line, _)| *line);
        for (line, came) in came {
            self.now.rows += 1;
            let (count, RowReport { skipped, doubtful, contact_created }) = match came {
                RowOutcome::Created(told) => (&mut self.now.created, told),
                RowOutcome::Changed(told) => (&mut self.now.changed, told),
                RowOutcome::Unchanged(told) => (&mut self.now.unchanged, told),
                RowOutcome::Refused(errors) => {
                    self.now.refused += 1;
                    if self.now.errors.len() < MOST_REFUSED {
                        self.now.errors.push(self.now.told(line, errors));
                    }
                    continue;
                }
            };
            *count += 1;
            self.now.contacts_created += u64::from(contact_created);
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

    /// Stores its progress, in case the file is sent again.
    async fn note(&mut self, ended: bool) -> Result<(), Problem> {
        let Some(key) = &self.key else { return Ok(()) };
        let done = self.now.without_words();
        let next = StoredImport { done, sum: self.sum, ended, n: self.noted.n + 1 };
        let until = self.store.now() + KEPT_FOR;
        let stored = item(key.clone(), &next)?.rev(next.n).expires(until);
        match self.store.write(vec![Write::next(stored)]).await {
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

/// Rows that are about the same thing, directly or by another row, together and in order.
fn grouped(writer: &dyn RowWriter, rows: Vec<SentRow>) -> Vec<Vec<SentRow>> {
    let mut group_of: BTreeMap<String, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<SentRow>> = Vec::new();
    for row in rows {
        let about = writer.about(&row.1);
        let known: BTreeSet<usize> =
            about.iter().filter_map(|name| group_of.get(name).copied()).collect_compactly();
        let mut known = known.into_iter();
        let group = known.next().unwrap_or(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        for other in known {
            let joined = std::mem::take(&mut groups[other]);
            groups[group].extend(joined);
            groups[group].sort_compactly_by_key(|(line, _)| *line);
            group_of.values_mut().filter(|at| **at == other).for_each(|at| *at = group);
        }
        group_of.extend(about.into_iter().map(|name| (name, group)));
        groups[group].push(row);
    }
    groups.retain(|rows| !rows.is_empty());
    groups
}

async fn written_in_order(
    writer: &dyn RowWriter,
    loaded: &Loaded,
    rows: Vec<SentRow>,
) -> Result<Vec<(u64, RowOutcome)>, Problem> {
    let mut came = Vec::new();
    for (line, sent) in rows {
        came.push((line, writer.write(loaded, sent).await?));
    }
    Ok(came)
}

/// The content of a row.
fn members(
    columns: &[String],
    row: &Row,
    needed: Option<&str>,
) -> Result<Map<String, Value>, Fault> {
    let cells = row.cells.as_ref().map_err(|why| Fault::new("", "utf8", why))?;
    if cells.len() > columns.len() {
        let message = format!("{} cells, but {} columns", cells.len(), columns.len());
        return Err(Fault::new("", "cells", message));
    }
    let said = columns.iter().zip(cells).filter(|(column, cell)| {
        // What is needed counts as missing where it is empty, and is reported so.
        !column.is_empty() && (!cell.trim().is_empty() || needed == Some(column.as_str()))
    });
    Ok(said
        .map(|(column, cell)| (column.clone(), Value::String(unguarded(cell).to_owned())))
        .collect_compactly())
}

fn other_file() -> Problem {
    let message = "this key came with another file before; take a new key for a new file";
    Problem::invalid_at("Idempotency-Key", "key_reused", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows are about what their cells hold.
    struct ByCells;

    impl RowWriter for ByCells {
        fn columns<'a>(&'a self, _: &'a Row) -> RowFuture<'a, Vec<String>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn needed(&self) -> Option<&'static str> {
            None
        }

        fn about(&self, sent: &Map<String, Value>) -> Vec<String> {
            sent.keys().cloned().collect()
        }

        fn write<'a>(&'a self, _: &'a Loaded, _: Map<String, Value>) -> RowFuture<'a, RowOutcome> {
            Box::pin(async { Ok(RowOutcome::Unchanged(RowReport::default())) })
        }
    }

    #[test]
    fn r03_rows_about_the_same_thing_keep_their_order_and_others_wait_for_nobody() {
        let row = |line: u64, about: &str| {
            (line, about.chars().map(|c| (c.to_string(), Value::Null)).collect())
        };
        let lines = |rows: &[(u64, &str)]| -> Vec<Vec<u64>> {
            let rows = rows.iter().map(|(line, about)| row(*line, about)).collect();
            let groups = grouped(&ByCells, rows);
            groups.iter().map(|rows| rows.iter().map(|(line, _)| *line).collect()).collect()
        };
        assert_eq!(lines(&[(2, "a"), (3, "b"), (4, "a")]), [vec![2, 4], vec![3]]);
        // The fourth joins what the first two are about, and the fifth follows all of them.
        let joined = lines(&[(2, "a"), (3, "b"), (4, "c"), (5, "ba"), (6, "b")]);
        assert_eq!(joined, [vec![2, 3, 5, 6], vec![4]]);
        assert_eq!(lines(&[(2, ""), (3, "")]), [vec![2], vec![3]], "about nothing known");
    }
}

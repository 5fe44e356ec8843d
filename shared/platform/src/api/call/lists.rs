//! Lists: one page at a time, always in the same shape, and never longer than an answer may be.

use std::marker::PhantomData;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::call::problem::Problem;
use crate::api::call::room::{Room, json_text};
use crate::error::Error;
use crate::table::{Cursor, LONGEST_SK, TableError};

/// The most items on a page.
const MOST_ITEMS_A_PAGE: usize = 200;

/// How many items are on a page unless asked otherwise.
const USUAL: usize = 50;

/// Which page.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Paging {
    /// How many items at most, 1 to 200. A page ends before that where an answer holds no more.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Paging {
    /// How many items.
    ///
    /// # Errors
    ///
    /// 422 if it is not a number from 1 to [`MOST_ITEMS_A_PAGE`].
    pub(in crate::api) fn limit(&self) -> Result<usize, Problem> {
        match self.limit.as_deref().map(str::parse) {
            None => Ok(USUAL),
            Some(Ok(limit)) if (1..=MOST_ITEMS_A_PAGE).contains(&limit) => Ok(limit),
            Some(_) => {
                let message = format!("a whole number from 1 to {MOST_ITEMS_A_PAGE} is needed");
                Err(Problem::invalid_at("limit", "parameter", message))
            }
        }
    }

    /// Where to continue.
    pub(in crate::api) fn cursor(&self) -> Option<Cursor> {
        self.cursor.as_deref().filter(|cursor| !cursor.is_empty()).and_then(|c| c.parse().ok())
    }

    /// After which item to continue, in a list whose cursors are `[listed, item]`.
    ///
    /// # Errors
    ///
    /// 422 if the cursor is not of such a list.
    pub(in crate::api) fn after(&self, listed: &str) -> Result<Option<String>, Problem> {
        let Some(cursor) = self.cursor() else { return Ok(None) };
        let [_, after] = cursor.parts::<2>(listed).map_err(|_| foreign_cursor())?;
        if after.is_empty() || after.len() > LONGEST_SK {
            return Err(foreign_cursor());
        }
        Ok(Some(after))
    }
}

// Only for the description: what is sent is written item by item, by `Filling`.
/// A page of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(in crate::api) struct Page<T> {
    /// What is on it.
    items: Vec<T>,
    /// What to send as `cursor` to go on; `null` on the last page.
    #[schema(value_type = Option<String>, required = true)]
    next_cursor: Option<Cursor>,
}

/// A page in the making. It takes items until it has as many as requested, or the answer is full.
pub(in crate::api) struct Filling<T> {
    limit: usize,
    room: Room,
    items: usize,
    text: String,
    of: PhantomData<fn(T)>,
}

impl<T: Serialize> Filling<T> {
    /// An empty page, of so many items at most.
    pub(in crate::api) fn of(limit: usize) -> Self {
        let text = "{\"items\":[".to_owned();
        Self { limit, room: Room::WHOLE, items: 0, text, of: PhantomData }
    }

    /// Whether it has as many items as requested.
    pub(in crate::api) fn is_full(&self) -> bool {
        self.items >= self.limit
    }

    /// Adds an item; `false` if the page ends before it. The first item always fits: a page without
    /// any would never advance.
    pub(in crate::api) fn put(&mut self, item: &T) -> Result<bool, Error> {
        if self.is_full() {
            return Ok(false);
        }
        let first = self.items == 0;
        let item = if first { json_text(item)? } else { format!(",{}", json_text(item)?) };
        if !self.room.holds(item.as_bytes()) && !first {
            return Ok(false);
        }
        self.text += &item;
        self.items += 1;
        Ok(true)
    }

    /// The page, and where the next one begins, if there is one.
    pub(in crate::api) fn until(mut self, next: Option<&Cursor>) -> Result<Listed<T>, Error> {
        self.text += "],\"next_cursor\":";
        self.text += &json_text(&next)?;
        self.text += "}";
        Ok(Listed { text: self.text, of: PhantomData })
    }
}

/// A finished page: a [`Page`], as a text.
pub(in crate::api) struct Listed<T> {
    text: String,
    of: PhantomData<fn(T)>,
}

impl<T> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.text).into_response()
    }
}

/// The page of a list in memory that begins behind a place; each item comes with its place.
pub(in crate::api) fn filled<T: Serialize>(
    (limit, after): (usize, Option<String>),
    listed: &str,
    items: impl Iterator<Item = (String, T)>,
) -> Result<Listed<T>, Problem> {
    let (mut page, mut last) = (Filling::of(limit), None);
    for (place, item) in items.filter(|(place, _)| after.as_ref().is_none_or(|it| place > it)) {
        if !page.put(&item)? {
            let next = last.map(|last: String| Cursor::at(&[listed, &last]));
            return Ok(page.until(next.as_ref())?);
        }
        last = Some(place);
    }
    Ok(page.until(None)?)
}

/// 422 for an invalid cursor, which is the table's *invalid* for a list.
pub(in crate::api) fn listing_failed(error: TableError) -> Problem {
    match error {
        TableError::Invalid(_) => foreign_cursor(),
        error => Error::from(error).into(),
    }
}

/// 422 for a cursor that is not of this list.
pub(in crate::api) fn foreign_cursor() -> Problem {
    let message = "send `next_cursor` of the page before, with the same parameters";
    Problem::invalid_at("cursor", "parameter", message)
}

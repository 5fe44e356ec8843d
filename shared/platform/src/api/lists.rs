//! Lists: a page at a time, always in the same shape.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use crate::error::Error;
use crate::table::{Cursor, TableError};

/// The most items on a page.
const MOST: usize = 200;

/// How many items are on a page unless asked otherwise.
const USUAL: usize = 50;

/// Which page.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// How many items, 1 to 200.
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
    /// 422 if it is not a number from 1 to [`MOST`].
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        match self.limit.as_deref().map(str::parse) {
            None => Ok(USUAL),
            Some(Ok(limit)) if (1..=MOST).contains(&limit) => Ok(limit),
            Some(_) => {
                let message = format!("a whole number from 1 to {MOST} is needed");
                Err(Problem::invalid_at("limit", "parameter", message))
            }
        }
    }

    /// Where to go on.
    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.cursor.as_deref().filter(|cursor| !cursor.is_empty()).and_then(|c| c.parse().ok())
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// What is on it.
    pub(super) items: Vec<T>,
    /// What to send as `cursor` to go on; `null` on the last page.
    #[schema(value_type = Option<String>, required = true)]
    pub(super) next_cursor: Option<Cursor>,
}

/// 422 for a cursor that is none, which is what the table finds invalid about a list.
pub(super) fn listing_failed(error: TableError) -> Problem {
    match error {
        TableError::Invalid(_) => foreign_cursor(),
        error => Error::from(error).into(),
    }
}

/// 422 for a cursor that belongs to no page of this list.
pub(super) fn foreign_cursor() -> Problem {
    let message = "send `next_cursor` of the page before, with the same parameters";
    Problem::invalid_at("cursor", "parameter", message)
}

//! What an import reports about the rows that it accepted and refused, within bounds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::call::problem::Fault;
use crate::api::call::room::shortened;

/// How many faults are reported over all rows; after that, one for each row. All of it has to fit
/// into an answer, and into the item that stores the import's progress.
const MOST_FAULTS: usize = 500;

/// The longest sentence that is reported about a row, in characters.
const LONGEST_SENTENCE: usize = 300;

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub(super) struct Imported {
    /// How many rows were read, the first one left out.
    pub(super) rows: u64,
    /// Contacts that are new.
    pub(super) created: u64,
    /// Contacts that were changed.
    pub(super) changed: u64,
    /// Rows that said nothing new.
    pub(super) unchanged: u64,
    /// Rows that were refused: all of them are in `errors`.
    pub(super) refused: u64,
    /// Whether the file was read to its end. It is not if more than 500 rows were refused.
    pub(super) complete: bool,
    /// What is wrong, by line; after 500 things the first of each line.
    pub(super) errors: Vec<RefusedRow>,
    /// How many rows were taken without values that could not be read: only with `invalid=skip`.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub(super) skipped_rows: u64,
    /// What was left out, by line: of the first 200 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) skipped: Vec<RefusedRow>,
    /// What was written and may not be what was meant, by line: of the first 200 such lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<RefusedRow>,
}

/// A row with which something was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct RefusedRow {
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    /// What is wrong with it: all of it, unless very much is wrong with the file.
    pub(super) errors: Vec<Fault>,
}

impl Imported {
    /// A row as it is reported: with all its faults, as long as few were reported before.
    pub(super) fn told(&self, line: u64, mut errors: Vec<Fault>) -> RefusedRow {
        let rows = self.errors.iter().chain(&self.skipped).chain(&self.warnings);
        let told: usize = rows.map(|row| row.errors.len()).sum();
        errors.truncate(MOST_FAULTS.saturating_sub(told).max(1));
        for fault in &mut errors {
            fault.message = shortened(&fault.message, LONGEST_SENTENCE).into_owned();
        }
        RefusedRow { line, errors }
    }

    /// The same without the content of the rows.
    pub(super) fn without_words(&self) -> Self {
        let mut kept = self.clone();
        let rows = kept.errors.iter_mut().chain(&mut kept.skipped).chain(&mut kept.warnings);
        for fault in rows.flat_map(|row| &mut row.errors) {
            *fault = fault.without_words();
        }
        kept
    }
}

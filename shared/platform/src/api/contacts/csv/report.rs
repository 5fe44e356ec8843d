//! What an import reports about the rows that it accepted and refused, within bounds.

use dacapo_engine::text::shortened;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::call::problem::Fault;

/// How many faults are reported over all rows; after that, one for each row. All of it has to fit
/// into an answer, and into the item that stores the import's progress.
const MOST_FAULTS: usize = 500;

/// The longest sentence that is reported about a row, in characters.
const LONGEST_SENTENCE: usize = 300;

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub(in crate::api) struct Imported {
    /// How many rows were read, the first one left out.
    pub(in crate::api) rows: u64,
    /// Contacts that are new; of a file of objects, objects.
    pub(in crate::api) created: u64,
    /// Contacts that were changed; of a file of objects, rows that changed an object, its contact,
    /// or both.
    pub(in crate::api) changed: u64,
    /// Rows that said nothing new.
    pub(in crate::api) unchanged: u64,
    /// Rows that were refused: the first 500 of them are in `errors`.
    pub(in crate::api) refused: u64,
    /// Of a file of objects: contacts that are new.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub(in crate::api) contacts_created: u64,
    /// Whether the file was read to its end, which it always is.
    pub(in crate::api) complete: bool,
    /// What is wrong, by line, with the first 500 refused rows; after 500 things the first of each
    /// line.
    pub(in crate::api) errors: Vec<RefusedRow>,
    /// How many rows were taken without values that could not be read: only with `invalid=skip`.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub(in crate::api) skipped_rows: u64,
    /// What was left out, by line: of the first 200 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::api) skipped: Vec<RefusedRow>,
    /// What was written and may not be what was meant, by line: of the first 200 such lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::api) warnings: Vec<RefusedRow>,
}

/// A row with which something was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(in crate::api) struct RefusedRow {
    /// The line on which it begins, from 1.
    pub(in crate::api) line: u64,
    /// What is wrong with it: all of it, unless very much is wrong with the file.
    pub(in crate::api) errors: Vec<Fault>,
}

impl Imported {
    /// A row as it is reported: with all its faults, as long as few were reported before.
    pub(in crate::api) fn told(&self, line: u64, mut errors: Vec<Fault>) -> RefusedRow {
        let rows = self.errors.iter().chain(&self.skipped).chain(&self.warnings);
        let told: usize = rows.map(|row| row.errors.len()).sum();
        errors.truncate(MOST_FAULTS.saturating_sub(told).max(1));
        for fault in &mut errors {
            fault.message = shortened(&fault.message, LONGEST_SENTENCE).into_owned();
        }
        RefusedRow { line, errors }
    }

    /// The same without the content of the rows.
    pub(in crate::api) fn without_words(&self) -> Self {
        let mut kept = self.clone();
        let rows = kept.errors.iter_mut().chain(&mut kept.skipped).chain(&mut kept.warnings);
        for fault in rows.flat_map(|row| &mut row.errors) {
            *fault = fault.without_words();
        }
        kept
    }
}

//! What is wrong with something that a user wrote, where, and what to do about it.
//!
//! The code of a problem is stable; its words are not.

use crate::compact::SortCompactly as _;
use serde::Serialize;

/// The severity: an error prevents publishing, a warning does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Must be corrected before publishing.
    Error,
    /// Should be checked.
    Warning,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// A stable word for programs, such as `dangling_edge`.
    pub code: &'static str,
    /// The place in the document, dotted: `elements.invite.next`; empty for the whole.
    pub path: String,
    /// The line in the text, from 1, where the document came as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column in the line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do about it, in a sentence.
    pub remedy: String,
}

/// Ordered by place; errors first at the same place.
pub(crate) fn in_order(problems: &mut [Problem]) {
    problems.sort_compactly_by_key(|problem| (problem.line, problem.column, problem.severity));
}

//! What was found so far, each with its place. There are never more than a fixed number of errors,
//! however many a document has.

use crate::campaign::node::{MOST_PROBLEMS, Path, Place};
use crate::campaign::places::Places;
use crate::problem::{Problem, Severity, in_order};

/// Collects problems and finds their places.
pub(in crate::campaign) struct Findings<'a> {
    places: &'a Places,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

/// What a problem points at.
pub(in crate::campaign) enum At<'a> {
    /// The value at the path.
    Value(&'a Path),
    /// The key that the path ends with.
    Key(&'a Path),
    /// A character of the text at the path: its line and column in that text.
    Text(&'a Path, u32, u32),
}

impl<'a> Findings<'a> {
    pub(in crate::campaign) fn new(places: &'a Places) -> Self {
        Self { places, errors: Vec::new(), warnings: Vec::new() }
    }

    /// Whether something is written at this path, which is more than that it has a value by
    /// default.
    pub(in crate::campaign) fn is_written(&self, path: &Path) -> bool {
        self.places.has(path)
    }

    /// Whether further errors would not be listed, so that looking for them is useless.
    pub(in crate::campaign) fn is_full(&self) -> bool {
        self.errors.len() >= MOST_PROBLEMS
    }

    pub(in crate::campaign) fn error(
        &mut self,
        code: &'static str,
        at: &At<'_>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.errors.len() < MOST_PROBLEMS {
            let problem = self.problem(Severity::Error, code, at, message.into(), remedy.into());
            self.errors.push(problem);
        }
    }

    pub(in crate::campaign) fn warning(
        &mut self,
        code: &'static str,
        at: &At<'_>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.warnings.len() < MOST_PROBLEMS {
            let problem = self.problem(Severity::Warning, code, at, message.into(), remedy.into());
            self.warnings.push(problem);
        }
    }

    /// Warns of an element that says nothing to do.
    pub(in crate::campaign) fn nothing_to_do(&mut self, why: &str, path: &Path) {
        self.warning("nothing_to_do", &At::Key(path), why, "complete it, or remove it");
    }

    pub(in crate::campaign) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.errors;
        problems.extend(self.warnings);
        in_order(&mut problems);
        problems
    }

    fn problem(
        &self,
        severity: Severity,
        code: &'static str,
        at: &At<'_>,
        message: String,
        remedy: String,
    ) -> Problem {
        let (path, place) = match at {
            At::Value(path) => (path, self.places.of_value(path)),
            At::Key(path) => (path, self.places.of_key(path)),
            At::Text(path, line, column) => (path, self.in_text(path, *line, *column)),
        };
        Problem {
            severity,
            code,
            path: path.to_string(),
            line: Some(place.line),
            column: Some(place.column),
            message,
            remedy,
        }
    }

    fn in_text(&self, path: &Path, line: u32, column: u32) -> Place {
        self.places.in_text(path, line, column).unwrap_or_else(|| self.places.of_value(path))
    }
}

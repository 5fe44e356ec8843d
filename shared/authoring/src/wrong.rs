//! What is wrong with a scenario, before its place in the text is known.

use dacapo_engine::campaign::nearest;
use dacapo_engine::campaign::reader::Places;
use dacapo_engine::problem::{Problem, Severity};

/// A problem at a path of the scenario.
pub(crate) fn wrong(
    code: &'static str,
    path: impl Into<String>,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> Problem {
    Problem {
        severity: Severity::Error,
        code,
        path: path.into(),
        line: None,
        column: None,
        message: message.into(),
        remedy: remedy.into(),
    }
}

/// A name that is not known there.
pub(crate) fn unknown<'a>(
    path: impl Into<String>,
    what: &str,
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Problem {
    let message = format!("there is no {what} `{written}`");
    wrong("unknown_name", path, message, nearest::remedy(written, known))
}

/// The same problems with their places in the text.
pub fn placed(mut problems: Vec<Problem>, places: &Places) -> Vec<Problem> {
    for problem in &mut problems {
        if problem.line.is_none() {
            let (line, column) = places.line_and_column(&problem.path);
            (problem.line, problem.column) = (Some(line), Some(column));
        }
    }
    problems
}

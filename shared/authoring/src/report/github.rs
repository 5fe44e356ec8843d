//! Workflow commands of GitHub Actions: annotations beside the lines of a pull request.

use std::fmt::Write as _;

use super::Report;
use crate::finding::Severity;

pub(super) fn annotations(report: &Report) -> String {
    let mut out = String::new();
    for file in &report.files {
        for finding in &file.findings {
            let level = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Advice => "notice",
            };
            let mut properties = format!("file={}", property(&file.file));
            if let Some(line) = finding.line {
                let _ = write!(properties, ",line={line},col={}", finding.column.unwrap_or(1));
            }
            let title = match finding.name {
                Some(name) => format!("{} {name}", finding.code),
                None => finding.code.to_owned(),
            };
            let message = data(&format!("{}\n{}", finding.message, finding.remedy));
            let _ = writeln!(out, "::{level} {properties},title={}::{message}", property(&title));
        }
    }
    out
}

/// The message: what would end it is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property: what would end it is escaped too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

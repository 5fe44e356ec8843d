//! Findings: what a lint says about a campaign, where, why, what to do about it, and the scenario
//! that proves it.

use dacapo_engine::campaign::reader::Place;
use dacapo_engine::problem::Problem;
use serde::Serialize;

use crate::scenario::Scenario;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It prevents publishing.
    Error,
    /// Contacts will miss something, or get something that nobody meant.
    Warning,
    /// It works, and something else would serve better.
    Advice,
}

impl Severity {
    /// The word for it, as it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Advice => "advice",
        }
    }
}

impl From<dacapo_engine::problem::Severity> for Severity {
    fn from(severity: dacapo_engine::problem::Severity) -> Self {
        match severity {
            dacapo_engine::problem::Severity::Error => Self::Error,
            dacapo_engine::problem::Severity::Warning => Self::Warning,
        }
    }
}

/// What a lint, or the validator, found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// A stable word for programs: `D101` of a lint, `dangling_edge` of the validator.
    pub code: &'static str,
    /// The lint's name, such as `reset-nobody-leads-to`; the validator's have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'static str>,
    /// The element that it is about, or the key of the e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// The place in the document, dotted: `elements.invite.next`; empty for the whole.
    pub path: String,
    /// The line in the text, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column in the line, from 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do about it, in a sentence.
    pub remedy: String,
    /// What `--fix` would write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// What shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// A change of the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// What it does, in words.
    pub label: String,
    /// Whether it changes nothing but what the finding is about, so that `--fix` may apply it.
    pub safe: bool,
    /// From here …
    #[serde(serialize_with = "place")]
    pub from: Place,
    /// … to here, which is not included: the same place to insert.
    #[serde(serialize_with = "place")]
    pub to: Place,
    /// What is written there.
    pub text: String,
}

/// A scenario for this very campaign, and what it shows. What the scenario expects is what goes
/// wrong: played, it is met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proof {
    /// In a sentence, about the end of the scenario.
    pub shows: String,
    /// What happens.
    pub scenario: Scenario,
}

impl From<Problem> for Finding {
    fn from(problem: Problem) -> Self {
        let Problem { severity, code, path, line, column, message, remedy } = problem;
        Self {
            severity: severity.into(),
            code,
            name: None,
            element: None,
            path,
            line,
            column,
            message,
            remedy,
            edit: None,
            proof: None,
        }
    }
}

impl From<Finding> for Problem {
    /// Without what a problem has no room for; advice is a warning.
    fn from(finding: Finding) -> Self {
        let severity = match finding.severity {
            Severity::Error => dacapo_engine::problem::Severity::Error,
            Severity::Warning | Severity::Advice => dacapo_engine::problem::Severity::Warning,
        };
        Self {
            severity,
            code: finding.code,
            path: finding.path,
            line: finding.line,
            column: finding.column,
            message: finding.message,
            remedy: finding.remedy,
        }
    }
}

fn place<S: serde::Serializer>(place: &Place, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct WrittenPlace {
        line: u32,
        column: u32,
    }
    WrittenPlace { line: place.line, column: place.column }.serialize(serializer)
}

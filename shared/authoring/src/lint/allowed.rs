//! `allow`: findings that the author means so are not shown, and what silences nothing is found.

use dacapo_engine::campaign::nearest;
use dacapo_engine::campaign::reader::KeyPath;

use super::{LINTS, LintedCampaign, finding_without_element, named};
use crate::finding::{Finding, Severity};

/// The code and the name of the finding about an `allow`. It is no lint: it cannot be allowed.
pub(crate) const CODE: &str = "D901";
pub(crate) const NAME: &str = "allow-silences-nothing";

/// The findings without those that are allowed, and one for each `allow` that silences nothing.
pub(super) fn apply(given: &LintedCampaign<'_>, mut findings: Vec<Finding>) -> Vec<Finding> {
    let path = KeyPath::root().key("allow");
    let mut odd = Vec::new();
    for (nth, allow) in given.source.document.allow.iter().enumerate() {
        let lint = named(&allow.lint);
        let before = findings.len();
        findings.retain(|finding| {
            let is_of_lint = lint.is_some_and(|lint| lint.code == finding.code);
            let is_of_element =
                allow.element.as_ref().is_none_or(|it| finding.element.as_ref() == Some(it));
            !(is_of_lint && is_of_element)
        });
        if findings.len() < before {
            continue;
        }
        let path = path.index(nth).key("lint");
        let place = given.source.places.of_value(&path);
        let (message, remedy) = match lint {
            None => (
                format!("there is no lint `{}`", allow.lint),
                nearest::remedy(&allow.lint, LINTS.iter().flat_map(|lint| [lint.code, lint.name])),
            ),
            Some(lint) => (
                format!("`{}` finds nothing here any more: {}", lint.code, lint.name),
                "remove this line from `allow`".to_owned(),
            ),
        };
        odd.push(finding_without_element(
            (Severity::Warning, CODE, NAME),
            &path,
            place,
            message,
            remedy,
        ));
    }
    findings.extend(odd);
    findings
}

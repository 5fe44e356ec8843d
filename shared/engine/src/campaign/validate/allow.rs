//! `allow`: what a reader later needs to know is there, and what it is about exists.

use crate::campaign::checks::{At, Findings};
use crate::campaign::format::Document;
use crate::campaign::nearest;
use crate::campaign::node::Path;

/// Whether a lint is silenced rightly, only the lints know: this looks at the words.
pub(super) fn check(document: &Document, findings: &mut Findings<'_>) {
    let path = Path::root().key("allow");
    for (nth, allow) in document.allow.iter().enumerate() {
        let path = path.index(nth);
        if allow.reason.trim().is_empty() {
            findings.error(
                "missing_reason",
                &At::Value(&path.key("reason")),
                format!("`{}` is allowed without a reason", allow.lint),
                "write in a sentence why it is meant so",
            );
        }
        if let Some(element) = &allow.element {
            let elements = document.elements.iter().map(|(id, _)| id.as_str());
            let known: Vec<&str> =
                elements.chain(document.emails.keys().map(String::as_str)).collect();
            if !known.contains(&element.as_str()) {
                findings.error(
                    "unknown_element",
                    &At::Value(&path.key("element")),
                    format!("there is no element and no e-mail `{element}`"),
                    nearest::remedy(element, known),
                );
            }
        }
    }
}

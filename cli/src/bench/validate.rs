//! `dacapo validate` alone: reading, validating and linting a campaign of 500 elements.

use std::fmt::Write as _;
use std::time::Duration;

use dacapo_authoring::report::Report;
use serde_json::{Value, json};

use super::stopwatch::Stopwatch;

/// How many elements a campaign can have.
const ELEMENTS: usize = 500;

/// How often it is measured; the median is told.
const TIMES: usize = 21;

/// Milliseconds for one campaign, from its text to its findings.
pub(crate) fn measure() -> Value {
    let text = campaign();
    let mut took: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let stopwatch = Stopwatch::start();
            std::hint::black_box(Report::of(vec![("long.yaml".to_owned(), text.clone())]));
            stopwatch.elapsed()
        })
        .collect();
    took.sort_unstable();
    let median = took[TIMES / 2].as_secs_f64() * 1_000.0;
    json!({ "figure": "validate", "elements": ELEMENTS, "milliseconds": median })
}

/// A hundred loops of five elements each, behind one another.
fn campaign() -> String {
    let mut text = String::from(
        "id: long\nsender: { address: hello@studio-nord.example }\n\
         fields: { appointment: { type: datetime } }\nelements:\n",
    );
    for nth in 0..ELEMENTS / 5 {
        let _ = write!(
            text,
            "  booked{nth}: {{ type: event, on: {{ tag_added: Booked {nth} }}, next: confirm{nth} }}\n  \
             confirm{nth}: {{ type: email, email: confirm, next: wait{nth} }}\n  \
             wait{nth}: {{ type: wait, for: 2 days, next: paid{nth} }}\n  \
             paid{nth}: {{ type: goal, when: {{ tag: Paid {nth} }}, next: thanks{nth} }}\n  \
             thanks{nth}: {{ type: email, email: thanks }}\n",
        );
    }
    text.push_str(
        "emails:\n  confirm: { purpose: transactional, subject: See you, text: \"On {{ \
         contact.appointment | date | default('soon') }}\" }\n  thanks: { subject: Thank you, \
         text: \"Hello {{ contact.first_name | default('there') }}\" }\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_campaign_has_five_hundred_elements_and_no_error() {
        let report = Report::of(vec![("long.yaml".to_owned(), campaign())]);
        let errors = report.count(dacapo_authoring::finding::Severity::Error);
        assert_eq!(errors, 0, "{:#?}", report.files[0].findings);
        assert_eq!(campaign().matches("type: ").count(), ELEMENTS + 1);
    }
}

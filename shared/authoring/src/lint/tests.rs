//! What the tests of all lints share, and the tests that hold for every lint.

use dacapo_engine::campaign::reader::{LocatedDocument, read};

use super::pages::PAGES;
use super::{LINTS, LintPage, LintedCampaign, check};
use crate::finding::{Finding, Proof};

/// Campaigns, divided by lines with `---`.
fn sources(campaigns: &str) -> Vec<(String, LocatedDocument)> {
    let texts = campaigns.split("\n---\n").map(str::to_owned);
    texts
        .map(|text| match read(&text) {
            Ok(source) => (text, source),
            Err(problems) => panic!("it cannot be read: {problems:#?}\n{text}"),
        })
        .collect()
}

/// What all lints find in the campaigns.
pub(super) fn findings(campaigns: &str) -> Vec<Finding> {
    let sources = sources(campaigns);
    let given: Vec<LintedCampaign<'_>> =
        sources.iter().map(|(text, source)| LintedCampaign { text, source }).collect();
    check(&given).into_iter().flatten().collect()
}

/// The elements in which a lint finds something, in order of place.
fn elements(code: &str, campaigns: &str) -> Vec<String> {
    let found = findings(campaigns).into_iter().filter(|finding| finding.code == code);
    found.map(|finding| finding.element.unwrap_or_default()).collect()
}

/// The lint finds something in exactly these elements, and what it says can be seen.
pub(super) fn trips(code: &str, campaigns: &str, expected: &[&str]) {
    assert_eq!(elements(code, campaigns), expected, "{code} in\n{campaigns}");
    for finding in findings(campaigns).iter().filter(|finding| finding.code == code) {
        if let Some(proof) = &finding.proof {
            assert!(plays(campaigns, proof), "{code}: {}\n{campaigns}", proof_as_text(proof));
        }
    }
}

/// The lint finds nothing.
pub(super) fn silent(code: &str, campaigns: &str) {
    assert_eq!(elements(code, campaigns), Vec::<String>::new(), "{code} in\n{campaigns}");
}

fn proof_as_text(proof: &Proof) -> String {
    serde_json::to_string_pretty(proof).expect("a proof is written")
}

/// Whether what the proof says happens.
pub(super) fn plays(campaigns: &str, proof: &Proof) -> bool {
    let sources = sources(campaigns);
    let given: Vec<LintedCampaign<'_>> =
        sources.iter().map(|(text, source)| LintedCampaign { text, source }).collect();
    super::is_met(&given, proof)
}

#[test]
fn every_lint_has_a_code_and_a_name_of_its_own_in_order() {
    for (one, next) in LINTS.iter().zip(&LINTS[1..]) {
        assert!(one.code < next.code, "{} stands before {}", one.code, next.code);
        assert!(LINTS.iter().filter(|other| other.name == one.name).count() == 1, "{}", one.name);
    }
    let with_pages = PAGES.iter().map(|page| page.code);
    assert!(with_pages.eq(LINTS.iter().map(|lint| lint.code)), "each has its page");
}

#[test]
fn every_example_can_be_published_trips_its_lint_alone_and_proves_it() {
    let mut wrong = Vec::new();
    for LintPage { code, example, .. } in PAGES {
        // What is too long for a page is written as `…` in it.
        let example = &example.replace("<p>…</p>", &format!("<p>{}</p>", "x".repeat(103 * 1024)));
        valid(example);
        for finding in findings(example) {
            if finding.code != *code {
                wrong.push(format!("{code} trips {}: {}", finding.code, finding.message));
            }
            match &finding.proof {
                None => wrong.push(format!("{} has no proof", finding.code)),
                Some(proof) if !plays(example, proof) => {
                    wrong.push(format!("{} does not play: {}", finding.code, proof_as_text(proof)));
                }
                Some(_) => {}
            }
        }
        if elements(code, example).is_empty() {
            wrong.push(format!("{code} does not trip"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_mended_example_can_be_published_and_no_lint_finds_anything() {
    let mut wrong = Vec::new();
    for LintPage { code, mended, .. } in PAGES {
        valid(mended);
        for finding in findings(mended) {
            wrong.push(format!("{code} mended trips {}: {}", finding.code, finding.message));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The validator has nothing to say.
fn valid(campaigns: &str) {
    use std::collections::BTreeMap;

    use dacapo_engine::campaign::validate::{AccountView, validate};
    for (text, source) in sources(campaigns) {
        let account = AccountView {
            fields: &BTreeMap::new(),
            objects: &BTreeMap::new(),
            subjects: &|_| None,
            campaigns: &|_| true,
            sender: false,
        };
        let problems = validate(&source, &account);
        assert!(problems.is_empty(), "{problems:#?}\n{text}");
    }
}

#[test]
fn what_is_allowed_is_silent_and_an_allow_that_silences_nothing_is_found() {
    let loops = |allow: &str| {
        format!(
            "id: a\nelements:\n  e: {{ type: event, on: {{ tag_added: Missed }}, next: r }}\n  \
             r: {{ type: reset, next: w }}\n  w: {{ type: wait, for: 1 day }}\n{allow}"
        )
    };
    let codes = |allow: &str| -> Vec<&str> {
        findings(&loops(allow)).iter().map(|finding| finding.code).collect()
    };
    assert_eq!(codes(""), ["D104"]);
    assert_eq!(codes("allow: [{ lint: D104, element: e, reason: by hand }]\n"), [""; 0]);
    assert_eq!(codes("allow: [{ lint: fires-once-only, reason: by hand }]\n"), [""; 0]);
    assert_eq!(codes("allow: [{ lint: D104, element: r, reason: by hand }]\n"), ["D104", "D901"]);
    assert_eq!(codes("allow: [{ lint: D999, reason: no lint }]\n"), ["D104", "D901"]);
}

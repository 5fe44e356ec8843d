//! What the lints find in a document, beside the campaigns that are published in the account.
//!
//! The published versions are in memory for decisions as it is, so nothing is read for this. It is
//! bounded all the same, since every campaign is compared with every other, and what was left out
//! is said.

use dacapo_authoring::lint::{LintedCampaign, check_beside};
use dacapo_engine::campaign::format::Document;
use dacapo_engine::campaign::reader::LocatedDocument;
use dacapo_engine::compact::SortCompactly as _;
use dacapo_engine::problem::{Problem, Severity};

use crate::catalog::Loaded;

/// How many elements the published campaigns have together, at most, beside which a document is
/// linted.
const MOST_ELEMENTS_BESIDE: usize = 5_000;

/// Problems of a document, and what the lints find if it has no errors, in order of place.
pub(super) fn with_findings(
    text: &str,
    source: &LocatedDocument,
    loaded: &Loaded,
    mut problems: Vec<Problem>,
) -> Vec<Problem> {
    if problems.iter().all(|problem| problem.severity != Severity::Error) {
        let (beside, left_out) = published_beside(source, loaded);
        let found = check_beside(&[LintedCampaign { text, source }], &beside);
        problems.extend(found.into_iter().flatten().map(Problem::from));
        problems.sort_compactly_by_key(|problem| (problem.line, problem.column, problem.severity));
        if !left_out.is_empty() {
            problems.push(not_compared(&left_out));
        }
    }
    problems
}

/// The newest versions of the other campaigns that are published, as many as the bound allows, the
/// shortest first; and the ids of those that are left out.
fn published_beside<'a>(
    source: &LocatedDocument,
    loaded: &'a Loaded,
) -> (Vec<&'a Document>, Vec<&'a str>) {
    let others = loaded.campaigns.values().filter(|other| other.id != source.document.id);
    let newest = others.filter_map(|other| other.versions.values().next_back());
    let mut documents: Vec<&Document> = newest.map(|graph| &graph.document).collect();
    documents.sort_compactly_by_key(|document| document.elements.len());
    let mut elements = 0;
    let fit = documents.iter().take_while(|document| {
        elements += document.elements.len();
        elements <= MOST_ELEMENTS_BESIDE
    });
    let left_out = documents.split_off(fit.count());
    (documents, left_out.into_iter().map(|document| document.id.as_str()).collect())
}

/// The document was not compared with all campaigns.
fn not_compared(left_out: &[&str]) -> Problem {
    let named: Vec<String> = left_out.iter().take(3).map(|id| format!("`{id}`")).collect();
    let more = left_out.len() - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Problem {
        severity: Severity::Warning,
        code: "not_compared",
        path: String::new(),
        line: None,
        column: None,
        message: format!(
            "lints compared it with published campaigns of {MOST_ELEMENTS_BESIDE} elements \
             together; left out: {}{more}",
            named.join(", ")
        ),
        remedy: "compare it with those by `dacapo validate`, with the files of both".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use dacapo_engine::campaign::graph::Graph;
    use dacapo_engine::campaign::reader::read;
    use dacapo_engine::campaign::{Campaign, Timeline};

    use super::*;
    use crate::catalog::Catalog;

    /// A campaign that sends an e-mail to whoever is tagged, and has so many elements.
    fn campaign(id: &str, elements: usize) -> String {
        let waits = 2..elements;
        let waits = waits.map(|nth| format!("  w{nth}: {{ type: wait, for: 1 day }}\n"));
        format!(
            "id: {id}\nelements:\n  s: {{ type: start, when: {{ tag: Lead }}, next: m }}\n  \
             m: {{ type: email, email: m }}\n{}emails: {{ m: {{ subject: S, text: T }} }}\n",
            waits.collect::<String>()
        )
    }

    #[test]
    fn the_largest_campaigns_are_left_out_and_named() {
        let mut campaigns = BTreeMap::new();
        for (id, elements) in [("a", 4_000), ("b", 1_000), ("c", 3_999), ("d", 2)] {
            let document = read(&campaign(id, elements)).expect("a campaign").document;
            let id = document.id.clone();
            let graph = Graph::new(1, document, &BTreeMap::new(), &BTreeMap::new());
            let versions = BTreeMap::from([(1, Arc::new(graph))]);
            let published = Campaign { id: id.clone(), timeline: Timeline::default(), versions };
            campaigns.insert(id, Arc::new(published));
        }
        let catalog = Catalog::default();
        let account = catalog.account();
        let broken = BTreeMap::new();
        let loaded = Loaded { rev: 1, catalog, account, campaigns, broken };
        let text = campaign("draft", 2);
        let source = read(&text).expect("a campaign");
        let found = with_findings(&text, &source, &loaded, Vec::new());
        let codes: Vec<_> = found.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["D503", "not_compared"]);
        assert!(found[1].message.ends_with("left out: `c`, `a`"), "{}", found[1].message);
    }
}

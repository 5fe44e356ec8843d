//! What is wrong or odd with campaigns, for people and for programs: the validator's problems and
//! the lints' findings come through here, in one form.

mod github;
mod sarif;

use std::collections::BTreeMap;

use dacapo_engine::campaign::format::ObjectDefinition;
use dacapo_engine::campaign::reader::{LocatedDocument, read};
use dacapo_engine::campaign::validate::{AccountView, Subjects, validate};
use dacapo_engine::compact::{CollectCompactly as _, SortCompactly as _};
use dacapo_engine::ids::{CampaignId, ObjectType};
use serde::Serialize;
use serde_json::{Value, json};

use crate::finding::{Finding, Severity};
use crate::lint::{self, LintedCampaign};

/// What was found in several texts, each a campaign; they may refer to each other.
#[derive(Debug, Clone)]
pub struct Report {
    /// In the order in which they were given.
    pub files: Vec<Reported>,
}

/// What was found in a text.
#[derive(Debug, Clone, Serialize)]
pub struct Reported {
    /// Its name.
    pub file: String,
    /// The text itself.
    #[serde(skip)]
    pub text: String,
    /// In order of place.
    #[serde(rename = "problems")]
    pub findings: Vec<Finding>,
}

impl Report {
    /// Reads and validates the texts, each with its name, and lints them together. Lints look at
    /// campaigns without errors, and only if every text could be read: one that is missing might be
    /// what assigns a tag.
    pub fn of(texts: Vec<(String, String)>) -> Self {
        let read: Vec<Result<LocatedDocument, Vec<Finding>>> = texts
            .iter()
            .map(|(_, text)| read(text).map_err(|all| all.into_iter().map(Finding::from).collect()))
            .collect();
        let mut findings = validated(&read);
        if read.iter().all(Result::is_ok) {
            let is_right = |nth: &usize| {
                findings[*nth].iter().all(|finding| finding.severity != Severity::Error)
            };
            let right: Vec<usize> = (0..texts.len()).filter(is_right).collect();
            let given: Vec<LintedCampaign<'_>> = right
                .iter()
                .filter_map(|nth| {
                    let source = read[*nth].as_ref().ok()?;
                    Some(LintedCampaign { text: &texts[*nth].1, source })
                })
                .collect();
            for (nth, mut found) in right.iter().zip(lint::check(&given)) {
                lint::prove(&given, &mut found);
                findings[*nth].extend(found);
            }
        }
        let files = texts.into_iter().zip(findings).map(|((file, text), mut findings)| {
            findings
                .sort_compactly_by_key(|finding| (finding.line, finding.column, finding.severity));
            Reported { file, text, findings }
        });
        Self { files: files.collect() }
    }

    /// How many findings there are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.files.iter().map(|file| file.count(severity)).sum()
    }

    /// `{"files": [{"file": …, "problems": […]}]}`, each problem with its proof.
    pub fn as_json(&self) -> Value {
        json!({ "files": self.files })
    }

    /// SARIF 2.1.0, which code hosts show beside the lines. `version` is that of the program.
    pub fn as_sarif(&self, version: &str) -> Value {
        sarif::sarif_log(self, version)
    }

    /// The workflow commands of GitHub Actions, a line each.
    pub fn as_github(&self) -> String {
        github::annotations(self)
    }
}

impl Reported {
    /// How many findings there are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// What keeps each from being published, and the validator's warnings.
fn validated(read: &[Result<LocatedDocument, Vec<Finding>>]) -> Vec<Vec<Finding>> {
    let sources = || read.iter().filter_map(|source| source.as_ref().ok());
    let known: BTreeMap<CampaignId, Subjects> = sources()
        .map(|it| (it.document.id.clone(), Subjects::of(it.document.per.as_ref())))
        .collect_compactly();
    let mut objects: BTreeMap<ObjectType, ObjectDefinition> = BTreeMap::new();
    for (kind, of) in sources().flat_map(|source| &source.document.objects) {
        objects.entry(kind.clone()).or_default().fields.extend(of.fields.clone());
    }
    // Files have no account: a sender may be set there.
    let account = AccountView {
        fields: &BTreeMap::new(),
        objects: &objects,
        subjects: &|id| known.get(id).cloned(),
        campaigns: &|id| known.contains_key(id),
        sender: true,
    };
    let found = read.iter().map(|source| match source {
        Ok(source) => validate(source, &account).into_iter().map(Finding::from).collect(),
        Err(findings) => findings.clone(),
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOP: &str = "id: a\nelements:\n  e: { type: event, on: { tag_added: Missed }, next: r }\n  \
                        r: { type: reset, next: w }\n  w: { type: wait, for: 1 day }\n";

    fn report(texts: &[(&str, &str)]) -> Report {
        Report::of(
            texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
        )
    }

    #[test]
    fn lints_wait_until_every_text_can_be_read_and_has_no_error() {
        let codes = |report: &Report| -> Vec<Vec<&str>> {
            let of = |file: &Reported| file.findings.iter().map(|it| it.code).collect();
            report.files.iter().map(of).collect()
        };
        assert_eq!(codes(&report(&[("a.yaml", LOOP)])), [vec!["D104"]]);
        let broken = report(&[("a.yaml", LOOP), ("b.yaml", "id: b\n")]);
        assert_eq!(codes(&broken), [vec![], vec!["missing_key"]]);
        let wrong = report(&[("a.yaml", &LOOP.replace("next: w", "next: v"))]);
        assert_eq!(codes(&wrong), [vec!["dangling_edge", "unreachable"]]);
    }

    #[test]
    fn a_finding_has_its_place_and_its_proof_in_json() {
        let json = report(&[("a.yaml", LOOP)]).as_json();
        let finding = &json["files"][0]["problems"][0];
        assert_eq!(finding["code"], "D104");
        assert_eq!(finding["name"], "fires-once-only");
        assert_eq!(finding["severity"], "warning");
        assert_eq!(finding["element"], "e");
        assert_eq!(finding["path"], "elements.e.on");
        assert_eq!((&finding["line"], &finding["column"]), (&json!(3), &json!(25)));
        assert!(finding["proof"]["scenario"]["then"].is_array(), "{finding:#}");
    }

    #[test]
    fn sarif_and_github_say_where() {
        let report = report(&[("a b.yaml", LOOP)]);
        let sarif = report.as_sarif("1.0.0");
        let result = &sarif["runs"][0]["results"][0];
        assert_eq!(result["ruleId"], "D104");
        let location = &result["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "a%20b.yaml");
        assert_eq!(location["region"]["startLine"], 3);
        let rule = &sarif["runs"][0]["tool"]["driver"]["rules"][0];
        assert_eq!(rule["name"], "fires-once-only");
        let github = report.as_github();
        assert!(
            github
                .starts_with("::warning file=a b.yaml,line=3,col=25,title=D104 fires-once-only::"),
            "{github}"
        );
        assert!(github.contains("nothing happens%0A"), "{github}");
    }

    /// The bound of the issue is for a release build, on which `dacapo bench` measures it.
    #[test]
    fn five_hundred_elements_are_looked_at_soon() {
        let mut text = String::from(
            "id: long\nelements:\n  e0: { type: start, when: { tag: A }, next: e1 }\n",
        );
        for nth in 1..499 {
            text.push_str(&format!("  e{nth}: {{ type: wait, for: 1 day, next: e{} }}\n", nth + 1));
        }
        text.push_str("  e499: { type: end }\n");
        let report = report(&[("long.yaml", &text)]);
        assert_eq!(report.files[0].findings.len(), 0, "{:#?}", report.files[0].findings);
    }
}

//! The pages of the lints are what the code says, and the examples are without a finding.

use std::path::{Path, PathBuf};

use dacapo_authoring::lint::{LINTS, LintedCampaign, check, index, page};
use dacapo_engine::campaign::reader::{LocatedDocument, read};

fn in_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The page of each lint in `docs/lints`, and the index: `UPDATE_LINTS=1` writes them anew.
#[test]
fn every_lint_has_its_page() {
    let folder = in_project("docs/lints");
    let pages = LINTS.iter().map(|lint| {
        let page = page(lint).expect("each lint has its page");
        (format!("{}.md", lint.code), page)
    });
    let mut expected: Vec<(String, String)> = pages.collect();
    expected.push(("README.md".to_owned(), index()));
    for (name, text) in &expected {
        let path = folder.join(name);
        if std::env::var_os("UPDATE_LINTS").is_some() {
            std::fs::create_dir_all(&folder).expect("the folder");
            std::fs::write(&path, text).expect("a page");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == *text,
            "{name} is not what the code says: UPDATE_LINTS=1 writes it anew"
        );
    }
    for entry in std::fs::read_dir(&folder).expect("the folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let is_page = expected.iter().any(|(page, _)| *page == name);
        assert!(is_page, "{name} is no lint's page: remove it");
    }
}

/// The examples that people copy have nothing that a lint finds, together and each by itself.
#[test]
fn no_example_has_a_finding() {
    let mut files: Vec<_> = std::fs::read_dir(in_project("examples"))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    let read_file = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("an example");
        let source = read(&text).unwrap_or_else(|wrong| panic!("{}: {wrong:?}", path.display()));
        (text, source)
    };
    let examples: Vec<(String, LocatedDocument)> = files.iter().map(read_file).collect();
    let mut wrong = found(&examples);
    wrong.extend(examples.iter().flat_map(|example| found(std::slice::from_ref(example))));
    assert!(!examples.is_empty() && wrong.is_empty(), "{}", wrong.join("\n"));
}

fn found(campaigns: &[(String, LocatedDocument)]) -> Vec<String> {
    let given: Vec<_> =
        campaigns.iter().map(|(text, source)| LintedCampaign { text, source }).collect();
    let findings = check(&given).into_iter().flatten();
    findings.map(|it| format!("{} {}: {}", it.code, it.path, it.message)).collect()
}

//! The campaigns after other tools' recipes, and the page that judges what is found in them.
//!
//! `docs/peers.md` has a row for each finding in `tests/peers`, with what somebody said of it. The
//! tests hold the page to what is found today; `UPDATE_PEERS=1` writes the rows anew: it keeps what
//! was said, and leaves a `?` where somebody has to judge first.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dacapo_authoring::finding::{Finding, Severity};
use dacapo_authoring::lint::{LintedCampaign, check};
use dacapo_engine::campaign::reader::{LocatedDocument, read};
use dacapo_engine::campaign::validate::{AccountView, validate};

const HEAD: &str = "| campaign | finding | at | verdict | why |\n|---|---|---|---|---|\n";

fn in_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn page() -> String {
    std::fs::read_to_string(in_project("docs/peers.md")).expect("the page")
}

/// The campaigns by name, each with its text.
fn campaigns() -> BTreeMap<String, (String, LocatedDocument)> {
    let entries = std::fs::read_dir(in_project("tests/peers")).expect("the folder");
    let read_file = |path: PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let name = name.strip_suffix(".yaml").expect("nothing but campaigns").to_owned();
        let text = std::fs::read_to_string(&path).expect("a campaign");
        let source = read(&text).unwrap_or_else(|wrong| panic!("{name}: {wrong:?}"));
        (name, (text, source))
    };
    entries.map(|entry| read_file(entry.expect("an entry").path())).collect()
}

/// What the validator and the lints say of a campaign by itself, in order of place.
fn findings(text: &str, source: &LocatedDocument) -> Vec<Finding> {
    let account = AccountView {
        fields: &BTreeMap::new(),
        objects: &BTreeMap::new(),
        subjects: &|_| None,
        campaigns: &|_| true,
        sender: false,
    };
    let problems = validate(source, &account).into_iter().map(Finding::from);
    let found = check(&[LintedCampaign { text, source }]).into_iter().flatten();
    let mut all: Vec<Finding> = problems.chain(found).collect();
    all.sort_by_key(|finding| (finding.line, finding.column, finding.code));
    all
}

/// The first cells of a finding's row: campaign, code, and the element or the key of the e-mail.
fn cells(name: &str, finding: &Finding) -> String {
    let of_path = finding.path.split('.').nth(1).map(str::to_owned);
    let at = finding.element.clone().or(of_path).unwrap_or_default();
    let code = match finding.name {
        Some(_) => format!("[{0}](lints/{0}.md)", finding.code),
        None => format!("`{}`", finding.code),
    };
    format!("| [{name}](../tests/peers/{name}.yaml) | {code} | `{at}` |")
}

/// The page with a row for each finding, each with what the page said of it.
fn with_rows(page: &str) -> String {
    let (before, rest) = page.split_once(HEAD).expect("the table of findings");
    let written = rest.split("\n\n").next().unwrap_or_default();
    let said = |cells: &str| written.lines().find_map(|row| row.strip_prefix(cells));
    let mut rows = String::new();
    for (name, (text, source)) in campaigns() {
        for finding in findings(&text, &source) {
            let cells = cells(&name, &finding);
            let row = format!("{cells}{}\n", said(&cells).unwrap_or(" ? | |"));
            // Two of one kind at one place have one verdict.
            if !rows.contains(&row) {
                rows.push_str(&row);
            }
        }
    }
    let after = &rest[written.len()..];
    format!("{before}{HEAD}{}{after}", rows.trim_end())
}

/// Each finding has its row, no row is left of one that is not found any more, and each is judged.
#[test]
fn the_page_judges_what_is_found_and_nothing_else() {
    let expected = with_rows(&page());
    if std::env::var_os("UPDATE_PEERS").is_some() {
        std::fs::write(in_project("docs/peers.md"), &expected).expect("the page");
    }
    let written = page();
    let rows = |page: &str| page.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let difference: Vec<_> =
        rows(&expected).symmetric_difference(&rows(&written)).cloned().collect();
    assert!(
        expected == written,
        "docs/peers.md is not what is found: UPDATE_PEERS=1 writes the rows anew\n{}",
        difference.join("\n")
    );
    let (_, rows) = written.split_once(HEAD).expect("the table");
    let rows: Vec<&str> = rows.lines().take_while(|row| row.starts_with('|')).collect();
    let is_judged = |row: &&&str| {
        let cells: Vec<&str> = row.split(" | ").collect();
        matches!(cells.get(3), Some(&("right" | "wrong"))) && cells.len() == 5
    };
    let open: Vec<_> = rows.iter().filter(|row| !is_judged(row)).collect();
    assert!(!rows.is_empty() && open.is_empty(), "right or wrong, and why? {open:#?}");
}

/// A peer's campaign can be published, is called like its file, and says after what it is written.
#[test]
fn every_campaign_can_be_published_and_names_its_source() {
    let (page, campaigns) = (page(), campaigns());
    let mut peers = BTreeSet::new();
    for (name, (text, source)) in &campaigns {
        assert_eq!(source.document.id.as_str(), name, "rename the file or the campaign");
        let errors = findings(text, source);
        let mut errors = errors.iter().filter(|finding| finding.severity == Severity::Error);
        assert!(errors.next().is_none(), "{name}: {:#?}", findings(text, source));
        let head: Vec<_> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
        assert!(head.first().is_some_and(|line| line.starts_with("Source: ")), "{name}");
        let addresses: Vec<_> = head.iter().filter(|line| line.starts_with("http")).collect();
        assert!(!addresses.is_empty(), "{name}: the address of its source is missing");
        for address in addresses {
            assert!(page.contains(&format!("({address})")), "{name}: the page lacks {address}");
        }
        peers.extend(name.split('-').next());
    }
    assert!(campaigns.len() >= 20 && peers.len() >= 8, "{} of {peers:?}", campaigns.len());
}

//! Campaigns and scenarios from files, and what is wrong with them.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use dacapo_authoring::campaigns::{ReadCampaigns, together};
use dacapo_authoring::scenario::Scenario;
use dacapo_authoring::simulate::Surroundings;
use dacapo_engine::campaign::reader::{Places, read_as};
use dacapo_engine::problem::Problem;
use serde_json::Value;

/// The longest text that is read, in bytes; the reader refuses anything longer in its own words.
const LONGEST_TEXT_BYTES: u64 = 4 * 1024 * 1024;

/// How deep folders are looked through.
const DEEPEST: usize = 32;

/// Why files cannot be used, in lines with file, line and column.
#[derive(Debug)]
pub(crate) struct Unusable(Vec<String>);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Unusable {}

impl Unusable {
    /// Problems of a file.
    pub(crate) fn of(file: &str, problems: &[Problem]) -> Self {
        Self(problems.iter().map(|problem| line(file, problem)).collect())
    }
}

/// A problem with its place, as compilers write it.
fn line(file: &str, problem: &Problem) -> String {
    let mut place = file.to_owned();
    if let Some(line) = problem.line {
        place = format!("{place}:{line}:{}", problem.column.unwrap_or(1));
    }
    let Problem { code, path, message, remedy, .. } = problem;
    let path = if path.is_empty() { String::new() } else { format!(" {path}") };
    format!("{place}: error[{code}]{path}\n    {message}\n    {remedy}")
}

/// The name of a file in messages.
pub(crate) fn name(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
}

/// The text of a file; `-` is standard input.
pub(crate) fn text(file: &Path) -> Result<String, Unusable> {
    let failed = |error: std::io::Error| {
        let hint = if file.is_dir() { "; it is a folder, name a file" } else { "" };
        Unusable(vec![format!("{}: {error}{hint}", name(file))])
    };
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(LONGEST_TEXT_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let open = std::fs::File::open(file).map_err(failed)?;
        open.take(LONGEST_TEXT_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let message = format!("{}: byte {at} is no UTF-8; save the file as UTF-8", name(file));
        Unusable(vec![message])
    })
}

/// The documents beneath a place, or at it, in order of name: YAML and JSON.
pub(crate) fn documents_beneath(place: &Path) -> Result<Vec<PathBuf>, Unreadable> {
    let mut found = Vec::new();
    look(place, true, 0, &mut found)?;
    Ok(found)
}

/// Finds documents beneath a place.
fn look(
    place: &Path,
    named: bool,
    depth: usize,
    found: &mut Vec<PathBuf>,
) -> Result<(), Unreadable> {
    let unreadable = |error| Unreadable(place.to_owned(), error);
    if !std::fs::metadata(place).map_err(unreadable)?.is_dir() {
        let extension = place.extension().and_then(|it| it.to_str()).unwrap_or_default();
        if named || matches!(extension, "yaml" | "yml" | "json") {
            found.push(place.to_owned());
        }
        return Ok(());
    }
    if depth > DEEPEST {
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(place).map_err(unreadable)? {
        entries.push(entry.map_err(unreadable)?);
    }
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // A link could lead back up.
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if !is_link && !name.starts_with('.') && name != "target" && name != "node_modules" {
            look(&entry.path(), false, depth + 1, found)?;
        }
    }
    Ok(())
}

/// A folder or a file that cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable(PathBuf, std::io::Error);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.display(), self.1)
    }
}

impl std::error::Error for Unreadable {}

/// Whether a text is a scenario: it has keys of one, and no elements.
fn is_scenario(text: &str) -> bool {
    let keys = ["contact", "contacts", "then", "expect", "campaigns"];
    has_keys(text, &keys) && !has_keys(text, &["elements"])
}

/// Whether a document has any of these keys.
fn has_keys(text: &str, keys: &[&str]) -> bool {
    match read_as::<Value>(text) {
        Ok((Value::Object(members), _)) => keys.iter().any(|key| members.contains_key(*key)),
        Ok(_) | Err(_) => false,
    }
}

/// The text of a campaign.
///
/// # Errors
///
/// If it cannot be read, or is a scenario.
pub(crate) fn campaign(file: &Path) -> Result<String, Unusable> {
    let text = text(file)?;
    if is_scenario(&text) {
        let file = name(file);
        return Err(Unusable(vec![format!(
            "{file}: this is a scenario, not a campaign; `dacapo simulate --scenario {file}` plays \
             it, `dacapo test {file}` compares what it expects"
        )]));
    }
    Ok(text)
}

/// A scenario, and where its keys are.
pub(crate) fn scenario(file: &Path) -> Result<(Scenario, Places), Unusable> {
    let text = text(file)?;
    if has_keys(&text, &["elements"]) {
        let file = name(file);
        return Err(Unusable(vec![format!(
            "{file}: this is a campaign, not a scenario; `dacapo simulate {file} --scenario \
             SCENARIO` plays a scenario with it, `dacapo simulate {file} --explore` walks every \
             way without one, and `dacapo validate {file}` looks for mistakes"
        )]));
    }
    read_as(&text).map_err(|problems| Unusable::of(&name(file), &problems))
}

/// The campaigns of these files, and those that the scenario names beside itself.
pub(crate) fn campaigns(
    files: &[PathBuf],
    scenario: &Scenario,
    beside: &Path,
) -> Result<ReadCampaigns, Unusable> {
    let folder = beside.parent().unwrap_or_else(|| Path::new(""));
    let mut all: Vec<PathBuf> = files.to_vec();
    for named in scenario.campaigns.iter().map(|named| folder.join(named)) {
        let is_same = |one: &PathBuf| match (one.canonicalize(), named.canonicalize()) {
            (Ok(one), Ok(named)) => one == named,
            _ => false,
        };
        if !all.iter().any(is_same) {
            all.push(named);
        }
    }
    if all.is_empty() {
        return Err(Unusable(vec![format!(
            "{}: no campaign is named; name a file before `--scenario`, or add \
             `campaigns: [FILE]` to the scenario, as paths beside it",
            name(beside)
        )]));
    }
    let texts: Result<Vec<(String, String)>, Unusable> =
        all.iter().map(|file| Ok((name(file), campaign(file)?))).collect();
    together(&texts?, &Surroundings::default()).map_err(|refused| {
        let lines = refused
            .iter()
            .flat_map(|(file, problems)| problems.iter().map(|problem| line(file, problem)));
        Unusable(lines.collect())
    })
}

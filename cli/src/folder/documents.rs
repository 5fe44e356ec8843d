//! The campaigns in a folder. A campaign is found by the `id` in its document, whatever its file is
//! called; other documents, such as scenarios, are left alone.
//!
//! A file is written beside its place and then renamed: a reader sees the old one or the new
//! one, whole, also if the command is killed.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use dacapo_engine::campaign::reader::read_as;
use dacapo_engine::ids::CampaignId;
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::files;

/// Where the command keeps what is its own, in the folder.
pub(super) const OWN: &str = ".dacapo";

/// How files end that are not at their place yet.
const PART: &str = ".part";

/// A campaign's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) path: PathBuf,
    /// The text, without a byte order mark.
    pub(super) text: String,
}

/// The campaigns in a folder.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) root: PathBuf,
    /// Each with the one file that it has.
    pub(super) campaigns: BTreeMap<CampaignId, Document>,
    /// Campaigns that are in several files.
    pub(super) several: BTreeMap<CampaignId, Vec<PathBuf>>,
    /// Files that seem to be campaigns and cannot be read.
    pub(super) unreadable: Vec<Unreadable>,
}

/// A file that seems to be a campaign and cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) path: PathBuf,
    /// Which campaign it seems to be.
    pub(super) id: Option<CampaignId>,
    /// In words.
    pub(super) why: String,
}

/// What a text is.
enum Kind {
    Campaign(CampaignId),
    /// Something else.
    Other,
    /// It seems to be a campaign, but its id cannot be read.
    Unreadable(String),
}

impl Folder {
    /// The campaigns beneath a folder.
    ///
    /// # Errors
    ///
    /// That the folder cannot be read.
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        if !root.is_dir() {
            return Err(format!("{}: there is no such folder", root.display()));
        }
        let files = files::documents_beneath(root).map_err(|error| error.to_string())?;
        let mut found: BTreeMap<CampaignId, Vec<Document>> = BTreeMap::new();
        let mut unreadable = Vec::new();
        for path in files {
            match text(&path).map(|text| (kind(&text), text)) {
                Ok((Kind::Campaign(id), text)) => {
                    found.entry(id).or_default().push(Document { path, text });
                }
                Ok((Kind::Other, _)) => {}
                Ok((Kind::Unreadable(why), text)) => {
                    let id = text.lines().find_map(|line| line.strip_prefix("id:"));
                    let id = id.and_then(|id| CampaignId::new(id.trim()).ok());
                    unreadable.push(Unreadable::of(path, id, &why));
                }
                Err(why) => unreadable.push(Unreadable::of(path, None, &why)),
            }
        }
        let (mut campaigns, mut several) = (BTreeMap::new(), BTreeMap::new());
        for (id, mut documents) in found {
            match documents.pop() {
                Some(only) if documents.is_empty() => {
                    campaigns.insert(id, only);
                }
                last => {
                    let all = documents.into_iter().chain(last);
                    several.insert(id, all.map(|document| document.path).collect());
                }
            }
        }
        Ok(Self { root: root.to_owned(), campaigns, several, unreadable })
    }

    /// Where a campaign is written that has no file yet.
    pub(super) fn place_for(&self, id: &CampaignId) -> PathBuf {
        // A hidden file would not be found again.
        let hidden = if id.as_str().starts_with('.') { "_" } else { "" };
        self.root.join(format!("{hidden}{id}.yaml"))
    }

    /// How a file is shown.
    pub(super) fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    /// What is wrong with a campaign that is in these files.
    pub(super) fn in_several(&self, paths: &[PathBuf]) -> String {
        let names: Vec<String> = paths.iter().map(|path| self.name(path)).collect();
        format!("it is in {}; leave it in one of them", names.join(" and in "))
    }

    /// Writes a campaign's file: over this document, or where there is none.
    ///
    /// # Errors
    ///
    /// That the file is no longer as it was read, or there is another one; or what prevents
    /// writing.
    pub(super) fn write(
        &self,
        path: &Path,
        over: Option<&Document>,
        new: &str,
    ) -> Result<(), String> {
        write(&self.root, path, over, new)
    }

    /// Deletes a campaign's file, if it is still as it was read.
    pub(super) fn delete(document: &Document) -> Result<(), String> {
        unchanged(document)?;
        fs::remove_file(&document.path).map_err(|error| error.to_string())
    }
}

impl Unreadable {
    fn of(path: PathBuf, id: Option<CampaignId>, why: &str) -> Self {
        let why = format!("it seems to be a campaign, and cannot be read: {why}");
        Self { path, id, why }
    }
}

fn text(path: &Path) -> Result<String, String> {
    let text = files::text(path).map_err(|error| error.to_string())?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn kind(text: &str) -> Kind {
    match read_as::<Value>(text) {
        Ok((Value::Object(keys), _)) => match keys.get("id").and_then(Value::as_str) {
            Some(id) if keys.contains_key("elements") => match CampaignId::new(id) {
                Ok(id) => Kind::Campaign(id),
                Err(why) => Kind::Unreadable(format!("id: {id:?} is no id: {why}")),
            },
            Some(_) | None => Kind::Other,
        },
        Ok(_) => Kind::Other,
        Err(problems) => {
            let says = |key: &str| text.lines().any(|line| line.starts_with(key));
            if !(says("id:") && says("elements:")) {
                return Kind::Other;
            }
            let first = problems.first().map(|problem| {
                let (line, column) = (problem.line.unwrap_or(1), problem.column.unwrap_or(1));
                format!("line {line}, column {column}: {}; {}", problem.message, problem.remedy)
            });
            Kind::Unreadable(first.unwrap_or_default())
        }
    }
}

fn unchanged(document: &Document) -> Result<(), String> {
    if text(&document.path)? == document.text {
        return Ok(());
    }
    Err("it was changed while it was read; run the command again".to_owned())
}

/// Writes a whole file, which is renamed to its place.
pub(super) fn write(
    root: &Path,
    path: &Path,
    over: Option<&Document>,
    new: &str,
) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut file = part(root).map_err(failed)?;
    file.write_all(new.as_bytes()).map_err(failed)?;
    match over {
        Some(document) => {
            let before = fs::metadata(&document.path).map_err(failed)?.permissions();
            file.as_file().set_permissions(before).map_err(failed)?;
            file.as_file().sync_all().map_err(failed)?;
            unchanged(document)?;
            file.persist(path).map_err(|error| error.error.to_string())?;
        }
        None => {
            file.as_file().sync_all().map_err(failed)?;
            file.persist_noclobber(path).map_err(|error| match error.error.kind() {
                ErrorKind::AlreadyExists => {
                    "there is another file of this name; rename that one".to_owned()
                }
                _ => error.error.to_string(),
            })?;
        }
    }
    Ok(())
}

/// Writes a file that is the command's own.
pub(super) fn replace(root: &Path, path: &Path, new: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = part(root).map_err(failed)?;
    file.write_all(new.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// A new file that is not at its place yet: it is on the same disk, and no document.
fn part(root: &Path) -> std::io::Result<NamedTempFile> {
    let own = root.join(OWN);
    match fs::symlink_metadata(&own) {
        Ok(there) if there.is_dir() => {}
        Ok(_) => {
            return Err(std::io::Error::other(format!(
                "{} is no folder; the command keeps there what is its own",
                own.display()
            )));
        }
        Err(_) => {
            fs::create_dir_all(&own)?;
            // What a command that was killed has left is nothing to commit.
            fs::write(own.join(".gitignore"), format!("*{PART}\n"))?;
        }
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix("").suffix(PART);
    if let Some(permissions) = ordinary() {
        builder.permissions(permissions);
    }
    builder.tempfile_in(own)
}

/// What a new file may be read by, before the mask of the process.
#[cfg(unix)]
fn ordinary() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn ordinary() -> Option<Permissions> {
    None
}

//! The paths that documents name, and whether they lead to something.

use std::path::{Component, Path};

use super::root;

/// The paths that a document links to, and those that it names from a folder above.
pub(crate) fn paths_in(document: &str) -> Vec<String> {
    let ends = |c: char| c.is_whitespace() || "`)>'\",;|".contains(c);
    let linked = document.split("](").skip(1).map(|rest| rest.split([')', ' ', '#']).next());
    let named = document.match_indices("../").filter_map(|(at, _)| {
        let above = document[..at].ends_with("../");
        (!above).then(|| document[at..].split(ends).next())
    });
    linked
        .chain(named)
        .flatten()
        .filter(|path| !path.is_empty() && !path.contains(':'))
        .map(|path| path.split('#').next().unwrap_or_default().trim_end_matches('.').to_owned())
        .collect()
}

/// The paths with a folder, of Rust files and of folders, that a document names as code.
pub(crate) fn code_paths_in(document: &str) -> Vec<String> {
    let is_path = |code: &&str| {
        let plain = code.chars().all(|c| c.is_ascii_alphanumeric() || "/_-.".contains(c));
        plain && code.contains('/') && (code.ends_with(".rs") || code.ends_with('/'))
    };
    document.split('`').skip(1).step_by(2).filter(is_path).map(str::to_owned).collect()
}

/// Whether a path, seen from a folder, leads to something in the repository.
pub(crate) fn in_repository(folder: &Path, target: &str) -> bool {
    let mut at = folder.to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => {
                at.pop();
            }
            Component::Normal(name) => at.push(name),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return false,
        }
        if !at.starts_with(root()) {
            return false;
        }
    }
    at.exists()
}

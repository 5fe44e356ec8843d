//! The commands in the pages about AWS, run by a real shell against a cloud on this machine.

use std::process::Command;

use crate::cloud::{Cloud, as_root, python, repository};

/// The prelude of the commands. `aws` is the part of the AWS CLI that they use; `sam` is the SAM
/// CLI, for this machine's architecture and without questions. What `make e2e` has built is not
/// built again. MiniStack does not know three operations: they are checked against AWS's models
/// only (`tests/functions/tests/template_rules/commands.rs`).
const BEFORE: &str = r#"
set -euo pipefail
aws() {
  case "$2" in
    put-email-identity-mail-from-attributes | start-message-move-task | list-message-move-tasks) return ;;
  esac
  "$PYTHON" -B "$ROOT/infra/tools/e2e/cli.py" "$@"
}
sam() {
  case "$1" in
    deploy) command sam "$@" "Architecture=$ARCHITECTURE" --no-confirm-changeset > /dev/null ;;
    *) command sam "$@" ;;
  esac
}
make() { :; }
rustup() { :; }
"#;

/// The commands of a page, from one heading to another.
///
/// # Panics
///
/// If the page has no such headings, or no commands between them.
#[must_use]
pub fn typed(page: &str, from: &str, until: &str) -> String {
    let text = std::fs::read_to_string(repository().join(page)).expect("the page");
    let begin = text.find(&format!("\n{from}\n")).unwrap_or_else(|| panic!("{page}: {from}?"));
    let length = text[begin..].find(&format!("\n{until}\n"));
    let end = begin + length.unwrap_or_else(|| panic!("{page}: {until}?"));
    let blocks = text[begin..end].split("```sh\n").skip(1);
    let blocks: Vec<&str> = blocks.filter_map(|block| block.split("```").next()).collect();
    assert!(!blocks.is_empty(), "{page}: nothing is typed between {from} and {until}");
    blocks.concat()
}

/// Runs commands in the root of the repository, as an administrator of the cloud. Returns their
/// output.
///
/// # Panics
///
/// If one of them fails.
#[must_use]
pub fn run(cloud: &Cloud, architecture: &str, commands: &str) -> String {
    let mut shell: Command = as_root("bash".into(), &cloud.url);
    shell
        .arg("-c")
        .arg(format!("{BEFORE}\n{commands}"))
        .env("ROOT", std::path::absolute(repository()).expect("a directory"))
        .env("PYTHON", std::path::absolute(python()).expect("a file"))
        .env("ARCHITECTURE", architecture)
        .env("SAM_CLI_TELEMETRY", "0")
        // The page sets the Region and the path of the SAM CLI.
        .env_remove("AWS_DEFAULT_REGION")
        .env_remove("AWS_REGION");
    let ran = shell.output().expect("bash");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, complained) = (text(&ran.stdout), text(&ran.stderr));
    assert!(ran.status.success(), "{commands}\nsaid\n{said}\n{complained}");
    said
}

//! The commands of the pages about AWS, run unchanged by a real shell in which `aws`, `sam`, `curl`
//! and the others only record their arguments. What the arguments name must exist: in the template,
//! in the API, in AWS's models.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::reading::{Template, page};

/// Commands that are recorded and not run.
const NOTED: [&str; 9] = ["aws", "sam", "curl", "make", "git", "rustup", "jq", "dacapo", "sleep"];

/// What the pages have the reader fill in, as their sentences say.
const FILLED_IN: [(&str, &str); 1] =
    [("CERTIFICATE", "arn:aws:acm:eu-central-1:111122223333:certificate/1")];

/// The prelude of the commands: each records its arguments, and answers with a word.
const BEFORE: &str = r#"
set -eu
# In one write, for what a pipe connects runs side by side.
note() { printf '%s\0' "$@" '' >> "$NOTES"; }
command_not_found_handle() { note missing "$1"; return 127; }
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The commands of a page, in order.
fn commands(path: &str) -> String {
    let page = page(path);
    let blocks = page.split("```sh\n").skip(1);
    let blocks: Vec<&str> = blocks.map(|block| block.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty(), "{path} has no commands");
    blocks.concat()
}

/// The calls of the commands of some pages, with their arguments. `found` is what `jq
/// --exit-status` answers.
fn calls(paths: &[&str], found: bool) -> Vec<Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("examples"), directory.path().join("examples")).unwrap();
    let notes = directory.path().join("notes");
    let mut script = BEFORE.to_owned();
    for name in NOTED {
        // A command behind a pipe reads it, or the writer would fail.
        let fed = if matches!(name, "curl" | "jq") { "[ -t 0 ] || cat > /dev/null; " } else { "" };
        let fails = if name == "jq" && !found { r#"[ "$1" != -e ] || return 1; "# } else { "" };
        writeln!(script, r#"{name}() {{ note {name} "$@"; {fed}{fails}echo word; }}"#).unwrap();
    }
    for path in paths {
        script += &commands(path);
    }
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(&script).current_dir(directory.path()).env("NOTES", &notes);
    shell.envs(FILLED_IN).stdin(Stdio::null());
    let ran = shell.output().expect("bash");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{paths:?}: the shell says\n{said}");
    let noted = std::fs::read_to_string(notes).unwrap();
    let calls = noted.split("\0\0").filter(|call| !call.is_empty());
    calls.map(|call| call.split('\0').map(str::to_owned).collect()).collect()
}

/// What the pages about AWS call, in the order of reading.
fn all() -> Vec<Vec<String>> {
    let pages = ["docs/deploy.md", "docs/scale.md", "docs/operations.md"];
    [true, false].into_iter().flat_map(|found| calls(&pages, found)).collect()
}

fn of<'a>(calls: &'a [Vec<String>], program: &str) -> Vec<&'a [String]> {
    let of = calls.iter().filter(|call| call[0] == program);
    of.map(|call| &call[1..]).collect()
}

/// The values that are given for parameters.
fn overrides(deploy: &[String]) -> Vec<(&str, &str)> {
    let values = deploy.iter().skip_while(|word| *word != "--parameter-overrides").skip(1);
    values.map(|value| value.split_once('=').expect("Name=value")).collect()
}

#[test]
fn nothing_is_called_that_nobody_has() {
    let missing: Vec<_> = all().into_iter().filter(|call| call[0] == "missing").collect();
    assert!(missing.is_empty(), "say in docs/deploy.md that it is needed: {missing:?}");
}

#[test]
fn the_first_deployment_gives_what_has_no_default_and_no_deployment_what_is_unknown() {
    let template = Template::read();
    let parameters = template.0["Parameters"].as_object().unwrap();
    let calls = calls(&["docs/deploy.md"], true);
    let deploys: Vec<_> =
        of(&calls, "sam").into_iter().filter(|words| words[0] == "deploy").collect();
    for (name, _) in deploys.iter().flat_map(|deploy| overrides(deploy)) {
        assert!(parameters.contains_key(name), "the template has no parameter {name}");
    }
    let first: BTreeSet<&str> = overrides(deploys[0]).into_iter().map(|(name, _)| name).collect();
    let needed = parameters.iter().filter(|(_, parameter)| parameter["Default"].is_null());
    let needed: BTreeSet<&str> = needed.map(|(name, _)| name.as_str()).collect();
    assert_eq!(first, needed, "the first `sam deploy` gives what has no default, and no more");
}

#[test]
fn every_parameter_is_explained_and_its_default_is_the_templates() {
    let template = Template::read();
    let page = page("docs/deploy.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    for (name, parameter) in template.0["Parameters"].as_object().unwrap() {
        let quoted = format!("`{name}`");
        let row = rows.iter().find(|row| row[1].contains(&quoted));
        let row = row.unwrap_or_else(|| panic!("docs/deploy.md does not explain {name}"));
        let place = row[1].split(", ").position(|named| named == quoted).unwrap();
        let said = row[2].split(", ").nth(place).unwrap_or(row[2]).trim_matches('`');
        match &parameter["Default"] {
            Value::Null => assert_eq!(said, "has to be given", "{name}"),
            Value::String(empty) if empty.is_empty() => {}
            default => {
                let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
                assert_eq!(
                    row[2].split(", ").next().map(|_| said),
                    Some(default.as_str()),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn what_is_asked_of_the_stack_is_in_the_template() {
    let template = Template::read();
    let value = |call: &[String], option: &str| {
        let at = call.iter().position(|word| word == option)?;
        call.get(at + 1).cloned()
    };
    let calls = all();
    let mut outputs = 0;
    for call in of(&calls, "aws") {
        let query = value(call, "--query").unwrap_or_default();
        if let Some((_, rest)) = query.split_once("OutputKey=='") {
            let name = rest.split('\'').next().unwrap();
            assert!(template.0["Outputs"][name].is_object(), "the template has no output {name}");
            outputs += 1;
        }
        if call[1] == "describe-stack-resource" {
            let name = value(call, "--logical-resource-id").unwrap();
            let there = template.0["Resources"][&name].is_object();
            assert!(there, "the template has no resource {name}");
        }
    }
    assert!(outputs > 4, "{calls:?}");
    let makefile = page("Makefile");
    for call in of(&calls, "make") {
        let target = format!("\n{}:", call[0]);
        assert!(makefile.contains(&target), "the Makefile has no target {}", call[0]);
    }
}

#[test]
fn what_is_asked_of_the_api_is_in_its_description() {
    let description: Value =
        serde_json::from_str(&page("shared/platform/src/api/call/openapi.json")).unwrap();
    let paths = description["paths"].as_object().unwrap();
    let calls = calls(&["docs/deploy.md"], true);
    let curls = of(&calls, "curl");
    assert!(curls.len() > 5, "{curls:?}");
    for curl in curls {
        // The word that stands for `ApiUrl`, and what follows it.
        let path = curl.iter().find_map(|word| word.strip_prefix("word/")).expect("$URL/…");
        let named = curl.iter().position(|word| word == "-X").map(|at| curl[at + 1].to_lowercase());
        let sends = curl.iter().any(|word| word == "-d" || word == "--data-binary");
        let method = named.unwrap_or_else(|| if sends { "post" } else { "get" }.to_owned());
        let known = paths.iter().any(|(template, operations)| {
            let template = template.trim_start_matches('/').split('/');
            let fits = template.clone().count() == path.split('/').count()
                && template.zip(path.split('/')).all(|(a, b)| a == b || a.starts_with('{'));
            fits && operations[&method].is_object()
        });
        assert!(known, "the API has no {method} /{path}");
    }
}

#[test]
fn what_is_asked_of_aws_is_in_its_models() {
    let calls = all();
    let asked: BTreeSet<Vec<String>> = calls.into_iter().filter(|call| call[0] == "aws").collect();
    assert!(asked.len() > 20, "{asked:?}");
    let mut python = Command::new(root().join(".tools/ministack/bin/python"))
        .arg("-B")
        .arg(root().join("infra/tools/e2e/commands.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`make emulators` installs it");
    python.stdin.take().unwrap().write_all(json!(asked).to_string().as_bytes()).unwrap();
    let answer = python.wait_with_output().unwrap();
    assert!(answer.status.success());
    let wrong: Vec<String> = serde_json::from_slice(&answer.stdout).unwrap();
    assert!(wrong.is_empty(), "the AWS CLI would refuse\n{}", wrong.join("\n"));
}

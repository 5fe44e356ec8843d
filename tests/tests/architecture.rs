//! The rules of the architecture, as code that reads the sources.
//!
//! Each test is one rule, and its message says what to do instead. Rules about Rust ignore comments
//! and strings.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/comments.rs"]
mod comments;
#[path = "architecture/paths.rs"]
mod paths;
#[path = "architecture/scan.rs"]
mod scan;

use paths::{code_paths_in, in_repository, paths_in};
use scan::scanned;

/// The files that may read the clock: all other code receives the time.
const READS_THE_CLOCK: &[&str] =
    &["shared/aws/src/clock.rs", "shared/embedded/src/clock.rs", "cli/src/bench/stopwatch.rs"];

/// The files that may read the environment: all other code receives settings.
const READS_THE_ENVIRONMENT: &[&str] =
    &["cli/src/settings.rs", "shared/aws/src/settings/reading.rs"];

/// The module that writes the keys of stored items, and reads them; its tests say what they are.
const WRITES_KEYS: &[&str] = &[
    "shared/platform/src/keys.rs",
    "shared/platform/src/keys/reading.rs",
    "shared/platform/src/keys/received.rs",
    "shared/platform/src/keys/test_mails.rs",
    "shared/platform/src/keys/tests.rs",
];

/// The crates that are pure.
const PURE: &[&str] = &["shared/engine/src", "shared/authoring/src"];

/// What the engine may depend on: reading, writing, dates and texts.
const ENGINE_DEPENDS_ON: &[&str] = &[
    "chrono",
    "chrono-tz",
    "icu_casemap",
    "icu_normalizer",
    "idna",
    "minijinja",
    "pure-rust-locales",
    "saphyr-parser",
    "schemars",
    "serde",
    "serde_json",
    "sha2",
    "smol_str",
    "strsim",
    "thiserror",
];

/// Prefixes of the crates of an AWS SDK. `aws-lc-rs` is a cryptographic library and not one of
/// them.
const AWS_SDK: &[&str] = &[
    "aws-sdk-",
    "aws-config",
    "aws-smithy-",
    "aws-types",
    "aws-credential",
    "aws_lambda",
    "lambda_",
];

/// The folders of the product's own files.
const FOLDERS: &[&str] = &["shared", "functions", "cli", "tests", "infra"];

/// The longest source file, in lines.
const LONGEST_FILE: usize = 500;

#[test]
fn the_engine_names_no_cloud() {
    let offers = ["aws_", "aws-", "dynamo", "lambda_", "Lambda", "sqs", "Sqs", "eventbridge"];
    let wrong = naming(&rust_in(PURE), &offers);
    expect_none(&wrong, "the engine knows no cloud: say it as a port's word, in shared/platform");
}

#[test]
fn the_engine_never_waits() {
    let waits = ["async fn", "async move", "async {", ".await", "tokio", "thread::", "Mutex<"];
    let wrong = naming(&rust_in(PURE), &waits);
    expect_none(&wrong, "the engine is pure: return an effect, and let shared/platform perform it");
}

#[test]
fn the_engine_reads_no_clock_and_no_random_source() {
    let reads = ["Utc::now", "Local::now", "SystemTime", "Instant::now", "rand::", "getrandom"];
    let wrong = naming(&rust_in(PURE), &reads);
    expect_none(&wrong, "time is an argument: take `now`, and derive what looks random from ids");
}

#[test]
fn the_engine_touches_neither_files_nor_network_nor_environment() {
    let touches = ["std::env", "env::var", "std::fs", "fs::", "File::", "std::net", "std::process"];
    let wrong = naming(&rust_in(PURE), &touches);
    expect_none(
        &wrong,
        "the engine has no I/O: take a text as an argument, and let the caller read it",
    );
}

#[test]
fn the_engine_depends_on_little() {
    let manifest = text(&root().join("shared/engine/Cargo.toml"));
    let wrong: Vec<_> = dependencies_in(&manifest, "dependencies")
        .into_iter()
        .filter(|name| !ENGINE_DEPENDS_ON.contains(&name.as_str()))
        .collect();
    expect_none(
        &wrong,
        "do without it in shared/engine, or say in docs/decisions/ why it stays pure",
    );
}

#[test]
fn dacapo_holds_no_aws_sdk() {
    let locked = Locked::read();
    let mut wrong = Vec::new();
    for package in ["dacapo-cli", "dacapo-embedded", "dacapo-platform", "dacapo-engine"] {
        let held = locked.everything_below(package);
        assert!(!held.is_empty(), "Cargo.lock doesn't know {package}: mend this test's list");
        wrong.extend(
            held.iter().filter(|name| is_aws(name)).map(|name| format!("{package}: {name}")),
        );
    }
    expect_none(&wrong, "only shared/aws depends on the SDK: put a port of ours between");
}

#[test]
fn functions_reach_aws_through_the_ports() {
    let wrong: Vec<_> = functions()
        .iter()
        .flat_map(|folder| {
            dependencies_in(&text(&folder.join("Cargo.toml")), "dependencies")
                .into_iter()
                .filter(|name| name.starts_with("aws-"))
                .map(|name| format!("{}: {name}", shown(folder)))
        })
        .collect();
    expect_none(
        &wrong,
        "a function connects and runs: what it needs of the SDK belongs in shared/aws",
    );
}

#[test]
fn production_depends_on_no_tests() {
    let manifests = files(&["shared", "functions", "cli"]).into_iter();
    let manifests =
        manifests.filter(|path| path.file_name().is_some_and(|name| name == "Cargo.toml"));
    let wrong: Vec<_> = manifests
        .flat_map(|path| {
            let names = dependencies_in(&text(&path), "dependencies").into_iter();
            let names = names.filter(|name| name.starts_with("dacapo-") && name.ends_with("tests"));
            names.map(move |name| format!("{}: {name}", shown(&path)))
        })
        .collect();
    expect_none(&wrong, "a crate that ships may use the test kit in [dev-dependencies] only");
}

#[test]
fn every_function_has_its_block_in_the_template() {
    let folders = functions();
    if folders.is_empty() {
        return;
    }
    let template = text(&root().join("template.yaml"));
    let wrong: Vec<_> = folders
        .iter()
        .map(|folder| folder.file_name().expect("a name").to_string_lossy().into_owned())
        .filter(|name| !template.contains(&format!("CodeUri: target/lambda/{name}/bootstrap.zip")))
        .collect();
    expect_none(
        &wrong,
        "give it a block in template.yaml with `CodeUri: target/lambda/<folder>/bootstrap.zip`",
    );
}

#[test]
fn one_place_reads_the_clock() {
    let reads = ["Utc::now", "Local::now", "SystemTime::now", "Instant::now"];
    let wrong = naming(&elsewhere(READS_THE_CLOCK), &reads);
    expect_none(&wrong, "take `now` as an argument, or ask the clock port; waits and retries too");
}

#[test]
fn one_place_reads_the_environment() {
    let reads = ["env::var", "env::vars", "env::var_os", "from_default_env"];
    let wrong = naming(&elsewhere(READS_THE_ENVIRONMENT), &reads);
    expect_none(
        &wrong,
        "add it to the settings (`env` of clap serves too), and take it as an argument",
    );
}

#[test]
fn one_place_writes_keys() {
    let wrong: Vec<_> = elsewhere(WRITES_KEYS)
        .iter()
        .flat_map(|file| {
            file.texts
                .iter()
                .filter(|(_, text)| is_key(text))
                .map(|(line, text)| format!("{}:{line}: {text:?}", file.path))
        })
        .collect();
    expect_none(
        &wrong,
        "a key's shape is written once: add a function to shared/platform/src/keys.rs",
    );
}

#[test]
fn no_source_file_is_long() {
    let extensions = ["rs", "js", "mjs", "ts", "css", "html", "py", "sh"];
    let wrong: Vec<_> = files(FOLDERS)
        .iter()
        .filter(|path| extension(path).is_some_and(|extension| extensions.contains(&extension)))
        .map(|path| (shown(path), text(path).lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    expect_none(
        &wrong,
        "split it where a second promise begins; 500 lines are what one reads at a sitting",
    );
}

#[test]
fn nothing_is_left_for_later() {
    let later = ["todo!", "unimplemented!", "#[ignore", "allow(dead_code", "expect(dead_code"];
    let wrong = naming(&rust_in(FOLDERS), &later);
    expect_none(&wrong, "finish it or take it out; what is planned is an issue");
}

#[test]
fn every_module_says_what_it_is() {
    let wrong: Vec<_> = files(FOLDERS)
        .iter()
        .filter(|path| extension(path) == Some("rs") && !text(path).starts_with("//!"))
        .map(|path| shown(path))
        .collect();
    expect_none(&wrong, "begin with `//!`: what it is, and what it promises");
}

#[test]
fn documents_name_only_what_is_in_the_repository() {
    let mut wrong: Vec<_> = documents()
        .iter()
        .flat_map(|path| {
            let folder = path.parent().expect("a folder").to_owned();
            paths_in(&text(path))
                .into_iter()
                .filter(move |target| !in_repository(&folder, target))
                .map(|target| format!("{}: {target}", shown(path)))
        })
        .collect();
    let contributing = root().join("CONTRIBUTING.md");
    let folders = ["", "shared/engine/src", "shared/platform/src", "shared/platform/src/api"];
    let folders = folders.into_iter().chain(["shared/embedded/src", "shared/aws/src"]);
    let folders: Vec<_> = folders.map(|folder| root().join(folder)).collect();
    wrong.extend(
        code_paths_in(&text(&contributing))
            .into_iter()
            .filter(|target| !folders.iter().any(|folder| in_repository(folder, target)))
            .map(|target| format!("CONTRIBUTING.md: {target}")),
    );
    expect_none(
        &wrong,
        "readers have this repository and nothing beside it: name a path in it that exists",
    );
}

#[test]
fn keys_are_told_from_other_texts() {
    assert!(is_key("A#{account}#C#{contact}") && is_key("PAGE#") && is_key("{a}#@#{address}"));
    assert!(!is_key("#ffffff") && !is_key("Order #7") && !is_key("/#C"));
}

/// A Rust file: code and strings.
struct Source {
    path: String,
    /// The code, with blanks in place of comments and strings.
    code: String,
    /// The strings, each with its line.
    texts: Vec<(usize, String)>,
}

impl Source {
    fn of(path: &Path, text: &str) -> Self {
        let (code, texts) = scanned(text);
        Self { path: shown(path), code, texts }
    }
}

fn expect_none(wrong: &[String], remedy: &str) {
    let mut list = String::new();
    for one in wrong {
        let _ = write!(list, "\n  {one}");
    }
    assert!(wrong.is_empty(), "{remedy}:{list}");
}

/// The places whose code names one of these.
fn naming(sources: &[Source], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for Source { path, code, .. } in sources {
        for (nth, line) in code.lines().enumerate() {
            for word in words.iter().filter(|word| names(line, word)) {
                found.push(format!("{path}:{}: {word}", nth + 1));
            }
        }
    }
    found
}

/// Whether the text has the word, and not as the end of a longer one.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !word.starts_with(|first: char| first.is_alphanumeric())
            || !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
    })
}

/// The product's files, without these. Tests and benchmarks are exempt.
fn elsewhere(allowed: &[&str]) -> Vec<Source> {
    files(&["shared", "functions", "cli"])
        .iter()
        .filter(|path| extension(path) == Some("rs"))
        .filter(|path| {
            let path = shown(path);
            let tests = path.contains("/tests/") || path.ends_with("/tests.rs");
            path.contains("/src/") && !tests && !allowed.contains(&path.as_str())
        })
        .map(|path| {
            let text = text(path);
            let ships = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            Source::of(path, ships)
        })
        .collect()
}

/// Whether a text looks like a key of the table, such as `A#…#C#…`.
fn is_key(text: &str) -> bool {
    let head = text.split('#').next().unwrap_or_default();
    let begins = text.contains('#')
        && (1..=7).contains(&head.len())
        && head.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'@');
    let goes_on = text.split('#').skip(1).any(|part| {
        part.len() == 1 && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'@')
    });
    begins || (goes_on && text.matches('#').count() > 1)
}

fn is_aws(name: &str) -> bool {
    AWS_SDK.iter().any(|start| name.starts_with(start))
}

/// The names in a table of a manifest.
fn dependencies_in(manifest: &str, table: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            inside = header == table || header.ends_with(&format!(".{table}"));
            names.extend(header.strip_prefix(&format!("{table}.")).map(str::to_owned));
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let end = line.find(['.', '=', ' ']).unwrap_or(line.len());
            names.push(line[..end].to_owned());
        }
    }
    names
}

/// The dependencies of every crate, by name, from Cargo.lock: for all features and platforms, so
/// possibly too many.
struct Locked(BTreeMap<String, BTreeSet<String>>);

impl Locked {
    fn read() -> Self {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut package = String::new();
        for line in text(&root().join("Cargo.lock")).lines() {
            if let Some(name) = line.strip_prefix("name = ") {
                package = name.trim_matches('"').to_owned();
                graph.entry(package.clone()).or_default();
            } else if let Some(dependency) = line.strip_prefix(" \"") {
                let end = dependency.find([' ', '"']).expect("a dependency ends");
                graph.entry(package.clone()).or_default().insert(dependency[..end].to_owned());
            }
        }
        Self(graph)
    }

    fn everything_below(&self, package: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![package.to_owned()];
        while let Some(name) = open.pop() {
            for dependency in self.0.get(&name).into_iter().flatten() {
                if found.insert(dependency.clone()) {
                    open.push(dependency.clone());
                }
            }
        }
        found
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The path from the repository's root.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(|extension| extension.to_str())
}

/// All our own files below these folders, by name.
fn files(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            if name.starts_with('.') || name == "target" || name == "node_modules" {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn rust_in(folders: &[&str]) -> Vec<Source> {
    let files = files(folders);
    let sources = files.iter().filter(|path| extension(path) == Some("rs"));
    sources.map(|path| Source::of(path, &text(path))).collect()
}

/// The crates in `functions/`.
fn functions() -> Vec<PathBuf> {
    let mut folders: Vec<_> = files(&["functions"])
        .iter()
        .filter(|path| path.ends_with("Cargo.toml"))
        .map(|path| path.parent().expect("a folder").to_owned())
        .collect();
    folders.sort();
    folders
}

/// Every Markdown file: those at the root, and those below it.
fn documents() -> Vec<PathBuf> {
    let mut found = files(FOLDERS);
    found.extend(files(&["docs", "examples"]));
    for entry in std::fs::read_dir(root()).expect("the repository") {
        found.push(entry.expect("an entry").path());
    }
    found.retain(|path| extension(path) == Some("md"));
    assert!(found.len() >= 2, "only {} documents were found", found.len());
    found
}

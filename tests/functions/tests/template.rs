//! The template gives each function the settings that it reads, and no others.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeSet;

use dacapo_aws::settings::{Function, read_by};

/// What the template says for every function.
const GLOBALS: [&str; 2] = ["DACAPO_TABLE", "DACAPO_LOG"];

/// The names of settings in a part of the template.
fn named(part: &str) -> BTreeSet<&str> {
    let names = part.lines().filter_map(|line| line.trim().split_once(':'));
    names.map(|(name, _)| name).filter(|name| name.starts_with("DACAPO_")).collect()
}

#[test]
fn each_function_is_given_the_settings_that_it_reads_and_no_others() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");
    let template = std::fs::read_to_string(path).unwrap();
    let (globals, resources) = template.split_once("\nResources:\n").unwrap();
    assert_eq!(named(globals), GLOBALS.into());
    for function in Function::ALL {
        let code = format!("CodeUri: target/lambda/{}/bootstrap.zip", function.name());
        // A block of the template begins where a line is indented by two and no more.
        let blocks = resources.split("\n  ").filter(|part| !part.starts_with(' '));
        let begins: Vec<&str> = blocks.filter_map(|part| part.split(':').next()).collect();
        let block = begins.iter().find_map(|name| {
            let from = resources.find(&format!("\n  {name}:\n"))?;
            let rest = &resources[from + 3..];
            let end = rest
                .match_indices("\n  ")
                .find(|(at, _)| !rest[at + 3..].starts_with([' ', '#', '\n']))
                .map_or(rest.len(), |(at, _)| at);
            rest[..end].contains(&code).then_some(&rest[..end])
        });
        let block = block.unwrap_or_else(|| panic!("no block has {code}"));
        let mut given = named(block);
        given.extend(GLOBALS);
        let read: BTreeSet<&str> = read_by(function)
            .map(|variable| variable.name)
            .filter(|name| name.starts_with("DACAPO_"))
            .collect();
        assert_eq!(given, read, "{}", function.name());
    }
}

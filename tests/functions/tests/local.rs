//! The page about `sam local` shows the real output, and the output fits the template, on both
//! architectures.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use dacapo_aws::settings::Function;
use dacapo_functions_tests::local::{self, RUN, SETTINGS, root};

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn the_page_has_the_commands_that_are_printed_word_for_word() {
    let page = text("docs/local.md");
    for command in [
        local::invoke(Function::Webhook, "tests/events/webhook.json", SETTINGS),
        local::start_api(SETTINGS),
    ] {
        assert!(page.lines().any(|line| line == command), "docs/local.md has no line {command}");
    }
    // With `--docker-network host` SAM starts containers on the bridge nevertheless.
    assert!(
        !page.lines().any(|line| line.starts_with("sam ") && line.contains("--docker-network"))
    );
}

#[test]
fn the_page_has_only_targets_that_are_there() {
    let (page, makefile) = (text("docs/local.md"), text("Makefile"));
    let targets = page.lines().filter_map(|line| line.strip_prefix("make "));
    let mut seen = 0;
    for target in targets {
        let target = target.split_whitespace().next().unwrap();
        assert!(makefile.contains(&format!("\n{target}: ")), "no target {target}");
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} commands of make were found");
}

#[test]
fn the_template_for_here_is_of_this_architecture_and_knows_the_cloud() {
    let deployed = text("template.yaml");
    for architecture in ["arm64", "x86_64"] {
        let here = local::template(&deployed, architecture).unwrap();
        // Without the intended additions it is the template that is deployed.
        let added = format!("        AWS_ENDPOINT_URL: \"\"\n        {RUN}: \"\"\n");
        assert_eq!(here.matches(&added).count(), 1);
        let parameter = here.split_once("\n  Architecture:\n").unwrap().1;
        let default = parameter.lines().find(|line| line.contains("Default:")).unwrap();
        assert_eq!(default, format!("    Default: {architecture}"));
        let back = here.replacen(&added, "", 1).replacen(
            &format!("\n  Architecture:\n    Type: String\n    Default: {architecture}\n"),
            "\n  Architecture:\n    Type: String\n    Default: arm64\n",
            1,
        );
        // An archive is a folder here.
        let back = Function::ALL.into_iter().fold(back, |text, function| {
            let code = format!("CodeUri: target/lambda/{}/", function.name());
            text.replace(&format!("{code}\n"), &format!("{code}bootstrap.zip\n"))
        });
        assert_eq!(back, deployed);
    }
}

#[test]
fn a_template_without_what_is_changed_is_refused_by_name() {
    let deployed = text("template.yaml");
    for (taken, named) in [
        ("\nResources:\n", "`Resources:`"),
        ("\n  Architecture:\n", "`Architecture`"),
        ("    Default: arm64\n", "`Default: arm64`"),
        ("        DACAPO_LOG:", "`DACAPO_LOG`"),
    ] {
        let refused = local::template(&deployed.replace(taken, "\n"), "x86_64").unwrap_err();
        assert!(refused.contains(named), "{refused}");
    }
}

#[test]
fn every_function_is_called_by_its_block_in_the_template() {
    let template = text("template.yaml");
    for function in Function::ALL {
        let block = format!("\n  {}:\n", local::logical(function));
        let code = format!("CodeUri: target/lambda/{}/bootstrap.zip", function.name());
        let (_, after) = template.split_once(&block).unwrap_or_else(|| panic!("no {block}"));
        // The first code behind the block's head is its own.
        let first = after.lines().find(|line| line.contains("CodeUri:")).unwrap();
        assert_eq!(first.trim(), code);
    }
}

#[test]
fn the_image_is_of_the_runtime_that_the_template_names_and_the_mark_is_known() {
    let script = text("infra/tools/local/with_docker.py");
    let runtimes: Vec<String> = text("template.yaml")
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Runtime: ").map(str::to_owned))
        .collect();
    assert!(!runtimes.is_empty());
    for runtime in runtimes {
        assert!(script.contains(&format!("\nRUNTIME = \"{runtime}\"\n")), "{runtime}");
    }
    assert!(script.contains(&format!("\nMARK = \"{RUN}\"\n")));
}

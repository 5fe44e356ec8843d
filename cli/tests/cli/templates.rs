//! `dacapo new`, `dacapo schema` and `dacapo graph`, as they print and write.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn dacapo(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dacapo"));
    command.current_dir(folder).args(arguments).output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const TEMPLATES: [&str; 6] =
    ["appointments", "appointment-loop", "webinar", "birthday", "onboarding", "re-permission"];

#[test]
fn each_template_is_without_findings_and_passes_its_scenarios() {
    for template in TEMPLATES {
        let directory = tempfile::tempdir().unwrap();
        let made = dacapo(directory.path(), &["new", template, "mine"]);
        assert!(made.status.success(), "{template}: {}", String::from_utf8_lossy(&made.stderr));
        let file = format!("mine/{template}.yaml");
        let validated = dacapo(directory.path(), &["validate", &file, "--format", "json"]);
        let findings: Value = serde_json::from_slice(&validated.stdout).unwrap();
        assert!(!findings.to_string().contains("\"code\""), "{template}: {findings:#}");
        let tested = dacapo(directory.path(), &["test", "mine"]);
        assert!(tested.status.success(), "{template}: {}", printed(&tested));
        let text = std::fs::read_to_string(directory.path().join(&file)).unwrap();
        let (modeline, _) = text.split_once('\n').unwrap();
        let schema = modeline.strip_prefix("# yaml-language-server: $schema=").unwrap();
        let schema = std::fs::read(directory.path().join("mine").join(schema)).unwrap();
        let schema: Value = serde_json::from_slice(&schema).unwrap();
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    }
}

#[test]
fn nothing_is_overwritten_and_the_templates_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("webinar.yaml"), "mine").unwrap();
    let refused = dacapo(directory.path(), &["new", "webinar"]);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("webinar.yaml is there already, and nothing was written"), "{said}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    let listed = printed(&dacapo(directory.path(), &["new", "--list"]));
    for (line, template) in listed.lines().zip(TEMPLATES) {
        assert!(line.starts_with(template) && line.len() > 30, "{line}");
    }
    assert_eq!(listed.lines().count(), TEMPLATES.len());
}

#[test]
fn the_schema_is_printed_in_both_dialects() {
    let here = Path::new(".");
    for (arguments, dialect) in [
        (&["schema"][..], "https://json-schema.org/draft/2020-12/schema"),
        (&["schema", "--draft", "07"][..], "http://json-schema.org/draft-07/schema#"),
    ] {
        let schema: Value = serde_json::from_slice(&dacapo(here, arguments).stdout).unwrap();
        assert_eq!(schema["$schema"], dialect);
    }
}

#[test]
fn a_campaign_is_drawn_with_the_way_of_a_scenario() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let scenario = "scenarios/appointment-loop-twice.yaml";
    let plain = printed(&dacapo(&examples, &["graph", "appointment-loop.yaml"]));
    assert!(plain.starts_with("flowchart TD\n") && !plain.contains("linkStyle"), "{plain}");
    let way = ["graph", "appointment-loop.yaml", "--format", "svg", "--scenario", scenario];
    let way = printed(&dacapo(&examples, &way));
    assert!(way.starts_with("<svg ") && way.contains("The way of ann: lead, invite"), "{way}");
    let nobody = ["graph", "appointment-loop.yaml", "--scenario", scenario, "--contact", "bob"];
    let nobody = dacapo(&examples, &nobody);
    let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert!(said.contains("there is no contact \"bob\"; there are: ann"), "{said}");
}

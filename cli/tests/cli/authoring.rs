//! `dacapo simulate` and `dacapo test`, as they print.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn dacapo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dacapo")).args(arguments).output().unwrap()
}

fn examples(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name).display().to_string()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const TWICE: &str = "scenarios/appointment-loop-twice.yaml";

#[test]
fn a_journey_is_told_as_text_json_and_mermaid() {
    let file = examples(TWICE);
    let text = dacapo(&["simulate", "--scenario", &file]);
    assert!(text.status.success(), "{}", String::from_utf8_lossy(&text.stderr));
    let text = printed(&text);
    for part in [
        "Thu 2026-12-03 14:20",
        "> ann: +Not reached",
        "run 2 at again: campaign reset",
        "MAIL \"In an hour: 2:00 PM\"",
        "ann in appointment-loop: run 2, completed",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let json = dacapo(&["simulate", "--scenario", &file, "--format", "json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["messages"].as_array().map(Vec::len), Some(6));
    assert_eq!(json["differences"], serde_json::json!([]));
    let mermaid = printed(&dacapo(&["simulate", "--scenario", &file, "--format", "mermaid"]));
    assert!(mermaid.starts_with("sequenceDiagram\n") && mermaid.contains("->>"), "{mermaid}");
}

#[test]
fn a_scenario_can_come_from_standard_input() {
    let campaign = examples("appointment-loop.yaml");
    let mut child = Command::new(env!("CARGO_BIN_EXE_dacapo"))
        .args(["simulate", &campaign, "--scenario", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let scenario = b"contact: { email: ann@example.com, tags: [Lead] }\n";
    child.stdin.take().unwrap().write_all(scenario).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(printed(&output).contains("MAIL \"Let's meet, there\""), "{}", printed(&output));
}

#[test]
fn the_examples_pass_their_scenarios() {
    let output = dacapo(&["test", &examples("")]);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(printed(&output).trim_end().ends_with("passed, 0 failed"), "{}", printed(&output));
}

#[test]
fn what_comes_out_differently_fails_with_a_difference() {
    let directory = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(examples(TWICE)).unwrap();
    let campaign = examples("appointment-loop.yaml");
    let text = text
        .replace("../appointment-loop.yaml", &campaign)
        .replace("14:20, element", "14:21, element");
    std::fs::write(directory.path().join("wrong.yaml"), text).unwrap();
    std::fs::write(directory.path().join("typo.yaml"), "contact: {}\nthen: []\nexpct: {}\n")
        .unwrap();
    let output = dacapo(&["test", &directory.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let said = printed(&output);
    for part in [
        "wrong.yaml:16:",
        "- a message at 2026-12-03 14:21:00",
        "+ 2026-12-03 14:20 to ann, appointment-loop at sorry, run 2",
        "typo.yaml:3:1: error[unknown_key] expct",
        "did you mean `expect`?",
        "0 passed, 2 failed",
    ] {
        assert!(said.contains(part), "{part}:\n{said}");
    }
    let empty = tempfile::tempdir().unwrap();
    let output = dacapo(&["test", &empty.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no scenario"));
}

#[test]
fn an_exploration_tells_loops_times_and_silence() {
    let file = examples("appointment-loop.yaml");
    let text = printed(&dacapo(&["simulate", &file, "--explore"]));
    for part in ["Every element is reached.", "Loops:", "Shortest time", "No way into silence"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let json = dacapo(&["simulate", &file, "--explore", "--format", "json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["bound"]["reached"], false);
    let neither = dacapo(&["simulate", &file]);
    assert_eq!(neither.status.code(), Some(2), "a scenario or --explore is needed");
}

#[test]
fn simulate_fails_if_what_is_expected_does_not_come() {
    let directory = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(examples(TWICE)).unwrap();
    let text = text
        .replace("../appointment-loop.yaml", &examples("appointment-loop.yaml"))
        .replace("14:20, element", "14:21, element");
    let file = directory.path().join("wrong.yaml");
    std::fs::write(&file, text).unwrap();
    for format in ["text", "json", "mermaid"] {
        let file = file.display().to_string();
        let output = dacapo(&["simulate", "--scenario", &file, "--format", format]);
        assert_eq!(output.status.code(), Some(1), "{format}: {}", printed(&output));
        assert!(!output.stdout.is_empty(), "the journey is printed all the same");
    }
}

#[test]
fn a_mail_of_html_alone_is_played_with_the_text_that_is_made_from_it() {
    let directory = tempfile::tempdir().unwrap();
    let campaign = "id: hello\nelements:\n  lead: { type: start, when: { tag: Lead }, next: hi }\n  \
                    hi: { type: email, email: hi }\nemails:\n  hi: { subject: Hi, html: \
                    '<p>Hello <b>{{ contact.first_name | default(\"you\") }}</b></p>' }\n";
    let file = directory.path().join("hello.yaml");
    std::fs::write(&file, campaign).unwrap();
    let scenario = directory.path().join("scenario.yaml");
    let ann = "contact: { email: ann@example.com, first_name: A<B, tags: [Lead] }\n";
    std::fs::write(&scenario, format!("campaigns: [hello.yaml]\n{ann}")).unwrap();
    let scenario = scenario.display().to_string();
    let text = printed(&dacapo(&["simulate", "--scenario", &scenario]));
    assert!(text.contains("A<B") && !text.contains("<p>"), "{text}");
    let json = dacapo(&["simulate", "--scenario", &scenario, "--format", "json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let message = &json["messages"][0];
    assert_eq!(message["html"], "<p>Hello <b>A&lt;B</b></p>", "{json:#}");
    let text = message["text"].as_str().unwrap();
    assert!(text.starts_with("Hello ") && text.contains("A<B"), "{json:#}");
}

#[test]
fn r33_a_placeholder_that_is_empty_in_the_html_alone_keeps_the_mail_from_being_sent() {
    let directory = tempfile::tempdir().unwrap();
    let campaign = "id: hello\nelements:\n  lead: { type: start, when: { tag: Lead }, next: hi }\n  \
                    hi: { type: email, email: hi }\nemails:\n  hi: { subject: Hi, text: Hello, \
                    html: '<p>Hello {{ contact.first_name }}</p>' }\n";
    std::fs::write(directory.path().join("hello.yaml"), campaign).unwrap();
    let scenario = directory.path().join("scenario.yaml");
    let ann = "contact: { email: ann@example.com, tags: [Lead] }\n";
    std::fs::write(&scenario, format!("campaigns: [hello.yaml]\n{ann}")).unwrap();
    let text = printed(&dacapo(&["simulate", "--scenario", &scenario.display().to_string()]));
    assert!(text.contains("NO MAIL, failed: ") && text.contains("first_name"), "{text}");
}

#[test]
fn a_scenario_and_a_campaign_are_told_apart() {
    let (scenario, campaign) = (examples(TWICE), examples("appointment-loop.yaml"));
    let said = |arguments: &[&str], code: i32| {
        let output = dacapo(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        said
    };
    let validated = said(&["validate", &scenario], 1);
    assert!(validated.contains("this is a scenario") && validated.contains("dacapo simulate"));
    let played = said(&["simulate", "--scenario", &campaign], 1);
    assert!(played.contains("this is a campaign") && played.contains("--explore"), "{played}");
    let swapped = said(&["simulate", &scenario, "--scenario", &scenario], 1);
    assert!(swapped.contains("this is a scenario"), "{swapped}");
    let without = said(&["simulate", &campaign], 2);
    assert!(without.contains("--scenario") && without.contains("--explore"), "{without}");
}

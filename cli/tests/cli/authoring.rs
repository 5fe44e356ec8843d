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

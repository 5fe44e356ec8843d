//! `dacapo explain CONTACT --campaign ID`, against a server of its own (R61).

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::{KEY, Serve};

fn explain(url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dacapo"))
        .args(["explain", "--url", url])
        .args(arguments)
        .env("DACAPO_API_KEY", KEY)
        .output()
        .unwrap()
}

#[test]
fn r61_explain_asks_a_server_about_a_contact() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    serve.publish("appointment-loop");
    serve.post("/v1/hooks/contact", &json!({ "email": "ann@example.com", "first_name": "Ann" }));
    serve.post("/dev/idle", &json!({}));
    let asked = ["ann@example.com", "--campaign", "appointment-loop"];
    let output = explain(serve.url(), &asked);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "The contact ann@example.com has never been in the campaign appointment-loop.",
        "The start (+ holds, - does not)",
        "- `lead` the tag Lead",
        "Last changes",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    serve.post("/v1/hooks/contact", &json!({ "email": "ann@example.com", "tags": ["Lead"] }));
    serve.post("/dev/idle", &json!({}));
    let json = explain(serve.url(), &[&asked[..], &["--format", "json"]].concat());
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["status"], "active", "{json:#}");
    let wrong = explain(serve.url(), &["ann@example.com", "--campaign", "appointment"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("appointment-loop"));
}

#[test]
fn r61_the_two_forms_of_explain_are_told_apart() {
    let help = explain("http://127.0.0.1:1", &["--help"]);
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("dacapo explain <LINT> [FILE]..."), "{help}");
    assert!(help.contains("dacapo explain <CONTACT> --campaign <ID>"), "{help}");
    let both = explain("http://127.0.0.1:1", &["D104", "file.yaml", "--campaign", "a"]);
    assert_eq!(both.status.code(), Some(2), "files belong to a lint");
    let forgotten = explain("http://127.0.0.1:1", &["ann@example.com"]);
    assert_eq!(forgotten.status.code(), Some(1));
    assert!(String::from_utf8(forgotten.stderr).unwrap().contains("say --campaign"));
    let page = explain("http://127.0.0.1:1", &["D104"]);
    assert!(page.status.success(), "a lint needs no server");
}

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
fn r61_the_text_tells_instants_in_one_zone_and_what_is_wrong_in_its_own_words() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    serve.publish("appointment-loop");
    let ann = json!({ "email": "ann@example.com", "first_name": "Ann", "time_zone": "Europe/Berlin",
        "tags": ["Lead"] });
    serve.post("/v1/hooks/contact", &ann);
    serve.post("/dev/idle", &json!({}));
    let asked = ["ann@example.com", "--campaign", "appointment-loop"];
    let output = explain(serve.url(), &asked);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "since Dec 1, 2026, 9:00 AM (Europe/Berlin)",
        "All times below are local times in Europe/Berlin.",
        "  Thu 2026-12-03 09:00  `two_days`: it goes on to",
        "  Tue 2026-12-01 09:00  tag Lead was added",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(!text.contains("00Z"), "{text}");
    let object = explain(serve.url(), &[&asked[..], &["--object", "appointment/a"]].concat());
    assert_eq!(object.status.code(), Some(1));
    let why = String::from_utf8(object.stderr).unwrap();
    assert!(why.contains("is about contacts; leave `--object` out"), "{why}");
    assert!(!why.contains("GET"), "{why}");
    let nobody = explain(serve.url(), &["bob@example.com", "--campaign", "appointment-loop"]);
    let why = String::from_utf8(nobody.stderr).unwrap();
    assert!(why.contains("no contact `email:bob@example.com`"), "{why}");
}

#[test]
fn r61_who_only_looks_is_asked_for_a_key_that_may_read() {
    let told = |arguments: &[&str]| {
        let dacapo = Command::new(env!("CARGO_BIN_EXE_dacapo"))
            .args(arguments)
            .env_remove("DACAPO_API_KEY")
            .output();
        String::from_utf8(dacapo.unwrap().stderr).unwrap()
    };
    for looks in [&["explain", "ann@example.com", "--campaign", "a"][..], &["dead-letters", "list"]]
    {
        assert!(told(looks).contains("give one that may `read`"), "{}", told(looks));
    }
    let does = told(&["dead-letters", "retry", "--all"]);
    assert!(does.contains("give one that may `write`"), "{does}");
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

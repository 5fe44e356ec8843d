//! `dacapo preview`: a mail as it would leave, without a server.

use std::process::{Command, Output};

use serde_json::Value;

const CAMPAIGN: &str = "\
id: hello
sender: { name: Studio Nord, address: hello@studio-nord.example }
fields: { meeting: { type: datetime } }
elements:
  go: { type: start, when: { field: meeting, is: set }, next: mail }
  mail: { type: email, email: mail }
emails:
  mail:
    purpose: transactional
    subject: Hello {{ contact.first_name | default('you') }}
    text: See you on {{ contact.meeting | date('%Y-%m-%d %H:%M') }}.
  page: { subject: News, html: \"<h1>News</h1><p>Read on.</p>\" }
  wrong: { subject: News, text: \"{{ contact.shoe }}\" }
";

fn preview(arguments: &[&str]) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hello.yaml");
    std::fs::write(&file, CAMPAIGN).unwrap();
    std::fs::write(
        folder.path().join("ann.yaml"),
        "first_name: Ann\ntime_zone: Europe/Berlin\nmeeting: 2026-12-24 18:00\n",
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_dacapo"))
        .current_dir(folder.path())
        .args(["preview", "hello.yaml"])
        .args(arguments)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, printed)
}

#[test]
fn a_mail_is_printed_for_a_person_and_for_a_program() {
    let (output, text) = preview(&["mail", "--contact", "ann.yaml"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        text,
        "\
From:      Studio Nord <hello@studio-nord.example>
To:        somebody@example.com
Subject:   Hello Ann
Preheader: See you on 2026-12-24 18:00.

See you on 2026-12-24 18:00.
"
    );
    let contact =
        "{first_name: Ann, locale: de, meeting: '2026-12-24T17:00:00Z', time_zone: Europe/Berlin}";
    let (_, json) = preview(&["mail", "--contact", contact, "--format", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["text"], "See you on 2026-12-24 18:00.", "{json:#}");
    let (output, html) = preview(&["page", "--format", "html"]);
    assert!(output.status.success());
    assert!(html.starts_with("<h1>News</h1>") && html.contains("/u/test"), "{html}");
}

#[test]
fn what_would_not_leave_and_what_cannot_be_read_fails() {
    let (output, text) = preview(&["mail"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("It would not leave: contact.meeting is empty"), "{text}");
    assert!(text.contains("hello.yaml:10:14: empty_placeholder emails.mail.subject"), "{text}");
    for (arguments, said) in [
        (vec!["mial"], "no e-mail `mial`; there are `mail`, `page`, `wrong`"),
        (vec!["wrong"], "hello.yaml:13:37: error[unknown_placeholder] emails.wrong.text"),
        (vec!["mail", "--contact", "{shoe: 42}"], "--contact:1:8: error[unknown_name] shoe"),
        (vec!["mail", "--contact", "none.yaml"], "none.yaml: "),
        (vec!["mail", "--object", "{type: a, key: b}"], "the campaign `hello` is about contacts"),
        (vec!["mail", "--contact", "ann.yaml", "--format", "html"], "the e-mail has no HTML"),
    ] {
        let (output, _) = preview(&arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
}

//! `dacapo validate` and `dacapo demo`, as they print.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

fn dacapo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dacapo")).args(arguments).output().unwrap()
}

fn example(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name).display().to_string()
}

#[test]
fn the_examples_are_valid() {
    let files = [example("appointment-loop.yaml"), example("webinar.yaml")];
    let output = dacapo(&["validate", &files[0], &files[1]]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn an_error_names_its_place_and_its_remedy_and_fails() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("broken.yaml");
    let document = std::fs::read_to_string(example("webinar.yaml")).unwrap();
    std::fs::write(
        &file,
        document.replace("next: welcome }", "nxt: welcome }").replace(
            "type: goal, when: { tag: Attended }, unmet: wait, next: thanks",
            "type: goal, when: { tag: Attended }, unmet: wait, nxt: thanks",
        ),
    )
    .unwrap();
    let output = dacapo(&["validate", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("broken.yaml:17:"), "{said}");
    assert!(said.contains("unknown_key"), "{said}");
    assert!(said.contains("next"), "{said}");
    let output = dacapo(&["validate", "--format", "json", &file.display().to_string()]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["files"][0]["problems"][0]["path"], "elements.attended.nxt");
}

/// A loop whose event fires once only, in a file of its own.
fn loops(directory: &tempfile::TempDir) -> String {
    let text = std::fs::read_to_string(example("appointment-loop.yaml")).unwrap();
    let text =
        text.replace("remove: [Appointment made, Not reached]", "remove: [Appointment made]");
    let file = directory.path().join("appointment-loop.yaml");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn r7_a_finding_shows_its_line_with_a_caret_and_is_mended() {
    let directory = tempfile::tempdir().unwrap();
    let file = loops(&directory);
    let output = dacapo(&["validate", &file]);
    assert!(output.status.success(), "a warning does not fail");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("warning[D104 fires-once-only]: `not_reached` leads to `again`"),
        "{said}"
    );
    assert!(said.contains("appointment-loop.yaml:18:35"), "{said}");
    assert!(
        said.contains("18 |   not_reached: { type: event, on: { tag_added: Not reached }"),
        "{said}"
    );
    assert!(said.contains("^ elements.not_reached.on"), "{said}");
    assert!(said.contains("= help: withdraw `Not reached` in a `tag` element"), "{said}");

    let output = dacapo(&["validate", "--fix", &file]);
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("0 errors, 0 warnings"));
    let mended = std::fs::read_to_string(&file).unwrap();
    assert!(mended.contains("remove: [Not reached, Appointment made], next: sorry }"), "{mended}");
}

#[test]
fn what_is_mended_is_told_and_what_is_not_safe_is_left_and_not_offered() {
    let directory = tempfile::tempdir().unwrap();
    let file = loops(&directory);
    let birthday = directory.path().join("birthday.yaml").display().to_string();
    let text = std::fs::read_to_string(example("birthday.yaml")).unwrap();
    let plain = text.replace("    repeat: yearly\n", "");
    assert_ne!(text, plain, "the example has another form");
    std::fs::write(&birthday, &plain).unwrap();
    let sarif = dacapo(&["validate", "--format", "sarif", &file, &birthday]);
    let sarif: Value = serde_json::from_slice(&sarif.stdout).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let offered = |code: &str| {
        let of = results.iter().find(|result| result["ruleId"] == code);
        of.unwrap_or_else(|| panic!("{code}: {results:#?}"))["fixes"].is_array()
    };
    assert!(offered("D104") && !offered("D303"), "{results:#?}");
    let output = dacapo(&["validate", "--fix", &file, &birthday]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("appointment-loop.yaml:18: D104: "), "{told}");
    assert!(told.contains("1 edit applied"), "{told}");
    assert!(told.contains("1 edit left to you: not safe"), "{told}");
    let left = String::from_utf8(output.stdout).unwrap();
    assert!(left.contains("appointment-loop.yaml: 0 errors, 0 warnings"), "{left}");
    assert_eq!(std::fs::read_to_string(&birthday).unwrap(), plain);
}

#[test]
fn explain_knows_what_is_no_lint() {
    let explained = |code: &str| {
        let output = dacapo(&["explain", code]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for code in ["path_ends_when_missed", "unreachable", "unknown_key"] {
        let said = explained(code);
        assert!(said.contains(&format!("`{code}` is a finding of the validator")), "{said}");
        assert!(said.contains("docs/campaign-format.md#what-the-validator-says"), "{said}");
    }
    assert!(explained("unreachable").contains("(error), about: the graph"));
    assert!(explained("D901").contains("docs/lints/README.md"));
}

#[test]
fn findings_are_told_to_programs_and_from_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let file = loops(&directory);
    let sarif = dacapo(&["validate", "--format", "sarif", &file]);
    let sarif: Value = serde_json::from_slice(&sarif.stdout).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "D104");
    let github =
        String::from_utf8(dacapo(&["validate", "--format", "github", &file]).stdout).unwrap();
    assert!(github.starts_with("::warning file="), "{github}");
    let output = Command::new(env!("CARGO_BIN_EXE_dacapo"))
        .args(["validate", "-"])
        .stdin(std::fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("standard input:18:35"), "{said}");
}

#[test]
fn r11_explain_shows_the_second_no_show_doing_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = loops(&directory);
    let page = String::from_utf8(dacapo(&["explain", "fires-once-only"]).stdout).unwrap();
    assert!(page.contains("# D104 fires-once-only"), "{page}");
    let output = dacapo(&["explain", "d104", &file]);
    assert!(output.status.success());
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("The second `Not reached` does nothing"), "{told}");
    let silent = dacapo(&["explain", "D104", &example("appointment-loop.yaml")]);
    assert_eq!(silent.status.code(), Some(1));
    let unknown = dacapo(&["explain", "D105x"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("did you mean `D105`?"));
}

#[test]
fn the_demo_tells_every_message() {
    let told = dacapo(&["demo"]);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("Subject: In an hour: 10:00 AM"), "{told}");
    assert!(told.contains("parked until"), "{told}");
    let json = dacapo(&["demo", "--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let story = json["story"].as_array().unwrap();
    let messages = story.iter().filter(|step| step.get("message").is_some()).count();
    assert_eq!(messages, 6 + 4 + 6, "six for Ann, four for Ben, six for Cleo");
}

/// R71: two appointments of one person are confirmed, moved, reminded and missed each for itself.
#[test]
fn r71_the_demo_tells_of_a_person_who_books_twice() {
    let json = dacapo(&["demo", "--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let story = json["story"].as_array().unwrap();
    let text = |message: &Value, key: &str| message[key].as_str().unwrap().to_owned();
    let mails = story.iter().map(|step| &step["message"]).filter(|message| message.is_object());
    let cleos = mails.filter(|message| message["to"] == "cleo@example.com");
    let sent: Vec<_> =
        cleos.map(|message| (text(message, "at"), text(message, "element"))).collect();
    let expected = [
        ("2026-12-14T08:10:00Z", "confirm"),
        ("2026-12-14T08:20:00Z", "confirm"),
        ("2026-12-15T12:00:00Z", "tell_moved"),
        ("2026-12-17T12:00:00Z", "remind"),
        ("2026-12-17T13:25:00Z", "sorry"),
        ("2026-12-18T08:00:00Z", "remind"),
    ];
    assert_eq!(sent, expected.map(|(at, element)| (at.to_owned(), element.to_owned())));
    let told = String::from_utf8(dacapo(&["demo"]).stdout).unwrap();
    let history = told.split("History of cleo@example.com").nth(1).expect("her history");
    let history = history.split("History of").next().unwrap();
    for key in ["talk-1: ", "photo-2: "] {
        assert!(history.contains(key), "{history}");
    }
}

#[test]
fn a_command_ends_quietly_when_nobody_reads_on() {
    use std::io::Read as _;
    use std::process::Stdio;
    for arguments in [&["demo"][..], &["demo", "--json"], &["validate", "--format", "json"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dacapo"));
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        if arguments[0] == "validate" {
            command.arg(example("webinar.yaml"));
        }
        let mut child = command.spawn().unwrap();
        // The reader is gone before the first line is written, or soon after.
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap();
        assert!(status.success() && said.is_empty(), "{arguments:?}: {status}: {said}");
    }
}

#[test]
fn r60_every_line_of_the_demo_names_one_zone() {
    let told = String::from_utf8(dacapo(&["demo"]).stdout).unwrap();
    let zones = ["(Europe/Berlin)", "(America/New_York)"];
    for line in told.lines() {
        let named = zones.iter().filter(|zone| line.contains(**zone)).count();
        assert!(named <= 1, "{line}");
    }
    let history = told.split("History of ben@example.com").nth(1).expect("his history");
    let lines: Vec<_> = history.lines().filter(|line| !line.is_empty()).collect();
    assert!(!lines.is_empty());
    assert!(lines.iter().all(|line| line.contains("(America/New_York)")), "{history}");
}

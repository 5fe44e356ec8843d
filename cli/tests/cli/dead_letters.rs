//! `dacapo dead-letters` against a real server whose store was damaged: the dead letters are
//! listed, tried without success, and done after the repair.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use dacapo_embedded::SqliteStore;
use dacapo_engine::ids::{AccountId, ContactId};
use dacapo_platform::keys::{Keys, is_fed};
use dacapo_platform::table::{Body, Condition, Consistency, Item, Table as _, Write};
use serde_json::{Value, json};

use crate::support::{KEY, Serve};

const CAMPAIGN: &str = "
id: course
name: Course
sender: { address: studio@example.com }
elements:
  go: { type: start, when: { tag: Lead }, next: hour }
  hour: { type: wait, for: 1 hour, next: mail }
  mail: { type: email, email: hello }
emails:
  hello: { purpose: transactional, subject: 'Hello {{ contact.first_name }}', text: x }
";

/// Ann's address, which must not appear in a log or a list.
const ADDRESS: &str = "ann.lindqvist@example.com";

/// The answer of the command: its exit code, and both outputs.
struct CommandOutput {
    code: Option<i32>,
    said: String,
    complained: String,
}

impl CommandOutput {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let Output { status, stdout, stderr } = output;
        Self { code: status.code(), said: text(stdout), complained: text(stderr) }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.said)
            .unwrap_or_else(|_| panic!("{}{}", self.said, self.complained))
    }
}

/// The command, against a server, with a key.
fn asked(url: &str, key: &str, arguments: &[&str]) -> CommandOutput {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dacapo"));
    command.arg("dead-letters").args(arguments).args(["--url", url]);
    command.env("DACAPO_API_KEY", key).stdin(std::process::Stdio::null());
    CommandOutput::of(command.output().unwrap())
}

/// Replaces a contact in the store of a server that has stopped, as a damaged disk or a defect
/// would. Answers it as it was.
fn replaced(directory: &Path, contact: &ContactId, body: &Body) -> Body {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(Some(directory), is_fed).unwrap();
        let key = Keys::of(AccountId::new("main").unwrap()).contact(contact);
        let before = store.get(&key, Consistency::Strong).await.unwrap().unwrap();
        let item =
            Item { body: body.clone(), rev: before.rev.map(|rev| rev + 1), ..before.clone() };
        store.write(vec![Write::put(item, Condition::Always)], None).await.unwrap();
        before.body
    })
}

/// A server that logs into a file of its directory.
fn started(directory: &Path) -> Serve {
    let log = File::options().create(true).append(true).open(directory.join("log")).unwrap();
    Serve::logging(Some(directory), &["--clock", "2026-12-01T08:00:00Z"], log.into())
}

#[test]
fn a_dead_letter_is_listed_shown_tried_left_deleted_and_done_after_the_repair() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let serve = started(directory);
    serve.publish_text("course", CAMPAIGN);
    let ann = json!({ "email": ADDRESS, "first_name": "Annelise", "tags": ["Lead"] });
    let posted = serve.post("/v1/hooks/contact", &ann);
    let contact = ContactId::new(posted["contact_id"].as_str().unwrap()).unwrap();
    serve.post("/dev/idle", &json!({}));
    assert_eq!(asked(serve.url(), KEY, &["list"]).said, "no dead letters\n");
    serve.kill();

    // The contact can no longer be read: neither its change nor its timer can be processed.
    let garbage = Body::of(&json!({ "c": { "id": ADDRESS, "rv": "Annelise" } })).unwrap();
    let sound = replaced(directory, &contact, &garbage);
    let serve = started(directory);
    serve.clock_to("2026-12-01T10:00:00Z");
    let url = serve.url().to_owned();
    let list = asked(&url, KEY, &["list", "--json"]).json();
    let ids: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    let [change, timer] = ids[..] else { panic!("{list:#}") };

    let listed = asked(&url, KEY, &["list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.complained);
    let lines: Vec<&str> = listed.said.lines().collect();
    assert!(
        lines[0].starts_with("ID ") && lines[0].contains(" SINCE ") && lines[0].ends_with("WHY")
    );
    for (line, id, kind) in [(lines[1], change, "change"), (lines[2], timer, "message")] {
        assert!(line.starts_with(id), "{line}");
        for part in [kind, contact.as_str(), "2026-12-01T0", "a stored body can't be read"] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    assert!(!listed.said.contains(ADDRESS) && !listed.said.contains("Annelise"), "{}", listed.said);
    let shown = asked(&url, KEY, &["show", change]);
    assert!(shown.said.contains("\"rv\": \"Annelise\""), "what it says is opened: {}", shown.said);
    assert!(
        asked(&url, KEY, &["show", timer, "--json"]).json()["raw"]
            .as_str()
            .unwrap()
            .contains("wake")
    );

    // A key that may only read may not redrive.
    let made = serve.post("/v1/keys", &json!({ "name": "look", "scopes": ["read"] }));
    let reads = made["key"].as_str().unwrap();
    assert_eq!(asked(&url, reads, &["list"]).code, Some(0));
    let refused = asked(&url, reads, &["retry", timer]);
    assert!(
        refused.complained.contains("this needs a key with the scope write"),
        "{}",
        refused.complained
    );

    // Oldest first: later letters of the first one's contact are left. By its id one is tried all
    // the same.
    let tried = asked(&url, KEY, &["retry", "--all"]);
    assert_eq!(tried.code, Some(1));
    let lines: Vec<&str> = tried.said.lines().collect();
    assert!(
        lines[0].starts_with(change) && lines[0].contains("  failed: a stored body"),
        "{lines:#?}"
    );
    assert!(
        lines[1].starts_with(timer) && lines[1].contains("  left: an earlier one"),
        "{lines:#?}"
    );
    assert_eq!(lines[2..], ["0 done, 1 failed, 1 left"]);
    let tried = asked(&url, KEY, &["retry", timer, "nothing", "--json"]);
    assert_eq!((tried.code, &tried.json()["items"][0]["outcome"]), (Some(1), &json!("failed")));
    assert!(tried.complained.contains("no dead letter \"nothing\""), "{}", tried.complained);
    let tries: Vec<Value> = asked(&url, KEY, &["list", "--json"]).json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["tries"].clone())
        .collect();
    assert_eq!(tries, [json!(1), json!(1)]);

    // What can never be read is deleted, after a confirmation.
    let asks = asked(&url, KEY, &["delete", change]);
    assert!(asks.code == Some(1) && asks.complained.contains("--yes"), "{}", asks.complained);
    let deleted = asked(&url, KEY, &["delete", change, "--yes"]);
    assert_eq!((deleted.code, deleted.said), (Some(0), format!("{change} deleted\n")));
    serve.kill();

    replaced(directory, &contact, &sound);
    let serve = started(directory);
    assert!(serve.messages().is_empty());
    let done = asked(serve.url(), KEY, &["retry", "--all"]);
    assert_eq!((done.code, done.said), (Some(0), format!("{timer}  done\n1 done\n")));
    let subjects: Vec<Value> =
        serve.messages().iter().map(|message| message["subject"].clone()).collect();
    assert_eq!(subjects, ["Hello Annelise"]);
    assert_eq!(asked(serve.url(), KEY, &["list"]).said, "no dead letters\n");
    assert_eq!(asked(serve.url(), KEY, &["retry", "--all"]).said, "no dead letters\n");

    // The log has all of it, and no personal data.
    let log = std::fs::read_to_string(directory.join("log")).unwrap();
    assert!(log.contains("put aside") && log.contains(timer), "{log}");
    assert!(!log.contains(ADDRESS) && !log.contains("Annelise"), "{log}");
}

#[test]
fn whoever_asks_wrongly_is_told_what_to_do() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    let url = serve.url();
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let another = format!("http://{}", other.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let page = "<html>Not found</html>";
        let head = "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nConnection: close";
        let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len());
    });
    for (url, key, arguments, says) in [
        (url, "", &["list"][..], "there is no API key; give one that may `read` with --api-key"),
        (url, "", &["delete", "x", "--yes"], "give one that may `write` with --api-key"),
        (url, "wrong", &["list"], "refuses the API key: this API key is unknown, or was deleted"),
        (url, KEY, &["delete", "x", "--yes"], "there is no dead letter \"x\""),
        (url, KEY, &["show", "a/b c"], "there is no dead letter \"a/b c\""),
        (&nobody, KEY, &["list"], "does not answer: "),
        (&another, KEY, &["list"], "answers 404, and not as a Dacapo does; is it the right --url?"),
    ] {
        let answer = asked(url, key, arguments);
        assert_eq!(answer.code, Some(1), "{arguments:?}: {}{}", answer.said, answer.complained);
        assert!(answer.complained.contains(says), "{arguments:?}: {}", answer.complained);
        assert!(answer.complained.starts_with("dacapo: "), "{}", answer.complained);
    }
    answering.join().unwrap();
    for (arguments, says) in [
        (&["list", "--url", "nowhere"][..], "write it such as https://api.example"),
        (&["retry"], "<ID|--all>"),
        (&["retry", "x", "--all"], "cannot be used with"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dacapo"));
        let answer =
            CommandOutput::of(command.arg("dead-letters").args(arguments).output().unwrap());
        assert_eq!(answer.code, Some(2), "{arguments:?}");
        assert!(answer.complained.contains(says), "{arguments:?}: {}", answer.complained);
    }
}

#[test]
fn the_pages_show_commands_that_there_are() {
    let mut shown = 0;
    for page in ["docs/cli.md", "docs/operations.md"] {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
        let page = std::fs::read_to_string(page).unwrap();
        let lines = page.lines().map(|line| line.trim_start_matches("$ "));
        for line in lines.filter(|line| line.starts_with("dacapo dead-letters ")) {
            let mut command = Command::new(env!("CARGO_BIN_EXE_dacapo"));
            command.args(line.split_whitespace().skip(1)).arg("--help");
            let answer = CommandOutput::of(command.output().unwrap());
            assert_eq!(answer.code, Some(0), "{line}: {}", answer.complained);
            shown += 1;
        }
    }
    assert!(shown >= 5, "only {shown} were found");
}

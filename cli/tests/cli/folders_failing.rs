//! `dacapo pull`, `diff` and `push` where something fails: the command is killed, or the server is
//! none.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::people::{Person, WELCOME};
use crate::support::Serve;

#[test]
fn a_pull_that_is_killed_leaves_whole_files() {
    const CAMPAIGNS: usize = 24;
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    let ann = Person::of(&serve, "ann");
    let long = format!("{WELCOME}# {}\n", "x".repeat(250_000));
    let text = |nth: usize| long.replace("id: welcome", &format!("id: welcome-{nth:02}"));
    let yaml = [("Content-Type", "application/yaml")];
    for nth in 0..CAMPAIGNS {
        let path = format!("/v1/campaigns/welcome-{nth:02}");
        assert_eq!(serve.try_call("PUT", &path, &yaml, &text(nth)).unwrap().0, 201);
    }
    for wait in [5, 20, 60] {
        let mut child = ann.command("pull", &[]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        for name in ann.files() {
            let nth: usize = name["welcome-".len()..name.len() - ".yaml".len()].parse().unwrap();
            assert!(ann.has(&name) == text(nth), "{name} is not whole");
        }
    }
    ann.does("pull", &[]).says(0, &[]);
    assert_eq!(ann.files().len(), CAMPAIGNS);
    ann.does("diff", &[]).says(0, &["24 same\n"]);
}

/// In the middle of an answer: the file that is there is the old one, and the one before it is new.
#[test]
fn a_pull_that_is_killed_in_an_answer_has_written_nothing_of_it() {
    let (text, old) =
        (|id: &str| WELCOME.replace("id: welcome", &format!("id: {id}")), "id: b\nelements: {}\n");
    let items = ["a", "b"].map(|id| json!({ "id": id, "version": null, "draft": true }));
    let list = json!({ "items": items, "next_cursor": null }).to_string();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (half, waits) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let tag = "ETag: \"x\"\r\n";
            if request.starts_with("GET /v1/campaigns/b") {
                let answer = ok(tag, &text("b"));
                stream.write_all(&answer.as_bytes()[..answer.len() - 40]).unwrap();
                half.send(()).unwrap();
                open.push(stream);
            } else if request.starts_with("GET /v1/campaigns/a") {
                stream.write_all(ok(tag, &text("a")).as_bytes()).unwrap();
            } else {
                stream.write_all(ok("", &list).as_bytes()).unwrap();
            }
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let ann = Person { folder, url, key: "a-key-of-somebody".to_owned() };
    ann.writes("b.yaml", old);
    let mut child = ann.command("pull", &["--force"]).stdout(Stdio::null()).spawn().unwrap();
    waits.recv_timeout(Duration::from_secs(30)).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(ann.has("a.yaml"), WELCOME.replace("id: welcome", "id: a"));
    assert_eq!(ann.has("b.yaml"), old);
    let remembered = ann.has(".dacapo/accounts.json");
    assert!(remembered.contains("\"a\"") && !remembered.contains("\"b\""), "{remembered}");
}

/// A server that answers every call with the same.
fn answering(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = vec![0; 65_536];
            let read = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let _ = stream.write_all(answer(&request).as_bytes());
        }
    });
    url
}

fn ok(headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn nothing_beside(folder: &Path) -> bool {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name != ".dacapo").count() == 0
}

#[test]
fn a_server_that_is_none_writes_nothing_and_nowhere() {
    let person = |url: String| Person {
        folder: tempfile::tempdir().unwrap(),
        url,
        key: "a-key-of-somebody".to_owned(),
    };
    let list = |id: &str| {
        let item = json!({ "id": id, "version": null, "draft": true });
        json!({ "items": [item], "next_cursor": null }).to_string()
    };
    // An id that leads out of the folder.
    let away = person(answering(move |_| ok("", &list("../../evil"))));
    let told = away.does("pull", &[]);
    assert_eq!(told.code, Some(1), "{}", told.said);
    assert!(told.complained.contains("which is no id"), "{}", told.complained);
    assert!(nothing_beside(away.folder.path()));
    // A list that does not end.
    let endless = json!({ "items": [], "next_cursor": "more" }).to_string();
    let endless = person(answering(move |_| ok("", &endless)));
    let told = endless.does("pull", &[]);
    assert!(told.complained.contains("does not end"), "{}", told.complained);
    // A document of another campaign, and one that is longer than any; without a tag, and with one.
    for (headers, body, why) in [
        (
            "ETag: \"a\"\r\n",
            WELCOME.replace("id: welcome", "id: ../evil"),
            "no document of this campaign",
        ),
        (
            "ETag: \"a\"\r\n",
            format!("{WELCOME}# {}", "x".repeat(400_000)),
            "longer than a campaign",
        ),
        ("", WELCOME.to_owned(), "no ETag"),
        ("ETag: \"a\"\r\n", "<html>".to_owned(), "no document of this campaign"),
    ] {
        let url = answering(move |request| {
            if request.starts_with("GET /v1/campaigns?") {
                ok("", &list("welcome"))
            } else {
                ok(headers, &body)
            }
        });
        let person = person(url);
        let told = person.does("pull", &[]);
        told.says(1, &["failed    welcome.yaml: ", why, "1 failed\n"]);
        assert!(nothing_beside(person.folder.path()), "{why}");
        assert_eq!(person.does("diff", &[]).code, Some(2));
    }
    // An answer of any length is not read to its end.
    let huge = format!("\"{}", "x".repeat(12 * 1024 * 1024));
    let huge = person(answering(move |_| ok("", &huge)));
    assert_eq!(huge.does("pull", &[]).code, Some(1));
    let nobody = person("http://127.0.0.1:1".to_owned());
    assert_eq!(nobody.does("diff", &[]).code, Some(2));
    let secret = person("http://name:password@127.0.0.1:1".to_owned());
    let told = secret.does("pull", &[]);
    assert!(told.complained.contains("leave that out") && !told.complained.contains("password@"));
}

//! People who each have a folder and a key of one account, and use `dacapo pull`, `diff` and
//! `push`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{KEY, Serve};

/// A campaign of one mail.
pub(crate) const WELCOME: &str = "\
# what everybody gets who is new
id: welcome
name: Welcome
sender: { address: studio@example.com }
elements:
  lead: { type: start, when: { tag: Lead }, next: day }
  day: { type: wait, for: 1 day, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { purpose: transactional, subject: Hello, text: Hello }
";

/// Somebody with a folder of their own.
pub(crate) struct Person {
    pub(crate) folder: TempDir,
    pub(crate) url: String,
    pub(crate) key: String,
}

/// What a command said.
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
    pub(crate) complained: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn says(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.said, self.complained);
        for part in parts {
            assert!(self.said.contains(part), "{part:?}:\n{}{}", self.said, self.complained);
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.said)
            .unwrap_or_else(|_| panic!("{}{}", self.said, self.complained))
    }
}

impl Person {
    pub(crate) fn of(serve: &Serve, name: &str) -> Self {
        let made = serve.post("/v1/keys", &json!({ "name": name, "scopes": ["write"] }));
        let key = made["key"].as_str().unwrap().to_owned();
        Self { folder: tempfile::tempdir().unwrap(), url: serve.url().to_owned(), key }
    }

    pub(crate) fn command(&self, what: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dacapo"));
        command.arg(what).arg(self.folder.path()).args(arguments).args(["--url", &self.url]);
        command.env("DACAPO_API_KEY", &self.key).stdin(Stdio::null());
        command
    }

    pub(crate) fn does(&self, what: &str, arguments: &[&str]) -> Answer {
        let output = self.command(what, arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (said, complained) = (text(output.stdout), text(output.stderr));
        assert!(!said.contains(&self.key) && !complained.contains(&self.key), "a key is printed");
        Answer { code: output.status.code(), said, complained }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn has(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn writes(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The documents in the folder.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".yaml"))
            .collect();
        names.sort();
        names
    }
}

/// The draft of the account as it was written.
pub(crate) fn draft(serve: &Serve, id: &str) -> String {
    let host = serve.url().strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let call = format!("GET /v1/campaigns/{id}?format=yaml HTTP/1.1\r\nHost: {host}");
    write!(stream, "{call}\r\nX-Api-Key: {KEY}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

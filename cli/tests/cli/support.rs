//! A `dacapo serve` as a process of its own, called over HTTP.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use dacapo_engine::time::Instant;
use dacapo_tests::host::{Answer, Call, Host, Remote};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The admin key of the tests.
pub(crate) const KEY: &str = "test-key";

/// Where the campaigns of the examples are.
pub(crate) fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// A running server. Dropping it kills it.
pub(crate) struct Serve {
    child: Child,
    remote: Remote,
}

impl Serve {
    /// Starts one, and waits until it says that it is ready.
    pub(crate) fn start(directory: Option<&Path>, arguments: &[&str]) -> Self {
        Self::logging(directory, arguments, Stdio::inherit())
    }

    /// The same, with its log somewhere.
    pub(crate) fn logging(directory: Option<&Path>, arguments: &[&str], log: Stdio) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dacapo"));
        command.args(["serve", "--port", "0", "--api-key", KEY]).args(arguments);
        if let Some(directory) = directory {
            command.arg("--data-dir").arg(directory);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line:?}"));
        assert_eq!(ready["ready"], true);
        let url = ready["url"].as_str().unwrap();
        Self { child, remote: Remote::at(url, KEY) }
    }

    pub(crate) fn url(&self) -> &str {
        self.remote.url()
    }

    /// One that stands at an instant.
    pub(crate) fn standing(directory: Option<&Path>, at: &str) -> Self {
        Self::start(directory, &["--clock", at])
    }

    /// The process, for a test that kills it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and the end of it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A call. `None` if there was no answer.
    pub(crate) fn try_call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<(u16, Value)> {
        let call = Call::post(path, body).method(method).by(KEY);
        let is_said = |name: &str| name.eq_ignore_ascii_case("content-type");
        let said = headers.iter().find(|(name, _)| is_said(name));
        let call = said.map_or(call, |(_, media_type)| call.of(media_type));
        let more: Vec<_> = headers.iter().filter(|(name, _)| !is_said(name)).copied().collect();
        let answer = self.remote.call_with(&call, &more).ok()?;
        Some((answer.status, answer.body))
    }

    /// A call that succeeds.
    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = self.try_call(method, path, &[], &text).expect("an answer");
        assert!((200..300).contains(&status), "{method} {path}: {status}: {answer:#}");
        answer
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.call("GET", path, &Value::Null)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", path, body)
    }

    /// Puts and publishes one of the examples.
    pub(crate) fn publish(&self, id: &str) -> Value {
        self.publish_text(id, &example(&format!("{id}.yaml")))
    }

    /// Puts and publishes a document.
    pub(crate) fn publish_text(&self, id: &str, document: &str) -> Value {
        let path = format!("/v1/campaigns/{id}");
        let yaml = [("Content-Type", "application/yaml")];
        let (status, saved) = self.try_call("PUT", &path, &yaml, document).expect("an answer");
        assert!(status < 300, "{saved:#}");
        self.post(&format!("{path}/publish"), &json!({}))
    }

    /// Moves the clock.
    pub(crate) fn clock_to(&self, to: &str) -> Value {
        self.post("/dev/clock", &json!({ "to": to }))
    }

    /// Every captured message.
    pub(crate) fn messages(&self) -> Vec<Value> {
        self.post("/dev/idle", &json!({}));
        self.get("/dev/messages")["items"].as_array().unwrap().clone()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process for a journey, which may stop it: it keeps its data in a directory.
pub(crate) struct Stoppable {
    directory: TempDir,
    serve: Option<Serve>,
}

impl Stoppable {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), serve: None }
    }

    fn running(&self) -> Result<&Remote, String> {
        Ok(&self.serve.as_ref().ok_or("it is not running")?.remote)
    }
}

impl Host for Stoppable {
    fn open(&mut self, at: Instant) -> Result<(), String> {
        self.serve = Some(Serve::standing(Some(self.directory.path()), &at.to_rfc3339()));
        Ok(())
    }

    fn admin_key(&self) -> &str {
        KEY
    }

    fn call(&self, call: &Call<'_>) -> Result<Answer, String> {
        self.running()?.call(call)
    }

    fn can_stop(&self) -> bool {
        true
    }

    fn stop_until(&mut self, at: Instant) -> Result<(), String> {
        if let Some(serve) = self.serve.take() {
            serve.kill();
        }
        self.open(at)
    }
}

//! A `dacapo serve` as a process of its own, talked to over HTTP.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

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
    pub(crate) url: String,
    agent: ureq::Agent,
}

impl Serve {
    /// Starts one, and waits until it says that it is ready.
    pub(crate) fn start(directory: Option<&Path>, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dacapo"));
        command.args(["serve", "--port", "0", "--api-key", KEY]).args(arguments);
        if let Some(directory) = directory {
            command.arg("--data-dir").arg(directory);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line:?}"));
        assert_eq!(ready["ready"], true);
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        let url = ready["url"].as_str().unwrap().to_owned();
        Self { child, url, agent: config.into() }
    }

    /// One that stands at an instant.
    pub(crate) fn standing(directory: Option<&Path>, at: &str) -> Self {
        Self::start(directory, &["--clock", at])
    }

    /// The process, for whoever kills it.
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
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("Authorization", format!("Bearer {KEY}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request = request.header("Content-Type", "application/json");
        }
        let mut response = self.agent.run(request.body(body.to_owned()).unwrap()).ok()?;
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().ok()?;
        let answer = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
        Some((status, answer))
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

//! A Dacapo behind HTTP, wherever it runs: in this process, in another one, or in the cloud.
//!
//! A [`Host`] takes calls and defines how time passes. With a manual clock that is `/dev/clock` and
//! `/dev/idle`; a host with a real clock defines itself how it waits.

mod in_process;
mod remote;

use dacapo_engine::time::Instant;
use serde_json::{Value, json};

pub use in_process::InProcess;
pub use remote::Remote;

/// See the module.
pub trait Host {
    /// Starts it, with its clock at this instant.
    ///
    /// # Errors
    ///
    /// Why it did not come up.
    fn open(&mut self, at: Instant) -> Result<(), String>;

    /// The key that has all scopes.
    fn admin_key(&self) -> &str;

    /// A call.
    ///
    /// # Errors
    ///
    /// Why there was no answer.
    fn call(&self, call: &Call<'_>) -> Result<Answer, String>;

    /// Returns at this instant, when everything that became due meanwhile is done.
    ///
    /// # Errors
    ///
    /// Why it did not come to it.
    fn reach(&mut self, at: Instant) -> Result<(), String> {
        let to = json!({ "to": at.to_rfc3339() }).to_string();
        self.ask(&Call::post("/dev/clock", &to).by(self.admin_key())).map(|_| ())
    }

    /// Returns when nothing is left to do.
    ///
    /// # Errors
    ///
    /// Why it did not come to it.
    fn settle(&mut self) -> Result<(), String> {
        self.ask(&Call::post("/dev/idle", "").by(self.admin_key())).map(|_| ())
    }

    /// Whether it can be stopped and started again with its data.
    fn can_stop(&self) -> bool;

    /// Stops it, and starts it again at this instant.
    ///
    /// # Errors
    ///
    /// Why it did not come up.
    fn stop_until(&mut self, at: Instant) -> Result<(), String>;

    /// Whether lists show writes at once. If they are eventually consistent, a job goes through
    /// them twice, and the next one about the same campaign waits for it.
    fn lists_show_at_once(&self) -> bool {
        true
    }

    /// A call that succeeds; its answer.
    ///
    /// # Errors
    ///
    /// What it answered instead.
    fn ask(&self, call: &Call<'_>) -> Result<Value, String> {
        let answer = self.call(call)?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        Err(format!("{} {}: {}: {:#}", call.method, call.path, answer.status, answer.body))
    }

    /// All items of a list, page by page.
    ///
    /// # Errors
    ///
    /// What it answered instead.
    fn list(&self, path: &str, key: &str) -> Result<Vec<Value>, String> {
        let mut all = Vec::new();
        let with = if path.contains('?') { '&' } else { '?' };
        let mut next = format!("{path}{with}limit=200");
        loop {
            let page = self.ask(&Call::get(&next).by(key))?;
            all.extend(page["items"].as_array().into_iter().flatten().cloned());
            match page["next_cursor"].as_str() {
                // A cursor has only characters that need no escaping in a query.
                Some(cursor) => next = format!("{path}{with}limit=200&cursor={cursor}"),
                None => return Ok(all),
            }
        }
    }
}

/// A call.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path, with the query.
    pub path: &'a str,
    /// The media type of the body.
    pub media_type: &'a str,
    /// The body.
    pub body: &'a str,
    /// The API key, if one is sent.
    pub key: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// A GET.
    pub fn get(path: &'a str) -> Self {
        Self { method: "GET", path, media_type: "application/json", body: "", key: None }
    }

    /// A POST of JSON.
    pub fn post(path: &'a str, body: &'a str) -> Self {
        Self { method: "POST", path, media_type: "application/json", body, key: None }
    }

    /// The same with another method.
    #[must_use]
    pub fn method(self, method: &'a str) -> Self {
        Self { method, ..self }
    }

    /// The same with another media type.
    #[must_use]
    pub fn of(self, media_type: &'a str) -> Self {
        Self { media_type, ..self }
    }

    /// The same with a key.
    #[must_use]
    pub fn by(self, key: &'a str) -> Self {
        Self { key: Some(key), ..self }
    }
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body: JSON, or its text as JSON; `null` if there is none.
    pub body: Value,
}

impl Answer {
    fn of(status: u16, text: &str) -> Self {
        let body = match text {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        };
        Self { status, body }
    }
}

//! The API from outside, as Zapier or a person with curl calls it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::until::{Patience, until};

/// The status and the body of an answer.
pub type ApiAnswer = (u16, Value);

/// The API, with a key.
#[derive(Clone)]
pub struct Api {
    base: String,
    key: String,
    agent: ureq::Agent,
}

impl Api {
    /// The API at this address, with this key.
    #[must_use]
    pub fn new(base: String, key: String) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)));
        Self { base, key, agent: config.build().into() }
    }

    /// Its address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A call, once.
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub fn once(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<ApiAnswer, String> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("X-Api-Key", &self.key);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request = request.header("Content-Type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_owned()).map_err(|error| error.to_string())?;
        let mut response = self.agent.run(request).map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
        Ok((status, serde_json::from_str(&text).unwrap_or_else(|_| json!(text))))
    }

    /// A call that is repeated if the answer was lost or is retryable, as Zapier does.
    ///
    /// # Panics
    ///
    /// If it is refused, or does not succeed within half a minute.
    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Value {
        let what = format!("{method} {path} to succeed");
        let (status, answer) = until(&what, Patience::seconds(30), || {
            let (status, answer) = self.once(method, path, headers, body)?;
            if status >= 500 { Err(format!("{status}: {answer}")) } else { Ok((status, answer)) }
        });
        assert!((200..300).contains(&status), "{method} {path}: {status}: {answer:#}");
        answer
    }

    /// A GET of a path.
    #[must_use]
    pub fn get(&self, path: &str) -> Value {
        self.call("GET", path, &[], "")
    }

    /// Posts, with its own idempotency key.
    pub fn post(&self, path: &str, key: &str, body: &Value) -> Value {
        self.call("POST", path, &[("Idempotency-Key", key)], &body.to_string())
    }

    /// Posts a contact.
    pub fn contact(&self, key: &str, body: &Value) -> Value {
        self.post("/v1/hooks/contact", key, body)
    }

    /// Saves and publishes a campaign.
    pub fn publish(&self, id: &str, document: &str) -> Value {
        let path = format!("/v1/campaigns/{id}");
        self.call("PUT", &path, &[("Content-Type", "application/yaml")], document);
        self.post(&format!("{path}/publish"), &format!("publish-{id}"), &json!({}))
    }

    /// A list of a contact.
    ///
    /// # Panics
    ///
    /// If the answer is no list.
    #[must_use]
    pub fn of_contact(&self, email: &str, what: &str) -> Vec<Value> {
        let listed = self.get(&format!("/v1/contacts/email:{email}/{what}"));
        listed["items"].as_array().unwrap_or_else(|| panic!("no list: {listed}")).clone()
    }

    /// A contact's enrollment in a campaign, if there is one.
    #[must_use]
    pub fn enrollment(&self, email: &str, campaign: &str) -> Option<Value> {
        let enrollments = self.of_contact(email, "enrollments");
        enrollments.into_iter().find(|enrollment| enrollment["campaign"] == campaign)
    }
}

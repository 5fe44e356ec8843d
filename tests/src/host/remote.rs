//! A Dacapo at a URL, called over a socket with a key that has all scopes.

use std::time::Duration;

use dacapo_engine::time::Instant;

use super::{Answer, Call, Host};

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// See the module. It is already running, with a clock that is earlier than all instants to be set.
pub struct Remote {
    url: String,
    admin_key: String,
    agent: ureq::Agent,
}

impl Remote {
    /// The one at this URL, without a slash at its end.
    pub fn at(url: impl Into<String>, admin_key: impl Into<String>) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(DEADLINE))
            .build();
        Self { url: url.into(), admin_key: admin_key.into(), agent: config.into() }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A call with more headers than a key and a media type.
    ///
    /// # Errors
    ///
    /// Why there was no answer.
    pub fn call_with(&self, call: &Call<'_>, headers: &[(&str, &str)]) -> Result<Answer, String> {
        let mut request = ureq::http::Request::builder()
            .method(call.method)
            .uri(format!("{}{}", self.url, call.path))
            .header("Content-Type", call.media_type);
        if let Some(key) = call.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(call.body.to_owned()).map_err(|error| error.to_string())?;
        let mut response = self.agent.run(request).map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
        Ok(Answer::of(status, &text))
    }
}

impl Host for Remote {
    fn open(&mut self, at: Instant) -> Result<(), String> {
        self.reach(at)
    }

    fn admin_key(&self) -> &str {
        &self.admin_key
    }

    fn call(&self, call: &Call<'_>) -> Result<Answer, String> {
        self.call_with(call, &[])
    }

    fn can_stop(&self) -> bool {
        false
    }

    fn stop_until(&mut self, _: Instant) -> Result<(), String> {
        Err("nobody here can stop it".to_owned())
    }
}

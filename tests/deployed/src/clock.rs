//! The clock of a cloud, which advances only when it is set: `infra/tools/e2e/standing.py`.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Such a clock. Its calls return when there is nothing left to do.
#[derive(Clone)]
pub struct StandingClock {
    url: String,
    agent: ureq::Agent,
}

impl StandingClock {
    pub(crate) fn at(port: u16) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(300)));
        Self { url: format!("http://127.0.0.1:{port}"), agent: config.build().into() }
    }

    /// Makes an empty account, at that instant.
    ///
    /// # Errors
    ///
    /// The state instead; so for the others.
    pub fn begin(&self, at: DateTime<Utc>) -> Result<(), String> {
        self.tell("begin", &at.timestamp().to_string())
    }

    /// Moves it to that instant. Returns when everything that became due meanwhile is done.
    ///
    /// # Errors
    ///
    /// The state instead.
    pub fn reach(&self, at: DateTime<Utc>) -> Result<(), String> {
        self.tell("reach", &at.timestamp().to_string())
    }

    /// The same, but nothing is done meanwhile: everything is late.
    ///
    /// # Errors
    ///
    /// The state instead.
    pub fn jump(&self, at: DateTime<Utc>) -> Result<(), String> {
        self.tell("jump", &at.timestamp().to_string())
    }

    /// Returns when nothing is left to do.
    ///
    /// # Errors
    ///
    /// The state instead.
    pub fn settle(&self) -> Result<(), String> {
        self.tell("settle", "")
    }

    fn tell(&self, what: &str, body: &str) -> Result<(), String> {
        let post = self.agent.post(format!("{}/{what}", self.url));
        let mut response = post.send(body).map_err(|error| format!("{what}: {error}"))?;
        let said = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
        if response.status() == 200 { Ok(()) } else { Err(format!("{what}: {said}")) }
    }
}

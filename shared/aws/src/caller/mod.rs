//! Webhooks of campaigns, called from `deliver`.
//!
//! The author of a campaign writes the URL. Only the function itself may reach its runtime and its
//! credentials, so addresses of this machine and of its link are not called.

mod place;

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use axum::http::Uri;
use dacapo_platform::calling::{Hop, UrlParts};
use dacapo_platform::ports::{Caller, Request, Unavailable};

use crate::clients::Clients;
use crate::clients::http::Http;
use crate::https::OWN;
use place::is_own;

/// How long a webhook may take, redirections included.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// Calls webhooks.
pub struct HttpsCaller {
    http: Http,
    /// Whether addresses of this machine are called too: with an emulator, where all services are
    /// on it.
    at_home: bool,
}

impl HttpsCaller {
    /// A caller that shares the HTTP client of these.
    pub fn new(clients: &Clients) -> Self {
        Self { http: clients.http.clone(), at_home: false }
    }

    /// The same, but it also calls this machine.
    #[must_use]
    pub fn at_home(self) -> Self {
        Self { at_home: true, ..self }
    }

    async fn follow(&self, request: &Request) -> Result<u16, Unavailable> {
        let mut hop = Hop::first(request)?;
        loop {
            self.may_call(hop.place())?;
            let (status, location) = self.once(&hop).await?;
            match hop.led_on(status, location.as_deref())? {
                Some(next) => hop = next,
                None => return Ok(status),
            }
        }
    }

    async fn once(&self, hop: &Hop) -> Result<(u16, Option<String>), Unavailable> {
        let failed = |error: &dyn std::fmt::Display| Unavailable(error.to_string());
        let mut outgoing = HttpRequest::new(SdkBody::from(hop.body()));
        outgoing.set_method(hop.method()).map_err(|error| failed(&error))?;
        outgoing.set_uri(hop.place().url()).map_err(|error| failed(&error))?;
        for (name, value) in hop.headers() {
            outgoing
                .headers_mut()
                .try_append(name.clone(), value.clone())
                .map_err(|error| failed(&error))?;
        }
        let answer = self.connector().call(outgoing).await;
        let answer = answer.map_err(|error| Unavailable(crate::error_text::text_of(&error)))?;
        let location = answer.headers().get("location").map(str::to_owned);
        Ok((answer.status().as_u16(), location))
    }

    /// A host that is written as an address. Names are checked where they are resolved.
    fn may_call(&self, place: &UrlParts) -> Result<(), Unavailable> {
        let url = place.url().parse::<Uri>().map_err(|error| Unavailable(error.to_string()))?;
        let address = url.host().unwrap_or_default().trim_matches(['[', ']']).parse::<IpAddr>();
        if !self.at_home && address.is_ok_and(is_own) {
            return Err(Unavailable(OWN.to_owned()));
        }
        Ok(())
    }

    fn connector(&self) -> SharedHttpConnector {
        if self.at_home { self.http.fresh_connector() } else { self.http.connector_but(is_own) }
    }
}

#[async_trait]
impl Caller for HttpsCaller {
    async fn call(&self, request: &Request) -> Result<u16, Unavailable> {
        let seconds = TIMEOUT.as_secs();
        tokio::time::timeout(TIMEOUT, self.follow(request))
            .await
            .unwrap_or_else(|_| Err(Unavailable(format!("no answer within {seconds} seconds"))))
    }
}

#[cfg(test)]
mod tests;

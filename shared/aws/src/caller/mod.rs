//! Webhooks of campaigns, called from `deliver`.
//!
//! The author of a campaign writes the URL. So that nobody reaches what only the function itself may reach (its runtime,
//! its credentials), addresses of this machine and of its link are not called.

mod place;

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use dacapo_engine::campaign::format::Method;
use dacapo_platform::ports::{Caller, Request, Unavailable};

use crate::clients::Clients;
use crate::clients::http::Http;
use place::{Place, is_own};

/// How long a webhook may take, redirections included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How many redirections are followed.
const REDIRECTIONS: usize = 3;

/// Calls webhooks.
pub struct HttpsCaller {
    http: Http,
    /// Whether addresses of this machine are called too: with an emulator, where everything is there.
    at_home: bool,
}

impl HttpsCaller {
    /// One that shares the HTTP client of these.
    pub fn new(clients: &Clients) -> Self {
        Self { http: clients.http.clone(), at_home: false }
    }

    /// The same, and it also calls this machine.
    #[must_use]
    pub fn at_home(self) -> Self {
        Self { at_home: true, ..self }
    }

    async fn follow(&self, request: &Request) -> Result<u16, Unavailable> {
        let mut place = Place::read(&request.url)?;
        let mut method = request.method;
        for _ in 0..=REDIRECTIONS {
            self.may_call(&place).await?;
            let (status, location) = self.once(&place, method, request).await?;
            let Some(location) = location else { return Ok(status) };
            method = match (status, method) {
                // Whoever answers a post so wants the other page to be looked at.
                (301..=303, Method::Post | Method::Put | Method::Patch | Method::Delete) => {
                    Method::Get
                }
                (301..=303 | 307 | 308, method) => method,
                (_, _) => return Ok(status),
            };
            place = place.leads_to(&location)?;
        }
        Err(Unavailable(format!("more than {REDIRECTIONS} redirections")))
    }

    async fn once(
        &self,
        place: &Place,
        method: Method,
        request: &Request,
    ) -> Result<(u16, Option<String>), Unavailable> {
        let word = match method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        };
        let body = match method {
            Method::Get | Method::Delete => String::new(),
            Method::Post | Method::Put | Method::Patch => request.body.clone().unwrap_or_default(),
        };
        let failed = |error: &dyn std::fmt::Display| Unavailable(error.to_string());
        let mut outgoing = HttpRequest::new(SdkBody::from(body));
        outgoing.set_method(word).map_err(|error| failed(&error))?;
        outgoing.set_uri(place.url()).map_err(|error| failed(&error))?;
        for (name, value) in &request.headers {
            outgoing
                .headers_mut()
                .try_append(name.clone(), value.clone())
                .map_err(|error| failed(&error))?;
        }
        let answer = self.http.connector().call(outgoing).await;
        let answer = answer.map_err(|error| Unavailable(crate::words::words_of(&error)))?;
        let location = answer.headers().get("location").map(str::to_owned);
        Ok((answer.status().as_u16(), location))
    }

    async fn may_call(&self, place: &Place) -> Result<(), Unavailable> {
        if self.at_home {
            return Ok(());
        }
        let found = tokio::net::lookup_host(place.host_and_port())
            .await
            .map_err(|error| Unavailable(error.to_string()))?;
        let mut addresses = found.map(|socket| socket.ip());
        match addresses.find(|address: &IpAddr| is_own(*address)) {
            Some(_) => Err(Unavailable("addresses of this machine are not called".to_owned())),
            None => Ok(()),
        }
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

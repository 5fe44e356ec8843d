//! Webhooks, called over hyper and rustls: within ten seconds, redirects included, and a few at
//! once for each host, so that a slow one delays no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use dacapo_platform::Instant;
use dacapo_platform::calling::{Hop, UrlParts};
use dacapo_platform::ports::{Caller, Request, Unavailable};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::clock::uptime;

/// How long a webhook may take, name resolution, connecting, TLS and redirects included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How many calls one host has in progress at once.
pub(crate) const CALLS_AT_ONCE: usize = 4;

/// This many hosts are remembered; the calls of more hosts are not counted.
const HOSTS: usize = 4_096;

/// How long a call that found no place waits for each call before it, at least and at most.
const LEAST_WAIT: TimeDelta = TimeDelta::milliseconds(250);
const MOST_WAIT: TimeDelta = TimeDelta::minutes(5);

/// Calls webhooks.
pub(crate) struct HttpCaller {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    hosts: Arc<Hosts>,
}

impl Default for HttpCaller {
    fn default() -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(TIMEOUT));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let ring = || Arc::new(rustls::crypto::ring::default_provider());
        let versions = || {
            let builder = rustls::ClientConfig::builder_with_provider(ring());
            builder.with_safe_default_protocol_versions()
        };
        // The system's certificates if there are any, else those that Mozilla trusts.
        let trusting = versions().map(|builder| match builder.with_native_roots() {
            Ok(builder) => builder.with_no_client_auth(),
            Err(error) => {
                tracing::warn!(%error, "the system has no certificates; those of Mozilla are used");
                let builder = rustls::ClientConfig::builder_with_provider(ring());
                let builder = builder.with_safe_default_protocol_versions();
                let builder = builder.unwrap_or_else(|_| unreachable!("it went well just now"));
                builder.with_webpki_roots().with_no_client_auth()
            }
        });
        let trusting = trusting.unwrap_or_else(|_| unreachable!("ring knows the usual versions"));
        let https = HttpsConnectorBuilder::new().with_tls_config(trusting);
        let https = https.https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(https);
        Self { client, hosts: Arc::default() }
    }
}

impl HttpCaller {
    async fn follow(&self, request: &Request) -> Result<u16, Unavailable> {
        let mut hop = Hop::first(request)?;
        loop {
            let (status, location) = self.once(&hop).await?;
            match hop.led_on(status, location.as_deref())? {
                Some(next) => hop = next,
                None => return Ok(status),
            }
        }
    }

    async fn once(&self, hop: &Hop) -> Result<(u16, Option<String>), Unavailable> {
        let mut request = hyper::Request::builder().method(hop.method()).uri(hop.place().url());
        for (name, value) in hop.headers() {
            request = request.header(name, value);
        }
        let body = Full::new(Bytes::copy_from_slice(hop.body().as_bytes()));
        let request = request.body(body).map_err(|error| Unavailable(error.to_string()))?;
        let answer = self.client.request(request).await.map_err(|error| in_words(&error))?;
        let location = answer.headers().get("location").and_then(|place| place.to_str().ok());
        Ok((answer.status().as_u16(), location.map(str::to_owned)))
    }
}

/// An error with its causes: hyper's own text says very little.
fn in_words(error: &hyper_util::client::legacy::Error) -> Unavailable {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    Unavailable(words)
}

#[async_trait]
impl Caller for HttpCaller {
    fn not_before(&self, url: &str, now: Instant) -> Option<Instant> {
        self.hosts.not_before(&UrlParts::read(url).ok()?.host_and_port(), now)
    }

    async fn call(&self, request: &Request) -> Result<u16, Unavailable> {
        let _under_way = self.hosts.begin(&UrlParts::read(&request.url)?.host_and_port());
        let seconds = TIMEOUT.as_secs();
        tokio::time::timeout(TIMEOUT, self.follow(request))
            .await
            .unwrap_or_else(|_| Err(Unavailable(format!("no answer within {seconds} seconds"))))
    }
}

/// The calls in progress of each host.
#[derive(Default)]
struct Hosts(Mutex<HashMap<String, Host>>);

#[derive(Default)]
struct Host {
    under_way: usize,
    /// How long the last one took.
    took: Duration,
    /// When the last of those that found no place may try again.
    last: Option<Instant>,
}

impl Hosts {
    /// When a call may begin that finds no place: one after the other, about as fast as the host
    /// answers, so that they are not received again and again without being made.
    fn not_before(&self, host: &str, now: Instant) -> Option<Instant> {
        let mut hosts = self.hosts();
        let host = hosts.get_mut(host).filter(|host| host.under_way >= CALLS_AT_ONCE)?;
        let each = TimeDelta::from_std(host.took).unwrap_or(MOST_WAIT) / 4;
        let last = host.last.filter(|last| *last > now).unwrap_or(now);
        let next = (last + each.max(LEAST_WAIT)).min(now + MOST_WAIT);
        host.last = Some(next);
        Some(next)
    }

    fn begin(self: &Arc<Self>, host: &str) -> UnderWay {
        let mut hosts = self.hosts();
        if hosts.len() >= HOSTS {
            hosts.retain(|_, host| host.under_way > 0);
        }
        if hosts.len() < HOSTS || hosts.contains_key(host) {
            hosts.entry(host.to_owned()).or_default().under_way += 1;
        }
        UnderWay { hosts: Arc::clone(self), host: host.to_owned(), since: uptime() }
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, Host>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Guard: a call is in progress, until this is dropped.
struct UnderWay {
    hosts: Arc<Hosts>,
    host: String,
    since: Duration,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let took = uptime().saturating_sub(self.since);
        if let Some(host) = self.hosts.hosts().get_mut(&self.host) {
            host.under_way = host.under_way.saturating_sub(1);
            host.took = took;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_so_many_calls_under_way_and_others_are_not_concerned() {
        let (hosts, now) = (Arc::new(Hosts::default()), Instant::UNIX_EPOCH);
        let calls: Vec<_> = (0..CALLS_AT_ONCE)
            .map(|_| {
                assert_eq!(hosts.not_before("slow.example:443", now), None);
                hosts.begin("slow.example:443")
            })
            .collect();
        let first = hosts.not_before("slow.example:443", now).unwrap();
        let second = hosts.not_before("slow.example:443", now).unwrap();
        assert!(now < first && first < second, "they come back one after the other");
        assert_eq!(hosts.not_before("quick.example:443", now), None);
        for _ in 0..10_000 {
            assert!(hosts.not_before("slow.example:443", now).unwrap() <= now + MOST_WAIT);
        }
        drop(calls);
        assert_eq!(hosts.not_before("slow.example:443", now), None);
    }
}

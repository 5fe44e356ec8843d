//! The HTTP clients: one for all services, one for mail that keeps no connection, and one for
//! webhooks that keeps none either and may not call every address. They share the system's
//! certificates, which are read once.
//!
//! The SDK would make a connector for every different set of timeouts, each with a pool of its own.
//! Here each is made when it is first used: making the first reads the system's certificates.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector as _, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::byte_stream::ByteStream;

use crate::https::{Https, trusting};
use rustls::ClientConfig;

/// How long warming may take.
const WARMING_TIMEOUT: Duration = Duration::from_secs(2);

/// The HTTP clients. Clones share their connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Http(Arc<Connectors>);

#[derive(Debug, Default)]
struct Connectors {
    trusting: OnceLock<ClientConfig>,
    services: OnceLock<SharedHttpConnector>,
    fresh: OnceLock<SharedHttpConnector>,
    others: OnceLock<SharedHttpConnector>,
}

impl Http {
    /// The client for the SDK.
    pub(super) fn client(&self) -> SharedHttpClient {
        let http = self.clone();
        http_client_fn(move |_, _| http.connector())
    }

    /// The client for an SDK whose requests must not be repeated.
    pub(super) fn fresh_client(&self) -> SharedHttpClient {
        let http = self.clone();
        http_client_fn(move |_, _| http.fresh_connector())
    }

    /// Connects to the host of an address, by a request without meaning: it is not signed, and any
    /// answer will do.
    pub(super) async fn warm(&self, address: String) {
        let Ok(request) = HttpRequest::get(&address) else { return };
        let call = async {
            let answer = self.connector().call(request).await.map_err(|error| error.to_string())?;
            // A connection serves the next request once this answer has been read.
            let read = ByteStream::new(answer.into_body()).collect().await;
            read.map(drop).map_err(|error| error.to_string())
        };
        match tokio::time::timeout(WARMING_TIMEOUT, call).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(address, error, "not warmed"),
            Err(_) => tracing::debug!(address, "not warmed in time"),
        }
    }

    /// The connector.
    fn connector(&self) -> SharedHttpConnector {
        let made = || SharedHttpConnector::new(Https::new(self.trusting()));
        self.0.services.get_or_init(made).clone()
    }

    /// The connector that makes a connection for each request.
    pub(crate) fn fresh_connector(&self) -> SharedHttpConnector {
        let made = || SharedHttpConnector::new(Https::fresh(self.trusting()));
        self.0.fresh.get_or_init(made).clone()
    }

    /// The connector for hosts that others name. It connects to no address that is forbidden.
    pub(crate) fn connector_but(&self, forbidden: fn(IpAddr) -> bool) -> SharedHttpConnector {
        let made = || SharedHttpConnector::new(Https::but(self.trusting(), forbidden));
        self.0.others.get_or_init(made).clone()
    }

    /// The certificates are read once.
    fn trusting(&self) -> ClientConfig {
        self.0.trusting.get_or_init(trusting).clone()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Answers every request alike, and counts the connections.
    pub(crate) async fn serve_counting(listener: TcpListener, accepted: Arc<AtomicUsize>) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            accepted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut heard = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    heard.extend_from_slice(&buffer[..read]);
                    if is_whole(&heard) {
                        heard.clear();
                        let body = r#"{"TableNames":["one"]}"#;
                        let head =
                            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                    }
                }
            });
        }
    }

    fn is_whole(request: &[u8]) -> bool {
        let text = String::from_utf8_lossy(request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        body.len() >= length.unwrap_or(0)
    }
}

//! HTTP/1.1 with or without TLS, for the SDK's clients and for webhooks: hyper over rustls.
//!
//! The SDK's own connector speaks HTTP/2 and through proxies as well. Nothing here needs either, and with them every function
//! would be a quarter of a megabyte larger.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector as Connects, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::words::{chain, never_connected};

/// How long connecting may take, without what TLS needs after it.
const CONNECT: Duration = Duration::from_secs(2);

/// Connections to any host, kept while they are good. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Https(Client<HttpsConnector<HttpConnector>, SdkBody>);

impl Https {
    /// Reads the system's certificates; connects to nobody yet.
    ///
    /// # Panics
    ///
    /// If the system has no certificates: nobody could be reached.
    pub(crate) fn new() -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let provider = rustls::crypto::ring::default_provider();
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .unwrap_or_else(|error| panic!("the system's certificates: {error}"))
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Self(Client::builder(TokioExecutor::new()).build(tls))
    }
}

impl Connects for Https {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request =
                request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let answer = client.request(request).await.map_err(told)?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// What failed, in the SDK's terms: by them it knows what to try again.
fn told(error: hyper_util::client::legacy::Error) -> ConnectorError {
    let hyper = chain(&error).find_map(|cause| cause.downcast_ref::<hyper::Error>());
    let io = chain(&error).find_map(|cause| cause.downcast_ref::<std::io::Error>());
    if io.is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut) {
        ConnectorError::timeout(error.into())
    } else if io.is_some()
        || never_connected(&error)
        || hyper.is_some_and(|hyper| hyper.is_closed() || hyper.is_canceled())
    {
        ConnectorError::io(error.into())
    } else if hyper.is_some_and(hyper::Error::is_incomplete_message) {
        ConnectorError::other(error.into(), Some(ErrorKind::TransientError))
    } else {
        ConnectorError::other(error.into(), None)
    }
}

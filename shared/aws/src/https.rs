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
use hyper_rustls::builderstates::WantsSchemes;
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
        let provider = rustls::crypto::ring::default_provider();
        let trusting = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider);
        let trusting =
            trusting.unwrap_or_else(|error| panic!("the system's certificates: {error}"));
        Self::of(trusting)
    }

    fn of(trusting: HttpsConnectorBuilder<WantsSchemes>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let tls = trusting.https_or_http().enable_http1().wrap_connector(tcp);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion, version};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A server with a certificate of its own for `localhost`. Its address, and the certificate.
    async fn server(
        speaks: &'static SupportedProtocolVersion,
    ) -> (String, CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(ring)
            .with_protocol_versions(&[speaks])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Who does not trust it breaks off.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut asked = [0; 1024];
                let read = stream.read(&mut asked).await.unwrap_or(0);
                let http = asked[..read].starts_with(b"GET / HTTP/1.1\r\n");
                let status = if http { "200 OK" } else { "400 Bad Request" };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        (url, certificate)
    }

    fn trusting(certificates: &[CertificateDer<'static>]) -> Https {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate.clone()).unwrap();
        }
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Https::of(HttpsConnectorBuilder::new().with_tls_config(config))
    }

    async fn get(https: &Https, url: &str) -> Result<u16, ConnectorError> {
        let answer = https.call(HttpRequest::get(url).unwrap()).await?;
        Ok(answer.status().as_u16())
    }

    #[tokio::test]
    async fn who_is_trusted_is_spoken_to_and_nobody_else() {
        for speaks in [&version::TLS13, &version::TLS12] {
            let (url, certificate) = server(speaks).await;
            assert_eq!(get(&trusting(&[certificate]), &url).await.unwrap(), 200);
            let refused = get(&trusting(&[]), &url).await.unwrap_err();
            assert!(refused.is_io(), "{refused:?}");
            // It trusts the certificate, but not for that name.
            let (url, certificate) = server(speaks).await;
            let other = url.replace("localhost", "127.0.0.1");
            assert!(get(&trusting(&[certificate]), &other).await.is_err());
        }
    }
}

//! HTTP/1.1 with or without TLS, for the SDK's clients and for webhooks: hyper over rustls.
//!
//! The SDK's own connector speaks HTTP/2 and supports proxies. Neither is needed here, and with
//! them every function would be a quarter of a megabyte larger.
//!
//! An address that a client may not call is refused when a name is resolved, so that the address
//! that was checked is the one that is connected to. A name that resolves to another address the
//! second time makes no difference.
//!
//! A kept connection may have broken without notice: "Lambda purges idle connections over time"
//! (*Best practices for working with AWS Lambda functions*,
//! <https://docs.aws.amazon.com/lambda/latest/dg/best-practices.html>). Then it is not known
//! whether the request arrived. So connections are kept only for requests that are idempotent
//! ([`Https::new`]). All others have one of their own ([`Https::fresh`]), with a short handshake
//! after the first: TLS sessions are resumed.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector as Connects, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use axum::http::Uri;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use tower::{BoxError, Service};

use crate::error_text::{chain, never_sent};

/// How long connecting to an address may take.
const CONNECT: Duration = Duration::from_secs(2);

/// How long it may take until there is a connection: name resolution, connecting, TLS. A request
/// that fails within this time has certainly not arrived, which is unknown of one that is given up
/// later.
const CONNECTED: Duration = Duration::from_secs(5);

/// Connections to any host. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Https(Client<Bounded<HttpsConnector<HttpConnector<Names>>>, SdkBody>);

/// The certificates that the system trusts.
///
/// # Panics
///
/// If the system has no certificates: nothing could be called.
pub(crate) fn trusting() -> ClientConfig {
    let provider = std::sync::Arc::new(crate::tls::provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.unwrap_or_else(|error| panic!("the versions of TLS: {error}"));
    let roots = builder.with_native_roots();
    roots.unwrap_or_else(|error| panic!("the system's certificates: {error}")).with_no_client_auth()
}

impl Https {
    /// Calls any address, and keeps connections while they seem good. It connects when it is first
    /// used.
    pub(crate) fn new(trusting: ClientConfig) -> Self {
        Self::of(trusting, Names { forbidden: |_| false }, usize::MAX)
    }

    /// The same, with a connection for every request: for what must not be done twice.
    pub(crate) fn fresh(trusting: ClientConfig) -> Self {
        Self::of(trusting, Names { forbidden: |_| false }, 0)
    }

    /// With a connection for every request. It calls no address that is forbidden, whatever name
    /// resolves to it. A host that is written as an address has to be checked by the caller, since
    /// it is no name.
    pub(crate) fn but(trusting: ClientConfig, forbidden: fn(IpAddr) -> bool) -> Self {
        Self::of(trusting, Names { forbidden }, 0)
    }

    fn of(trusting: ClientConfig, names: Names, kept: usize) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(names);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let tls = HttpsConnectorBuilder::new().with_tls_config(trusting);
        let tls = tls.https_or_http().enable_http1().wrap_connector(tcp);
        let mut client = Client::builder(TokioExecutor::new());
        Self(client.pool_max_idle_per_host(kept).build(Bounded(tls)))
    }
}

/// Connects within a timeout.
#[derive(Debug, Clone)]
struct Bounded<C>(C);

impl<C> Service<Uri> for Bounded<C>
where
    C: Service<Uri, Future: Send + 'static, Error: Into<BoxError>>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move {
            match tokio::time::timeout(CONNECTED, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => {
                    let why = format!("no connection within {} seconds", CONNECTED.as_secs());
                    Err(std::io::Error::new(std::io::ErrorKind::TimedOut, why).into())
                }
            }
        })
    }
}

/// Resolves names.
#[derive(Debug, Clone)]
struct Names {
    forbidden: fn(IpAddr) -> bool,
}

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let forbidden = self.forbidden;
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.iter().any(|address| forbidden(address.ip())) {
                return Err(std::io::Error::other(OWN));
            }
            Ok(found.into_iter())
        })
    }
}

/// Why no address was called.
pub(crate) const OWN: &str = "addresses of this machine are not called";

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

/// The failure in the SDK's terms, by which it knows what to retry.
fn told(error: hyper_util::client::legacy::Error) -> ConnectorError {
    let hyper = chain(&error).find_map(|cause| cause.downcast_ref::<hyper::Error>());
    let io = chain(&error).find_map(|cause| cause.downcast_ref::<std::io::Error>());
    if io.is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut) {
        ConnectorError::timeout(error.into())
    } else if io.is_some() || never_sent(&error) {
        ConnectorError::io(error.into())
    } else if hyper.is_some_and(hyper::Error::is_incomplete_message) {
        ConnectorError::other(error.into(), Some(ErrorKind::TransientError))
    } else {
        ConnectorError::other(error.into(), None)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{HandshakeKind, RootCertStore, ServerConfig, SupportedProtocolVersion, version};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// How each connection began.
    type Begun = Arc<Mutex<Vec<HandshakeKind>>>;

    /// A server with a certificate of its own for `localhost`. Its address, the certificate, and
    /// its connections.
    async fn server(
        speaks: &'static SupportedProtocolVersion,
    ) -> (String, CertificateDer<'static>, Begun) {
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
        let begun = Begun::default();
        let begins = Arc::clone(&begun);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that does not trust it closes the connection.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                begins.lock().unwrap().extend(stream.get_ref().1.handshake_kind());
                let mut asked = [0; 1024];
                let read = stream.read(&mut asked).await.unwrap_or(0);
                let http = asked[..read].starts_with(b"GET / HTTP/1.1\r\n");
                let status = if http { "200 OK" } else { "400 Bad Request" };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        (url, certificate, begun)
    }

    fn trusting_only(certificates: &[CertificateDer<'static>]) -> Https {
        Https::fresh(trusts(certificates))
    }

    fn trusts(certificates: &[CertificateDer<'static>]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate.clone()).unwrap();
        }
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    async fn get(https: &Https, url: &str) -> Result<u16, ConnectorError> {
        let answer = https.call(HttpRequest::get(url).unwrap()).await?;
        Ok(answer.status().as_u16())
    }

    #[tokio::test]
    async fn who_is_trusted_is_spoken_to_and_nobody_else() {
        for speaks in [&version::TLS13, &version::TLS12] {
            let (url, certificate, _) = server(speaks).await;
            assert_eq!(get(&trusting_only(&[certificate]), &url).await.unwrap(), 200);
            let refused = get(&trusting_only(&[]), &url).await.unwrap_err();
            assert!(refused.is_io(), "{refused:?}");
            // It trusts the certificate, but not for that name.
            let (url, certificate, _) = server(speaks).await;
            let other = url.replace("localhost", "127.0.0.1");
            assert!(get(&trusting_only(&[certificate]), &other).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_connection_of_its_own_begins_with_a_session_that_is_known() {
        for speaks in [&version::TLS13, &version::TLS12] {
            let (url, certificate, begun) = server(speaks).await;
            let https = trusting_only(&[certificate]);
            for _ in 0..3 {
                assert_eq!(get(&https, &url).await.unwrap(), 200);
            }
            let begun = begun.lock().unwrap().clone();
            let expected = [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed];
            assert_eq!(begun, expected, "{speaks:?}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_forbidden_address_is_never_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let https = Https::but(trusting(), |address| address.is_loopback());
        let refused = get(&https, &url).await.unwrap_err();
        assert!(crate::error_text::text_of(&refused).contains(OWN), "{refused:?}");
        let connected = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(connected.is_err(), "somebody connected");
    }
}

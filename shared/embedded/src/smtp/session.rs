//! A session with a mail server: each step within its bound, and what the failure of each means.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::server::{Server, Tls};
use super::{Bounds, told};

/// Why a mail was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    /// No mail would be sent: it is not about this one.
    Service(String),
    /// The process is being stopped.
    Stopping,
    /// This one was not sent, and may be later.
    Later(String),
    /// This one was not sent, and will not be.
    Refused(String),
    /// This one may have been sent.
    Unknown(String),
}

/// Does a step within its bound. The error is its name and what went wrong.
async fn step<T, E: std::fmt::Display>(
    name: &str,
    bound: Duration,
    answered: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(bound, answered).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(format!("{name}: {error}")),
        Err(_) => Err(format!("{name}: no answer within {}", told(bound))),
    }
}

/// A session that has begun: connected, encrypted as the URL asks for, greeted.
pub(super) async fn session(
    server: &Server,
    bounds: &Bounds,
) -> Result<AsyncSmtpConnection, Failed> {
    let mut connection = connected(server, bounds).await.map_err(Failed::Service)?;
    let Some(credentials) = &server.credentials else { return Ok(connection) };
    let known = [Mechanism::Plain, Mechanism::Login];
    match timeout(bounds.auth, connection.auth(&known, credentials)).await {
        Ok(Ok(_)) => Ok(connection),
        Ok(Err(error)) if error.is_permanent() => Err(Failed::Service(format!(
            "the mail server refuses the user name or the password: {error}; mend --smtp"
        ))),
        Ok(Err(error)) => Err(Failed::Service(format!("AUTH: {error}"))),
        Err(_) => Err(Failed::Service(format!("AUTH: no answer within {}", told(bounds.auth)))),
    }
}

async fn connected(server: &Server, bounds: &Bounds) -> Result<AsyncSmtpConnection, String> {
    let Server { host, port, hello, .. } = server;
    let place = (host.as_str(), *port);
    let found = step("the mail server's name", bounds.resolve, tokio::net::lookup_host(place));
    let addresses: Vec<SocketAddr> = found.await?.collect();
    // An address that never answers leaves time for the others.
    let each = bounds.connect / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let parameters = || TlsParameters::new(host.clone()).map_err(|error| format!("TLS: {error}"));
    if server.tls == Tls::Wrapped {
        let (tls, name) = (Some(parameters()?), "connecting, TLS, greeting and EHLO");
        let begun =
            AsyncSmtpConnection::connect_tokio1(&addresses[..], Some(each), hello, tls, None);
        return step(name, bounds.connect + bounds.greeting * 2, begun).await;
    }
    let stream = Box::new(dialled(&addresses, each).await?);
    let greeted = AsyncSmtpConnection::connect_with_transport(stream, hello);
    let mut connection = step("greeting and EHLO", bounds.greeting, greeted).await?;
    match server.tls {
        Tls::None => return Ok(connection),
        Tls::Opportunistic if !connection.can_starttls() => return Ok(connection),
        Tls::Required if !connection.can_starttls() => {
            return Err(
                "the mail server offers no STARTTLS, and without TLS nothing is said to it; \
                 use smtps://, or `?tls=none` if you trust the way there"
                    .to_owned(),
            );
        }
        Tls::Opportunistic | Tls::Required | Tls::Wrapped => {}
    }
    let secured = connection.starttls(parameters()?, hello);
    step("STARTTLS", bounds.greeting, secured).await?;
    Ok(connection)
}

async fn dialled(addresses: &[SocketAddr], each: Duration) -> Result<TcpStream, String> {
    let mut why = "connecting: the name leads to no address".to_owned();
    for address in addresses {
        match step(&format!("connecting to {address}"), each, TcpStream::connect(address)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => why = error,
        }
    }
    Err(why)
}

/// A session in which the server waits for the content of a mail.
pub(super) struct Ready(AsyncSmtpConnection);

impl Ready {
    /// Names sender and recipient, and announces the mail. `taken_up` is set when the server has
    /// begun with it.
    pub(super) async fn on(
        mut connection: AsyncSmtpConnection,
        message: &Message,
        content: &[u8],
        bounds: &Bounds,
        taken_up: &AtomicBool,
    ) -> Result<Self, Failed> {
        let envelope = message.envelope();
        let offers = |extension| connection.server_info().supports_feature(extension);
        let mut options = Vec::new();
        let mut addresses = envelope.from().into_iter().chain(envelope.to());
        if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
            if !offers(Extension::SmtpUtfEight) {
                let why = "the mail server takes no addresses beyond ASCII (SMTPUTF8)";
                return Err(Failed::Refused(why.to_owned()));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        if !content.is_ascii() {
            if !offers(Extension::EightBitMime) {
                let why = "the mail server takes no mail beyond ASCII (8BITMIME)";
                return Err(Failed::Refused(why.to_owned()));
            }
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let from = Mail::new(envelope.from().cloned(), options);
        let said = timeout(bounds.command, connection.command(from)).await;
        said.map_or_else(
            |_| Err(Failed::Service(format!("MAIL: no answer within {}", told(bounds.command)))),
            |answer| answer.map(drop).map_err(|error| refused("MAIL", &error)),
        )?;
        taken_up.store(true, Ordering::Relaxed);
        for to in envelope.to() {
            let said = connection.command(Rcpt::new(to.clone(), Vec::new()));
            later("RCPT", bounds.command, said).await?;
        }
        later("DATA", bounds.command, connection.command(Data)).await?;
        Ok(Self(connection))
    }

    /// Sends the content. From here on a mail without an answer may have been sent.
    pub(super) async fn send(
        mut self,
        content: &[u8],
        bound: Duration,
    ) -> Result<(AsyncSmtpConnection, String), Failed> {
        match timeout(bound, self.0.message(content)).await {
            Ok(Ok(response)) => {
                let words = response.message().collect::<Vec<_>>().join(" ");
                Ok((self.0, words))
            }
            Ok(Err(error)) if error.is_permanent() => Err(Failed::Refused(error.to_string())),
            Ok(Err(error)) if error.is_transient() => Err(Failed::Later(error.to_string())),
            Ok(Err(error)) => Err(Failed::Unknown(format!("the answer was lost: {error}"))),
            Err(_) => {
                Err(Failed::Unknown(format!("the mail was sent; no answer within {}", told(bound))))
            }
        }
    }
}

/// A step about this mail; without an answer nothing has been sent yet.
async fn later<T>(
    name: &str,
    bound: Duration,
    said: impl Future<Output = Result<T, Error>>,
) -> Result<(), Failed> {
    match timeout(bound, said).await {
        Ok(answer) => answer.map(drop).map_err(|error| match refused(name, &error) {
            // The session broke or was ended (421), or its answers make no sense. It may be about
            // this recipient. If not, the next mail meets the same before it names a recipient.
            Failed::Service(why) if !is_about_us(&error) => Failed::Later(why),
            failed => failed,
        }),
        Err(_) => Err(Failed::Later(format!("{name}: no answer within {}", told(bound)))),
    }
}

/// Whether the server wants credentials before it takes any mail.
fn is_about_us(error: &Error) -> bool {
    matches!(error.status().map(u16::from), Some(530 | 538))
}

/// What the failure of a step before the content means.
fn refused(name: &str, error: &Error) -> Failed {
    let why = format!("{name}: {error}");
    let code = error.status().map(u16::from);
    match code {
        // The session ends, or lacks credentials: not about the mail.
        Some(421 | 530 | 538) | None => Failed::Service(why),
        Some(400..=499) => Failed::Later(why),
        Some(_) => Failed::Refused(why),
    }
}

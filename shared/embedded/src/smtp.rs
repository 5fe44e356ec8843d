//! Mail by SMTP, step by step, so that every failure tells what became of the mail.
//!
//! | what fails | outcome |
//! |---|---|
//! | connect, TLS, EHLO, credentials; 530; 421 or silence to MAIL | stopped: no mail has failed |
//! | 454, in SES's words the rate or the quota is used up | held: it waits; no try is counted |
//! | other 4xx to MAIL, RCPT, DATA, or the end; 421 or no answer to RCPT or DATA | not now |
//! | 5xx, in SES's words the sender is not verified | held: other senders' mail is sent |
//! | other 5xx to MAIL, RCPT, DATA, or the end of the mail | refused |
//! | anything else after the mail itself was begun | unknown: the server may have taken it |
//!
//! Every step has a bound, and the whole has one: [`Bounds`]. While the service is stopped, one
//! mail at a time tests whether it works again, with a growing backoff: [`ServerState`].

mod server;
mod server_state;
mod session;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dacapo_platform::mail::{Mail, is_unfit_for_headers};
use dacapo_platform::ports::{Mailer, MessageService, PutOff, SendError, SendMode, Trouble};
use dacapo_platform::unverified::unverified;
use email_encoding::headers::{rfc2047, writer::EmailWriter};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::{Address, Message};

use crate::clock::{EmbeddedClock, uptime};
use crate::stopping::Stopping;
use server::Server;
pub use server_state::ServerState;
use session::{Failed, Ready, session};

/// How long each step may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Resolving the server's name.
    pub resolve: Duration,
    /// Connecting, all addresses of the name together.
    pub connect: Duration,
    /// TLS, the server's greeting and EHLO, each.
    pub greeting: Duration,
    /// The credentials.
    pub auth: Duration,
    /// MAIL, RCPT and DATA, each.
    pub command: Duration,
    /// All of these together.
    pub before_content: Duration,
    /// The mail itself, until the server has confirmed that it has taken it.
    pub content: Duration,
}

impl Bounds {
    /// Together less than the two minutes for which a claim in the ledger is valid.
    pub const USUAL: Self = Self {
        resolve: Duration::from_secs(10),
        connect: Duration::from_secs(10),
        greeting: Duration::from_secs(15),
        auth: Duration::from_secs(15),
        command: Duration::from_secs(15),
        before_content: Duration::from_secs(40),
        content: Duration::from_secs(60),
    };
}

/// How many connections are kept for the next mail at most, and for how long.
const MOST_IDLE_CONNECTIONS: usize = 10;
const KEPT_FOR: Duration = Duration::from_secs(20);

/// Sends mail to an SMTP server.
pub struct Smtp {
    server: Server,
    bounds: Bounds,
    server_state: Arc<ServerState>,
    stopping: Stopping,
    /// Connections on which a mail has just been sent, with when that was.
    kept: Mutex<Vec<(AsyncSmtpConnection, Duration)>>,
}

impl Smtp {
    /// The server of a URL such as `smtp://user:password@mail.example:587`, `smtps://…`, or
    /// `smtp://localhost:25`. With a user TLS is required, unless `?tls=none` says otherwise.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL; never the URL itself, which may hold a password.
    pub fn to(url: &str, clock: Arc<EmbeddedClock>, stopping: Stopping) -> Result<Self, String> {
        let (server, server_state) = (Server::read(url)?, Arc::new(ServerState::new(clock)));
        let (bounds, kept) = (Bounds::USUAL, Mutex::default());
        Ok(Self { server, bounds, server_state, stopping, kept })
    }

    /// Whether the server is in use, or stopped for now.
    pub fn server_state(&self) -> Arc<ServerState> {
        Arc::clone(&self.server_state)
    }

    fn kept(&self) -> Option<AsyncSmtpConnection> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, since)| uptime() < *since + KEPT_FOR);
        kept.pop().map(|(connection, _)| connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST_IDLE_CONNECTIONS && !connection.has_broken() {
            kept.push((connection, uptime()));
        }
    }

    /// A connection on which the server waits for the content of this mail.
    async fn ready(
        &self,
        message: &Message,
        content: &[u8],
        taken_up: &AtomicBool,
    ) -> Result<Ready, Failed> {
        if let Some(kept) = self.kept() {
            match Ready::on(kept, message, content, &self.bounds, taken_up).await {
                Ok(ready) => return Ok(ready),
                // The server may have closed a connection that was idle.
                Err(Failed::Service(_)) => {}
                Err(failed) => return Err(failed),
            }
        }
        let connection = session(&self.server, &self.bounds).await?;
        Ready::on(connection, message, content, &self.bounds, taken_up).await
    }

    async fn attempt(&self, message: &Message) -> Result<String, Failed> {
        let content = message.formatted();
        let bound = self.bounds.before_content;
        let taken_up = AtomicBool::new(false);
        let ready = tokio::select! {
            ready = tokio::time::timeout(bound, self.ready(message, &content, &taken_up)) => {
                let late = format!("the mail server was not ready within {}", told(bound));
                match ready {
                    Ok(ready) => ready?,
                    // The connection was ready for mail: it is this mail that takes so long.
                    Err(_) if taken_up.load(Ordering::Relaxed) => return Err(Failed::Later(late)),
                    Err(_) => return Err(Failed::Service(late)),
                }
            }
            () = self.stopping.begun() => return Err(Failed::Stopping),
        };
        let (connection, response) = ready.send(&content, self.bounds.content).await?;
        self.keep(connection);
        Ok(response)
    }
}

/// A bound as text.
fn told(bound: Duration) -> String {
    format!("{} seconds", bound.as_secs_f32())
}

#[async_trait]
impl MessageService for Smtp {
    fn mode(&self) -> SendMode {
        SendMode::Sent
    }

    async fn pause(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }

    fn trouble(&self) -> Option<Trouble> {
        self.server_state.trouble()
    }
}

#[async_trait]
impl Mailer for Smtp {
    async fn send(&self, mail: &Mail) -> Result<String, SendError> {
        let message = message(mail).map_err(SendError::Refused)?;
        let sent = self.attempt(&message).await;
        match &sent {
            Err(Failed::Service(reason)) => self.server_state.stops(reason),
            Err(Failed::Stopping) => {}
            // Whatever the answer says about this mail, the server works.
            Ok(_) | Err(Failed::Later(_) | Failed::Refused(_)) => self.server_state.works(),
            Err(Failed::Unknown(_)) => {}
        }
        sent.map_err(|failed| match failed {
            Failed::Service(reason) => SendError::PutOff(PutOff::Stopped, reason),
            Failed::Stopping => {
                SendError::PutOff(PutOff::Stopped, "the process was being stopped".to_owned())
            }
            Failed::Later(reason) => match PutOff::meant_by(&reason) {
                Some(put_off) => SendError::PutOff(put_off, reason),
                None => SendError::NotNow(reason),
            },
            Failed::Refused(reason) => unverified(&reason, &mail.from.address, &mail.to)
                .unwrap_or(SendError::Refused(reason)),
            Failed::Unknown(reason) => SendError::Unknown(reason),
        })
    }
}

/// The mail as a MIME message: text and HTML as alternatives, and the headers for one-click
/// unsubscribing.
pub(crate) fn message(mail: &Mail) -> Result<Message, String> {
    let address =
        |text: &str| text.parse::<Address>().map_err(|error| format!("{text:?}: {error}"));
    let from = address(&mail.from.address)?;
    let domain = from.domain().to_owned();
    let mut builder = Message::builder()
        .from(Mailbox::new(mail.from.name.clone(), from))
        .to(Mailbox::new(None, address(&mail.to)?))
        .subject(mail.subject.as_str())
        .message_id(Some(format!("<{}@{domain}>", mail.message)));
    if let Some(reply_to) = &mail.reply_to {
        builder = builder.reply_to(Mailbox::new(None, address(reply_to)?));
    }
    let text = SinglePart::plain(mail.text.clone());
    let built = match &mail.html {
        Some(html) => builder.multipart(
            MultiPart::alternative().singlepart(text).singlepart(SinglePart::html(html.clone())),
        ),
        None => builder.singlepart(text),
    };
    let mut message = built.map_err(|error| error.to_string())?;
    if is_unfit_for_headers(&mail.subject) {
        message.headers_mut().insert_raw(encoded_subject(&mail.subject)?);
    }
    if let Some(url) = &mail.unsubscribe_url {
        for (name, value) in [
            ("List-Unsubscribe", format!("<{url}>")),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
        ] {
            let name = HeaderName::new_from_ascii_str(name);
            message.headers_mut().insert_raw(HeaderValue::new(name, value));
        }
    }
    Ok(message)
}

/// A subject as encoded words (RFC 2047), folded. The builder encodes only words that are not
/// ASCII.
fn encoded_subject(subject: &str) -> Result<HeaderValue, String> {
    const NAME: &str = "Subject";
    let mut encoded = String::new();
    {
        let mut writer = EmailWriter::new(&mut encoded, NAME.len() + ": ".len(), 0, false);
        rfc2047::encode(subject, &mut writer).map_err(|error| error.to_string())?;
    }
    let name = HeaderName::new_from_ascii_str(NAME);
    Ok(HeaderValue::dangerous_new_pre_encoded(name, subject.to_owned(), encoded))
}

//! Mail by SMTP.

use async_trait::async_trait;
use dacapo_platform::mail::Mail;
use dacapo_platform::ports::{MailError, Mailer, Post};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::{Address, AsyncTransport, Message, Tokio1Executor};

/// Sends mail to an SMTP server.
pub struct Smtp(AsyncSmtpTransport<Tokio1Executor>);

impl Smtp {
    /// The server of a URL such as `smtp://user:password@mail.example:587`, `smtps://…`, or
    /// `smtp://localhost:25`.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL.
    pub fn to(url: &str) -> Result<Self, String> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            // The URL may hold a password, so it is not repeated.
            .map_err(|error| {
                format!("the SMTP URL cannot be used: {error}; write smtp://host:port")
            })?;
        Ok(Self(builder.build()))
    }
}

#[async_trait]
impl Mailer for Smtp {
    fn post(&self) -> Post {
        Post::Sent
    }

    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let message = message(mail).map_err(MailError::Refused)?;
        match self.0.send(message).await {
            Ok(response) => Ok(response.message().collect::<Vec<_>>().join(" ")),
            Err(error) if error.is_permanent() => Err(MailError::Refused(error.to_string())),
            Err(error) if error.is_transient() => Err(MailError::NotNow(error.to_string())),
            // Refused before anything was said is definite; a connection that broke later is not.
            Err(error) if is_definite(&error) => Err(MailError::NotNow(error.to_string())),
            Err(error) => Err(MailError::Unknown(error.to_string())),
        }
    }
}

fn is_definite(error: &lettre::transport::smtp::Error) -> bool {
    use std::error::Error as _;
    error
        .source()
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// The mail as a MIME message: text and HTML as alternatives, and the headers of one-click unsubscribing.
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

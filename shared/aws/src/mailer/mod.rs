//! Mail by SES.
//!
//! A mail is sent by one request, never by two: a request whose answer is lost is not repeated here, since it may have been
//! taken. Each carries tags that lead back to its record in the ledger; SES tells them with every event.
//!
//! | SES | is |
//! |---|---|
//! | throttles, is not reached, fails with 500 or 503 | not now: worth another try |
//! | is paused or suspended, is not set up, lets nobody in with these credentials | stopped: mail waits, without losing a try |
//! | says what is wrong with the mail | refused |
//! | no answer, or one from somebody between | unknown |

mod naming;

use async_trait::async_trait;
use aws_sdk_sesv2::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{
    Body, Content, Destination, EmailContent, Message, MessageHeader, MessageTag,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::operation::BuildError;
use dacapo_platform::mail::Mail;
use dacapo_platform::ports::{MailError, Mailer, Post};

use crate::clients::Later;

pub use naming::message_of;
use naming::{TAGS, tag_values};

/// Sends mail by SES.
pub struct SesMailer {
    client: Later<aws_sdk_sesv2::Client>,
    configuration_set: Option<String>,
}

impl SesMailer {
    /// SES, sending with a configuration set. The client must attempt nothing twice: see [`crate::clients`].
    pub fn new(client: Later<aws_sdk_sesv2::Client>, configuration_set: Option<String>) -> Self {
        Self { client, configuration_set }
    }
}

#[async_trait]
impl Mailer for SesMailer {
    fn post(&self) -> Post {
        Post::Sent
    }

    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let message = message(mail).map_err(|error| MailError::Refused(error.to_string()))?;
        let mut request = self
            .client
            .send_email()
            .from_email_address(naming::mailbox(&mail.from))
            .destination(Destination::builder().to_addresses(&mail.to).build())
            .set_configuration_set_name(self.configuration_set.clone())
            .content(EmailContent::builder().simple(message).build());
        for (name, value) in TAGS.iter().zip(tag_values(&mail.message)) {
            let tag = MessageTag::builder().name(*name).value(value).build();
            request = request.email_tags(tag.map_err(|e| MailError::Refused(e.to_string()))?);
        }
        if let Some(reply_to) = &mail.reply_to {
            request = request.reply_to_addresses(reply_to);
        }
        match request.send().await {
            Ok(sent) => Ok(sent.message_id.unwrap_or_default()),
            Err(error) => Err(outcome(&error)),
        }
    }
}

fn message(mail: &Mail) -> Result<Message, BuildError> {
    let utf8 = |text: &str| Content::builder().data(text).charset("UTF-8").build();
    let mut body = Body::builder().text(utf8(&mail.text)?);
    if let Some(html) = &mail.html {
        body = body.html(utf8(html)?);
    }
    let mut message = Message::builder().subject(utf8(&mail.subject)?).body(body.build());
    if let Some(url) = &mail.unsubscribe_url {
        for (name, value) in [
            ("List-Unsubscribe", format!("<{url}>")),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
        ] {
            message = message.headers(MessageHeader::builder().name(name).value(value).build()?);
        }
    }
    Ok(message.build())
}

/// What an error means for the mail.
fn outcome(error: &SdkError<SendEmailError, HttpResponse>) -> MailError {
    match error {
        SdkError::ConstructionFailure(_) => MailError::Refused(crate::words::words_of(error)),
        SdkError::DispatchFailure(failure) => {
            // Without a connection nothing was said.
            let connected = failure
                .as_connector_error()
                .is_none_or(|error| !crate::words::never_connected(error));
            let words = crate::words::words_of(error);
            if connected { MailError::Unknown(words) } else { MailError::NotNow(words) }
        }
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => {
            MailError::Unknown(crate::words::words_of(error))
        }
        SdkError::ServiceError(answer) => answered(answer.err(), answer.raw().status().as_u16()),
        _ => MailError::Unknown(crate::words::words_of(error)),
    }
}

fn answered(error: &SendEmailError, status: u16) -> MailError {
    let words = format!(
        "{}: {}",
        error.code().unwrap_or("an error without a name"),
        error.message().unwrap_or("without a reason"),
    );
    if error.is_too_many_requests_exception() || error.is_limit_exceeded_exception() {
        return MailError::NotNow(words);
    }
    if error.is_sending_paused_exception()
        || error.is_account_suspended_exception()
        || error.is_mail_from_domain_not_verified_exception()
        || error.is_not_found_exception()
    {
        return MailError::Stopped(words);
    }
    match (error.code(), status) {
        (Some("ThrottlingException" | "Throttling" | "ServiceUnavailable"), _)
        | (_, 429 | 500 | 503) => MailError::NotNow(words),
        // It is no fault of the mail that nobody from here may send.
        (_, 401 | 403) => MailError::Stopped(words),
        (_, 400..=499) => MailError::Refused(words),
        (_, _) => MailError::Unknown(words),
    }
}

#[cfg(test)]
mod tests;

//! Mail by SES.
//!
//! A mail is sent by one request, never by two: a request whose answer is lost is not repeated
//! here, since it may have been accepted. Each carries tags that lead back to its record in the
//! ledger. SES has them in every event.
//!
//! | SES | outcome |
//! |---|---|
//! | the rate or the day's quota is used up, or it throttles | held; no try is counted |
//! | paused, suspended, sender not verified, credentials refused, unreachable, 503 | stopped |
//! | 500, or it did not get the whole request in time | not now: retryable |
//! | the mail is wrong; in the sandbox the recipient is not verified | refused |
//! | no answer, or one from a proxy | unknown |
//!
//! The names of the errors are on AWS's pages *SendEmail*
//! (<https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>), *Common Errors*
//! (<https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html>) and *Errors related
//! to the sending quotas for your Amazon SES account*
//! (<https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html>). Which identity
//! is not verified is read from the text ([`unverified`]). [`pace`] keeps mail below the rate.

mod asking;
mod naming;
pub mod pace;

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sesv2::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sesv2::operation::get_account::{GetAccountError, GetAccountOutput};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{
    Body, Content, Destination, EmailContent, Message, MessageHeader, MessageTag,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::operation::BuildError;
use chrono::TimeDelta;
use dacapo_engine::campaign::format::Purpose;
use dacapo_platform::Instant;
use dacapo_platform::mail::Mail;
use dacapo_platform::ports::{Mailer, MessageService, PutOff, SendError, SendMode};
use dacapo_platform::rate_limited_log::RateLimitedLog;
use dacapo_platform::unverified::unverified;

use crate::clients::LazyClient;
use crate::clock::uptime;

pub use naming::message_of;
use naming::{TAGS, tag_values};
use pace::{Account, Pace};

/// How long an answer about the account is waited for. Mail can do without it.
const ASKING: Duration = Duration::from_secs(2);

/// Sends mail by SES.
pub struct SesMailer {
    client: LazyClient<aws_sdk_sesv2::Client>,
    configuration_set: Option<String>,
    pace: Pace,
    /// One task asks about the account, and the others wait for the answer.
    asking: tokio::sync::Mutex<()>,
    unanswered: RateLimitedLog,
    delayed: RateLimitedLog,
}

impl SesMailer {
    /// SES, with a configuration set, and this many instances at once at most for each kind of
    /// mail. The client must attempt nothing twice: see [`crate::clients`].
    pub fn new(
        client: LazyClient<aws_sdk_sesv2::Client>,
        configuration_set: Option<String>,
        instances: u32,
    ) -> Self {
        Self {
            client,
            configuration_set,
            pace: Pace::of(instances),
            asking: tokio::sync::Mutex::default(),
            unanswered: RateLimitedLog::default(),
            delayed: RateLimitedLog::default(),
        }
    }

    /// Asks about the account, if it is time to.
    async fn ask(&self) {
        let _one = self.asking.lock().await;
        if !self.pace.asks(uptime()) {
            return;
        }
        let asked = tokio::time::timeout(ASKING, self.client.get_account().send()).await;
        let (passes, why) = match asked {
            Ok(Ok(said)) => match account(&said) {
                Some(account) => return self.pace.said(account, uptime()),
                None => (false, "it named no quota".to_owned()),
            },
            Ok(Err(error)) => (passes(&error), crate::error_text::text_of(&error)),
            Err(_) => (true, format!("no answer within {} seconds", ASKING.as_secs())),
        };
        let now = Instant::UNIX_EPOCH + TimeDelta::from_std(uptime()).unwrap_or_default();
        if passes && self.pace.not_said(uptime()) {
            if let Some(others) = self.delayed.due(now) {
                tracing::info!(why, others, "SES is asked again what the account may send");
            }
        } else if let Some(others) = self.unanswered.due(now) {
            tracing::warn!(why, others, "SES did not say what the account may send");
        }
    }
}

#[async_trait]
impl MessageService for SesMailer {
    fn mode(&self) -> SendMode {
        SendMode::Sent
    }

    async fn send_slot(&self, purpose: Purpose, within: Duration) -> Result<Duration, TimeDelta> {
        let (began, mut waited) = (uptime(), Duration::ZERO);
        loop {
            self.ask().await;
            let now = uptime();
            let left = within.saturating_sub(now.saturating_sub(began));
            let guesses = self.pace.guesses_for(now).filter(|guesses| *guesses < left);
            let (wait, is_turn) =
                match (self.pace.slot(purpose, now, guesses.unwrap_or(left)), guesses) {
                    (Ok(wait), _) => (wait, true),
                    // Meanwhile SES may have answered how fast mail may be sent.
                    (Err(_), Some(guesses)) => (guesses, false),
                    (Err(wait), None) => {
                        return Err(TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX));
                    }
                };
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            waited += wait;
            if is_turn {
                return Ok(waited);
            }
        }
    }

    async fn pause(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }

    fn puts_off(&self, purpose: Purpose) -> Option<(PutOff, String)> {
        self.pace.puts_off(purpose, uptime())
    }
}

#[async_trait]
impl Mailer for SesMailer {
    async fn send(&self, mail: &Mail) -> Result<String, SendError> {
        let sent = self.request(mail).await;
        match &sent {
            Ok(_) | Err(SendError::Unknown(_)) => self.pace.left(),
            Err(SendError::PutOff(put_off, _)) => self.pace.refused(*put_off, uptime()),
            Err(SendError::NotNow(_) | SendError::Refused(_)) => {}
        }
        sent
    }
}

impl SesMailer {
    async fn request(&self, mail: &Mail) -> Result<String, SendError> {
        let message = message(mail).map_err(|error| SendError::Refused(error.to_string()))?;
        let mut request = self
            .client
            .send_email()
            .from_email_address(naming::mailbox(&mail.from))
            .destination(Destination::builder().to_addresses(&mail.to).build())
            .set_configuration_set_name(self.configuration_set.clone())
            .content(EmailContent::builder().simple(message).build());
        for (name, value) in TAGS.iter().zip(tag_values(&mail.message)) {
            let tag = MessageTag::builder().name(*name).value(value).build();
            request = request.email_tags(tag.map_err(|e| SendError::Refused(e.to_string()))?);
        }
        if let Some(reply_to) = &mail.reply_to {
            request = request.reply_to_addresses(reply_to);
        }
        match request.send().await {
            Ok(sent) => Ok(sent.message_id.unwrap_or_default()),
            Err(error) => Err(outcome(&error, mail)),
        }
    }
}

/// Whether SES may answer in a moment: too many asked, or the request did not arrive.
fn passes(error: &SdkError<GetAccountError, HttpResponse>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => false,
        SdkError::ServiceError(answer) => {
            let throttled = answer.err().is_too_many_requests_exception()
                || matches!(answer.err().code(), Some("ThrottlingException" | "Throttling"));
            throttled || matches!(answer.raw().status().as_u16(), 429 | 500..)
        }
        // Including those that a later SDK will know.
        _ => true,
    }
}

/// What the account may send; nothing if SES did not say how fast.
fn account(said: &GetAccountOutput) -> Option<Account> {
    let quota = said.send_quota()?;
    let rate = Some(quota.max_send_rate()).filter(|rate| *rate > 0.0)?;
    let day = quota.max24_hour_send();
    let shut = said.enforcement_status().is_some_and(|status| status == "SHUTDOWN");
    Some(Account {
        rate,
        // -1 is without a limit.
        quota: (day > 0.0).then_some(day),
        sent: quota.sent_last24_hours().max(0.0),
        sends: said.sending_enabled() && !shut,
    })
}

fn message(mail: &Mail) -> Result<Message, BuildError> {
    let utf8 = |text: &str| Content::builder().data(text).charset("UTF-8").build();
    let mut body = Body::builder().text(utf8(&mail.text)?);
    if let Some(html) = &mail.html {
        body = body.html(utf8(html)?);
    }
    let subject = match naming::encoded_subject(&mail.subject) {
        // Without a charset it is ASCII: nothing is encoded once more.
        Some(encoded) => Content::builder().data(encoded).build()?,
        None => utf8(&mail.subject)?,
    };
    let mut message = Message::builder().subject(subject).body(body.build());
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

/// Errors about the caller, for any call. Services answer them with 400, 401 or 403.
const NOBODY_MAY: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "OptInRequired",
    "RequestExpired",
    "ServiceUnavailable",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// The meaning of an error for the mail.
fn outcome(error: &SdkError<SendEmailError, HttpResponse>, mail: &Mail) -> SendError {
    match error {
        // Every mail can be written as JSON, so it is the address of SES, or the credentials.
        SdkError::ConstructionFailure(_) => {
            SendError::PutOff(PutOff::Stopped, crate::error_text::text_of(error))
        }
        SdkError::DispatchFailure(failure) => {
            let heard = failure
                .as_connector_error()
                .is_none_or(|error| !crate::error_text::never_sent(error));
            let words = crate::error_text::text_of(error);
            if heard {
                SendError::Unknown(words)
            } else {
                SendError::PutOff(PutOff::Stopped, words)
            }
        }
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => {
            SendError::Unknown(crate::error_text::text_of(error))
        }
        SdkError::ServiceError(answer) => {
            answered(answer.err(), answer.raw().status().as_u16(), mail)
        }
        _ => SendError::Unknown(crate::error_text::text_of(error)),
    }
}

/// By the names of errors (*Common Error Types*, and *Errors* of each action of the *Amazon SES API
/// v2 Reference*, <https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html>).
fn answered(error: &SendEmailError, status: u16, mail: &Mail) -> SendError {
    let words = format!(
        "{}: {}",
        error.code().unwrap_or("an error without a name"),
        error.message().unwrap_or("without a reason"),
    );
    if let Some(put_off) = PutOff::meant_by(&words) {
        return SendError::PutOff(put_off, words);
    }
    if let Some(error) = unverified(&words, &mail.from.address, &mail.to) {
        return error;
    }
    if error.is_too_many_requests_exception() {
        return SendError::PutOff(PutOff::Rate, words);
    }
    if error.is_limit_exceeded_exception() {
        return SendError::PutOff(PutOff::Quota, words);
    }
    if error.is_sending_paused_exception()
        || error.is_account_suspended_exception()
        || error.is_mail_from_domain_not_verified_exception()
        || error.is_not_found_exception()
    {
        return SendError::PutOff(PutOff::Stopped, words);
    }
    match (error.code(), status) {
        (Some("ThrottlingException" | "Throttling"), _) | (_, 429) => {
            SendError::PutOff(PutOff::Rate, words)
        }
        // Of these SES documents that the request was not processed, or not read to its end. Any
        // other 408, 500 or 503 may come after it has taken the mail.
        (Some("InternalServiceErrorException" | "RequestTimeoutException"), _) => {
            SendError::NotNow(words)
        }
        (Some("RequestAbortedException"), _) => SendError::Unknown(words),
        // It is not the mail's fault if no mail may be sent from here, or if SES is unreachable.
        (Some(code), _) if NOBODY_MAY.contains(&code) => SendError::PutOff(PutOff::Stopped, words),
        (_, 401 | 403) => SendError::PutOff(PutOff::Stopped, words),
        (_, 408) => SendError::Unknown(words),
        (_, 400..=499) => SendError::Refused(words),
        (_, _) => SendError::Unknown(words),
    }
}

#[cfg(test)]
mod tests;

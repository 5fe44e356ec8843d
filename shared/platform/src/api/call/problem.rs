//! Problems, as the API answers them: RFC 9457, for every failure.
//!
//! A problem says what is wrong, where, and what would be right. A failure on our side is logged
//! once, here, and never with an e-mail address.

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dacapo_engine::ids::ContactId;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::call::room::{LARGEST_ANSWER, maybe_sentence, place, sentence};
use crate::contacts::WriteError;
use crate::error::{Error, Retryability};
use crate::table::{TableError, Unwritable};

/// The media type of problems.
pub(in crate::api) const MEDIA_TYPE: &str = "application/problem+json";

/// After how many seconds a retryable failure should be tried again.
const RETRY_AFTER: u32 = 1;

/// Why a call was refused, or failed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Problem {
    /// The kind of problem, stable: `urn:dacapo:problem:` and a word.
    #[serde(rename = "type", serialize_with = "urn")]
    #[schema(value_type = String, pattern = "^urn:dacapo:problem:[a-z_]+$")]
    kind: &'static str,
    /// The kind in words.
    #[schema(value_type = String)]
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong this time, and what would be right.
    #[serde(serialize_with = "sentence")]
    detail: String,
    /// Every single thing that is wrong with what was sent.
    errors: Vec<Fault>,
    /// What this kind has besides (RFC 9457, section 3.2).
    #[serde(flatten)]
    #[schema(ignore)]
    members: Option<Box<Map<String, Value>>>,
    /// After how many seconds to try again.
    #[serde(skip)]
    retry_after: Option<u32>,
    /// What failed, for the log.
    #[serde(skip)]
    cause: Option<Box<Error>>,
}

/// One thing that is wrong with what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// Where: names and indices joined by dots; empty for the whole.
    #[serde(serialize_with = "place")]
    pub path: String,
    /// What kind of thing, stable.
    pub code: String,
    /// What is wrong and what would be right.
    #[serde(serialize_with = "sentence")]
    pub message: String,
    /// The line in a text, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column in the line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What to do about it, where the message does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "maybe_sentence")]
    pub remedy: Option<String>,
}

/// How many faults an answer contains.
const MOST_FAULTS: usize = 100;

/// Serializes the first of many faults.
pub(in crate::api) fn first_faults<S: Serializer>(
    faults: &[Fault],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(faults.iter().take(MOST_FAULTS))
}

impl Fault {
    /// A fault.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "errors are put into words where they come up"
    )]
    pub fn new(path: impl Into<String>, code: impl Into<String>, message: impl ToString) -> Self {
        let (path, code, message) = (path.into(), code.into(), message.to_string());
        Self { path, code, message, line: None, column: None, remedy: None }
    }
}

impl Fault {
    /// The same as it is kept for a repeat of the call: messages may quote what was sent.
    pub(in crate::api) fn without_words(&self) -> Self {
        let message = "it was told when the call was first answered; its words quoted what was \
                       sent, and are not kept";
        Self::new(self.path.clone(), self.code.clone(), message)
    }
}

impl Problem {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            members: None,
            retry_after: None,
            cause: None,
        }
    }

    /// 400: what was sent cannot be read at all.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "The request cannot be read", detail)
    }

    /// 401: no key, or an unknown one.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "A valid API key is needed", detail)
    }

    /// 401: it is not signed by whoever has the secret, or too late.
    pub fn unsigned(detail: impl Into<String>) -> Self {
        let title = "A valid signature is needed";
        Self::new(StatusCode::UNAUTHORIZED, "signature", title, detail)
    }

    /// 403: the key's scope does not include it.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "The API key is not allowed to", detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing", detail)
    }

    /// 409: it conflicts with the present state.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "It conflicts with what is there", detail)
    }

    /// 410: it existed, and has been erased.
    pub fn gone(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "gone", "It has been erased", detail)
    }

    /// 412: it is not as the caller has seen it. `members` are what the caller has to know besides.
    pub(in crate::api) fn changed(
        detail: impl Into<String>,
        members: &impl Serialize,
    ) -> Result<Self, Error> {
        let members = serde_json::to_value(members);
        let members = members.map_err(|error| Unwritable::Json(error.to_string()))?;
        let title = "It is not as you have seen it";
        let problem = Self::new(StatusCode::PRECONDITION_FAILED, "changed", title, detail);
        Ok(Self { members: members.as_object().cloned().map(Box::new), ..problem })
    }

    /// 413.
    pub fn too_large(limit: usize) -> Self {
        Self::too_much(format!("the body has more than {limit} bytes; send less at once"))
    }

    /// 413 for another reason than its length.
    pub fn too_much(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too large", detail)
    }

    /// 415.
    pub fn media_type(detail: impl Into<String>) -> Self {
        let title = "The media type is not read here";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", title, detail)
    }

    /// 422: it can be read, but these things in it are wrong.
    pub fn invalid(mut errors: Vec<Fault>) -> Self {
        let all = errors.len();
        errors.truncate(MOST_FAULTS);
        let detail = match errors.as_slice() {
            [] => "it is not valid".to_owned(),
            [only] if only.path.is_empty() => only.message.clone(),
            [only] => format!("{}: {}", only.path, only.message),
            several if several.len() < all => {
                format!("{all} things are wrong; see the first {MOST_FAULTS} in `errors`")
            }
            several => format!("{} things are wrong; see `errors`", several.len()),
        };
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self { errors, ..Self::new(status, "invalid", "What was sent is not valid", detail) }
    }

    /// 422 for a single thing.
    #[allow(clippy::needless_pass_by_value, reason = "see `Fault::new`")]
    pub fn invalid_at(path: &str, code: &str, message: impl ToString) -> Self {
        Self::invalid(vec![Fault::new(path, code, message)])
    }

    /// Every single fault; of a problem without any, the problem itself.
    pub(in crate::api) fn into_faults(self) -> Vec<Fault> {
        if self.errors.is_empty() {
            return vec![Fault::new("", self.kind, self.detail)];
        }
        self.errors
    }

    /// 503: retryable.
    pub fn not_now(detail: impl Into<String>) -> Self {
        let title = "It could not be done for now";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_now", title, detail);
        Self { retry_after: Some(RETRY_AFTER), ..problem }
    }

    /// 500: an answer that is too long to be sent. Lists and files end before that, so it is a
    /// defect.
    pub fn too_long() -> Self {
        let detail = format!(
            "the answer has more than the {LARGEST_ANSWER} bytes that are handed over; this is a \
             defect of ours, and was noted; ask for less at once, such as with a smaller `limit`"
        );
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "defect", "It failed", detail)
    }

    /// 500: a contact is stored, and its item cannot be read.
    pub fn unreadable_contact(id: &ContactId, error: Error) -> Self {
        let detail = format!(
            "contact {id} is stored, but cannot be read: {error}; its item was changed by hand: \
             put it back from a backup of the table, or erase it with DELETE /v1/contacts/{id}"
        );
        let (status, title) = (StatusCode::INTERNAL_SERVER_ERROR, "What is stored cannot be read");
        let problem = Self::new(status, "unreadable", title, detail);
        Self { cause: Some(Box::new(error)), ..problem }
    }

    /// 408: the request came too slowly.
    pub fn too_slow(detail: impl Into<String>) -> Self {
        let title = "The request came too slowly";
        Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", title, detail)
    }

    /// 429: too many of these, for now.
    pub fn too_many(detail: impl Into<String>, retry_after: u32) -> Self {
        let title = "There were too many of these";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", title, detail);
        Self { retry_after: Some(retry_after), ..problem }
    }

    /// What is wrong this time.
    pub(in crate::api) fn detail(&self) -> &str {
        &self.detail
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if let Error::Table(TableError::TooLarge { size, bound, .. }) = &error {
            let message = format!("it would be stored in {size} bytes; at most {bound} fit");
            return Self::invalid_at("", "too_large", message);
        }
        let problem = match error.retryability() {
            // The caller and the reader of the log get the same text. Other failures may contain
            // more than the caller may see.
            Retryability::Retryable if matches!(&error, Error::Table(TableError::Disk { .. })) => {
                Self::not_now(format!("{error}; what was answered before is not lost; try again"))
            }
            Retryability::Retryable => Self::not_now("nothing was lost; try again"),
            Retryability::Permanent => {
                let detail = "this is a defect of ours, and was noted; trying again does not help";
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Self::new(status, "defect", "It failed", detail)
            }
        };
        Self { cause: Some(Box::new(error)), ..problem }
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NoSuchContact => Self::not_found("there is no such contact"),
            WriteError::AddressTaken(owner) => Self::conflict(format!(
                "the address belongs to contact {owner}; change that one instead"
            )),
            WriteError::Erasing => {
                Self::conflict("the account is being erased; no contact is accepted")
            }
            WriteError::TooManyTags => Self::invalid_at("tags", "too_many", error),
            WriteError::TooLarge { .. } => Self::invalid_at("", "too_large", error),
            // The call was answered meanwhile: the idempotency layer finds the answer.
            WriteError::Refused(..) => Self::not_now("the same call is being answered; try again"),
            WriteError::Failed(error) => error.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if let Some(error) = &self.cause {
            match error.retryability() {
                Retryability::Retryable => tracing::warn!(%error, "call failed for now"),
                Retryability::Permanent => tracing::error!(%error, "call failed"),
            }
        }
        let mut response = (self.status(), Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn urn<S: Serializer>(kind: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("urn:dacapo:problem:{kind}"))
}

/// The answer where there is no route.
pub(in crate::api) async fn no_such_path(request: Request) -> Problem {
    Problem::not_found(format!("there is nothing at {}", request.uri().path()))
}

/// The answer to a method that a path does not have.
pub(in crate::api) async fn no_such_method(request: Request) -> Problem {
    let detail = format!("{} is not done to {}", request.method(), request.uri().path());
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "method", "The method is not allowed here", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_answered_in_the_words_of_the_log() {
        let reason = "database or disk is full".to_owned();
        let error = Error::Table(TableError::Disk { reason, unknown: true });
        let (logged, problem) = (error.to_string(), Problem::from(error));
        assert_eq!(problem.status, 503);
        assert!(problem.detail.starts_with(&logged), "{}", problem.detail);
        assert!(problem.detail.contains("disk is full"), "{}", problem.detail);
        assert!(problem.detail.contains("make room"), "{}", problem.detail);
    }

    #[test]
    fn what_a_service_says_of_itself_is_for_the_log_only() {
        let inside = "DispatchFailure { host: \"10.0.0.7\" }".to_owned();
        let problem = Problem::from(Error::Table(TableError::Failed(inside)));
        assert_eq!(problem.detail, "nothing was lost; try again");
    }
}

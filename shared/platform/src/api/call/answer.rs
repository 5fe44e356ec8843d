//! What a call answers: a status and JSON, and what of it may be kept for repeats.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use dacapo_engine::contact::Contact;
use dacapo_engine::ids::ContactId;
use serde::Serialize;

use crate::api::call::problem::Problem;
use crate::api::call::room::json_text;
use crate::contact_json::ContactShape;
use crate::error::Error;

/// An answer: a status and JSON.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::api) struct Answer {
    pub(in crate::api::call) status: StatusCode,
    pub(in crate::api::call) text: String,
    pub(in crate::api::call) about: Option<About>,
}

/// The contact that an answer is about.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::api::call) struct About {
    pub(in crate::api::call) contact: ContactId,
    /// What is kept of the answer.
    pub(in crate::api::call) kept: String,
    /// Whether the answer shows the contact, and `kept` is the rest.
    pub(in crate::api::call) shown: bool,
}

impl Answer {
    /// An answer of this status.
    pub(in crate::api) fn of<T: Serialize>(status: StatusCode, body: &T) -> Result<Self, Error> {
        Ok(Self { status, text: json_text(body)?, about: None })
    }

    /// An answer that shows a contact and `rest`, an object, after it; a repeat shows `kept`
    /// instead of `rest`.
    pub(in crate::api) fn showing<T: Serialize>(
        status: StatusCode,
        contact: &Contact,
        rest: &T,
        kept: &T,
    ) -> Result<Self, Error> {
        let text = joined(&json_text(&ContactShape::from(contact))?, &json_text(rest)?);
        let about = About { contact: contact.id.clone(), kept: json_text(kept)?, shown: true };
        Ok(Self { status, text, about: Some(about) })
    }

    /// An answer about a contact, without showing it; a repeat shows `kept`.
    pub(in crate::api) fn about<T: Serialize>(
        status: StatusCode,
        contact: &ContactId,
        body: &T,
        kept: &T,
    ) -> Result<Self, Error> {
        let about = About { contact: contact.clone(), kept: json_text(kept)?, shown: false };
        Ok(Self { status, text: json_text(body)?, about: Some(about) })
    }

    /// The same for a problem.
    pub(in crate::api) fn new<T: Serialize>(status: StatusCode, body: &T) -> Result<Self, Problem> {
        Ok(Self::of(status, body)?)
    }

    /// 200.
    pub(in crate::api) fn ok<T: Serialize>(body: &T) -> Result<Self, Problem> {
        Self::new(StatusCode::OK, body)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (self.status, kind, self.text).into_response()
    }
}

/// The members of two objects in one.
pub(in crate::api::call) fn joined(one: &str, other: &str) -> String {
    match (one.strip_suffix('}'), other.strip_prefix('{')) {
        (Some(_), Some("}")) => one.to_owned(),
        (Some(one), Some(other)) => format!("{one},{other}"),
        _ => one.to_owned(),
    }
}

//! `Idempotency-Key`: the same call again gets the same answer again, and is done only once.
//!
//! Every POST takes part. Where the call makes a conditional write, the handler puts the answer
//! into the same transaction ([`Once::keeps`]): a repeat cannot come between. Other answers are
//! kept after the call has succeeded. A refusal is not kept: the fault can be corrected and sent
//! with the same key.
//!
//! What is kept contains no personal data. Of an answer that shows a contact only its id is kept,
//! and what else the answer says. A repeat shows the contact as it is then; of an erased one it
//! shows nothing. The request is kept as a hash whose key is the `Idempotency-Key`, which is itself
//! kept as a hash only.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use dacapo_engine::contact::Contact;
use dacapo_engine::hash::hexadecimal;
use dacapo_engine::ids::ContactId;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::api::Api;
use crate::api::call::auth::Holder;
use crate::api::call::extract::whole;
use crate::api::call::problem::Problem;
use crate::api::call::room::json_text;
use crate::contact_json::ContactShape;
use crate::contacts::Contacts;
use crate::error::Error;
use crate::store::{Store, item, read};
use crate::table::{Condition, Key, TableError, Write};
use crate::unsubscribe::keyed;

/// The future answer.
pub(in crate::api) type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler, of any arguments.
pub(in crate::api) type Handler = fn(Request, Api) -> Answering;

/// How long an answer is kept.
const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// The longest key, in bytes.
pub(in crate::api) const LONGEST_KEY: usize = 255;

/// The longest answer that is kept, in bytes: an item has a bound. Only calls that change nothing
/// have such long answers.
const LONGEST_ANSWER: usize = 256 * 1024;

/// Whether a call handles its repeats itself: an import, of contacts or of objects of a type.
fn is_import(path: &str) -> bool {
    let of_objects = path
        .strip_prefix("/v1/object-types/")
        .and_then(|rest| rest.strip_suffix("/import"))
        .is_some_and(|kind| !kind.contains('/'));
    path == "/v1/contacts/import" || of_objects
}

/// The header that marks a repeated answer.
pub(in crate::api) const REPLAYED: &str = "idempotency-replayed";

/// An answer: a status and JSON.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::api) struct Answer {
    status: StatusCode,
    text: String,
    about: Option<About>,
}

/// The contact that an answer is about.
#[derive(Debug, Clone, PartialEq)]
struct About {
    contact: ContactId,
    /// What is kept of the answer.
    kept: String,
    /// Whether the answer shows the contact, and `kept` is the rest.
    shown: bool,
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
fn joined(one: &str, other: &str) -> String {
    match (one.strip_suffix('}'), other.strip_prefix('{')) {
        (Some(_), Some("}")) => one.to_owned(),
        (Some(one), Some(other)) => format!("{one},{other}"),
        _ => one.to_owned(),
    }
}

/// An answer as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct StoredAnswer {
    /// The hash of the request.
    asked: String,
    status: u16,
    /// Its content, without the contact that it shows.
    text: String,
    /// The contact that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contact: Option<ContactId>,
    /// Whether it shows the contact.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    shown: bool,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    until: Instant,
}

/// What makes a call idempotent. Every POST has one, with or without a key.
#[derive(Clone)]
pub(in crate::api) struct Once(Option<Arc<Guarded>>);

struct Guarded {
    key: Key,
    asked: String,
    /// The revision of an answer that has expired but is not deleted yet.
    stale: Option<u64>,
    until: Instant,
    kept: AtomicBool,
}

impl Once {
    /// The writes that keep the answer, for the transaction of the write that it is about. A
    /// conflict of them means that the same call has been answered meanwhile; the answer to that
    /// conflict does not matter.
    pub(in crate::api) fn keeps(&self, answer: &Answer) -> Result<Vec<Write>, Error> {
        let Some(guarded) = &self.0 else { return Ok(Vec::new()) };
        if answer.text.len() > LONGEST_ANSWER {
            return Ok(Vec::new());
        }
        guarded.kept.store(true, Ordering::Relaxed);
        let stored = StoredAnswer {
            asked: guarded.asked.clone(),
            status: answer.status.as_u16(),
            text: answer.about.as_ref().map_or(&answer.text, |about| &about.kept).clone(),
            contact: answer.about.as_ref().map(|about| about.contact.clone()),
            shown: answer.about.as_ref().is_some_and(|about| about.shown),
            until: guarded.until,
        };
        let condition = guarded.stale.map_or(Condition::Absent, Condition::Rev);
        let kept = item(guarded.key.clone(), &stored)?
            .rev(guarded.stale.unwrap_or(0) + 1)
            .expires(guarded.until);
        Ok(vec![Write::put(kept, condition)])
    }

    /// What identifies the call and is the same for its repeats; `None` without a key.
    pub(in crate::api) fn identity(&self) -> Option<u64> {
        let guarded = self.0.as_ref()?;
        Some(dacapo_engine::hash::stable(&[guarded.key.pk.as_str(), guarded.asked.as_str()]))
    }

    /// For a call whose answer must not be kept, because it holds a secret: the handler makes the
    /// same answer again from this seed, which is the same for every repeat; `None` without a key.
    pub(in crate::api) fn unkept(&self) -> Option<&str> {
        let guarded = self.0.as_ref()?;
        guarded.kept.store(true, Ordering::Relaxed);
        Some(&guarded.key.pk)
    }
}

impl<S: Sync> FromRequestParts<S> for Once {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or(Self(None)))
    }
}

/// What was found under a key.
enum Found {
    /// Nothing valid; the revision of an expired answer.
    Nothing(Option<u64>),
    Answered(StoredAnswer),
}

/// Answers repeats, and keeps first answers that their handlers have not kept.
pub(in crate::api) async fn once(
    api: Api,
    request: Request,
    handler: Handler,
) -> Result<Response, Problem> {
    let path = request.uri().path();
    // An import is too long to be hashed as a whole, and handles its repeats itself.
    let guarded = match *request.method() {
        Method::POST => path.starts_with("/v1/") && !is_import(path),
        // An object is posted to its own path.
        Method::PUT => path.starts_with("/v1/objects/"),
        _ => false,
    };
    let given = request.headers().get("idempotency-key").filter(|_| guarded).cloned();
    let holder = request.extensions().get::<Holder>().map(|holder| holder.id().to_owned());
    let (Some(given), Some(holder)) = (given, holder) else {
        return Ok(handler(request, api).await);
    };
    let given = given
        .to_str()
        .ok()
        .map(str::trim)
        .filter(|key| (1..=LONGEST_KEY).contains(&key.len()))
        .ok_or_else(|| {
            let message = format!("an Idempotency-Key has 1 to {LONGEST_KEY} ASCII characters");
            Problem::invalid_at("Idempotency-Key", "header", message)
        })?;
    // Keys of different holders are different: no caller gets an answer meant for another.
    let key = api.platform.store.keys.idempotency(&format!("{holder} {given}"));
    let (mut parts, body) = request.into_parts();
    let body = whole(&parts, body).await?;
    let asked = hash(given, &parts, &body);
    let stale = match find(&api.platform.store, &key).await? {
        Found::Answered(stored) => return replayed(&api.platform.contacts, stored, &asked).await,
        Found::Nothing(stale) => stale,
    };
    let until = api.platform.store.now() + KEPT_FOR;
    let (kept, asked_again) = (AtomicBool::new(false), asked.clone());
    let once = Once(Some(Arc::new(Guarded { key: key.clone(), asked, stale, until, kept })));
    parts.extensions.insert(once.clone());
    let response = handler(Request::from_parts(parts, Body::from(body)), api.clone()).await;
    if !response.status().is_success() {
        // Perhaps because another call with the same key committed first.
        return match find(&api.platform.store, &key).await? {
            Found::Answered(stored) => replayed(&api.platform.contacts, stored, &asked_again).await,
            Found::Nothing(_) => Ok(response),
        };
    }
    if once.0.as_ref().is_some_and(|guarded| guarded.kept.load(Ordering::Relaxed)) {
        return Ok(response);
    }
    keep(&api.platform.store, &once, response).await
}

async fn keep(store: &Store, once: &Once, response: Response) -> Result<Response, Problem> {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    if let Ok(text) = String::from_utf8(body.to_vec()) {
        let answer = Answer { status: parts.status, text, about: None };
        match store.write(once.keeps(&answer)?).await {
            Ok(()) | Err(TableError::Conflict { .. }) => {}
            Err(error) => return Err(Error::from(error).into()),
        }
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

async fn find(store: &Store, key: &Key) -> Result<Found, Problem> {
    let Some(item) = store.get(key).await.map_err(Error::from)? else {
        return Ok(Found::Nothing(None));
    };
    let stored: StoredAnswer = read(&item)?;
    if store.now() < stored.until {
        Ok(Found::Answered(stored))
    } else {
        Ok(Found::Nothing(item.rev))
    }
}

async fn replayed(
    contacts: &Contacts,
    stored: StoredAnswer,
    asked: &str,
) -> Result<Response, Problem> {
    if stored.asked != asked {
        let message = "this key came with another call before; take a new key for a new call";
        return Err(Problem::invalid_at("Idempotency-Key", "key_reused", message));
    }
    let text = match &stored.contact {
        None => stored.text,
        Some(id) => {
            let contact = contacts.get(id).await?.ok_or_else(|| {
                Problem::gone(
                    "this call was answered before, and the contact that it was about has been erased since; nothing \
                     was done again, so take a new key for a new call",
                )
            })?;
            if stored.shown {
                joined(&json_text(&ContactShape::from(&contact))?, &stored.text)
            } else {
                stored.text
            }
        }
    };
    let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK);
    let mut response = Answer { status, text, about: None }.into_response();
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// The hash of the request, path, parameters and body, keyed with the `Idempotency-Key`.
fn hash(key: &str, parts: &Parts, body: &Bytes) -> String {
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    hexadecimal(&keyed(key, &[path.as_bytes(), &body[..]]))
}

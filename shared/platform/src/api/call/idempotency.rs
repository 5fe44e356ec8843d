//! `Idempotency-Key`: the same call again gets the same answer again, and is done only once.
//!
//! Every POST takes part. Where the call makes a conditional write, the handler puts the answer
//! into the same transaction ([`Once::keeps`]): a repeat cannot come between. Other answers are
//! kept after the call has succeeded. A refusal is not kept: the fault can be corrected and sent
//! with the same key.
//!
//! | an answer | is kept |
//! |---|---|
//! | that shows a contact | with the contact's id; a repeat shows the contact as it is then |
//! | that holds a secret | without it: the caller's API key and what is kept give it again |
//! | that quotes what a person wrote | as done; a repeat shows what it is about as it is then |
//!
//! Nothing follows from an `Idempotency-Key` alone: after 24 hours it is as new as any other. What
//! has to be the same for all repeats is made from entropy that is kept with the answer.
//!
//! What is kept contains no personal data. Of an answer that shows a contact only its id is kept,
//! and what else the answer says. A repeat shows the contact as it is then; of an erased one it
//! shows nothing. The request is kept as a hash whose key is the `Idempotency-Key`, which is itself
//! kept as a hash only.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use dacapo_engine::hash::hexadecimal;
use dacapo_engine::ids::ContactId;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::api::Api;
use crate::api::call::answer::joined;
use crate::api::call::auth::{Holder, key_of};
use crate::api::call::extract::whole;
use crate::api::call::problem::Problem;
use crate::api::call::room::json_text;
use crate::contact_json::ContactShape;
use crate::error::Error;
use crate::ports::{Entropy, LETTERS};
use crate::store::{Store, item, read};
use crate::table::{Key, TableError, Write};
use crate::unsubscribe::keyed;

pub(in crate::api) use crate::api::call::answer::Answer;

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

/// How many letters and digits a secret has: 200 bits.
const SECRET: usize = 40;

/// How many letters and digits distinguish a call from others with the same key.
const NONCE: usize = 24;

/// The header that marks a repeated answer.
pub(in crate::api) const REPLAYED: &str = "idempotency-replayed";

/// The status of a call that was begun, and whose answer is not kept yet.
const BEGUN: u16 = 0;

/// An answer as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct StoredAnswer {
    /// The hash of the request.
    asked: String,
    /// [`BEGUN`] as long as there is no answer.
    status: u16,
    /// Its content, without the contact that it shows.
    text: String,
    /// The contact that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contact: Option<ContactId>,
    /// Whether it shows the contact.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    shown: bool,
    /// Whether a repeat lets the handler show it anew, without doing anything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    anew: bool,
    /// What distinguishes the call from those that came with the same key before. It stands in
    /// `text` where the answer had its secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    until: Instant,
}

/// What makes a call idempotent. Every POST has one, with or without a key.
#[derive(Clone)]
pub(in crate::api) struct Once(Option<Arc<Guarded>>);

struct Guarded {
    key: Key,
    asked: String,
    /// The API key of the caller, which is stored nowhere.
    caller: String,
    state: Mutex<State>,
    until: Instant,
    kept: AtomicBool,
    /// Whether a repeat is to be shown anew.
    anew: AtomicBool,
    /// Whether this is a repeat that is to be shown anew.
    repeated: bool,
}

/// What is stored under the key, as far as the call knows.
#[derive(Debug, Clone)]
struct State {
    /// Its revision: of an answer that has expired but is not deleted yet, or of a call that was
    /// begun; 0 for nothing.
    rev: u64,
    /// Whether it says that this call was begun.
    begun: bool,
    nonce: String,
}

impl Guarded {
    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_begun(&self, rev: u64, nonce: String) {
        let begun = State { rev, begun: true, nonce };
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = begun;
    }

    /// What is known of the call before it is answered.
    fn stored(&self) -> StoredAnswer {
        StoredAnswer {
            asked: self.asked.clone(),
            status: BEGUN,
            text: String::new(),
            contact: None,
            shown: false,
            anew: false,
            nonce: None,
            until: self.until,
        }
    }

    /// The write of it, if no other call has written under the key.
    fn write(&self, stored: &StoredAnswer) -> Result<Write, Error> {
        let kept = item(self.key.clone(), stored)?.rev(self.state().rev + 1);
        Ok(Write::next(kept.expires(self.until)))
    }
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
            status: answer.status.as_u16(),
            text: answer.about.as_ref().map_or(&answer.text, |about| &about.kept).clone(),
            contact: answer.about.as_ref().map(|about| about.contact.clone()),
            shown: answer.about.as_ref().is_some_and(|about| about.shown),
            ..guarded.stored()
        };
        Ok(vec![guarded.write(&stored)?])
    }

    /// The same for an answer that holds this [`Self::secret`], which is not kept.
    pub(in crate::api) fn keeps_without(
        &self,
        secret: &str,
        answer: &Answer,
    ) -> Result<Vec<Write>, Error> {
        let Some(guarded) = &self.0 else { return Ok(Vec::new()) };
        guarded.kept.store(true, Ordering::Relaxed);
        let nonce = guarded.state().nonce;
        let stored = StoredAnswer {
            status: answer.status.as_u16(),
            text: answer.text.replace(secret, &nonce),
            nonce: Some(nonce),
            ..guarded.stored()
        };
        Ok(vec![guarded.write(&stored)?])
    }

    /// A new secret of 200 bits. If the call has a key, it is made from the caller's API key and
    /// from entropy that is kept with the answer: a reader of the table cannot make it again, and
    /// no other call makes the same one.
    pub(in crate::api) fn secret(&self, entropy: &dyn Entropy) -> String {
        match &self.0 {
            Some(guarded) => secret(&guarded.caller, &guarded.key, &guarded.state().nonce),
            None => entropy.text(SECRET),
        }
    }

    /// What identifies the call and is the same for its repeats; `None` without a key. That the
    /// call is begun is stored, so that a repeat after a crash has the same identity, and the same
    /// key another one after its 24 hours.
    pub(in crate::api) async fn identity(&self, store: &Store) -> Result<Option<u64>, Error> {
        let Some(guarded) = &self.0 else { return Ok(None) };
        let State { rev, begun, mut nonce } = guarded.state();
        if !begun {
            let stored = StoredAnswer { nonce: Some(nonce.clone()), ..guarded.stored() };
            match store.write(vec![guarded.write(&stored)?]).await {
                Ok(()) => guarded.is_begun(rev + 1, nonce.clone()),
                // The same call is under way beside this one: both are one.
                Err(TableError::Conflict { .. }) => match find(store, &guarded.key).await? {
                    FoundAnswer::Begun(stored, rev) if stored.asked == guarded.asked => {
                        nonce = stored.nonce.unwrap_or_default();
                        guarded.is_begun(rev, nonce.clone());
                    }
                    _ => return Err(Error::Contended(1)),
                },
                Err(error) => return Err(error.into()),
            }
        }
        let words = [guarded.key.pk.as_str(), guarded.asked.as_str(), nonce.as_str()];
        Ok(Some(dacapo_engine::hash::stable(&words)))
    }

    /// Whether the call was done before, so that its handler only shows what it is about.
    pub(in crate::api) fn is_repeated(&self) -> bool {
        self.0.as_ref().is_some_and(|guarded| guarded.repeated)
    }

    /// For an answer that may quote what a person wrote: it is not kept, and repeats call the
    /// handler, which asks [`Self::is_repeated`].
    pub(in crate::api) fn shows_anew(&self) {
        if let Some(guarded) = &self.0 {
            guarded.anew.store(true, Ordering::Relaxed);
        }
    }
}

/// A secret that nobody can make who does not have the caller's API key.
fn secret(caller: &str, key: &Key, nonce: &str) -> String {
    let bytes = ["secret 1", "secret 2"]
        .into_iter()
        .flat_map(|nth| keyed(caller, &[nth.as_bytes(), key.pk.as_bytes(), nonce.as_bytes()]));
    bytes.take(SECRET).map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

impl<S: Sync> FromRequestParts<S> for Once {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or(Self(None)))
    }
}

/// What was found under a key.
enum FoundAnswer {
    /// Nothing valid; the revision of an expired answer.
    Nothing(u64),
    /// A call whose answer was not kept; its revision.
    Begun(StoredAnswer, u64),
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
    let store = &api.platform.store;
    // Keys of different holders are different: no caller gets an answer meant for another.
    let key = store.keys.idempotency(&format!("{holder} {given}"));
    let caller = key_of(request.headers()).unwrap_or_default();
    let (mut parts, body) = request.into_parts();
    let body = whole(&parts, body).await?;
    let asked = hash(given, &parts, &body);
    let (mut rev, mut begun, mut anew, mut nonce) = (0, false, false, None);
    match find(store, &key).await? {
        FoundAnswer::Nothing(stale) => rev = stale,
        FoundAnswer::Answered(stored) if stored.asked != asked => return Err(of_another_call()),
        FoundAnswer::Begun(stored, at) if stored.asked == asked => {
            (rev, begun, nonce) = (at, true, stored.nonce);
        }
        // It was refused, and is sent otherwise.
        FoundAnswer::Begun(_, at) => rev = at,
        FoundAnswer::Answered(stored) if stored.anew => anew = true,
        FoundAnswer::Answered(stored) => return replayed(&api, stored, &key, &caller).await,
    }
    let nonce = nonce.unwrap_or_else(|| store.entropy.text(NONCE));
    let once = Once(Some(Arc::new(Guarded {
        key: key.clone(),
        asked: asked.clone(),
        caller,
        state: Mutex::new(State { rev, begun, nonce }),
        until: store.now() + KEPT_FOR,
        kept: AtomicBool::new(false),
        anew: AtomicBool::new(false),
        repeated: anew,
    })));
    parts.extensions.insert(once.clone());
    let response = handler(Request::from_parts(parts, Body::from(body)), api.clone()).await;
    let Some(guarded) = once.0.as_ref() else { return Ok(response) };
    if guarded.repeated {
        return Ok(marked(response));
    }
    if !response.status().is_success() {
        // Perhaps because another call with the same key committed first.
        return match find(store, &key).await? {
            FoundAnswer::Answered(stored) if stored.asked != asked => Err(of_another_call()),
            FoundAnswer::Answered(stored) if !stored.anew => {
                replayed(&api, stored, &key, &guarded.caller).await
            }
            FoundAnswer::Answered(_) | FoundAnswer::Begun(..) | FoundAnswer::Nothing(_) => {
                Ok(response)
            }
        };
    }
    if guarded.kept.load(Ordering::Relaxed) {
        return Ok(response);
    }
    if guarded.anew.load(Ordering::Relaxed) {
        let status = response.status().as_u16();
        let stored = StoredAnswer { status, anew: true, ..guarded.stored() };
        keep_write(store, vec![guarded.write(&stored)?]).await?;
        return Ok(response);
    }
    keep(store, &once, response).await
}

/// An answer of which the caller is told that it was given before.
fn marked(mut response: Response) -> Response {
    if response.status().is_success() {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

fn of_another_call() -> Problem {
    let message = "this key came with another call before; take a new key for a new call";
    Problem::invalid_at("Idempotency-Key", "key_reused", message)
}

async fn keep(store: &Store, once: &Once, response: Response) -> Result<Response, Problem> {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    if let Ok(text) = String::from_utf8(body.to_vec()) {
        let answer = Answer { status: parts.status, text, about: None };
        keep_write(store, once.keeps(&answer)?).await?;
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// Keeps an answer, unless the same call was answered meanwhile.
async fn keep_write(store: &Store, writes: Vec<Write>) -> Result<(), Problem> {
    match store.write(writes).await {
        Ok(()) | Err(TableError::Conflict { .. }) => Ok(()),
        Err(error) => Err(Error::from(error).into()),
    }
}

async fn find(store: &Store, key: &Key) -> Result<FoundAnswer, Error> {
    let Some(item) = store.get(key).await? else {
        return Ok(FoundAnswer::Nothing(0));
    };
    let (stored, rev): (StoredAnswer, u64) = (read(&item)?, item.rev.unwrap_or(0));
    Ok(if store.now() >= stored.until {
        FoundAnswer::Nothing(rev)
    } else if stored.status == BEGUN {
        FoundAnswer::Begun(stored, rev)
    } else {
        FoundAnswer::Answered(stored)
    })
}

/// An answer once more, to the same call.
async fn replayed(
    api: &Api,
    stored: StoredAnswer,
    key: &Key,
    caller: &str,
) -> Result<Response, Problem> {
    let text = match (&stored.contact, &stored.nonce) {
        (None, None) => stored.text,
        (None, Some(nonce)) => stored.text.replace(nonce, &secret(caller, key, nonce)),
        (Some(id), _) => {
            let contact = api.platform.contacts.get(id).await?.ok_or_else(|| {
                Problem::gone(
                    "this call was answered before, and the contact that it was about has been \
                     erased since; nothing was done again, so take a new key for a new call",
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
    Ok(marked(Answer { status, text, about: None }.into_response()))
}

/// The hash of the request, path, parameters, body and what has to be there, keyed with the
/// `Idempotency-Key`.
fn hash(key: &str, parts: &Parts, body: &Bytes) -> String {
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let seen = parts.headers.get_all(header::IF_MATCH).iter().map(HeaderValue::as_bytes);
    let asked: Vec<&[u8]> = [path.as_bytes(), &body[..]].into_iter().chain(seen).collect();
    hexadecimal(&keyed(key, &asked))
}

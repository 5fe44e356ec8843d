//! `POST /v1/in/{token}`: what tools post to the URL of a connection.
//!
//! | what came | is answered |
//! |---|---|
//! | understood: written, or ignored on purpose | 200 `OK` |
//! | understood, and not usable: something is missing, the map is wrong | 202 `OK`; it is kept |
//! | kept, and not to be done for now | 202 `OK`; it is done within minutes (`unfinished`) |
//! | not signed, wrongly, or too late | 401; kept without its body |
//! | not readable, or of another media type | 400, 415; kept |
//! | too large | 413; kept without its body |
//! | too many | 429; not kept |
//! | an unknown URL | 404; not kept |
//!
//! A tool that is answered 2xx does not send again, and a wrong map is mended here: the kept call
//! is replayed. The answer says nothing about the account. A shop such as Digistore24 looks for
//! `OK`.
//!
//! The same call again is done once: of a signed tool, and of one that says which call it is
//! (`Webhook-Id`, `Idempotency-Key`), as long as the first is kept; of other forms within ten
//! minutes, since a person may well post the same again next week.

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use dacapo_engine::hash::hexadecimal;
use futures_util::{FutureExt as _, StreamExt as _};
use sha2::{Digest, Sha256};

use crate::Instant;
use crate::api::Api;
use crate::api::call::extract::{Path, media_type, whole};
use crate::api::call::problem::Problem;
use crate::api::call::surface::{Surface, calls};
use crate::api::connections::body;
use crate::api::connections::perform::{NotPerformed, Performer};
use crate::connections::{
    Body, CallOutcome, CallPlace, Connection, KeepOutcome, Kind, Misfit, NewCall, Rated,
    ReceivedCall, WithRevision, is_outdated, signed_by, understand, verify,
};
use crate::error::{Error, Retryability};
use crate::keys::sha256;
use crate::metrics::Metric;
use crate::platform::Platform;
use crate::store::TRIES;

/// Within this time the same post to a form is a repeat.
const SAME_POST: TimeDelta = TimeDelta::minutes(10);

/// After how many seconds a tool may try again whose calls of the day are used up.
const USED_UP_RETRY_SECONDS: u32 = 3_600;

/// In which headers a tool says which call it is, the same when it sends it again (*Standard
/// Webhooks*, <https://www.standardwebhooks.com>).
const NAMES_THE_CALL: [&str; 2] = ["webhook-id", "idempotency-key"];

/// How many people of one call are written at once: an event with seats names many.
const PEOPLE_AT_ONCE: usize = 8;

/// How many digits an id has.
const DIGITS: usize = 32;

/// How many misfits of a call are kept.
const MOST_MISFITS: usize = 50;

/// How much of a sentence is kept, in characters.
const LONGEST_SENTENCE: usize = 600;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, receive)
}

/// Takes what a tool posts to the URL of a connection: of Calendly and Cal.com with a signature, of
/// a form as JSON, URL-encoded or in parts.
#[utoipa::path(
    post, path = "/v1/in/{token}", tag = "Connections",
    params(("token" = String, Path, description = "The token of the connection's URL")),
    request_body(
        content(
            (String = "application/json"), (String = "application/x-www-form-urlencoded"),
            (String = "multipart/form-data"), (String = "text/plain"),
        ),
    ),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 202, body = String, content_type = "text/plain"), (status = 401, body = Problem),
        (status = 429, body = Problem),
    ),
)]
async fn receive(
    State(api): State<Api>,
    Path(token): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let platform = api.platform.at_work();
    let known = &platform.connections.known;
    let (hash, now) = (sha256(&token), platform.store.now());
    if known.is_full(&hash, now) {
        return Err(too_many(1));
    }
    let Some(connection) = platform.connections.opened_by(&token).await? else {
        return Err(Problem::not_found("there is no connection with this URL, or no more"));
    };
    let Some(reading) = known.reads(&hash) else { return Err(too_many(1)) };
    let (parts, body) = request.into_parts();
    let arrived = Arrived { platform: &platform, connection: &connection, hash: &hash, now };
    let body = match whole(&parts, body).await {
        Ok(body) => body,
        Err(problem) if problem.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            arrived.refuse(&parts, &[], "too_large", problem.detail()).await?;
            return Err(problem);
        }
        Err(problem) => return Err(problem),
    };
    drop(reading);
    arrived.taken(&parts, &body).await
}

fn too_many(seconds: u32) -> Problem {
    Problem::too_many("too many calls came to this URL; none of these was kept", seconds)
}

/// A call that has arrived at a connection.
struct Arrived<'a> {
    platform: &'a Platform,
    connection: &'a Connection,
    /// The hash of the token.
    hash: &'a str,
    now: Instant,
}

impl Arrived<'_> {
    /// What is known of it before it is worked on.
    fn call(&self, parts: &Parts, body: &[u8]) -> ReceivedCall {
        ReceivedCall {
            at: self.now,
            event: None,
            kind: Some(self.connection.kind),
            media: body::declared(parts),
            size: body.len(),
            whole: true,
            outcome: CallOutcome::Received,
            why: None,
            misfits: Vec::new(),
            made: Vec::new(),
            attempts: 0,
            broken_off: 0,
            begun: None,
            replayed: None,
        }
    }

    /// The header with the signature.
    fn signature<'p>(&self, parts: &'p Parts) -> Option<&'p HeaderValue> {
        signed_by(self.connection.kind).and_then(|name| parts.headers.get(name))
    }

    async fn taken(&self, parts: &Parts, body: &Bytes) -> Result<Response, Problem> {
        let Self { platform, connection, now, .. } = self;
        let header = self.signature(parts).and_then(|header| header.to_str().ok());
        if let Err(refused) = verify(connection.kind, connection.secrets(*now), header, body, *now)
        {
            let why = refused.to_string();
            self.refuse(parts, body, "signature", &why).await?;
            return Err(Problem::unsigned(why));
        }
        // Only what the tool sent counts: nobody else can use up what it may send.
        if let Rated::After(seconds) = platform.connections.known.one_more(self.hash, *now) {
            return Err(too_many(seconds));
        }
        let call = self.call(parts, body);
        let plain = body::plain(parts, body);
        let (id, before) = self.ids(parts, body);
        if let Some(before) = before {
            let at = CallPlace { connection: &connection.id, id: &before };
            let earlier = platform.connections.call(at).await?;
            if let Some(earlier) = earlier.filter(|found| *now - found.what.at < SAME_POST) {
                return self.again(at, earlier, parts, body).await;
            }
        }
        let at = CallPlace { connection: &connection.id, id: &id };
        let new = NewCall { call, body: Some(body), plain: plain.as_deref() };
        match platform.connections.keep(at, &new).await? {
            KeepOutcome::New(found) => {
                let working = Working { platform, connection, at, is_continued: false };
                answered(ended_or_left(working.work(found, parts, body).await)?)
            }
            KeepOutcome::Known(found) => self.again(at, found, parts, body).await,
            KeepOutcome::Full => Err(too_many(USED_UP_RETRY_SECONDS)),
            KeepOutcome::TooMany(addresses) => {
                let why = format!(
                    "it names {addresses} addresses; at most 500 are taken: send fewer at once"
                );
                self.refuse(parts, body, "too_large", &why).await?;
                Err(Problem::too_much(why))
            }
        }
    }

    /// A call that came before: it is worked on if it has not been, or did not succeed.
    async fn again(
        &self,
        at: CallPlace<'_>,
        found: WithRevision<ReceivedCall>,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<Response, Problem> {
        match found.what.outcome {
            CallOutcome::Done | CallOutcome::Ignored => answered((found.what.outcome, None)),
            CallOutcome::Received | CallOutcome::Failed | CallOutcome::Refused => {
                let Self { platform, connection, .. } = *self;
                let is_continued = found.what.outcome == CallOutcome::Received;
                let working = Working { platform, connection, at, is_continued };
                answered(ended_or_left(working.work(found, parts, body).await)?)
            }
        }
    }

    /// The id of a call, the same for a repeat; and for a form the id that it had within the ten
    /// minutes before.
    fn ids(&self, parts: &Parts, body: &[u8]) -> (String, Option<String>) {
        let named = NAMES_THE_CALL.iter().find_map(|name| parts.headers.get(*name));
        let media = media_type(parts).unwrap_or_default();
        // Of a form in parts the text between them differs each time.
        let between = body::boundary(parts).map(|between| format!("--{between}"));
        match (self.connection.kind, named.filter(|named| !named.is_empty())) {
            (Kind::Calendly | Kind::Calcom, _) => (digest(&[body]), None),
            // A name that stands for several bodies, such as that of a subscription, hides none.
            (Kind::Form, Some(named)) => {
                let body = without(body, between.as_deref().unwrap_or_default().as_bytes());
                (digest(&[b"named", named.as_bytes(), media.as_bytes(), &body]), None)
            }
            (Kind::Form, None) => {
                let body = without(body, between.as_deref().unwrap_or_default().as_bytes());
                let span = self.now.timestamp().div_euclid(SAME_POST.num_seconds());
                let of = |span: i64| digest(&[media.as_bytes(), &span.to_be_bytes(), &body]);
                (of(span), Some(of(span - 1)))
            }
        }
    }

    /// Keeps a call that is not accepted, without its body: so many a minute.
    async fn refuse(
        &self,
        parts: &Parts,
        body: &[u8],
        code: &str,
        why: &str,
    ) -> Result<(), Problem> {
        let Self { platform, connection, hash, now } = *self;
        tracing::warn!(connection = connection.id.as_str(), code, "a call was refused");
        if !platform.connections.known.keeps_refused(hash, now) {
            return Ok(());
        }
        let signature = self.signature(parts);
        if code == "signature" && signature.is_some() {
            Metric::CallsRefused.emit(1);
        }
        let at = now.timestamp_micros().to_be_bytes();
        let mut what: Vec<&[u8]> = vec![&at, code.as_bytes(), body];
        what.extend(signature.map(HeaderValue::as_bytes));
        let id = digest(&what);
        let call = ReceivedCall {
            whole: false,
            outcome: CallOutcome::Refused,
            why: Some(why.to_owned()),
            misfits: vec![Misfit::new("", code, why)],
            ..self.call(parts, body)
        };
        let place = CallPlace { connection: &connection.id, id: &id };
        let new = NewCall { call, body: None, plain: None };
        platform.connections.keep(place, &new).await?;
        Ok(())
    }
}

/// What came of a call. One that could not be done for now is kept, and done later: whether the
/// tool would send it again is not to be relied on.
fn ended_or_left(
    worked: Result<(CallOutcome, Option<Problem>), Problem>,
) -> Result<(CallOutcome, Option<Problem>), Problem> {
    match worked {
        Err(problem) if problem.status().is_server_error() => {
            let why = problem.detail();
            tracing::warn!(why, "a received call could not be done for now; it is done later");
            Ok((CallOutcome::Received, None))
        }
        worked => worked,
    }
}

/// A text without a part of it, wherever a line begins with that.
fn without(body: &[u8], part: &[u8]) -> Vec<u8> {
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    let lines = lines.map(|line| match line.strip_prefix(part) {
        Some(behind) if !part.is_empty() => behind,
        _ => line,
    });
    lines.flatten().copied().collect()
}

/// A digest of parts, each with its length.
fn digest(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let bytes: [u8; 32] = digest.finalize().into();
    hexadecimal(&bytes)[..DIGITS].to_owned()
}

/// What the tool is answered.
fn answered((outcome, problem): (CallOutcome, Option<Problem>)) -> Result<Response, Problem> {
    if let Some(problem) = problem {
        return Err(problem);
    }
    let status = match outcome {
        CallOutcome::Done | CallOutcome::Ignored => StatusCode::OK,
        CallOutcome::Received | CallOutcome::Failed | CallOutcome::Refused => StatusCode::ACCEPTED,
    };
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((status, kind, "OK").into_response())
}

/// A kept call that is worked on.
pub(super) struct Working<'a> {
    pub(super) platform: &'a Platform,
    pub(super) connection: &'a Connection,
    pub(super) at: CallPlace<'a>,
    /// Whether an attempt has begun it and not ended it.
    pub(super) is_continued: bool,
}

impl Working<'_> {
    /// Does what a call says, and stores what came of it. Answers the outcome, and the problem if
    /// the body could not be read at all.
    ///
    /// # Errors
    ///
    /// What failed for now: the call stays as it was stored.
    pub(super) async fn work(
        &self,
        found: WithRevision<ReceivedCall>,
        parts: &Parts,
        body: &[u8],
    ) -> Result<(CallOutcome, Option<Problem>), Problem> {
        let mut call = found.what.clone();
        call.misfits = Vec::new();
        call.why = None;
        let problem = match body::read(self.connection.kind, parts, body).await {
            Ok(read) => {
                self.perform(&mut call, &read).await?;
                None
            }
            Err(problem) => {
                call.outcome = CallOutcome::Failed;
                call.why = Some(problem.detail().to_owned());
                Some(problem)
            }
        };
        call.why = call.why.map(|why| shortened(&why));
        call.misfits.truncate(MOST_MISFITS);
        for misfit in &mut call.misfits {
            misfit.path = shortened(&misfit.path);
            misfit.message = shortened(&misfit.message);
        }
        match self.platform.connections.settle(self.at, &found, &call).await {
            // It would be done again and again.
            Err(error) if error.retryability() == Retryability::Permanent => {
                call = ReceivedCall {
                    outcome: CallOutcome::Failed,
                    why: Some(shortened(&format!("what came of it cannot be stored: {error}"))),
                    misfits: Vec::new(),
                    made: Vec::new(),
                    ..call
                };
                self.platform.connections.settle(self.at, &found, &call).await?;
            }
            settled => settled?,
        }
        if call.outcome == CallOutcome::Failed {
            Metric::CallsFailed.emit(1);
            let Self { connection, at, .. } = self;
            let first = call.misfits.first();
            tracing::warn!(
                connection = connection.id.as_str(),
                call = at.id,
                path = first.map(|first| first.path.as_str()),
                code = first.map(|first| first.code.as_str()),
                "a call that came through a connection could not be used"
            );
        }
        Ok((call.outcome, problem))
    }

    async fn perform(&self, call: &mut ReceivedCall, body: &Body) -> Result<(), Problem> {
        let now = self.platform.store.now();
        if let Some(came) = call.kind.filter(|came| *came != self.connection.kind) {
            let why = format!(
                "it came when the connection was one of kind `{}`: what it says is not taken as \
                 another tool's",
                came.word()
            );
            failed(call, vec![Misfit::new("", "other_kind", why)]);
            return Ok(());
        }
        if call.replayed.is_none() && is_outdated(self.connection.kind, body, now) {
            call.outcome = CallOutcome::Ignored;
            call.why =
                Some("it is so old that it may have come before; replay it to use it".to_owned());
            return Ok(());
        }
        let understood = match understand(self.connection, body, call.at) {
            Ok(understood) => understood,
            Err(misfits) => {
                failed(call, misfits);
                return Ok(());
            }
        };
        call.event = understood.event.map(|event| shortened(&event));
        call.misfits = understood.left_out;
        let incoming = match understood.what {
            Ok(incoming) => incoming,
            Err(why) => {
                call.outcome = CallOutcome::Ignored;
                call.why = Some(why);
                return Ok(());
            }
        };
        let Self { platform, connection, at, is_continued } = *self;
        // What of it was written already is known by its pointer; only a replay writes it once
        // more.
        let (is_replayed, expires) = (call.replayed.is_some(), call.expires());
        let is_continued = is_continued && !is_replayed;
        let performer =
            Performer { platform, connection, place: at, expires, is_continued, is_replayed };
        call.outcome = CallOutcome::Done;
        call.made = Vec::new();
        let mut outdated = None;
        let performed: Vec<_> = incoming.iter().map(|one| performer.perform(one).boxed()).collect();
        let mut performed = futures_util::stream::iter(performed).buffered(PEOPLE_AT_ONCE);
        while let Some(performed) = performed.next().await {
            match performed {
                Ok((made, told)) => {
                    call.made.push(made);
                    call.misfits.extend(told);
                }
                Err(NotPerformed::Unusable(misfits)) => failed(call, misfits),
                Err(NotPerformed::Outdated(misfit)) => {
                    outdated = Some(misfit.message.clone());
                    call.misfits.push(misfit);
                }
                Err(NotPerformed::Failed(problem)) => return Err(problem),
                // It is tried again where that happens.
                Err(NotPerformed::Overtaken) => return Err(Error::Contended(TRIES).into()),
            }
        }
        if call.made.is_empty() && call.outcome == CallOutcome::Done && outdated.is_some() {
            call.outcome = CallOutcome::Ignored;
            call.why = outdated;
        }
        Ok(())
    }
}

fn failed(call: &mut ReceivedCall, misfits: Vec<Misfit>) {
    call.outcome = CallOutcome::Failed;
    call.why = misfits.first().map(|first| first.message.clone());
    call.misfits.extend(misfits);
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_SENTENCE).collect()
}

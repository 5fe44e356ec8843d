//! `/dev/*`: the standing clock, and captured mail. A path does not exist where it would have no
//! meaning.
//!
//! They need no key where only this machine reaches them, so that a few lines of `curl` are enough.
//! Browsers on this machine reach them too, from any page that they show. So a request needs the
//! admin key if its `Host` is not a name of this machine (a name may have been made to lead here),
//! or if its `Origin` is not the server itself. From elsewhere it always needs the key.
//!
//! The webhooks of campaigns come from this machine too, and are written by whoever may write a
//! campaign. Each carries a header of which its author knows nothing, and gets no answer here.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use dacapo_engine::time::{Instant, Span, Zone};
use dacapo_platform::api::{AdminKey, Problem, message_json};
use dacapo_platform::calling::WEBHOOK_HEADER;
use dacapo_platform::contact_json::instant_json;
use dacapo_platform::error::Error;
use dacapo_platform::keys::contact_in;
use dacapo_platform::messages::MessageRecord;
use dacapo_platform::platform::Platform;
use dacapo_platform::ports::Clock as _;
use dacapo_platform::table::{Cursor, Key, Query as TableQuery};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Embedded;
use crate::clock::{EmbeddedClock, last_instant};
use crate::worker::WorkerHandle;

#[derive(Clone)]
struct Dev {
    platform: Platform,
    clock: Arc<EmbeddedClock>,
    worker: WorkerHandle,
    /// Whether only this machine reaches it.
    local: bool,
    admin_key: Option<AdminKey>,
}

/// The router with the `/dev/*` paths that exist here.
pub(crate) fn with_dev(api: Router, embedded: &Embedded, admin_key: Option<AdminKey>) -> Router {
    let dev = Dev {
        platform: embedded.platform.clone(),
        clock: Arc::clone(&embedded.clock),
        worker: embedded.worker.clone(),
        local: embedded.local,
        admin_key,
    };
    let mut paths = Router::new();
    if embedded.shows_captured {
        paths = paths.route("/dev/messages", get(messages));
    }
    let mut api = api;
    if embedded.clock.is_manual() {
        paths =
            paths.route("/dev/clock", get(clock).post(move_clock)).route("/dev/idle", post(idle));
        api = api.layer(from_fn_with_state(dev.clone(), settled_before_milestones));
    }
    let admitted = paths.layer(from_fn_with_state(dev.clone(), admitted));
    api.merge(admitted.with_state(dev))
}

/// Lets only allowed requests pass.
async fn admitted(State(dev): State<Dev>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if headers.contains_key(WEBHOOK_HEADER) {
        return Problem::forbidden("/dev/* answers no webhook of a campaign; call something else")
            .into_response();
    }
    if dev.admin_key.as_ref().is_some_and(|key| key.is_in(headers)) {
        return next.run(request).await;
    }
    if !dev.local {
        return Problem::unauthorized(
            "from outside this machine /dev/* needs the admin key: send it as `Authorization: \
             Bearer KEY`",
        )
        .into_response();
    }
    match asked_from_elsewhere(request.uri(), headers) {
        None => next.run(request).await,
        Some(why) => Problem::forbidden(format!(
            "{why}; without the admin key /dev/* answers only what this machine asks it by its own \
             name"
        ))
        .into_response(),
    }
}

/// Why a request may come from a page that a browser shows, and not from the user of this machine.
fn asked_from_elsewhere(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let text = |name: header::HeaderName| {
        headers.get(name).map(|value| value.to_str().unwrap_or("?").to_owned())
    };
    if headers.get_all(header::HOST).iter().count() > 1 {
        return Some("the request names more than one host".to_owned());
    }
    // A request to a proxy names its host before the path; that one counts (RFC 9112).
    let named = uri.authority().map(|named| named.as_str());
    if let Some(named) = named.filter(|named| !is_this_machine(named)) {
        return Some(format!("the request is for the host {named:?}"));
    }
    let host = text(header::HOST);
    if let Some(host) = host.as_deref().filter(|host| !is_this_machine(host)) {
        return Some(format!("the request is for the host {host:?}"));
    }
    let origin = text(header::ORIGIN)?;
    let own = host.is_some_and(|host| origin.eq_ignore_ascii_case(&format!("http://{host}")));
    (!own).then(|| format!("the request comes from a page of {origin:?}"))
}

/// Whether a `Host` is a name of this machine that no one else can assign.
fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<axum::http::uri::Authority>() else { return false };
    // After a user name any host could follow.
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host().trim_matches(['[', ']']);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// While the clock stands still, what was posted before a campaign is published, paused or resumed
/// has the same instant. It is processed first, so that the order is kept.
async fn settled_before_milestones(
    State(dev): State<Dev>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let milestone = ["/publish", "/pause", "/resume"].iter().any(|end| path.ends_with(end));
    if request.method() == Method::POST && milestone {
        dev.worker.idle().await;
    }
    next.run(request).await
}

async fn clock(State(dev): State<Dev>) -> Json<Value> {
    Json(json!({ "now": instant_json(dev.clock.now()) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    advance: Option<Span>,
    to: Option<Instant>,
}

/// How the clock is moved.
const MOVES: &str = "send either {\"advance\": \"1 hour\"} or {\"to\": \"2026-12-01T13:00:00Z\"}";

async fn move_clock(State(dev): State<Dev>, body: String) -> Response {
    let refused =
        |path: &str, code: &str, why: String| Problem::invalid_at(path, code, why).into_response();
    let wanted: Move = match serde_json::from_str(&body) {
        Ok(wanted) => wanted,
        Err(error) => {
            let why = format!("{body:?} cannot be read ({error}); {MOVES}");
            return refused("", "value", why);
        }
    };
    let now = dev.clock.now();
    let last = last_instant();
    let (path, to) = match (wanted.advance, wanted.to) {
        (Some(span), None) => {
            let to = span.after(now, Zone::UTC);
            // An instant beyond the calendar is refused.
            let to = if to == now && !span.is_zero() { Instant::MAX_UTC } else { to };
            ("advance", to)
        }
        (None, Some(to)) => ("to", to),
        (None, None) | (Some(_), Some(_)) => return refused("", "required", MOVES.to_owned()),
    };
    if to > last {
        return refused(path, "out_of_range", format!("the clock goes to {last} at most"));
    }
    if to < now {
        let why = format!("the clock never falls; it is {now} now, so name a later instant");
        return refused(path, "out_of_range", why);
    }
    let fired = dev.worker.advance(to).await;
    Json(json!({ "now": instant_json(dev.clock.now()), "timers_fired": fired })).into_response()
}

async fn idle(State(dev): State<Dev>) -> Json<Value> {
    dev.worker.idle().await;
    Json(json!({ "now": instant_json(dev.clock.now()) }))
}

#[derive(Deserialize)]
struct Paging {
    limit: Option<usize>,
    cursor: Option<Cursor>,
}

/// Every captured message, oldest first.
async fn messages(State(dev): State<Dev>, Query(paging): Query<Paging>) -> Response {
    match captured(&dev.platform, paging).await {
        Ok(page) => Json(page).into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}

async fn captured(platform: &Platform, paging: Paging) -> Result<Value, Error> {
    #[derive(Deserialize)]
    struct Pointer {
        pk: String,
        sk: String,
    }
    let partition = platform.store.keys.captured();
    let all = paging.limit.is_none();
    let mut cursor = paging.cursor;
    let mut items = Vec::new();
    loop {
        let query = TableQuery::of(&partition).limit(paging.limit.unwrap_or(1_000)).after(cursor);
        let page = platform.store.table.query(query).await?;
        for item in &page.items {
            let Pointer { pk, sk } = item.body.read()?;
            let key = Key::new(pk, sk);
            let message: Option<MessageRecord> = platform.messages.get(&key).await?;
            if let Some(message) = message {
                let mut shown = message_json(platform, message).await?;
                // A test mail goes to no contact.
                shown["contact_id"] = json!(contact_in(&key));
                items.push(shown);
            }
        }
        cursor = page.cursor;
        if cursor.is_none() || !all {
            return Ok(json!({ "items": items, "next_cursor": cursor }));
        }
    }
}

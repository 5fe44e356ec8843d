//! What arrived at a connection, for the user who set it up: what came, what was made of it, or
//! why not; and doing it again.

use std::sync::Arc;

use axum::extract::State;

use crate::api::Api;
use crate::api::call::extract::{Path, Query};
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::lists::{Filling, Listed, Page, Paging, foreign_cursor};
use crate::api::call::problem::Problem;
use crate::api::call::surface::{Surface, calls};
use crate::api::connections::body::parts_of;
use crate::api::connections::calls::{named, no_such};
use crate::api::connections::incoming::Working;
use crate::api::connections::shapes::{CallShape, OpenCallShape};
use crate::connections::{CallPlace, Connections};
use crate::error::Error;
use crate::table::TableError;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, list, get, replay)
}

fn no_such_call(id: &str) -> Problem {
    Problem::not_found(format!(
        "there is no received call `{id}`: it was kept for 14 days, or erased with a person, or \
         has never been"
    ))
}

/// What came in through a connection in the last 14 days, newest first, each without its body and
/// with the first five of its `errors`. A page may have fewer than `limit` before the last.
#[utoipa::path(get, path = "/v1/connections/{id}/calls", tag = "Connections",
    params(("id" = String, Path, description = "The connection's id"), Paging),
    responses((status = 200, body = Page<CallShape>), (status = 404, body = Problem)))]
async fn list(
    State(connections): State<Arc<Connections>>,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Listed<CallShape>, Problem> {
    let (limit, id) = (paging.limit()?, named(&connections, &id).await?);
    let page = match connections.calls(&id, limit, paging.cursor()).await {
        Ok(page) => page,
        Err(Error::Table(TableError::Invalid(_))) => return Err(foreign_cursor()),
        Err(error) => return Err(error.into()),
    };
    // What came through one that was deleted is still there for a while.
    if page.items.is_empty() && page.cursor.is_none() && connections.get(&id).await?.is_none() {
        return Err(no_such(&connections, id.as_str()).await);
    }
    // What is told of a call is bounded: an answer holds a page of them.
    let mut listed = Filling::of(limit);
    for (id, call) in &page.items {
        listed.put(&CallShape::of(id, call).in_short())?;
    }
    Ok(listed.until(page.cursor.as_ref())?)
}

/// A received call with its body.
#[utoipa::path(get, path = "/v1/connections/{id}/calls/{call}", tag = "Connections",
    params(("id" = String, Path, description = "The connection's id"),
        ("call" = String, Path, description = "The received call's id")),
    responses((status = 200, body = OpenCallShape), (status = 404, body = Problem)))]
async fn get(
    State(connections): State<Arc<Connections>>,
    Path((id, call)): Path<(String, String)>,
) -> Result<axum::Json<OpenCallShape>, Problem> {
    let id = named(&connections, &id).await?;
    let at = CallPlace { connection: &id, id: &call };
    let found = connections.call(at).await?.ok_or_else(|| no_such_call(&call))?;
    let body = if found.what.whole { connections.body(at).await? } else { None };
    Ok(axum::Json(CallShape::of(&call, &found.what).with_body(body)))
}

/// Does a received call again, as the connection is now: after its map was mended. What was written
/// before is written again, as it is in the call.
#[utoipa::path(
    post, path = "/v1/connections/{id}/calls/{call}/replay", tag = "Connections",
    params(
        ("id" = String, Path, description = "The connection's id"),
        ("call" = String, Path, description = "The received call's id"),
    ),
    responses(
        (status = 200, body = CallShape), (status = 404, body = Problem),
        (status = 409, body = Problem),
    ),
)]
async fn replay(
    State(api): State<Api>,
    once: Once,
    Path((id, call)): Path<(String, String)>,
) -> Result<Answer, Problem> {
    // Its answer may quote what a person wrote, so it is not kept: a repeat shows the call as it is
    // then.
    once.shows_anew();
    let platform = api.platform.at_work();
    let connections = &platform.connections;
    let id = named(connections, &id).await?;
    let at = CallPlace { connection: &id, id: &call };
    if once.is_repeated() {
        let found = connections.call(at).await?.ok_or_else(|| no_such_call(&call))?;
        return Answer::ok(&CallShape::of(&call, &found.what));
    }
    let connection = connections.get(&id).await?;
    let connection = connection.ok_or_else(|| {
        Problem::not_found(format!(
            "there is no connection `{id}`; set it up again to replay its calls"
        ))
    })?;
    let mut found = connections.call(at).await?.ok_or_else(|| no_such_call(&call))?;
    let body = if found.what.whole { connections.body(at).await? } else { None };
    let body = body.ok_or_else(|| {
        Problem::conflict(
            "the body of this call is not kept, because it was refused; have the \
                           tool send it again",
        )
    })?;
    found.what.replayed = Some(platform.store.now());
    let parts = parts_of(found.what.media.as_deref());
    let working =
        Working { platform: &platform, connection: &connection.what, at, is_continued: false };
    working.work(found, &parts, &body.bytes()).await?;
    let found = connections.call(at).await?.ok_or_else(|| no_such_call(&call))?;
    Answer::ok(&CallShape::of(&call, &found.what))
}

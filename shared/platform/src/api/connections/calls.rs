//! Connections are set up, shown, rotated and deleted.
//!
//! A secret is taken and never shown. The URL is shown to whoever may change it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use dacapo_engine::campaign::format::{FieldDefinition, ObjectDefinition};
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::ids::{ConnectionId, FieldKey, ObjectType};

use crate::Instant;
use crate::api::call::auth::{Holder, Scope};
use crate::api::call::extract::{Json, Path, Query};
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::lists::{Listed, Page, Paging, filled};
use crate::api::call::problem::Problem;
use crate::api::call::surface::{Surface, calls};
use crate::api::connections::asked::{BOOKING, RequestedConnection, WrittenConnection};
use crate::api::connections::shapes::{ConnectionShape, connection_id};
use crate::catalog::{CatalogStore, Loaded};
use crate::connections::{Connection, Connections, OVERLAP, ReplacedSecret, Unchanged};

/// The prefix of a cursor of the list.
const LISTED: &str = "connections";

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, list, put, get, delete, rotate)
}

/// Says that there is no such connection, and which there are.
pub(super) async fn no_such(connections: &Connections, id: &str) -> Problem {
    match connections.list().await {
        Ok(there) => {
            let remedy = remedy(id, there.iter().map(|one| one.id.as_str()));
            Problem::not_found(format!("there is no connection `{id}`; {remedy}"))
        }
        Err(error) => error.into(),
    }
}

/// The id that a path names, if it can be one.
pub(super) async fn named(connections: &Connections, id: &str) -> Result<ConnectionId, Problem> {
    match connection_id(id) {
        Some(id) => Ok(id),
        None => Err(no_such(connections, id).await),
    }
}

/// How a connection is shown to a caller.
fn shown(connections: &Connections, connection: &Connection, holder: &Holder) -> ConnectionShape {
    let url = holder.may(Scope::Admin).then_some(connections.public_url.as_str());
    ConnectionShape::of(connection, url, connections.store.now())
}

/// The connections.
#[utoipa::path(get, path = "/v1/connections", tag = "Connections", params(Paging),
    responses((status = 200, body = Page<ConnectionShape>)))]
async fn list(
    State(connections): State<Arc<Connections>>,
    holder: Holder,
    Query(paging): Query<Paging>,
) -> Result<Listed<ConnectionShape>, Problem> {
    let begin = (paging.limit()?, paging.after(LISTED)?);
    let all = connections.list().await?;
    let items = all.iter().map(|one| (one.id.to_string(), shown(&connections, one, &holder)));
    filled(begin, LISTED, items)
}

/// A connection.
#[utoipa::path(get, path = "/v1/connections/{id}", tag = "Connections",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = ConnectionShape), (status = 404, body = Problem)))]
async fn get(
    State(connections): State<Arc<Connections>>,
    holder: Holder,
    Path(id): Path<String>,
) -> Result<axum::Json<ConnectionShape>, Problem> {
    match connections.get(&named(&connections, &id).await?).await? {
        Some(found) => Ok(axum::Json(shown(&connections, &found.what, &holder))),
        None => Err(no_such(&connections, &id).await),
    }
}

/// Makes a connection, or changes one: its URL stays, and its secret unless one is sent. For
/// `calendly` and `calcom` the type of its objects is made too, or gets the fields that it lacks.
#[utoipa::path(put, path = "/v1/connections/{id}", tag = "Connections",
    request_body = WrittenConnection,
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = ConnectionShape), (status = 201, body = ConnectionShape),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn put(
    State(connections): State<Arc<Connections>>,
    State(catalog): State<Arc<CatalogStore>>,
    holder: Holder,
    Path(id): Path<String>,
    Json(sent): Json<WrittenConnection>,
) -> Result<Answer, Problem> {
    let id = ConnectionId::new(&*id).map_err(|why| Problem::invalid_at("id", "id", why))?;
    if id.as_str().chars().all(|c| c == '.') {
        let message =
            format!("`{id}` means a folder in a URL; choose another id, with a letter or a digit");
        return Err(Problem::invalid_at("id", "id", message));
    }
    let loaded = catalog.current().await?;
    if loaded.catalog.erased_by.is_some() {
        return Err(Problem::conflict("the account is being erased; nothing new is taken in"));
    }
    // Everything is looked at before a type is made for it.
    let before = connections.get(&id).await?.map(|found| found.what);
    let asked =
        RequestedConnection { id: &id, sent: &sent, before: before.as_ref(), loaded: &loaded };
    declare_bookings(&catalog, &loaded, &asked.read()?).await?;
    let now = connections.store.now();
    let change = |before: Option<&Connection>| {
        let asked = RequestedConnection { id: &id, sent: &sent, before, loaded: &loaded };
        let token = before.map_or_else(String::new, |before| before.token.clone());
        let created_at = before.map_or(now, |before| before.created_at);
        let read = asked.read()?;
        let secret_before = before.and_then(|before| secret_before(before, &read, now));
        let before = before.and_then(|before| before.before.clone());
        Ok::<_, Problem>(Connection { token, before, secret_before, created_at, ..read })
    };
    let (connection, is_new) = connections.put(&id, change).await.map_err(|why| match why {
        Unchanged::Refused(problem) => problem,
        Unchanged::Full => Problem::conflict(why.to_string()),
        Unchanged::Failed(error) => error.into(),
    })?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Answer::new(status, &shown(&connections, &connection, &holder))
}

/// The secret that still works beside the one that is written: the one that it replaces.
fn secret_before(
    before: &Connection,
    written: &Connection,
    now: Instant,
) -> Option<ReplacedSecret> {
    match &before.secret {
        _ if before.kind != written.kind => None,
        Some(secret) if written.secret.as_ref() != Some(secret) => {
            Some(ReplacedSecret { secret: secret.clone(), until: now + OVERLAP })
        }
        _ => before.secret_before.clone(),
    }
}

/// Makes the type of a booking tool's objects, or adds the fields that it lacks. Fields that are
/// there stay as they are.
async fn declare_bookings(
    catalog: &CatalogStore,
    loaded: &Loaded,
    connection: &Connection,
) -> Result<(), Problem> {
    let kind = connection.object.as_deref().filter(|_| connection.kind.is_signed());
    let Some(kind) = kind.and_then(|kind| ObjectType::new(kind).ok()) else { return Ok(()) };
    let lacking = |there: Option<&ObjectDefinition>| -> BTreeMap<FieldKey, FieldDefinition> {
        let lacks = |key: &FieldKey| there.is_none_or(|there| !there.fields.contains_key(key));
        let fields = BOOKING.into_iter().filter_map(|(key, kind)| {
            Some((FieldKey::new(key).ok()?, FieldDefinition { kind, label: None }))
        });
        fields.filter(|(key, _)| lacks(key)).collect_compactly()
    };
    if lacking(loaded.catalog.objects.get(&kind)).is_empty() {
        return Ok(());
    }
    catalog
        .change(|catalog| {
            let fields = lacking(catalog.objects.get(&kind));
            let wanted = ObjectDefinition { fields, ..ObjectDefinition::default() };
            catalog.declare_object(&kind, &wanted)?;
            Ok::<_, Problem>(((), Vec::new()))
        })
        .await
}

/// Deletes a connection: its URLs lead nowhere from now on. What came in goes after its 14 days.
#[utoipa::path(delete, path = "/v1/connections/{id}", tag = "Connections",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 204), (status = 404, body = Problem)))]
async fn delete(
    State(connections): State<Arc<Connections>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    match connections.delete(&named(&connections, &id).await?).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_such(&connections, &id).await),
    }
}

/// Gives a connection a new URL. The one that it has works for seven days more, so that the tool
/// can be changed meanwhile; one before that works no more.
#[utoipa::path(post, path = "/v1/connections/{id}/rotate", tag = "Connections",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = ConnectionShape), (status = 404, body = Problem)))]
async fn rotate(
    State(connections): State<Arc<Connections>>,
    holder: Holder,
    once: Once,
    Path(id): Path<String>,
) -> Result<Answer, Problem> {
    let id = named(&connections, &id).await?;
    let token = once.secret(&*connections.store.entropy);
    let answer = |connection: &Connection| {
        let shape = shown(&connections, connection, &holder);
        Answer::of(StatusCode::OK, &shape)
    };
    let kept = |connection: &Connection| once.keeps_without(&token, &answer(connection)?);
    let rotated = connections.rotate(&id, &token, &kept).await?;
    match rotated {
        Some(connection) => Ok(answer(&connection)?),
        None => Err(no_such(&connections, id.as_str()).await),
    }
}

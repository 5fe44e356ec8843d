//! Connections are set up, shown, rotated and deleted.
//!
//! A secret is taken and never shown. The URL is shown to whoever may change it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use dacapo_engine::campaign::format::{FieldDefinition, ObjectDefinition};
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::campaign::validate::taken_type;
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::field::{FieldType, quoted};
use dacapo_engine::ids::{ConnectionId, FieldKey, ObjectType, Tag};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::Instant;
use crate::api::call::auth::{Holder, Scope};
use crate::api::call::extract::{Json, Path, Query};
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::lists::{Listed, Page, Paging, filled};
use crate::api::call::problem::{Fault, Problem};
use crate::api::call::surface::{Surface, calls};
use crate::api::connections::shapes::{ConnectionShape, KindWord, ObjectWord, connection_id};
use crate::api::contacts::names::{MEMBERS, Meaning, meaning};
use crate::catalog::{CatalogStore, Loaded};
use crate::connections::{
    Connection, Connections, Kind, OBJECT, OVERLAP, ReplacedSecret, Target, Unchanged, is_pointer,
    is_well_formed, target,
};

/// The type of the objects of booking tools, unless said otherwise.
const APPOINTMENT: &str = "appointment";

/// What booking tools tell of a booking: fields of their type of objects.
const BOOKING: [(&str, FieldType); 8] = [
    ("starts_at", FieldType::Datetime),
    ("ends_at", FieldType::Datetime),
    ("title", FieldType::Text),
    ("place", FieldType::Text),
    ("status", FieldType::Text),
    ("reason", FieldType::Text),
    ("cancel_url", FieldType::Text),
    ("reschedule_url", FieldType::Text),
];

/// What a map gives an object beside its fields.
const OF_OBJECT: [&str; 2] = ["key", "replaces"];

/// The prefix of a cursor of the list.
const LISTED: &str = "connections";

/// Bounds of what is written.
const MOST_MAPPED: usize = 200;
const LONGEST_SOURCE: usize = 300;
const MOST_TAGS: usize = 20;
const SECRET: std::ops::RangeInclusive<usize> = 8..=512;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, list, put, get, delete, rotate)
}

/// What a connection is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WrittenConnection {
    /// Which tool it is for.
    kind: KindWord,
    /// What the tool signs with, 8 to 512 bytes: Calendly's signing key, Cal.com's secret. A form
    /// has none. Left out, it stays as it is.
    #[serde(default)]
    #[schema(nullable = false, write_only)]
    secret: Option<String>,
    /// From places in a body to members of a contact or an object: `{"/data/email": "email"}`.
    #[serde(default)]
    map: BTreeMap<String, String>,
    /// Tags that are assigned to everybody who books or posts.
    #[serde(default)]
    tags: Vec<String>,
    /// The type of the objects that it makes, or `false`: `appointment` for `calendly` and `calcom`
    /// unless said otherwise, and none for a form.
    #[serde(default)]
    #[schema(nullable = false)]
    object: Option<ObjectWord>,
}

fn no_such_connection(id: &str) -> Problem {
    Problem::not_found(format!(
        "there is no connection `{id}`; GET /v1/connections lists those there are"
    ))
}

pub(super) fn named(id: &str) -> Result<ConnectionId, Problem> {
    connection_id(id).ok_or_else(|| no_such_connection(id))
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
    let (limit, after) = (paging.limit()?, paging.after(LISTED)?);
    let all = connections.list().await?;
    let rest =
        all.iter().filter(|one| after.as_deref().is_none_or(|after| one.id.as_str() > after));
    let items = rest.map(|one| (one.id.to_string(), shown(&connections, one, &holder)));
    filled(limit, LISTED, items)
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
    let found = connections.get(&named(&id)?).await?.ok_or_else(|| no_such_connection(&id))?;
    Ok(axum::Json(shown(&connections, &found.what, &holder)))
}

/// Makes a connection, or changes one: its URL stays, and its secret unless one is sent. For
/// `calendly` and `calcom` the type of its objects is made too, or gets the fields that it lacks.
#[utoipa::path(put, path = "/v1/connections/{id}", tag = "Connections", request_body = WrittenConnection,
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
    let asked = Asked { id: &id, sent: &sent, before: before.as_ref(), loaded: &loaded };
    declare_bookings(&catalog, &loaded, &asked.read()?).await?;
    let now = connections.store.now();
    let change = |before: Option<&Connection>| {
        let asked = Asked { id: &id, sent: &sent, before, loaded: &loaded };
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
    match connections.delete(&named(&id)?).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_such_connection(&id)),
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
    let id = named(&id)?;
    let token = once.secret(&*connections.store.entropy);
    let answer = |connection: &Connection| {
        let shape = shown(&connections, connection, &holder);
        Answer::of(StatusCode::OK, &shape)
    };
    let kept = |connection: &Connection| once.keeps_without(&token, &answer(connection)?);
    let rotated = connections.rotate(&id, &token, &kept).await?;
    let connection = rotated.ok_or_else(|| no_such_connection(id.as_str()))?;
    Ok(answer(&connection)?)
}

/// A connection that is to be written.
struct Asked<'a> {
    id: &'a ConnectionId,
    sent: &'a WrittenConnection,
    before: Option<&'a Connection>,
    loaded: &'a Loaded,
}

impl Asked<'_> {
    /// The connection, without URL.
    fn read(&self) -> Result<Connection, Problem> {
        let mut faults = Vec::new();
        let kind = self.sent.kind.kind();
        let secret = self.secret(kind, &mut faults);
        let object = self.object(kind, &mut faults);
        let tags = self.tags(&mut faults);
        self.map(kind, object.as_deref(), &mut faults);
        self.type_of_form(kind, object.as_deref(), &mut faults);
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
        Ok(Connection {
            id: self.id.clone(),
            kind,
            secret,
            secret_before: None,
            map: self.sent.map.clone(),
            tags,
            object,
            token: String::new(),
            before: None,
            created_at: Instant::UNIX_EPOCH,
        })
    }

    fn secret(&self, kind: Kind, faults: &mut Vec<Fault>) -> Option<String> {
        let mut wrong = |code, message: &str| faults.push(Fault::new("secret", code, message));
        match (&self.sent.secret, kind.is_signed()) {
            (Some(_), false) => {
                wrong("secret", "a form is not signed, its URL is its secret; leave it out");
            }
            (Some(secret), true) if SECRET.contains(&secret.len()) => return Some(secret.clone()),
            (Some(_), true) => wrong("secret", "a secret has 8 to 512 bytes"),
            (None, false) => {}
            (None, true) => {
                let kept = self.before.filter(|before| before.kind == kind);
                let kept = kept.and_then(|before| before.secret.clone());
                if kept.is_none() {
                    wrong("required", "send what the tool signs with: docs/appointments.md");
                }
                return kept;
            }
        }
        None
    }

    fn object(&self, kind: Kind, faults: &mut Vec<Fault>) -> Option<String> {
        match &self.sent.object {
            None => kind.is_signed().then(|| APPOINTMENT.to_owned()),
            Some(ObjectWord::No(false)) => None,
            Some(ObjectWord::No(true)) => {
                let message = "true is no type; write a type such as \"appointment\", or false";
                faults.push(Fault::new("object", "object", message));
                None
            }
            Some(ObjectWord::Type(text)) => match ObjectType::new(text.as_str()) {
                Ok(kind) => {
                    let is_new = !self.loaded.catalog.objects.contains_key(&kind);
                    if let Some(taken) = taken_type(text).filter(|_| is_new) {
                        let message = format!(
                            "`{taken}` means something else in templates; choose another word"
                        );
                        faults.push(Fault::new("object", "reserved", message));
                    }
                    Some(text.clone())
                }
                Err(why) => {
                    let message = format!("`{text}` is no type: {why}");
                    faults.push(Fault::new("object", "object", message));
                    None
                }
            },
        }
    }

    /// Nobody can know what fields the objects of a form have: their type has to be there.
    fn type_of_form(&self, kind: Kind, object: Option<&str>, faults: &mut Vec<Fault>) {
        let types = &self.loaded.catalog.objects;
        if let Some(named) = object.filter(|_| kind == Kind::Form)
            && !types.contains_key(named)
        {
            let remedy = remedy(named, types.keys().map(ObjectType::as_str));
            let message = format!(
                "there is no type of objects `{named}`; {remedy}; PUT /v1/object-types/{named} makes it"
            );
            faults.push(Fault::new("object", "unknown_type", message));
        }
    }

    /// Whether objects of the type have such a field, or will have. A type that is not there is a
    /// fault of its own.
    fn field_of_object(&self, kind: Kind, object: &str, name: &str) -> Result<(), String> {
        let there = self.loaded.catalog.objects.get(object);
        let known = there.iter().flat_map(|there| there.fields.keys().map(FieldKey::as_str));
        let of_tools = BOOKING.iter().map(|(key, _)| *key).filter(|_| kind.is_signed());
        let known: Vec<&str> = known.chain(of_tools).chain(OF_OBJECT).collect();
        if known.contains(&name) || (there.is_none() && kind == Kind::Form) {
            return Ok(());
        }
        let remedy = remedy(name, known);
        Err(format!(
            "a {object} has no field `{name}`; {remedy}; PUT /v1/object-types/{object} adds a field"
        ))
    }

    fn tags(&self, faults: &mut Vec<Fault>) -> Vec<Tag> {
        let mut tags: Vec<Tag> = Vec::new();
        if self.sent.tags.len() > MOST_TAGS {
            let message = format!("a connection assigns at most {MOST_TAGS} tags");
            faults.push(Fault::new("tags", "too_many", message));
        }
        for (nth, text) in self.sent.tags.iter().enumerate() {
            match Tag::new(text) {
                Ok(tag) if tags.contains(&tag) => {}
                Ok(tag) => tags.push(tag),
                Err(why) => {
                    let message =
                        format!("{} is no tag: {why}", quoted(&Value::from(text.as_str())));
                    faults.push(Fault::new(format!("tags.{nth}"), "tag", message));
                }
            }
        }
        tags
    }

    fn map(&self, kind: Kind, object: Option<&str>, faults: &mut Vec<Fault>) {
        let map = &self.sent.map;
        if map.len() > MOST_MAPPED {
            let message = format!("a map has at most {MOST_MAPPED} entries");
            return faults.push(Fault::new("map", "too_many", message));
        }
        for (source, written) in map {
            let mut wrong = |code, message: String| {
                faults.push(Fault::new(format!("map.{source}"), code, message));
            };
            if source.is_empty()
                || source.len() > LONGEST_SOURCE
                || (is_pointer(source) && source == "/")
            {
                let message = "write the key of a form, or a JSON pointer such as /data/email";
                wrong("source", message.to_owned());
            } else if is_pointer(source) && !is_well_formed(source) {
                let message = format!(
                    "`{source}` is no JSON pointer: write `~0` for `~`, and `~1` for `/` within a name (RFC 6901)"
                );
                wrong("source", message);
            } else if source.starts_with(OBJECT) && kind == Kind::Form {
                let message = "a form has no booking to take that from; write a key or a pointer into the body";
                wrong("source", message.to_owned());
            }
            match target(written) {
                Target::Object("") => {
                    wrong("target", "name a field of the object: `object.starts_at`".to_owned());
                }
                Target::Object(name) => {
                    if let Some(object) = object {
                        if let Err(message) = self.field_of_object(kind, object, name) {
                            wrong("unknown_field", message);
                        }
                        continue;
                    }
                    let message = format!(
                        "`{written}` belongs to an object, and this connection makes none; set `object` to a type"
                    );
                    wrong("target", message);
                }
                Target::Contact(name) => {
                    if let Err(message) = self.member(name) {
                        wrong("unknown_field", message);
                    }
                }
            }
        }
        if kind == Kind::Form && !map.is_empty() {
            let mut needed = vec!["email"];
            needed.extend(object.map(|_| "object.key"));
            for needed in needed {
                if !map.values().any(|written| written == needed) {
                    let message = format!("a map needs an entry for `{needed}`");
                    faults.push(Fault::new("map", "required", message));
                }
            }
        } else if let Some(kind) = object.filter(|_| kind == Kind::Form) {
            let message = format!("a {kind} needs a key: map something to `object.key`");
            faults.push(Fault::new("map", "required", message));
        }
    }

    /// Whether a contact has such a member, or the account such a field.
    fn member(&self, name: &str) -> Result<(), String> {
        let fields = &self.loaded.catalog.fields;
        match meaning(name, fields).0 {
            Meaning::Member("suppressed" | "fields") => {
                Err(format!("`{name}` is not written by what comes in; leave it out"))
            }
            Meaning::Member(_) | Meaning::Field(_) => Ok(()),
            Meaning::ReadOnly | Meaning::Unknown => {
                let known =
                    MEMBERS.into_iter().filter(|name| !["suppressed", "fields"].contains(name));
                let known = known.chain(fields.keys().map(FieldKey::as_str));
                let remedy = remedy(name, known);
                Err(format!(
                    "a contact has no `{name}`; {remedy} PUT /v1/fields/{{key}} makes a field"
                ))
            }
        }
    }
}

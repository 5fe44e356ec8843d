//! Objects: written together with their contact, read, deleted (R70).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::Api;
use crate::api::call::auth::Holder;
use crate::api::call::extract::{Json, Path, Query};
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::lists::{Listed, Page, Paging, filled};
use crate::api::call::members::Members;
use crate::api::call::problem::{Fault, Problem};
use crate::api::call::shapes::{WantedTags, WrittenFieldJson};
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::calls::contact_named;
use crate::api::contacts::hooks::PostedContact;
use crate::api::contacts::object_names::{object_key, object_type};
use crate::api::contacts::reading::{Invalid, UnknownFields};
use crate::api::objects::shapes::{ObjectShape, WrittenObjectAnswer};
use crate::api::objects::writing::{ReadHow, SentAs, SentObject, Writing, no_contact, text};
use crate::catalog::CatalogStore;
use crate::contacts::Contacts;
use crate::objects::Objects;

/// The prefix of a cursor of the list.
const LISTED: &str = "objects";

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, get, put, delete, list)
}

/// An object as it is written. It describes: what is sent is read member by member, so that
/// everything that is wrong with it can be said.
#[derive(Debug, ToSchema)]
pub struct WrittenObject {
    /// Whose it is: written as a hook writes a contact, and made if there is none. Needed for a new
    /// object, unless `{"id": …}` names a contact; an object never changes its contact.
    #[schema(value_type = Option<PostedContact>)]
    pub contact: Option<Value>,
    /// All tags that the object is to have; or an object, in which `null` withdraws a tag.
    #[schema(value_type = Option<WantedTags>)]
    pub tags: Option<Value>,
    /// Fields of the type by key; `null` clears one. Those that are not sent stay as they are.
    #[schema(value_type = Option<std::collections::BTreeMap<String, WrittenFieldJson>>)]
    pub fields: Option<Value>,
    /// A custom event of the object (R7).
    pub event: Option<String>,
    /// The key whose place this one takes: its object goes on under the new key.
    pub replaces: Option<String>,
}

/// The members that can be written.
const MEMBERS: [&str; 5] = ["contact", "tags", "fields", "event", "replaces"];

/// Members that are in answers, and may be sent back.
const IN_ANSWERS: [&str; 7] =
    ["id", "type", "key", "contact_id", "rev", "created_at", "updated_at"];

/// An object, also by a key that was replaced.
#[utoipa::path(get, path = "/v1/objects/{type}/{key}", tag = "Objects",
    params(("type" = String, Path, description = "The type"),
        ("key" = String, Path, description = "The key, percent-encoded")),
    responses((status = 200, body = ObjectShape), (status = 404, body = Problem)))]
async fn get(
    State(catalog): State<Arc<CatalogStore>>,
    State(objects): State<Arc<Objects>>,
    Path((kind, key)): Path<(String, String)>,
) -> Result<axum::Json<ObjectShape>, Problem> {
    let loaded = catalog.current().await?;
    let (kind, _) = object_type(&loaded.catalog, &kind)?;
    let found = objects.find(kind, object_key("key", &key)?).await?;
    let found = found.ok_or_else(|| Problem::not_found(format!("there is no {kind} `{key}`")))?;
    Ok(axum::Json(ObjectShape::from(&found.object)))
}

/// Makes an object, or changes it, together with its contact: one call, one transaction.
#[utoipa::path(
    put, path = "/v1/objects/{type}/{key}", tag = "Objects",
    params(
        ("type" = String, Path, description = "The type"),
        (
            "key" = String, Path,
            description = "The key, percent-encoded: any text of at most 1,024 bytes",
        ),
    ),
    request_body = WrittenObject,
    responses(
        (status = 200, body = WrittenObjectAnswer), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem),
    ),
)]
async fn put(
    State(api): State<Api>,
    holder: Holder,
    once: Once,
    Path((kind, key)): Path<(String, String)>,
    Json(Members(mut sent)): Json<Members>,
) -> Result<Answer, Problem> {
    let mut faults = Vec::new();
    for (name, wanted) in [("type", &kind), ("key", &key)] {
        if sent.get(name).and_then(Value::as_str).is_some_and(|sent| sent != wanted) {
            let message = format!("the path says `{wanted}`; leave it out, or call that path");
            faults.push(Fault::new(name, "other_key", message));
        }
    }
    for name in sent.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
        if !IN_ANSWERS.contains(&name.as_str()) {
            let remedy = dacapo_engine::campaign::nearest::remedy(name, MEMBERS);
            let message = format!("an object has no `{name}`; fields go into `fields`; {remedy}");
            faults.push(Fault::new(name, "unknown_member", message));
        }
    }
    let replaces = text(&sent, "replaces").unwrap_or_else(|fault| {
        faults.push(fault);
        None
    });
    let contact = match sent.remove("contact") {
        None | Some(Value::Null) => None,
        Some(Value::Object(contact)) => Some(contact),
        Some(other) => {
            faults.push(no_contact(&other));
            None
        }
    };
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let sent = SentObject { key, replaces, contact, members: sent, ..SentObject::default() };
    let how = ReadHow {
        sent_as: SentAs::Whole,
        unknown_fields: UnknownFields::Refuse,
        invalid: Invalid::Refuse,
    };
    let loaded = api.platform.catalog.current().await?;
    Writing(&api.platform).write(&loaded, &kind, sent, how, &holder, &once).await
}

/// Deletes an object, with its keys and its enrollments. What was sent about it, and its history,
/// stay with the contact.
#[utoipa::path(delete, path = "/v1/objects/{type}/{key}", tag = "Objects",
    params(("type" = String, Path, description = "The type"),
        ("key" = String, Path, description = "The key, percent-encoded")),
    responses((status = 204), (status = 404, body = Problem)))]
async fn delete(
    State(catalog): State<Arc<CatalogStore>>,
    State(objects): State<Arc<Objects>>,
    Path((kind, key)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let loaded = catalog.current().await?;
    let (kind, _) = object_type(&loaded.catalog, &kind)?;
    match objects.delete(kind, object_key("key", &key)?).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found(format!("there is no {kind} `{key}`"))),
    }
}

/// Which objects.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct WhichObjects {
    /// Those of this type.
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// A contact's objects, by type, each type's in the order in which they were made.
#[utoipa::path(get, path = "/v1/contacts/{id}/objects", tag = "Objects",
    params(("id" = String, Path, description = "The id, or `email:ann@example.com`"), WhichObjects,
    Paging),
    responses((status = 200, body = Page<ObjectShape>), (status = 404, body = Problem)))]
async fn list(
    State(catalog): State<Arc<CatalogStore>>,
    State(contacts): State<Arc<Contacts>>,
    State(objects): State<Arc<Objects>>,
    Path(id): Path<String>,
    Query(which): Query<WhichObjects>,
    Query(paging): Query<Paging>,
) -> Result<Listed<ObjectShape>, Problem> {
    let begin = (paging.limit()?, paging.after(LISTED)?);
    let loaded = catalog.current().await?;
    let kind = match which.kind.as_deref() {
        Some(kind) => Some(object_type(&loaded.catalog, kind)?.0),
        None => None,
    };
    let contact = contact_named(&contacts, &id).await?;
    let all = objects.all_of_contact(&contact.id).await?;
    let wanted = all.iter().filter(|object| kind.is_none_or(|kind| object.kind() == Some(kind)));
    let shapes = wanted.map(|object| (object.id.to_string(), ObjectShape::from(object)));
    filled(begin, LISTED, shapes)
}

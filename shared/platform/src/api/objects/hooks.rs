//! The hook for objects: what Zapier, Make, or a form posts about an object and its contact, in one
//! flat list of names. Each post is one atomic change of both (R1, R70).

use axum::extract::{Request, State};
use dacapo_engine::text::letters;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::Api;
use crate::api::call::auth::Holder;
use crate::api::call::extract::{Path, Query};
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::problem::{Fault, Problem};
use crate::api::call::shapes::{SentList, WrittenFieldJson};
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::hooks::{Posted, posted};
use crate::api::contacts::object_names::object_type;
use crate::api::contacts::reading::{Invalid, UnknownFields};
use crate::api::objects::shapes::WrittenObjectAnswer;
use crate::api::objects::writing::{ReadHow, SentAs, SentObject, Writing, no_contact, text};
use crate::contact_json::ConsentWord;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, object)
}

/// What is posted about an object and its contact. Any other key is a field of the object's type.
/// It describes: what is posted is read member by member.
#[derive(Debug, ToSchema)]
pub struct PostedObject {
    /// The object's key, unique in account and type.
    pub key: String,
    /// The key whose place this one takes.
    pub replaces: Option<String>,
    /// Whose it is. Needed for a new object.
    pub email: Option<String>,
    /// The contact's first name.
    pub first_name: Option<String>,
    /// The contact's last name.
    pub last_name: Option<String>,
    /// Split into first and last name where those are not given.
    pub name: Option<String>,
    /// The contact's telephone number, as it is written.
    pub phone: Option<String>,
    /// The contact's zone: an IANA name, or another common name. Dates without an offset are read
    /// in it.
    pub time_zone: Option<String>,
    /// The contact's language, a BCP 47 tag.
    pub locale: Option<String>,
    /// The contact's consent.
    #[schema(value_type = Option<ConsentWord>)]
    pub consent: Option<String>,
    /// Takes an unsubscription back: the person asked for it.
    pub resubscribe: Option<bool>,
    /// Tags of the object to assign: a list, or a text with commas between.
    #[schema(value_type = Option<SentList>)]
    pub tags: Option<Vec<String>>,
    /// Tags of the object to withdraw, likewise.
    #[schema(value_type = Option<SentList>)]
    pub remove_tags: Option<Vec<String>>,
    /// Fields of the object by key. `null` clears; the empty text says nothing.
    #[schema(value_type = Option<std::collections::BTreeMap<String, WrittenFieldJson>>)]
    pub fields: Option<Value>,
    /// A custom event of the object.
    pub event: Option<String>,
    /// More about the contact, as the hook for contacts takes it; a form sends `contact.city` or
    /// `contact[city]`.
    #[schema(value_type = Option<crate::api::contacts::hooks::PostedContact>)]
    pub contact: Option<Value>,
}

/// Names that are about the object, whatever fields its type has.
const OF_OBJECT: [&str; 5] = ["tags", "remove_tags", "fields", "event", "replaces"];

/// Names that are about the contact, unless the type has a field of the name.
const OF_CONTACT: [&str; 9] = [
    "email",
    "first_name",
    "last_name",
    "name",
    "phone",
    "time_zone",
    "locale",
    "consent",
    "resubscribe",
];

/// How to read the post.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct HowToReadObject {
    /// What is done about fields that the type, or the account, does not have: they are refused
    /// unless this says otherwise.
    #[param(inline)]
    #[serde(default)]
    unknown_fields: UnknownFields,
    /// What is done about values that cannot be read: nothing is written unless this says
    /// otherwise.
    #[param(inline)]
    #[serde(default)]
    invalid: Invalid,
}

/// Makes or changes an object and its contact, as one change of each.
#[utoipa::path(
    post, path = "/v1/hooks/object/{type}", tag = "Hooks",
    params(("type" = String, Path, description = "The type"), HowToReadObject),
    request_body(
        content(
            (PostedObject = "application/json"),
            (PostedObject = "application/x-www-form-urlencoded"),
        ),
    ),
    responses(
        (status = 200, body = WrittenObjectAnswer), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 410, body = Problem), (status = 422, body = Problem),
    ),
)]
async fn object(
    State(api): State<Api>,
    (holder, once): (Holder, Once),
    Path(kind): Path<String>,
    Query(how): Query<HowToReadObject>,
    request: Request,
) -> Result<Answer, Problem> {
    let Posted { members, twice } = posted(request).await?;
    if !twice.is_empty() {
        return Err(Problem::invalid(twice));
    }
    let loaded = api.platform.catalog.current().await?;
    let (_, definition) = object_type(&loaded.catalog, &kind)?;
    let is_field = |name: &str| definition.fields.contains_key(name);
    let sent = sorted(&members, &is_field)?;
    let HowToReadObject { unknown_fields, invalid } = how;
    let how = ReadHow { sent_as: SentAs::Post, unknown_fields, invalid };
    Writing(&api.platform).write(&loaded, &kind, sent, how, &holder, &once).await
}

/// Sorts what was posted: about the object, or about the contact.
fn sorted(
    members: &Map<String, Value>,
    is_field: &dyn Fn(&str) -> bool,
) -> Result<SentObject, Problem> {
    let mut faults = Vec::new();
    let mut sent = SentObject::default();
    let mut contact = Map::new();
    let mut key = None;
    for (name, value) in members {
        let plain = name.trim();
        let inner = plain
            .strip_prefix("contact[")
            .and_then(|inner| inner.strip_suffix(']'))
            .or_else(|| plain.strip_prefix("contact."));
        let resembles = |names: &[&'static str]| {
            let wanted = letters(plain);
            names.iter().find(|name| letters(name) == wanted).copied()
        };
        if let Some(inner) = inner {
            contact.insert(inner.to_owned(), value.clone());
        } else if is_field(plain) {
            sent.flat.insert(plain.to_owned(), value.clone());
        } else if plain == "contact" {
            match value {
                Value::Object(inner) => contact.extend(inner.clone()),
                Value::Null => {}
                other => faults.push(no_contact(other)),
            }
        } else if let Some("key") = resembles(&["key"]) {
            match text(members, name) {
                Ok(text) => key = text.filter(|text| !text.trim().is_empty()).or(key),
                Err(fault) => faults.push(fault),
            }
        } else if let Some(member) = resembles(&OF_OBJECT) {
            sent.members.insert(member.to_owned(), value.clone());
        } else if let Some(member) = resembles(&OF_CONTACT) {
            if !value.as_str().is_some_and(|text| text.trim().is_empty()) {
                contact.entry(member).or_insert_with(|| value.clone());
            }
        } else {
            sent.flat.insert(plain.to_owned(), value.clone());
        }
    }
    match key {
        Some(key) => sent.key = key.trim().to_owned(),
        None => {
            let message = "send the object's key: what identifies it where it comes from";
            faults.push(Fault::new("key", "required", message));
        }
    }
    match text(&sent.members, "replaces") {
        Ok(replaces) => {
            sent.replaces = replaces.map(|text| text.trim().to_owned()).filter(|it| !it.is_empty());
        }
        Err(fault) => faults.push(fault),
    }
    if !contact.is_empty() {
        sent.contact = Some(contact);
    }
    if faults.is_empty() { Ok(sent) } else { Err(Problem::invalid(faults)) }
}

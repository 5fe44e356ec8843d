//! The hooks: what Zapier, Make, or any form posts to. Each post is one atomic change (R1).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use dacapo_engine::campaign::format::FieldDefinition;
use dacapo_engine::contact::Contact;
use dacapo_engine::field::{FieldType, quoted};
use dacapo_engine::ids::FieldKey;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::call::auth::{Holder, Scope, Working};
use crate::api::call::charset;
use crate::api::call::extract::{Query, is_json, json, media_type, whole};
use crate::api::call::idempotency::{Answer, Once};
use crate::api::call::members::Members;
use crate::api::call::problem::{Fault, Problem, first_faults};
use crate::api::call::shapes::{SentList, WrittenFieldJson};
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::changes::Changed;
use crate::api::contacts::names::{self, Meaning};
use crate::api::contacts::reading::{How, Invalid, Read, Reader, UnknownFields};
use crate::api::contacts::resubscribing::Resubscribing;
use crate::api::contacts::skipping;
use crate::api::contacts::sorting::{Manner, Sorted};
use crate::catalog::{CatalogStore, Loaded};
use crate::contact_json::ConsentWord;
use crate::contacts::{Contacts, Written};
use crate::error::Error;
use crate::handlers::Traces;
use crate::table::Write;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, contact)
}

/// What is posted about a contact. Any other key is a custom field. It describes: what is posted is
/// read member by member, so that everything that is wrong with it can be said.
#[derive(Debug, ToSchema)]
pub struct PostedContact {
    /// Who it is about.
    pub email: String,
    /// The first name.
    pub first_name: Option<String>,
    /// The last name.
    pub last_name: Option<String>,
    /// Split into first and last name where those are not given.
    pub name: Option<String>,
    /// The telephone number, as it is written.
    pub phone: Option<String>,
    /// An IANA name, or another common name of a zone. Dates without an offset are read in it.
    pub time_zone: Option<String>,
    /// A BCP 47 tag.
    pub locale: Option<String>,
    /// Tags to assign: a list, or a text with commas between.
    #[schema(value_type = Option<SentList>)]
    pub tags: Option<Vec<String>>,
    /// Tags to withdraw, likewise.
    #[schema(value_type = Option<SentList>)]
    pub remove_tags: Option<Vec<String>>,
    /// Custom fields by key. `null` clears; the empty text says nothing.
    #[schema(value_type = Option<BTreeMap<String, WrittenFieldJson>>)]
    pub fields: Option<BTreeMap<String, Value>>,
    /// Fields that are to have no value from now on: a list, or a text with commas between.
    #[schema(value_type = Option<SentList>)]
    pub clear: Option<Vec<String>>,
    /// `subscribed`, `unsubscribed` or `none`; the account's default for a new contact.
    #[schema(value_type = Option<ConsentWord>)]
    pub consent: Option<String>,
    /// Takes an unsubscription back: the person asked for it.
    pub resubscribe: Option<bool>,
}

/// What the post did.
#[derive(Debug, Serialize, ToSchema)]
struct PostAnswer {
    contact_id: String,
    /// Whether the contact is new.
    created: bool,
    /// The number of changes of the contact so far.
    rev: u64,
    changed: Changed,
    /// What was written otherwise than it was sent, or may not be what was meant: the first
    /// hundred.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "first_faults")]
    warnings: Vec<Fault>,
    /// What was left out because it could not be read: only with `invalid=skip`, and the first
    /// hundred.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "first_faults")]
    skipped: Vec<Fault>,
}

/// How to read the post.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct HowToRead {
    /// What is done about fields that the account does not have: they are refused unless this says
    /// otherwise.
    #[param(inline)]
    #[serde(default)]
    unknown_fields: UnknownFields,
    /// What is done about values that cannot be read: nothing is written unless this says
    /// otherwise.
    #[param(inline)]
    #[serde(default)]
    invalid: Invalid,
}

/// Creates or changes the contact with an address, as one change.
#[utoipa::path(
    post, path = "/v1/hooks/contact", tag = "Hooks",
    params(HowToRead),
    request_body(
        content(
            (PostedContact = "application/json"),
            (PostedContact = "application/x-www-form-urlencoded"),
        ),
    ),
    responses(
        (status = 200, body = PostAnswer), (status = 403, body = Problem),
        (status = 409, body = Problem), (status = 410, body = Problem),
        (status = 422, body = Problem),
    ),
)]
async fn contact(
    State(catalog): State<Arc<CatalogStore>>,
    (State(contacts), State(traces)): (State<Arc<Contacts>>, State<Arc<Traces>>),
    holder: Holder,
    once: Once,
    Extension(working): Extension<Working>,
    Query(how): Query<HowToRead>,
    request: Request,
) -> Result<Answer, Problem> {
    if how.unknown_fields == UnknownFields::Create && !holder.may(Scope::Write) {
        return Err(Problem::forbidden(
            "making fields needs a key with the scope write; make them with PUT /v1/fields/{key}, \
             or post with ?unknown_fields=ignore",
        ));
    }
    let Posted { members: mut sent, twice } = posted(request).await?;
    let resubscribing = Resubscribing::taken(&mut sent)?.by(&holder);
    let loaded = working.catalog.current().await?;
    let twice = left_out(&mut sent, twice, how.invalid, &loaded)?;
    let how =
        How { manner: Manner::Hook, unknown_fields: how.unknown_fields, invalid: how.invalid };
    let read = |loaded: &Loaded, before: Option<&Contact>| -> Result<Read, Problem> {
        let mut read = Reader::new(loaded, before, how).read(&sent)?;
        resubscribing.put_into(&mut read.patch)?;
        read.skipped.extend(twice.iter().cloned());
        Ok(read)
    };
    let by = holder.author();
    let answer = |written: &Written, read: &Read| {
        let says = |skipped: Vec<Fault>, doubtful: Vec<Fault>| PostAnswer {
            contact_id: written.contact.id.to_string(),
            created: written.created,
            rev: written.contact.rev,
            changed: written.change.as_ref().into(),
            warnings: resubscribing
                .told(&read.patch, written)
                .into_iter()
                .chain(doubtful)
                .collect(),
            skipped,
        };
        let kept = |told: &[Fault]| told.iter().map(Fault::without_words).collect();
        let kept = says(kept(&read.skipped), kept(&read.doubtful));
        let says = says(read.skipped.clone(), read.doubtful.clone());
        Answer::about(StatusCode::OK, &written.contact.id, &says, &kept)
    };
    let together = |written: &Written, read: &Read| -> Result<Vec<Write>, Error> {
        let mut writes = once.keeps(&answer(written, read)?)?;
        writes.extend(skipping::line(&working.store, written, &by, &read.skipped)?);
        Ok(writes)
    };
    let address = Sorted::of(&sent, &loaded.catalog.fields, Manner::Hook).address();
    // Usually the contact has not changed since. If it has, everything is read once more: dates are
    // read in the contact's zone, and the body may have taken long to arrive.
    if let Some(address) = &address
        && let Some(eventual) = working.contacts.get_eventual(address).await?
        && let Ok(read) = read(&loaded, Some(&eventual))
        && read.new_fields.is_empty()
        && let Some(written) = {
            let together = |written: &Written| together(written, &read);
            working.contacts.change_eventual(address, eventual, &read.patch, &by, &together).await?
        }
    {
        return Ok(answer(&written, &read)?);
    }
    let loaded = catalog.current().await?;
    let before = match &address {
        Some(address) => match contacts.id_of(address).await? {
            Some(id) => contacts.get(&id).await?,
            None => None,
        },
        None => None,
    };
    let read = read(&loaded, before.as_ref())?;
    let email = read.email.as_deref().unwrap_or_default();
    if !read.new_fields.is_empty() {
        create_fields(&catalog, &read.new_fields).await?;
    }
    let together = |written: &Written| together(written, &read);
    let written = contacts.upsert(email, &read.patch, &by, &together).await?;
    if written.change.is_none() {
        traces.nothing_changed(&written.contact, &read.patch, &by).await;
    }
    Ok(answer(&written, &read)?)
}

/// Creates fields that do not exist yet.
pub(in crate::api) async fn create_fields(
    catalog: &CatalogStore,
    new: &BTreeMap<FieldKey, FieldType>,
) -> Result<(), Problem> {
    catalog
        .change(|catalog| {
            for (key, kind) in new {
                let field = FieldDefinition { kind: *kind, label: None };
                let there = catalog
                    .declare(key, field)
                    .map_err(|full| Problem::invalid_at("fields", "too_many", full))?;
                if there != *kind {
                    return Err(Problem::not_now("a field was made at the same time; try again"));
                }
            }
            Ok(((), Vec::new()))
        })
        .await
}

/// What was posted.
pub(in crate::api) struct Posted {
    pub(in crate::api) members: Map<String, Value>,
    /// Names that a form sends twice, with different values.
    pub(in crate::api) twice: Vec<Fault>,
}

/// Removes what was sent twice, if values may be left out: never the address and the consent.
fn left_out(
    sent: &mut Map<String, Value>,
    twice: Vec<Fault>,
    invalid: Invalid,
    loaded: &Loaded,
) -> Result<Vec<Fault>, Problem> {
    let means = |fault: &Fault| names::meaning(&fault.path, &loaded.catalog.fields).0;
    let needed = |fault: &Fault| matches!(means(fault), Meaning::Member("email" | "consent"));
    if !twice.is_empty() && (invalid == Invalid::Refuse || twice.iter().any(needed)) {
        return Err(Problem::invalid(twice));
    }
    for fault in &twice {
        match fault.path.strip_prefix("fields.") {
            Some(key) => {
                let fields = sent.get_mut("fields").and_then(Value::as_object_mut);
                fields.and_then(|fields| fields.remove(key));
            }
            None => {
                sent.remove(&fault.path);
            }
        }
    }
    Ok(twice)
}

/// What was posted, as members: JSON or a form.
pub(in crate::api) async fn posted(request: Request) -> Result<Posted, Problem> {
    let (parts, body) = request.into_parts();
    if is_json(&parts) {
        let body = whole(&parts, body).await?;
        let Members(members) = json(&parts, &body)?;
        return Ok(Posted { members, twice: Vec::new() });
    }
    if media_type(&parts).as_deref() != Some("application/x-www-form-urlencoded") {
        let detail = "send application/json or application/x-www-form-urlencoded";
        return Err(Problem::media_type(detail));
    }
    let body = whole(&parts, body).await?;
    if body.trim_ascii_start().starts_with(b"{") {
        let detail =
            "the body is JSON, and is said to be a form; send `Content-Type: application/json`";
        return Err(Problem::media_type(detail));
    }
    Ok(form(charset::form(&parts, &body)?))
}

/// The members of a form. `fields[key]` and `fields.key` are custom fields; tags may be repeated,
/// with `[]` or not.
fn form(pairs: Vec<(String, String)>) -> Posted {
    let mut members = Map::new();
    let mut fields = Map::new();
    let mut twice = Vec::new();
    let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in pairs {
        let inner = key
            .strip_prefix("fields[")
            .and_then(|key| key.strip_suffix(']'))
            .filter(|key| !key.contains(['[', ']']))
            .or_else(|| key.strip_prefix("fields."));
        let list = key.strip_suffix("[]").unwrap_or(&key);
        if let Some(inner) = inner {
            twice
                .extend(put(&mut fields, inner, value).map(|why| (format!("fields.{inner}"), why)));
        } else if matches!(list, "tags" | "remove_tags" | "clear") {
            lists.entry(list.to_owned()).or_default().push(value);
        } else {
            twice.extend(put(&mut members, &key, value).map(|why| (key, why)));
        }
    }
    for (key, texts) in lists {
        let listed = match <[String; 1]>::try_from(texts) {
            Ok([text]) => Value::String(text),
            // Each is a text of its own, with or without commas between tags.
            Err(texts) => Value::String(texts.join(",")),
        };
        members.insert(key, listed);
    }
    if !fields.is_empty() {
        members.insert("fields".to_owned(), Value::Object(fields));
    }
    let twice = twice.into_iter().map(|(path, why)| Fault::new(path, "twice", why));
    Posted { members, twice: twice.collect() }
}

/// Of several values the one that is not empty: browsers repeat a name for ticked boxes. If two
/// differ, it is unclear which is meant; then the reason is returned.
fn put(members: &mut Map<String, Value>, name: &str, value: String) -> Option<String> {
    let says = |text: &str| !text.trim().is_empty();
    let there = members.get(name).and_then(Value::as_str).filter(|there| says(there));
    if let Some(there) = there {
        return (says(&value) && there != value).then(|| {
            let (one, other) = (quoted(&Value::from(there)), quoted(&Value::from(value)));
            format!("it stands there twice, as {one} and as {other}; send one of the two")
        });
    }
    members.insert(name.to_owned(), Value::String(value));
    None
}

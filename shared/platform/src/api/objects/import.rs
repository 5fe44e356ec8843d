//! Objects of a type from CSV, each with its contact: a row is one change of each of the two, in
//! one transaction (R1, R70).
//!
//! | a column | is |
//! |---|---|
//! | `key`, `replaces` | the object's key, and the key whose place it takes |
//! | `tags`, `remove_tags` | tags of the object; those that it has are not assigned again |
//! | `clear` | names of fields of the object that are to be cleared |
//! | a field of the type, by key or label | its value; also as `fields.status` or `object.status` |
//! | `email`, `first_name` … | whose it is; also as `contact.email` |
//! | `contact.city`, `contact.tags` | more about the contact, as an import of contacts takes it |
//!
//! What holds for every file is in `csv::importing`.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use dacapo_engine::address::folded;
use dacapo_engine::campaign::format::{FieldDefinition, ObjectDefinition};
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::field::{FieldType, quoted};
use dacapo_engine::ids::{FieldKey, ObjectType};
use serde_json::{Map, Value};

use crate::api::Api;
use crate::api::call::auth::Holder;
use crate::api::call::extract::{Path, Query};
use crate::api::call::problem::{Fault, Problem};
use crate::api::call::surface::{Surface, calls};
use crate::api::contacts::csv::columns::columns_of;
use crate::api::contacts::csv::import::unwritten;
use crate::api::contacts::csv::importing::{
    HowToRead, RowFuture, RowOutcome, RowReport, RowWriter, imported,
};
use crate::api::contacts::csv::report::Imported;
use crate::api::contacts::csv::rows::Row;
use crate::api::contacts::hooks::create_fields;
use crate::api::contacts::names::{Meaning, meaning};
use crate::api::contacts::object_names::object_type;
use crate::api::contacts::reading::UnknownFields;
use crate::api::objects::headings::{CONTACT, NewField, ObjectHeadings};
use crate::api::objects::writing::{ReadHow, SentAs, SentObject, Writing, create_object_fields};
use crate::catalog::Loaded;
use crate::objects::{ObjectError, ObjectWritten};
use crate::platform::Platform;

pub(in crate::api) fn routes<S: Surface>(on: S) -> S {
    calls!(on, import)
}

/// Imports objects of a type from CSV, each with its contact. The first row names the columns:
/// `key`, `email`, `tags`, `remove_tags`, `replaces`, `clear`, keys of the type's fields; other
/// members of the contact by their names, and its fields as `contact.city`.
#[utoipa::path(
    post, path = "/v1/object-types/{type}/import", tag = "Objects",
    params(("type" = String, Path, description = "The type"), HowToRead),
    request_body(content = String, content_type = "text/csv"),
    responses(
        (status = 200, body = Imported), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem),
    ),
)]
async fn import(
    State(api): State<Api>,
    holder: Holder,
    Path(named): Path<String>,
    Query(how): Query<HowToRead>,
    request: Request,
) -> Result<Response, Problem> {
    let platform = &api.platform;
    let loaded = platform.catalog.current().await?;
    let kind = object_type(&loaded.catalog, &named)?.0.clone();
    let what = format!("import of {kind}");
    let writer = ObjectRows { platform, kind, holder: &holder, how };
    imported(platform, &holder, &what, &writer, request).await
}

/// Rows that are objects of a type.
struct ObjectRows<'a> {
    platform: &'a Platform,
    kind: ObjectType,
    holder: &'a Holder,
    how: HowToRead,
}

impl RowWriter for ObjectRows<'_> {
    fn columns<'a>(&'a self, first: &'a Row) -> RowFuture<'a, Vec<String>> {
        Box::pin(self.read_columns(first))
    }

    fn needed(&self) -> Option<&'static str> {
        None
    }

    fn about(&self, sent: &Map<String, Value>) -> Vec<String> {
        let text = |name: &str| sent.get(name).and_then(Value::as_str).map(str::trim);
        let key = |key: &str| format!("key {key}");
        let person = text("contact.email").map(|address| format!("person {}", folded(address)));
        person.into_iter().chain(text("key").map(key)).chain(text("replaces").map(key)).collect()
    }

    fn write<'a>(
        &'a self,
        loaded: &'a Loaded,
        sent: Map<String, Value>,
    ) -> RowFuture<'a, RowOutcome> {
        Box::pin(self.write_row(loaded, sent))
    }
}

impl ObjectRows<'_> {
    async fn read_columns(&self, first: &Row) -> Result<Vec<String>, Problem> {
        let loaded = self.platform.catalog.current().await?;
        let (kind, definition) = object_type(&loaded.catalog, self.kind.as_str())?;
        let headings =
            ObjectHeadings { kind, fields: &definition.fields, of_contact: &loaded.catalog.fields };
        let (columns, new) = columns_of(first, &headings, self.how.unknown_fields)?;
        let (mut of_contact, mut of_object) = (BTreeMap::new(), BTreeMap::new());
        for field in new {
            match field {
                NewField::OfContact(key) => {
                    of_contact.insert(key, FieldType::Text);
                }
                NewField::OfObject(key) => {
                    of_object.insert(key, FieldDefinition { kind: FieldType::Text, label: None });
                }
            }
        }
        if !of_contact.is_empty() {
            create_fields(&self.platform.catalog, &of_contact).await?;
        }
        if !of_object.is_empty() {
            create_object_fields(&self.platform.catalog, kind, of_object).await?;
        }
        Ok(columns)
    }

    async fn write_row(
        &self,
        loaded: &Loaded,
        sent: Map<String, Value>,
    ) -> Result<RowOutcome, Problem> {
        let (kind, definition) = object_type(&loaded.catalog, self.kind.as_str())?;
        let mut sent = match sorted(kind, definition, sent) {
            Ok(sent) => sent,
            Err(faults) => return Ok(RowOutcome::Refused(faults)),
        };
        self.without_blanks(&mut sent).await?;
        let key = sent.key.clone();
        let email = sent.contact.as_ref().and_then(|contact| contact.get("email")).cloned();
        let how = ReadHow {
            sent_as: SentAs::Row,
            unknown_fields: UnknownFields::Refuse,
            invalid: self.how.invalid,
        };
        let named = (kind, definition);
        let ready = match Writing(self.platform).ready(loaded, named, sent, how, self.holder).await
        {
            Ok(ready) => ready,
            Err(problem) if problem.status() == StatusCode::UNPROCESSABLE_ENTITY => {
                return Ok(RowOutcome::Refused(problem.into_faults()));
            }
            Err(problem) => return Err(problem),
        };
        let mut told = RowReport {
            skipped: ready.skipped(),
            doubtful: ready.doubtful(),
            contact_created: false,
        };
        let nothing = |_: &ObjectWritten| Ok(Vec::new());
        match Writing(self.platform).upsert(&ready, &self.holder.author(), &nothing).await {
            Ok(ObjectWritten { object, person, .. }) => {
                told.contact_created = person.created;
                let is_changed = object.change.is_some() || person.change.is_some();
                Ok(if object.created {
                    RowOutcome::Created(told)
                } else if is_changed || ready.moves {
                    RowOutcome::Changed(told)
                } else {
                    RowOutcome::Unchanged(told)
                })
            }
            // It says nothing of the object that went on under another key.
            Err(ObjectError::Replaced { by }) => {
                let message = format!(
                    "nothing is written: the {kind} {} goes on as {}; leave the row out, or write \
                     that key",
                    shown(&key),
                    shown(&by)
                );
                told.doubtful.push(Fault::new("key", "replaced", message));
                Ok(RowOutcome::Unchanged(told))
            }
            Err(error) => {
                refused(kind, &key, email.as_ref(), error).map(|why| RowOutcome::Refused(vec![why]))
            }
        }
    }

    /// Blanks around a key do not count, as in a post, unless an object is called so.
    async fn without_blanks(&self, sent: &mut SentObject) -> Result<(), Problem> {
        for key in std::iter::once(&mut sent.key).chain(sent.replaces.as_mut()) {
            let trimmed = key.trim();
            if trimmed.len() < key.len()
                && self.platform.objects.find(&self.kind, key).await?.is_none()
            {
                *key = trimmed.to_owned();
            }
        }
        Ok(())
    }
}

/// What was sent, in the shape of a post.
fn sorted(
    kind: &ObjectType,
    definition: &ObjectDefinition,
    sent: Map<String, Value>,
) -> Result<SentObject, Vec<Fault>> {
    let mut object = SentObject::default();
    let (mut contact, mut fields, mut clear) = (Map::new(), Map::new(), None);
    for (column, value) in sent {
        let text = value.as_str().map(str::to_owned);
        match (column.split_once('.'), column.as_str()) {
            (Some((CONTACT, name)), _) => {
                contact.insert(name.to_owned(), value);
            }
            (Some((_, key)), _) => {
                fields.insert(key.to_owned(), value);
            }
            (None, "key") => object.key = text.unwrap_or_default(),
            (None, "replaces") => object.replaces = text,
            (None, "clear") => clear = text,
            (None, _) => {
                object.members.insert(column, value);
            }
        }
    }
    let mut faults = Vec::new();
    if object.key.trim().is_empty() {
        let message =
            format!("the cell is empty; write what identifies the {kind} where it comes from");
        faults.push(Fault::new("key", "required", message));
    }
    for name in clear.iter().flat_map(|names| names.split(',')).map(str::trim) {
        if name.is_empty() {
            continue;
        }
        let plain = name.strip_prefix("fields.").unwrap_or(name);
        match meaning(plain, &definition.fields).0 {
            Meaning::Field(key) if fields.contains_key(key.as_str()) => {
                let message =
                    format!("`{key}` is cleared here, and has a value beside; send one of the two");
                faults.push(Fault::new("clear", "clear", message));
            }
            Meaning::Field(key) => {
                fields.insert(key.to_string(), Value::Null);
            }
            Meaning::Member(_) | Meaning::ReadOnly | Meaning::Unknown => {
                let remedy = remedy(name, definition.fields.keys().map(FieldKey::as_str));
                let name = shown(name);
                let message =
                    format!("{name} is no field of the type {kind} that can be cleared; {remedy}");
                faults.push(Fault::new("clear", "clear", message));
            }
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    if !contact.is_empty() {
        object.contact = Some(contact);
    }
    if !fields.is_empty() {
        object.members.insert("fields".to_owned(), Value::Object(fields));
    }
    Ok(object)
}

/// A text as it is quoted in messages.
fn shown(text: &str) -> String {
    quoted(&Value::from(text))
}

/// Why a row was not written.
///
/// # Errors
///
/// What is not the fault of the row.
fn refused(
    kind: &ObjectType,
    key: &str,
    email: Option<&Value>,
    error: ObjectError,
) -> Result<Fault, Problem> {
    let (key, email) = (shown(key), quoted(email.unwrap_or(&Value::Null)));
    Ok(match error {
        ObjectError::NoContact => {
            let message = format!("there is no {kind} {key} yet; write whose it is into `email`");
            Fault::new("contact.email", "required", message)
        }
        ObjectError::OfAnother { owner } => {
            let message = format!(
                "the {kind} {key} is not of {email}, but of the contact {owner}, and never changes \
                 its contact; write that contact's address, leave `email` empty, or take another \
                 key"
            );
            Fault::new("contact.email", "of_another", message)
        }
        error @ ObjectError::TooMany => {
            let message = format!("{email} cannot have the {kind} {key} as well: {error}");
            Fault::new("contact.email", "too_many", message)
        }
        error @ ObjectError::BothThere { .. } => {
            Fault::new("replaces", "both_there", format!("{kind} {key}: {error}"))
        }
        error @ ObjectError::Replaced { .. } => {
            Fault::new("key", "replaced", format!("{kind} {key}: {error}"))
        }
        ObjectError::Write(error) => unwritten(error)?,
    })
}

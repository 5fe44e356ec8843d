//! Objects as the API shows them.

use std::collections::BTreeMap;

use dacapo_engine::contact::Contact;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::call::problem::{Fault, first_faults};
use crate::api::contacts::changes::Changed;
use crate::contact_json::{FieldJson, instant_text};
use crate::objects::ObjectWritten;

/// An object.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Object)]
pub(in crate::api) struct ObjectShape {
    /// Made when the object is created; it never changes, whatever the key.
    id: String,
    /// Its type.
    #[serde(rename = "type")]
    kind: String,
    /// Its key, unique in account and type.
    key: String,
    /// The contact that it belongs to.
    contact_id: String,
    /// Assigned tags, each with the instant it was last assigned.
    tags: BTreeMap<String, String>,
    /// The fields that have a value.
    #[schema(value_type = BTreeMap<String, FieldJson>)]
    fields: BTreeMap<String, Value>,
    /// The number of changes so far.
    rev: u64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<&Contact> for ObjectShape {
    fn from(object: &Contact) -> Self {
        let identity = object.object.as_deref();
        let tags = object.tags.iter().map(|(tag, at)| (tag.to_string(), instant_text(*at)));
        let fields = object.fields.iter().map(|(key, value)| (key.to_string(), value.to_json()));
        Self {
            id: object.id.to_string(),
            kind: identity.map_or_else(String::new, |identity| identity.kind.to_string()),
            key: identity.map_or_else(String::new, |identity| identity.key.clone()),
            contact_id: object.id.person().to_string(),
            tags: tags.collect(),
            fields: fields.collect(),
            rev: object.rev,
            created_at: instant_text(object.created_at),
            updated_at: instant_text(object.updated_at),
        }
    }
}

/// What a call wrote.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct WrittenObjectAnswer {
    /// The object's id.
    object_id: String,
    #[serde(rename = "type")]
    kind: String,
    /// Its key.
    key: String,
    /// The contact that it belongs to.
    contact_id: String,
    /// Whether the object is new.
    created: bool,
    /// Whether the contact is new.
    contact_created: bool,
    /// The number of changes of the object so far.
    rev: u64,
    /// What the call changed of the object.
    changed: Changed,
    /// What it changed of the contact.
    contact_changed: Changed,
    /// What was written otherwise than it was sent, or may not be what was meant: the first
    /// hundred.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "first_faults")]
    warnings: Vec<Fault>,
    /// What was left out because it could not be read: only with `invalid=skip`, and the first
    /// hundred.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "first_faults")]
    skipped: Vec<Fault>,
}

impl WrittenObjectAnswer {
    /// What was written, and what has to be told about it.
    pub(super) fn of(written: &ObjectWritten, warnings: Vec<Fault>, skipped: Vec<Fault>) -> Self {
        let ObjectWritten { object, person } = written;
        let identity = object.contact.object.as_deref();
        Self {
            object_id: object.contact.id.to_string(),
            kind: identity.map_or_else(String::new, |identity| identity.kind.to_string()),
            key: identity.map_or_else(String::new, |identity| identity.key.clone()),
            contact_id: person.contact.id.to_string(),
            created: object.created,
            contact_created: person.created,
            rev: object.contact.rev,
            changed: object.change.as_ref().into(),
            contact_changed: person.change.as_ref().into(),
            warnings,
            skipped,
        }
    }
}

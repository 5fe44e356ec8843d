//! Objects as the API shows them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::call::problem::{Fault, first_faults};
use crate::api::contacts::changes::Changed;
use crate::objects::ObjectWritten;

pub(in crate::api) use crate::contact_json::ObjectShape;

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
        let ObjectWritten { object, person, .. } = written;
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

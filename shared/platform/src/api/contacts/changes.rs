//! What a change of a contact did, as the API shows it.

use dacapo_engine::contact::Change;
use dacapo_engine::ids::Tag;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::call::problem::{Fault, first_faults};
use crate::contact_json::ContactShape;

/// What was changed; all lists are empty if nothing was.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::api) struct Changed {
    /// Tags that the contact did not have.
    tags_added: Vec<String>,
    /// Tags that it lost.
    tags_removed: Vec<String>,
    /// Tags that it had, and that were assigned again.
    tags_refreshed: Vec<String>,
    /// The keys of fields that were set, changed or cleared.
    fields: Vec<String>,
}

impl From<Option<&Change>> for Changed {
    fn from(change: Option<&Change>) -> Self {
        let Some(change) = change else { return Self::default() };
        let words = |tag: &Tag| tag.to_string();
        Self {
            tags_added: change.added.iter().map(words).collect(),
            tags_removed: change.removed.keys().map(words).collect(),
            tags_refreshed: change.refreshed.keys().map(words).collect(),
            fields: change.fields.keys().map(ToString::to_string).collect(),
        }
    }
}

/// A contact after a change of it. It describes: the answer is put together so that it can be kept
/// without the contact.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedContact {
    #[serde(flatten)]
    contact: ContactShape,
    /// What the call changed.
    changed: Changed,
}

/// What has to be told about what was written.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::api) struct Warnings {
    /// What may not be what was meant: the first hundred.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "first_faults")]
    pub(in crate::api) warnings: Vec<Fault>,
}

/// A contact as it was written, and what has to be told about it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct WarnedContact {
    #[serde(flatten)]
    pub(in crate::api) contact: ContactShape,
    #[serde(flatten)]
    pub(in crate::api) told: Warnings,
}

//! The fields that a campaign may name, and the ones it declares.

use std::collections::BTreeMap;

use super::AccountView;
use super::findings::{At, Findings};
use crate::campaign::format::Document;
use crate::campaign::nearest;
use crate::campaign::node::Path;
use crate::field::{BUILT_IN, FieldType, built_in, taken};
use crate::ids::FieldKey;

/// The built-in fields, the document's and the account's, with their types.
pub(in crate::campaign) struct Fields<'a>(BTreeMap<&'a str, FieldType>);

impl<'a> Fields<'a> {
    pub(super) fn new(document: &'a Document, account: &AccountView<'a>) -> Self {
        let of_account = account.fields.iter();
        let declared =
            of_account.chain(&document.fields).map(|(key, each)| (key.as_str(), each.kind));
        Self(declared.chain(BUILT_IN).collect())
    }

    pub(super) fn kind(&self, key: &str) -> Option<FieldType> {
        self.0.get(key).copied()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.keys().copied()
    }

    /// The type of a field that is named at the path, which is an error if there is no such field.
    pub(in crate::campaign) fn named(
        &self,
        key: &FieldKey,
        at: &At<'_>,
        findings: &mut Findings<'_>,
    ) -> Option<FieldType> {
        let kind = self.kind(key.as_str());
        if kind.is_none() && !findings.is_full() {
            findings.error(
                "unknown_field",
                at,
                format!("there is no contact field `{key}`"),
                format!(
                    "{} or declare it under `fields`",
                    nearest::remedy(key.as_str(), self.names())
                ),
            );
        }
        kind
    }
}

/// Checks the declarations.
pub(super) fn check(document: &Document, account: &AccountView<'_>, findings: &mut Findings<'_>) {
    for (key, field) in &document.fields {
        let path = Path::root().key("fields").key(key.as_str());
        let word = field.kind.word();
        let taken = taken(key.as_str()).filter(|_| !account.fields.contains_key(key));
        if built_in(key.as_str()).is_some() {
            findings.error(
                "built_in_field",
                &At::Key(&path),
                format!("every contact has a field `{key}`"),
                "remove the declaration; the field can be used without one",
            );
        } else if let Some(name) = taken {
            findings.error(
                "reserved_field",
                &At::Key(&path),
                format!("`{key}` means `{name}` wherever contacts are read or written"),
                "choose another key",
            );
        } else if let Some(existing) = account.fields.get(key)
            && existing.kind != field.kind
        {
            let existing = existing.kind.word();
            findings.error(
                "field_type_differs",
                &At::Value(&path.key("type")),
                format!("`{key}` is a {word} here but a {existing} in the account"),
                format!("write `type: {existing}`, or choose another key"),
            );
        }
    }
}

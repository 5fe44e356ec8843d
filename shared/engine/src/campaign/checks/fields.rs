//! The fields that a campaign may name.

use std::collections::BTreeMap;

use super::findings::{At, Findings};
use crate::campaign::nearest;
use crate::field::{BUILT_IN, FieldType};
use crate::ids::FieldKey;

/// The built-in fields, the document's and the account's, with their types.
pub(in crate::campaign) struct Fields<'a>(BTreeMap<&'a str, FieldType>);

impl<'a> Fields<'a> {
    /// Those that are declared, of which the last of a name counts, and the built-in ones.
    pub(in crate::campaign) fn new(
        declared: impl Iterator<Item = (&'a FieldKey, FieldType)>,
    ) -> Self {
        let declared = declared.map(|(key, kind)| (key.as_str(), kind));
        Self(declared.chain(BUILT_IN).collect())
    }

    pub(in crate::campaign) fn kind(&self, key: &str) -> Option<FieldType> {
        self.0.get(key).copied()
    }

    pub(in crate::campaign) fn names(&self) -> impl Iterator<Item = &'a str> {
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

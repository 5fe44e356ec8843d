//! The fields that a campaign may name. It knows each with its type, and says of an unknown one
//! which name was probably meant.

use std::collections::BTreeMap;

use super::findings::{At, Findings};
use crate::campaign::nearest;
use crate::compact::CollectCompactly as _;
use crate::field::{BUILT_IN, FieldType, built_in};
use crate::ids::{FieldKey, ObjectType};

/// The fields of a contact or of an object, with their types.
pub(in crate::campaign) struct Fields<'a> {
    kinds: BTreeMap<&'a str, FieldType>,
    /// The type of the object; `None` for a contact.
    of: Option<&'a ObjectType>,
}

impl<'a> Fields<'a> {
    /// Those of a contact: the declared ones, of which the last of a name counts, and the built-in
    /// ones.
    pub(in crate::campaign) fn new(
        declared: impl Iterator<Item = (&'a FieldKey, FieldType)>,
    ) -> Self {
        let declared = declared.map(|(key, kind)| (key.as_str(), kind));
        Self { kinds: declared.chain(BUILT_IN).collect_compactly(), of: None }
    }

    /// Those of an object of a type: the declared ones, of which the last of a name counts.
    pub(in crate::campaign) fn of_object(
        kind: &'a ObjectType,
        declared: impl Iterator<Item = (&'a FieldKey, FieldType)>,
    ) -> Self {
        let declared = declared.map(|(key, kind)| (key.as_str(), kind));
        Self { kinds: declared.collect_compactly(), of: Some(kind) }
    }

    pub(in crate::campaign) fn kind(&self, key: &str) -> Option<FieldType> {
        self.kinds.get(key).copied()
    }

    pub(in crate::campaign) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.kinds.keys().copied()
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
                match self.of {
                    None => format!("there is no contact field `{key}`"),
                    Some(kind) => format!("there is no field `{key}` of `{kind}`"),
                },
                format!("{} or declare it under {}", self.remedy(key), self.declared_under()),
            );
        }
        kind
    }

    /// A field of the contact is not one of the object, so that is said first.
    fn remedy(&self, key: &FieldKey) -> String {
        match self.of {
            Some(_) if built_in(key.as_str()).is_some() => {
                format!("write `contact: {{ field: {key}, … }}` for the contact's,")
            }
            Some(_) | None => nearest::remedy(key.as_str(), self.names()),
        }
    }

    fn declared_under(&self) -> String {
        match self.of {
            None => "`fields`".to_owned(),
            Some(kind) => format!("`objects: {{ {kind}: {{ fields: … }} }}`"),
        }
    }
}

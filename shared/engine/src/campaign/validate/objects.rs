//! The types of objects that a campaign declares, and the one that it is about (R70, R71).

use std::collections::BTreeMap;

use super::AccountView;
use crate::campaign::checks::{At, Findings, Subjects};
use crate::campaign::format::{Document, FieldDefinition, ObjectDefinition};
use crate::campaign::nearest;
use crate::campaign::node::Path;
use crate::field::FieldType;
use crate::ids::{FieldKey, ObjectType};
use crate::text::letters;

/// What else stands before a dot in a template, so that no type can be called so.
const TAKEN_TYPES: [&str; 6] =
    ["contact", "fields", "tags", "campaign", "links", "unsubscribe_url"];

/// What is said of every object, so that no field of one can be called so.
pub(super) const TAKEN_FIELDS: [&str; 13] = [
    "id",
    "key",
    "type",
    "contact",
    "tags",
    "remove_tags",
    "fields",
    "event",
    "rev",
    "created_at",
    "updated_at",
    "clear",
    "replaces",
];

/// What a word means already that is to be a type of objects; `None` if it is free.
pub fn taken_type(word: &str) -> Option<&'static str> {
    TAKEN_TYPES.into_iter().find(|name| letters(name) == letters(word))
}

/// What a word means already that is to be a field of an object; `None` if it is free.
pub fn taken_field(word: &str) -> Option<&'static str> {
    TAKEN_FIELDS.into_iter().find(|name| letters(name) == letters(word))
}

/// The fields of a type: the account's, then the document's.
pub(super) fn fields<'a>(
    kind: &ObjectType,
    document: &'a Document,
    account: &AccountView<'a>,
) -> impl Iterator<Item = (&'a FieldKey, FieldType)> {
    let of = |types: &'a BTreeMap<ObjectType, ObjectDefinition>| types.get(kind);
    let types = of(account.objects).into_iter().chain(of(&document.objects));
    types.flat_map(|of| of.fields.iter().map(|(key, field)| (key, field.kind)))
}

/// Checks the declarations, and `per`.
pub(super) fn check(document: &Document, account: &AccountView<'_>, findings: &mut Findings<'_>) {
    for (kind, definition) in &document.objects {
        let path = Path::root().key("objects").key(kind.as_str());
        if let Some(taken) = taken_type(kind.as_str()) {
            findings.error(
                "reserved_object_type",
                &At::Key(&path),
                format!("`{taken}` means something else in templates"),
                "choose another word for the type",
            );
        }
        for (key, field) in &definition.fields {
            let before = account.objects.get(kind).and_then(|of| of.fields.get(key));
            field_of(kind, key, field, before, &path.key("fields").key(key.as_str()), findings);
        }
        if let Some(keep) = definition.keep.filter(|keep| ObjectDefinition::is_too_short(*keep)) {
            let least = ObjectDefinition::LEAST_KEPT;
            findings.error(
                "invalid_duration",
                &At::Value(&path.key("keep")),
                format!("an object is kept for `{least}` at least, not for `{keep}`"),
                "write a longer duration, such as `400 days`, or leave `keep` out",
            );
        }
    }
    per(document, account, findings);
}

fn field_of(
    kind: &ObjectType,
    key: &FieldKey,
    field: &FieldDefinition,
    before: Option<&FieldDefinition>,
    path: &Path,
    findings: &mut Findings<'_>,
) {
    if let Some(taken) = taken_field(key.as_str()).filter(|_| before.is_none()) {
        findings.error(
            "reserved_field",
            &At::Key(path),
            format!("`{taken}` means something else wherever objects are read or written"),
            "choose another key",
        );
    }
    if let Some(before) = before
        && before.kind != field.kind
    {
        let (word, existing) = (field.kind.word(), before.kind.word());
        findings.error(
            "field_type_differs",
            &At::Value(&path.key("type")),
            format!("`{key}` of `{kind}` is a {word} here but a {existing} in the account"),
            format!("write `type: {existing}`, or choose another key"),
        );
    }
}

/// The type exists, and is the one that earlier versions are about: whoever is in the campaign
/// could not go on otherwise.
fn per(document: &Document, account: &AccountView<'_>, findings: &mut Findings<'_>) {
    let path = Path::root().key("per");
    if let Some(kind) = &document.per
        && !document.objects.contains_key(kind)
        && !account.objects.contains_key(kind)
    {
        let known = document.objects.keys().chain(account.objects.keys()).map(ObjectType::as_str);
        findings.error(
            "unknown_object_type",
            &At::Value(&path),
            format!("there is no type of objects `{kind}`"),
            format!(
                "{} or declare it under `objects: {{ {kind}: {{ fields: … }} }}`",
                nearest::remedy(kind.as_str(), known)
            ),
        );
    }
    let this = Subjects::of(document.per.as_ref());
    if let Some(published) = (account.subjects)(&document.id)
        && published != this
    {
        let write = match published.per() {
            Some(kind) => format!("write `per: {kind}`"),
            None => "leave `per` out".to_owned(),
        };
        findings.error(
            "other_subject",
            &At::Value(&path),
            format!(
                "`{}` is about {this} here, but its published versions are about {published}",
                document.id
            ),
            format!("{write}, or choose another `id`: a campaign is about the same for ever"),
        );
    }
}

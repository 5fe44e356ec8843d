//! The headings of a file of objects: what each means, of the object or of its contact.

use std::collections::BTreeMap;

use dacapo_engine::campaign::format::FieldDefinition;
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::ids::{FieldKey, InvalidId, ObjectType};
use dacapo_engine::text::letters;

use crate::api::contacts::csv::columns::{Heading, Headings};
use crate::api::contacts::names::{MEMBERS, Meaning, Sureness, meaning};

/// The prefix of columns about the contact.
pub(super) const CONTACT: &str = "contact";

/// Columns about the object that are no fields.
const OF_OBJECT: [&str; 5] = ["key", "replaces", "tags", "remove_tags", "clear"];

/// A field that has to be created.
pub(super) enum NewField {
    OfContact(FieldKey),
    OfObject(FieldKey),
}

/// The headings of a file of objects.
pub(super) struct ObjectHeadings<'a> {
    pub(super) kind: &'a ObjectType,
    /// The type's fields.
    pub(super) fields: &'a BTreeMap<FieldKey, FieldDefinition>,
    /// The account's fields.
    pub(super) of_contact: &'a BTreeMap<FieldKey, FieldDefinition>,
}

/// The name inside `contact.city` or `contact[city]`.
fn in_contact(name: &str) -> Option<&str> {
    name.strip_prefix("contact.")
        .or_else(|| name.strip_prefix("contact[").and_then(|inner| inner.strip_suffix(']')))
}

impl ObjectHeadings<'_> {
    /// The column that a name without `contact` before it means.
    fn plain(&self, name: &str) -> (Option<String>, Sureness) {
        if OF_OBJECT.contains(&name) {
            return (Some(name.to_owned()), Sureness::Exact);
        }
        if self.fields.contains_key(name) {
            return (Some(format!("fields.{name}")), Sureness::Exact);
        }
        let wanted = letters(name);
        if let Some(member) = OF_OBJECT.into_iter().find(|member| letters(member) == wanted) {
            return (Some(member.to_owned()), Sureness::Resembles);
        }
        let (means, sureness) = meaning(name, self.fields);
        let column = match means {
            Meaning::Member("fields" | "suppressed") | Meaning::Unknown => None,
            Meaning::Member(member) if OF_OBJECT.contains(&member) => Some(member.to_owned()),
            Meaning::Member(member) => Some(format!("{CONTACT}.{member}")),
            Meaning::Field(key) => Some(format!("fields.{key}")),
            // Columns of an export that an import ignores.
            Meaning::ReadOnly => Some(String::new()),
        };
        (column, sureness)
    }
}

impl Headings for ObjectHeadings<'_> {
    type New = NewField;

    const NEEDED: &'static [(&'static str, &'static str)] = &[
        (
            "key",
            "a column `key` is needed, with what identifies each object where it comes from: the \
             first row names the columns",
        ),
        (
            "contact.email",
            "a column `email` is needed, with the address of each object's contact: the first row \
             names the columns",
        ),
    ];

    fn read(&self, cell: &str) -> Heading {
        let (column, sureness) = match in_contact(cell) {
            Some(name) => {
                let (means, sureness) = meaning(name, self.of_contact);
                let column = match means {
                    Meaning::Member("fields" | "suppressed") | Meaning::Unknown => None,
                    Meaning::Member(member) => Some(format!("{CONTACT}.{member}")),
                    Meaning::Field(key) => Some(format!("{CONTACT}.{key}")),
                    Meaning::ReadOnly => Some(String::new()),
                };
                (column, sureness)
            }
            None => {
                let name = cell
                    .strip_prefix("object.")
                    .or_else(|| cell.strip_prefix("fields."))
                    .unwrap_or(cell);
                self.plain(name)
            }
        };
        Heading { name: cell.to_owned(), column, sureness }
    }

    fn create(&self, name: &str) -> Result<(String, NewField), InvalidId> {
        match in_contact(name) {
            Some(name) => FieldKey::new(name)
                .map(|key| (format!("{CONTACT}.{key}"), NewField::OfContact(key))),
            None => {
                let name = name.strip_prefix("fields.").unwrap_or(name);
                FieldKey::new(name).map(|key| (format!("fields.{key}"), NewField::OfObject(key)))
            }
        }
    }

    fn unknown(&self, name: &str) -> String {
        let whose = match in_contact(name) {
            Some(_) => "a contact".to_owned(),
            None => format!("the type {}", self.kind),
        };
        let plain = in_contact(name).unwrap_or(name);
        if in_contact(name).is_none()
            && let Meaning::Field(key) = meaning(name, self.of_contact).0
        {
            return format!(
                "{whose} has no field `{name}`; if the contact's is meant, call the column \
                 `{CONTACT}.{key}`"
            );
        }
        let known: Vec<&str> = match in_contact(name) {
            Some(_) => {
                let members = MEMBERS.into_iter().filter(|member| *member != "suppressed");
                members.chain(self.of_contact.keys().map(FieldKey::as_str)).collect()
            }
            None => {
                let fields = self.fields.keys().map(FieldKey::as_str);
                OF_OBJECT.into_iter().chain(["email"]).chain(fields).collect()
            }
        };
        let remedy = remedy(plain, known);
        let end = if remedy.ends_with('?') { "" } else { "." };
        let (path, of) = match in_contact(name) {
            Some(_) => ("/v1/fields/{key}".to_owned(), ""),
            None => (format!("/v1/object-types/{}", self.kind), " with the field"),
        };
        format!(
            "{whose} has no field `{plain}`; {remedy}{end} PUT {path}{of} makes one; \
             ?unknown_fields=ignore or create does without it"
        )
    }
}

//! Reading an object from what was sent: tags and fields become one [`Patch`], or faults.
//!
//! Values are read by the type's fields, as the account writes them, and dates in the person's zone
//! (R4). All faults are collected.

use std::collections::BTreeMap;

use dacapo_engine::campaign::format::{FieldDefinition, ObjectDefinition};
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::contact::{Contact, Patch};
use dacapo_engine::conventions::Conventions;
use dacapo_engine::field::{FieldType, quoted};
use dacapo_engine::ids::{FieldKey, ObjectType, Tag};
use dacapo_engine::text::letters;
use dacapo_engine::time::Zone;
use serde_json::{Map, Value};

use crate::api::call::problem::{Fault, Problem};
use crate::api::contacts::names::event_name;
use crate::api::contacts::reading::{Invalid, UnknownFields, kind_of_new, without_time};
use crate::api::contacts::tag_lists::{self, For};
use crate::catalog::{Catalog, Loaded};

/// What was read.
#[derive(Debug, Default)]
pub(in crate::api) struct ReadObject {
    /// What is to be written.
    pub(in crate::api) patch: Patch,
    /// Fields that have to be made first.
    pub(in crate::api) new_fields: BTreeMap<FieldKey, FieldDefinition>,
    /// What was left out, because it could not be read.
    pub(in crate::api) skipped: Vec<Fault>,
    /// What is written, but may not be what was meant.
    pub(in crate::api) doubtful: Vec<Fault>,
}

/// Reads members of an object.
pub(in crate::api) struct ObjectReader<'a> {
    catalog: &'a Catalog,
    kind: &'a ObjectType,
    fields: &'a BTreeMap<FieldKey, FieldDefinition>,
    before: Option<&'a Contact>,
    unknown_fields: UnknownFields,
    invalid: Invalid,
    conventions: Conventions,
    read: ReadObject,
    faults: Vec<Fault>,
}

impl<'a> ObjectReader<'a> {
    /// A reader for an object of a type, as it is stored if it is there; `zone` is the one that the
    /// person has, or will have.
    pub(in crate::api) fn new(
        loaded: &'a Loaded,
        (kind, definition): (&'a ObjectType, &'a ObjectDefinition),
        before: Option<&'a Contact>,
        zone: Option<Zone>,
        (unknown_fields, invalid): (UnknownFields, Invalid),
    ) -> Self {
        let settings = &loaded.catalog.settings;
        let zone = zone.unwrap_or(loaded.account.zone);
        Self {
            catalog: &loaded.catalog,
            kind,
            fields: &definition.fields,
            before,
            unknown_fields,
            invalid,
            conventions: Conventions::of_senders(zone, &settings.locale, settings.date_order),
            read: ReadObject::default(),
            faults: Vec::new(),
        }
    }

    /// What was read.
    ///
    /// # Errors
    ///
    /// 422 with everything that is wrong.
    pub(in crate::api) fn done(self) -> Result<ReadObject, Problem> {
        if self.faults.is_empty() { Ok(self.read) } else { Err(Problem::invalid(self.faults)) }
    }

    fn unreadable(&mut self, path: impl Into<String>, code: &str, message: impl ToString) {
        let fault = Fault::new(path, code, message);
        match self.invalid {
            Invalid::Refuse => self.faults.push(fault),
            Invalid::Skip => self.read.skipped.push(fault),
        }
    }

    fn tags(&mut self, path: &str, sent: &Value, what: For) -> Vec<Tag> {
        let (tags, wrong) = tag_lists::read(sent, what);
        for wrong in wrong {
            self.unreadable(wrong.path(path), wrong.code, wrong.message);
        }
        tags
    }

    /// Tags to assign.
    pub(in crate::api) fn add_tags(&mut self, sent: &Value) {
        self.read.patch.add = self.tags("tags", sent, For::Assigning);
        self.read.patch.remove.extend(tag_lists::withdrawn(sent));
    }

    /// Tags to withdraw.
    pub(in crate::api) fn remove_tags(&mut self, sent: &Value) {
        let remove = self.tags("remove_tags", sent, For::Withdrawing);
        self.read.patch.remove.extend(remove);
    }

    /// All tags that the object is to have; in an object, `null` withdraws one.
    pub(in crate::api) fn all_tags(&mut self, sent: &Value) {
        let tags = self.tags("tags", sent, For::Assigning);
        let patch = &mut self.read.patch;
        (patch.add, patch.remove) = tag_lists::replacing(sent, tags, self.before);
    }

    /// A custom event (R7).
    pub(in crate::api) fn event(&mut self, sent: &Value) {
        let name = match sent {
            Value::Null => return,
            Value::String(text) if text.trim().is_empty() => return,
            Value::String(text) => event_name(text),
            other => Err(format!("{} is no name of an event; send a text", quoted(other))),
        };
        match name {
            Ok(name) => self.read.patch.event = Some(name),
            Err(why) => self.faults.push(Fault::new("event", "event", why)),
        }
    }

    /// A member that is to be an object with a value for each field.
    pub(in crate::api) fn all_fields(&mut self, sent: &Value) {
        match sent {
            Value::Null => {}
            Value::Object(fields) => self.each_field("fields.", fields),
            other => {
                let message =
                    format!("{} is no object: write a value for each field", quoted(other));
                self.faults.push(Fault::new("fields", "shape", message));
            }
        }
    }

    /// A value for each field; exact names are read first.
    pub(in crate::api) fn each_field(&mut self, before: &str, fields: &Map<String, Value>) {
        let is_exact = |name: &str| self.fields.contains_key(name.trim());
        let (exact, others): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| is_exact(name));
        for (name, value) in exact.into_iter().chain(others) {
            self.field(format!("{before}{name}"), name.trim(), value);
        }
    }

    fn field(&mut self, path: String, name: &str, value: &Value) {
        if is_empty(value) {
            return;
        }
        let resembling = || {
            let wanted = letters(name);
            let mut fields = self.fields.iter();
            fields.find(|(key, _)| !wanted.is_empty() && letters(key.as_str()) == wanted)
        };
        let Some((key, field)) = self.fields.get_key_value(name).or_else(resembling) else {
            return self.unknown(path, name, value);
        };
        if let Some(there) = self.read.patch.fields.get(key).cloned() {
            let differs = there.map(|there| there.to_json()).unwrap_or_default() != *value;
            if differs && self.fields.get(name).is_none() {
                let message =
                    format!("`{key}` is sent under another name too; send one of the two");
                self.unreadable(path, "twice", message);
            }
            return;
        }
        self.value(path, key.clone(), field.kind, value);
    }

    fn value(&mut self, path: String, key: FieldKey, kind: FieldType, value: &Value) {
        match kind.read_sent(value, &self.conventions) {
            Ok(None) if !value.is_null() => {}
            Ok(read) => {
                if kind == FieldType::Datetime {
                    let followed = self.catalog.followed_of(self.kind, key.as_str());
                    let doubt = without_time(&path, value, &self.conventions, followed);
                    self.read.doubtful.extend(doubt);
                }
                self.read.patch.fields.insert(key, read);
            }
            Err(why) => self.unreadable(path, "value", why),
        }
    }

    fn unknown(&mut self, path: String, name: &str, value: &Value) {
        match self.unknown_fields {
            UnknownFields::Ignore => {}
            UnknownFields::Refuse => {
                let remedy = remedy(name, self.fields.keys().map(FieldKey::as_str));
                let message = format!("the type {} has no field `{name}`; {remedy}", self.kind);
                self.faults.push(Fault::new(path, "unknown_field", message));
            }
            UnknownFields::Create => match FieldKey::new(name) {
                Ok(_) if value.is_null() => {}
                Ok(key) => {
                    let kind = kind_of_new(value);
                    let before = self.read.skipped.len();
                    self.value(path, key.clone(), kind, value);
                    if self.read.skipped.len() == before {
                        let field = FieldDefinition { kind, label: None };
                        self.read.new_fields.insert(key, field);
                    }
                }
                Err(why) => self.faults.push(Fault::new(path, "field_key", why)),
            },
        }
    }
}

/// The zone that the person will have.
pub(in crate::api) fn zone_of(before: Option<&Contact>, patch: &Patch) -> Option<Zone> {
    let key = FieldKey::new("time_zone").ok()?;
    match patch.fields.get(&key) {
        Some(Some(zone)) => zone.as_text()?.parse().ok(),
        Some(None) => None,
        None => before.and_then(Contact::zone),
    }
}

/// The empty text says nothing.
fn is_empty(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

//! Reading a contact from what was sent: every member becomes part of one [`Patch`], or a fault.
//!
//! All faults are collected, so that whoever sets up a form mends them at once; with a single one of them nothing is
//! written. Dates are read in the zone that the contact will have (R4).

use std::collections::BTreeMap;

use dacapo_engine::address::{folded, is_plausible};
use dacapo_engine::campaign::format::FieldDefinition;
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::contact::{Contact, Patch, Suppression};
use dacapo_engine::field::{BUILT_IN, FieldType, FieldValue, RESERVED, built_in};
use dacapo_engine::ids::{FieldKey, Tag};
use dacapo_engine::time::Zone;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::problem::{Fault, Problem};
use crate::catalog::Loaded;
use crate::contact_json::consent_of;

/// What is done about fields that the account does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum UnknownFields {
    /// They are refused.
    #[default]
    Refuse,
    /// They are left out.
    Ignore,
    /// They are made: `text`, unless the value is JSON's number or boolean.
    Create,
}

/// How much may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// A hook: flat keys are fields.
    Hook,
    /// A contact in the shape in which it is answered.
    Shape,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// The address, if one was sent.
    pub(super) email: Option<String>,
    /// What is to be written, the address left out.
    pub(super) patch: Patch,
    /// Fields that have to be made before.
    pub(super) new_fields: BTreeMap<FieldKey, FieldType>,
}

/// Reads members of a contact.
pub(super) struct Reader<'a> {
    fields: &'a BTreeMap<FieldKey, FieldDefinition>,
    before: Option<&'a Contact>,
    manner: Manner,
    unknown: UnknownFields,
    zone: Zone,
    read: Read,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    /// A reader for a contact as it is stored, if it is.
    pub(super) fn new(
        loaded: &'a Loaded,
        before: Option<&'a Contact>,
        manner: Manner,
        unknown: UnknownFields,
    ) -> Self {
        let zone = before.and_then(Contact::zone).unwrap_or(loaded.account.zone);
        let fields = &loaded.catalog.fields;
        let (read, faults) = (Read::default(), Vec::new());
        Self { fields, before, manner, unknown, zone, read, faults }
    }

    /// Reads everything that was sent.
    ///
    /// # Errors
    ///
    /// 422 with all that is wrong.
    pub(super) fn read(
        mut self,
        sent: &Map<String, Value>,
        account_zone: Zone,
    ) -> Result<Read, Problem> {
        if !sent.contains_key("email") && (self.manner == Manner::Hook || self.before.is_none()) {
            self.fault("email", "required", "send the e-mail address");
        }
        // First of all the zone: it decides how dates are read.
        if let Some(value) = sent.get("time_zone") {
            self.time_zone(value, account_zone);
        }
        for (key, value) in sent {
            self.member(key, value);
        }
        if let Some(name) = sent.get("name").filter(|_| self.manner == Manner::Hook) {
            self.name(name);
        }
        if self.faults.is_empty() { Ok(self.read) } else { Err(Problem::invalid(self.faults)) }
    }

    fn fault(&mut self, path: impl Into<String>, code: &str, message: impl ToString) {
        self.faults.push(Fault::new(path, code, message));
    }

    fn member(&mut self, key: &str, value: &Value) {
        let hook = self.manner == Manner::Hook;
        match key {
            "time_zone" => {}
            "name" if hook => {}
            "email" => self.email(value),
            "locale" => self.locale(value),
            "first_name" | "last_name" | "phone" => self.value(key, key, FieldType::Text, value),
            "tags" if hook || self.before.is_none() => {
                self.read.patch.add = self.tags("tags", value);
            }
            "tags" => self.all_tags(value),
            "remove_tags" if hook => self.read.patch.remove = self.tags("remove_tags", value),
            "consent" => match value.as_str().and_then(consent_of) {
                Some(consent) => self.read.patch.consent = Some(consent),
                None => self.fault(key, "consent", "write subscribed, unsubscribed or none"),
            },
            "suppressed" if !hook => self.suppressed(value),
            "fields" => match value {
                Value::Object(fields) => {
                    for (key, value) in fields {
                        self.field(&format!("fields.{key}"), key, value);
                    }
                }
                Value::Null => {}
                _ => self.fault(key, "shape", "write an object: a value for each key of a field"),
            },
            _ if RESERVED.contains(&key) => {
                self.fault(key, "read_only", "it cannot be written here; leave it out");
            }
            _ if hook => self.field(key, key, value),
            _ if self.fields.contains_key(key) => {
                let message = format!("custom fields go into `fields`: {{\"{key}\": …}}");
                self.fault(key, "unknown_member", message);
            }
            _ => {
                let known = BUILT_IN.iter().map(|(name, _)| *name);
                let known = known.chain(["tags", "fields", "consent", "suppressed"]);
                let message = format!("a contact has no `{key}`; {}", remedy(key, known));
                self.fault(key, "unknown_member", message);
            }
        }
    }

    fn time_zone(&mut self, value: &Value, account_zone: Zone) {
        let text = value.as_str().map(str::trim);
        match (value, text) {
            (Value::Null, _) | (_, Some("")) => {
                self.zone = account_zone;
                self.set("time_zone", None);
            }
            (_, Some(name)) if name.parse::<Zone>().is_ok() => {
                self.zone = name.parse().unwrap_or(account_zone);
                self.set("time_zone", Some(FieldValue::Text(name.to_owned())));
            }
            _ => self.fault("time_zone", "time_zone", "write an IANA name such as Europe/Berlin"),
        }
    }

    fn email(&mut self, value: &Value) {
        match value.as_str().map(folded) {
            Some(address) if is_plausible(&address) => self.read.email = Some(address),
            Some(_) => {
                self.fault("email", "email", "this is no e-mail address; write ann@example.com");
            }
            None => self.fault("email", "email", "a contact has an e-mail address; send a text"),
        }
    }

    fn locale(&mut self, value: &Value) {
        match value.as_str().map(|text| text.trim().replace('_', "-")) {
            None if value.is_null() => self.set("locale", None),
            Some(text) if text.is_empty() => self.set("locale", None),
            Some(text) if is_locale(&text) => self.set("locale", Some(FieldValue::Text(text))),
            _ => self.fault("locale", "locale", "write a language tag such as en, de-AT or pt-BR"),
        }
    }

    fn suppressed(&mut self, value: &Value) {
        match value {
            Value::Null => self.read.patch.suppressed = Some(None),
            Value::String(word) if word == "manual" => {
                self.read.patch.suppressed = Some(Some(Suppression::Manual));
            }
            _ => {
                let message = "write manual, or null to lift it; the mail service says the rest";
                self.fault("suppressed", "suppressed", message);
            }
        }
    }

    /// The parts of a whole name that were not sent by themselves.
    fn name(&mut self, value: &Value) {
        let Some(name) = value.as_str() else {
            if !value.is_null() {
                self.fault("name", "value", "a name is a text");
            }
            return;
        };
        let words: Vec<&str> = name.split_whitespace().collect();
        let (first, last) = match words.as_slice() {
            [] => return,
            [only] => ((*only).to_owned(), None),
            [first @ .., last] => (first.join(" "), Some((*last).to_owned())),
        };
        for (key, part) in [("first_name", Some(first)), ("last_name", last)] {
            if !self.read.patch.fields.contains_key(key)
                && let Some(part) = part
            {
                self.value("name", key, FieldType::Text, &Value::String(part));
            }
        }
    }

    fn tags(&mut self, path: &str, value: &Value) -> Vec<Tag> {
        let sent: Vec<(String, &str)> = match value {
            Value::Null => Vec::new(),
            Value::String(list) => list
                .split(',')
                .filter(|tag| !tag.trim().is_empty())
                .map(|tag| (path.to_owned(), tag))
                .collect(),
            Value::Array(list) => (0..)
                .zip(list)
                .filter(|(_, tag)| tag.as_str().is_none_or(|tag| !tag.trim().is_empty()))
                .map(|(at, tag): (usize, _)| (format!("{path}.{at}"), tag.as_str().unwrap_or("")))
                .collect(),
            Value::Object(map) => {
                map.keys().map(|tag| (format!("{path}.{tag}"), tag.as_str())).collect()
            }
            Value::Bool(_) | Value::Number(_) => {
                self.fault(path, "shape", "write a list of tags, or tags with commas between");
                return Vec::new();
            }
        };
        let mut tags = Vec::new();
        for (path, tag) in sent {
            match Tag::new(tag) {
                Ok(tag) => tags.push(tag),
                Err(why) => self.fault(path, "tag", why),
            }
        }
        tags
    }

    /// A list of tags is all that the contact has from then on; in an object `null` withdraws one. Tags that it has
    /// are not assigned again.
    fn all_tags(&mut self, value: &Value) {
        let sent = self.tags("tags", value);
        let has = self.before.map(|before| &before.tags);
        let withdrawn = |tag: &Tag| match value {
            Value::Object(map) => map.iter().any(|(name, value)| {
                value.is_null() && Tag::new(name).is_ok_and(|name| name == *tag)
            }),
            _ => !sent.contains(tag),
        };
        let remove = has.into_iter().flatten().map(|(tag, _)| tag).filter(|tag| withdrawn(tag));
        let remove: Vec<Tag> = remove.cloned().collect();
        let lacks = |tag: &Tag| has.is_none_or(|has| !has.contains_key(tag));
        let named_null = |tag: &Tag| matches!(value, Value::Object(_)) && withdrawn(tag);
        self.read.patch.add =
            sent.iter().filter(|tag| lacks(tag) && !named_null(tag)).cloned().collect();
        self.read.patch.remove = remove;
    }

    fn field(&mut self, path: &str, key: &str, value: &Value) {
        if let Some((_, definition)) = self.fields.get_key_value(key) {
            return self.value(path, key, definition.kind, value);
        }
        if built_in(key).is_some() || RESERVED.contains(&key) {
            let message = format!("`{key}` is no custom field; send it beside `fields`");
            return self.fault(path, "unknown_field", message);
        }
        // The value of a field that was taken away can be cleared.
        let nothing = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
        if nothing && self.before.is_some_and(|before| before.fields.contains_key(key)) {
            return self.set(key, None);
        }
        match self.unknown {
            UnknownFields::Ignore => {}
            UnknownFields::Refuse => {
                let known = self.fields.keys().map(FieldKey::as_str);
                let known = known.chain(BUILT_IN.iter().map(|(name, _)| *name));
                let message = format!(
                    "there is no field `{key}`; {} PUT /v1/fields/{{key}} makes one, \
                     ?unknown_fields=ignore or create does without",
                    remedy(key, known)
                );
                self.fault(path, "unknown_field", message);
            }
            UnknownFields::Create => match FieldKey::new(key) {
                Ok(name) => {
                    let kind = match value {
                        // Nothing is said, so there is nothing to make.
                        Value::Null => return,
                        Value::Bool(_) => FieldType::Boolean,
                        Value::Number(_) => FieldType::Number,
                        Value::String(_) | Value::Array(_) | Value::Object(_) => FieldType::Text,
                    };
                    self.value(path, key, kind, value);
                    self.read.new_fields.insert(name, kind);
                }
                Err(why) => self.fault(path, "field_key", why),
            },
        }
    }

    fn value(&mut self, path: &str, key: &str, kind: FieldType, value: &Value) {
        match kind.read(value, self.zone) {
            Ok(value) => self.set(key, value),
            Err(why) => self.fault(path, "value", why),
        }
    }

    fn set(&mut self, key: &str, value: Option<FieldValue>) {
        if let Ok(key) = FieldKey::new(key) {
            self.read.patch.fields.insert(key, value);
        }
    }
}

/// Whether a text looks like a BCP 47 tag.
pub(super) fn is_locale(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    (2..=3).contains(&language.len())
        && language.chars().all(|c| c.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric())
        })
}

//! A contact as programs outside read it.

use std::collections::BTreeMap;

use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::contact::{Consent, Contact, Suppression};
use dacapo_engine::field::built_in;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::Instant;
use crate::contacts::consent_word;

/// An instant as programs outside read it: RFC 3339 in UTC.
pub fn instant_text(at: Instant) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// The same, as JSON.
pub fn instant_json(at: Instant) -> Value {
    json!(instant_text(at))
}

/// Whether a contact wants marketing mail.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum ConsentWord {
    Subscribed,
    Unsubscribed,
    None,
}

/// The value of a custom field: dates are texts.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum FieldJson {
    Text(String),
    Number(f64),
    Boolean(bool),
}

/// A contact, with the names of the interface.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Contact)]
pub struct ContactShape {
    /// Made when the contact is created.
    id: String,
    /// The address; one contact has it.
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    phone: Option<String>,
    /// An IANA name such as `Europe/Berlin`.
    time_zone: Option<String>,
    /// A BCP 47 tag such as `de-AT`.
    locale: Option<String>,
    /// Assigned tags, each with the instant it was last assigned.
    tags: BTreeMap<String, String>,
    /// Custom fields that have a value.
    #[schema(value_type = BTreeMap<String, FieldJson>)]
    fields: BTreeMap<String, Value>,
    /// `subscribed`, `unsubscribed` or `none`.
    #[schema(value_type = ConsentWord)]
    consent: &'static str,
    /// `null`, `bounced`, `complained` or `manual`.
    suppressed: Option<&'static str>,
    /// The number of changes so far.
    rev: u64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<&Contact> for ContactShape {
    fn from(contact: &Contact) -> Self {
        let text = |key| contact.text(key).map(str::to_owned);
        let custom = |key: &str| built_in(key).is_none();
        let mut tags = BTreeMap::new();
        tags.extend(contact.tags.iter().map(|(tag, at)| (tag.to_string(), instant_text(*at))));
        Self {
            id: contact.id.to_string(),
            email: text("email"),
            first_name: text("first_name"),
            last_name: text("last_name"),
            phone: text("phone"),
            time_zone: text("time_zone"),
            locale: text("locale"),
            tags,
            fields: contact
                .fields
                .iter()
                .filter(|(key, _)| custom(key.as_str()))
                .map(|(key, value)| (key.to_string(), value.to_json()))
                .collect_compactly(),
            consent: consent_word(contact.consent),
            suppressed: contact.suppressed.map(suppression_word),
            rev: contact.rev,
            created_at: instant_text(contact.created_at),
            updated_at: instant_text(contact.updated_at),
        }
    }
}

/// The contact, with the names of the interface, as JSON.
pub fn contact_json(contact: &Contact) -> Value {
    json!(ContactShape::from(contact))
}

/// An object.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Object)]
pub(crate) struct ObjectShape {
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
            tags: tags.collect_compactly(),
            fields: fields.collect_compactly(),
            rev: object.rev,
            created_at: instant_text(object.created_at),
            updated_at: instant_text(object.updated_at),
        }
    }
}

/// An object, with the names of the interface, as JSON.
pub(crate) fn object_json(object: &Contact) -> Value {
    json!(ObjectShape::from(object))
}

pub(crate) fn suppression_word(why: Suppression) -> &'static str {
    match why {
        Suppression::Bounced => "bounced",
        Suppression::Complained => "complained",
        Suppression::Manual => "manual",
    }
}

/// The suppression that a word of the interface means.
pub(crate) fn suppression_of(word: &str) -> Option<Suppression> {
    [Suppression::Bounced, Suppression::Complained, Suppression::Manual]
        .into_iter()
        .find(|why| suppression_word(*why) == word.trim())
}

/// The consent that a word of the interface means.
pub fn consent_of(word: &str) -> Option<Consent> {
    [Consent::Subscribed, Consent::Unsubscribed, Consent::None]
        .into_iter()
        .find(|consent| consent_word(*consent) == word)
}

/// Whether a text looks like a BCP 47 tag.
pub fn is_locale(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    (2..=3).contains(&language.len())
        && language.chars().all(|c| c.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric())
        })
}

//! A contact as programs outside read it.

use dacapo_engine::contact::{Contact, Suppression};
use dacapo_engine::field::built_in;
use serde_json::{Map, Value, json};

use crate::Instant;
use crate::contacts::consent_word;

/// An instant as programs outside read it: RFC 3339 in UTC.
pub fn instant_json(at: Instant) -> Value {
    json!(at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}

/// The contact, with the names of the interface.
pub fn contact_json(contact: &Contact) -> Value {
    let tags: Map<String, Value> =
        contact.tags.iter().map(|(tag, at)| (tag.to_string(), instant_json(*at))).collect();
    let fields: Map<String, Value> = contact
        .fields
        .iter()
        .filter(|(key, _)| built_in(key.as_str()).is_none())
        .map(|(key, value)| (key.to_string(), value.to_json()))
        .collect();
    let suppressed = contact.suppressed.map(|why| match why {
        Suppression::Bounced => "bounced",
        Suppression::Complained => "complained",
        Suppression::Manual => "manual",
    });
    json!({
        "id": contact.id,
        "email": contact.text("email"),
        "first_name": contact.text("first_name"),
        "last_name": contact.text("last_name"),
        "phone": contact.text("phone"),
        "time_zone": contact.text("time_zone"),
        "locale": contact.text("locale"),
        "tags": tags,
        "fields": fields,
        "consent": consent_word(contact.consent),
        "suppressed": suppressed,
        "rev": contact.rev,
        "created_at": instant_json(contact.created_at),
        "updated_at": instant_json(contact.updated_at),
    })
}

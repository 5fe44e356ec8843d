//! What templates can read about a subject, and about the contact of an object (R33, R72).
//!
//! It promises that the values follow from the arguments alone, for mails and for elements alike,
//! and that what has no value has no entry.

use std::collections::BTreeMap;

use crate::account::Account;
use crate::campaign::format::Document;
use crate::contact::{Consent, Contact};
use crate::field::FieldValue;
use crate::language::Language;
use crate::template::{MergeValue, MergeValues};

/// The values of all placeholders. `unsubscribe_url` is available in every mail.
///
/// `subject` is a contact, or an object whose contact is `person` (R72): then `contact.…` is of the
/// person, and `<type>.…`, `fields.…` and `tags` are of the object.
pub fn merge_values(
    account: &Account,
    document: &Document,
    subject: &Contact,
    person: Option<&Contact>,
    run: u32,
    unsubscribe_url: Option<&str>,
) -> MergeValues {
    let contact = person.unwrap_or(subject);
    let mut values = BTreeMap::new();
    for (key, value) in &contact.fields {
        let value = merge_value(value);
        if person.is_none() && crate::field::built_in(key.as_str()).is_none() {
            values.insert(format!("fields.{key}"), value.clone());
        }
        values.insert(format!("contact.{key}"), value);
    }
    let tags_of =
        |of: &Contact| MergeValue::List(of.tags.keys().map(ToString::to_string).collect());
    if let Some(object) = &subject.object {
        let kind = &object.kind;
        for (key, value) in &subject.fields {
            let value = merge_value(value);
            values.insert(format!("fields.{key}"), value.clone());
            values.insert(format!("{kind}.{key}"), value);
        }
        values.insert(format!("{kind}.key"), MergeValue::Text(object.key.clone()));
        values.insert(format!("{kind}.tags"), tags_of(subject));
    }
    let consent = match contact.consent {
        Consent::Subscribed => "subscribed",
        Consent::Unsubscribed => "unsubscribed",
        Consent::None => "none",
    };
    let texts = [
        ("contact.id", contact.id.as_str()),
        ("contact.consent", consent),
        ("campaign.id", document.id.as_str()),
        ("campaign.name", document.name.as_str()),
    ];
    for (path, text) in texts {
        values.insert(path.to_owned(), MergeValue::Text(text.to_owned()));
    }
    values.insert("contact.tags".to_owned(), tags_of(contact));
    values.insert("tags".to_owned(), tags_of(subject));
    values.insert("campaign.run".to_owned(), MergeValue::Number(f64::from(run)));
    for path in ["unsubscribe_url", "links.unsubscribe"] {
        if let Some(url) = unsubscribe_url {
            values.insert(path.to_owned(), MergeValue::Text(url.to_owned()));
        }
    }
    MergeValues {
        zone: account.zone_of(contact),
        language: Language::of(contact.text("locale").unwrap_or(&account.locale)),
        values,
    }
}

fn merge_value(value: &FieldValue) -> MergeValue {
    match value {
        FieldValue::Text(text) => MergeValue::Text(text.clone()),
        FieldValue::Number(number) => MergeValue::Number(*number),
        FieldValue::Boolean(truth) => MergeValue::Boolean(*truth),
        FieldValue::Date(day) => MergeValue::Date(*day),
        FieldValue::Datetime(at) => MergeValue::DateTime(*at),
    }
}

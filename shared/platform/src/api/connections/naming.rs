//! What came, by the names of members and fields: what a tool calls `Budget` is the field of that
//! key or label. What nothing is called like is left out, and told.

use std::collections::BTreeMap;

use dacapo_engine::campaign::format::ObjectDefinition;
use dacapo_engine::campaign::nearest::remedy;
use dacapo_engine::ids::{FieldKey, ObjectType};
use dacapo_engine::text::letters;
use serde_json::{Map, Value};

use crate::api::contacts::names::{Meaning, meaning};
use crate::catalog::Loaded;
use crate::connections::{Answered, Incoming, IncomingObject, Misfit};
use crate::contact_json::consent_of;

/// What nobody sends by adding a line to a public form: only a map takes it, if anything does.
const NEVER_BY_NAME: [&str; 6] =
    ["tags", "suppressed", "resubscribe", "clear", "remove_tags", "fields"];

/// What is sent about the object: what the tool says, then answers to questions that are called
/// like a field, or have its label; and what the type has no field for.
pub(super) fn fields_of(
    object: &IncomingObject,
    answers: &[Answered],
    (kind, definition): (&ObjectType, &ObjectDefinition),
) -> (Map<String, Value>, Vec<Misfit>) {
    let (mut fields, mut unknown) = (Map::new(), Vec::new());
    for (name, value) in &object.fields {
        if let Some(key) = called(definition, name) {
            fields.insert(key.to_string(), value.clone());
        } else {
            let remedy = remedy(name, definition.fields.keys().map(FieldKey::as_str));
            let message = format!(
                "the type {kind} has no field `{name}`; {remedy}; PUT /v1/object-types/{kind} adds \
                 a field"
            );
            unknown.push(Misfit::new(&format!("object.{name}"), "unknown_field", message));
        }
    }
    for answered in answers {
        if let Some(key) = called(definition, &answered.question)
            && !fields.contains_key(key.as_str())
        {
            fields.insert(key.to_string(), Value::from(answered.answer.as_str()));
        }
    }
    (fields, unknown)
}

/// The field of an object that is called so, or has that label.
fn called<'d>(definition: &'d ObjectDefinition, name: &str) -> Option<&'d FieldKey> {
    let wanted = letters(name);
    let is_label =
        |label: &Option<String>| label.as_ref().is_some_and(|label| letters(label) == wanted);
    let exact = definition.fields.get_key_value(name).map(|(key, _)| key);
    let mut others = definition.fields.iter().filter(|_| !wanted.is_empty());
    exact.or_else(|| {
        let other =
            others.find(|(key, field)| letters(key.as_str()) == wanted || is_label(&field.label));
        other.map(|(key, _)| key)
    })
}

/// The questions that no field is called like, and that the map does not take: their answers are
/// left out.
pub(super) fn unanswered(
    incoming: &Incoming,
    map: &BTreeMap<String, String>,
    loaded: &Loaded,
) -> Vec<Misfit> {
    let kind = incoming.object.as_ref().map(|object| object.kind.as_str());
    let definition = kind.and_then(|kind| loaded.catalog.objects.get(kind));
    let of_type = kind.map(|kind| format!(" or PUT /v1/object-types/{kind}")).unwrap_or_default();
    let is_taken = |answered: &Answered| {
        definition.is_some_and(|definition| called(definition, &answered.question).is_some())
            || meaning(&answered.question, &loaded.catalog.fields).0 != Meaning::Unknown
            || map.contains_key(&answered.place)
    };
    let left_out = incoming.answers.iter().filter(|answered| !is_taken(answered));
    let told = left_out.map(|Answered { question, place, .. }| {
        let message = format!(
            "no field is called like the question {question:?}: its answer was left out; PUT \
             /v1/fields/{{key}}{of_type} makes one with this label, or map this place to a field"
        );
        Misfit::new(place, "unknown_field", message)
    });
    told.collect()
}

/// What is sent about the contact, and what was left out of it.
pub(super) fn members(
    incoming: &Incoming,
    contact: &Map<String, Value>,
    loaded: &Loaded,
) -> (Map<String, Value>, Vec<Misfit>) {
    let fields = &loaded.catalog.fields;
    let (mut sent, mut told) = (contact.clone(), Vec::new());
    if incoming.by_name {
        sent.retain(|name, value| match meaning(name, fields).0 {
            Meaning::Member("consent") if value.as_str().and_then(consent_of).is_none() => {
                let message = "it is no consent; write subscribed, unsubscribed or none, or map \
                               another field to it";
                told.push(Misfit::new(name, "consent", message));
                false
            }
            Meaning::Member(member) if NEVER_BY_NAME.contains(&member) => {
                told.push(only_by_map(name));
                false
            }
            Meaning::Member(_) | Meaning::Field(_) => true,
            Meaning::ReadOnly | Meaning::Unknown => false,
        });
    }
    for answered in &incoming.answers {
        let name = match meaning(&answered.question, fields).0 {
            Meaning::Field(key) => key.as_str(),
            Meaning::Member("phone") => "phone",
            Meaning::Member(_) | Meaning::ReadOnly | Meaning::Unknown => continue,
        };
        if !sent.contains_key(name) {
            sent.insert(name.to_owned(), Value::from(answered.answer.as_str()));
        }
    }
    (sent, told)
}

/// Takes away what is said by name about the consent of a contact that is there, and reports it: a
/// visitor of a public form may have typed the address of another. A new contact begins with it.
pub(super) fn without_consent(sent: &mut Map<String, Value>, loaded: &Loaded) -> Vec<Misfit> {
    let fields = &loaded.catalog.fields;
    let mut told = Vec::new();
    sent.retain(|name, _| {
        let is_consent = meaning(name, fields).0 == Meaning::Member("consent");
        told.extend(is_consent.then(|| only_by_map(name)));
        !is_consent
    });
    told
}

fn only_by_map(name: &str) -> Misfit {
    let message = "it was left out, because anybody could add it to what a public form sends; if \
                   your form has it, give the connection a map (docs/appointments.md, *The map*), \
                   which then names everything that is taken, or `tags` of its own; then replay \
                   this call";
    Misfit::new(name, "only_by_map", message)
}

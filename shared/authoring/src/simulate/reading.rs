//! Reads what is posted in a scenario, as the API does.

use std::collections::BTreeMap;

use dacapo_engine::contact::{Consent, Patch, Suppression};
use dacapo_engine::conventions::Conventions;
use dacapo_engine::field::{FieldType, FieldValue, built_in};
use dacapo_engine::ids::{FieldKey, Tag};
use dacapo_engine::problem::Problem;
use dacapo_engine::simulation::World;
use dacapo_engine::time::{Zone, zone_named};
use serde_json::Value;

use crate::scenario::{ObjectPost, Post};
use crate::wrong::{unknown, wrong};

/// The words of a post that are no fields.
const WORDS: [&str; 6] = ["tags", "remove_tags", "fields", "consent", "suppressed", "resubscribe"];

/// What a post asks for. `zone` is the contact's, unless the post says another.
pub(super) fn patch(world: &World, post: &Post, path: &str, zone: Zone) -> Result<Patch, Problem> {
    let mut patch = Patch::default();
    let own = post.0.get("time_zone").and_then(Value::as_str).and_then(zone_named);
    let conventions = Conventions::of_senders(own.unwrap_or(zone), &world.account.locale, None);
    for (key, value) in &post.0 {
        let path = format!("{path}.{key}");
        match key.as_str() {
            "tags" => patch.add = tags(value, &path)?,
            "remove_tags" => patch.remove = tags(value, &path)?,
            "fields" => {
                let Value::Object(fields) = value else {
                    return Err(kind(&path, value, "a map of fields"));
                };
                for (key, value) in fields {
                    let path = format!("{path}.{key}");
                    let (key, value) = contact_field(world, key, value, &path, &conventions)?;
                    patch.fields.insert(key, value);
                }
            }
            "consent" => {
                let wanted = "subscribed, unsubscribed or none";
                patch.consent = Some(word::<Consent>(value, &path, wanted)?);
            }
            "suppressed" => {
                let suppression = match value {
                    Value::Null => None,
                    value => Some(word::<Suppression>(
                        value,
                        &path,
                        "bounced, complained, manual or null",
                    )?),
                };
                patch.suppressed = Some(suppression);
            }
            "resubscribe" => {
                patch.resubscribe =
                    value.as_bool().ok_or_else(|| kind(&path, value, "true or false"))?;
            }
            key => {
                let (key, value) = contact_field(world, key, value, &path, &conventions)?;
                patch.fields.insert(key, value);
            }
        }
    }
    Ok(patch)
}

/// What is asked for about an object. `zone` is the zone of its contact.
pub(super) fn object_patch(
    world: &World,
    post: &ObjectPost,
    path: &str,
    zone: Zone,
) -> Result<Patch, Problem> {
    let Some(declared) = world.object_types().get(&post.kind) else {
        let known = world.object_types().keys().map(|kind| kind.as_str());
        return Err(unknown(format!("{path}.type"), "type of objects", post.kind.as_str(), known));
    };
    let conventions = Conventions::of_senders(zone, &world.account.locale, None);
    let mut fields = BTreeMap::new();
    for (key, value) in &post.fields {
        let path = format!("{path}.fields.{key}");
        let Some(field) = declared.fields.get(key) else {
            let known = declared.fields.keys().map(|key| key.as_str());
            return Err(unknown(path, "field", key.as_str(), known));
        };
        fields.insert(key.clone(), field_value(field.kind, value, &path, &conventions)?);
    }
    Ok(Patch {
        add: post.tags.clone(),
        remove: post.remove_tags.clone(),
        fields,
        event: post.event.clone(),
        ..Patch::default()
    })
}

/// A field of a contact, and its value.
fn contact_field(
    world: &World,
    key: &str,
    value: &Value,
    path: &str,
    conventions: &Conventions,
) -> Result<(FieldKey, Option<FieldValue>), Problem> {
    let known = FieldKey::new(key).ok().and_then(|known| {
        let kind = built_in(key).or_else(|| world.fields().get(&known).copied())?;
        Some((known, kind))
    });
    let Some((known, kind)) = known else {
        let fields = world.fields().keys().map(|key| key.as_str());
        let built_in = dacapo_engine::field::BUILT_IN.iter().map(|(key, _)| *key);
        let all = WORDS.into_iter().chain(built_in).chain(fields);
        return Err(unknown(path, "field", key, all));
    };
    if key == "time_zone"
        && let Value::String(name) = value
    {
        let zone = zone_named(name).ok_or_else(|| {
            let message = format!("{name:?} is no time zone");
            wrong("invalid_value", path, message, "write an IANA name such as Europe/Berlin")
        })?;
        return Ok((known, Some(FieldValue::Text(zone.name().to_owned()))));
    }
    let value = field_value(kind, value, path, conventions)?;
    Ok((known, value))
}

fn field_value(
    kind: FieldType,
    value: &Value,
    path: &str,
    conventions: &Conventions,
) -> Result<Option<FieldValue>, Problem> {
    kind.read_sent(value, conventions).map_err(|why| {
        let said = why.to_string();
        let (message, remedy) = match said.rsplit_once("; ") {
            Some((message, remedy)) => (message.to_owned(), remedy.to_owned()),
            None => (said, format!("write a value of the type {}", kind.word())),
        };
        wrong("invalid_value", path, message, remedy)
    })
}

/// Tags as the API takes them: a list, or a text with commas between tags.
fn tags(value: &Value, path: &str) -> Result<Vec<Tag>, Problem> {
    let tag = |text: &str, path: &str| {
        Tag::new(text).map_err(|why| {
            let message = format!("`{text}` is not a tag: {why}");
            wrong("invalid_value", path, message, "write another tag")
        })
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => text
            .split(',')
            .filter(|text| !text.trim().is_empty())
            .map(|text| tag(text, path))
            .collect(),
        Value::Array(items) => (0..)
            .zip(items)
            .map(|(nth, item): (usize, _)| {
                let path = format!("{path}[{nth}]");
                match item {
                    Value::String(text) => tag(text, &path),
                    Value::Number(number) => tag(&number.to_string(), &path),
                    other => Err(kind(&path, other, "a tag")),
                }
            })
            .collect(),
        Value::Number(number) => Ok(vec![tag(&number.to_string(), path)?]),
        other => Err(kind(path, other, "a list of tags")),
    }
}

fn word<T: serde::de::DeserializeOwned>(
    value: &Value,
    path: &str,
    wanted: &str,
) -> Result<T, Problem> {
    serde_json::from_value(value.clone()).map_err(|_| kind(path, value, wanted))
}

fn kind(path: &str, found: &Value, wanted: &str) -> Problem {
    let message = format!("{wanted} belongs here, not {found}");
    wrong("wrong_type", path, message, format!("write {wanted}"))
}

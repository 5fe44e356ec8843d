//! A record of the stream: what stood there before and after, read from the JSON that Lambda hands over.

use dacapo_platform::Instant;
use dacapo_platform::table::{Body, Item, Key, RESERVED};
use serde_json::{Map, Number, Value};

/// A record, with what it says or why that cannot be read.
pub(super) struct Record<'a> {
    /// Its number in the shard.
    pub(super) id: Option<String>,
    /// As it came.
    pub(super) raw: &'a Value,
    /// What it says.
    pub(super) change: Result<Change, String>,
}

/// An item before and after a write.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) key: Key,
    pub(super) old: Option<Item>,
    pub(super) new: Option<Item>,
}

impl<'a> Record<'a> {
    pub(super) fn of(raw: &'a Value) -> Self {
        let number = raw.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str);
        Self { id: number.map(str::to_owned), raw, change: change(raw) }
    }

    /// What has to go in order: everything about one contact.
    pub(super) fn lane(&self) -> String {
        let pk = self.raw.pointer("/dynamodb/Keys/PK/S").and_then(Value::as_str);
        pk.unwrap_or_default().to_owned()
    }
}

fn change(raw: &Value) -> Result<Change, String> {
    let record = raw.get("dynamodb").ok_or("it has no `dynamodb`")?;
    let keys = record.get("Keys").and_then(Value::as_object).ok_or("it has no `Keys`")?;
    let key = Key::new(text(keys, "PK")?, text(keys, "SK")?);
    let image = |name: &str| match record.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(image) => {
            let attributes = image.as_object().ok_or("an image is an object")?;
            item(key.clone(), attributes).map(Some)
        }
    };
    let (old, new) = (image("OldImage")?, image("NewImage")?);
    Ok(Change { key, old, new })
}

fn item(key: Key, attributes: &Map<String, Value>) -> Result<Item, String> {
    let mut body = Map::new();
    for (name, attribute) in attributes {
        if !RESERVED.contains(&name.as_str()) {
            body.insert(name.clone(), value(attribute)?);
        }
    }
    let mut item = Item::new(key, Body::stored(Value::Object(body).to_string()));
    if let Some(rev) = number(attributes, "rev")? {
        let rev = rev.as_u64().ok_or("`rev` is no revision")?;
        item = item.rev(rev);
    }
    if attributes.contains_key("GSI1PK") {
        item = item.index(Key::new(text(attributes, "GSI1PK")?, text(attributes, "GSI1SK")?));
    }
    if let Some(seconds) = number(attributes, "ttl")? {
        let at = seconds.as_i64().and_then(|seconds| Instant::from_timestamp(seconds, 0));
        item = item.expires(at.ok_or("`ttl` is no instant")?);
    }
    Ok(item)
}

fn text<'a>(attributes: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    let text = attributes.get(name).and_then(|attribute| attribute.get("S"));
    text.and_then(Value::as_str).ok_or_else(|| format!("`{name}` is no text"))
}

fn number(attributes: &Map<String, Value>, name: &str) -> Result<Option<Number>, String> {
    match attributes.get(name).map(value).transpose()? {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(Some(number)),
        Some(_) => Err(format!("`{name}` is no number")),
    }
}

/// The JSON that an attribute stands for.
fn value(attribute: &Value) -> Result<Value, String> {
    let unknown = || "an attribute of a type that bodies do not have".to_owned();
    let typed = attribute.as_object().filter(|typed| typed.len() == 1).ok_or_else(unknown)?;
    let (kind, value_of) = typed.iter().next().ok_or_else(unknown)?;
    match (kind.as_str(), value_of) {
        ("S", Value::String(_)) | ("BOOL", Value::Bool(_)) => Ok(value_of.clone()),
        ("N", Value::String(digits)) => {
            let number: Number = serde_json::from_str(digits)
                .map_err(|_| format!("`{digits}` is no number"))?;
            Ok(Value::Number(number))
        }
        ("NULL", _) => Ok(Value::Null),
        ("L", Value::Array(list)) => list.iter().map(value).collect(),
        ("M", Value::Object(map)) => {
            map.iter().map(|(name, inner)| Ok((name.clone(), value(inner)?))).collect()
        }
        (_, _) => Err(unknown()),
    }
}

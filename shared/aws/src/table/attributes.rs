//! Items as DynamoDB's attributes, and back.
//!
//! | of an item | attribute |
//! |---|---|
//! | key | `PK`, `SK` |
//! | revision | `rev`, a number |
//! | place in the index | `GSI1PK`, `GSI1SK` |
//! | expiry | `ttl`, whole seconds |
//! | every member of the body | one of its name, as the native type |
//!
//! Native values take fewer bytes than JSON as text: a member of a map costs one byte beside its
//! name and value instead of four, an instant in milliseconds eight instead of thirteen. What
//! DynamoDB's values cannot hold (numbers beyond its range, nesting beyond its depth) is stored as
//! JSON in a binary, a type that no other JSON value has. The arithmetic in
//! `dacapo_platform::table::size` counts exactly this.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::Blob;
use dacapo_engine::compact::SortCompactly as _;
use dacapo_platform::Instant;
use dacapo_platform::table::{Body, DEEPEST, Item, Key, Unreadable, is_native_number as is_native};
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

/// The attributes of an item.
pub(super) type Attributes = HashMap<String, AttributeValue>;

/// The name of the partition key.
pub(super) const PK: &str = "PK";
/// The name of the sort key.
pub(super) const SK: &str = "SK";
/// The name of the revision.
pub(super) const REV: &str = "rev";
/// The name of the index's partition key.
pub(super) const INDEX_PK: &str = "GSI1PK";
/// The name of the index's sort key.
pub(super) const INDEX_SK: &str = "GSI1SK";
/// The name of the expiry.
pub(super) const TTL: &str = "ttl";

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// The attributes of a key.
pub(super) fn of_key(key: &Key) -> Attributes {
    HashMap::from([(PK.to_owned(), text(&key.pk)), (SK.to_owned(), text(&key.sk))])
}

/// The attributes of an item.
pub(super) fn of_item(item: &Item) -> Result<Attributes, Unreadable> {
    let mut attributes = members(&item.body)?;
    attributes.extend(of_key(&item.key));
    if let Some(rev) = item.rev {
        attributes.insert(REV.to_owned(), AttributeValue::N(rev.to_string()));
    }
    if let Some(index) = &item.index {
        attributes.insert(INDEX_PK.to_owned(), text(&index.pk));
        attributes.insert(INDEX_SK.to_owned(), text(&index.sk));
    }
    if let Some(at) = item.expires {
        attributes.insert(TTL.to_owned(), AttributeValue::N(seconds(at).to_string()));
    }
    Ok(attributes)
}

/// Whole seconds, rounded up.
fn seconds(at: Instant) -> i64 {
    at.timestamp() + i64::from(at.timestamp_subsec_nanos() > 0)
}

/// The item of these attributes.
pub(super) fn to_item(mut attributes: Attributes) -> Result<Item, Unreadable> {
    let key = key(&mut attributes, PK, SK)?.ok_or_else(|| unreadable("an item without a key"))?;
    let index = self::key(&mut attributes, INDEX_PK, INDEX_SK)?;
    let rev = number(&mut attributes, REV)?;
    let expires = number(&mut attributes, TTL)?
        .map(|at| Instant::from_timestamp(at, 0).ok_or_else(|| unreadable("an expiry")))
        .transpose()?;
    let mut body = String::new();
    write_members(&attributes, &mut body)?;
    Ok(Item { key, rev, index, expires, body: Body::stored(body) })
}

/// Takes the two parts of a key out, if both are there.
pub(super) fn key(
    attributes: &mut Attributes,
    pk: &str,
    sk: &str,
) -> Result<Option<Key>, Unreadable> {
    match (attributes.remove(pk), attributes.remove(sk)) {
        (Some(AttributeValue::S(pk)), Some(AttributeValue::S(sk))) => Ok(Some(Key { pk, sk })),
        (None, None) => Ok(None),
        (Some(_), _) | (_, Some(_)) => Err(unreadable(&format!("`{pk}` or `{sk}` is no text"))),
    }
}

fn number<T: std::str::FromStr>(
    attributes: &mut Attributes,
    name: &str,
) -> Result<Option<T>, Unreadable> {
    let Some(value) = attributes.remove(name) else { return Ok(None) };
    let number = value.as_n().ok().and_then(|number| number.parse().ok());
    number.map(Some).ok_or_else(|| unreadable(&format!("`{name}` is no whole number")))
}

pub(super) fn unreadable(what: &str) -> Unreadable {
    Unreadable(format!("{what} in the table"))
}

/// The members of a body.
fn members(body: &Body) -> Result<Attributes, Unreadable> {
    struct Members(Attributes);
    impl<'de> Deserialize<'de> for Members {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct Top;
            impl<'de> Visitor<'de> for Top {
                type Value = Attributes;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Attributes, A::Error> {
                    members_of(map, 1)
                }
            }
            from.deserialize_map(Top).map(Self)
        }
    }
    body.read().map(|Members(members)| members)
}

fn members_of<'de, A: MapAccess<'de>>(mut map: A, depth: usize) -> Result<Attributes, A::Error> {
    let mut members = Attributes::new();
    while let Some(name) = map.next_key()? {
        members.insert(name, map.next_value_seed(At(depth))?);
    }
    Ok(members)
}

/// A JSON value as an attribute's value, read without a tree between, at this depth of the body.
struct At(usize);

impl<'de> DeserializeSeed<'de> for At {
    type Value = AttributeValue;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<AttributeValue, D::Error> {
        if self.0 > DEEPEST {
            let value = Value::deserialize(from)?;
            return Ok(match value {
                Value::Array(_) | Value::Object(_) => as_json(&value),
                Value::Null => AttributeValue::Null(true),
                Value::Bool(truth) => AttributeValue::Bool(truth),
                Value::Number(number) => of_number(&number),
                Value::String(text) => AttributeValue::S(text),
            });
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At {
    type Value = AttributeValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<AttributeValue, E> {
        Ok(AttributeValue::Null(true))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<AttributeValue, E> {
        Ok(AttributeValue::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<AttributeValue, E> {
        Ok(AttributeValue::N(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<AttributeValue, E> {
        Ok(AttributeValue::N(number.to_string()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<AttributeValue, E> {
        let number = Number::from_f64(number).ok_or_else(|| E::custom("no number of JSON"))?;
        Ok(of_number(&number))
    }

    fn visit_str<E>(self, text: &str) -> Result<AttributeValue, E> {
        Ok(AttributeValue::S(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<AttributeValue, E> {
        Ok(AttributeValue::S(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<AttributeValue, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element_seed(Self(self.0 + 1))? {
            elements.push(element);
        }
        Ok(AttributeValue::L(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AttributeValue, A::Error> {
        members_of(map, self.0 + 1).map(AttributeValue::M)
    }
}

fn of_number(number: &Number) -> AttributeValue {
    if is_native(number) {
        AttributeValue::N(number.to_string())
    } else {
        as_json(&Value::Number(number.clone()))
    }
}

fn as_json(value: &Value) -> AttributeValue {
    AttributeValue::B(Blob::new(value.to_string()))
}

/// Writes the members as a JSON object, in order of their names: the same item always has the same
/// text.
fn write_members(members: &Attributes, json: &mut String) -> Result<(), Unreadable> {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_compactly_by_key(|(name, _)| *name);
    json.push('{');
    for (nth, (name, value)) in sorted.into_iter().enumerate() {
        if nth > 0 {
            json.push(',');
        }
        write_text(name, json)?;
        json.push(':');
        write_value(value, json)?;
    }
    json.push('}');
    Ok(())
}

fn write_value(value: &AttributeValue, json: &mut String) -> Result<(), Unreadable> {
    match value {
        AttributeValue::Null(_) => json.push_str("null"),
        AttributeValue::Bool(truth) => json.push_str(if *truth { "true" } else { "false" }),
        AttributeValue::N(number) => json.push_str(number),
        AttributeValue::S(text) => write_text(text, json)?,
        AttributeValue::L(elements) => {
            json.push('[');
            for (nth, element) in elements.iter().enumerate() {
                if nth > 0 {
                    json.push(',');
                }
                write_value(element, json)?;
            }
            json.push(']');
        }
        AttributeValue::M(members) => write_members(members, json)?,
        AttributeValue::B(bytes) => match std::str::from_utf8(bytes.as_ref()) {
            Ok(text) => json.push_str(text),
            Err(_) => return Err(unreadable("a binary that is no text")),
        },
        // Sets, and types that DynamoDB may add: Dacapo writes none of these.
        other => return Err(unreadable(&format!("a value that no body has: {other:?}"))),
    }
    Ok(())
}

fn write_text(text: &str, json: &mut String) -> Result<(), Unreadable> {
    let text = serde_json::to_string(text).map_err(|error| Unreadable(error.to_string()))?;
    json.push_str(&text);
    Ok(())
}

/// The error of serde for a value that cannot be.
pub(super) fn refused<E: serde::de::Error>(error: &Unreadable) -> E {
    E::custom(&error.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn back_and_forth(body: &Value) -> Value {
        let item = Item::new(Key::new("p", "s"), Body::of(body).unwrap());
        let attributes = of_item(&item).unwrap();
        to_item(attributes).unwrap().body.read().unwrap()
    }

    #[test]
    fn whatever_json_says_comes_back() {
        let mut deep = json!({ "end": [1e300, "x"] });
        for _ in 0..60 {
            deep = json!([deep]);
        }
        for body in [
            json!({}),
            json!({ "a": null, "b": [true, false, [], {}], "c": { "d": { "": "" } } }),
            json!({ "text": "Zoë \"q\"\n\u{0}\u{1f600}" }),
            json!({ "n": [0, -1, 1.5, u64::MAX, i64::MIN, 1e-7, 1e20, 0.1, -2.5e-5, 1e125] }),
            json!({ "n": [1e126, -1e-200, f64::MAX, f64::MIN_POSITIVE] }),
            json!({ "deep": deep }),
        ] {
            assert_eq!(back_and_forth(&body), body);
        }
    }

    #[test]
    fn the_frame_comes_back() {
        let item = Item::new(Key::new("p", "s"), Body::of(&json!({ "x": 1 })).unwrap())
            .rev(7)
            .index(Key::new("i", "j"))
            .expires(Instant::from_timestamp(4_000_000_000, 1).unwrap());
        let found = to_item(of_item(&item).unwrap()).unwrap();
        assert_eq!(found.expires, Instant::from_timestamp(4_000_000_001, 0));
        assert_eq!(Item { expires: None, ..found }, Item { expires: None, ..item });
    }

    #[test]
    fn what_we_never_wrote_is_refused_with_its_name() {
        let mut attributes = of_key(&Key::new("p", "s"));
        attributes.insert("tags".to_owned(), AttributeValue::Ss(vec!["x".to_owned()]));
        assert!(to_item(attributes).unwrap_err().0.contains("no body has"));
        let mut attributes = of_key(&Key::new("p", "s"));
        attributes.insert(REV.to_owned(), text("7"));
        assert!(to_item(attributes).unwrap_err().0.contains("`rev`"));
        assert!(to_item(Attributes::new()).is_err());
    }
}

//! The images in a record of the table's stream, as Lambda hands them over: JSON with every value
//! wrapped in the letter of its type.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::Blob;
use dacapo_platform::table::{Item, Unreadable};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::attributes::{Attributes, refused, to_item};

/// The item of an image: `{"PK": {"S": "…"}, "rev": {"N": "7"}, …}`.
///
/// # Errors
///
/// Names what cannot be read. It is not retryable.
pub fn item_of_image(image: &Value) -> Result<Item, Unreadable> {
    Image::deserialize(image).map(|Image(item)| item).map_err(|error| Unreadable(error.to_string()))
}

/// An image, for types that are read from an event.
///
/// With it, a whole event cannot be read if one image cannot; [`item_of_image`] reads one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image(pub Item);

impl<'de> Deserialize<'de> for Image {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let wrapped: std::collections::HashMap<String, Wrapped> = Deserialize::deserialize(from)?;
        let attributes: Attributes =
            wrapped.into_iter().map(|(name, Wrapped(value))| (name, value)).collect();
        to_item(attributes).map(Self).map_err(|error| refused(&error))
    }
}

/// A value in its wrapper.
struct Wrapped(AttributeValue);

impl<'de> Deserialize<'de> for Wrapped {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Wrapped;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with the letter of its type")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Wrapped, A::Error> {
                let Some(letter) = map.next_key::<String>()? else {
                    return Err(A::Error::custom("a value without a type"));
                };
                let value = match letter.as_str() {
                    "S" => AttributeValue::S(map.next_value()?),
                    "N" => AttributeValue::N(map.next_value()?),
                    "BOOL" => AttributeValue::Bool(map.next_value()?),
                    "NULL" => AttributeValue::Null(map.next_value()?),
                    "B" => {
                        let text: String = map.next_value()?;
                        let bytes = aws_smithy_types::base64::decode(text);
                        AttributeValue::B(Blob::new(bytes.map_err(A::Error::custom)?))
                    }
                    "L" => {
                        let list: Vec<Wrapped> = map.next_value()?;
                        AttributeValue::L(list.into_iter().map(|Wrapped(value)| value).collect())
                    }
                    "M" => {
                        let members: std::collections::HashMap<String, Wrapped> =
                            map.next_value()?;
                        let members =
                            members.into_iter().map(|(name, Wrapped(value))| (name, value));
                        AttributeValue::M(members.collect())
                    }
                    other => return Err(A::Error::custom(format!("no body has a `{other}`"))),
                };
                if map.next_key::<String>()?.is_some() {
                    return Err(A::Error::custom("a value of two types"));
                }
                Ok(Wrapped(value))
            }
        }
        from.deserialize_map(One)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dacapo_platform::table::{Body, Key};
    use serde_json::json;

    #[test]
    fn an_image_is_read_as_the_item_that_was_written() {
        let image = json!({
            "PK": { "S": "A#main#C#c1" }, "SK": { "S": "CONTACT" }, "rev": { "N": "3" },
            "GSI1PK": { "S": "A#main#C#1" }, "GSI1SK": { "S": "c1" }, "ttl": { "N": "4000000000" },
            "w": { "S": "abc" }, "big": { "B": "MWUzMDA=" },
            "c": { "M": { "tags": { "M": { "Lead": { "N": "1796112000000" } } },
                "list": { "L": [{ "BOOL": true }, { "NULL": true }, { "S": "" }] } } }
        });
        let body = json!({
            "w": "abc", "big": 1e300,
            "c": { "tags": { "Lead": 1_796_112_000_000_i64 }, "list": [true, null, ""] }
        });
        let item = Item::new(Key::new("A#main#C#c1", "CONTACT"), Body::of(&body).unwrap())
            .rev(3)
            .index(Key::new("A#main#C#1", "c1"))
            .expires(chrono::DateTime::from_timestamp(4_000_000_000, 0).unwrap());
        assert_eq!(item_of_image(&image), Ok(item.clone()));
        let text = image.to_string();
        assert_eq!(serde_json::from_str::<Image>(&text).unwrap(), Image(item));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let with = |value: Value| json!({ "PK": { "S": "p" }, "SK": { "S": "s" }, "x": value });
        for (value, why) in [
            (json!({ "SS": ["a"] }), "no body has a `SS`"),
            (json!({ "N": 7 }), "expected a string"),
            (json!({}), "without a type"),
            (json!({ "S": "a", "N": "1" }), "two types"),
            (json!("a"), "the letter of its type"),
            (json!({ "B": "***" }), ""),
        ] {
            let error = item_of_image(&with(value.clone())).unwrap_err();
            assert!(error.0.contains(why), "{value}: {error}");
        }
        assert!(item_of_image(&json!({ "x": { "S": "" } })).is_err());
    }
}

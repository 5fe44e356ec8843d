//! The body of an item: a JSON object, kept as text.
//!
//! Every top-level member is an attribute of the item, so it must not have the name of one of the
//! table's own attributes.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::redaction::without_values;

/// The attributes of an item that are the table's own; no top-level member of a body has such a
/// name.
pub const RESERVED: [&str; 6] = ["PK", "SK", "rev", "GSI1PK", "GSI1SK", "ttl"];

/// A JSON object as text.
///
/// Two bodies are equal if they have the same content: a store may return the members in another
/// order, and `1.0` as `1`.
#[derive(Clone)]
pub struct Body(Box<str>);

/// Why a value cannot be a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// It isn't a map or a struct with named fields.
    #[error("the body of an item is an object, this is not one")]
    NoObject,
    /// A member would collide with an attribute of the table.
    #[error("`{0}` is an attribute of every item; name the member otherwise")]
    Reserved(&'static str),
    /// It can't be written as JSON.
    #[error("the body can't be written: {0}")]
    Json(String),
}

/// A body that does not have the content that its reader expects. The reason quotes none of its
/// values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stored body can't be read: {0}")]
pub struct Unreadable(pub String);

impl Body {
    /// The body with the content of `value`.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Unwritable> {
        let text =
            serde_json::to_string(value).map_err(|error| Unwritable::Json(error.to_string()))?;
        if !text.starts_with('{') {
            return Err(Unwritable::NoObject);
        }
        if let Some(name) = reserved_member(&text) {
            return Err(Unwritable::Reserved(name));
        }
        Ok(Self(text.into()))
    }

    /// The body of this text, which came from [`Body::as_str`]. For stores: it is not checked.
    #[must_use]
    pub fn stored(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Its content, as a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Unreadable> {
        serde_json::from_str(&self.0)
            .map_err(|error| Unreadable(without_values(&error.to_string())))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The length of the text in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        &*self.0 == "{}"
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        let value = |body: &Self| body.read::<serde_json::Value>().ok();
        self.0 == other.0 || value(self).is_some_and(|said| Some(said) == value(other))
    }
}

impl Eq for Body {}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is compact, so a name that never precedes a colon is excluded without a parser.
fn reserved_member(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    let named = |end: usize| {
        let before = &bytes[..end];
        RESERVED.iter().any(|name| {
            before.strip_suffix(name.as_bytes()).is_some_and(|before| before.ends_with(b"\""))
        })
    };
    let suspected =
        (1..bytes.len()).any(|at| bytes[at] == b':' && bytes[at - 1] == b'"' && named(at - 1));
    if !suspected {
        return None;
    }
    let members: BTreeMap<String, IgnoredAny> = serde_json::from_str(text).ok()?;
    RESERVED.into_iter().find(|name| members.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_an_object() {
        assert_eq!(Body::of(&[1, 2]), Err(Unwritable::NoObject));
        assert_eq!(Body::of("text"), Err(Unwritable::NoObject));
        assert!(Body::of(&serde_json::json!({})).unwrap().is_empty());
    }

    #[test]
    fn an_attribute_of_the_table_is_refused_at_the_top_only() {
        let nested = serde_json::json!({ "changes": [{ "rev": 1 }], "text": "\"ttl\":" });
        assert!(Body::of(&nested).is_ok());
        assert_eq!(
            Body::of(&serde_json::json!({ "a": 1, "rev": 1 })),
            Err(Unwritable::Reserved("rev"))
        );
    }

    #[test]
    fn why_a_body_cannot_be_read_quotes_nothing_of_it() {
        let body = Body::stored(r#"{"rev":"ann@example.com"}"#);
        let error = body.read::<BTreeMap<String, u64>>().unwrap_err().to_string();
        assert!(error.contains("string") && !error.contains("ann"), "{error}");
    }

    #[test]
    fn bodies_that_say_the_same_are_equal() {
        assert_eq!(Body::stored(r#"{"a":1,"b":2}"#), Body::stored(r#"{"b":2,"a":1}"#));
        assert_ne!(Body::stored(r#"{"a":1}"#), Body::stored(r#"{"a":2}"#));
    }
}

//! The members of a JSON object, each of them once.
//!
//! If a member occurs twice, most JSON readers keep the last one. Here that is refused if the two
//! differ: otherwise one of them would be lost silently.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::api::call::wording::TWICE;

/// The members of an object, each once.
#[derive(Debug)]
pub(in crate::api) struct Members(pub(in crate::api) Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match UniqueMembers::deserialize(deserializer)? {
            UniqueMembers(Value::Object(members)) => Ok(Self(members)),
            UniqueMembers(other) => {
                let sent = dacapo_engine::field::quoted(&other);
                Err(D::Error::custom(format_args!("{sent} is no object; send {{\"email\": …}}")))
            }
        }
    }
}

/// Any value, in whose objects each member occurs once.
struct UniqueMembers(Value);

impl<'de> Deserialize<'de> for UniqueMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(Self)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(UniqueMembers(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let UniqueMembers(value) = map.next_value()?;
            if members.get(&name).is_some_and(|there| *there != value) {
                let twice = format_args!("`{name}{TWICE}; send one of the two");
                return Err(A::Error::custom(twice));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_member_is_lost_because_it_stands_there_twice() {
        let read = |text: &str| serde_json::from_str::<Members>(text).map(|members| members.0);
        let twice = read(r#"{"email": "a@x.example", "fields": {"city": "A", "city": "B"}}"#);
        assert!(twice.unwrap_err().to_string().contains("`city` stands there twice"));
        let twice = read(r#"{"fields": {"a": 1}, "fields": {"b": 1}}"#);
        assert!(twice.unwrap_err().to_string().contains("`fields` stands there twice"));
        let text = r#"{"a": [1, -2, 2.5, true, null, {"b": "ü"}], "c": "1", "c": "1"}"#;
        let plain: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Value::Object(read(text).unwrap()), plain);
        assert!(read("[1]").unwrap_err().to_string().contains("[1] is no object"));
    }
}

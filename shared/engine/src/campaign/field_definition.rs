//! A field as it is written: the word for its type, `datetime`, or a map with more,
//! `{ type: datetime, label: Begins }`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::format::FieldDefinition;
use super::nearest::remedy;
use crate::field::FieldType;

/// All types.
const TYPES: [FieldType; 5] =
    [FieldType::Text, FieldType::Number, FieldType::Boolean, FieldType::Date, FieldType::Datetime];

/// A field in its long form.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LongFieldDefinition {
    /// Its type.
    #[serde(rename = "type")]
    kind: FieldType,
    /// The label that people see.
    #[serde(default)]
    label: Option<String>,
}

impl<'de> Deserialize<'de> for FieldDefinition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldDefinitionVisitor)
    }
}

struct FieldDefinitionVisitor;

impl<'de> Visitor<'de> for FieldDefinitionVisitor {
    type Value = FieldDefinition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a type such as `datetime`, or a map with the keys `type` and `label`")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<FieldDefinition, E> {
        match TYPES.into_iter().find(|kind| kind.word() == word) {
            Some(kind) => Ok(FieldDefinition { kind, label: None }),
            None => {
                let remedy = remedy(word, TYPES.map(FieldType::word));
                Err(E::custom(format_args!("there is no type `{word}`; {remedy}")))
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FieldDefinition, A::Error> {
        let LongFieldDefinition { kind, label } =
            LongFieldDefinition::deserialize(MapAccessDeserializer::new(map))?;
        Ok(FieldDefinition { kind, label })
    }
}

impl JsonSchema for FieldDefinition {
    fn schema_name() -> Cow<'static, str> {
        "FieldDefinition".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let short = generator.subschema_for::<FieldType>();
        let long = LongFieldDefinition::json_schema(generator);
        json_schema!({
            "description": "A field: its type, or its type and its label.",
            "anyOf": [short, long],
        })
    }
}

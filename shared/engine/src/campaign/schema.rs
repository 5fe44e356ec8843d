//! The JSON Schema of the campaign document, for editors and for the API's description.
//!
//! Its descriptions are the documentation comments of the types, and a line break in a comment
//! would be one in the description. So what does not fit into a line is written as `#[doc = "…"]`,
//! with a backslash at the end of a line.
//!
//! The same schema is there in two dialects: 2020-12, which OpenAPI uses, and draft-07, which
//! editors of YAML read.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::format::Document;

/// The schema as it is served, in 2020-12: a file, so that no program has to make it. A test holds
/// it to [`json_schema`].
pub const JSON_SCHEMA: &str = include_str!("schema.json");

/// The same in draft-07. A test holds it to [`json_schema_draft_07`].
pub const JSON_SCHEMA_DRAFT_07: &str = include_str!("schema-draft-07.json");

/// The schema, generated from the types that the document is read with.
pub fn json_schema() -> Value {
    generated(SchemaSettings::draft2020_12())
}

/// The same in draft-07.
pub fn json_schema_draft_07() -> Value {
    generated(SchemaSettings::draft07())
}

fn generated(settings: SchemaSettings) -> Value {
    let mut schema = settings.into_generator().into_root_schema_for::<Document>().to_value();
    describe_only_keys(&mut schema);
    schema
}

/// A case that has one key, such as `tag_added`, says what it is. Editors show what the key says.
fn describe_only_keys(part: &mut Value) {
    match part {
        Value::Object(members) => {
            let says = members.get("description").cloned();
            if let (Some(says), Some(Value::Object(keys))) = (says, members.get_mut("properties"))
                && keys.len() == 1
            {
                for key in keys.values_mut().filter_map(Value::as_object_mut) {
                    // Beside `$ref` nothing else is read in draft-07.
                    if !key.contains_key("description") && key.contains_key("$ref") {
                        let to = Value::Object(std::mem::take(key));
                        key.insert("allOf".to_owned(), Value::Array(vec![to]));
                    }
                    key.entry("description").or_insert_with(|| says.clone());
                }
            }
            members.values_mut().for_each(describe_only_keys);
        }
        Value::Array(parts) => parts.iter_mut().for_each(describe_only_keys),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

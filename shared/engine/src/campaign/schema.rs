//! The JSON Schema of the campaign document, for editors and for the API's description.

use serde_json::Value;

use super::format::Document;

/// The schema as it is served: a file, so that no program has to make it. A test holds it to [`json_schema`].
pub const JSON_SCHEMA: &str = include_str!("schema.json");

/// The schema, generated from the types that the document is read with.
pub fn json_schema() -> Value {
    schemars::schema_for!(Document).to_value()
}

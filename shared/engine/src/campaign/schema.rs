//! The JSON Schema of the campaign document, for editors and for the API's description.

use serde_json::Value;

use super::format::Document;

/// The schema, generated from the types that the document is read with.
pub fn json_schema() -> Value {
    schemars::schema_for!(Document).to_value()
}

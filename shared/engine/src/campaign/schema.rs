//! The JSON Schema of the campaign document, for editors and for the API's description.
//!
//! Its descriptions are the documentation comments of the types, and a line break in a comment
//! would be one in the description. So what does not fit into a line is written as `#[doc = "…"]`,
//! with a backslash at the end of a line.

use serde_json::Value;

use super::format::Document;

/// The schema as it is served: a file, so that no program has to make it. A test holds it to
/// [`json_schema`].
pub const JSON_SCHEMA: &str = include_str!("schema.json");

/// The schema, generated from the types that the document is read with.
pub fn json_schema() -> Value {
    schemars::schema_for!(Document).to_value()
}

//! What is posted about a contact: the body of `POST /v1/hooks/contact`, and `consent` and
//! `suppressed` as `PATCH /v1/contacts/{id}` takes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Keys and values as they are sent. `tags`, `remove_tags`, `fields`, `consent` and `suppressed`
/// mean what they mean there; any other key is a field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Post(pub BTreeMap<String, Value>);

impl Post {
    /// Nothing, to be added to.
    pub fn new() -> Self {
        Self::default()
    }

    /// With these tags to assign.
    #[must_use]
    pub fn tags<'a>(self, tags: impl IntoIterator<Item = &'a str>) -> Self {
        self.with("tags", json!(tags.into_iter().collect::<Vec<_>>()))
    }

    /// With these tags to withdraw.
    #[must_use]
    pub fn remove_tags<'a>(self, tags: impl IntoIterator<Item = &'a str>) -> Self {
        self.with("remove_tags", json!(tags.into_iter().collect::<Vec<_>>()))
    }

    /// With this key: a field, or one of the words.
    #[must_use]
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.0.insert(key.to_owned(), value);
        self
    }
}

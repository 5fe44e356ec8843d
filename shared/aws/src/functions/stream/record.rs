//! A record of the stream: the item before and after, read from the JSON of Lambda.

use dacapo_platform::redriving::NOT_KEPT;
use dacapo_platform::table::{Item, Key};
use serde_json::Value;

use crate::table::item_of_image;

/// A record, with its content or why that cannot be read.
pub(super) struct Record<'a> {
    /// Its number in the shard.
    pub(super) id: Option<String>,
    /// As it came.
    pub(super) raw: &'a Value,
    /// Its content.
    pub(super) change: Result<ItemImages, String>,
}

/// An item before and after a write.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ItemImages {
    pub(super) key: Key,
    pub(super) old: Option<Item>,
    pub(super) new: Option<Item>,
}

impl<'a> Record<'a> {
    pub(super) fn of(raw: &'a Value) -> Self {
        let number = raw.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str);
        Self { id: number.map(str::to_owned), raw, change: change(raw) }
    }

    /// Its entry in the list of failures. One without a number fails with its whole batch: that is
    /// what an empty entry means.
    pub(super) fn number(self) -> String {
        self.id.unwrap_or_default()
    }

    /// Its identity, if it has a number: shards have numbers of their own.
    pub(super) fn name(&self) -> Option<String> {
        self.id.as_ref().map(|id| format!("{}/{id}", self.ordering_key()))
    }

    /// Its ordering key: the contact.
    pub(super) fn ordering_key(&self) -> String {
        let pk = self.raw.pointer("/dynamodb/Keys/PK/S").and_then(Value::as_str);
        pk.unwrap_or_default().to_owned()
    }
}

fn change(raw: &Value) -> Result<ItemImages, String> {
    let record = raw.get("dynamodb").ok_or("it has no `dynamodb`")?;
    if record.get("TooLarge").is_some() {
        return Err(NOT_KEPT.to_owned());
    }
    let part = |name: &str| {
        let text = record.pointer(&format!("/Keys/{name}/S")).and_then(Value::as_str);
        text.ok_or_else(|| format!("its key has no `{name}`"))
    };
    let key = Key::new(part("PK")?, part("SK")?);
    let image = |name: &str| match record.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(image) => item_of_image(image).map(Some).map_err(|error| error.to_string()),
    };
    let (old, new) = (image("OldImage")?, image("NewImage")?);
    Ok(ItemImages { key, old, new })
}

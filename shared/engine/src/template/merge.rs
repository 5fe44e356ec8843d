//! The values with which a message is filled, as they are stored and as templates see them.
//!
//! The stored form promises to be compact and to be read back unchanged: texts, numbers, booleans
//! and lists are themselves, `{"d": "2026-12-01"}` is a date and `{"t": 1796131800000}` a moment in
//! milliseconds.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate};
use minijinja::Value;
use serde::{Deserialize, Serialize};

use super::dates::ShownDate;
use crate::language::Language;
use crate::time::{Instant, Zone};

/// One value. Moments are kept to the millisecond.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub enum MergeValue {
    /// A text; white space alone counts as empty.
    Text(String),
    /// A finite number.
    Number(f64),
    /// Yes or no.
    Boolean(bool),
    /// A calendar date.
    Date(NaiveDate),
    /// A moment, shown in the zone of the values.
    DateTime(Instant),
    /// Several texts, such as tags.
    List(Vec<String>),
}

/// Everything that one message is filled with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MergeValues {
    /// The zone that moments are shown in.
    pub zone: Zone,
    /// The language that dates are written in.
    pub language: Language,
    /// The values by dotted path: `contact.first_name`, `campaign.name`, `links.unsubscribe`.
    pub values: BTreeMap<String, MergeValue>,
}

impl MergeValues {
    /// Whether the path has nothing to show: no value, an empty text or an empty list.
    pub fn is_empty(&self, path: &str) -> bool {
        match self.values.get(path) {
            Some(MergeValue::Text(text)) => text.trim().is_empty(),
            Some(MergeValue::List(items)) => items.is_empty(),
            Some(
                MergeValue::Number(_)
                | MergeValue::Boolean(_)
                | MergeValue::Date(_)
                | MergeValue::DateTime(_),
            ) => false,
            None => true,
        }
    }

    /// The data of a template: a tree by the parts of the dotted paths.
    pub(super) fn context(&self) -> Value {
        let mut root = Node::default();
        for name in ROOTS {
            root.branches.entry(name).or_default();
        }
        for (path, value) in &self.values {
            let node = path
                .split('.')
                .fold(&mut root, |node, part| node.branches.entry(part).or_default());
            node.leaf = self.shown(value);
        }
        root.into_value()
    }

    /// Empty text counts as undefined in a template, so that `default` and `if` treat both alike
    /// and printing either is refused.
    fn shown(&self, value: &MergeValue) -> Option<Value> {
        match value {
            MergeValue::Text(text) if text.trim().is_empty() => None,
            MergeValue::Text(text) => Some(Value::from(text.as_str())),
            MergeValue::Number(number) => Some(number_value(*number)),
            MergeValue::Boolean(yes) => Some(Value::from(*yes)),
            MergeValue::Date(date) => Some(ShownDate::day(*date, self.zone, self.language).into()),
            MergeValue::DateTime(at) => {
                Some(ShownDate::moment(*at, self.zone, self.language).into())
            }
            MergeValue::List(items) => Some(Value::from(items.clone())),
        }
    }
}

/// Roots that exist even without a value below them: `{% if contact.company %}` must not fail
/// because no field of the contact is set.
const ROOTS: [&str; 4] = ["contact", "fields", "campaign", "links"];

#[derive(Default)]
struct Node<'a> {
    leaf: Option<Value>,
    branches: BTreeMap<&'a str, Node<'a>>,
}

impl Node<'_> {
    fn into_value(self) -> Value {
        match self.leaf {
            Some(value) if self.branches.is_empty() => value,
            Some(_) | None => {
                let branches = self.branches.into_iter().filter(|(name, node)| {
                    node.leaf.is_some() || !node.branches.is_empty() || ROOTS.contains(name)
                });
                let mut members = BTreeMap::new();
                members.extend(branches.map(|(name, node)| (name.to_owned(), node.into_value())));
                Value::from(members)
            }
        }
    }
}

/// Whole numbers as integers: they count in loops and are printed without a point.
fn number_value(number: f64) -> Value {
    /// Up to here every whole number has an exact `f64`.
    const LARGEST_EXACT_NUMBER: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= LARGEST_EXACT_NUMBER {
        return Value::from(number as i64);
    }
    Value::from(number)
}

/// The stored form of [`MergeValue`].
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Boolean(bool),
    Number(f64),
    Text(String),
    List(Vec<String>),
    Date { d: NaiveDate },
    DateTime { t: i64 },
}

impl From<MergeValue> for Stored {
    fn from(value: MergeValue) -> Self {
        match value {
            MergeValue::Text(text) => Self::Text(text),
            MergeValue::Number(number) => Self::Number(number),
            MergeValue::Boolean(yes) => Self::Boolean(yes),
            MergeValue::Date(d) => Self::Date { d },
            MergeValue::DateTime(at) => Self::DateTime { t: at.timestamp_millis() },
            MergeValue::List(items) => Self::List(items),
        }
    }
}

impl TryFrom<Stored> for MergeValue {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        Ok(match stored {
            Stored::Text(text) => Self::Text(text),
            Stored::Number(number) => Self::Number(number),
            Stored::Boolean(yes) => Self::Boolean(yes),
            Stored::Date { d } => Self::Date(d),
            Stored::DateTime { t } => Self::DateTime(
                DateTime::from_timestamp_millis(t).ok_or_else(|| format!("{t} is no moment"))?,
            ),
            Stored::List(items) => Self::List(items),
        })
    }
}

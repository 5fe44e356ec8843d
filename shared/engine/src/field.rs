//! Typed fields of contacts and objects: their types, their values, and how a value is read from
//! what a form sent.
//!
//! Reading never guesses: what is ambiguous is refused with the accepted forms. A stored value
//! contains its type, so that a contact or an object can be read without the definitions of fields.

use chrono::{NaiveDate, SubsecRound};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value, json};

use crate::conventions::Conventions;
use crate::text;
use crate::time::{Instant, Zone, end_of_day, read_date, read_datetime};

pub use crate::unreadable_value::{LONGEST_TEXT_BYTES, UnreadableValue};

/// The fields that every contact has, with the type of each.
pub const BUILT_IN: [(&str, FieldType); 6] = [
    ("email", FieldType::Text),
    ("first_name", FieldType::Text),
    ("last_name", FieldType::Text),
    ("phone", FieldType::Text),
    ("time_zone", FieldType::Text),
    ("locale", FieldType::Text),
];

/// Names with another meaning where contacts are read or written, so they are no field's name.
pub const RESERVED: [&str; 13] = [
    "id",
    "name",
    "tags",
    "remove_tags",
    "fields",
    "consent",
    "suppressed",
    "rev",
    "created_at",
    "updated_at",
    "contact_id",
    "clear",
    "resubscribe",
];

/// The built-in or reserved name that a key equals, or differs from only by case and punctuation:
/// `E-Mail` is read as `email`, so it cannot be the name of a field.
pub fn taken(key: &str) -> Option<&'static str> {
    let wanted = text::letters(key);
    let names = BUILT_IN.iter().map(|(name, _)| *name).chain(RESERVED);
    names.into_iter().find(|name| text::letters(name) == wanted)
}

/// The type of a built-in field.
pub fn built_in(key: &str) -> Option<FieldType> {
    BUILT_IN.iter().find(|(name, _)| *name == key).map(|(_, kind)| *kind)
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// Any text.
    Text,
    /// A decimal number.
    Number,
    /// True or false.
    Boolean,
    /// A day without a time.
    Date,
    /// "Date with time": an instant.
    Datetime,
}

impl FieldType {
    /// The word for the type, as it is written in documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Datetime => "datetime",
        }
    }

    /// Reads a value of a document, or of what a campaign writes. `null` and the empty text are no
    /// value.
    ///
    /// # Errors
    ///
    /// Why it is no value of the type.
    pub fn read(self, sent: &Value, zone: Zone) -> Result<Option<FieldValue>, UnreadableValue> {
        self.read_sent(sent, &Conventions::of_documents(zone))
    }

    /// Reads a value that was sent. `null` and the empty text are no value.
    ///
    /// # Errors
    ///
    /// Why it is no value of the type.
    pub fn read_sent(
        self,
        sent: &Value,
        conventions: &Conventions,
    ) -> Result<Option<FieldValue>, UnreadableValue> {
        match sent {
            Value::Null => Ok(None),
            Value::String(text) => match text::value(text)? {
                text if text.is_empty() => Ok(None),
                text => self.read_text(&text, conventions).map(Some),
            },
            // A JSON number is unambiguous.
            Value::Number(number) if self == Self::Number && is_kept(number) => {
                Ok(number.as_f64().map(FieldValue::Number))
            }
            // As a text it keeps its digits, if they were kept when it was read.
            Value::Number(number)
                if self == Self::Number || !(is_whole(number) || is_kept(number)) =>
            {
                Err(UnreadableValue::Digits(number.to_string()))
            }
            Value::Bool(_) | Value::Number(_) => {
                self.read_text(&sent.to_string(), conventions).map(Some)
            }
            Value::Array(_) | Value::Object(_) => {
                Err(UnreadableValue::Shape { sent: quoted(sent), wanted: self.word() })
            }
        }
    }

    fn read_text(
        self,
        text: &str,
        conventions: &Conventions,
    ) -> Result<FieldValue, UnreadableValue> {
        match self {
            Self::Text if text.len() > LONGEST_TEXT_BYTES => Err(UnreadableValue::TooLong {
                begins: text.chars().take(MOST_QUOTED_CHARACTERS).collect(),
                bytes: text.len(),
            }),
            Self::Text => Ok(FieldValue::Text(text.to_owned())),
            Self::Number => Ok(FieldValue::Number(conventions.number(text)?)),
            Self::Boolean => Ok(FieldValue::Boolean(conventions.boolean(text)?)),
            Self::Date => {
                Ok(FieldValue::Date(read_date(text, conventions.zone, conventions.slashes)?))
            }
            // Stored in milliseconds: with finer fractions the same value would look changed.
            Self::Datetime => {
                let at = read_datetime(text, conventions.zone, conventions.slashes)?;
                Ok(FieldValue::Datetime(at.trunc_subsecs(3)))
            }
        }
    }
}

/// Whether a JSON number has 64 bits, so that all its digits are known.
fn is_whole(number: &Number) -> bool {
    number.is_i64() || number.is_u64()
}

/// Whether no digit is lost when the number is kept as floating point: up to 2 to the 53rd.
fn is_kept(number: &Number) -> bool {
    const LARGEST_EXACT_NUMBER: f64 = 9_007_199_254_740_992.0;
    number.as_f64().is_some_and(|number| number.abs() <= LARGEST_EXACT_NUMBER)
}

/// How much of what was sent is quoted, in characters.
const MOST_QUOTED_CHARACTERS: usize = 60;

/// What was sent, as a message quotes it.
pub fn quoted(sent: &Value) -> String {
    text::shortened(&sent.to_string(), MOST_QUOTED_CHARACTERS).into_owned()
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue {
    /// See [`FieldType::Text`].
    Text(String),
    /// See [`FieldType::Number`].
    Number(f64),
    /// See [`FieldType::Boolean`].
    Boolean(bool),
    /// See [`FieldType::Date`].
    Date(NaiveDate),
    /// See [`FieldType::Datetime`].
    Datetime(Instant),
}

impl FieldValue {
    /// The type of the value.
    pub fn kind(&self) -> FieldType {
        match self {
            Self::Text(_) => FieldType::Text,
            Self::Number(_) => FieldType::Number,
            Self::Boolean(_) => FieldType::Boolean,
            Self::Date(_) => FieldType::Date,
            Self::Datetime(_) => FieldType::Datetime,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Boolean(_) | Self::Date(_) | Self::Datetime(_) => None,
        }
    }

    /// When the date has passed: a `datetime` at its instant, a `date` when its day is over (R21).
    /// `None` for values that are no dates.
    pub fn passes_at(&self, zone: Zone) -> Option<Instant> {
        match self {
            Self::Date(day) => Some(end_of_day(*day, zone)),
            Self::Datetime(at) => Some(*at),
            Self::Text(_) | Self::Number(_) | Self::Boolean(_) => None,
        }
    }

    /// The value as programs outside read it: dates as ISO 8601.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number) => number_json(*number),
            Self::Boolean(truth) => json!(truth),
            Self::Date(day) => json!(day.to_string()),
            Self::Datetime(at) => json!(at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
        }
    }
}

/// Numbers without a fraction are written as whole numbers, as senders write them.
fn number_json(number: f64) -> Value {
    const LARGEST_EXACT_NUMBER: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < LARGEST_EXACT_NUMBER {
        return json!(number as i64);
    }
    json!(number)
}

/// The stored form of dates; everything else is stored plain.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Boolean(bool),
    Number(f64),
    Text(String),
    Date { d: NaiveDate },
    Datetime { t: i64 },
}

impl Serialize for FieldValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => number_json(*number).serialize(serializer),
            Self::Boolean(truth) => serializer.serialize_bool(*truth),
            Self::Date(d) => Stored::Date { d: *d }.serialize(serializer),
            Self::Datetime(at) => {
                Stored::Datetime { t: at.timestamp_millis() }.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for FieldValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Stored::deserialize(deserializer)? {
            Stored::Boolean(truth) => Self::Boolean(truth),
            Stored::Number(number) => Self::Number(number),
            Stored::Text(text) => Self::Text(text),
            Stored::Date { d } => Self::Date(d),
            Stored::Datetime { t } => Self::Datetime(
                Instant::from_timestamp_millis(t)
                    .ok_or_else(|| serde::de::Error::custom("an instant out of range"))?,
            ),
        })
    }
}

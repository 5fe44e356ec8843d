//! A date in a document: a day, or a moment.
//!
//! It is kept as it was written, since a time without an offset means another instant in another
//! zone (R4). It promises that what was accepted is a date in every zone.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Instant, SlashDates, UnreadableDate, Zone, is_only_a_day, parse_date, parse_datetime};

/// A date that is written in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedDate {
    text: String,
    day: Option<NaiveDate>,
}

impl FixedDate {
    /// The day, if no time is written.
    pub fn day(&self) -> Option<NaiveDate> {
        self.day
    }

    /// The instant, in a zone; of a day, its beginning. `None` only beyond the end of the calendar.
    pub fn instant(&self, zone: Zone) -> Option<Instant> {
        parse_datetime(&self.text, zone).ok()
    }
}

impl FromStr for FixedDate {
    type Err = UnreadableDate;

    fn from_str(text: &str) -> Result<Self, UnreadableDate> {
        parse_datetime(text, Zone::UTC)?;
        let is_day = is_only_a_day(text, SlashDates::WhereClear);
        let day = if is_day { Some(parse_date(text)?) } else { None };
        Ok(Self { text: text.to_owned(), day })
    }
}

impl fmt::Display for FixedDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for FixedDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FixedDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for FixedDate {
    fn schema_name() -> Cow<'static, str> {
        "FixedDate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A date such as \"2026-12-24\", or one with a time such as \
                            \"2026-12-24 18:00\", which is read in the zone unless it says an \
                            offset.",
            "examples": ["2026-12-24", "2026-12-24 18:00"],
        })
    }
}

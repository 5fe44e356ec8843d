//! A set of weekdays, written as a list of `mon` to `sun`.
//!
//! It promises never to be empty, so that a search for the next such day always ends.

use std::borrow::Cow;
use std::fmt;

use chrono::Weekday;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One or more weekdays; every day unless said otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Weekdays(u8);

/// Why a list names no weekdays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWeekdays {
    /// The list has nothing in it, so no day would ever come.
    #[error("no weekday is listed; name at least one of mon, tue, wed, thu, fri, sat, sun")]
    Empty,
    /// A word that is no weekday.
    #[error("{0:?} is not a weekday; write mon, tue, wed, thu, fri, sat or sun")]
    Unknown(String),
}

/// The days in the order of a week, with the names a campaign writes.
const WEEK: [(Weekday, &str, &str); 7] = [
    (Weekday::Mon, "mon", "monday"),
    (Weekday::Tue, "tue", "tuesday"),
    (Weekday::Wed, "wed", "wednesday"),
    (Weekday::Thu, "thu", "thursday"),
    (Weekday::Fri, "fri", "friday"),
    (Weekday::Sat, "sat", "saturday"),
    (Weekday::Sun, "sun", "sunday"),
];

impl Weekdays {
    /// All seven.
    pub const EVERY_DAY: Self = Self(0b111_1111);

    /// These days; none of them is an error.
    pub fn of(days: impl IntoIterator<Item = Weekday>) -> Result<Self, InvalidWeekdays> {
        match days.into_iter().fold(0, |set, day| set | bit(day)) {
            0 => Err(InvalidWeekdays::Empty),
            set => Ok(Self(set)),
        }
    }

    /// The days with these names: `mon` or `Monday`, in any case.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidWeekdays> {
        let days: Result<Vec<Weekday>, InvalidWeekdays> =
            names.into_iter().map(day_named).collect();
        Self::of(days?)
    }

    /// Whether the day is one of them.
    pub fn contains(self, day: Weekday) -> bool {
        self.0 & bit(day) != 0
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        WEEK.into_iter().filter(move |(day, ..)| self.contains(*day)).map(|(_, name, _)| name)
    }
}

impl Default for Weekdays {
    fn default() -> Self {
        Self::EVERY_DAY
    }
}

fn bit(day: Weekday) -> u8 {
    1 << day.num_days_from_monday()
}

fn day_named(name: &str) -> Result<Weekday, InvalidWeekdays> {
    let lower = name.trim().to_ascii_lowercase();
    WEEK.into_iter()
        .find(|(_, short, long)| lower == *short || lower == *long)
        .map(|(day, ..)| day)
        .ok_or_else(|| InvalidWeekdays::Unknown(name.to_owned()))
}

impl fmt::Debug for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl fmt::Display for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names().collect();
        f.write_str(&names.join(", "))
    }
}

impl Serialize for Weekdays {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for name in self.names() {
            list.serialize_element(name)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Weekdays {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        Self::named(names.iter().map(String::as_str)).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Weekdays {
    fn schema_name() -> Cow<'static, str> {
        "Weekdays".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "description": "Weekdays, in the zone of the contact; every day unless given.",
            "items": {
                "type": "string",
                "enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
            },
            "minItems": 1,
            "examples": [["mon", "tue", "wed", "thu", "fri"]],
        })
    }
}

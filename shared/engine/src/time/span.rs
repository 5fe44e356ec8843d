//! Spans: how long to wait, or how far before or after a date, as people write it: `2 days`, `-1
//! hour`.
//!
//! Weeks and days are calendar days, which daylight saving makes 23 or 25 hours long at times;
//! hours, minutes and seconds are exact (R20, R21). A span promises that both parts have the same
//! sign, that it lies within ten years, and that what it displays reads back as itself.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::{NaiveDate, TimeDelta};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Instant, TimeOfDay, Zone, instant_of};

/// A signed length of time: calendar days, then an exact rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    days: i64,
    seconds: i64,
}

/// Ten years, leap days included.
const LONGEST_DAYS: i64 = 3_653;
const LONGEST_SECONDS: i64 = LONGEST_DAYS * 86_400;

/// Why a text is no span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpan {
    /// Not a list of numbers with units.
    #[error(
        "{text:?} is not a duration; write whole numbers with weeks, days, hours, minutes or \
         seconds, such as `2 days`, `90 minutes` or `-1 hour`"
    )]
    Unreadable {
        /// What was written.
        text: String,
    },
    /// A number without a unit.
    #[error("{text:?} has a number without a unit; add weeks, days, hours, minutes or seconds")]
    NoUnit {
        /// What was written.
        text: String,
    },
    /// Months and years have no fixed length.
    #[error("{text:?} uses months or years, whose length varies; write days, such as `30 days`")]
    MonthsOrYears {
        /// What was written.
        text: String,
    },
    /// More than ten years.
    #[error("{text:?} is longer than ten years ({LONGEST_DAYS} days)")]
    TooLong {
        /// What was written.
        text: String,
    },
}

impl Span {
    /// Calendar days; beyond ten years, ten years.
    pub const fn days(days: i64) -> Self {
        Self { days: clamped(days, LONGEST_DAYS), seconds: 0 }
    }

    /// Exact hours; beyond ten years, ten years.
    pub const fn hours(hours: i64) -> Self {
        Self::seconds(hours.saturating_mul(3_600))
    }

    /// Exact minutes; beyond ten years, ten years.
    pub const fn minutes(minutes: i64) -> Self {
        Self::seconds(minutes.saturating_mul(60))
    }

    /// Exact seconds; beyond ten years, ten years.
    pub const fn seconds(seconds: i64) -> Self {
        Self { days: 0, seconds: clamped(seconds, LONGEST_SECONDS) }
    }

    /// Whether it points backwards.
    pub const fn is_negative(self) -> bool {
        self.days < 0 || self.seconds < 0
    }

    /// Whether it has no length.
    pub const fn is_zero(self) -> bool {
        self.days == 0 && self.seconds == 0
    }

    /// Whether it is longer than another, on an ordinary day of 24 hours.
    pub fn is_longer_than(self, other: Self) -> bool {
        let end = |span: Self| span.after(Instant::UNIX_EPOCH, Zone::UTC);
        end(self) > end(other)
    }

    /// The instant this span after `at`: first the calendar days, at the same local time in the
    /// zone (R4), then the exact time. A negative span gives an earlier instant.
    pub fn after(self, at: Instant, zone: Zone) -> Instant {
        // Without days the local time is not touched, or the later hour of an overlap would turn
        // into the earlier one.
        let shifted = if self.days == 0 {
            at
        } else {
            let local = at.with_timezone(&zone).naive_local();
            local
                .checked_add_signed(TimeDelta::days(self.days))
                .map_or(at, |to| instant_of(to, zone))
        };
        self.exact_after(shifted)
    }

    /// The instant this span after a date: the days shift the date, then the time of day is taken
    /// on it (R4), then the exact time is added.
    pub fn from_date(self, date: NaiveDate, at: TimeOfDay, zone: Zone) -> Instant {
        let shifted = date.checked_add_signed(TimeDelta::days(self.days)).unwrap_or(date);
        self.exact_after(at.on(shifted, zone))
    }

    fn exact_after(self, at: Instant) -> Instant {
        at.checked_add_signed(TimeDelta::seconds(self.seconds)).unwrap_or(at)
    }
}

const fn clamped(value: i64, bound: i64) -> i64 {
    if value > bound {
        bound
    } else if value < -bound {
        -bound
    } else {
        value
    }
}

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let lower = text.trim().to_lowercase().replace('\u{2212}', "-");
        let (sign, mut rest) = match lower.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, lower.strip_prefix('+').unwrap_or(&lower)),
        };
        let unreadable = || InvalidSpan::Unreadable { text: text.to_owned() };
        let too_long = || InvalidSpan::TooLong { text: text.to_owned() };
        let (mut days, mut seconds, mut parts) = (0_i64, 0_i64, 0);
        loop {
            rest = rest.trim_start();
            if parts > 0 {
                rest = rest.trim_start_matches(',').trim_start();
                rest = rest.strip_prefix("and ").unwrap_or(rest).trim_start();
            }
            if rest.is_empty() {
                break;
            }
            let (digits, after) = split_where(rest, |c| !c.is_ascii_digit());
            if digits.is_empty() {
                return Err(unreadable());
            }
            let (unit, after) = split_where(after.trim_start(), |c| !c.is_alphabetic());
            // A number this long is too long in any unit.
            let number: i64 = digits.parse().map_err(|_| too_long())?;
            match seconds_of(unit) {
                Unit::Days(n) => days = days.saturating_add(number.saturating_mul(n)),
                Unit::Seconds(n) => seconds = seconds.saturating_add(number.saturating_mul(n)),
                Unit::Varying => {
                    return Err(InvalidSpan::MonthsOrYears { text: text.to_owned() });
                }
                Unit::Missing if after.is_empty() => {
                    return Err(InvalidSpan::NoUnit { text: text.to_owned() });
                }
                Unit::Missing | Unit::Unknown => return Err(unreadable()),
            }
            parts += 1;
            rest = after;
        }
        if parts == 0 {
            return Err(unreadable());
        }
        if days.saturating_mul(86_400).saturating_add(seconds) > LONGEST_SECONDS {
            return Err(too_long());
        }
        Ok(Self { days: sign * days, seconds: sign * seconds })
    }
}

fn split_where(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

enum Unit {
    Days(i64),
    Seconds(i64),
    Varying,
    Missing,
    Unknown,
}

fn seconds_of(unit: &str) -> Unit {
    match unit {
        "week" | "weeks" | "w" => Unit::Days(7),
        "day" | "days" | "d" => Unit::Days(1),
        "hour" | "hours" | "hr" | "hrs" | "h" => Unit::Seconds(3_600),
        "minute" | "minutes" | "min" | "mins" | "m" => Unit::Seconds(60),
        "second" | "seconds" | "sec" | "secs" | "s" => Unit::Seconds(1),
        "month" | "months" | "mo" | "year" | "years" | "yr" | "y" => Unit::Varying,
        "" => Unit::Missing,
        _ => Unit::Unknown,
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0 minutes");
        }
        if self.is_negative() {
            f.write_str("-")?;
        }
        let (days, seconds) = (self.days.abs(), self.seconds.abs());
        // Whole weeks read better as weeks; anything else as days.
        let (weeks, days) = if days % 7 == 0 { (days / 7, 0) } else { (0, days) };
        let parts = [
            (weeks, "week"),
            (days, "day"),
            (seconds / 3_600, "hour"),
            (seconds % 3_600 / 60, "minute"),
            (seconds % 60, "second"),
        ];
        let mut space = "";
        for (number, unit) in parts.into_iter().filter(|(number, _)| *number > 0) {
            let plural = if number == 1 { "" } else { "s" };
            write!(f, "{space}{number} {unit}{plural}")?;
            space = " ";
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A duration as people write it: weeks and days (calendar days), hours, \
                            minutes, seconds; a leading minus counts for all of it. Such as \"2 \
                            days\", \"90 minutes\", \"-1 hour\", \"1 day 2 hours\".",
            "examples": ["2 days", "90 minutes", "-1 hour"],
        })
    }
}

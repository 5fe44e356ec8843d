//! When something happens, as people write it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDateTime, Utc, Weekday};
use dacapo_engine::time::{Instant, Span, TimeOfDay, Weekdays, Zone, instant_of, next_moment};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant, or a local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// `2026-12-01 09:00`: a local time, in the zone of whoever reads it (R4).
    Local(NaiveDateTime),
    /// `2026-12-01T08:00:00Z`: the same everywhere.
    Exact(Instant),
}

/// A text that is neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not an instant; write a local time such as 2026-12-01 09:00, or an instant such \
     as 2026-12-01T08:00:00Z"
)]
pub struct InvalidMoment {
    /// What was written.
    pub text: String,
}

impl Moment {
    /// The instant, a local time read in this zone.
    pub fn instant(self, zone: Zone) -> Instant {
        match self {
            Self::Local(local) => instant_of(local, zone),
            Self::Exact(at) => at,
        }
    }
}

const LOCAL: [&str; 4] =
    ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        let written = text.trim();
        let local = LOCAL.iter().find_map(|it| NaiveDateTime::parse_from_str(written, it).ok());
        let read = match local {
            Some(local) => Some(Self::Local(local)),
            None => DateTime::parse_from_rfc3339(written)
                .ok()
                .map(|at| Self::Exact(at.with_timezone(&Utc))),
        };
        let in_range = |moment: &Self| (1970..=9998).contains(&moment.instant(Zone::UTC).year());
        read.filter(in_range).ok_or_else(|| InvalidMoment { text: text.to_owned() })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(local) => write!(f, "{}", local.format("%Y-%m-%d %H:%M:%S")),
            Self::Exact(at) => write!(f, "{}", at.format("%Y-%m-%dT%H:%M:%SZ")),
        }
    }
}

/// How long to look on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until an instant.
    At(Moment),
    /// So long after the last step.
    For(Span),
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(moment) = text.parse() {
            return Ok(Self::At(moment));
        }
        match text.parse::<Span>() {
            Ok(span) if !span.is_negative() => Ok(Self::For(span)),
            Ok(_) | Err(_) => Err(format!(
                "{text:?} is no end; write an instant such as 2026-12-20 09:00, or how long to \
                 look on after the last step, such as `30 days`"
            )),
        }
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(moment) => moment.fmt(f),
            Self::For(span) => span.fmt(f),
        }
    }
}

/// A weekday and a time of day: `friday 10:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeekdayTime {
    /// The weekday.
    pub day: Weekday,
    /// The time.
    pub time: TimeOfDay,
}

/// A text that is no weekday with a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no weekday with a time; write such as `friday 10:00`")]
pub struct InvalidWeekdayTime {
    /// What was written.
    pub text: String,
}

impl WeekdayTime {
    /// The next time, after an instant, that it is this time of this weekday in the zone.
    pub fn after(self, at: Instant, zone: Zone) -> Instant {
        let days = Weekdays::of([self.day]).unwrap_or_default();
        next_moment(at, Some(self.time), days, zone, Some(at))
    }
}

impl FromStr for WeekdayTime {
    type Err = InvalidWeekdayTime;

    fn from_str(text: &str) -> Result<Self, InvalidWeekdayTime> {
        let invalid = || InvalidWeekdayTime { text: text.to_owned() };
        let (day, time) = text.trim().split_once(char::is_whitespace).ok_or_else(invalid)?;
        let day = day.parse().map_err(|_| invalid())?;
        let time = time.parse().map_err(|_| invalid())?;
        Ok(Self { day, time })
    }
}

impl fmt::Display for WeekdayTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.day.to_string().to_lowercase(), self.time)
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(Moment, Until, WeekdayTime);

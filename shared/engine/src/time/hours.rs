//! Hours of the day: when mail may leave and timers may fire, and what a condition asks of a date.
//!
//! A part of the day holds its beginning and not its end. It may span midnight, and `from` equal to
//! `to` is the whole day. All of it is local time in a zone, also where the clocks change.

use chrono::{Days, NaiveTime, TimeDelta, Timelike};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::moments::{DAYS_SEARCHED, window_on};
use super::{Instant, TimeOfDay, Weekdays, Zone, day_of, next_window_start};

/// A part of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Daytime {
    /// From this time of day, inclusive.
    pub from: TimeOfDay,
    /// To this time of day, exclusive; earlier than `from` means that of the next day.
    pub to: TimeOfDay,
}

impl Daytime {
    /// Whether a time on the clock lies in it.
    pub fn contains(self, time: NaiveTime) -> bool {
        let time = (time.hour(), time.minute());
        let (from, to) =
            ((self.from.hour(), self.from.minute()), (self.to.hour(), self.to.minute()));
        match from.cmp(&to) {
            std::cmp::Ordering::Less => from <= time && time < to,
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Greater => time >= from || time < to,
        }
    }
}

/// A part of the day on some weekdays. One that spans midnight belongs to the weekday on which it
/// begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// The part of the day.
    pub daytime: Daytime,
    /// On these days.
    pub weekdays: Weekdays,
}

impl Hours {
    /// `at` if it lies inside, else the beginning of the next part.
    pub fn next_inside(self, at: Instant, zone: Zone) -> Instant {
        next_window_start(at, self.daytime.from, self.daytime.to, self.weekdays, zone)
    }

    /// `at` if it lies inside, else the last minute of the part before. `at` also if there was
    /// none, because the zone skipped all of them.
    pub fn last_inside(self, at: Instant, zone: Zone) -> Instant {
        if self.contain(at, zone) {
            return at;
        }
        let today = day_of(at, zone);
        (0..DAYS_SEARCHED)
            .filter_map(|back| today.checked_sub_days(Days::new(back)))
            .filter(|day| self.weekdays.contains(chrono::Datelike::weekday(day)))
            .map(|day| window_on(day, self.daytime.from, self.daytime.to, zone))
            .find(|(start, end)| start < end && *end <= at)
            .map_or(at, |(start, end)| start.max(end - TimeDelta::minutes(1)))
    }

    /// Whether an instant lies inside.
    pub fn contain(self, at: Instant, zone: Zone) -> bool {
        self.next_inside(at, zone) == at
    }
}

//! Time: instants, zones, days, and the ways in which people write them.
//!
//! It promises that every local time names exactly one instant (R4), that the same text is always
//! read as the same moment, and that nothing here reads a clock: the present is always an argument.

mod day_order;
mod fixed_date;
mod hours;
mod moments;
mod numbers;
mod reading;
mod span;
pub(crate) mod stored_by;
mod time_of_day;
mod tokens;
mod unreadable;
mod weekdays;
mod words;
mod zone_names;
mod zones;

#[cfg(test)]
mod tests;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};

pub use chrono_tz::Tz as Zone;
pub use day_order::{DateOrder, SlashDates};
pub use fixed_date::FixedDate;
pub use hours::{Daytime, Hours};
pub use moments::{next_moment, next_window_start};
pub use reading::{is_only_a_day, parse_date, parse_datetime, read_date, read_datetime};
pub use span::{InvalidSpan, Span};
pub use time_of_day::{InvalidTimeOfDay, TimeOfDay};
pub use unreadable::UnreadableDate;
pub use weekdays::{InvalidWeekdays, Weekdays};
pub use zones::zone_named;

/// A moment, the same everywhere on earth.
pub type Instant = chrono::DateTime<Utc>;

/// The instant that a local time names in a zone (R4): in a gap the time moves forward by the gap,
/// in an overlap the earlier of the two instants counts.
pub fn instant_of(local: NaiveDateTime, zone: Zone) -> Instant {
    if let Some(at) = zone.from_local_datetime(&local).earliest() {
        return at.with_timezone(&Utc);
    }
    // A gap. The offset that was in force before it, applied to a time the clocks never showed,
    // gives that time moved forward by the gap. No offset exceeds a day, so a day back is before
    // the gap.
    let before = local.checked_sub_signed(TimeDelta::days(1)).unwrap_or(local);
    let offset = zone.offset_from_utc_datetime(&before).fix();
    Utc.from_utc_datetime(&local.checked_sub_offset(offset).unwrap_or(local))
}

/// The calendar day that an instant falls on in a zone.
pub fn day_of(at: Instant, zone: Zone) -> NaiveDate {
    at.with_timezone(&zone).date_naive()
}

/// The first instant of a calendar day in a zone; midnight, or later where clocks skip midnight.
pub fn beginning_of_day(date: NaiveDate, zone: Zone) -> Instant {
    instant_of(date.and_time(NaiveTime::MIN), zone)
}

/// The instant at which a calendar day is over in a zone: the beginning of the next.
pub fn end_of_day(date: NaiveDate, zone: Zone) -> Instant {
    beginning_of_day(date.succ_opt().unwrap_or(date), zone)
}

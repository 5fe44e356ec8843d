//! The moments for waits and send windows: the next time of day on an allowed weekday.
//!
//! Both functions promise an instant at or after the given one, never an earlier one, and the same
//! answer in every process. Weekdays are those of the zone.

use chrono::{Datelike, Days, NaiveDate};

use super::{Instant, TimeOfDay, Weekdays, Zone, beginning_of_day, day_of, end_of_day};

/// How many days a search looks at. A week finds any weekday; the rest covers a moment that has
/// been used, a day that a zone skipped and a window that opened the day before.
pub(super) const DAYS_SEARCHED: u64 = 16;

/// The first moment at or after `at` that is at `time` on one of the weekdays (R20).
///
/// The moment itself counts, but one equal to `used` has passed. Without a time, `at` itself if its
/// day is allowed, else the beginning of the next day that is.
pub fn next_moment(
    at: Instant,
    time: Option<TimeOfDay>,
    weekdays: Weekdays,
    zone: Zone,
    used: Option<Instant>,
) -> Instant {
    let today = day_of(at, zone);
    if time.is_none() && weekdays.contains(today.weekday()) && used != Some(at) {
        return at;
    }
    days_around(today)
        .filter(|day| weekdays.contains(day.weekday()))
        .map(|day| match time {
            Some(time) => time.on(day, zone),
            None => beginning_of_day(day, zone),
        })
        .find(|moment| *moment >= at && used != Some(*moment))
        .unwrap_or(at)
}

/// `at` if it is inside a window on an allowed weekday, else the next start of a window.
///
/// A window holds its start and not its end. `from` equal to `to` means the whole day; `from`
/// later than `to` spans midnight, and the window belongs to the weekday of its start.
pub fn next_window_start(
    at: Instant,
    from: TimeOfDay,
    to: TimeOfDay,
    weekdays: Weekdays,
    zone: Zone,
) -> Instant {
    days_around(day_of(at, zone))
        .filter(|day| weekdays.contains(day.weekday()))
        .map(|day| window_on(day, from, to, zone))
        // A gap can remove a short window completely.
        .filter(|(start, end)| start < end)
        .find(|(_, end)| at < *end)
        .map_or(at, |(start, _)| start.max(at))
}

/// A window that starts on a day, as the instants of its start and end.
pub(super) fn window_on(
    day: NaiveDate,
    from: TimeOfDay,
    to: TimeOfDay,
    zone: Zone,
) -> (Instant, Instant) {
    if from == to {
        return (beginning_of_day(day, zone), end_of_day(day, zone));
    }
    let end_day = if from < to { day } else { day.succ_opt().unwrap_or(day) };
    (from.on(day, zone), to.on(end_day, zone))
}

/// The days from yesterday on: a window may have opened yesterday, and a moment may have moved over
/// midnight out of a gap.
fn days_around(today: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    let first = today.pred_opt().unwrap_or(today);
    (0..DAYS_SEARCHED).filter_map(move |n| first.checked_add_days(Days::new(n)))
}

//! What the date of a date timer results in: the moment at which it fires, and when the date itself
//! has passed.
//!
//! A date that comes again (R24) is looked at from an instant, and results in the first time whose
//! moment is not before it. A window (R25) moves the moment, or lets it be skipped when it comes.
//! All of it follows from the arguments, so that a plan that is computed again is the same.

use chrono::{Datelike, NaiveDate};

use crate::campaign::format::{DateTimer, Otherwise, Repeat};
use crate::enrollment::DatePlan;
use crate::field::FieldValue;
use crate::time::{Instant, Zone, instant_of};

/// The plan for a date; `None` if the value is no date. One that comes again is planned for the
/// first time whose moment is at or after `from`, and whose day is after `last`.
pub(super) fn planned(
    timer: &DateTimer,
    value: &FieldValue,
    zone: Zone,
    from: Instant,
    last: Option<NaiveDate>,
) -> Option<DatePlan> {
    match timer.repeat {
        None => of_date(timer, value, zone),
        Some(Repeat::Yearly) => yearly(timer, value, zone, from, last),
    }
}

/// Whether a moment is passed over when it comes, because it lies outside of the timer's window.
pub(super) fn is_skipped(timer: &DateTimer, plan: DatePlan, zone: Zone) -> bool {
    timer.window.is_some_and(|window| !window.hours().contain(plan.moment, zone))
}

/// The plan for a date that comes once.
fn of_date(timer: &DateTimer, value: &FieldValue, zone: Zone) -> Option<DatePlan> {
    let date = value.passes_at(zone)?;
    let moment = match value {
        FieldValue::Date(day) => timer.offset.from_date(*day, timer.at, zone),
        FieldValue::Datetime(at) => timer.offset.after(*at, zone),
        FieldValue::Text(_) | FieldValue::Number(_) | FieldValue::Boolean(_) => return None,
    };
    Some(DatePlan { moment: in_window(timer, moment, date, zone), date, occurrence: None })
}

/// The moment as the timer's window moves it. One that would be moved from before the date over it
/// stays, and is skipped: what was to be said before the date is not said after it.
fn in_window(timer: &DateTimer, moment: Instant, date: Instant, zone: Zone) -> Instant {
    let Some(window) = timer.window else { return moment };
    let moved = match window.otherwise {
        Otherwise::Later => window.hours().next_inside(moment, zone),
        Otherwise::Earlier => window.hours().last_inside(moment, zone),
        Otherwise::Skip => moment,
    };
    if moment < date && moved >= date { moment } else { moved }
}

/// The plan for the next time that a date comes round: from the date itself on, and never earlier.
fn yearly(
    timer: &DateTimer,
    value: &FieldValue,
    zone: Zone,
    from: Instant,
    last: Option<NaiveDate>,
) -> Option<DatePlan> {
    let first = match value {
        FieldValue::Date(day) => *day,
        FieldValue::Datetime(at) => at.with_timezone(&zone).date_naive(),
        FieldValue::Text(_) | FieldValue::Number(_) | FieldValue::Boolean(_) => return None,
    };
    // The offset, at most ten years, may lead from a date far ahead to a moment now.
    let year = from.with_timezone(&zone).year().saturating_sub(YEARS_BEFORE).max(first.year());
    let year = last.map_or(year, |last| year.max(last.year()));
    (year..=LAST_YEAR)
        .filter_map(|year| {
            let day = in_year(first, year)?;
            let plan = of_date(timer, &on_day(value, first, day, zone), zone)?;
            Some(DatePlan { occurrence: Some(day), ..plan })
        })
        .filter(|plan| last.is_none() || plan.occurrence > last)
        .find(|plan| plan.moment >= from)
}

/// Where a search begins, before the year that it looks from: longer than the longest offset.
const YEARS_BEFORE: i32 = 12;

/// The last year that a date may have.
const LAST_YEAR: i32 = 9_999;

/// The same day in another year; 29 February is 28 February in a year without one.
fn in_year(day: NaiveDate, year: i32) -> Option<NaiveDate> {
    day.with_year(year).or_else(|| NaiveDate::from_ymd_opt(year, 2, 28))
}

/// A date as it comes on another day, at the same local time (R4).
fn on_day(value: &FieldValue, first: NaiveDate, day: NaiveDate, zone: Zone) -> FieldValue {
    match value {
        FieldValue::Datetime(at) if day != first => {
            let time = at.with_timezone(&zone).time();
            FieldValue::Datetime(instant_of(day.and_time(time), zone))
        }
        FieldValue::Date(_) => FieldValue::Date(day),
        FieldValue::Datetime(_)
        | FieldValue::Text(_)
        | FieldValue::Number(_)
        | FieldValue::Boolean(_) => value.clone(),
    }
}

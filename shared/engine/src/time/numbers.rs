//! Dates written as bare numbers: seconds and milliseconds since 1970, and the numbers of
//! spreadsheets, which are refused.

use chrono::{DateTime, Datelike as _, NaiveDateTime, Utc};

use super::{Instant, UnreadableDate};

/// Days since 1900 that spreadsheets write for the years 1954 to 2119.
const SHEETS_FROM: i64 = 20_000;
/// See [`SHEETS_FROM`].
const SHEETS_UNTIL: i64 = 80_000;

/// The moment that a bare number names, if the text is one. Programs write fractions, too.
pub(super) fn moment_of_number(text: &str) -> Result<Option<Instant>, UnreadableDate> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return Ok(None);
    }
    let number = sign * whole.parse::<i64>().unwrap_or(i64::MAX);
    let at = match whole.len() {
        // Digits of a calendar date, which could be milliseconds as well.
        12 | 14 if is_written_together(whole) => return Ok(None),
        5 if (SHEETS_FROM..SHEETS_UNTIL).contains(&number) => {
            return Err(UnreadableDate::SheetNumber { text: text.to_owned() });
        }
        10 => DateTime::<Utc>::from_timestamp(number, 0),
        11..=15 => DateTime::<Utc>::from_timestamp_millis(number),
        _ => return Ok(None),
    };
    match at.filter(|at| (1900..=9999).contains(&at.year())) {
        Some(at) => Ok(Some(at)),
        None => Err(UnreadableDate::OutOfRange { text: text.to_owned() }),
    }
}

/// Whether digits could be a date and a time without marks: `202612011430`, `20261201143000`.
fn is_written_together(digits: &str) -> bool {
    let form = if digits.len() == 12 { "%Y%m%d%H%M" } else { "%Y%m%d%H%M%S" };
    NaiveDateTime::parse_from_str(digits, form).is_ok_and(|at| (1900..=2199).contains(&at.year()))
}

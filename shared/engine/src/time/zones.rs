//! Zones by the names that tools give them.
//!
//! It promises to read a name that means one zone, from any source, and no other name: `EST5EDT`
//! and `europe/zurich` are IANA's, `W. Europe Standard Time` is Windows', `Eastern Time - US &
//! Canada` is shown to people who book, `GMT+1` is an hour ahead of Greenwich. What is kept is
//! always IANA's name.

use chrono_tz::TZ_VARIANTS;

use super::Zone;
use super::zone_names::{NAMES, OFFSETS};
use crate::text;

/// The longest name that is accepted, in bytes.
const LONGEST_NAME_BYTES: usize = 100;

/// The zone that a name means: IANA's in any case, Windows', one that is shown to people, or an
/// offset.
pub fn zone_named(name: &str) -> Option<Zone> {
    let name = name.trim();
    if name.is_empty() || name.len() > LONGEST_NAME_BYTES {
        return None;
    }
    if let Ok(zone) = name.parse() {
        return Some(zone);
    }
    let written = name.replace(' ', "_");
    if let Some(zone) = TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(&written)) {
        return Some(*zone);
    }
    at_offset(name).or_else(|| known_as(name)).or_else(|| behind_offset(name))
}

/// `GMT+1`, `UTC+05:30`, `+01:00`. In IANA's own names of offsets the sign is the other way round.
fn at_offset(name: &str) -> Option<Zone> {
    let upper = name.to_ascii_uppercase();
    let offset = ["UTC", "GMT"].into_iter().find_map(|begins| upper.strip_prefix(begins));
    let offset = offset.unwrap_or(&upper).trim().replace('\u{2212}', "-");
    let (sign, digits) = match (offset.strip_prefix('+'), offset.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (None, Some(digits)) => (-1, digits),
        (None, None) => return None,
    };
    let (hours, minutes) = match (digits.split_once(':'), digits.len()) {
        (Some(parts), _) => parts,
        (None, 1 | 2) => (digits, "00"),
        (None, 4) => digits.split_at_checked(2)?,
        (None, _) => return None,
    };
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !(1..=2).contains(&hours.len())
        || minutes.len() != 2
        || !is_number(hours)
        || !is_number(minutes)
    {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    match (hours, minutes) {
        (0, 0) => Some(Zone::UTC),
        (_, 0) => format!("Etc/GMT{}{hours}", if sign == 1 { '-' } else { '+' }).parse().ok(),
        _ => {
            let offset = sign * (hours * 60 + minutes);
            OFFSETS.iter().find(|(known, _)| *known == offset).map(|(_, zone)| *zone)
        }
    }
}

fn known_as(name: &str) -> Option<Zone> {
    let wanted = letters(name);
    if wanted.is_empty() {
        return None;
    }
    NAMES.iter().find(|(known, _)| letters(known) == wanted).map(|(_, zone)| *zone)
}

/// `(UTC+01:00) Amsterdam, Berlin, Bern`: the first place names the zone, with its daylight saving
/// time.
fn behind_offset(name: &str) -> Option<Zone> {
    let (offset, places) = name.strip_prefix('(')?.split_once(')')?;
    at_offset(offset)?;
    let places = places.trim();
    known_as(places).or_else(|| known_as(places.split(',').next()?))
}

/// The letters and digits of a name, folded: tools put different marks between them.
fn letters(name: &str) -> String {
    text::folded(name).chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_optional_value_zones_are_known_by_every_common_name() {
        for (name, iana) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("europe/zurich", "Europe/Zurich"),
            (" AMERICA/NEW YORK ", "America/New_York"),
            ("W. Europe Standard Time", "Europe/Berlin"),
            ("w europe standard time", "Europe/Berlin"),
            ("Eastern Time - US & Canada", "America/New_York"),
            ("Eastern Time (US & Canada)", "America/New_York"),
            ("(GMT-05:00) Eastern Time (US & Canada)", "America/New_York"),
            ("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", "Europe/Amsterdam"),
            ("Central European Time", "Europe/Berlin"),
            ("Mitteleuropäische Zeit", "Europe/Berlin"),
            ("Zürich", "Europe/Zurich"),
            ("GMT+1", "Etc/GMT-1"),
            ("UTC+01:00", "Etc/GMT-1"),
            ("utc-0500", "Etc/GMT+5"),
            ("+02:00", "Etc/GMT-2"),
            ("Etc/GMT+1", "Etc/GMT+1"),
            ("UTC+5:30", "Asia/Kolkata"),
            ("UTC+0", "UTC"),
            ("UTC", "UTC"),
        ] {
            assert_eq!(zone_named(name).map(Zone::name), Some(iana), "{name}");
        }
        for name in [
            "",
            "Mars/Base",
            "GMT+15",
            "GMT+1:7",
            "UTC+05:31",
            "12/01/2026",
            "(about)",
            "+",
            "1",
            "&",
        ] {
            assert_eq!(zone_named(name), None, "{name}");
        }
    }

    #[test]
    fn a_bad_optional_value_every_name_means_one_zone() {
        for (name, zone) in NAMES {
            assert_eq!(zone_named(name), Some(*zone), "{name}");
        }
        for (offset, zone) in OFFSETS {
            use chrono::Offset as _;
            for month in [1, 7] {
                let day = chrono::NaiveDate::from_ymd_opt(2026, month, 1).unwrap();
                let offset_then = chrono::TimeZone::offset_from_utc_date(zone, &day).fix();
                assert_eq!(offset_then.local_minus_utc(), offset * 60, "{zone}");
            }
        }
    }
}

//! The words of written dates: months, weekdays and halves of the day, in English and German.
//!
//! A word has the same meaning in both languages or is in one of them only, so the language need
//! not be known.

use chrono::Weekday;

/// The number of the month with this lower-case name or abbreviation.
pub(super) fn month(word: &str) -> Option<u32> {
    Some(match word {
        "january" | "jan" | "januar" | "jänner" | "jaenner" => 1,
        "february" | "feb" | "februar" | "feber" => 2,
        "march" | "mar" | "märz" | "maerz" | "mär" | "mrz" => 3,
        "april" | "apr" => 4,
        "may" | "mai" => 5,
        "june" | "jun" | "juni" => 6,
        "july" | "jul" | "juli" => 7,
        "august" | "aug" => 8,
        "september" | "sep" | "sept" => 9,
        "october" | "oct" | "oktober" | "okt" => 10,
        "november" | "nov" => 11,
        "december" | "dec" | "dezember" | "dez" => 12,
        _ => return None,
    })
}

/// The weekday with this lower-case name or abbreviation.
pub(super) fn weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "monday" | "mon" | "montag" | "mo" => Weekday::Mon,
        "tuesday" | "tue" | "tues" | "dienstag" | "di" => Weekday::Tue,
        "wednesday" | "wed" | "mittwoch" | "mi" => Weekday::Wed,
        "thursday" | "thu" | "thur" | "thurs" | "donnerstag" | "do" => Weekday::Thu,
        "friday" | "fri" | "freitag" | "fr" => Weekday::Fri,
        "saturday" | "sat" | "samstag" | "sonnabend" | "sa" => Weekday::Sat,
        "sunday" | "sun" | "sonntag" | "so" => Weekday::Sun,
        _ => return None,
    })
}

/// Words between a date and a time that carry no meaning of their own.
pub(super) fn is_filler(word: &str) -> bool {
    matches!(word, "at" | "um" | "on" | "am" | "den" | "the")
}

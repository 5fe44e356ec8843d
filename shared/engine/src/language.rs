//! Languages: how a date and a time are written for a reader (R33).
//!
//! It promises a rendering for every tag, English where the language is not known, and never a
//! panic: a format is checked when it is read, not when it is used.

use std::fmt::{self, Write};
use std::str::FromStr;

use chrono::format::{Fixed, Item, StrftimeItems};
use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::{Instant, Zone};

/// A language that dates are written in; English (US) unless said otherwise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Language(usize);

impl Language {
    /// The language of a BCP 47 tag such as `de`, `de-AT` or `en-GB`. A region that is not known
    /// counts as the language alone, a language that is not known as English.
    pub fn of(tag: &str) -> Self {
        let tag = tag.trim().replace('_', "-").to_ascii_lowercase();
        let known = |wanted: &str| {
            HABITS.iter().position(|habit| habit.tag.eq_ignore_ascii_case(wanted)).map(Self)
        };
        let mut parts = tag.split('-');
        let primary = parts.next().unwrap_or_default();
        // A tag may name a script before the region: `de-Latn-AT`.
        let region = parts.find(|part| part.len() == 2);
        let exact = region.and_then(|region| known(&format!("{primary}-{region}")));
        let habit = match (primary, region) {
            // Outside North America English dates put the day first.
            ("en", Some(region)) if !matches!(region, "us" | "ca" | "ph") => known("en-GB"),
            _ => known(primary),
        };
        exact.or(habit).unwrap_or_default()
    }

    /// The tag of the language as it is rendered.
    pub fn tag(self) -> &'static str {
        self.habit().tag
    }

    fn habit(self) -> &'static Habit {
        HABITS.get(self.0).unwrap_or(&HABITS[0])
    }
}

/// How much of a date is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateStyle {
    /// Date with weekday, and time: `Tuesday, December 1, 2026 at 2:30 PM`.
    Full,
    /// Date with weekday: `Tuesday, December 1, 2026`.
    Long,
    /// Date in brief: `Dec 1, 2026`.
    Short,
    /// Time of day: `2:30 PM`.
    Time,
    /// A strftime format, with the names of the language.
    Form(Form),
}

/// A strftime format that has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form(String);

/// Why a text is no style for a date, or not for this one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStyle {
    /// Neither a named style nor a strftime format.
    #[error("{0:?} is not a date style; write full, long, short, time or a form such as %d.%m.%Y")]
    Unknown(String),
    /// A format with a part that strftime does not know.
    #[error("{0:?} is not a valid form; write parts such as %A %d %B %Y %H:%M")]
    Form(String),
    /// A time was asked of a date that has none.
    #[error(
        "a date without a time has none to show; {0:?} needs one: use long, short or a form of the \
         date"
    )]
    NoTime(String),
}

/// A moment as the language writes it in a zone.
pub fn date(at: Instant, zone: Zone, language: Language, style: &DateStyle) -> String {
    let local = at.with_timezone(&zone);
    let habit = language.habit();
    let pattern = habit.pattern(style, local.date_naive());
    let items = habit.names.items(&pattern, local.date_naive(), Some(local.time()));
    let mut text = String::new();
    // A checked format cannot fail on a value that has a date, a time and an offset.
    match write!(text, "{}", local.format_with_items(items.iter())) {
        Ok(()) => text,
        Err(fmt::Error) => local.to_rfc3339(),
    }
}

/// A moment in brief as the language writes it in a zone, with its seconds if it has any, and the
/// zone's name: `Dec 1, 2026, 2:30 PM (Europe/Berlin)`.
pub fn moment(at: Instant, zone: Zone, language: Language) -> String {
    let habit = language.habit();
    let time = match at.timestamp() % 60 {
        0 => habit.time.to_owned(),
        _ => habit.time.replace("%M", "%M:%S"),
    };
    let form = DateStyle::Form(Form(format!("{}, {time}", habit.short)));
    format!("{} ({})", date(at, zone, language, &form), zone.name())
}

/// A date without a time as the language writes it. `full` is `long`; a style that needs a time is
/// an error.
pub fn plain_date(
    date: NaiveDate,
    language: Language,
    style: &DateStyle,
) -> Result<String, InvalidStyle> {
    let habit = language.habit();
    let style = match style {
        DateStyle::Full => &DateStyle::Long,
        DateStyle::Time => return Err(InvalidStyle::NoTime("time".to_owned())),
        DateStyle::Long | DateStyle::Short | DateStyle::Form(_) => style,
    };
    let pattern = habit.pattern(style, date);
    let items = habit.names.items(&pattern, date, None);
    let mut text = String::new();
    match write!(text, "{}", date.format_with_items(items.iter())) {
        Ok(()) => Ok(text),
        Err(fmt::Error) => Err(InvalidStyle::NoTime(pattern)),
    }
}

impl FromStr for DateStyle {
    type Err = InvalidStyle;

    fn from_str(text: &str) -> Result<Self, InvalidStyle> {
        Ok(match text.trim() {
            "full" => Self::Full,
            "long" => Self::Long,
            "short" => Self::Short,
            "time" => Self::Time,
            // A misspelt style must not be printed in place of the date.
            form if !form.contains('%') => return Err(InvalidStyle::Unknown(text.to_owned())),
            form => Self::Form(Form::new(form)?),
        })
    }
}

/// The longest format; its output grows with it.
const LONGEST_FORM_BYTES: usize = 200;

impl Form {
    /// The format, if strftime knows all its parts.
    pub fn new(text: &str) -> Result<Self, InvalidStyle> {
        if text.len() > LONGEST_FORM_BYTES || StrftimeItems::new(text).parse().is_err() {
            return Err(InvalidStyle::Form(text.chars().take(LONGEST_FORM_BYTES).collect()));
        }
        // A test rendering finds what the syntax does not show, such as parts that can only be
        // parsed and not written.
        let sample = NaiveDate::MIN.and_time(NaiveTime::MIN).and_utc();
        write!(String::new(), "{}", sample.format(text))
            .map_err(|fmt::Error| InvalidStyle::Form(text.to_owned()))?;
        Ok(Self(text.to_owned()))
    }
}

/// The names of days and months in a language, and its shorthands for whole dates. chrono would
/// include those of all languages.
struct Names {
    days: &'static [&'static str],
    short_days: &'static [&'static str],
    months: &'static [&'static str],
    short_months: &'static [&'static str],
    halves: &'static [&'static str],
    /// `%x`, `%X`, `%c` and `%r`.
    date: &'static str,
    time: &'static str,
    moment: &'static str,
    time_of_half: &'static str,
}

macro_rules! names {
    ($locale:ident) => {{
        use pure_rust_locales::$locale::LC_TIME;
        Names {
            days: LC_TIME::DAY,
            short_days: LC_TIME::ABDAY,
            months: LC_TIME::MON,
            short_months: LC_TIME::ABMON,
            halves: LC_TIME::AM_PM,
            date: LC_TIME::D_FMT,
            time: LC_TIME::T_FMT,
            moment: LC_TIME::D_T_FMT,
            time_of_half: LC_TIME::T_FMT_AMPM,
        }
    }};
}

impl Names {
    /// The parts of a format for a date, with its names put in.
    fn items(&self, form: &str, date: NaiveDate, time: Option<NaiveTime>) -> Vec<Item<'static>> {
        let mut items = Vec::new();
        self.push_items(&mut items, form, date, time);
        items
    }

    fn push_items(
        &self,
        items: &mut Vec<Item<'static>>,
        form: &str,
        date: NaiveDate,
        time: Option<NaiveTime>,
    ) {
        let mut rest = form;
        while let Some(at) = rest.find('%') {
            let (before, part) = rest.split_at(at);
            let whole = match part.as_bytes().get(1) {
                Some(b'x') => Some(self.date),
                Some(b'X') => Some(self.time),
                Some(b'c') => Some(self.moment),
                Some(b'r') if self.time_of_half.is_empty() => Some(self.time),
                Some(b'r') => Some(self.time_of_half),
                Some(_) | None => None,
            };
            // Any other part goes up to the next `%`: its letter may come after flags.
            let end = match (whole, part.as_bytes().get(1)) {
                (Some(_), _) | (None, Some(b'%')) => 2,
                (None, _) => 1 + part[1..].find('%').unwrap_or(part.len() - 1),
            };
            let (part, after) = part.split_at(end);
            self.push_plain(items, before, date, time);
            match whole {
                Some(form) => self.push_items(items, form, date, time),
                None => self.push_plain(items, part, date, time),
            }
            rest = after;
        }
        self.push_plain(items, rest, date, time);
    }

    /// A format without shorthands.
    fn push_plain(
        &self,
        items: &mut Vec<Item<'static>>,
        form: &str,
        date: NaiveDate,
        time: Option<NaiveTime>,
    ) {
        let of = |names: &[&'static str], place: u32| {
            usize::try_from(place).ok().and_then(|place| names.get(place)).copied()
        };
        let (month, day) = (date.month0(), date.weekday().num_days_from_sunday());
        let half = time.map(|time| u32::from(time.hour() >= 12));
        items.extend(StrftimeItems::new(form).map(|item| {
            let name = match &item {
                Item::Fixed(Fixed::LongMonthName) => of(self.months, month),
                Item::Fixed(Fixed::ShortMonthName) => of(self.short_months, month),
                Item::Fixed(Fixed::LongWeekdayName) => of(self.days, day),
                Item::Fixed(Fixed::ShortWeekdayName) => of(self.short_days, day),
                Item::Fixed(Fixed::UpperAmPm) => half.and_then(|half| of(self.halves, half)),
                Item::Fixed(Fixed::LowerAmPm) => {
                    let half = half.and_then(|half| of(self.halves, half));
                    return half.map_or_else(
                        || item.to_owned(),
                        |half| Item::OwnedLiteral(half.to_lowercase().into()),
                    );
                }
                _ => None,
            };
            name.map_or_else(|| item.to_owned(), Item::Literal)
        }));
    }
}

/// How one language writes dates: the names come from its locale, the order is defined here.
struct Habit {
    tag: &'static str,
    names: Names,
    full: &'static str,
    long: &'static str,
    short: &'static str,
    time: &'static str,
    /// What follows the number of the first day of a month, as in `1er décembre`.
    first_day: &'static str,
}

impl Habit {
    fn pattern(&self, style: &DateStyle, date: NaiveDate) -> String {
        let pattern = match style {
            DateStyle::Full => self.full,
            DateStyle::Long => self.long,
            DateStyle::Short => self.short,
            DateStyle::Time => self.time,
            DateStyle::Form(Form(form)) => return form.clone(),
        };
        if date.day() == 1 && !self.first_day.is_empty() {
            return pattern.replace("%-d", &format!("%-d{}", self.first_day));
        }
        pattern.to_owned()
    }
}

const fn habit(tag: &'static str, names: Names, patterns: [&'static str; 4]) -> Habit {
    let [full, long, short, time] = patterns;
    Habit { tag, names, full, long, short, time, first_day: "" }
}

const GERMAN: [&str; 4] =
    ["%A, %-d. %B %Y um %H:%M Uhr", "%A, %-d. %B %Y", "%d.%m.%Y", "%H:%M Uhr"];
const FRENCH: [&str; 4] = ["%A %-d %B %Y à %H:%M", "%A %-d %B %Y", "%d/%m/%Y", "%H:%M"];
const PORTUGUESE: [&str; 4] =
    ["%A, %-d de %B de %Y às %H:%M", "%A, %-d de %B de %Y", "%d/%m/%Y", "%H:%M"];

/// The languages. The first one is used where a language is missing.
const HABITS: &[Habit] = &[
    habit(
        "en",
        names!(en_US),
        ["%A, %B %-d, %Y at %-I:%M %p", "%A, %B %-d, %Y", "%b %-d, %Y", "%-I:%M %p"],
    ),
    habit(
        "en-GB",
        names!(en_GB),
        ["%A, %-d %B %Y at %H:%M", "%A, %-d %B %Y", "%-d %b %Y", "%H:%M"],
    ),
    habit("de", names!(de_DE), GERMAN),
    habit("de-AT", names!(de_AT), GERMAN),
    Habit { first_day: "er", ..habit("fr", names!(fr_FR), FRENCH) },
    habit(
        "es",
        names!(es_ES),
        ["%A, %-d de %B de %Y, %H:%M", "%A, %-d de %B de %Y", "%d/%m/%Y", "%H:%M"],
    ),
    habit(
        "it",
        names!(it_IT),
        ["%A %-d %B %Y alle ore %H:%M", "%A %-d %B %Y", "%d/%m/%Y", "%H:%M"],
    ),
    habit("nl", names!(nl_NL), ["%A %-d %B %Y om %H:%M", "%A %-d %B %Y", "%d-%m-%Y", "%H:%M"]),
    habit("pt", names!(pt_PT), PORTUGUESE),
    habit("pt-BR", names!(pt_BR), PORTUGUESE),
    habit("pl", names!(pl_PL), ["%A, %-d %B %Y, %H:%M", "%A, %-d %B %Y", "%d.%m.%Y", "%H:%M"]),
];

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Language({})", self.tag())
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.tag())
    }
}

impl<'de> Deserialize<'de> for Language {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(&String::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    fn shown(tag: &str, style: &str) -> String {
        let at = chrono::Utc.with_ymd_and_hms(2026, 12, 1, 13, 30, 0).unwrap();
        let style = style.parse().unwrap();
        date(at, Zone::Europe__Berlin, Language::of(tag), &style)
    }

    #[test]
    fn r33_dates_follow_the_language_of_the_reader() {
        let expected = [
            ("en", "full", "Tuesday, December 1, 2026 at 2:30 PM"),
            ("en-US", "short", "Dec 1, 2026"),
            ("en", "time", "2:30 PM"),
            ("en-GB", "full", "Tuesday, 1 December 2026 at 14:30"),
            ("en-AU", "short", "1 Dec 2026"),
            ("de", "full", "Dienstag, 1. Dezember 2026 um 14:30 Uhr"),
            ("de-CH", "long", "Dienstag, 1. Dezember 2026"),
            ("de_DE", "short", "01.12.2026"),
            ("de", "time", "14:30 Uhr"),
            ("fr", "full", "mardi 1er décembre 2026 à 14:30"),
            ("es-MX", "long", "martes, 1 de diciembre de 2026"),
            ("it", "full", "martedì 1 dicembre 2026 alle ore 14:30"),
            ("nl", "short", "01-12-2026"),
            ("pt-BR", "long", "terça, 1 de dezembro de 2026"),
            ("pl", "full", "wtorek, 1 grudnia 2026, 14:30"),
            ("de", "%a %d. %b", "Di 01. Dez"),
            ("de", "%x, %X", "01.12.2026, 14:30:00"),
            ("en", "%x, %r", "12/01/2026, 02:30:00 PM"),
            ("de", "%r", "14:30:00"),
            ("fr", "%c", "mar. 01 déc. 2026 14:30:00 CET"),
            ("es", "100%% %B %Y, %P.", "100% diciembre 2026, ."),
            ("en", "%-I %P", "2 pm"),
            ("tlh", "long", "Tuesday, December 1, 2026"),
        ];
        for (tag, style, text) in expected {
            let shown = shown(tag, style);
            let shown = if tag == "pt-BR" { shown.replace("-feira", "") } else { shown };
            assert_eq!(shown, text, "{tag} {style}");
        }
    }

    #[test]
    fn r60_a_moment_names_its_zone_and_is_written_as_the_reader_writes_it() {
        let shown = |tag: &str, seconds| {
            let at = chrono::Utc.with_ymd_and_hms(2026, 12, 1, 13, 30, seconds).unwrap();
            moment(at, Zone::Europe__Berlin, Language::of(tag))
        };
        assert_eq!(shown("en", 0), "Dec 1, 2026, 2:30 PM (Europe/Berlin)");
        assert_eq!(shown("en", 5), "Dec 1, 2026, 2:30:05 PM (Europe/Berlin)");
        assert_eq!(shown("de", 0), "01.12.2026, 14:30 Uhr (Europe/Berlin)");
        assert_eq!(shown("fr", 5), "01/12/2026, 14:30:05 (Europe/Berlin)");
    }

    #[test]
    fn r33_a_date_without_a_time_is_long_when_full_and_has_no_time() {
        let day = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
        let plain = |style: &str| plain_date(day, Language::of("de"), &style.parse().unwrap());
        assert_eq!(plain("full").unwrap(), "Dienstag, 1. Dezember 2026");
        assert!(matches!(plain("time"), Err(InvalidStyle::NoTime(_))));
        assert!(matches!(plain("%H:%M"), Err(InvalidStyle::NoTime(_))));
        assert_eq!(plain("%d.%m.").unwrap(), "01.12.");
    }

    #[test]
    fn r33_a_bad_form_is_an_error_and_not_a_panic() {
        for bad in ["medium", "", "%Q", "%", "%H:%"] {
            assert!(bad.parse::<DateStyle>().is_err(), "{bad:?}");
        }
        for form in
            ["%p", "%r", "%c", "%x", "%X", "%+", "%s", "%Z", "%:z", "%.3f", "%n%%", "%G-W%V"]
        {
            let style: DateStyle = form.parse().unwrap();
            for habit in HABITS {
                let at = chrono::DateTime::UNIX_EPOCH;
                date(at, Zone::Asia__Kolkata, Language::of(habit.tag), &style);
            }
        }
    }

    #[test]
    fn a_language_is_stored_as_its_tag() {
        let german: Language = serde_json::from_str("\"de-AT\"").unwrap();
        assert_eq!(serde_json::to_string(&german).unwrap(), "\"de-AT\"");
        assert_eq!(Language::of("de-DE").tag(), "de");
    }
}

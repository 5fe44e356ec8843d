//! Reading dates as forms, calendars, spreadsheets and automation tools write them.
//!
//! It promises to accept a text only if it has one meaning: `01.12.2026` is read, `12/01/2026` is
//! refused with the forms that would be clear, unless the account says which of the two is the day.
//! A `datetime` without an offset is read in the zone (R4). Nothing is derived from the present.

use chrono::{Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::day_order::{DateOrder, SlashDates};
use super::numbers::moment_of_number;
use super::tokens::{Piece, Token, tokens};
use super::{
    Instant, UnreadableDate, Zone, beginning_of_day, day_of, instant_of, words, zone_named,
};

/// The longest text that can be a date; anything longer is refused unread.
const LONGEST_TEXT_BYTES: usize = 100;

/// The instant that a text names, read as documents are.
///
/// # Errors
///
/// Why it is no date.
pub fn parse_datetime(text: &str, zone: Zone) -> Result<Instant, UnreadableDate> {
    read_datetime(text, zone, SlashDates::WhereClear)
}

/// The instant that a text names. Without an offset or a zone of its own it is read in the zone
/// (R4); a date without a time is the beginning of that day; ten digits are seconds since 1970,
/// eleven to fifteen milliseconds.
///
/// # Errors
///
/// Why it is no date.
pub fn read_datetime(
    text: &str,
    zone: Zone,
    slashes: SlashDates,
) -> Result<Instant, UnreadableDate> {
    if let Some(at) = moment_of_number(text)? {
        return Ok(at);
    }
    let written = read(text, slashes)?;
    let Some(time) = written.time else {
        return Ok(beginning_of_day(written.date, written.zone.unwrap_or(zone)));
    };
    let local = written.date.and_time(time);
    let at = match written.offset {
        Some(offset) => at_offset(local, offset),
        None => Some(instant_of(local, written.zone.unwrap_or(zone))),
    };
    // An offset can carry the last evening of 9999 into the next year.
    at.filter(|at| at.year() <= 9999)
        .ok_or_else(|| UnreadableDate::OutOfRange { text: text.to_owned() })
}

/// The calendar date that a text names, read as documents are.
///
/// # Errors
///
/// Why it is no date.
pub fn parse_date(text: &str) -> Result<NaiveDate, UnreadableDate> {
    read_date(text, Zone::UTC, SlashDates::WhereClear)
}

/// The calendar date that a text names. If the text has a time, the date counts as it is written,
/// whatever the offset. A moment since 1970 is at midnight in UTC, as date fields of browsers send
/// it, or falls on a day in the zone.
///
/// # Errors
///
/// Why it is no date.
pub fn read_date(text: &str, zone: Zone, slashes: SlashDates) -> Result<NaiveDate, UnreadableDate> {
    match moment_of_number(text)? {
        Some(at) if at.time() == NaiveTime::MIN => Ok(at.date_naive()),
        Some(at) => Ok(day_of(at, zone)),
        None => read(text, slashes).map(|written| written.date),
    }
}

/// Whether a text names a day and no time.
pub fn is_only_a_day(text: &str, slashes: SlashDates) -> bool {
    let is_number = matches!(moment_of_number(text), Err(_) | Ok(Some(_)));
    !is_number && read(text, slashes).is_ok_and(|written| written.time.is_none())
}

fn at_offset(local: NaiveDateTime, offset: FixedOffset) -> Option<Instant> {
    local.checked_sub_offset(offset).map(|utc| utc.and_utc())
}

/// The content of a text, before a zone is applied.
struct WrittenDate {
    date: NaiveDate,
    time: Option<NaiveTime>,
    offset: Option<FixedOffset>,
    zone: Option<Zone>,
}

/// Why reading stopped; the text is added where it is known.
enum DateRefusal {
    Ambiguous,
    NoOrder,
    ShortYear,
    Unknown,
    NoSuchDay,
    OutOfRange,
}

fn read(text: &str, slashes: SlashDates) -> Result<WrittenDate, UnreadableDate> {
    let unknown = || UnreadableDate::Unknown { text: text.to_owned() };
    // A year before our era, or one of more digits: neither is meant, and a sign is not to be lost.
    if text.trim_start().starts_with(['-', '+']) {
        return Err(unknown());
    }
    if text.len() > LONGEST_TEXT_BYTES {
        let start: String = text.chars().take(LONGEST_TEXT_BYTES / 2).collect();
        return Err(UnreadableDate::Unknown { text: format!("{start}…") });
    }
    let (rest, zone, note) = split_zone(text.trim());
    let mut reader = Reader { tokens: tokens(rest), ..Reader::new(slashes) };
    reader.read().map_err(|refusal| match refusal {
        DateRefusal::Ambiguous => UnreadableDate::Ambiguous { text: text.to_owned() },
        DateRefusal::NoOrder => UnreadableDate::NoOrder { text: text.to_owned() },
        DateRefusal::ShortYear => UnreadableDate::ShortYear { text: text.to_owned() },
        DateRefusal::Unknown => unknown(),
        DateRefusal::NoSuchDay => UnreadableDate::NoSuchDay { text: text.to_owned() },
        DateRefusal::OutOfRange => UnreadableDate::OutOfRange { text: text.to_owned() },
    })?;
    let date = reader.date.ok_or_else(unknown)?;
    if reader.weekday.is_some_and(|weekday| weekday != date.weekday()) {
        return Err(UnreadableDate::OtherWeekday { text: text.to_owned() });
    }
    // A remark such as `(Central European Time)` is only harmless beside an offset.
    if note && reader.offset.is_none() {
        return Err(unknown());
    }
    Ok(WrittenDate { date, time: reader.time, offset: reader.offset, zone })
}

/// Takes a zone off the end, `Europe/Berlin` bare or in brackets; the flag is set for brackets that
/// hold something else.
fn split_zone(text: &str) -> (&str, Option<Zone>, bool) {
    for (open, close) in [('(', ')'), ('[', ']')] {
        if let Some(inner) = text.strip_suffix(close)
            && let Some(start) = inner.rfind(open)
        {
            let (rest, name) = (&inner[..start], inner[start + 1..].trim());
            let zone = zone_named(name);
            return (rest, zone, zone.is_none());
        }
    }
    if let Some((rest, name)) = text.rsplit_once(char::is_whitespace)
        && name.contains('/')
        && let Some(zone) = zone_named(name)
    {
        return (rest, Some(zone), false);
    }
    (text, None, false)
}

/// Reads the tokens once; each of date, time, offset and weekday may be there once.
struct Reader {
    slashes: SlashDates,
    tokens: Vec<Token>,
    at: usize,
    date: Option<NaiveDate>,
    time: Option<NaiveTime>,
    offset: Option<FixedOffset>,
    weekday: Option<chrono::Weekday>,
}

impl Reader {
    fn new(slashes: SlashDates) -> Self {
        Self {
            slashes,
            tokens: Vec::new(),
            at: 0,
            date: None,
            time: None,
            offset: None,
            weekday: None,
        }
    }

    fn read(&mut self) -> Result<(), DateRefusal> {
        while self.at < self.tokens.len() {
            let step = self.step()?;
            if step == 0 {
                return Err(DateRefusal::Unknown);
            }
            self.at += step;
        }
        Ok(())
    }

    /// How many tokens the part at the cursor takes; none if it is no part of a date.
    fn step(&mut self) -> Result<usize, DateRefusal> {
        if self.time.is_none()
            && let Some((taken, time)) = self.time_here()
        {
            self.time = Some(time.ok_or(DateRefusal::NoSuchDay)?);
            return Ok(taken);
        }
        if self.time.is_some()
            && self.offset.is_none()
            && let Some((taken, offset)) = self.offset_here()
        {
            self.offset = Some(offset.ok_or(DateRefusal::Unknown)?);
            return Ok(taken);
        }
        if self.date.is_none()
            && let Some((taken, day, month, year)) = self.date_here()?
        {
            let year: i32 = year.parse().map_err(|_| DateRefusal::Unknown)?;
            if !(1900..=9999).contains(&year) {
                return Err(DateRefusal::OutOfRange);
            }
            self.date =
                Some(NaiveDate::from_ymd_opt(year, month, day).ok_or(DateRefusal::NoSuchDay)?);
            return Ok(taken);
        }
        let Some(word) = self.word(0) else {
            return Ok(usize::from(self.mark(0, ',') || self.mark(0, '-') || self.mark(0, '@')));
        };
        if let Some(weekday) = words::weekday(word)
            && self.weekday.is_none()
        {
            self.weekday = Some(weekday);
            // German abbreviates with a dot: `Di., 1. Dezember 2026`.
            return Ok(if self.mark(1, '.') { 2 } else { 1 });
        }
        let between = word == "t" && self.date.is_some() && self.time.is_none();
        Ok(usize::from(between || words::is_filler(word)))
    }

    fn time_here(&self) -> Option<(usize, Option<NaiveTime>)> {
        let hour = self.number(0)?;
        // The basic form of ISO 8601, as calendars export it: `20261201T143000Z`.
        if self.at > 0
            && matches!(&self.tokens[self.at - 1].piece, Piece::Word(word) if word == "t")
            && matches!(hour.len(), 4 | 6)
        {
            let seconds = if hour.len() == 6 { &hour[4..] } else { "0" };
            return Some((1, clock(&hour[..2], &hour[2..4], seconds, "0", None)));
        }
        if hour.len() > 2 {
            return None;
        }
        if !self.mark(1, ':') {
            return self.time_without_colon(hour);
        }
        let minute = self.number(2).filter(|minute| minute.len() == 2)?;
        let (mut taken, mut seconds, mut fraction) = (3, "0", "0");
        if self.mark(3, ':')
            && let Some(written) = self.number(4).filter(|seconds| seconds.len() == 2)
        {
            (taken, seconds) = (5, written);
            if (self.mark(5, '.') || self.mark(5, ','))
                && self.glued(6)
                && let Some(written) = self.number(6)
            {
                (taken, fraction) = (7, written);
            }
        }
        let (more, half) = self.half_of_day(taken);
        Some((taken + more, clock(hour, minute, seconds, fraction, half)))
    }

    /// `2 PM`, `14 Uhr`, `14.30 Uhr`.
    fn time_without_colon(&self, hour: &str) -> Option<(usize, Option<NaiveTime>)> {
        if self.word(1) == Some("uhr") {
            return Some((2, clock(hour, "0", "0", "0", None)));
        }
        if let Some(minute) = self.number(2).filter(|minute| minute.len() == 2)
            && self.mark(1, '.')
            && self.word(3) == Some("uhr")
        {
            return Some((4, clock(hour, minute, "0", "0", None)));
        }
        match self.half_of_day(1) {
            (more, Some(half)) => Some((1 + more, clock(hour, "0", "0", "0", Some(half)))),
            _ => None,
        }
    }

    /// `am`, `p.m.` or `Uhr` after a time.
    fn half_of_day(&self, from: usize) -> (usize, Option<HalfOfDay>) {
        let half = |word: Option<&str>| match word {
            Some("am" | "a") => Some(HalfOfDay::Morning),
            Some("pm" | "p") => Some(HalfOfDay::Afternoon),
            _ => None,
        };
        match self.word(from) {
            Some("uhr") => (1, None),
            Some("am" | "pm") => (1, half(self.word(from))),
            Some("a" | "p") if self.mark(from + 1, '.') && self.word(from + 2) == Some("m") => {
                (if self.mark(from + 3, '.') { 4 } else { 3 }, half(self.word(from)))
            }
            _ => (0, None),
        }
    }

    /// `Z`, `UTC`, `GMT+1`, `+01:00`, `-0500`, `+01`.
    fn offset_here(&self) -> Option<(usize, Option<FixedOffset>)> {
        let named = matches!(self.word(0), Some("z" | "utc" | "gmt"));
        let from = usize::from(named);
        let sign = if self.mark(from, '+') {
            1
        } else if self.mark(from, '-') {
            -1
        } else {
            return named.then_some((1, FixedOffset::east_opt(0)));
        };
        // A dash with a space after it separates, and is no sign.
        let Some(hours) = self.number(from + 1).filter(|_| self.glued(from + 1)) else {
            return named.then_some((1, FixedOffset::east_opt(0)));
        };
        let (taken, hours, minutes) = match (hours.len(), self.number(from + 3)) {
            (1 | 2, Some(minutes)) if self.mark(from + 2, ':') && minutes.len() == 2 => {
                (from + 4, hours, minutes)
            }
            (4, _) => (from + 2, &hours[..2], &hours[2..]),
            (2, _) => (from + 2, hours, "0"),
            (1, _) if named => (from + 2, hours, "0"),
            _ => return Some((0, None)),
        };
        Some((taken, offset_of(sign, hours, minutes)))
    }

    /// A date at the cursor: how many tokens it takes, day, month and the year as written.
    fn date_here(&self) -> Result<Option<(usize, u32, u32, &str)>, DateRefusal> {
        if let Some(found) = self.date_with_month_name() {
            return Ok(Some(found));
        }
        let Some(first) = self.number(0) else {
            return Ok(None);
        };
        if first.len() == 8 && self.word(1) == Some("t") {
            return Ok(Some((1, value(&first[6..]), value(&first[4..6]), &first[..4])));
        }
        let Some(separator) =
            ['-', '/', '.'].into_iter().find(|c| self.mark(1, *c) && self.mark(3, *c))
        else {
            return Ok(None);
        };
        let (Some(second), Some(third)) = (self.number(2), self.number(4)) else {
            return Ok(None);
        };
        if second.len() > 2 {
            return Ok(None);
        }
        match (first.len(), third.len()) {
            (4, 1 | 2) => Ok(Some((5, value(third), value(second), first))),
            (1 | 2, 4) => {
                let (day, month) =
                    day_and_month(value(first), value(second), separator, self.slashes)?;
                Ok(Some((5, day, month, third)))
            }
            (1 | 2, 2) => Err(DateRefusal::ShortYear),
            _ => Ok(None),
        }
    }

    /// `1 December 2026`, `1. Dezember 2026`, `1st of December, 2026`, `01-Dec-2026`, `December 1,
    /// 2026`.
    fn date_with_month_name(&self) -> Option<(usize, u32, u32, &str)> {
        let year_at = |at: usize| self.number(at).filter(|year| year.len() == 4);
        if let Some(month) = self.word(0).and_then(words::month) {
            let mut at = if self.mark(1, '.') { 2 } else { 1 };
            let day = self.number(at).filter(|day| day.len() <= 2)?;
            at += 1;
            at += usize::from(matches!(self.word(at), Some("st" | "nd" | "rd" | "th")));
            at += usize::from(self.mark(at, ','));
            return Some((at + 1, value(day), month, year_at(at)?));
        }
        let day = self.number(0).filter(|day| day.len() <= 2)?;
        let mut at = 1;
        at += usize::from(
            self.mark(at, '.')
                || self.mark(at, '-')
                || matches!(self.word(at), Some("st" | "nd" | "rd" | "th")),
        );
        at += usize::from(self.word(at) == Some("of"));
        let month = self.word(at).and_then(words::month)?;
        at += 1;
        while self.mark(at, '.') || self.mark(at, ',') || self.mark(at, '-') {
            at += 1;
        }
        Some((at + 1, value(day), month, year_at(at)?))
    }

    fn piece(&self, ahead: usize) -> Option<&Piece> {
        self.tokens.get(self.at + ahead).map(|token| &token.piece)
    }

    fn number(&self, ahead: usize) -> Option<&str> {
        match self.piece(ahead) {
            Some(Piece::Number(digits)) => Some(digits),
            Some(Piece::Word(_) | Piece::Mark(_)) | None => None,
        }
    }

    fn word(&self, ahead: usize) -> Option<&str> {
        match self.piece(ahead) {
            Some(Piece::Word(letters)) => Some(letters),
            Some(Piece::Number(_) | Piece::Mark(_)) | None => None,
        }
    }

    fn mark(&self, ahead: usize, wanted: char) -> bool {
        self.piece(ahead) == Some(&Piece::Mark(wanted))
    }

    fn glued(&self, ahead: usize) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| token.glued)
    }
}

/// With dots the day is always first; with slashes and dashes it depends on the country.
fn day_and_month(
    first: u32,
    second: u32,
    separator: char,
    slashes: SlashDates,
) -> Result<(u32, u32), DateRefusal> {
    if separator == '.' {
        return Ok((first, second));
    }
    match slashes {
        SlashDates::In(DateOrder::DayFirst) => Ok((first, second)),
        SlashDates::In(DateOrder::MonthFirst) => Ok((second, first)),
        SlashDates::Refused if first > 12 || second > 12 => Err(DateRefusal::NoOrder),
        SlashDates::Refused => Err(DateRefusal::Ambiguous),
        SlashDates::WhereClear if first > 12 || first == second => Ok((first, second)),
        SlashDates::WhereClear if second > 12 => Ok((second, first)),
        SlashDates::WhereClear => Err(DateRefusal::Ambiguous),
    }
}

#[derive(Clone, Copy)]
enum HalfOfDay {
    Morning,
    Afternoon,
}

fn clock(
    hour: &str,
    minute: &str,
    second: &str,
    fraction: &str,
    half: Option<HalfOfDay>,
) -> Option<NaiveTime> {
    let hour = match (half, value(hour)) {
        (None, hour) => hour,
        (Some(_), 0 | 13..) => return None,
        (Some(HalfOfDay::Morning), hour) => hour % 12,
        (Some(HalfOfDay::Afternoon), hour) => hour % 12 + 12,
    };
    let time = NaiveTime::from_hms_opt(hour, value(minute), value(second))?;
    // An instant keeps milliseconds; further digits are dropped, not rounded into the next second.
    let millis: String = fraction.chars().chain("00".chars()).take(3).collect();
    Some(time.overflowing_add_signed(TimeDelta::milliseconds(i64::from(value(&millis)))).0)
}

fn offset_of(sign: i32, hours: &str, minutes: &str) -> Option<FixedOffset> {
    let (hours, minutes) = (i32::try_from(value(hours)).ok()?, i32::try_from(value(minutes)).ok()?);
    // No place on earth is further from UTC than fourteen hours.
    if hours > 14 || minutes > 59 {
        return None;
    }
    FixedOffset::east_opt(sign * (hours * 3_600 + minutes * 60))
}

/// The value of a few digits.
fn value(digits: &str) -> u32 {
    digits.parse().unwrap_or(u32::MAX)
}

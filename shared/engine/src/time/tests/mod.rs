//! Tests of time; each names the rule it pins.

mod reading;

use chrono::{NaiveDate, NaiveDateTime, Weekday};

use super::*;

const BERLIN: Zone = Zone::Europe__Berlin;

fn local(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
}

/// The instant written as UTC.
fn utc(text: &str) -> Instant {
    local(text).and_utc()
}

/// The instant of a local time in Berlin.
fn berlin(text: &str) -> Instant {
    instant_of(local(text), BERLIN)
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn time(text: &str) -> TimeOfDay {
    text.parse().unwrap()
}

fn span(text: &str) -> Span {
    text.parse().unwrap()
}

#[test]
fn r4_in_a_gap_the_time_moves_forward_by_the_gap() {
    assert_eq!(berlin("2026-03-29 02:30"), utc("2026-03-29 01:30"));
    // A whole day was skipped in Samoa.
    let apia = instant_of(local("2011-12-30 10:00"), Zone::Pacific__Apia);
    assert_eq!(apia, instant_of(local("2011-12-31 10:00"), Zone::Pacific__Apia));
    // Half an hour only, on Lord Howe.
    let howe = instant_of(local("2026-10-04 02:15"), Zone::Australia__Lord_Howe);
    assert_eq!(howe, instant_of(local("2026-10-04 02:45"), Zone::Australia__Lord_Howe));
}

#[test]
fn r4_in_an_overlap_the_earlier_instant_counts() {
    assert_eq!(berlin("2026-10-25 02:30"), utc("2026-10-25 00:30"));
}

#[test]
fn r4_days_begin_and_end_where_the_zone_says() {
    assert_eq!(beginning_of_day(day("2026-12-01"), BERLIN), utc("2026-11-30 23:00"));
    assert_eq!(end_of_day(day("2026-10-25"), BERLIN), utc("2026-10-25 23:00"));
    assert_eq!(day_of(utc("2026-11-30 23:00"), BERLIN), day("2026-12-01"));
    // Clocks skip midnight in Beirut.
    let beirut = beginning_of_day(day("2026-03-29"), Zone::Asia__Beirut);
    assert_eq!(beirut, utc("2026-03-28 22:00"));
    assert_eq!(day_of(beirut, Zone::Asia__Beirut), day("2026-03-29"));
}

#[test]
fn r20_spans_are_read_and_written_as_people_do() {
    for (text, parsed, shown) in [
        ("90 minutes", Span::minutes(90), "1 hour 30 minutes"),
        ("-1 hour", Span::hours(-1), "-1 hour"),
        ("+1 hour", Span::hours(1), "1 hour"),
        ("2 days", Span::days(2), "2 days"),
        ("1 week", Span::days(7), "1 week"),
        ("30s", Span::seconds(30), "30 seconds"),
        ("15 min", Span::minutes(15), "15 minutes"),
        ("1h30m", Span::minutes(90), "1 hour 30 minutes"),
        ("0 minutes", Span::default(), "0 minutes"),
        ("25 Hours", Span::hours(25), "25 hours"),
    ] {
        assert_eq!(span(text), parsed, "{text}");
        assert_eq!(parsed.to_string(), shown);
        assert_eq!(span(shown), parsed);
    }
    assert_eq!(span("-1 day 2 hours").to_string(), "-1 day 2 hours");
    assert_eq!(span("2 days, 3 hours and 5 minutes").to_string(), "2 days 3 hours 5 minutes");
    assert!(span("-1 day 2 hours").is_negative() && span("0s").is_zero());
    let json = serde_json::to_string(&span("1 day 2 hours")).unwrap();
    assert_eq!(json, "\"1 day 2 hours\"");
    assert_eq!(serde_json::from_str::<Span>(&json).unwrap(), span("1 day 2 hours"));
    assert_eq!(Span::days(i64::MIN), Span::days(-3_653));
}

#[test]
fn r20_a_span_that_is_unclear_is_refused_with_the_units() {
    let refused = |text: &str| text.parse::<Span>().unwrap_err();
    for text in ["", "soon", "1.5 hours", "1 day -2 hours", "an hour", "3 fortnights", "--1 hour"] {
        let error = refused(text);
        assert!(matches!(error, InvalidSpan::Unreadable { .. }), "{text}: {error:?}");
        assert!(error.to_string().contains("weeks, days, hours"));
    }
    assert!(matches!(refused("90"), InvalidSpan::NoUnit { .. }));
    assert!(refused("1 month").to_string().contains("days"));
    assert!(matches!(refused("2 years"), InvalidSpan::MonthsOrYears { .. }));
    assert!(matches!(refused("600 weeks"), InvalidSpan::TooLong { .. }));
    assert!(matches!(refused("99999999999999999999 s"), InvalidSpan::TooLong { .. }));
}

#[test]
fn r20_days_are_calendar_days_and_hours_are_exact() {
    let before = berlin("2026-03-28 12:00");
    assert_eq!(span("1 day").after(before, BERLIN), berlin("2026-03-29 12:00"));
    assert_eq!(span("24 hours").after(before, BERLIN), berlin("2026-03-29 13:00"));
    assert_eq!(span("1 day").after(berlin("2026-03-28 02:30"), BERLIN), berlin("2026-03-29 03:30"));
    assert_eq!(
        span("-1 day 1 hour").after(berlin("2026-03-30 12:00"), BERLIN),
        berlin("2026-03-29 11:00")
    );
    // The later hour of an overlap stays the later one when no days are added.
    let later = utc("2026-10-25 01:30");
    assert_eq!(Span::default().after(later, BERLIN), later);
    assert_eq!(span("1 minute").after(later, BERLIN), utc("2026-10-25 01:31"));
}

#[test]
fn r21_an_offset_from_a_date_shifts_the_day_then_takes_the_time() {
    let from = |text: &str| span(text).from_date(day("2026-03-30"), time("09:00"), BERLIN);
    assert_eq!(from("-1 day"), berlin("2026-03-29 09:00"));
    assert_eq!(from("-1 week"), berlin("2026-03-23 09:00"));
    assert_eq!(from("-2 hours"), berlin("2026-03-30 07:00"));
    let in_gap = span("-1 day").from_date(day("2026-03-30"), time("02:30"), BERLIN);
    assert_eq!(in_gap, berlin("2026-03-29 03:30"));
}

#[test]
fn r20_a_time_of_day_is_written_with_two_digits() {
    assert_eq!(time("9:00"), TimeOfDay::new(9, 0).unwrap());
    assert_eq!(time("9:00").to_string(), "09:00");
    assert_eq!(TimeOfDay::default().to_string(), "00:00");
    assert!(time("09:00") < time("20:00"));
    for text in ["24:00", "9", "9:0", "09:60", "+9:00", "9:00 PM", ""] {
        assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
    }
    assert_eq!(serde_json::from_str::<TimeOfDay>("\"08:05\"").unwrap(), time("8:05"));
}

#[test]
fn r20_weekdays_are_a_list_that_is_not_empty() {
    let days: Weekdays = serde_json::from_str(r#"["Tuesday", "mon", "SUN"]"#).unwrap();
    assert_eq!(serde_json::to_string(&days).unwrap(), r#"["mon","tue","sun"]"#);
    assert!(days.contains(Weekday::Mon) && !days.contains(Weekday::Wed));
    assert!(serde_json::from_str::<Weekdays>("[]").is_err());
    assert!(serde_json::from_str::<Weekdays>(r#"["someday"]"#).is_err());
    assert!(Weekdays::default().contains(Weekday::Sat));
}

const WEEKEND: [Weekday; 2] = [Weekday::Sat, Weekday::Sun];

#[test]
fn r20_the_moment_itself_counts_unless_it_has_been_used() {
    let next = |at: &str, used: Option<&str>| {
        let used = used.map(berlin);
        next_moment(berlin(at), Some(time("09:00")), Weekdays::EVERY_DAY, BERLIN, used)
    };
    assert_eq!(next("2026-12-01 09:00", None), berlin("2026-12-01 09:00"));
    assert_eq!(next("2026-12-01 09:00", Some("2026-12-01 09:00")), berlin("2026-12-02 09:00"));
    assert_eq!(next("2026-12-01 09:01", None), berlin("2026-12-02 09:00"));
    assert_eq!(next("2026-12-01 00:00", Some("2026-11-30 09:00")), berlin("2026-12-01 09:00"));
}

#[test]
fn r20_until_waits_for_the_weekday() {
    let weekend = Weekdays::of(WEEKEND).unwrap();
    let next = |at: &str, time: Option<TimeOfDay>, used: Option<Instant>| {
        next_moment(berlin(at), time, weekend, BERLIN, used)
    };
    assert_eq!(next("2026-12-01 12:00", Some(time("09:00")), None), berlin("2026-12-05 09:00"));
    assert_eq!(next("2026-12-06 12:00", Some(time("09:00")), None), berlin("2026-12-12 09:00"));
    assert_eq!(next("2026-12-01 12:00", None, None), berlin("2026-12-05 00:00"));
    assert_eq!(next("2026-12-05 12:00", None, None), berlin("2026-12-05 12:00"));
    let used = Some(berlin("2026-12-05 12:00"));
    assert_eq!(next("2026-12-05 12:00", None, used), berlin("2026-12-06 00:00"));
    let sunday = Weekdays::of([Weekday::Sun]).unwrap();
    let used = Some(berlin("2026-12-06 09:00"));
    let next = next_moment(berlin("2026-12-06 09:00"), Some(time("09:00")), sunday, BERLIN, used);
    assert_eq!(next, berlin("2026-12-13 09:00"));
}

#[test]
fn r20_a_time_of_day_in_an_overlap_comes_once_and_in_a_gap_later() {
    let next =
        |at: Instant| next_moment(at, Some(time("02:30")), Weekdays::EVERY_DAY, BERLIN, None);
    assert_eq!(next(utc("2026-10-25 00:30")), utc("2026-10-25 00:30"));
    assert_eq!(next(utc("2026-10-25 00:31")), berlin("2026-10-26 02:30"));
    assert_eq!(next(berlin("2026-03-29 00:00")), berlin("2026-03-29 03:30"));
}

#[test]
fn a_window_lets_through_what_is_inside_and_opens_for_the_rest() {
    let start = |at: &str, from: &str, to: &str, days: Weekdays| {
        next_window_start(berlin(at), time(from), time(to), days, BERLIN)
    };
    let every = Weekdays::EVERY_DAY;
    assert_eq!(start("2026-12-01 08:00", "08:00", "20:00", every), berlin("2026-12-01 08:00"));
    assert_eq!(start("2026-12-01 19:59", "08:00", "20:00", every), berlin("2026-12-01 19:59"));
    assert_eq!(start("2026-12-01 20:00", "08:00", "20:00", every), berlin("2026-12-02 08:00"));
    assert_eq!(start("2026-12-01 07:00", "08:00", "20:00", every), berlin("2026-12-01 08:00"));
    let weekend = Weekdays::of(WEEKEND).unwrap();
    assert_eq!(start("2026-12-01 12:00", "08:00", "20:00", weekend), berlin("2026-12-05 08:00"));
    assert_eq!(start("2026-12-01 12:00", "00:00", "00:00", weekend), berlin("2026-12-05 00:00"));
    assert_eq!(start("2026-12-06 23:59", "09:00", "09:00", weekend), berlin("2026-12-06 23:59"));
    // Over midnight the window belongs to the day it opens on: Sunday night reaches into Monday.
    assert_eq!(start("2026-12-07 01:00", "22:00", "02:00", weekend), berlin("2026-12-07 01:00"));
    assert_eq!(start("2026-12-07 02:00", "22:00", "02:00", weekend), berlin("2026-12-12 22:00"));
    assert_eq!(start("2026-12-05 01:00", "22:00", "02:00", weekend), berlin("2026-12-05 22:00"));
    // A gap swallows the window of that day.
    assert_eq!(start("2026-03-29 01:00", "02:00", "03:00", every), berlin("2026-03-30 02:00"));
}

#[test]
fn r25_hours_are_looked_for_forwards_and_backwards_also_where_the_clocks_change() {
    let hours = |from: &str, to: &str, weekdays: Weekdays| Hours {
        daytime: Daytime { from: time(from), to: time(to) },
        weekdays,
    };
    let every = Weekdays::EVERY_DAY;
    let day = hours("08:00", "20:00", every);
    for (at, last) in [
        ("2026-12-03 08:00", "2026-12-03 08:00"),
        ("2026-12-03 19:59", "2026-12-03 19:59"),
        ("2026-12-03 20:00", "2026-12-03 19:59"),
        ("2026-12-03 07:00", "2026-12-02 19:59"),
        // Summer time begins, and ends, in this night.
        ("2026-03-29 07:00", "2026-03-28 19:59"),
        ("2026-10-25 07:00", "2026-10-24 19:59"),
    ] {
        assert_eq!(day.last_inside(berlin(at), BERLIN), berlin(last), "{at}");
    }
    let workdays = hours("08:00", "18:00", Weekdays::named(["mon", "fri"]).unwrap());
    assert_eq!(
        workdays.last_inside(berlin("2026-12-06 09:00"), BERLIN),
        berlin("2026-12-04 17:59")
    );
    assert_eq!(
        workdays.next_inside(berlin("2026-12-06 09:00"), BERLIN),
        berlin("2026-12-07 08:00")
    );
    let night = hours("22:00", "02:30", every);
    assert!(night.contain(berlin("2026-12-03 02:29"), BERLIN));
    assert_eq!(night.last_inside(berlin("2026-12-03 12:00"), BERLIN), berlin("2026-12-03 02:29"));
    // The night's end is skipped: half past two is half past three.
    assert_eq!(night.last_inside(berlin("2026-03-29 12:00"), BERLIN), berlin("2026-03-29 03:29"));
    // A gap swallows the window of that day.
    let hour = hours("02:00", "03:00", every);
    assert_eq!(hour.last_inside(berlin("2026-03-29 12:00"), BERLIN), berlin("2026-03-28 02:59"));
    let whole = hours("09:00", "09:00", every);
    assert_eq!(whole.last_inside(berlin("2026-12-03 23:00"), BERLIN), berlin("2026-12-03 23:00"));
}

#[test]
fn r25_a_part_of_the_day_holds_its_beginning_and_may_span_midnight() {
    let holds = |from: &str, to: &str, at: (u32, u32)| {
        let daytime = Daytime { from: time(from), to: time(to) };
        daytime.contains(NaiveTime::from_hms_opt(at.0, at.1, 30).unwrap())
    };
    assert!(holds("08:00", "12:00", (8, 0)) && holds("08:00", "12:00", (11, 59)));
    assert!(!holds("08:00", "12:00", (7, 59)) && !holds("08:00", "12:00", (12, 0)));
    assert!(holds("22:00", "06:00", (23, 0)) && holds("22:00", "06:00", (5, 59)));
    assert!(!holds("22:00", "06:00", (6, 0)) && holds("09:00", "09:00", (3, 0)));
}

#[test]
fn r24_a_fixed_date_is_a_day_or_a_time_in_the_zone() {
    let read = |text: &str| text.parse::<FixedDate>();
    assert!(read("2026-12-24").unwrap().day().is_some());
    let local = read("2026-12-24 18:00").unwrap();
    assert_eq!((local.day(), local.instant(BERLIN)), (None, Some(berlin("2026-12-24 18:00"))));
    assert_eq!(local.instant(Zone::UTC), Some(utc("2026-12-24 18:00")));
    let exact = read("2026-12-24T18:00Z").unwrap();
    assert_eq!(exact.instant(BERLIN), Some(utc("2026-12-24 18:00")));
    // The hour that does not exist is an hour later (R4).
    let gap = read("2026-03-29 02:30").unwrap();
    assert_eq!(gap.instant(BERLIN), Some(utc("2026-03-29 01:30")));
    for text in ["", "soon", "2026-02-30", "12/01/2026"] {
        assert!(read(text).is_err(), "{text}");
    }
}

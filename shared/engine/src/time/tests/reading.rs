//! Tests of reading dates (R4).

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

use super::super::{Instant, Span, UnreadableDate, Zone, parse_date, parse_datetime};
use super::{BERLIN, berlin, day, utc};
use crate::conventions::{Conventions, DateOrder};

fn read_date(text: &str, written: &Conventions) -> Result<NaiveDate, UnreadableDate> {
    super::super::read_date(text, written.zone, written.slashes)
}

fn read_datetime(text: &str, written: &Conventions) -> Result<Instant, UnreadableDate> {
    super::super::read_datetime(text, written.zone, written.slashes)
}

#[test]
fn r4_every_clear_form_of_a_datetime_is_read() {
    let half_past_two = berlin("2026-12-01 14:30");
    for text in [
        "2026-12-01 14:30",
        "2026-12-01T14:30",
        "2026-12-01 14:30:00",
        "2026-12-01T14:30:00.000",
        "2026-12-01T13:30:00Z",
        "2026-12-01T13:30:00.000000Z",
        "2026-12-01T14:30:00+01:00",
        "2026-12-01T14:30:00+0100",
        "2026-12-01T14:30+01",
        "2026-12-01 13:30:00 UTC",
        "2026-12-01 13:30:00 +0000",
        "2026-12-01 13:30 GMT",
        "2026-12-01 08:30:00 -0500",
        "20261201T143000",
        "20261201T133000Z",
        "2026-12-01 2:30 PM",
        "2026-12-01 2:30pm",
        "2026-12-01 02:30 p.m.",
        "2026-12-01 2:30\u{202f}PM",
        "2026/12/01 14:30",
        "2026.12.01 14:30",
        "1 December 2026 14:30",
        "1 Dec 2026, 14:30",
        "1st of December 2026 at 2:30 PM",
        "December 1, 2026 2:30 PM",
        "Dec 1, 2026 2:30 PM",
        "December 1st, 2026 at 2:30pm",
        "Tue, Dec 1, 2026 2:30pm",
        "Tuesday, December 1, 2026 at 2:30 PM",
        "01-Dec-2026 14:30:00",
        "02:30pm - Tuesday, December 1, 2026",
        "2:30 PM – Tuesday, 1 December 2026",
        "14:30 - Tuesday, 1 December 2026 (Europe/Berlin)",
        "Tue, 01 Dec 2026 14:30:00 +0100",
        "Tue, 1 Dec 2026 13:30:00 GMT",
        "01.12.2026 14:30",
        "1.12.2026, 14:30 Uhr",
        "01.12.2026 um 14:30 Uhr",
        "01.12.2026 14.30 Uhr",
        "1. Dezember 2026 14:30",
        "Dienstag, 1. Dezember 2026 um 14:30 Uhr",
        "Di., 1. Dez. 2026, 14:30",
        "1796131800",
        "1796131800000",
        "2026-12-01 14:30 (Europe/Berlin)",
        "2026-12-01 14:30 Europe/Berlin",
        "2026-12-01T14:30:00+01:00[Europe/Berlin]",
        "2026-12-01 08:30 America/New_York",
        "Tue Dec 01 2026 14:30:00 GMT+0100 (Central European Standard Time)",
        " 2026-12-01 14:30 ",
    ] {
        assert_eq!(parse_datetime(text, BERLIN), Ok(half_past_two), "{text}");
    }
    assert_eq!(parse_datetime("13/01/2026 9:05", BERLIN), Ok(berlin("2026-01-13 09:05")));
    assert_eq!(parse_datetime("12/25/2026 12:00 AM", BERLIN), Ok(berlin("2026-12-25 00:00")));
    assert_eq!(parse_datetime("12/25/2026 12 pm", BERLIN), Ok(berlin("2026-12-25 12:00")));
    assert_eq!(parse_datetime("3. März 2026", BERLIN), Ok(berlin("2026-03-03 00:00")));
    let fraction = berlin("2026-12-01 14:30") + TimeDelta::milliseconds(59_123);
    assert_eq!(parse_datetime("2026-12-01T14:30:59.1239", BERLIN), Ok(fraction));
}

#[test]
fn r4_a_datetime_without_an_offset_is_read_in_the_zone() {
    assert_eq!(parse_datetime("2026-03-29 02:30", BERLIN), Ok(utc("2026-03-29 01:30")));
    assert_eq!(parse_datetime("2026-10-25 02:30", BERLIN), Ok(utc("2026-10-25 00:30")));
    assert_eq!(parse_datetime("2026-10-25 02:30+01:00", BERLIN), Ok(utc("2026-10-25 01:30")));
    assert_eq!(parse_datetime("2026-12-01", BERLIN), Ok(utc("2026-11-30 23:00")));
}

#[test]
fn r4_what_could_mean_two_days_is_refused() {
    for text in ["12/01/2026", "1/2/2026 14:30", "01-12-2026", "11/12/2026 2:30 PM"] {
        let refused = parse_datetime(text, BERLIN).unwrap_err();
        assert!(matches!(refused, UnreadableDate::Ambiguous { .. }), "{text}: {refused:?}");
        let message = refused.to_string();
        assert!(message.contains(text) && message.contains("2026-12-01 14:30"), "{message}");
    }
    assert_eq!(parse_date("12/12/2026"), Ok(day("2026-12-12")));
}

#[test]
fn r4_what_is_no_date_is_refused_by_name() {
    let refused = |text: &str| parse_datetime(text, BERLIN).unwrap_err();
    for text in [
        "",
        "soon",
        "14:30",
        "2026",
        "20261201",
        "2026-12",
        "202612011430",
        "20261201143000",
        "2026-12-01 14:30 EST",
        "2026-12-01 14:30 15:30",
        "2026-12-01 2026-12-02",
        "2026-12-01T14:30:00 01:00",
        "2026-12-01 14:30 (about)",
        "2026-12-01 14:30 +99:00",
        "tomorrow 14:30",
        "12/2026",
        "2026-12-01 14:30 Nowhere/City",
        "(",
        "2026-12-01 (Europe/Berlin",
        "99999999999999999999",
    ] {
        assert!(
            matches!(refused(text), UnreadableDate::Unknown { .. }),
            "{text}: {:?}",
            refused(text)
        );
    }
    for text in [
        "2026-02-30",
        "31.04.2026",
        "2026-12-01 24:30",
        "2026-12-01 14:30 PM",
        "2026-13-01",
        "0.1.2026",
    ] {
        assert!(
            matches!(refused(text), UnreadableDate::NoSuchDay { .. }),
            "{text}: {:?}",
            refused(text)
        );
    }
    for text in ["1899-12-31", "0026-12-01 14:30", "9999-12-31T23:30:00-01:00"] {
        assert!(matches!(refused(text), UnreadableDate::OutOfRange { .. }), "{text}");
    }
    assert!(matches!(refused("Monday, December 1, 2026"), UnreadableDate::OtherWeekday { .. }));
    assert!(refused(&"9".repeat(5_000)).to_string().len() < 400);
}

#[test]
fn r4_a_mutilated_text_is_refused_or_read_but_never_a_panic() {
    let forms = [
        "Dienstag, 1. Dezember 2026 um 14:30 Uhr (Europe/Berlin)",
        "20261201T143000.5Z",
        "2026-12-01T14:30:59.123+01:00[ä]",
        "02:30 p.m. - Tuesday, December 1st, 2026 GMT+1",
    ];
    for form in forms {
        let letters: Vec<char> = form.chars().collect();
        for from in 0..letters.len() {
            for to in from..letters.len() {
                let cut: String = letters[..from].iter().chain(&letters[to..]).collect();
                let _ = (parse_datetime(&cut, BERLIN), parse_date(&cut), cut.parse::<Span>());
            }
        }
    }
}

#[test]
fn r4_a_date_is_the_day_as_written() {
    for text in [
        "2026-12-01",
        "2026-12-01T00:30:00+14:00",
        "01.12.2026",
        "Dec 1, 2026",
        "2026/12/1",
        "1. Dezember 2026",
    ] {
        assert_eq!(parse_date(text), Ok(day("2026-12-01")), "{text}");
    }
}

#[test]
fn r4_an_accounts_date_order_reads_slashes_and_without_one_they_are_refused() {
    let senders = |order| Conventions::of_senders(BERLIN, "de", order);
    let day_first = senders(Some(DateOrder::DayFirst));
    let month_first = senders(Some(DateOrder::MonthFirst));
    for (text, first, second) in [
        ("03/12/2026", "2026-12-03", Some("2026-03-12")),
        ("03-12-2026", "2026-12-03", Some("2026-03-12")),
        ("13/12/2026", "2026-12-13", None),
        ("12/12/2026", "2026-12-12", Some("2026-12-12")),
        ("03.12.2026", "2026-12-03", Some("2026-12-03")),
    ] {
        assert_eq!(read_date(text, &day_first), Ok(day(first)), "{text}");
        assert_eq!(read_date(text, &month_first).ok(), second.map(day), "{text}");
    }
    for text in ["03/12/2026", "13/12/2026", "12/13/2026", "12/12/2026", "13-12-2026 10:00"] {
        let refused = read_date(text, &senders(None)).unwrap_err();
        // A date that can be told is not called ambiguous: the sender's next one is.
        let is_told = text.contains("13");
        assert_eq!(matches!(refused, UnreadableDate::NoOrder { .. }), is_told, "{refused:?}");
        assert_eq!(refused.to_string().contains("ambiguous"), !is_told, "{refused}");
        assert!(refused.to_string().contains("date_order"), "{refused}");
    }
    assert_eq!(read_date("03.12.2026", &senders(None)), Ok(day("2026-12-03")));
}

#[test]
fn r4_a_bad_optional_value_moments_of_browsers_are_read_in_dates_too() {
    let berlin_reads = Conventions::of_documents(BERLIN);
    for (text, at) in [
        ("1796131800000", "2026-12-01 13:30"),
        ("1796131800000.0", "2026-12-01 13:30"),
        ("1796131800", "2026-12-01 13:30"),
        ("-1796131800", "1913-01-31 10:30"),
        ("946684800000", "2000-01-01 00:00"),
        ("-1000000000000", "1938-04-24 22:13:20"),
        ("32503680000000", "3000-01-01 00:00"),
        ("86400000000", "1972-09-27 00:00"),
    ] {
        let at = NaiveDateTime::parse_from_str(at, "%Y-%m-%d %H:%M")
            .or_else(|_| NaiveDateTime::parse_from_str(at, "%Y-%m-%d %H:%M:%S"))
            .unwrap();
        assert_eq!(read_datetime(text, &berlin_reads), Ok(at.and_utc()), "{text}");
    }
    // A date field sends midnight in UTC, a calendar midnight in local time.
    let new_york = Conventions::of_documents(Zone::America__New_York);
    assert_eq!(read_date("1796083200000", &new_york), Ok(day("2026-12-01")));
    assert_eq!(
        read_date("1796101200000", &new_york),
        Ok(day("2026-12-01")),
        "midnight in New York"
    );
    assert_eq!(
        read_date("1796079600000", &berlin_reads),
        Ok(day("2026-12-01")),
        "midnight in Berlin"
    );
    assert!(matches!(
        read_datetime("999999999999999", &berlin_reads),
        Err(UnreadableDate::OutOfRange { .. })
    ));
}

#[test]
fn r4_a_bad_optional_value_is_refused_in_words_that_name_what_came() {
    for (text, said) in [
        ("12/02/26 02:00PM", "year of two digits"),
        ("01.12.26", "year of two digits"),
        ("46358.58", "spreadsheet"),
        ("46358", "spreadsheet"),
    ] {
        let refused = parse_datetime(text, BERLIN).unwrap_err().to_string();
        assert!(refused.contains(text) && refused.contains(said), "{refused}");
        assert!(refused.contains("2026-12-01"), "the remedy: {refused}");
    }
}

//! Date timers, windows, and conditions on a date's time and weekday (R24, R25).

use expect_test::expect;

use super::{check, check_elements};

#[test]
fn r24_a_date_timer_has_a_field_or_a_date() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: date_timer, next: c }
c: { type: date_timer, field: birthday, date: 2026-12-24, next: d }
d: { type: date_timer, date: 2026-12-24 18:00, at: "10:00", empty: end, next: e }
e: { type: date_timer, field: birthday, repeat: yearly, next: f }
f: { type: date_timer, date: 2026-12-24, at: "10:00" }
"#,
        &expect![[""]],
    );
}

#[test]
fn r24_dates_and_repeats_that_cannot_be_read() {
    for (written, expected) in [
        ("date: 2026-02-30", expect![[""]]),
        ("date: 12/01/2026", expect![[""]]),
        ("date: tomorrow", expect![[""]]),
        ("field: birthday, repeat: monthly", expect![[""]]),
    ] {
        let elements = format!(
            "id: test\nelements:\n  a: {{ type: start, when: {{ tag: A }}, next: b }}\n  \
             b: {{ type: date_timer, {written} }}\n"
        );
        check(&elements, &expected);
    }
}

#[test]
fn r25_windows_that_make_no_sense() {
    check_elements(
        r#"
a: { type: start, when: { tag: A }, next: b }
b: { type: date_timer, field: birthday, past: continue, window: { from: "08:00", to: "20:00", else: skip }, next: c }
c: { type: email, email: x, window: { from: "08:00", to: "20:00", else: earlier } }
"#,
        &expect![[""]],
    );
    for (written, expected) in [
        (r#"{ from: "08:00" }"#, expect![[""]]),
        (r#"{ from: "8 am", to: "20:00" }"#, expect![[""]]),
        (r#"{ from: "08:00", to: "20:00", weekdays: [] }"#, expect![[""]]),
        (r#"{ from: "08:00", to: "20:00", else: sooner }"#, expect![[""]]),
    ] {
        let elements = format!(
            "id: test\nelements:\n  a: {{ type: start, when: {{ tag: A }}, next: b }}\n  \
             b: {{ type: date_timer, date: 2026-12-24, window: {written} }}\n"
        );
        check(&elements, &expected);
    }
}

#[test]
fn r25_conditions_on_the_time_and_the_weekday_of_a_date() {
    check_elements(
        r#"
a: { type: start, when: { field: birthday, time: { from: "08:00", to: "12:00" } } }
b: { type: start, when: { field: points, time: { from: "08:00", to: "12:00" } } }
c: { type: start, when: { field: points, weekdays: [sat, sun] } }
d: { type: start, when: { field: birthday, weekdays: [sat, sun] } }
"#,
        &expect![[""]],
    );
    for (written, expected) in [
        ("{ field: birthday, weekdays: [sat], is: set }", expect![[""]]),
        ("{ weekdays: [sat] }", expect![[""]]),
        ("{ field: birthday, weekdays: [someday] }", expect![[""]]),
    ] {
        check(
            &format!("id: test\nelements:\n  a: {{ type: start, when: {written} }}\n"),
            &expected,
        );
    }
}

#[test]
fn r26_no_campaign_is_called_like_a_call_about_all() {
    check("id: pause\nelements:\n  a: { type: start, when: { tag: A } }\n", &expect![[""]]);
}

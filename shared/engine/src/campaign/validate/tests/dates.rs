//! Date timers, windows, and conditions on a date's time and weekday (R24, R25).

use expect_test::expect;

use super::{check, check_elements, found_in, with_elements};

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
        &expect![[r#"
            elements.b 4:3 missing_key: the date timer has neither `field` nor `date` — add `field` with a field of type `date` or `datetime`, or `date` with a date such as `2026-12-24`
            warning: elements.b 4:3 path_ends_when_missed: who arrives after the moment has passed does not get to `c`: without `missed` the path waits here for another date, and ends when the date has passed — add `missed: c`, or `past: end` if it is to end
            warning: elements.c 5:3 path_ends_when_missed: who arrives after the moment has passed does not get to `d`: without `missed` the path waits here for another date, and ends when the date has passed — add `missed: d`, or `past: end` if it is to end
            elements.c.date 5:43 field_and_date: a date timer follows a field or waits for a fixed date, but this one has both: the field `birthday` and the date `2026-12-24` — remove `field` or `date`
            warning: elements.d 6:3 path_ends_when_missed: who arrives after the moment has passed does not get to `e`: without `missed` the path waits here for another date, and ends when the date has passed — add `missed: e`, or `past: end` if it is to end
            warning: elements.d.at 6:50 key_without_effect: `2026-12-24 18:00` has a time of its own; `at` is for dates — remove `at`
            warning: elements.d.empty 6:63 key_without_effect: a fixed `date` is never empty — remove `empty`
        "#]],
    );
}

#[test]
fn r24_dates_and_repeats_that_cannot_be_read() {
    for (written, expected) in [
        (
            "date: 2026-02-30",
            expect![[r#"
            elements.b.date 4:32 invalid_value: "2026-02-30" names a day or a time that does not exist — write it like 2026-12-01 14:30
        "#]],
        ),
        (
            "date: 12/01/2026",
            expect![[r#"
            elements.b.date 4:32 invalid_value: "12/01/2026" is ambiguous: nobody says whether the day or the month comes first, and the account has no `date_order` (PATCH /v1/account) — write 2026-12-01, 2026-12-01 14:30, 01.12.2026 14:30, 1 December 2026 14:30 or December 1, 2026 2:30 PM
        "#]],
        ),
        (
            "date: tomorrow",
            expect![[r#"
            elements.b.date 4:32 invalid_value: "tomorrow" is not a date that can be read — write 2026-12-01, 2026-12-01 14:30, 2026-12-01T14:30:00+01:00, 01.12.2026 14:30, 1 December 2026 14:30 or December 1, 2026 2:30 PM
        "#]],
        ),
        (
            "field: birthday, repeat: monthly",
            expect![[r#"
            elements.b.repeat 4:51 invalid_value: there is no choice `monthly` — choose one of `yearly`
        "#]],
        ),
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
        &expect![[r#"
            warning: elements.b.window.else 4:103 key_without_effect: with `past: continue` what is skipped goes on as if there were no window — write `later` or `earlier`, or remove `past`
            elements.c.email 5:28 unknown_email: there is no e-mail `x` under `emails` — there is none to choose from
            elements.c.window.else 5:75 earlier_on_an_email: an e-mail cannot leave earlier than its path reaches it — write `later` or `skip`, or put the window on the `date_timer` before it, whose moment is known ahead
        "#]],
    );
    for (written, expected) in [
        (
            r#"{ from: "08:00" }"#,
            expect![[r#"
            elements.b.window.to 4:44 missing_key: the key `to` is missing — add `to`
        "#]],
        ),
        (
            r#"{ from: "8 am", to: "20:00" }"#,
            expect![[r#"
            elements.b.window.from 4:60 invalid_value: "8 am" is not a time of day — write hours and minutes from 00:00 to 23:59, such as 09:00
        "#]],
        ),
        (
            r#"{ from: "08:00", to: "20:00", weekdays: [] }"#,
            expect![[r#"
            elements.b.window.weekdays 4:92 invalid_value: no weekday is listed — name at least one of mon, tue, wed, thu, fri, sat, sun
        "#]],
        ),
        (
            r#"{ from: "08:00", to: "20:00", else: sooner }"#,
            expect![[r#"
            elements.b.window.else 4:88 invalid_value: there is no choice `sooner` — choose one of `later`, `earlier`, `skip`
        "#]],
        ),
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
        &expect![[r#"
            elements.a.when.time 3:46 test_of_wrong_type: `time` asks for a time of day, but the field is a date without one — use a field of type `datetime`, or `weekdays`
            elements.b.when.time 4:50 test_of_wrong_type: `time` asks for a date, but the field is a number — use a field of type `date` or `datetime`, or another test
            elements.c.when.weekdays 5:54 test_of_wrong_type: `weekdays` asks for a date, but the field is a number — use a field of type `date` or `datetime`, or another test
        "#]],
    );
    for (written, expected) in [
        (
            "{ field: birthday, weekdays: [sat], is: set }",
            expect![[r#"
            elements.a.when 3:27 invalid_value: a condition on a field has exactly one of `is`, `equals`, `contains`, `greater`, `less`, `within`, `time`, `weekdays` — change what is written here
        "#]],
        ),
        (
            "{ weekdays: [sat] }",
            expect![[r#"
            elements.a.when 3:27 invalid_value: `is`, `equals`, `contains`, `greater`, `less`, `within`, `time` and `weekdays` need a `field` — change what is written here
        "#]],
        ),
        (
            "{ field: birthday, weekdays: [someday] }",
            expect![[r#"
            elements.a.when.weekdays 3:56 invalid_value: "someday" is not a weekday — write mon, tue, wed, thu, fri, sat or sun
        "#]],
        ),
    ] {
        check(
            &format!("id: test\nelements:\n  a: {{ type: start, when: {written} }}\n"),
            &expected,
        );
    }
}

#[test]
fn r26_no_campaign_is_called_like_a_call_about_all() {
    check(
        "id: pause\nelements:\n  a: { type: start, when: { tag: A } }\n",
        &expect![[r#"
        id 1:5 reserved_id: `pause` is a word of the API, so no campaign can be called that — choose another id
    "#]],
    );
}

#[test]
fn r22_a_goal_that_leads_nowhere_is_nothing_to_miss() {
    let found = |goal: &str| {
        found_in(&with_elements(&format!(
            "
lead: {{ type: start, when: {{ tag: Lead }}, next: day_before }}
day_before: {{ type: date_timer, field: visit, offset: -1 day, next: remind }}
remind: {{ type: email, email: reminder, next: came }}
came: {{ type: goal, when: {{ tag: Came }}, unmet: end{goal} }}
thanks: {{ type: email, email: thanks }}
"
        )))
    };
    let told = found(", next: thanks");
    assert!(told.contains("add `missed: came`, or `past: end` if it is to end"), "{told}");
    let told = found("");
    assert!(!told.contains("path_ends_when_missed"), "{told}");
}

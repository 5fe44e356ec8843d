//! Dates that come again, fixed dates and windows: `decide/plans.rs`.

use expect_test::expect;

use super::{Event, Story, delivery, timer};

#[test]
fn r24_a_date_that_comes_again_is_waited_for_and_lets_go_once() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: day }
        again: { type: event, on: { tag_added: Again }, next: day }
        day: { type: date_timer, field: visit, repeat: yearly, next: mail }
        mail: { type: email, email: notice, next: day }
    ",
    );
    story.visit("2020-12-02 14:00").add("Lead").check(&Event::Changed, &expect![[""]]);
    story.at("2026-12-02 14:00").check(&timer(1, 1, "2026-12-02 14:00"), &expect![[""]]);
    // Another entry leads there on the same day: this year it has let go.
    story.add("Again").check(&Event::Changed, &expect![[""]]);
}

#[test]
fn r24_a_second_token_that_waits_for_the_same_time_waits_for_the_next() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: day }
        lost: { type: start, when: { tag: Lost }, next: day }
        day: { type: date_timer, field: visit, repeat: yearly, next: mail }
        mail: { type: email, email: notice }
    ",
    );
    story.visit("2020-12-02 14:00").add("Lead").add("Lost").happens(&Event::Changed);
    story.at("2026-12-02 14:00").happens(&timer(1, 1, "2026-12-02 14:00"));
    story.check(&timer(1, 2, "2026-12-02 14:00"), &expect![[""]]);
}

#[test]
fn r24_an_overdue_timer_keeps_its_moment_while_its_date_stays() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: day }
        day: { type: date_timer, field: visit, repeat: yearly, next: mail }
        mail: { type: email, email: notice }
    ",
    );
    story.visit("2020-12-02 14:00").add("Lead").happens(&Event::Changed);
    // The field is written within the grace, before the timer is delivered.
    story.at("2026-12-02 14:10").visit("2020-12-02 14:00").add("Other");
    story.check(&Event::Changed, &expect![[""]]);
    story.check(&timer(1, 1, "2026-12-02 14:00"), &expect![[""]]);
}

#[test]
fn r24_a_moment_delivered_late_or_skipped_on_a_resume_waits_for_the_next_time() {
    let day = "
        lead: { type: start, when: { tag: Lead }, next: day }
        day: { type: date_timer, field: visit, repeat: yearly, next: mail }
        mail: { type: email, email: notice }
    ";
    let mut story = Story::of(day);
    story.visit("2020-12-02 14:00").add("Lead").happens(&Event::Changed);
    story.at("2026-12-02 14:31").check(&timer(1, 1, "2026-12-02 14:00"), &expect![[""]]);
    let mut story = Story::of(day);
    story.visit("2020-12-02 14:00").add("Lead").happens(&Event::Changed);
    story.pause().at("2026-12-03 09:00").resume(true).check(&Event::Changed, &expect![[""]]);
}

#[test]
fn r24_a_fixed_date_is_that_of_everybody() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: eve }
        eve: { type: date_timer, date: 2026-12-24, offset: -1 day, next: hour }
        hour: { type: date_timer, date: 2026-12-24 18:00 }
    ",
    );
    story.add("Lead").check(&Event::Changed, &expect![[""]]);
    story.at("2026-12-23 09:00").check(&timer(1, 1, "2026-12-23 09:00"), &expect![[""]]);
}

#[test]
fn r25_a_moment_outside_of_the_window_is_moved_or_skipped() {
    let with = |otherwise: &str| {
        Story::of(&format!(
            "
            lead: {{ type: start, when: {{ tag: Lead }}, next: before }}
            before: {{ type: date_timer, field: visit, offset: -2 hours, window: {{ from: '08:00', to: '20:00', else: {otherwise} }}, missed: late, next: mail }}
            mail: {{ type: email, email: notice }}
            late: {{ type: email, email: offer }}
        "
        ))
    };
    with("earlier").visit("2026-12-03 09:00").add("Lead").check(&Event::Changed, &expect![[""]]);
    with("later").visit("2026-12-03 09:00").add("Lead").check(&Event::Changed, &expect![[""]]);
    let mut story = with("skip");
    story.visit("2026-12-03 09:00").add("Lead").check(&Event::Changed, &expect![[""]]);
    story.at("2026-12-03 07:00").check(&timer(1, 1, "2026-12-03 07:00"), &expect![[""]]);
    // The window opens when the visit has begun: nothing is said about it any more.
    let mut story = with("later");
    story.visit("2026-12-03 08:00").add("Lead").happens(&Event::Changed);
    story.at("2026-12-03 06:00").check(&timer(1, 1, "2026-12-03 06:00"), &expect![[""]]);
}

#[test]
fn r25_a_message_waits_for_its_window_or_is_suppressed() {
    let with = |otherwise: &str| {
        Story::of(&format!(
            "
            lead: {{ type: start, when: {{ tag: Lead }}, next: mail }}
            mail: {{ type: email, email: notice, window: {{ from: '08:00', to: '20:00', else: {otherwise} }}, next: over }}
            over: {{ type: end }}
        "
        ))
    };
    with("later").at("2026-12-01 20:00").add("Lead").check(&Event::Changed, &expect![[""]]);
    with("skip").at("2026-12-01 20:00").add("Lead").check(&Event::Changed, &expect![[""]]);
    // It was queued in time, and its turn comes when the window is closed.
    let mut story = with("skip");
    story.at("2026-12-01 19:59").add("Lead").happens(&Event::Changed);
    story.at("2026-12-01 20:00").check(&delivery(1, 1), &expect![[""]]);
}

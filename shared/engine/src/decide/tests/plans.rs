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
    story.visit("2020-12-02 14:00").add("Lead").check(
        &Event::Changed,
        &expect![[r#"
        run 1 active
        token 1 at day: until 12-02 14:00
        fired lead
        effect: schedule 1.1 at 12-02 14:00
        effect: status changed, chain 2, depth 0
        12-01 09:00 because tag Lead was added by API key desk:
          run 1 lead: entered the campaign
          run 1 day: timer set for Dec 2, 2026, 2:00 PM (UTC)
    "#]],
    );
    story.at("2026-12-02 14:00").check(
        &timer(1, 1, "2026-12-02 14:00"),
        &expect![[r#"
        run 1 active
        token 2 at mail: message, queued
        fired lead
        effect: deliver 1.2, Transactional
        12-02 14:00 because the timer came due:
          run 1 day: its time has come
          run 1 mail: message on its way
    "#]],
    );
    // Another entry leads there on the same day: this year it has let go.
    story.add("Again").check(
        &Event::Changed,
        &expect![[r#"
        run 1 active
        token 2 at mail: message, queued
        token 3 at day: until 12-02 14:00
        fired lead, again
        effect: schedule 1.3 at 12-02 14:00
        12-02 14:00 because tag Again was added by API key desk:
          run 1 again: the event happened
          run 1 day: timer set for Dec 2, 2027, 2:00 PM (UTC)
    "#]],
    );
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
    story.check(
        &timer(1, 2, "2026-12-02 14:00"),
        &expect![[r#"
        run 1 active
        token 2 at day: until 12-02 14:00
        token 3 at mail: message, queued
        fired lead, lost
        effect: cancel 1.2 at 12-02 14:00
        effect: schedule 1.2 at 12-02 14:00
        12-02 14:00 because the timer came due:
          run 1 day: timer set for Dec 2, 2027, 2:00 PM (UTC)
    "#]],
    );
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
    story.check(
        &Event::Changed,
        &expect![[r#"
        seen up to 3, rev 2
    "#]],
    );
    story.check(
        &timer(1, 1, "2026-12-02 14:00"),
        &expect![[r#"
        run 1 active
        token 2 at mail: message, queued
        fired lead
        effect: deliver 1.2, Transactional
        12-02 14:10 because the timer came due:
          run 1 day: its time has come
          run 1 mail: message on its way
    "#]],
    );
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
    story.at("2026-12-02 14:31").check(
        &timer(1, 1, "2026-12-02 14:00"),
        &expect![[r#"
        run 1 active
        token 1 at day: until 12-02 14:00
        fired lead
        effect: cancel 1.1 at 12-02 14:00
        effect: schedule 1.1 at 12-02 14:00
        12-02 14:31 because the timer came due:
          run 1 day: the moment has passed
          run 1 day: timer set for Dec 2, 2027, 2:00 PM (UTC)
    "#]],
    );
    let mut story = Story::of(day);
    story.visit("2020-12-02 14:00").add("Lead").happens(&Event::Changed);
    story.pause().at("2026-12-03 09:00").resume(true).check(
        &Event::Changed,
        &expect![[r#"
        run 1 active
        token 1 at day: until 12-02 14:00
        fired lead
        effect: cancel 1.1 at 12-02 14:00
        effect: schedule 1.1 at 12-02 14:00
        12-03 09:00 because the campaign was resumed by API key desk:
          run 1 day: the moment has passed
          run 1 day: timer set for Dec 2, 2027, 2:00 PM (UTC)
    "#]],
    );
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
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
        run 1 active
        token 1 at eve: until 12-23 09:00
        fired lead
        effect: schedule 1.1 at 12-23 09:00
        effect: status changed, chain 1, depth 0
        12-01 09:00 because tag Lead was added by API key desk:
          run 1 lead: entered the campaign
          run 1 eve: timer set for Dec 23, 2026, 9:00 AM (UTC)
    "#]],
    );
    story.at("2026-12-23 09:00").check(
        &timer(1, 1, "2026-12-23 09:00"),
        &expect![[r#"
        run 1 active
        token 2 at hour: until 12-24 18:00
        fired lead
        effect: schedule 1.2 at 12-24 18:00
        12-23 09:00 because the timer came due:
          run 1 eve: its time has come
          run 1 hour: timer set for Dec 24, 2026, 6:00 PM (UTC)
    "#]],
    );
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
    with("earlier").visit("2026-12-03 09:00").add("Lead").check(
        &Event::Changed,
        &expect![[r#"
        run 1 active
        token 1 at before: until 12-02 19:59
        fired lead
        effect: schedule 1.1 at 12-02 19:59
        effect: status changed, chain 2, depth 0
        12-01 09:00 because tag Lead was added by API key desk:
          run 1 lead: entered the campaign
          run 1 before: timer set for Dec 2, 2026, 7:59 PM (UTC)
    "#]],
    );
    with("later").visit("2026-12-03 09:00").add("Lead").check(
        &Event::Changed,
        &expect![[r#"
        run 1 active
        token 1 at before: until 12-03 08:00
        fired lead
        effect: schedule 1.1 at 12-03 08:00
        effect: status changed, chain 2, depth 0
        12-01 09:00 because tag Lead was added by API key desk:
          run 1 lead: entered the campaign
          run 1 before: timer set for Dec 3, 2026, 8:00 AM (UTC)
    "#]],
    );
    let mut story = with("skip");
    story.visit("2026-12-03 09:00").add("Lead").check(
        &Event::Changed,
        &expect![[r#"
        run 1 active
        token 1 at before: until 12-03 07:00
        fired lead
        effect: schedule 1.1 at 12-03 07:00
        effect: status changed, chain 2, depth 0
        12-01 09:00 because tag Lead was added by API key desk:
          run 1 lead: entered the campaign
          run 1 before: timer set for Dec 3, 2026, 7:00 AM (UTC)
    "#]],
    );
    story.at("2026-12-03 07:00").check(
        &timer(1, 1, "2026-12-03 07:00"),
        &expect![[r#"
        run 1 active
        token 2 at late: message, queued
        fired lead
        effect: cancel 1.1 at 12-03 07:00
        effect: deliver 1.2, Marketing
        12-03 07:00 because the timer came due:
          run 1 before: skipped: the moment lies outside of the window
          run 1 late: message on its way
    "#]],
    );
    // The window opens when the visit has begun: nothing is said about it any more.
    let mut story = with("later");
    story.visit("2026-12-03 08:00").add("Lead").happens(&Event::Changed);
    story.at("2026-12-03 06:00").check(
        &timer(1, 1, "2026-12-03 06:00"),
        &expect![[r#"
        run 1 active
        token 2 at late: message, queued
        fired lead
        effect: cancel 1.1 at 12-03 06:00
        effect: deliver 1.2, Marketing
        12-03 06:00 because the timer came due:
          run 1 before: skipped: the moment lies outside of the window
          run 1 late: message on its way
    "#]],
    );
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
    with("later").at("2026-12-01 20:00").add("Lead").check(
        &Event::Changed,
        &expect![[r#"
            run 1 active
            token 1 at mail: message, window from 12-02 08:00
            fired lead
            effect: schedule 1.1 at 12-02 08:00
            effect: status changed, chain 1, depth 0
            12-01 20:00 because tag Lead was added by API key desk:
              run 1 lead: entered the campaign
              run 1 mail: message waits for the send window, Dec 2, 2026, 8:00 AM (UTC)
        "#]],
    );
    with("skip").at("2026-12-01 20:00").add("Lead").check(
        &Event::Changed,
        &expect![[r#"
        run 1 completed
        fired lead
        effect: record 1.1 at mail, notice is suppressed: it would have left outside of its window
        effect: status changed, chain 1, depth 0
        12-01 20:00 because tag Lead was added by API key desk:
          run 1 lead: entered the campaign
          run 1 mail: message suppressed: it would have left outside of its window
          run 1 -: campaign completed
    "#]],
    );
    // It was queued in time, and its turn comes when the window is closed.
    let mut story = with("skip");
    story.at("2026-12-01 19:59").add("Lead").happens(&Event::Changed);
    story.at("2026-12-01 20:00").check(
        &delivery(1, 1),
        &expect![[r#"
            run 1 completed
            fired lead
            effect: record 1.1 at mail, notice is suppressed: it would have left outside of its window
            effect: status changed, chain 1, depth 0
            12-01 20:00 because the message was due:
              run 1 mail: message suppressed: it would have left outside of its window
              run 1 -: campaign completed
        "#]],
    );
}

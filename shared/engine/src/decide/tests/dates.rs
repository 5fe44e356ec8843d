//! Waits and date timers: `decide/dates.rs`.

use expect_test::expect;

use super::{Event, Story, timer};

const REMIND: &str = "
    lead: { type: start, when: { tag: Lead }, next: hour_before }
    hour_before: { type: date_timer, field: visit, offset: -1 hour, next: mail }
    mail: { type: email, email: notice }
";

/// The same, with an edge for what is missed.
const REMIND_OR: &str = "
    lead: { type: start, when: { tag: Lead }, next: hour_before }
    hour_before: { type: date_timer, field: visit, offset: -1 hour, missed: late, next: mail }
    mail: { type: email, email: notice }
    late: { type: email, email: offer }
";

#[test]
fn r20_a_wait_ends_at_its_instant_and_what_follows_counts_from_there() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: hour }
        hour: { type: wait, for: 1 hour, next: second }
        second: { type: wait, for: 1 hour }
    ",
    );
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
            run 1 active
            token 1 at hour: wait until 12-01 10:00
            fired lead
            effect: schedule 1.1 at 12-01 10:00
            effect: status changed, chain 1, depth 0
            12-01 09:00 because tag Lead was added by API key desk:
              run 1 lead: entered the campaign
              run 1 hour: waits until Dec 1, 2026, 10:00 AM (UTC)
        "#]],
    );
    story.at("2026-12-01 10:07").check(
        &timer(1, 1, "2026-12-01 10:00"),
        &expect![[r#"
            run 1 active
            token 2 at second: wait until 12-01 11:00
            fired lead
            effect: schedule 1.2 at 12-01 11:00
            12-01 10:07 because the timer came due:
              run 1 hour: its time has come
              run 1 second: waits until Dec 1, 2026, 11:00 AM (UTC)
        "#]],
    );
}

#[test]
fn r23_a_timer_is_never_early_and_counts_for_its_instant_only() {
    let mut story = Story::of(REMIND);
    story.visit("2026-12-02 14:00").add("Lead").happens(&Event::Changed);
    story.check(
        &timer(1, 1, "2026-12-02 13:00"),
        &expect![[r#"
        ignored: Early
    "#]],
    );
    story.at("2026-12-02 13:00").check(
        &timer(1, 1, "2026-12-02 12:00"),
        &expect![[r#"
        ignored: Replanned
    "#]],
    );
    story.check(
        &timer(1, 2, "2026-12-02 13:00"),
        &expect![[r#"
        ignored: LeftStep
    "#]],
    );
    story.check(
        &timer(1, 1, "2026-12-02 13:00"),
        &expect![[r#"
            run 1 active
            token 2 at mail: message, queued
            fired lead
            effect: deliver 1.2, Transactional
            12-02 13:00 because the timer came due:
              run 1 hour_before: its time has come
              run 1 mail: message on its way
        "#]],
    );
}

#[test]
fn r21_a_moved_date_is_planned_anew_in_place() {
    let mut story = Story::of(REMIND);
    story.visit("2026-12-02 14:00").add("Lead").happens(&Event::Changed);
    story.visit("2026-12-03 16:00").check(
        &Event::Changed,
        &expect![[r#"
        run 1 active
        token 1 at hour_before: until 12-03 15:00
        fired lead
        effect: cancel 1.1 at 12-02 13:00
        effect: schedule 1.1 at 12-03 15:00
        12-01 09:00 because field visit was changed by API key desk:
          run 1 hour_before: timer moved to Dec 3, 2026, 3:00 PM (UTC)
    "#]],
    );
    story.visit("").check(
        &Event::Changed,
        &expect![[r#"
            run 1 active
            token 1 at hour_before: no date
            fired lead
            effect: cancel 1.1 at 12-03 15:00
            12-01 09:00 because field visit was cleared by API key desk:
              run 1 hour_before: no date, waits for one
        "#]],
    );
}

#[test]
fn r21_a_timer_delivered_later_than_its_grace_has_passed() {
    let mut story = Story::of(REMIND_OR);
    story.visit("2026-12-02 14:00").add("Lead").happens(&Event::Changed);
    story.at("2026-12-02 13:31").check(
        &timer(1, 1, "2026-12-02 13:00"),
        &expect![[r#"
            run 1 active
            token 2 at late: message, queued
            fired lead
            effect: cancel 1.1 at 12-02 13:00
            effect: deliver 1.2, Marketing
            12-02 13:31 because the timer came due:
              run 1 hour_before: the moment has passed
              run 1 late: message on its way
        "#]],
    );
}

#[test]
fn r22_who_arrives_late_stays_until_the_date_has_passed() {
    let mut story = Story::of(REMIND);
    story.visit("2026-12-01 09:30").add("Lead").check(
        &Event::Changed,
        &expect![[r#"
        run 1 active
        token 1 at hour_before: following 12-01 09:30
        fired lead
        effect: schedule 1.1 at 12-01 09:30
        effect: status changed, chain 2, depth 0
        12-01 09:00 because tag Lead was added by API key desk:
          run 1 lead: entered the campaign
          run 1 hour_before: the moment has passed
    "#]],
    );
    story.at("2026-12-01 09:30").check(
        &timer(1, 1, "2026-12-01 09:30"),
        &expect![[r#"
            run 1 completed
            fired lead
            effect: status changed, chain 2, depth 0
            12-01 09:30 because the timer came due:
              run 1 hour_before: the path ends here
              run 1 -: campaign completed
        "#]],
    );
}

#[test]
fn r22_without_a_date_the_token_waits_for_one() {
    let mut story = Story::of(REMIND);
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
            run 1 active
            token 1 at hour_before: no date
            fired lead
            effect: status changed, chain 1, depth 0
            12-01 09:00 because tag Lead was added by API key desk:
              run 1 lead: entered the campaign
              run 1 hour_before: no date, waits for one
        "#]],
    );
    story.visit("2026-12-02 14:00").check(
        &Event::Changed,
        &expect![[r#"
        run 1 active
        token 1 at hour_before: until 12-02 13:00
        fired lead
        effect: schedule 1.1 at 12-02 13:00
        12-01 09:00 because field visit was set by API key desk:
          run 1 hour_before: timer set for Dec 2, 2026, 1:00 PM (UTC)
    "#]],
    );
}

#[test]
fn r30_what_was_due_before_a_restore_is_decided_as_of_its_instant() {
    let mut story = Story::of(REMIND);
    story.visit("2026-12-02 14:00").add("Lead").happens(&Event::Changed);
    story.at("2026-12-05 09:00").account.sent_until = Some(super::instant("2026-12-04 00:00"));
    story.check(
        &timer(1, 1, "2026-12-02 13:00"),
        &expect![[r#"
            run 1 active
            token 2 at mail: message, queued
            fired lead
            effect: deliver 1.2, Transactional
            12-02 13:00 because the timer came due:
              run 1 hour_before: its time has come
              run 1 mail: message on its way
        "#]],
    );
}

#[test]
fn r20_a_moment_that_the_token_of_a_reset_has_used_is_used_for_the_others_of_its_run() {
    let mut story = Story::of(
        "
        again: { type: event, on: { tag_added: Again }, next: anew }
        anew: { type: reset, next: nine }
        lead: { type: start, when: { tag: Lead }, next: nine }
        nine: { type: wait, until: { time: '09:30' } }
    ",
    );
    story.add("Again").happens(&Event::Changed);
    story.at("2026-12-01 09:30").happens(&timer(2, 1, "2026-12-01 09:30"));
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
        run 2 active
        token 2 at nine: wait until 12-02 09:30
        fired lead
        effect: schedule 2.2 at 12-02 09:30
        effect: status changed, chain 2, depth 0
        12-01 09:30 because tag Lead was added by API key desk:
          run 2 lead: entered the campaign
          run 2 nine: waits until Dec 2, 2026, 9:30 AM (UTC)
    "#]],
    );
}

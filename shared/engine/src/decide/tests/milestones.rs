//! Publishing, pause and resume: `decide/milestones.rs`.

use expect_test::expect;

use super::{Event, Story, settled, timer};

const WAITING: &str = "
    lead: { type: start, when: { tag: Lead }, next: hour }
    hour: { type: wait, for: 1 hour, next: mail }
    mail: { type: email, email: offer, next: day }
    day: { type: wait, for: 1 day }
";

#[test]
fn r50_tokens_move_to_the_version_and_end_where_their_element_is_gone() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: hour }
        hour: { type: wait, for: 1 hour }
        hot: { type: event, on: { tag_added: Hot }, next: day }
        day: { type: wait, for: 1 day }
    ",
    );
    story.add("Lead").add("Hot").happens(&Event::Changed);
    let fewer = "
        lead: { type: start, when: { tag: Lead }, next: hour }
        hour: { type: wait, for: 1 hour }
        day: { type: email, email: offer }
    ";
    story.at("2026-12-01 09:30").publish("{}", fewer, true);
    story.check(
        &Event::Changed,
        &expect![[r#"
            run 1 active
            token 1 at hour: wait until 12-01 10:00
            fired lead, hot
            effect: cancel 1.2 at 12-02 09:00
            12-01 09:30 because version 2 was published:
              run 1 day: the path ends: the newest version has no such element
              run 1 -: moved to version 2
        "#]],
    );
}

#[test]
fn r51_a_timer_waits_for_the_end_of_the_pause() {
    let mut story = Story::of(WAITING);
    story.add("Lead").happens(&Event::Changed);
    story.at("2026-12-01 09:30").pause();
    story.at("2026-12-01 10:00").check(
        &timer(1, 1, "2026-12-01 10:00"),
        &expect![[r#"
        ignored: Paused
    "#]],
    );
    story.at("2026-12-01 12:00").resume(false).check(
        &Event::Changed,
        &expect![[r#"
            run 1 active
            token 2 at mail: message, queued
            fired lead
            effect: deliver 1.2, Marketing
            12-01 12:00 because the campaign was resumed by API key desk:
              run 1 hour: its time has come
              run 1 mail: message on its way
        "#]],
    );
}

#[test]
fn r51_with_skip_what_is_overdue_is_not_sent() {
    let mut story = Story::of(WAITING);
    story.add("Lead").happens(&Event::Changed);
    story.at("2026-12-01 09:30").pause();
    story.at("2026-12-01 12:00").resume(true).check(
        &Event::Changed,
        &expect![[r#"
        run 1 active
        token 3 at day: wait until 12-02 12:00
        fired lead
        effect: record 1.2 at mail, offer is suppressed: skipped on resume
        effect: schedule 1.3 at 12-02 12:00
        12-01 12:00 because the campaign was resumed by API key desk:
          run 1 hour: its time has come
          run 1 mail: message suppressed: skipped on resume
          run 1 day: waits until Dec 2, 2026, 12:00 PM (UTC)
    "#]],
    );
}

#[test]
fn r51_a_message_settled_in_the_pause_lets_its_token_go_on_with_the_resume() {
    let mut story = Story::of(WAITING);
    story.add("Lead").happens(&Event::Changed);
    story.at("2026-12-01 10:00").happens(&timer(1, 1, "2026-12-01 10:00")).pause();
    story.at("2026-12-01 10:01").check(
        &settled(1, 2),
        &expect![[r#"
            run 1 active
            token 2 at mail: message, settled
            fired lead
            12-01 10:01 because the message was settled:
              run 1 mail: message sent
        "#]],
    );
    story.at("2026-12-01 12:00").resume(false).check(
        &Event::Changed,
        &expect![[r#"
            run 1 active
            token 3 at day: wait until 12-02 12:00
            fired lead
            effect: schedule 1.3 at 12-02 12:00
            12-01 12:00 because the campaign was resumed by API key desk:
              run 1 day: waits until Dec 2, 2026, 12:00 PM (UTC)
        "#]],
    );
}

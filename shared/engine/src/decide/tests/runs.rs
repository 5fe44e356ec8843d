//! Reset, restart, stop and release: `decide/runs.rs`.

use expect_test::expect;

use super::{Event, Story, by_hand, commanded, desk, timer};
use crate::history::Command;

const LOOP: &str = "
    lead: { type: start, when: { tag: Lead }, next: day }
    day: { type: wait, for: 1 day, next: again }
    again: { type: reset, next: mail }
    mail: { type: email, email: offer }
";

#[test]
fn r11_the_token_that_reaches_a_reset_goes_on_in_the_next_run() {
    let mut story = Story::of(LOOP);
    story.add("Lead").happens(&Event::Changed);
    story.at("2026-12-02 09:00").check(
        &timer(1, 1, "2026-12-02 09:00"),
        &expect![[r#"
            run 2 active
            token 1 at mail: message, queued
            effect: deliver 2.1, Marketing
            12-02 09:00 because the timer came due:
              run 1 day: its time has come
              run 2 again: campaign reset
              run 2 mail: message on its way
        "#]],
    );
    story.check(
        &timer(1, 1, "2026-12-02 09:00"),
        &expect![[r#"
        ignored: StaleRun
    "#]],
    );
}

#[test]
fn r12_a_restart_ends_all_tokens_and_its_own_tag_is_no_trigger() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: again }
        again: { type: restart, tag: Again }
    ",
    );
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
            run 2 awaiting_restart
            eligible at 12-01 09:05
            write +Again (depth 1)
            effect: status changed, chain 1, depth 0
            12-01 09:00 because tag Lead was added by API key desk:
              run 1 lead: entered the campaign
              run 2 again: campaign restarted, a trigger from Dec 1, 2026, 9:05 AM (UTC) on starts it
              run 2 again: added tag Again
        "#]],
    );
    story.check(
        &Event::Changed,
        &expect![[r#"
        seen up to 2, rev 2
    "#]],
    );
}

#[test]
fn r16_a_stopped_contact_does_not_enter() {
    let mut story = Story::of(LOOP);
    story.add("Lead").happens(&Event::Changed);
    story.check(
        &commanded(1, Command::Stop),
        &expect![[r#"
            run 1 stopped
            fired lead
            effect: cancel 1.1 at 12-02 09:00
            effect: status changed, chain 77, depth 1
            12-01 09:00 because campaign other asked for it:
              run 1 -: campaign stopped
        "#]],
    );
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
        seen up to 2, rev 3
    "#]],
    );
}

#[test]
fn r16_a_mass_stop_with_reset_makes_the_contact_ready_once() {
    let mut story = Story::of(LOOP);
    story.add("Lead").happens(&Event::Changed);
    let name = "stop".to_owned();
    let event = Event::MassStop { job: 5, name, reset_contacts: true, reset_statistics: true };
    story.check(
        &event,
        &expect![[r#"
            run 2 ready
            effect: cancel 1.1 at 12-02 09:00
            effect: status changed, chain 1, depth 0
            12-01 09:00 because of mass action stop:
              run 2 -: campaign reset
              run 2 -: statistics reset
        "#]],
    );
    story.check(
        &event,
        &expect![[r#"
        ignored: AlreadyApplied
    "#]],
    );
}

#[test]
fn r16_who_was_never_in_is_skipped() {
    Story::of(LOOP).check(
        &by_hand(Command::Stop, 1),
        &expect![[r#"
        ignored: NeverEnrolled
    "#]],
    );
}

#[test]
fn r17_with_the_legacy_setting_a_completed_run_restarts() {
    let lead = "lead: { type: start, when: { tag: Lead } }";
    let mut story = Story::with_settings("{ multiple_send: true }", lead);
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
            run 2 awaiting_restart
            eligible at 12-01 09:05
            effect: status changed, chain 1, depth 0
            12-01 09:00 because tag Lead was added by API key desk:
              run 1 lead: entered the campaign
              run 1 -: campaign completed
              run 2 -: campaign restarted, a trigger from Dec 1, 2026, 9:05 AM (UTC) on starts it
        "#]],
    );
}

#[test]
fn r40_a_held_enrollment_is_released() {
    let mut story = Story::with_settings(
        "{ max_messages_per_day: 0 }",
        "
        lead: { type: start, when: { tag: Lead }, next: mail }
        mail: { type: email, email: offer }
    ",
    );
    let released = Event::Released { by: desk(), call: None };
    story.check(
        &released,
        &expect![[r#"
        ignored: NeverEnrolled
    "#]],
    );
    story.add("Lead").happens(&Event::Changed);
    story.check(
        &released,
        &expect![[r#"
            run 2 ready
            effect: status changed, chain 1, depth 0
            12-01 09:00 because API key desk released it:
              run 2 -: released
        "#]],
    );
    story.check(
        &released,
        &expect![[r#"
        ignored: NotHeld
    "#]],
    );
}

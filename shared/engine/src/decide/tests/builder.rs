//! What a decision begins with and how it is finished: `decide/builder.rs`.

use expect_test::expect;

use super::{Event, Story, settled, timer};

const WELCOME: &str = "
    lead: { type: start, when: { tag: Lead }, next: mail }
    mail: { type: email, email: offer }
";

#[test]
fn r3_what_was_applied_is_applied_once() {
    let mut story = Story::of(WELCOME);
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
            run 1 active
            token 1 at mail: message, queued
            fired lead
            effect: deliver 1.1, Marketing
            effect: status changed, chain 1, depth 0
            12-01 09:00 because tag Lead was added by API key desk:
              run 1 lead: entered the campaign
              run 1 mail: message on its way
        "#]],
    );
    story.check(
        &Event::Changed,
        &expect![[r#"
        ignored: AlreadyApplied
    "#]],
    );
}

#[test]
fn r3_a_change_that_concerns_nothing_enrolls_nobody() {
    Story::of(WELCOME).add("Other").check(
        &Event::Changed,
        &expect![[r#"
        ignored: NothingConcerned
    "#]],
    );
}

#[test]
fn r3_a_change_from_which_nothing_follows_is_only_seen() {
    let mut story = Story::of(WELCOME);
    story.add("Lead").happens(&Event::Changed);
    story.add("Other").check(
        &Event::Changed,
        &expect![[r#"
        seen up to 2, rev 2
    "#]],
    );
}

#[test]
fn r3_what_the_contact_no_longer_carries_is_left_to_the_feed() {
    let mut story = Story::of(WELCOME);
    story.add("Lead").happens(&Event::Changed);
    for name in ["One", "Two", "Three", "Four", "Five"] {
        story.add(name);
    }
    story.check(
        &settled(1, 1),
        &expect![[r#"
        ignored: Behind
    "#]],
    );
}

#[test]
fn r40_the_first_run_over_the_days_bound_holds_the_contact() {
    let again = "
        lead: { type: start, when: { tag: Lead }, next: again }
        again: { type: reset }
    ";
    let mut story = Story::with_settings("{ max_runs_per_day: 1 }", again);
    story.add("Lead").happens(&Event::Changed);
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
            run 2 held
            held RunsPerDay
            effect: status changed, chain 2, depth 0
            12-01 09:00 because tag Lead was assigned again by API key desk:
              run 2 lead: held: the most runs a day were reached
        "#]],
    );
}

#[test]
fn r50_without_tokens_the_newest_version_counts() {
    let mut story = Story::of(WELCOME);
    story.publish("{}", "customer: { type: start, when: { tag: Customer } }", false);
    story.at("2026-12-01 09:01");
    story.add("Customer").check(
        &Event::Changed,
        &expect![[r#"
            run 1 completed
            fired customer
            effect: status changed, chain 1, depth 0
            12-01 09:01 because tag Customer was added by API key desk:
              run 1 customer: entered the campaign
              run 1 -: campaign completed
        "#]],
    );
}

#[test]
fn r50_an_element_of_another_type_has_used_no_moment() {
    let entries = "
        a: { type: start, when: { tag: A }, next: turn }
        b: { type: event, on: { tag_added: B }, next: turn }
    ";
    let wait = "turn: { type: wait, until: { time: '10:00' } }";
    let mut story = Story::of(&format!("{entries}{wait}"));
    story.add("A").happens(&Event::Changed);
    story.at("2026-12-01 10:00").happens(&timer(1, 1, "2026-12-01 10:00"));
    let date = "turn: { type: date_timer, field: visit }";
    story.publish("{}", &format!("{entries}{date}"), false);
    story.visit("2026-12-01 10:00").add("B").check(
        &Event::Changed,
        &expect![[r#"
        run 1 active
        token 2 at turn: until 12-01 10:00
        fired a, b
        effect: schedule 1.2 at 12-01 10:00
        effect: status changed, chain 3, depth 0
        12-01 10:00 because tag B was added by API key desk:
          run 1 b: the event happened
          run 1 turn: timer set for Dec 1, 2026, 10:00 AM (UTC)
    "#]],
    );
}

//! Why nothing followed from a change: `decide/no_effect.rs`.

use expect_test::{Expect, expect};

use super::{Event, Story};
use crate::decide::why_no_effect;

fn check(story: &Story, expected: &Expect) {
    let no_effect = story.situation(|situation| why_no_effect(situation, story.change(), false));
    let lines = no_effect.iter().map(|it| format!("{}: {:?}\n", it.element, it.why));
    expected.assert_eq(&lines.collect::<String>());
}

#[test]
fn r60_a_start_says_what_is_missing() {
    let mut story = Story::of("both: { type: start, when: { all: [{ tag: A }, { tag: B }] } }");
    story.add("A").happens(&Event::Changed);
    check(
        &story,
        &expect![[r#"
        both: Missing { missing: ["the tag B"] }
    "#]],
    );
}

#[test]
fn r60_an_event_says_what_it_reacts_to() {
    let mut story = Story::of("off: { type: event, on: { tag_removed: A } }");
    story.add("A").happens(&Event::Changed);
    check(
        &story,
        &expect![[r#"
        off: ReactsTo { edge: "tag_removed" }
    "#]],
    );
}

#[test]
fn r60_a_goal_without_a_path_and_a_timer_without_a_token_say_so() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: before }
        before: { type: date_timer, field: visit, next: bought }
        bought: { type: goal, when: { field: visit, is: set } }
    ",
    );
    story.visit("2026-12-02 14:00").happens(&Event::Changed);
    check(
        &story,
        &expect![[r#"
        before: NoPathWaiting
        bought: NoPath
    "#]],
    );
}

#[test]
fn r60_the_enrollment_keeps_which_changes_had_no_effect() {
    let mut story = Story::of("lead: { type: start, when: { tag: Lead } }");
    story.add("Lead").add("Other").happens(&Event::Changed);
    let enrollment = story.enrollment.as_ref().expect("an enrollment");
    expect!["[2]"].assert_eq(&format!("{:?}", enrollment.no_effect));
}

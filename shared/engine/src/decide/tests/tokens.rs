//! How tokens rest, go on and end: `decide/tokens.rs`.

use expect_test::expect;

use super::{Event, Story, by_hand, delivery, timer};
use crate::history::Command;

const TWO_PATHS: &str = "
    lead: { type: start, when: { tag: Lead }, next: day }
    day: { type: wait, for: 1 day, next: bought }
    hot: { type: event, on: { tag_added: Hot }, next: mail }
    mail: { type: email, email: offer, next: bought }
    cold: { type: event, on: { tag_added: Cold }, next: week }
    week: { type: wait, for: 1 week }
    bought: { type: goal, when: { tag: Customer }, next: thanks }
    thanks: { type: email, email: notice }
";

fn three_tokens() -> Story {
    let mut story = Story::of(TWO_PATHS);
    story.add("Lead").add("Hot").add("Cold").happens(&Event::Changed);
    story
}

#[test]
fn r9_a_goal_ends_the_tokens_upstream_of_it_and_no_others() {
    three_tokens().add("Customer").check(
        &Event::Changed,
        &expect![[r#"
            run 1 active
            token 3 at week: wait until 12-08 09:00
            token 4 at thanks: message, queued
            fired lead, hot, cold, bought
            effect: cancel 1.1 at 12-02 09:00
            effect: deliver 1.4, Transactional
            12-01 09:00 because tag Customer was added by API key desk:
              run 1 mail: message dropped before it left
              run 1 bought: the goal was reached
              run 1 thanks: message on its way
        "#]],
    );
}

#[test]
fn r18_a_token_that_ends_leaves_no_timer_and_no_message() {
    three_tokens().check(
        &by_hand(Command::Stop, 1),
        &expect![[r#"
            run 1 stopped
            fired lead, hot, cold
            effect: cancel 1.1 at 12-02 09:00
            effect: cancel 1.3 at 12-08 09:00
            effect: status changed, chain 3, depth 0
            12-01 09:00 because API key desk asked for it by hand:
              run 1 mail: message dropped before it left
              run 1 -: campaign stopped
        "#]],
    );
}

#[test]
fn r18_what_comes_for_a_token_that_ended_is_ignored() {
    let mut story = three_tokens();
    story.add("Customer").happens(&Event::Changed);
    story.at("2026-12-02 09:00").check(
        &timer(1, 1, "2026-12-02 09:00"),
        &expect![[r#"
        ignored: LeftStep
    "#]],
    );
    story.check(
        &delivery(1, 2),
        &expect![[r#"
        ignored: LeftStep
    "#]],
    );
    story.check(
        &delivery(2, 2),
        &expect![[r#"
        ignored: StaleRun
    "#]],
    );
}

#[test]
fn r42_a_rest_of_an_hour_begins_a_new_chain() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: first }
        first: { type: tag, add: [First], next: hour }
        hour: { type: wait, for: 1 hour, next: second }
        second: { type: tag, add: [Second], next: minute }
        minute: { type: wait, for: 1 minute, next: third }
        third: { type: tag, add: [Third] }
    ",
    );
    story.add("Lead").happens(&Event::Changed);
    story.at("2026-12-01 10:00").happens(&timer(1, 2, "2026-12-01 10:00"));
    story.at("2026-12-01 10:01").happens(&timer(1, 4, "2026-12-01 10:01"));
    let chains = story.contact.recent.windows(2).map(|changes| {
        let is_same = changes[0].causality.chain == changes[1].causality.chain;
        let tag = &changes[1].added[0];
        format!(
            "{tag}: {} chain, depth {}\n",
            if is_same { "same" } else { "new" },
            changes[1].causality.depth
        )
    });
    expect![[r#"
        First: same chain, depth 1
        Second: new chain, depth 1
        Third: same chain, depth 1
    "#]]
    .assert_eq(&chains.collect::<String>());
}

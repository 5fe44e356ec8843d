//! Instant, cause, chain and contact of the occasion: `decide/occasion.rs`.

use expect_test::expect;

use super::{Event, Story, by_hand, commanded};
use crate::history::Command;

const START: &str = "lead: { type: start, when: { tag: Lead } }";

#[test]
fn r60_each_change_has_its_own_instant_and_cause() {
    let mut story = Story::of(
        "
        one: { type: event, on: { tag_added: One } }
        two: { type: event, on: { tag_added: Two } }
    ",
    );
    story.add("One").at("2026-12-01 09:05").add("Two");
    story.check(
        &Event::Changed,
        &expect![[r#"
            run 1 completed
            fired one, two
            effect: status changed, chain 2, depth 0
            12-01 09:00 because tag One was added by API key desk:
              run 1 one: the event happened
              run 1 -: campaign completed
            12-01 09:05 because tag Two was added by API key desk:
              run 1 two: the event happened
              run 1 -: campaign completed
        "#]],
    );
}

#[test]
fn r42_what_another_campaign_asks_for_goes_on_in_its_chain() {
    Story::of(START).check(
        &commanded(1, Command::Start),
        &expect![[r#"
            run 1 completed
            fired lead
            effect: status changed, chain 77, depth 1
            12-01 09:00 because campaign other asked for it:
              run 1 lead: entered the campaign
              run 1 -: campaign completed
        "#]],
    );
}

#[test]
fn r42_what_a_person_asks_for_goes_on_in_the_chain_of_the_last_change() {
    let mut story = Story::of(START);
    story.add("Other").check(
        &by_hand(Command::Start, 9),
        &expect![[r#"
            run 1 completed
            fired lead
            effect: status changed, chain 1, depth 0
            12-01 09:00 because API key desk asked for it by hand:
              run 1 lead: entered the campaign
              run 1 -: campaign completed
        "#]],
    );
}

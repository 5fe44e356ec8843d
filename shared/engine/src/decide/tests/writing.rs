//! What a campaign writes to the contact and asks of others: `decide/writing.rs`.

use expect_test::expect;

use super::{Event, Story, campaign, elsewhere};
use crate::contact::{Author, Causality, Patch};

#[test]
fn r3_a_write_is_seen_at_once_by_the_path_that_wrote_it() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: mark }
        mark: { type: tag, add: [Marked], next: ask }
        ask: { type: condition, when: { tag: Marked }, then: yes, else: no }
        yes: { type: tag, add: [Seen] }
        no: { type: tag, add: [Unseen] }
    ",
    );
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
            run 1 completed
            fired lead
            write +Marked (depth 1)
            write +Seen (depth 1)
            effect: status changed, chain 1, depth 0
            12-01 09:00 because tag Lead was added by API key desk:
              run 1 lead: entered the campaign
              run 1 mark: added tag Marked
              run 1 ask: took the way then
              run 1 yes: added tag Seen
              run 1 -: campaign completed
        "#]],
    );
}

#[test]
fn r11_a_write_carries_what_was_asked_of_others_before_it() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: reset }
        reset: { type: reset, campaign: other, next: mark }
        mark: { type: tag, add: [Marked] }
    ",
    );
    story.add("Lead").happens(&Event::Changed);
    let asked = story.change().asked_before.iter().map(|asked| {
        format!(
            "{} {:?} by rev {}, effect {}",
            asked.campaign, asked.command, asked.rev, asked.index
        )
    });
    expect!["other Reset by rev 1, effect 0"].assert_eq(&asked.collect::<String>());
}

#[test]
fn r42_a_write_that_is_too_deep_in_its_chain_is_not_made() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: mark }
        mark: { type: tag, add: [Marked] }
    ",
    );
    let by = Author::Element(campaign("other"), crate::ids::ElementId::new("x").expect("an id"));
    let patch = Patch { add: vec![super::tag("Lead")], ..Patch::default() };
    let deep = Causality { depth: crate::decide::DEEPEST, ..elsewhere() };
    story.contact.apply(&patch, by, Some(deep), story.now, 0);
    story.check(
        &Event::Changed,
        &expect![[r#"
            run 1 completed
            fired lead
            effect: status changed, chain 77, depth 20
            12-01 09:00 because tag Lead was added by campaign other at x:
              run 1 lead: entered the campaign
              run 1 mark: not written: campaigns have answered each other's writes too often
              run 1 -: campaign completed
        "#]],
    );
}

//! What was not seen yet comes first, in order: `decide/catching_up.rs`.

use expect_test::expect;

use super::{Event, Story, commanded, delivery, recheck, timer};
use crate::history::Command;

const WAITING: &str = "
    lead: { type: start, when: { tag: Lead }, next: day }
    day: { type: wait, for: 1 day, next: mail }
    mail: { type: email, email: offer, next: bought }
    bought: { type: goal, when: { tag: Customer } }
";

#[test]
fn r3_each_change_is_judged_on_the_contact_as_it_left_it() {
    let mut story = Story::of("both: { type: start, when: { all: [{ tag: A }, { tag: B }] } }");
    story.add("A").at("2026-12-01 09:05").add("B").at("2026-12-01 09:10").remove("A");
    story.check(
        &Event::Changed,
        &expect![[r#"
            run 1 completed
            fired both
            effect: status changed, chain 3, depth 0
            12-01 09:05 because tag B was added by API key desk:
              run 1 both: entered the campaign
              run 1 -: campaign completed
        "#]],
    );
}

#[test]
fn r3_a_change_that_was_not_seen_comes_before_the_timer() {
    let mut story = Story::of(WAITING);
    story.add("Lead").happens(&Event::Changed);
    story.at("2026-12-02 08:59").add("Customer").at("2026-12-02 09:00");
    story.check(
        &timer(1, 1, "2026-12-02 09:00"),
        &expect![[r#"
            run 1 completed
            fired lead, bought
            effect: cancel 1.1 at 12-02 09:00
            effect: status changed, chain 2, depth 0
            12-02 08:59 because tag Customer was added by API key desk:
              run 1 bought: the goal was reached
              run 1 -: campaign completed
            ignored: LeftStep
        "#]],
    );
}

#[test]
fn r31_what_was_not_seen_is_committed_before_the_message_is_looked_at_again() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: mail }
        mail: { type: email, email: offer }
        hot: { type: event, on: { tag_added: Hot }, next: second }
        second: { type: email, email: notice }
    ",
    );
    story.add("Lead").happens(&Event::Changed).add("Hot");
    story.check(
        &delivery(1, 1),
        &expect![[r#"
            run 1 active
            token 1 at mail: message, queued
            token 2 at second: message, queued
            fired lead, hot
            effect: deliver 1.2, Transactional
            12-01 09:00 because tag Hot was added by API key desk:
              run 1 hot: the event happened
              run 1 second: message on its way
            ask again
        "#]],
    );
    story.check(
        &delivery(1, 1),
        &expect![[r#"
        deliver mail of step 1
    "#]],
    );
}

#[test]
fn r14_an_overdue_recheck_comes_before_a_later_change() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: again }
        again: { type: restart }
    ",
    );
    story.add("Lead").happens(&Event::Changed);
    story.at("2026-12-01 09:02").add("Other").happens(&Event::Changed);
    story.at("2026-12-01 09:06").remove("Lead").check(&Event::Changed, &expect![[r#"
        run 3 awaiting_restart
        eligible at 12-01 09:11
        parked trigger
        effect: recheck 3 at 12-01 09:11
        12-01 09:06 rechecked, because tag Other was added by API key desk:
          run 2 -: start conditions rechecked
          run 2 lead: entered the campaign
          run 3 again: campaign restarted, a trigger from Dec 1, 2026, 9:11 AM (UTC) on starts it
        12-01 09:06 because tag Lead was removed by API key desk:
          run 3 -: waiting for restart, parked until Dec 1, 2026, 9:11 AM (UTC), because tag Lead was removed by API key desk
    "#]]);
    story.check(
        &recheck(2, "2026-12-01 09:05"),
        &expect![[r#"
        ignored: StaleRun
    "#]],
    );
}

#[test]
fn r51_a_milestone_comes_between_the_changes_before_and_after_it() {
    let mut story = Story::of("lead: { type: start, when: { tag: Lead } }");
    story.at("2026-12-01 09:01").pause();
    story.at("2026-12-01 09:02").add("Lead");
    story.at("2026-12-01 09:03").resume(false);
    story.at("2026-12-01 09:04").add("Other");
    story.check(&Event::Changed, &expect![[r#"
        run 1 completed
        fired lead
        effect: status changed, chain 2, depth 0
        12-01 09:02 because tag Lead was added by API key desk:
          run 1 lead: parked until the campaign is resumed, because tag Lead was added by API key desk
        12-01 09:03 because the campaign was resumed by API key desk, parked because tag Lead was added by API key desk:
          run 1 lead: entered the campaign
        12-01 09:03 because the campaign was resumed by API key desk:
          run 1 -: campaign completed
    "#]]);
}

#[test]
fn r3_what_another_campaign_asks_for_comes_after_the_changes_before_it() {
    let mut story = Story::of(WAITING);
    story.add("Lead");
    story.check(
        &commanded(1, Command::Reset),
        &expect![[r#"
            run 2 ready
            effect: schedule 1.1 at 12-02 09:00
            effect: cancel 1.1 at 12-02 09:00
            effect: status changed, chain 77, depth 1
            12-01 09:00 because tag Lead was added by API key desk:
              run 1 lead: entered the campaign
              run 1 day: waits until Dec 2, 2026, 9:00 AM (UTC)
            12-01 09:00 because campaign other asked for it:
              run 2 -: campaign reset
        "#]],
    );
}

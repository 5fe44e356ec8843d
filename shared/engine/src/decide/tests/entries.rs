//! Goals, events and starts: `decide/entries.rs`.

use expect_test::expect;

use super::{Event, Source, Story, campaign, commanded, elsewhere, recheck};
use crate::enrollment::Status;
use crate::history::Command;

const RESTARTS: &str = "
    lead: { type: start, when: { all: [{ tag: Lead }, { not: { tag: Done } }] }, next: again }
    again: { type: restart }
";

#[test]
fn r5_a_start_fires_once_in_a_run() {
    let mut story = Story::of("lead: { type: start, when: { tag: Lead } }");
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
            run 1 completed
            fired lead
            effect: status changed, chain 1, depth 0
            12-01 09:00 because tag Lead was added by API key desk:
              run 1 lead: entered the campaign
              run 1 -: campaign completed
        "#]],
    );
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
        seen up to 2, rev 2
    "#]],
    );
}

#[test]
fn r7_an_event_ends_what_leads_up_to_it() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: day }
        day: { type: wait, for: 1 day, next: booked }
        booked: { type: event, on: { tag_added: Booked }, next: mail }
        mail: { type: email, email: notice }
    ",
    );
    story.add("Lead").happens(&Event::Changed);
    story.add("Booked").check(
        &Event::Changed,
        &expect![[r#"
            run 1 active
            token 2 at mail: message, queued
            fired lead, booked
            effect: cancel 1.1 at 12-02 09:00
            effect: deliver 1.2, Transactional
            12-01 09:00 because tag Booked was added by API key desk:
              run 1 booked: the event happened
              run 1 mail: message on its way
        "#]],
    );
}

#[test]
fn r8_a_goal_takes_a_token_and_enrolls_nobody() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: day }
        day: { type: wait, for: 1 day, next: bought }
        bought: { type: goal, when: { tag: Customer }, next: mail }
        mail: { type: email, email: offer }
    ",
    );
    story.add("Customer").check(
        &Event::Changed,
        &expect![[r#"
        ignored: NothingConcerned
    "#]],
    );
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
            run 1 active
            token 1 at mail: message, queued
            fired lead, bought
            effect: deliver 1.1, Marketing
            effect: status changed, chain 2, depth 0
            12-01 09:00 because tag Lead was added by API key desk:
              run 1 lead: entered the campaign
              run 1 bought: the goal was reached
              run 1 mail: message on its way
        "#]],
    );
}

#[test]
fn r10_a_start_ahead_of_an_event_of_the_same_change_is_used_up() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: booked }
        booked: { type: event, on: { tag_added: Lead }, next: mail }
        mail: { type: email, email: notice }
    ",
    );
    story.add("Lead").check(
        &Event::Changed,
        &expect![[r#"
            run 1 active
            token 1 at mail: message, queued
            fired booked, lead
            effect: deliver 1.1, Transactional
            effect: status changed, chain 1, depth 0
            12-01 09:00 because tag Lead was added by API key desk:
              run 1 booked: the event happened
              run 1 lead: used up: what it leads to has happened
              run 1 mail: message on its way
        "#]],
    );
}

#[test]
fn r14_a_trigger_inside_the_restart_delay_is_parked_and_rechecked_once() {
    let mut story = Story::of(RESTARTS);
    story.add("Lead").happens(&Event::Changed);
    story.at("2026-12-01 09:01").add("Other").check(&Event::Changed, &expect![[r#"
        run 2 awaiting_restart
        eligible at 12-01 09:05
        parked trigger
        effect: recheck 2 at 12-01 09:05
        12-01 09:01 because tag Other was added by API key desk:
          run 2 -: waiting for restart, parked until Dec 1, 2026, 9:05 AM (UTC), because tag Other was added by API key desk
    "#]]);
    story.at("2026-12-01 09:02").add("Another").check(
        &Event::Changed,
        &expect![[r#"
        seen up to 3, rev 3
    "#]],
    );
    story.check(
        &recheck(2, "2026-12-01 09:05"),
        &expect![[r#"
        ignored: Early
    "#]],
    );
    story.at("2026-12-01 09:05").check(
        &recheck(2, "2026-12-01 09:05"),
        &expect![[r#"
        run 3 awaiting_restart
        eligible at 12-01 09:10
        12-01 09:05 rechecked, because tag Other was added by API key desk:
          run 2 -: start conditions rechecked
          run 2 lead: entered the campaign
          run 3 again: campaign restarted, a trigger from Dec 1, 2026, 9:10 AM (UTC) on starts it
    "#]],
    );
    story.check(
        &recheck(2, "2026-12-01 09:05"),
        &expect![[r#"
        ignored: StaleRun
    "#]],
    );
}

#[test]
fn r15_the_history_says_what_the_starts_were_missing() {
    let mut story = Story::of(RESTARTS);
    story.add("Lead").happens(&Event::Changed);
    story.at("2026-12-01 09:10").add("Done").check(
        &Event::Changed,
        &expect![[r#"
        run 2 awaiting_restart
        eligible at 12-01 09:05
        12-01 09:10 because tag Done was added by API key desk:
          run 2 -: not started, missing: no tag Done
    "#]],
    );
}

#[test]
fn r6_a_status_in_another_campaign_is_looked_at_once() {
    let mut story =
        Story::of("after: { type: start, when: { campaign: other, status: completed } }");
    story.statuses.insert(campaign("other"), Status::Completed);
    let from = Source { campaign: campaign("other"), object: None, rev: 4, index: 0 };
    let event = Event::StatusChanged { from, causality: elsewhere() };
    story.check(
        &event,
        &expect![[r#"
            run 1 completed
            fired after
            effect: status changed, chain 77, depth 1
            12-01 09:00 because the status in campaign other changed:
              run 1 after: entered the campaign
              run 1 -: campaign completed
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
fn r52_a_start_that_was_asked_for_in_vain_says_why() {
    let mut story = Story::of("lead: { type: start, when: { tag: Lead } }");
    story.check(
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
    story.check(
        &commanded(2, Command::Start),
        &expect![[r#"
        run 1 completed
        fired lead
        12-01 09:00 because campaign other asked for it:
          run 1 -: not started: this run has used the first start
    "#]],
    );
    story.check(
        &commanded(2, Command::Start),
        &expect![[r#"
        ignored: AlreadyApplied
    "#]],
    );
}

#[test]
fn r6_publishing_enrolls_whoever_is_ready() {
    let mut story = Story::of("lead: { type: start, when: { tag: Lead } }");
    story.add("Lead");
    story.baseline = story.contact.rev;
    story.check(
        &Event::EnrollExisting { job: 3 },
        &expect![[r#"
            run 1 completed
            fired lead
            effect: status changed, chain 1, depth 0
            12-01 09:00 because version 1 was published:
              run 1 lead: entered the campaign
              run 1 -: campaign completed
        "#]],
    );
    story.check(
        &Event::EnrollExisting { job: 3 },
        &expect![[r#"
        ignored: AlreadyApplied
    "#]],
    );
    story.check(
        &Event::EnrollExisting { job: 4 },
        &expect![[r#"
        run 1 completed
        fired lead
        ignored: NothingConcerned
    "#]],
    );
}

#[test]
fn r15_a_status_elsewhere_checks_all_starts_after_a_restart_and_says_what_was_missing() {
    let mut story = Story::of(
        "
        go: { type: event, on: { tag_added: Go }, next: again }
        done: { type: start, when: { campaign: other, status: completed } }
        lead: { type: start, when: { tag: Lead } }
        again: { type: restart }
    ",
    );
    story.add("Go").happens(&Event::Changed);
    let changed = |rev: u64| {
        let from = Source { campaign: campaign("other"), object: None, rev, index: 0 };
        Event::StatusChanged { from, causality: elsewhere() }
    };
    story.statuses.insert(campaign("other"), Status::Active);
    story.at("2026-12-01 10:00").check(
        &changed(1),
        &expect![[r#"
        run 2 awaiting_restart
        eligible at 12-01 09:05
        12-01 10:00 because the status in campaign other changed:
          run 2 -: not started, missing: status completed in other, the tag Lead
    "#]],
    );
    // A start that does not read the status is checked on this trigger too (R13).
    story.contact.tags.insert(super::tag("Lead"), story.now);
    story.check(
        &changed(2),
        &expect![[r#"
        run 2 completed
        fired lead
        effect: status changed, chain 77, depth 1
        12-01 10:00 because the status in campaign other changed:
          run 2 lead: entered the campaign
          run 2 -: campaign completed
    "#]],
    );
}

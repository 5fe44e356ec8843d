//! What comes while the campaign is paused: `decide/pausing.rs`.

use expect_test::expect;

use super::{Event, Source, Story, campaign, commanded, elsewhere};
use crate::enrollment::Status;
use crate::history::Command;

const CAMPAIGN: &str = "
    lead: { type: start, when: { tag: Lead }, next: mail }
    mail: { type: email, email: offer }
    hot: { type: event, on: { tag_added: Hot }, next: second }
    second: { type: email, email: notice }
";

fn paused() -> Story {
    let mut story = Story::of(CAMPAIGN);
    story.at("2026-12-01 09:01").pause().at("2026-12-01 09:02");
    story
}

#[test]
fn r51_an_event_in_the_pause_fires_on_the_resume() {
    let mut story = paused();
    story.add("Hot").check(
        &Event::Changed,
        &expect![[r#"
            run 1 ready
            parked hot
            effect: status changed, chain 1, depth 0
            12-01 09:02 because tag Hot was added by API key desk:
              run 1 hot: parked until the campaign is resumed, because tag Hot was added by API key desk
        "#]],
    );
    story.at("2026-12-01 10:00").resume(false).check(&Event::Changed, &expect![[r#"
        run 1 active
        token 1 at second: message, queued
        fired hot
        effect: deliver 1.1, Transactional
        effect: status changed, chain 1, depth 0
        12-01 10:00 because the campaign was resumed by API key desk, parked because tag Hot was added by API key desk:
          run 1 hot: the event happened
        12-01 10:00 because the campaign was resumed by API key desk:
          run 1 second: message on its way
    "#]]);
}

#[test]
fn r51_a_start_that_no_longer_holds_on_the_resume_does_not_fire() {
    let mut story = paused();
    story.add("Lead").happens(&Event::Changed);
    story.remove("Lead").happens(&Event::Changed);
    story.at("2026-12-01 10:00").resume(false).check(&Event::Changed, &expect![[r#"
        run 1 ready
        12-01 10:00 because the campaign was resumed by API key desk, parked because tag Lead was added by API key desk:
          run 1 lead: not started, missing: the tag Lead
    "#]]);
}

#[test]
fn r52_a_start_that_was_asked_for_is_entered_on_the_resume() {
    let mut story = paused();
    story.check(
        &commanded(1, Command::Start),
        &expect![[r#"
            run 1 ready
            parked lead
            effect: status changed, chain 77, depth 1
            12-01 09:02 because campaign other asked for it:
              run 1 lead: parked until the campaign is resumed, because campaign other asked for it
        "#]],
    );
    story.at("2026-12-01 10:00").resume(false).check(&Event::Changed, &expect![[r#"
        run 1 active
        token 1 at mail: message, queued
        fired lead
        effect: deliver 1.1, Marketing
        effect: status changed, chain 0, depth 0
        12-01 10:00 because the campaign was resumed by API key desk, parked because campaign other asked for it:
          run 1 lead: entered the campaign
        12-01 10:00 because the campaign was resumed by API key desk:
          run 1 mail: message on its way
    "#]]);
}

#[test]
fn r51_a_reset_forgets_what_came_in_the_pause() {
    let mut story = paused();
    story.add("Hot").happens(&Event::Changed);
    story.check(
        &commanded(1, Command::Reset),
        &expect![[r#"
        run 2 ready
        12-01 09:02 because campaign other asked for it:
          run 1 hot: no longer parked: what came meanwhile is forgotten
          run 2 -: campaign reset
    "#]],
    );
}

#[test]
fn r13_a_status_elsewhere_in_the_pause_is_a_trigger_of_a_restart() {
    let mut story = Story::of(
        "
        go: { type: event, on: { tag_added: Go }, next: again }
        done: { type: start, when: { campaign: other, status: completed } }
        lead: { type: start, when: { tag: Lead } }
        again: { type: restart }
    ",
    );
    story.add("Go").happens(&Event::Changed);
    story.at("2026-12-01 10:00").pause().at("2026-12-01 10:01");
    let from = Source { campaign: campaign("other"), object: None, rev: 1, index: 0 };
    let changed = Event::StatusChanged { from, causality: elsewhere() };
    story.statuses.insert(campaign("other"), Status::Active);
    story.check(&changed, &expect![[r#"
        run 2 awaiting_restart
        eligible at 12-01 09:05
        parked trigger
        12-01 10:01 because the status in campaign other changed:
          run 2 -: parked until the campaign is resumed, because the status in campaign other changed
    "#]]);
    story.at("2026-12-01 11:00").resume(false).check(
        &Event::Changed,
        &expect![[r#"
        run 2 awaiting_restart
        eligible at 12-01 09:05
        12-01 11:00 rechecked, because the status in campaign other changed:
          run 2 -: start conditions rechecked
          run 2 -: not started, missing: status completed in other, the tag Lead
    "#]],
    );
}

#[test]
fn r51_what_a_guard_holds_back_on_the_resume_is_forgotten_with_a_line() {
    let mut story = Story::with_settings("{ max_runs_per_day: 1 }", CAMPAIGN);
    story.add("Lead").happens(&Event::Changed);
    story.happens(&commanded(1, Command::Reset));
    story.at("2026-12-01 10:00").pause().at("2026-12-01 10:01");
    story.add("Lead").happens(&Event::Changed);
    story.add("Hot").happens(&Event::Changed);
    story.at("2026-12-01 11:00").resume(false).check(&Event::Changed, &expect![[r#"
        run 2 held
        held RunsPerDay
        effect: status changed, chain 3, depth 0
        12-01 11:00 because the campaign was resumed by API key desk, parked because tag Lead was assigned again by API key desk:
          run 2 lead: held: the most runs a day were reached
          run 2 hot: no longer parked: what came meanwhile is forgotten
    "#]]);
}

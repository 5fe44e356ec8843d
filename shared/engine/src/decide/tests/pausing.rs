//! What comes while the campaign is paused: `decide/pausing.rs`.

use expect_test::expect;

use super::{Event, Story, commanded};
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
          run 1 hot: no longer parked: what came in the pause is forgotten
          run 2 -: campaign reset
    "#]],
    );
}

//! What was applied last from other campaigns and jobs: `decide/repeats.rs`.

use expect_test::expect;

use super::{Decision, Event, Source, Story, campaign, commanded, decide, elsewhere};
use crate::decide::Ignored;
use crate::history::Command;

const LEAD: &str = "
    lead: { type: start, when: { tag: Lead }, next: day }
    day: { type: wait, for: 1 day }
";

const ALREADY_APPLIED: Decision = Decision::Ignore(Ignored::AlreadyApplied);

fn decided(story: &Story, event: &Event) -> Decision {
    story.situation(|situation| decide(situation, event))
}

#[test]
fn r11_a_command_is_done_once_and_none_that_was_sent_before_it() {
    let mut story = Story::of(LEAD);
    story.add("Lead").happens(&Event::Changed);
    story.check(
        &commanded(3, Command::Reset),
        &expect![[r#"
        run 2 ready
        effect: cancel 1.1 at 12-02 09:00
        effect: status changed, chain 77, depth 1
        12-01 09:00 because campaign other asked for it:
          run 2 -: campaign reset
    "#]],
    );
    for rev in [3, 2] {
        assert_eq!(decided(&story, &commanded(rev, Command::Stop)), ALREADY_APPLIED);
    }
}

#[test]
fn r11_a_later_status_leaves_a_command_that_waited_to_be_done() {
    let mut story = Story::of(&format!(
        "{LEAD}\nafter: {{ type: start, when: {{ campaign: other, status: completed }} }}"
    ));
    story.add("Lead").happens(&Event::Changed);
    let from = Source { campaign: campaign("other"), object: None, rev: 7, index: 0 };
    story.happens(&Event::StatusChanged { from, causality: elsewhere() });
    story.check(
        &commanded(5, Command::Reset),
        &expect![[r#"
        run 2 ready
        effect: cancel 1.1 at 12-02 09:00
        effect: status changed, chain 77, depth 1
        12-01 09:00 because campaign other asked for it:
          run 2 -: campaign reset
    "#]],
    );
}

#[test]
fn r16_a_job_is_applied_once_and_no_older_one_after_it() {
    let mut story = Story::of(LEAD);
    story.add("Lead").happens(&Event::Changed);
    let stop = |job| Event::MassStop {
        job,
        name: "job".to_owned(),
        reset_contacts: false,
        reset_statistics: false,
    };
    story.check(
        &stop(4),
        &expect![[r#"
        run 1 stopped
        fired lead
        effect: cancel 1.1 at 12-02 09:00
        effect: status changed, chain 1, depth 0
        12-01 09:00 because of mass action job:
          run 1 -: campaign stopped
    "#]],
    );
    for job in [4, 3] {
        assert_eq!(decided(&story, &stop(job)), ALREADY_APPLIED);
    }
}

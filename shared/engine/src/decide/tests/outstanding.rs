//! What an enrollment at rest waits for: `decide/outstanding.rs`.

use expect_test::{Expect, expect};

use super::{Event, Story, recheck};
use crate::decide::outstanding;

fn check(story: &Story, expected: &Expect) {
    let enrollment = story.enrollment.as_ref().expect("an enrollment");
    let effects = outstanding(enrollment, &story.campaign.versions[&enrollment.version]);
    let lines = effects.iter().map(|effect| format!("{effect:?}\n"));
    expected.assert_eq(&lines.collect::<String>());
}

#[test]
fn r30_timers_and_queued_messages_follow_from_the_tokens_alone() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: hour }
        hour: { type: wait, for: 1 hour }
        hot: { type: event, on: { tag_added: Hot }, next: mail }
        mail: { type: email, email: notice }
        cold: { type: event, on: { tag_added: Cold }, next: before }
        before: { type: date_timer, field: visit }
    ",
    );
    story.add("Lead").add("Hot").add("Cold").happens(&Event::Changed);
    check(
        &story,
        &expect![[r#"
            Schedule { run: 1, step: 1, due: 2026-12-01T10:00:00Z }
            Deliver { run: 1, step: 2, channel: Email, purpose: Transactional }
        "#]],
    );
}

#[test]
fn r14_a_parked_trigger_waits_for_its_recheck() {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: again }
        again: { type: restart }
    ",
    );
    story.add("Lead").happens(&Event::Changed);
    story.at("2026-12-01 09:01").add("Other").happens(&Event::Changed);
    check(
        &story,
        &expect![[r#"
        Recheck { run: 2, due: 2026-12-01T09:05:00Z }
    "#]],
    );
    story.at("2026-12-01 09:05").happens(&recheck(2, "2026-12-01 09:05"));
    check(&story, &expect![""]);
}

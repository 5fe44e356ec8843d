//! Enrollments held by a defect, and released: `decide/hold.rs`.

use expect_test::{Expect, expect};

use super::{Event, Story, delivery, desk, timer};
use crate::decide::{Decision, Ignored, decide, hold_undecided, quarantine_is_empty};
use crate::enrollment::{DayCount, Enrollment};
use crate::time::Zone;

/// A contact that waits for a timer, for a message in the queue, and for one that waits for the
/// send window.
fn at_three_rests() -> Story {
    let mut story = Story::with_settings(
        "{ email_time: { from: '10:00', to: '17:00' } }",
        "
        lead: { type: start, when: { tag: Lead }, next: day }
        day: { type: wait, for: 1 day }
        hot: { type: event, on: { tag_added: Hot }, next: notice }
        notice: { type: email, email: notice }
        cold: { type: event, on: { tag_added: Cold }, next: offer }
        offer: { type: email, email: offer }
    ",
    );
    story.add("Lead").add("Hot").add("Cold").happens(&Event::Changed);
    story
}

impl Story {
    /// A defect holds the enrollment; what follows is taken over and compared.
    fn held_by_a_defect(&mut self, expected: &Expect) -> &mut Self {
        let advance = hold_undecided(self.enrollment.as_ref(), Zone::UTC, self.now);
        let advance = advance.expect("it is not held yet");
        expected.assert_eq(&self.shown_advance(&advance));
        self.enrollment = Some(advance.enrollment);
        self
    }

    /// The same where what follows is not what the test is about.
    fn held(&mut self) {
        let advance = hold_undecided(self.enrollment.as_ref(), Zone::UTC, self.now);
        self.enrollment = advance.map(|advance| advance.enrollment);
    }

    fn enrolled(&self) -> &Enrollment {
        self.enrollment.as_ref().expect("an enrollment")
    }
}

#[test]
fn r40_held_by_a_defect_timers_are_cancelled_and_messages_dropped() {
    at_three_rests().held_by_a_defect(&expect![[r#"
        run 1 held
        fired lead, hot, cold
        held Undecided
        changes in quarantine
        effect: cancel 1.1 at 12-02 09:00
        effect: cancel 1.3 at 12-01 10:00
        effect: status changed, chain 3, depth 0
        12-01 09:00 because of a defect:
          run 1 -: held: a change could not be decided and waits in quarantine
          run 1 notice: message dropped before it left
          run 1 offer: message dropped before it left
    "#]]);
}

#[test]
fn r43_a_message_that_a_defect_drops_no_longer_counts() {
    let mut story = at_three_rests();
    let today = story.now.date_naive();
    assert_eq!(DayCount::on(story.enrolled().messages_on, today), 1);
    story.held();
    assert_eq!(DayCount::on(story.enrolled().messages_on, today), 0);
}

#[test]
fn r51_a_defect_forgets_what_came_in_the_pause() {
    let mut story = at_three_rests();
    story.pause().at("2026-12-01 09:01").remove("Lead");
    story.enrollment = None;
    story.add("Lead").happens(&Event::Changed);
    story.held_by_a_defect(&expect![[r#"
        run 1 held
        held Undecided
        changes in quarantine
        effect: status changed, chain 5, depth 0
        12-01 09:01 because of a defect:
          run 1 -: held: a change could not be decided and waits in quarantine
          run 1 lead: no longer parked: what came meanwhile is forgotten
    "#]]);
}

#[test]
fn r40_whoever_was_never_enrolled_is_held_too() {
    let mut story = Story::of("lead: { type: start, when: { tag: Lead } }");
    story.held_by_a_defect(&expect![[r#"
        run 1 held
        held Undecided
        changes in quarantine
        effect: status changed, chain 0, depth 0
        12-01 09:00 because of a defect:
          run 1 -: held: a change could not be decided and waits in quarantine
    "#]]);
    assert_eq!(story.enrolled().created, Some(story.now));
}

#[test]
fn r40_what_waits_in_quarantine_is_held_once() {
    let mut story = at_three_rests();
    story.held();
    assert_eq!(hold_undecided(story.enrollment.as_ref(), Zone::UTC, story.now), None);
    for event in [timer(1, 1, "2026-12-02 09:00"), delivery(1, 2)] {
        let decision = story.situation(|situation| decide(situation, &event));
        assert_eq!(decision, Decision::Ignore(Ignored::Quarantined), "{event:?}");
    }
}

#[test]
fn r40_a_release_keeps_the_mark_until_the_quarantine_is_empty() {
    let mut story = at_three_rests();
    story.held();
    assert_eq!(quarantine_is_empty(story.enrolled()), None, "it is held still");
    story.check(
        &Event::Released { by: desk(), call: None },
        &expect![[r#"
            run 2 ready
            changes in quarantine
            effect: status changed, chain 3, depth 0
            12-01 09:00 because API key desk released it:
              run 2 -: released
        "#]],
    );
    let next = quarantine_is_empty(story.enrolled()).expect("the mark is there");
    assert_eq!((next.has_quarantined_changes(), next.rev), (false, story.enrolled().rev + 1));
    assert_eq!(quarantine_is_empty(&next), None, "it is taken away once");
}

#[test]
fn r40_whatever_comes_of_the_first_change_in_quarantine_the_others_still_come_first() {
    let ways = "
        again: { type: event, on: { tag_added: Again }, next: restart }
        restart: { type: restart }
        over: { type: event, on: { tag_added: Over }, next: stop }
        stop: { type: stop_campaign }
        much: { type: event, on: { tag_added: Much }, next: mail }
        mail: { type: email, email: offer }
        lead: { type: start, when: { tag: Lead } }
    ";
    for tag in ["Again", "Over", "Much"] {
        let mut story = Story::with_settings("{ max_messages_per_day: 0 }", ways);
        story.add("Lead").happens(&Event::Changed);
        story.held();
        story.happens(&Event::Released { by: desk(), call: None });
        story.add(tag).happens(&Event::Changed);
        let after = story.enrolled();
        assert!(after.has_quarantined_changes() && after.run >= 2, "{tag}: {after:?}");
        assert!(quarantine_is_empty(after).is_some(), "{tag}: the mark can be removed");
    }
}

#[test]
fn r40_what_an_earlier_version_quarantined_comes_first_too() {
    let mut story = at_three_rests();
    story.held();
    let stored = story.enrollment.as_mut().expect("it is enrolled");
    stored.quarantined_changes = false;
    story.happens(&Event::Released { by: desk(), call: None });
    let after = story.enrolled();
    assert!(after.has_quarantined_changes() && after.held.is_none(), "{after:?}");
}

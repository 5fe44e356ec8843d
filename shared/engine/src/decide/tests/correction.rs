//! Corrections without an event: `decide/correction.rs`.

use expect_test::expect;

use super::{Event, Story};
use crate::decide::{message_left_after_all, missing_changes_seen, written_again};
use crate::enrollment::Enrollment;
use crate::ids::ElementId;
use crate::statistics::{Counter, Outcome};

/// Lena's message was settled as unknown.
fn unknown() -> Story {
    let mut story = Story::of(
        "
        lead: { type: start, when: { tag: Lead }, next: mail }
        mail: { type: email, email: offer, next: day }
        day: { type: wait, for: 1 day }
    ",
    );
    story.add("Lead").happens(&Event::Changed);
    let outcome = Outcome::Unknown;
    story.happens(&Event::Settled { run: 1, step: 1, outcome, reason: None });
    story
}

impl Story {
    fn before(&self) -> &Enrollment {
        self.enrollment.as_ref().expect("an enrollment")
    }
}

#[test]
fn r30_a_message_that_left_after_all_is_counted_as_sent_once() {
    let story = unknown();
    let mail = ElementId::new("mail").expect("an id");
    let right = message_left_after_all(story.before(), 1, &mail, story.now).expect("one unknown");
    expect![[r#"
        run 1 active
        token 2 at day: wait until 12-02 09:00
        fired lead
        12-01 09:00 because the message was settled:
          run 1 mail: message sent
    "#]]
    .assert_eq(&story.shown_advance(&right));
    let counted = |outcome| right.enrollment.tally.get(&Counter::Messages(outcome));
    assert_eq!((counted(Outcome::Unknown), counted(Outcome::Sent)), (0, 1));
    assert_eq!(message_left_after_all(&right.enrollment, 1, &mail, story.now), None);
}

#[test]
fn r3_changes_that_nobody_brings_any_more_are_taken_as_seen() {
    let story = unknown();
    let next = missing_changes_seen(story.before(), 1, 4).expect("it has seen no more");
    assert_eq!(next, Enrollment { seen: 4, ..written_again(story.before()) });
    assert_eq!(next.rev, story.before().rev + 1);
    assert_eq!(missing_changes_seen(&next, 1, 5), None, "another writer committed first");
}

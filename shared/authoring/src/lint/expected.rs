//! What proofs expect of the end of their scenarios, in the words of lints. The campaign and its
//! subject are added by the story.

use dacapo_engine::ids::ElementId;

use crate::scenario::{Expectation, ExpectedEnrollment, ExpectedMessage, ExpectedStatus};

/// She stands so.
pub(super) fn stands(enrollment: ExpectedEnrollment) -> Expectation {
    Expectation { enrollments: vec![enrollment], ..Expectation::default() }
}

/// She has this status.
pub(super) fn status(status: ExpectedStatus) -> Expectation {
    stands(ExpectedEnrollment { status: Some(status), ..ExpectedEnrollment::default() })
}

/// She is in this run.
pub(super) fn run(run: u32) -> Expectation {
    stands(ExpectedEnrollment { run: Some(run), ..ExpectedEnrollment::default() })
}

/// She waits at this element, and nowhere else.
pub(super) fn waits_at(element: &ElementId) -> Expectation {
    let waits_at = Some(vec![element.clone()]);
    stands(ExpectedEnrollment { waits_at, ..ExpectedEnrollment::default() })
}

/// A message of this element.
pub(super) fn message(element: &ElementId) -> ExpectedMessage {
    ExpectedMessage { element: Some(element.clone()), ..ExpectedMessage::default() }
}

/// This message was sent, among others.
pub(super) fn sent(message: ExpectedMessage) -> Expectation {
    Expectation { sent: vec![message], ..Expectation::default() }
}

/// This message was not sent.
pub(super) fn not_sent(message: ExpectedMessage) -> Expectation {
    Expectation { not_sent: vec![message], ..Expectation::default() }
}

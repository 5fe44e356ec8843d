//! Statistics as sums (R53).
//!
//! What decisions count is a [`Tally`]. What counts contacts *now* (`active`, `stopped`, …) is a
//! [`Gauge`] and follows from the enrollment before and after, not from a tally.

use crate::enrollment::{Enrollment, Status};
use crate::tally::RESTING;

pub use crate::tally::{Counter, Outcome, Tally};

/// What counts contacts and tokens now: how an enrollment's next state changes the gauges.
pub struct Gauge;

impl Gauge {
    /// The change of the gauges from one state to the next. `completed` and `ready` have no gauge:
    /// `completed` counts runs.
    pub fn between(before: Option<&Enrollment>, after: Option<&Enrollment>) -> Tally {
        let mut tally = Tally::default();
        for (enrollment, sign) in [(before, -1), (after, 1)] {
            let Some(enrollment) = enrollment else { continue };
            match enrollment.status {
                Status::Active | Status::AwaitingRestart | Status::Stopped | Status::Held => {
                    tally.add_named(enrollment.status.word().to_owned(), sign);
                }
                Status::Completed | Status::Ready => {}
            }
            for token in &enrollment.tokens {
                tally.add_named(format!("{RESTING}{}", token.element), sign);
            }
        }
        tally
    }
}

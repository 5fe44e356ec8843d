//! What stands behind every function: the change feed, the queues, the timers.
//!
//! Every handler takes one piece of work and answers whether it is done, to be tried again later, or cannot be
//! done. None of them sleeps; whoever calls decides how to wait.

mod calls;
mod contact_changed;
mod delivery;
mod enrollment_committed;
mod quarantine;
mod recording;
mod woken;

use crate::Instant;

pub use contact_changed::ContactImage;
pub(crate) use contact_changed::{KnownTags, StoredTag};
pub use enrollment_committed::{EnrollmentImage, timer_name};
pub use quarantine::was_not_held;
pub use recording::StoredHistory;

/// What came of a piece of work from a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It is done; the message can go.
    Yes,
    /// It has to come after what the feed, or another worker, is about to do: try again soon.
    Soon,
    /// Not before this instant.
    NotBefore(Instant),
}

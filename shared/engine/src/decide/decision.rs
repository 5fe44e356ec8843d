//! The answer of `decide`: the next state with all that follows from it, or why nothing follows. It
//! is data alone: the caller commits the state together with its effects, in one write.

use super::{ContactWrite, Effect, Ignored};
use crate::campaign::channel::Channel;
use crate::enrollment::Enrollment;
use crate::history::Record;
use crate::ids::ElementId;
use crate::statistics::Tally;

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The next state and all that follows from it, to be committed.
    Advance(Box<Advance>),
    /// The message may leave now. The state changes only when it is settled.
    Deliver(Delivery),
    /// Nothing happened, but more changes were seen. To commit it is optional.
    Seen(Box<Enrollment>),
    /// Nothing is to be done.
    Ignore(Ignored),
}

/// See [`Decision::Advance`].
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    /// The next state.
    pub enrollment: Enrollment,
    /// What the campaign writes to the contact, in order; committed with the enrollment.
    pub writes: Vec<ContactWrite>,
    /// What a campaign about objects writes to the person (R72), in order; committed with the
    /// enrollment. Empty if the subject is a contact.
    pub person_writes: Vec<ContactWrite>,
    /// What the outside world is to do.
    pub effects: Vec<Effect>,
    /// What goes into the history.
    pub records: Vec<Record>,
    /// What is added to the statistics, the gauges not included.
    pub delta: Tally,
    /// Whether the event itself was ignored, although something unseen was applied.
    pub ignored: Option<Ignored>,
    /// Whether the event has not been handled yet, because unseen changes, or a goal that took
    /// tokens, have to be committed first: ask again once this is committed.
    pub ask_again: bool,
}

/// A message that may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The version that the element belongs to.
    pub version: u32,
    /// The run.
    pub run: u32,
    /// The step.
    pub step: u32,
    /// The element.
    pub element: ElementId,
    /// The channel.
    pub channel: Channel,
    /// The key under which stands what it says; for e-mail a key of `emails`.
    pub content_key: String,
}

//! The handlers behind every function: the change feed, timers, mail, webhooks.
//! [`queues`](crate::queues) says which of them a message of a queue is for.
//!
//! Every handler takes one piece of work and answers whether it is done, to be tried again later,
//! or cannot be done. None of them sleeps; the caller decides how to wait. There is one exception:
//! if the table does not take the record of a message that leaves, `delivery` writes it again after
//! short pauses, by `MessageService::pause`.

mod calls;
mod contact_changed;
mod delivery;
mod enrollment_committed;
mod enrollment_events;
mod feedback;
mod person_changed;
mod quarantine;
mod recording;
mod test_delivery;
mod trace;

pub use crate::orders::timer_name;
pub use crate::ports::Done;
pub use calls::Webhooks;
pub use contact_changed::{ContactChanges, ContactImage};
pub use delivery::MessageDelivery;
pub(crate) use enrollment_committed::Performed;
pub use enrollment_committed::{EffectHandler, EnrollmentImage};
pub use enrollment_events::EnrollmentEvents;
pub use feedback::{Feedback, Report};
pub use person_changed::PersonChanges;
pub use quarantine::Quarantine;
pub(crate) use recording::{HISTORY_KEPT, in_campaign};
pub use recording::{History, StoredHistory};
pub use trace::{StoredTrace, Traces};

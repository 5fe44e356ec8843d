//! The occasion of a decision: when something happened, why, and the contact as it was.
//!
//! One decision goes through several occasions in order: each change and milestone that was not
//! seen yet, then the event itself. The four values belong together, and the fields are private to
//! this file. So they are replaced as a whole (`DecisionBuilder::look_at`), except where one
//! occasion is handled for several reasons ([`Occasion::replace_cause`]).

use std::borrow::Cow;

use crate::contact::{Causality, Contact};
use crate::history::Cause;
use crate::time::Instant;

/// The current occasion, and its cause.
pub(super) struct Occasion<'a> {
    now: Instant,
    cause: Cause,
    causality: Causality,
    contact: Cow<'a, Contact>,
}

impl<'a> Occasion<'a> {
    /// An occasion, complete.
    pub(super) fn new(
        now: Instant,
        cause: Cause,
        causality: Causality,
        contact: Cow<'a, Contact>,
    ) -> Self {
        Self { now, cause, causality, contact }
    }

    /// When it happened. Conditions, counts and plans of this occasion use this instant.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// Why, as the history says it.
    pub(super) fn cause(&self) -> &Cause {
        &self.cause
    }

    /// The place in its chain of causes of what happened (R42).
    pub(super) fn causality(&self) -> Causality {
        self.causality
    }

    /// The contact as the change left it, or the latest, with what the decision has written since.
    pub(super) fn contact(&self) -> &Contact {
        &self.contact
    }

    /// For what the campaign writes to the contact: seen at once by the path that wrote it (R3).
    pub(super) fn contact_mut(&mut self) -> &mut Contact {
        self.contact.to_mut()
    }

    /// The same instant and the same contact, for another reason.
    pub(super) fn replace_cause(&mut self, cause: Cause, causality: Causality) {
        self.cause = cause;
        self.causality = causality;
    }
}

//! Tokens on their way from one rest to the next. They exist only while a decision is made: a
//! decision that is finished has none, so nothing of this is stored.

use crate::contact::Causality;
use crate::ids::ElementId;
use crate::time::Instant;

/// A token on its way to an element.
#[derive(Debug, Clone)]
pub(super) struct InFlightToken {
    /// The element at which it arrives next.
    pub(super) to: ElementId,
    /// When it arrives: after a timer, the timer's due instant.
    pub(super) at: Instant,
    /// Its place in the chain of causes.
    pub(super) causality: Causality,
    /// The date after which a message reached from here is too late (R34).
    pub(super) not_after: Option<Instant>,
    /// Whether e-mails on the way are skipped (R51).
    pub(super) skipping: bool,
    /// How many elements it has moved over (R41).
    pub(super) moves: u32,
}

impl InFlightToken {
    /// The same without the bounds that hold for e-mails up to a wait, timer, event or goal: they
    /// do not hold for the e-mails after it (R34, R51).
    pub(super) fn unbound(self) -> Self {
        Self { not_after: None, skipping: false, ..self }
    }
}

/// The tokens that an event or a goal ended.
pub(super) struct EndedTokens {
    /// The number.
    pub(super) count: usize,
    /// Of those that were in flight, the one deepest in its chain.
    pub(super) deepest_in_flight: Option<InFlightToken>,
}

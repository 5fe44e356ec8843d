//! Tokens on their way from one rest to the next.

use crate::contact::Causality;
use crate::ids::ElementId;
use crate::time::Instant;

/// A token on its way to an element.
#[derive(Debug, Clone)]
pub(super) struct Moving {
    /// Where it arrives next.
    pub(super) to: ElementId,
    /// When it arrives: after a timer, the timer's due instant.
    pub(super) at: Instant,
    /// Its place in the chain.
    pub(super) causality: Causality,
    /// See [`Token::not_after`].
    pub(super) not_after: Option<Instant>,
    /// Whether e-mails on the way are skipped (R51).
    pub(super) skipping: bool,
    /// How many elements it has moved over.
    pub(super) moves: u32,
}

impl Moving {
    /// What bound e-mails up to a wait, timer, event or goal does not bind those behind it (R34, R51).
    pub(super) fn unbound(self) -> Self {
        Self { not_after: None, skipping: false, ..self }
    }
}

/// The tokens that an event or a goal ended.
pub(super) struct Ended {
    /// How many.
    pub(super) many: usize,
    /// Of those that were on their way, the one that had come furthest.
    pub(super) on_its_way: Option<Moving>,
}

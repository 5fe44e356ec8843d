//! When what was erased is taken out of the files: after the feed has told everybody, and not for
//! every contact of a mass erasure anew.

use std::sync::{Mutex, PoisonError};

/// While there is more to do, it is done after so many rounds.
const ROUNDS: u32 = 256;

/// Whether something was erased that is still in the files.
#[derive(Debug, Default)]
pub(super) struct Erasure(Mutex<Option<Waiting>>);

#[derive(Debug, Clone, Copy)]
struct Waiting {
    /// The change that has to be read first.
    change: i64,
    /// How many rounds it has waited.
    rounds: u32,
    /// Whether the store knows.
    noted: bool,
}

impl Erasure {
    /// Something was erased; the last change then was this one. Says whether that is still to be
    /// noted in the store.
    pub(super) fn happened(&self, change: i64) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = waiting.unwrap_or(Waiting { change, rounds: 0, noted: false });
        *waiting = Some(Waiting { change: before.change.max(change), ..before });
        !before.noted
    }

    /// The store knows that the file is to be rebuilt, or has done so and wants to be told again of
    /// what is erased next.
    pub(super) fn noted(&self, knows: bool) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = waiting.as_mut() {
            waiting.noted = knows;
        }
    }

    /// The last process may not have come to it.
    pub(super) fn may_wait(&self) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.get_or_insert(Waiting { change: 0, rounds: 0, noted: false });
    }

    /// Whether it is to be done now: the feed was read up to `read`, and there is `more` to do or
    /// not.
    pub(super) fn is_ready(&self, read: i64, more: bool) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(waiting) = waiting.as_mut() else { return false };
        waiting.rounds += 1;
        read >= waiting.change && (!more || waiting.rounds.is_multiple_of(ROUNDS))
    }

    /// It was done.
    pub(super) fn is_over(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

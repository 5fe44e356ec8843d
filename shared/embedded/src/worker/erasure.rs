//! When erased data is removed from the files: after all consumers have read the feed, and once for
//! many erasures.

use std::sync::{Mutex, PoisonError};

/// While there is other work, it is done after this many rounds.
const ROUNDS: u32 = 256;

/// Whether erased data is still in the files.
#[derive(Debug, Default)]
pub(super) struct Erasure(Mutex<Option<Waiting>>);

#[derive(Debug, Clone, Copy)]
struct Waiting {
    /// The change that has to be read first.
    change: i64,
    /// How many rounds it has waited.
    rounds: u32,
    /// Whether it is noted in the store.
    noted: bool,
}

impl Erasure {
    /// Something was erased, when this was the last change. Answers whether that has to be noted in
    /// the store.
    pub(super) fn happened(&self, change: i64) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = waiting.unwrap_or(Waiting { change, rounds: 0, noted: false });
        *waiting = Some(Waiting { change: before.change.max(change), ..before });
        !before.noted
    }

    /// It is noted in the store that the file is to be rebuilt; or the file was rebuilt, and the
    /// next erasure has to be noted again.
    pub(super) fn noted(&self, knows: bool) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = waiting.as_mut() {
            waiting.noted = knows;
        }
    }

    /// The last process may not have done it.
    pub(super) fn may_wait(&self) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.get_or_insert(Waiting { change: 0, rounds: 0, noted: false });
    }

    /// Whether it is to be done now: the feed was read up to `read`, and there is `more` work or
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

//! A clock that a test sets.

use std::sync::atomic::{AtomicI64, Ordering};

use dacapo_platform::Instant;
use dacapo_platform::ports::Clock;

/// Noon of 1 December 2026 (UTC), in milliseconds.
const NOON: i64 = 1_796_126_400_000;

/// A clock that moves only when it is set. Stands for the system clock.
#[derive(Debug)]
pub struct ManualClock {
    milliseconds: AtomicI64,
    /// How far each reading moves it, in milliseconds.
    step: i64,
}

impl ManualClock {
    /// It stands at noon of 1 December 2026 (UTC).
    #[must_use]
    pub fn at_noon() -> Self {
        Self { milliseconds: AtomicI64::new(NOON), step: 0 }
    }

    /// It begins at this instant, and each reading takes a millisecond: no two readings are equal.
    #[must_use]
    pub fn ticking(from: Instant) -> Self {
        Self { milliseconds: AtomicI64::new(from.timestamp_millis()), step: 1 }
    }

    /// Sets it.
    pub fn set(&self, to: Instant) {
        self.milliseconds.store(to.timestamp_millis(), Ordering::SeqCst);
    }

    /// Moves it by so many seconds.
    pub fn advance(&self, seconds: i64) {
        self.milliseconds.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        let now = self.milliseconds.fetch_add(self.step, Ordering::SeqCst);
        Instant::from_timestamp_millis(now).expect("an instant")
    }
}

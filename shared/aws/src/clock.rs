//! The clock of the functions: the one place of the AWS side that reads it.

use std::sync::atomic::{AtomicI64, Ordering};

use dacapo_platform::Instant;
use dacapo_platform::ports::Clock;

/// The system's clock, which never falls within a process. AWS keeps the machines' clocks.
#[derive(Default)]
pub struct SystemClock(AtomicI64);

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock port")]
    fn now(&self) -> Instant {
        let read = Instant::from(std::time::SystemTime::now()).timestamp_millis();
        let latest = self.0.fetch_max(read, Ordering::Relaxed).max(read);
        Instant::from_timestamp_millis(latest).unwrap_or(Instant::UNIX_EPOCH)
    }
}

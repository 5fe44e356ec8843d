//! The clock of the functions: the only place of the AWS side that reads it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use dacapo_platform::Instant;
use dacapo_platform::ports::Clock;

/// How long the process has run since this was first called: for waiting only. It is never set.
#[allow(clippy::disallowed_methods, reason = "this is the clock port")]
pub(crate) fn uptime() -> Duration {
    static BEGAN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
    BEGAN.elapsed()
}

/// The system's clock, which never falls within a process. AWS synchronises the machines' clocks.
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

//! Waiting for a condition, with a bound.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// Now, to the second.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "a deployed stack lives by the world's clock")]
pub fn now() -> DateTime<Utc> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.ok().and_then(|since| i64::try_from(since.as_secs()).ok());
    DateTime::from_timestamp(seconds.unwrap_or_default(), 0).unwrap_or_default()
}

/// How long to wait, and how often to check.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// At most so long.
    pub bound: Duration,
    /// Between two checks.
    pub pause: Duration,
}

impl Patience {
    /// So many seconds, with two checks a second.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self { bound: Duration::from_secs(seconds), pause: Duration::from_millis(500) }
    }
}

/// Checks until the condition holds.
///
/// `look` returns its result, or the state instead.
///
/// # Panics
///
/// When the bound is reached, with the condition, the time and the last state.
pub fn until<T>(what: &str, patience: Patience, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        let stands = match look() {
            Ok(found) => return found,
            Err(stands) => stands,
        };
        let waited = begun.elapsed();
        assert!(waited < patience.bound, "waited {waited:.1?} for {what}. Instead: {stands}");
        std::thread::sleep(patience.pause);
    }
}

//! Log lines about repeated problems: one a minute, with how often it happened since, and never
//! with an e-mail address in it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::TimeDelta;

use crate::Instant;

/// The shortest time between two lines.
const EVERY: TimeDelta = TimeDelta::minutes(1);

/// Limits the log lines about one thing. It needs two numbers, however often that happens.
#[derive(Debug)]
pub struct RateLimitedLog {
    /// When it was logged last, in milliseconds.
    told: AtomicI64,
    untold: AtomicU64,
}

impl Default for RateLimitedLog {
    fn default() -> Self {
        Self { told: AtomicI64::new(i64::MIN), untold: AtomicU64::new(0) }
    }
}

impl RateLimitedLog {
    /// It has happened. `Some` if it is to be logged, with how often it happened since the last
    /// line.
    pub fn due(&self, now: Instant) -> Option<u64> {
        let (now, told) = (now.timestamp_millis(), self.told.load(Ordering::SeqCst));
        let is_due = told == i64::MIN || now.saturating_sub(told) >= EVERY.num_milliseconds();
        // Of two callers at the same time only one logs it.
        let tells = is_due
            && self.told.compare_exchange(told, now, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if tells {
            return Some(self.untold.swap(0, Ordering::SeqCst));
        }
        self.untold.fetch_add(1, Ordering::SeqCst);
        None
    }
}

/// A text from outside without the e-mail addresses in it: servers repeat them, and logs hold none.
pub fn without_addresses(text: &str) -> String {
    let words = text.split(' ').map(|word| if word.contains('@') { "(address)" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_often_is_told_once_a_minute() {
        let rate_limited_log = RateLimitedLog::default();
        let at = |seconds| Instant::UNIX_EPOCH + TimeDelta::seconds(seconds);
        assert_eq!(rate_limited_log.due(at(0)), Some(0));
        assert_eq!(rate_limited_log.due(at(1)), None);
        assert_eq!(rate_limited_log.due(at(59)), None);
        assert_eq!(rate_limited_log.due(at(60)), Some(2));
        assert_eq!(rate_limited_log.due(at(61)), None);
    }

    #[test]
    fn logs_hold_no_address() {
        let said = "550 5.1.1 <ann@example.com>: no such user";
        assert_eq!(without_addresses(said), "550 5.1.1 (address) no such user");
    }
}

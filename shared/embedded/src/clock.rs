//! The clock: the only place that reads the time.
//!
//! It is real, or it stands still until it is set. In both cases its instant is in whole
//! milliseconds, is stored, and never falls: not when the system's clock is set back, and not over
//! a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use dacapo_platform::Instant;
use dacapo_platform::ports::{Clock, Trouble};
use dacapo_platform::rate_limited_log::RateLimitedLog;

use crate::store::{Operation, SqliteStore, StoreError};
use dacapo_platform::table::TableError;

/// The name under which the last instant is stored.
const STORED: &str = "clock";

/// The kind of clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockKind {
    /// The system's.
    Real,
    /// One that stands still until it is set.
    Manual(Instant),
}

/// See the module.
pub struct EmbeddedClock {
    store: Arc<SqliteStore>,
    standing: bool,
    /// The latest instant that was returned, in milliseconds.
    latest: AtomicI64,
    stored: AtomicI64,
    /// The instant since which the system's clock is behind; nothing if it is not.
    behind_since: AtomicI64,
    told_behind: RateLimitedLog,
}

/// The value of [`EmbeddedClock::behind_since`] when the system's clock is not behind.
const NOT_BEHIND: i64 = i64::MIN;

/// The system's clock may be so far behind without a warning: clocks are adjusted a little all the
/// time.
const TOLERATED_BEHIND_MS: i64 = 2_000;

/// The last instant that a standing clock can be moved to. Later years have no four digits, and
/// later instants no calendar day and zone.
pub fn last_instant() -> Instant {
    chrono::NaiveDate::from_ymd_opt(9999, 12, 31)
        .and_then(|day| day.and_hms_opt(23, 59, 59))
        .map_or(Instant::MAX_UTC, |last| last.and_utc())
}

/// For how long the process has run, about: a clock that never stands still and is never set.
pub(crate) fn uptime() -> std::time::Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

impl EmbeddedClock {
    /// The clock of a store. A standing clock continues from the stored instant if that is later.
    ///
    /// # Errors
    ///
    /// What the store answers.
    pub async fn start(store: Arc<SqliteStore>, kind: ClockKind) -> Result<Arc<Self>, StoreError> {
        let stored = store.meta(STORED).ok().flatten().and_then(|text| text.parse().ok());
        let first = match kind {
            ClockKind::Real => system(),
            ClockKind::Manual(at) => at.timestamp_millis(),
        };
        let latest = stored.map_or(first, |stored: i64| stored.max(first));
        let standing = matches!(kind, ClockKind::Manual(_));
        let clock = Arc::new(Self {
            store,
            standing,
            latest: AtomicI64::new(latest),
            stored: AtomicI64::new(i64::MIN),
            behind_since: AtomicI64::new(NOT_BEHIND),
            told_behind: RateLimitedLog::default(),
        });
        // If an instant cannot be stored now, the next round stores it.
        let _ = clock.remember().await;
        Ok(clock)
    }

    /// Whether it stands still until it is set.
    pub fn is_manual(&self) -> bool {
        self.standing
    }

    /// Moves a standing clock; it never falls. The instant is stored before it can be read.
    ///
    /// # Errors
    ///
    /// What the store answers.
    pub async fn set(&self, at: Instant) -> Result<(), TableError> {
        let millis = at.timestamp_millis().max(self.latest.load(Ordering::SeqCst));
        self.keep(millis).await?;
        self.latest.fetch_max(millis, Ordering::SeqCst);
        Ok(())
    }

    /// Stores the instant, if it moved since the last time.
    ///
    /// # Errors
    ///
    /// What the store answers.
    pub async fn remember(&self) -> Result<(), TableError> {
        self.keep(self.now().timestamp_millis()).await
    }

    /// Notes whether the system's clock is behind what was returned before, and logs it.
    fn compare(&self, system: i64, latest: i64) {
        let behind = latest - system;
        if behind <= TOLERATED_BEHIND_MS {
            if self.behind_since.load(Ordering::Relaxed) != NOT_BEHIND {
                self.behind_since.store(NOT_BEHIND, Ordering::SeqCst);
                tracing::warn!("the system's clock has caught up; timers go on");
            }
            return;
        }
        let _ = self.behind_since.compare_exchange(
            NOT_BEHIND,
            latest,
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        let up = Instant::UNIX_EPOCH + chrono::TimeDelta::from_std(uptime()).unwrap_or_default();
        if self.told_behind.due(up).is_some() {
            let behind_seconds = behind / 1_000;
            tracing::warn!(
                behind_seconds,
                "the system's clock went back; timers wait until it has caught up"
            );
        }
    }

    async fn keep(&self, millis: i64) -> Result<(), TableError> {
        if self.stored.load(Ordering::SeqCst) >= millis {
            return Ok(());
        }
        let set = Operation::SetMeta { name: STORED.to_owned(), value: millis.to_string() };
        self.store.commit(vec![set]).await?;
        self.stored.fetch_max(millis, Ordering::SeqCst);
        Ok(())
    }
}

impl Clock for EmbeddedClock {
    fn now(&self) -> Instant {
        if !self.standing {
            let system = system();
            let latest = self.latest.fetch_max(system, Ordering::SeqCst).max(system);
            self.compare(system, latest);
        }
        Instant::from_timestamp_millis(self.latest.load(Ordering::SeqCst)).unwrap_or_default()
    }

    fn trouble(&self) -> Option<Trouble> {
        let now = self.now();
        let since = self.behind_since.load(Ordering::SeqCst);
        let since =
            (since != NOT_BEHIND).then(|| Instant::from_timestamp_millis(since)).flatten()?;
        let behind = (now.timestamp_millis() - system()) / 1_000;
        let detail = format!(
            "the system's clock went back by {behind} seconds; timers wait until it has caught up \
             with {}: mend the system's clock",
            now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        );
        Some(Trouble { code: "clock_went_back", detail, since })
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
fn system() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_clock_that_went_back_stands_and_says_so() {
        let store = SqliteStore::open(None, |_| false).unwrap();
        let ahead = system() + 3_600_000;
        let set = Operation::SetMeta { name: STORED.to_owned(), value: ahead.to_string() };
        store.commit(vec![set]).await.unwrap();
        let clock = EmbeddedClock::start(store, ClockKind::Real).await.unwrap();
        assert_eq!(clock.now().timestamp_millis(), ahead);
        let trouble = clock.trouble().unwrap();
        assert_eq!((trouble.code, trouble.since), ("clock_went_back", clock.now()));
        assert!(trouble.detail.contains("went back by 3"), "{}", trouble.detail);
    }

    #[tokio::test]
    async fn a_clock_that_goes_on_says_nothing() {
        let store = SqliteStore::open(None, |_| false).unwrap();
        let clock = EmbeddedClock::start(store, ClockKind::Real).await.unwrap();
        clock.now();
        assert_eq!(clock.trouble(), None);
    }
}

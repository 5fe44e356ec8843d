//! The clock: the one place that reads the time.
//!
//! It is real, or it stands still until told. Either way its instant is whole milliseconds, is stored, and never
//! falls: not when the system's clock is set back, and not over a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use dacapo_platform::Instant;
use dacapo_platform::ports::Clock;

use crate::store::{Operation, SqliteStore, StoreError};
use dacapo_platform::table::TableError;

/// Under which name the last instant is stored.
const STORED: &str = "clock";

/// Which clock is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockKind {
    /// The system's.
    Real,
    /// One that stands still until told.
    Standing(Instant),
}

/// See the module.
pub struct EmbeddedClock {
    store: Arc<SqliteStore>,
    standing: bool,
    /// The latest instant that was told, in milliseconds.
    latest: AtomicI64,
    stored: AtomicI64,
}

impl EmbeddedClock {
    /// The clock of a store. A standing clock goes on from the stored instant if that is later.
    ///
    /// # Errors
    ///
    /// What the store answers.
    pub async fn start(store: Arc<SqliteStore>, kind: ClockKind) -> Result<Arc<Self>, StoreError> {
        let stored = store.meta(STORED).ok().flatten().and_then(|text| text.parse().ok());
        let first = match kind {
            ClockKind::Real => system(),
            ClockKind::Standing(at) => at.timestamp_millis(),
        };
        let latest = stored.map_or(first, |stored: i64| stored.max(first));
        let standing = matches!(kind, ClockKind::Standing(_));
        let clock = Arc::new(Self {
            store,
            standing,
            latest: AtomicI64::new(latest),
            stored: AtomicI64::new(i64::MIN),
        });
        // A clock that cannot be stored yet is stored with the next round.
        let _ = clock.remember().await;
        Ok(clock)
    }

    /// Whether it stands still until told.
    pub fn is_standing(&self) -> bool {
        self.standing
    }

    /// Moves a standing clock; it never falls. The instant is stored before anybody sees it.
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
            self.latest.fetch_max(system(), Ordering::SeqCst);
        }
        Instant::from_timestamp_millis(self.latest.load(Ordering::SeqCst)).unwrap_or_default()
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
fn system() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

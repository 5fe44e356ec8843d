//! Whether the mail server is in use. When it takes nothing at all (it is unreachable, or refuses
//! the credentials), mail stops and waits. One mail at a time tests whether it works again, first
//! after five seconds, in the end every five minutes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use dacapo_platform::Instant;
use dacapo_platform::ports::{Clock as _, Trouble};
use dacapo_platform::rate_limited_log::without_addresses;

use crate::clock::EmbeddedClock;

/// How long mail stops the first time, and at most.
const FIRST_STOP: TimeDelta = TimeDelta::seconds(5);
const LONGEST_STOP: TimeDelta = TimeDelta::minutes(5);

/// See the module.
pub struct ServerState {
    pub(super) clock: Arc<EmbeddedClock>,
    stopped: Mutex<Option<Stopped>>,
}

#[derive(Debug, Clone)]
struct Stopped {
    since: Instant,
    reason: String,
    /// When one mail tests whether it works again.
    again: Instant,
    /// How long it stopped the last time.
    wait: TimeDelta,
}

impl ServerState {
    pub(crate) fn new(clock: Arc<EmbeddedClock>) -> Self {
        Self { clock, stopped: Mutex::default() }
    }

    /// `Some` while mail is stopped: when one mail may test whether it works again.
    pub fn stopped_until(&self) -> Option<Instant> {
        self.state().as_ref().map(|stopped| stopped.again)
    }

    /// The server takes nothing, for this reason.
    pub(super) fn stops(&self, reason: &str) {
        let (now, reason) = (self.clock.now(), without_addresses(reason));
        let mut state = self.state();
        let Some(stopped) = &mut *state else {
            tracing::error!(reason, "mail is stopped; it waits, and none of it has failed");
            *state =
                Some(Stopped { since: now, reason, again: now + FIRST_STOP, wait: FIRST_STOP });
            return;
        };
        // Mails that were being sent when it stopped tell nothing new.
        if now >= stopped.again {
            stopped.wait = (stopped.wait * 2).min(LONGEST_STOP);
            stopped.again = now + stopped.wait;
        }
        stopped.reason = reason;
    }

    /// The server works.
    pub(super) fn works(&self) {
        if let Some(stopped) = self.state().take() {
            let since = stopped.since.to_rfc3339();
            tracing::warn!(since, "the mail server works again; mail goes on");
        }
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        let Stopped { since, reason, again, .. } = self.state().clone()?;
        let again = again.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let detail =
            format!("mail is stopped and waits: {reason}; one is tried again at or after {again}");
        Some(Trouble { code: "mail_stopped", detail, since })
    }

    fn state(&self) -> MutexGuard<'_, Option<Stopped>> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

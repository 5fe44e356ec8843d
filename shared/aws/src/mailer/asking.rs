//! When SES is asked what the account may send. It answers that once a second for the whole account
//! (*GetSendQuota*, <https://docs.aws.amazon.com/ses/latest/APIReference/API_GetSendQuota.html>),
//! and instances that start together ask together.
//!
//! | nothing is known of the account, and SES | it is asked again |
//! |---|---|
//! | was asked by too many, or did not answer | in one to five seconds, thirty times |
//! | refused, or was asked thirty times | in 60 to 90 seconds |
//!
//! So thirty instances know their account within a minute, most of them in half of that. If
//! something is known, it is used for another 60 to 90 seconds.

use std::time::Duration;

use dacapo_engine::hash::stable;

/// How long SES is not asked in the ordinary case, and how much longer at most.
const ASK_INTERVAL: Duration = Duration::from_secs(60);
const ASK_INTERVAL_SPREAD: Duration = Duration::from_secs(30);

/// The same while nothing is known yet, and how often it is asked after such a short time.
const FIRST_ASK_INTERVAL: Duration = Duration::from_secs(1);
const FIRST_ASK_INTERVAL_SPREAD: Duration = Duration::from_secs(4);
const SOON_TIMES: u32 = 30;

/// When SES is asked next.
#[derive(Debug, Default)]
pub(super) struct Asking {
    next: Duration,
    /// How often it was asked again after a short time.
    soon: u32,
    /// A number from 0 to 1 that differs between instances that started in the same second.
    drawn: f64,
}

impl Asking {
    /// How long until it may be asked.
    pub(super) fn is_in(&self, now: Duration) -> Duration {
        self.next.saturating_sub(now)
    }

    /// It is asked now.
    pub(super) fn asks(&mut self, now: Duration) {
        self.draw(now);
        self.next = now + ASK_INTERVAL + ASK_INTERVAL_SPREAD.mul_f64(self.drawn);
    }

    /// It did not answer, but may in a moment. Answers whether it is asked then.
    pub(super) fn asks_again(&mut self, now: Duration) -> bool {
        let soon = self.soon < SOON_TIMES;
        if soon {
            self.soon += 1;
            self.draw(now);
            self.next = now + FIRST_ASK_INTERVAL + FIRST_ASK_INTERVAL_SPREAD.mul_f64(self.drawn);
        }
        soon
    }

    /// From 0 to 1, different for each instance.
    pub(super) fn drawn(&self) -> f64 {
        self.drawn
    }

    /// A number that follows from a time, and is different a moment later.
    fn draw(&mut self, now: Duration) {
        let hash = stable(&[&now.as_nanos().to_string()]);
        self.drawn = f64::from(u32::try_from(hash >> 32).unwrap_or(0)) / f64::from(u32::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_again_in_one_to_five_seconds_but_not_for_ever() {
        let (mut asking, mut now) = (Asking::default(), Duration::ZERO);
        assert_eq!(asking.is_in(now), Duration::ZERO);
        let mut waits = Vec::new();
        asking.asks(now);
        while asking.asks_again(now) {
            waits.push(asking.is_in(now));
            now += asking.is_in(now);
            asking.asks(now);
        }
        assert_eq!(waits.len(), 30);
        assert!(
            waits
                .iter()
                .all(|wait| (FIRST_ASK_INTERVAL..=FIRST_ASK_INTERVAL + FIRST_ASK_INTERVAL_SPREAD)
                    .contains(wait)),
            "{waits:?}"
        );
        let shortest = waits.iter().min().unwrap();
        let longest = waits.iter().max().unwrap();
        assert!(*longest - *shortest > Duration::from_secs(2), "no two go in step: {waits:?}");
        assert!(asking.is_in(now) >= ASK_INTERVAL, "SES is left alone for a while");
    }
}

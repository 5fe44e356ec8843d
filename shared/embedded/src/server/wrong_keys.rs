//! Wrong API keys are answered with growing delay, for each address that they come from and for all
//! addresses together.
//!
//! The key has been checked before, so a right one never waits and is never locked out. Delayed
//! answers hold a bounded part of the connections; one more is told to come later. A bounded number
//! of addresses is remembered.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use dacapo_platform::Instant;
use dacapo_platform::rate_limited_log::RateLimitedLog;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// This many from one address, and this many in all, are answered without delay within
/// [`FORGOTTEN_AFTER`].
const WITHOUT_DELAY: u32 = 10;
const WITHOUT_DELAY_IN_ALL: u32 = 100;

/// The first delay after those; it doubles with each later one of the address, up to
/// [`LONGEST_DELAY`].
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(8);

/// The delay while there are too many in all.
const DELAY_IN_ALL: Duration = Duration::from_secs(1);

/// After this long without a wrong key, everything is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);

/// How often the addresses are searched at most, when there is no room for another.
const SEARCH_INTERVAL: Duration = Duration::from_secs(10);

/// This many addresses are remembered, and this many answers may be delayed.
const MOST_ADDRESSES: usize = 4_096;
const MOST_DELAYED_ANSWERS: usize = 64;
const WAITING_OF_ONE: u32 = 4;

/// How a wrong key is answered.
#[derive(Debug)]
pub(super) enum Verdict {
    Now,
    /// After this delay; its place is held until then.
    After(Duration, Waiting),
    /// Not at all: the caller may try again after so many seconds.
    TooMany(u32),
}

/// A delayed answer.
#[derive(Debug)]
pub(super) struct Waiting {
    all: Arc<Mutex<Addresses>>,
    address: IpAddr,
    _place: OwnedSemaphorePermit,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut known = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = known.addresses.get_mut(&self.address) {
            record.waiting = record.waiting.saturating_sub(1);
        }
    }
}

/// See the module.
pub(super) struct WrongKeys {
    known: Arc<Mutex<Addresses>>,
    places: Arc<Semaphore>,
    told: RateLimitedLog,
}

#[derive(Debug, Default)]
struct Addresses {
    addresses: HashMap<IpAddr, Record>,
    all: Record,
    /// When the addresses were last searched for those that can be forgotten.
    looked_through: Option<Duration>,
}

#[derive(Debug, Default)]
struct Record {
    wrong: u32,
    /// The last one, as the time for which the process has run.
    last: Duration,
    waiting: u32,
}

impl Record {
    fn one_more(&mut self, now: Duration) -> u32 {
        if now.saturating_sub(self.last) >= FORGOTTEN_AFTER {
            self.wrong = 0;
        }
        self.last = now;
        self.wrong = self.wrong.saturating_add(1);
        self.wrong
    }
}

impl Default for WrongKeys {
    fn default() -> Self {
        let places = Arc::new(Semaphore::new(MOST_DELAYED_ANSWERS));
        Self { known: Arc::default(), places, told: RateLimitedLog::default() }
    }
}

impl WrongKeys {
    /// A wrong key has come from an address, after the process has run for this long.
    pub(super) fn one_from(&self, address: IpAddr, now: Duration) -> Verdict {
        let address = whole(address);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Addresses { addresses, all, looked_through } = &mut *known;
        let in_all = all.one_more(now);
        let is_due = looked_through.is_none_or(|last| now.saturating_sub(last) >= SEARCH_INTERVAL);
        if addresses.len() >= MOST_ADDRESSES && is_due && !addresses.contains_key(&address) {
            addresses
                .retain(|_, one| now.saturating_sub(one.last) < FORGOTTEN_AFTER || one.waiting > 0);
            *looked_through = Some(now);
        }
        let room = addresses.len() < MOST_ADDRESSES;
        let (mut wrong, mut waiting) = (1, 0);
        if room || addresses.contains_key(&address) {
            let record = addresses.entry(address).or_default();
            wrong = record.one_more(now);
            waiting = record.waiting;
        }
        let over = wrong.saturating_sub(WITHOUT_DELAY);
        if over == 0 && in_all <= WITHOUT_DELAY_IN_ALL {
            return Verdict::Now;
        }
        let up = Instant::UNIX_EPOCH + TimeDelta::from_std(now).unwrap_or_default();
        if let Some(others) = self.told.due(up) {
            tracing::warn!(%address, others, in_all, "wrong API keys are answered slowly");
        }
        let mut wait = if in_all > WITHOUT_DELAY_IN_ALL { DELAY_IN_ALL } else { Duration::ZERO };
        if over > 0 {
            wait = wait.max((FIRST_DELAY * (1 << (over - 1).min(8))).min(LONGEST_DELAY));
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        match place {
            Ok(_place) if waiting < WAITING_OF_ONE => {
                if let Some(record) = known.addresses.get_mut(&address) {
                    record.waiting += 1;
                }
                Verdict::After(wait, Waiting { all: Arc::clone(&self.known), address, _place })
            }
            Ok(_) | Err(_) => Verdict::TooMany(u32::try_from(LONGEST_DELAY.as_secs()).unwrap_or(1)),
        }
    }
}

/// What one subscriber has: an IPv4 address, or a network of IPv6.
fn whole(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::ZERO;

    fn from(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn an_address_waits_longer_and_longer_and_others_do_not() {
        let wrong_keys = WrongKeys::default();
        for _ in 0..WITHOUT_DELAY {
            assert!(matches!(wrong_keys.one_from(from(1), START), Verdict::Now));
        }
        let mut last = Duration::ZERO;
        for _ in 0..20 {
            let Verdict::After(wait, _) = wrong_keys.one_from(from(1), START) else {
                panic!("it waits alone")
            };
            assert!(wait >= last && wait <= LONGEST_DELAY);
            last = wait;
        }
        assert_eq!(last, LONGEST_DELAY);
        assert!(matches!(wrong_keys.one_from(from(2), START), Verdict::Now));
        assert!(matches!(wrong_keys.one_from(from(1), FORGOTTEN_AFTER), Verdict::Now), "forgotten");
    }

    #[test]
    fn those_who_wait_are_bounded_for_each_and_in_all() {
        let wrong_keys = WrongKeys::default();
        let mut waiting = Vec::new();
        let mut turned_away = 0;
        for round in 0..40_u8 {
            for address in 0..60_u8 {
                match wrong_keys.one_from(from(address), START) {
                    Verdict::Now => assert!(u32::from(round) < WITHOUT_DELAY),
                    Verdict::After(_, one) => waiting.push(one),
                    Verdict::TooMany(_) => turned_away += 1,
                }
            }
        }
        assert_eq!(waiting.len(), MOST_DELAYED_ANSWERS);
        assert!(turned_away > 1_000);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let wrong_keys = WrongKeys::default();
        for address in 0..20_000_u32 {
            drop(wrong_keys.one_from(IpAddr::from(address.to_be_bytes()), START));
        }
        let known = wrong_keys.known.lock().unwrap();
        assert!(known.addresses.len() <= MOST_ADDRESSES);
    }

    #[test]
    fn a_network_of_ipv6_is_one() {
        let [one, two] = ["2001:db8::1", "2001:db8::ffff"].map(|text| whole(text.parse().unwrap()));
        assert_eq!(one, two);
        assert_ne!(whole("2001:db8:0:1::1".parse().unwrap()), one);
        assert_eq!(whole("::ffff:192.0.2.1".parse().unwrap()), from(1));
    }
}

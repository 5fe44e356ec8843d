//! What a process remembers of calls to connections: URLs that do not exist, how many calls came
//! through each, and how many are being read. It bounds what a caller can cost before anything is
//! read or written.

use std::collections::HashMap;
use std::sync::Mutex;

use chrono::TimeDelta;

use crate::Instant;

/// The most URLs that are remembered, of either kind.
const MOST_URLS: usize = 4_096;

/// For how long an unknown URL is answered from memory: a connection may be made meanwhile, but its
/// URL is new then.
const UNKNOWN_FOR: TimeDelta = TimeDelta::minutes(1);

/// How many calls of a URL are taken at once, and how many a second after that.
const CALLS_AT_ONCE: i64 = 200;
const CALLS_A_SECOND: i64 = 20;

/// How many bodies of a URL are read at once: slow ones must not take all connections of a process.
const READ_AT_ONCE: usize = 128;

/// How many refused calls of a URL are kept a minute: anybody who has the URL can send them.
const REFUSED_A_MINUTE: u32 = 30;

/// Whether a call is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rated {
    /// It is.
    Taken,
    /// There were too many: after so many seconds.
    After(u32),
}

#[derive(Debug, Clone, Copy)]
struct Rate {
    /// Calls that may come at once, in thousandths.
    room: i64,
    since: Instant,
    /// The minute of the refused calls, and their number.
    refused: (i64, u32),
}

impl Rate {
    fn room_at(&self, now: Instant) -> i64 {
        // The clock went back: how much has passed is unknown.
        if now < self.since {
            return CALLS_AT_ONCE * 1_000;
        }
        let passed = (now - self.since).num_milliseconds();
        self.room.saturating_add(passed.saturating_mul(CALLS_A_SECOND)).min(CALLS_AT_ONCE * 1_000)
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct KnownUrls {
    unknown: Mutex<HashMap<String, Instant>>,
    rates: Mutex<HashMap<String, Rate>>,
    reading: Mutex<HashMap<String, usize>>,
}

/// A body that is read; dropped when it has been.
pub(crate) struct BodyReading<'k> {
    known: &'k KnownUrls,
    hash: String,
}

impl Drop for BodyReading<'_> {
    fn drop(&mut self) {
        let Ok(mut reading) = self.known.reading.lock() else { return };
        match reading.get_mut(&self.hash) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(reading.remove(&self.hash)),
        }
    }
}

impl KnownUrls {
    /// Whether there was no such URL a moment ago.
    pub(crate) fn is_unknown(&self, hash: &str, now: Instant) -> bool {
        let Ok(unknown) = self.unknown.lock() else { return false };
        unknown.get(hash).is_some_and(|since| now >= *since && now - *since < UNKNOWN_FOR)
    }

    /// There is no such URL.
    pub(crate) fn unknown(&self, hash: &str, now: Instant) {
        if let Ok(mut unknown) = self.unknown.lock() {
            if unknown.len() >= MOST_URLS {
                unknown.clear();
            }
            unknown.insert(hash.to_owned(), now);
        }
    }

    /// One more call of this URL.
    pub(crate) fn one_more(&self, hash: &str, now: Instant) -> Rated {
        self.rate(hash, now, |rate| {
            rate.room = rate.room_at(now);
            rate.since = now;
            if rate.room < 1_000 {
                return Rated::After(1);
            }
            rate.room -= 1_000;
            Rated::Taken
        })
    }

    /// Whether a URL that was opened before takes no more for now: asked before anything is read.
    pub(crate) fn is_full(&self, hash: &str, now: Instant) -> bool {
        let Ok(rates) = self.rates.lock() else { return false };
        rates.get(hash).is_some_and(|rate| rate.room_at(now) < 1_000)
    }

    /// One more body of this URL is read; `None` if there are too many already.
    pub(crate) fn reads(&self, hash: &str) -> Option<BodyReading<'_>> {
        if let Ok(mut reading) = self.reading.lock() {
            let count = reading.entry(hash.to_owned()).or_default();
            if *count >= READ_AT_ONCE {
                return None;
            }
            *count += 1;
        }
        Some(BodyReading { known: self, hash: hash.to_owned() })
    }

    /// Whether one more refused call of this URL is kept.
    pub(crate) fn keeps_refused(&self, hash: &str, now: Instant) -> bool {
        let minute = now.timestamp().div_euclid(60);
        self.rate(hash, now, |rate| {
            if rate.refused.0 != minute {
                rate.refused = (minute, 0);
            }
            rate.refused.1 = rate.refused.1.saturating_add(1);
            rate.refused.1 <= REFUSED_A_MINUTE
        })
    }

    fn rate<T>(&self, hash: &str, now: Instant, with: impl FnOnce(&mut Rate) -> T) -> T {
        let full = || Rate { room: CALLS_AT_ONCE * 1_000, since: now, refused: (0, 0) };
        let Ok(mut rates) = self.rates.lock() else { return with(&mut full()) };
        if rates.len() >= MOST_URLS && !rates.contains_key(hash) {
            rates.clear();
        }
        with(rates.entry(hash.to_owned()).or_insert_with(full))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_url_is_answered_from_memory_for_a_minute() {
        let (known, now) = (KnownUrls::default(), Instant::UNIX_EPOCH);
        known.unknown("hash", now);
        assert!(known.is_unknown("hash", now + TimeDelta::seconds(59)));
        assert!(!known.is_unknown("hash", now + TimeDelta::seconds(60)));
        assert!(!known.is_unknown("hash", now - TimeDelta::seconds(1)), "the clock went back");
        assert!(!known.is_unknown("other", now));
        for nth in 0..MOST_URLS {
            known.unknown(&nth.to_string(), now);
        }
        assert!(known.unknown.lock().unwrap().len() <= MOST_URLS);
    }

    #[test]
    fn a_url_takes_many_calls_at_once_and_then_so_many_a_second() {
        let (known, now) = (KnownUrls::default(), Instant::UNIX_EPOCH);
        for _ in 0..CALLS_AT_ONCE {
            assert_eq!(known.one_more("url", now), Rated::Taken);
        }
        assert_eq!(known.one_more("url", now), Rated::After(1));
        assert!(known.is_full("url", now) && !known.is_full("other", now));
        assert_eq!(known.one_more("other", now), Rated::Taken);
        let later = now + TimeDelta::seconds(1);
        for _ in 0..CALLS_A_SECOND {
            assert_eq!(known.one_more("url", later), Rated::Taken);
        }
        assert_eq!(known.one_more("url", later), Rated::After(1));
    }

    #[test]
    fn so_many_bodies_of_a_url_are_read_at_once() {
        let known = KnownUrls::default();
        let mut reading: Vec<_> = (0..READ_AT_ONCE).map(|_| known.reads("url")).collect();
        assert!(reading.iter().all(Option::is_some) && known.reads("url").is_none());
        assert!(known.reads("other").is_some());
        reading.pop();
        assert!(known.reads("url").is_some());
        reading.clear();
        assert!(known.reading.lock().unwrap().is_empty());
    }

    #[test]
    fn so_many_refused_calls_are_kept_a_minute() {
        let (known, now) = (KnownUrls::default(), Instant::UNIX_EPOCH);
        for _ in 0..REFUSED_A_MINUTE {
            assert!(known.keeps_refused("url", now));
        }
        assert!(!known.keeps_refused("url", now));
        assert!(known.keeps_refused("url", now + TimeDelta::minutes(1)));
    }
}

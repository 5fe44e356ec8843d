//! Ids of new contacts: in the order in which the contacts were made.
//!
//! The milliseconds come first, then an unpredictable number, which is counted up within a
//! millisecond. So contacts that are made together are close in every list and in SQLite's trees,
//! and lists show the oldest first. Two processes may make the same id, though hardly ever; the
//! table refuses the second.

use std::sync::{Mutex, PoisonError};

use dacapo_engine::ids::ContactId;

use crate::Instant;
use crate::ports::{Entropy, LETTERS};

/// How many letters the milliseconds take: enough for a thousand years.
const TIME_LETTERS: u32 = 9;

/// How many letters the rest takes.
const ENTROPY_LETTERS: u32 = 7;

/// Entropy fills the last 34 bits of the 35 that the letters hold.
const SPARED: u32 = 64 - (5 * ENTROPY_LETTERS - 1);

/// The last id that was given.
#[derive(Debug, Default)]
pub(crate) struct LastId(Mutex<(u64, u64)>);

impl LastId {
    /// The next one.
    pub(crate) fn next(&self, now: Instant, entropy: &dyn Entropy) -> ContactId {
        let now = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = if now > last.0 {
            let mut bytes = [0; 8];
            entropy.fill(&mut bytes);
            // Counting up from here does not overflow the letters.
            (now, u64::from_le_bytes(bytes) >> SPARED)
        } else {
            // A clock that is set back has no effect.
            (last.0, last.1.wrapping_add(1))
        };
        let text =
            format!("c{}{}", letters(last.0, TIME_LETTERS), letters(last.1, ENTROPY_LETTERS));
        ContactId::new(text).unwrap_or_else(|_| unreachable!("letters and digits make an id"))
    }
}

/// Whether a word has the form of an id that was made here.
pub(crate) fn is_made(word: &str) -> bool {
    let made = word.len() == 1 + (TIME_LETTERS + ENTROPY_LETTERS) as usize;
    made && word.strip_prefix('c').is_some_and(|rest| rest.bytes().all(|b| LETTERS.contains(&b)))
}

/// When an id was made, if it was made here. What it names is not older.
pub(crate) fn made_at(word: &str) -> Option<Instant> {
    let time = word.get(1..=TIME_LETTERS as usize).filter(|_| is_made(word))?;
    let digit = |byte| LETTERS.iter().position(|letter| *letter == byte);
    let millis = time
        .bytes()
        .try_fold(0_i64, |sum, byte| Some((sum << 5) | i64::try_from(digit(byte)?).ok()?))?;
    Instant::from_timestamp_millis(millis)
}

/// The last `count` letters of a number, in their order.
fn letters(number: u64, count: u32) -> String {
    let digit = |place: u32| usize::try_from(number >> (5 * place) & 31).unwrap_or(0);
    (0..count).rev().map(|place| char::from(LETTERS[digit(place)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(u8);

    impl Entropy for Always {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn ids_are_in_the_order_in_which_they_were_given() {
        let last = LastId::default();
        let at = |millis| Instant::from_timestamp_millis(millis).unwrap();
        let times = [1_796_112_000_000, 1_796_112_000_000, 1_796_111_000_000, 1_796_112_000_001];
        let ids = times.map(|millis| last.next(at(millis), &Always(200)).to_string());
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(ids[0], "c1m8r9w900chj68s3");
        assert_eq!(ids.iter().map(String::len).max(), Some(17));
        assert!(ids.iter().all(|id| is_made(id)));
        assert!(!is_made("c1m8r9w900chj68s") && !is_made("c1m8r9w900chj68sU"));
        assert_eq!(made_at(&ids[0]), Some(at(times[0])));
        assert_eq!((made_at(&ids[3]), made_at("booking-1")), (Some(at(times[3])), None));
    }

    #[test]
    fn chance_tells_two_processes_apart() {
        let now = Instant::from_timestamp_millis(1_796_112_000_000).unwrap();
        let one = LastId::default().next(now, &Always(1));
        assert_ne!(one, LastId::default().next(now, &Always(2)));
    }
}

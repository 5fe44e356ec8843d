//! The backoff of mail that cannot be sent for now: the rate or the daily quota is used up, or the
//! mail service takes none at all. None of this counts as a try.
//!
//! Each wait is an eighth of the time that the mail has waited, so it is late by no more than that
//! when the service takes mail again. One wait is at most two hours. After four days in all the
//! mail has failed. If a message must not be sent after a date (R34), that is checked every time. A
//! queue delivers a message a bounded number of times, and the waits are so long that four days of
//! them stay far below that (`docs/decisions/0040-mail-is-paced.md`).

use chrono::TimeDelta;

use crate::ports::PutOff;

/// How long mail waits at most, all waits together.
pub const LONGEST_WAIT: TimeDelta = TimeDelta::days(4);

/// The longest time that mail waits for its place in the share of its purpose. Then it takes one of
/// the whole rate; after [`LONGEST_WAIT`] of that it is sent without one.
pub const LONGEST_FOR_SLOT: TimeDelta = TimeDelta::days(1);

/// The longest single wait.
const LONGEST_AT_ONCE: TimeDelta = TimeDelta::hours(2);

/// The shortest wait for a place in the rate that is not free soon.
const SHORTEST_FOR_SLOT: TimeDelta = TimeDelta::seconds(20);

/// The next wait of a mail that has waited for this long; `None` if it has failed.
pub fn next(put_off: PutOff, waited: TimeDelta) -> Option<TimeDelta> {
    let least = match put_off {
        // By then the second in which the rate was used up is over.
        PutOff::Rate => TimeDelta::seconds(2),
        // SES advises up to ten minutes.
        PutOff::Quota => TimeDelta::minutes(10),
        PutOff::Stopped => TimeDelta::seconds(15),
    };
    (waited < LONGEST_WAIT).then(|| (waited / 8).clamp(least, LONGEST_AT_ONCE))
}

/// How long a message is hidden that can be sent only after `slot`, and has been in the queue for
/// `waited`.
pub fn for_slot(slot: TimeDelta, waited: TimeDelta) -> TimeDelta {
    slot.max(waited / 3).clamp(SHORTEST_FOR_SLOT, LONGEST_AT_ONCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_is_late_by_an_eighth_of_an_outage_and_waits_no_longer_than_four_days() {
        let hours = TimeDelta::hours;
        assert_eq!(next(PutOff::Rate, TimeDelta::zero()), Some(TimeDelta::seconds(2)));
        assert_eq!(next(PutOff::Stopped, TimeDelta::zero()), Some(TimeDelta::seconds(15)));
        assert_eq!(next(PutOff::Quota, TimeDelta::zero()), Some(TimeDelta::minutes(10)));
        assert_eq!(next(PutOff::Stopped, hours(4)), Some(TimeDelta::minutes(30)));
        assert_eq!(next(PutOff::Quota, hours(60)), Some(hours(2)));
        assert_eq!(next(PutOff::Quota, hours(95)), Some(hours(2)));
        assert_eq!(next(PutOff::Rate, hours(96)), None);
    }

    #[test]
    fn a_turn_is_not_asked_for_again_before_it_can_come() {
        let seconds = TimeDelta::seconds;
        assert_eq!(for_slot(seconds(1), TimeDelta::zero()), seconds(20));
        assert_eq!(for_slot(seconds(90), TimeDelta::zero()), seconds(90));
        assert_eq!(for_slot(seconds(90), TimeDelta::minutes(15)), TimeDelta::minutes(5));
        assert_eq!(for_slot(TimeDelta::days(2), TimeDelta::zero()), TimeDelta::hours(2));
    }
}

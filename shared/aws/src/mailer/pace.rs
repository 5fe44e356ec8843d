//! How fast mail is sent by SES, and which mail goes first.
//!
//! Rate and daily quota are those of the whole account, and the instances of a function share
//! nothing. So each keeps to a share: at most this many batches of a queue are processed at once
//! (`MailConcurrency`), and each instance sends as fast as the rate divided by that.
//!
//! | mail | is sent | if SES refuses it |
//! |---|---|---|
//! | transactional | at the whole rate, a batch at once | it comes again in seconds |
//! | marketing | at 4/5 of the rate, up to 9/10 of the quota | more slowly for a while |
//!
//! Each refusal halves the speed of an instance, which is back at its share after a minute and a
//! half. Together both kinds may exceed the rate; then marketing mail slows down, and transactional
//! mail does not. What SES answers about the account ([`Account`]) is used for an hour. It is asked
//! earlier if something suggests a change, at most once a minute. Until it has answered the rate is
//! guessed, and it is asked every few seconds (`asking.rs`). Nothing here waits or reads a clock:
//! `now` is the time since the process began.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dacapo_engine::campaign::format::Purpose;
use dacapo_platform::ports::PutOff;

use super::asking::Asking;

/// The part of the rate that marketing mail takes.
const MARKETING_RATE: f64 = 0.8;

/// The part of the daily quota up to which marketing mail is sent.
const MARKETING_QUOTA: f64 = 0.9;

/// How many transactional mails an instance sends at once: a batch.
const MAILS_AT_ONCE: u32 = 10;

/// By how much an instance is out of step with the others, at most: rates are counted by the
/// second.
const STEP: Duration = Duration::from_secs(1);

/// The rate if SES has not answered it: that of an ordinary account outside of the sandbox. A
/// refusal is not counted as a try.
const UNKNOWN_RATE: f64 = 14.0;

/// The least rate that is assumed.
const LEAST_RATE: f64 = 0.001;

/// The slowest speed of marketing mail, as a part of its share.
const SLOWEST: f64 = 1.0 / 32.0;

/// The factor by which it slows down when SES has refused a mail because of the rate.
const SLOWED: f64 = 0.5;

/// How long marketing mail takes from the slowest speed to its full share.
const RECOVERS: Duration = Duration::from_secs(90);

/// How long an answer of SES about the account is used.
const HOLDS: Duration = Duration::from_secs(60 * 60);

/// How long it is used after SES refused mail because of the rate.
const DOUBTFUL: Duration = Duration::from_secs(5 * 60);

/// How long marketing mail waits after SES refused mail because of the daily quota, and how long
/// other mail does.
const USED_UP: Duration = Duration::from_secs(10 * 60);
const USED_UP_FOR_ALL: Duration = Duration::from_secs(60);

/// The answer of SES about the account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Account {
    /// How many mails a second it may send.
    pub rate: f64,
    /// How many in 24 hours; nothing if there is no limit.
    pub quota: Option<f64>,
    /// How many it has sent in the last 24 hours.
    pub sent: f64,
    /// Whether it may send.
    pub sends: bool,
}

/// The speed of one instance. Shared by everything that it does at once.
#[derive(Debug)]
pub struct Pace {
    /// How many instances there are at most for each kind of mail.
    instances: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    account: Option<Account>,
    /// When SES answered.
    said: Duration,
    asking: Asking,
    /// How many mails were sent from here since SES counted those of the account.
    sent: f64,
    /// When the next mail of each kind may be sent if the share is kept exactly.
    transactional: Duration,
    marketing: Duration,
    /// The speed of marketing mail when it was last slowed down, as a part of its share, and when
    /// that was.
    slowed: Option<(f64, Duration)>,
    /// When SES refused mail because of the rate.
    refused: Option<Duration>,
    /// When it refused mail because of the daily quota, or because the account may not send.
    used_up: Option<Duration>,
    stopped: Option<Duration>,
}

impl Pace {
    /// For this many instances at most for each kind of mail.
    pub fn of(instances: u32) -> Self {
        let state = State {
            account: None,
            said: Duration::ZERO,
            asking: Asking::default(),
            sent: 0.0,
            transactional: Duration::ZERO,
            marketing: Duration::ZERO,
            slowed: None,
            refused: None,
            used_up: None,
            stopped: None,
        };
        Self { instances: f64::from(instances.max(1)), state: Mutex::new(state) }
    }

    /// How long a mail waits for its slot, which is reserved for it from now on. `Err`: its slot
    /// would come later than `within`, this long from now, and is not reserved.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn slot(
        &self,
        purpose: Purpose,
        now: Duration,
        within: Duration,
    ) -> Result<Duration, Duration> {
        let mut state = self.state();
        // Mail that is held anyway takes no slot.
        if state.puts_off(purpose, now, self.instances).is_some() {
            return Ok(Duration::ZERO);
        }
        let rate = state.rate();
        let part = match purpose {
            Purpose::Transactional => 1.0,
            Purpose::Marketing => MARKETING_RATE * state.part_of_share(now),
        };
        // An invalid rate makes mail slow; it does not stop it.
        let interval = Duration::from_secs_f64(self.instances / (rate * part).max(LEAST_RATE));
        // Instances that start at the same time would stay in step, and all send at once again and
        // again.
        let step = interval.min(STEP).mul_f64(state.asking.drawn());
        let (next, ahead) = match purpose {
            Purpose::Transactional => (&mut state.transactional, interval * MAILS_AT_ONCE),
            Purpose::Marketing => (&mut state.marketing, Duration::ZERO),
        };
        let exact = if *next > now { *next } else { now + step };
        let wait = exact.saturating_sub(ahead).saturating_sub(now);
        if wait > within {
            return Err(wait);
        }
        *next = exact + interval;
        Ok(wait)
    }

    /// What stops mail of this purpose for now.
    pub fn puts_off(&self, purpose: Purpose, now: Duration) -> Option<(PutOff, String)> {
        self.state().puts_off(purpose, now, self.instances)
    }

    /// A mail was sent.
    pub fn left(&self) {
        self.state().sent += 1.0;
    }

    /// SES has refused a mail for this reason.
    pub fn refused(&self, put_off: PutOff, now: Duration) {
        let mut state = self.state();
        match put_off {
            PutOff::Rate => {
                let part = (state.part_of_share(now) * SLOWED).max(SLOWEST);
                state.slowed = Some((part, now));
                state.refused = Some(now);
            }
            PutOff::Quota => state.used_up = Some(now),
            PutOff::Stopped => state.stopped = Some(now),
        }
    }

    /// Whether SES is to be asked about the account now. The caller that gets `true` asks.
    pub fn asks(&self, now: Duration) -> bool {
        let mut state = self.state();
        let asks = state.is_in_doubt(now, self.instances) && state.asking.is_in(now).is_zero();
        if asks {
            state.asking.asks(now);
        }
        asks
    }

    /// How long until SES is asked again while nothing is known of the account. Turns are guessed
    /// until then, and no mail waits for a later one.
    pub fn guesses_for(&self, now: Duration) -> Option<Duration> {
        let state = self.state();
        state.account.is_none().then(|| state.asking.is_in(now))
    }

    /// SES was asked and did not answer, but may in a moment. Answers whether it is asked again in
    /// a few seconds.
    pub fn not_said(&self, now: Duration) -> bool {
        let mut state = self.state();
        state.account.is_none() && state.asking.asks_again(now)
    }

    /// SES has answered this. The next mail waits as long as if that had been known before.
    pub fn said(&self, account: Account, now: Duration) {
        let mut state = self.state();
        let slower = (state.rate() / account.rate.max(LEAST_RATE)).min(1.0 / LEAST_RATE);
        let moved = |next: Duration| now + next.saturating_sub(now).mul_f64(slower);
        (state.transactional, state.marketing) =
            (moved(state.transactional), moved(state.marketing));
        state.account = Some(account);
        state.said = now;
        state.sent = 0.0;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How many mails a second the account may send, as far as that is known.
    fn rate(&self) -> f64 {
        self.account.map_or(UNKNOWN_RATE, |account| account.rate)
    }

    fn part_of_share(&self, now: Duration) -> f64 {
        self.slowed.map_or(1.0, |(part, at)| {
            let recovered = now.saturating_sub(at).as_secs_f64() / RECOVERS.as_secs_f64();
            (part + recovered).min(1.0)
        })
    }

    /// About how many mails the account has sent in 24 hours: the other instances are assumed to
    /// send as many as this one.
    fn estimated(&self, account: Account, instances: f64) -> f64 {
        account.sent + self.sent * instances
    }

    fn kept_for_transactional(&self, instances: f64) -> Option<(f64, f64)> {
        let account = self.account?;
        let quota = account.quota?;
        let estimated = self.estimated(account, instances);
        (estimated >= quota * MARKETING_QUOTA).then_some((estimated, quota))
    }

    fn puts_off(
        &self,
        purpose: Purpose,
        now: Duration,
        instances: f64,
    ) -> Option<(PutOff, String)> {
        if self.account.is_some_and(|account| !account.sends) {
            let why = "SES takes no mail from this account: sending is paused or suspended";
            return Some((PutOff::Stopped, why.to_owned()));
        }
        let since_used_up = self.used_up.map(|at| now.saturating_sub(at));
        let waits = match purpose {
            Purpose::Transactional => USED_UP_FOR_ALL,
            Purpose::Marketing => USED_UP,
        };
        if since_used_up.is_some_and(|since| since < waits) {
            let why = "SES: the account has sent as many mails as it may in 24 hours";
            return Some((PutOff::Quota, why.to_owned()));
        }
        let (sent, quota) = match purpose {
            Purpose::Transactional => None,
            Purpose::Marketing => self.kept_for_transactional(instances),
        }?;
        let why = format!(
            "SES: about {sent:.0} of the {quota:.0} mails are sent that the account may send in 24 \
             hours; what is left is kept for transactional mail"
        );
        Some((PutOff::Quota, why))
    }

    fn is_in_doubt(&self, now: Duration, instances: f64) -> bool {
        let Some(account) = self.account else { return true };
        let later = |at: Option<Duration>| at.is_some_and(|at| at >= self.said);
        let age = now.saturating_sub(self.said);
        age >= HOLDS
            || (age >= DOUBTFUL && later(self.refused))
            || !account.sends
            || later(self.used_up)
            || later(self.stopped)
            || self.kept_for_transactional(instances).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Purpose::{Marketing, Transactional};

    const USUAL: Account = Account { rate: 14.0, quota: Some(50_000.0), sent: 0.0, sends: true };

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// An instance of ten that knows its account from the beginning.
    fn pace(account: Account) -> Pace {
        let pace = Pace::of(10);
        assert!(pace.asks(Duration::ZERO));
        pace.said(account, Duration::ZERO);
        pace
    }

    /// How many mails have their slot within a time, if each is asked for after the slot of the one
    /// before.
    fn slots(pace: &Pace, purpose: Purpose, from: f64, until: f64) -> usize {
        let mut now = seconds(from);
        let mut slots = 0;
        while now < seconds(until) {
            now += pace.slot(purpose, now, seconds(1_000.0)).unwrap();
            slots += 1;
        }
        slots
    }

    #[test]
    fn all_instances_together_send_marketing_mail_at_four_fifths_of_the_rate() {
        assert_eq!(slots(&pace(USUAL), Marketing, 0.0, 1_000.0).div_ceil(10), 113);
        assert_eq!(slots(&pace(Account { rate: 1.0, ..USUAL }), Marketing, 0.0, 1_000.0), 81);
    }

    #[test]
    fn a_batch_of_transactional_mail_leaves_at_once_and_a_flood_at_the_rate() {
        let pace = pace(USUAL);
        for _ in 0..10 {
            assert_eq!(
                pace.slot(Transactional, Duration::ZERO, Duration::ZERO),
                Ok(Duration::ZERO)
            );
        }
        let more = slots(&pace, Transactional, 0.0, 100.0);
        assert!((140..=142).contains(&more), "{more}");
    }

    #[test]
    fn marketing_mail_does_not_wait_in_front_of_transactional_mail() {
        let pace = pace(USUAL);
        while pace.slot(Marketing, Duration::ZERO, seconds(20.0)).is_ok() {}
        assert_eq!(pace.slot(Transactional, Duration::ZERO, Duration::ZERO), Ok(Duration::ZERO));
    }

    #[test]
    fn instances_that_begin_together_do_not_go_in_step() {
        let waits = [1, 2, 3, 4].map(|millis| {
            let (pace, now) = (Pace::of(10), Duration::from_millis(millis));
            assert!(pace.asks(now));
            pace.slot(Marketing, now, seconds(1.0)).unwrap().as_millis()
        });
        let mut others = waits.to_vec();
        others.sort_unstable();
        others.dedup();
        assert_eq!(others.len(), 4, "{waits:?}");
    }

    #[test]
    fn what_comes_too_late_has_no_turn_and_takes_none_away() {
        let pace = pace(Account { rate: 0.1, ..USUAL });
        assert!(pace.slot(Marketing, Duration::ZERO, seconds(20.0)).unwrap() <= STEP);
        let late = pace.slot(Marketing, Duration::ZERO, seconds(20.0));
        assert!(late.unwrap_err() >= seconds(125.0) && late.unwrap_err() <= seconds(126.0));
        assert_eq!(pace.slot(Marketing, Duration::ZERO, seconds(20.0)), late);
    }

    #[test]
    fn marketing_mail_gives_way_where_the_rate_is_used_up_and_comes_back() {
        let pace = pace(USUAL);
        pace.refused(PutOff::Rate, seconds(1.0));
        // Half of its share: one every 1.8 seconds at first.
        let marketing = slots(&pace, Marketing, 1.0, 8.0);
        assert!((4..=5).contains(&marketing), "{marketing}");
        let transactional = slots(&pace, Transactional, 1.0, 11.0);
        assert!((25..=26).contains(&transactional), "{transactional}");
        assert!((pace.state().part_of_share(seconds(23.5)) - 0.75).abs() < 1e-9);
        assert!((pace.state().part_of_share(seconds(46.0)) - 1.0).abs() < 1e-9);
        for _ in 0..50 {
            pace.refused(PutOff::Rate, seconds(200.0));
        }
        assert!((pace.state().part_of_share(seconds(200.0)) - SLOWEST).abs() < f64::EPSILON);
    }

    #[test]
    fn the_last_tenth_of_the_days_quota_is_kept_for_transactional_mail() {
        let pace = pace(Account { sent: 44_000.0, ..USUAL });
        for _ in 0..99 {
            pace.left();
        }
        assert_eq!(pace.puts_off(Marketing, seconds(90.0)), None);
        pace.left();
        let (put_off, why) = pace.puts_off(Marketing, seconds(90.0)).unwrap();
        assert_eq!(put_off, PutOff::Quota);
        assert!(why.contains("45000 of the 50000"), "{why}");
        assert_eq!(pace.puts_off(Transactional, seconds(90.0)), None);
        // Others may have sent less, so SES is asked, once a minute, and counts.
        assert!(pace.asks(seconds(91.0)));
        assert!(!pace.asks(seconds(92.0)));
        pace.said(Account { sent: 44_200.0, ..USUAL }, seconds(91.0));
        assert_eq!(pace.puts_off(Marketing, seconds(92.0)), None);
        let without = Account { quota: None, sent: 1e9, ..USUAL };
        pace.said(without, seconds(93.0));
        assert_eq!(pace.puts_off(Marketing, seconds(94.0)), None);
    }

    #[test]
    fn a_quota_that_is_used_up_and_an_account_that_may_not_send_hold_all_mail_for_a_while() {
        let pace = pace(USUAL);
        pace.refused(PutOff::Quota, seconds(100.0));
        let held = |purpose, at| pace.puts_off(purpose, seconds(at)).map(|(put_off, _)| put_off);
        assert_eq!(held(Transactional, 159.0), Some(PutOff::Quota));
        assert_eq!(held(Transactional, 160.0), None);
        assert_eq!(held(Marketing, 699.0), Some(PutOff::Quota));
        assert_eq!(held(Marketing, 700.0), None);
        assert!(pace.asks(seconds(101.0)));
        pace.said(Account { sends: false, ..USUAL }, seconds(101.0));
        assert_eq!(held(Transactional, 1_000.0), Some(PutOff::Stopped));
        // Mail that is held takes no slot.
        assert_eq!(pace.slot(Marketing, seconds(1_000.0), Duration::ZERO), Ok(Duration::ZERO));
        assert_eq!(pace.slot(Marketing, seconds(1_000.0), Duration::ZERO), Ok(Duration::ZERO));
        assert!(pace.asks(seconds(1_000.0)), "it may be allowed to again");
    }

    #[test]
    fn while_the_rate_is_guessed_ses_is_asked_again_in_seconds_and_turns_follow_what_it_says() {
        for rate in [280.0, 1.0] {
            let pace = Pace::of(10);
            assert!(pace.asks(Duration::ZERO));
            assert!(pace.not_said(Duration::ZERO));
            let again = pace.guesses_for(Duration::ZERO).unwrap();
            assert!((seconds(1.0)..=seconds(5.0)).contains(&again), "{again:?}");
            while pace.slot(Marketing, Duration::ZERO, again).is_ok() {}
            assert!(!pace.asks(again - Duration::from_millis(1)));
            assert!(pace.asks(again));
            pace.said(Account { rate, ..USUAL }, again);
            assert_eq!(pace.guesses_for(again), None);
            let interval = seconds(10.0 / (rate * MARKETING_RATE));
            let next = pace.slot(Marketing, again, seconds(100.0)).unwrap();
            assert!(next <= interval.max(STEP), "{rate} a second: the next in {next:?}");
            let more =
                slots(&pace, Marketing, again.as_secs_f64() + 10.0, again.as_secs_f64() + 110.0);
            let expected = (rate * MARKETING_RATE * 10.0) as usize;
            assert!(more.abs_diff(expected) <= 10, "{more} of {expected}");
        }
    }

    #[test]
    fn what_is_known_of_the_account_will_do_for_another_minute() {
        let pace = pace(USUAL);
        assert!(pace.asks(seconds(3_600.0)));
        assert!(!pace.not_said(seconds(3_600.0)), "it is known, as it was an hour ago");
        assert_eq!(pace.guesses_for(seconds(3_600.0)), None);
        assert!(!pace.asks(seconds(3_659.0)));
    }

    #[test]
    fn what_ses_says_is_asked_for_once_an_hour_and_earlier_where_it_may_have_changed() {
        let pace = pace(USUAL);
        assert!(!pace.asks(seconds(3_599.0)));
        assert!(pace.asks(seconds(3_600.0)));
        // It did not answer.
        assert!(!pace.asks(seconds(3_659.0)));
        assert!(pace.asks(seconds(3_691.0)));
        pace.said(USUAL, seconds(3_691.0));
        pace.refused(PutOff::Rate, seconds(3_700.0));
        assert!(!pace.asks(seconds(3_800.0)));
        assert!(pace.asks(seconds(4_000.0)));
        pace.said(USUAL, seconds(4_000.0));
        pace.refused(PutOff::Stopped, seconds(4_001.0));
        assert!(pace.asks(seconds(4_100.0)));
    }
}

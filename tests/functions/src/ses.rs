//! A mail service with the limits of SES: mails a second, mails in any 24 hours, and an account
//! that can be paused.

use std::collections::VecDeque;
use std::time::Duration;

use dacapo_aws::mailer::pace::Account;
use dacapo_platform::ports::PutOff;

/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The service. Times are counted from two days before a test begins: [`Ses::BEGIN`].
#[derive(Debug)]
pub struct Ses {
    rate: u32,
    quota: Option<u32>,
    /// The instants of the mails of the last second, and the numbers of the last day by instant.
    second: VecDeque<Duration>,
    day: VecDeque<(Duration, u32)>,
    paused: Option<(Duration, Duration)>,
    /// When it last answered a request for the account's quota.
    said: Option<Duration>,
    /// How many mails it has refused.
    pub refused: usize,
}

impl Ses {
    /// When a test begins.
    pub const BEGIN: Duration = Duration::from_secs(2 * 24 * 60 * 60);

    /// A service that takes so many mails a second and so many in 24 hours.
    pub fn of(rate: u32, quota: Option<u32>) -> Self {
        let (second, day) = (VecDeque::new(), VecDeque::new());
        Self { rate, quota, second, day, paused: None, said: None, refused: 0 }
    }

    /// So many mails left at an instant before.
    #[must_use]
    pub fn having_sent(mut self, mails: u32, at: Duration) -> Self {
        self.day.push_back((at, mails));
        self
    }

    /// The account may not send from one instant to another.
    #[must_use]
    pub fn paused(mut self, from: Duration, until: Duration) -> Self {
        self.paused = Some((from, until));
        self
    }

    fn forget(&mut self, now: Duration) {
        while self.second.front().is_some_and(|at| *at + Duration::from_secs(1) <= now) {
            self.second.pop_front();
        }
        while self.day.front().is_some_and(|(at, _)| *at + DAY <= now) {
            self.day.pop_front();
        }
    }

    fn sent_in_a_day(&self) -> u32 {
        self.day.iter().map(|(_, mails)| mails).sum()
    }

    fn sends(&self, now: Duration) -> bool {
        !self.paused.is_some_and(|(from, until)| (from..until).contains(&now))
    }

    /// Receives a mail.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub fn send(&mut self, now: Duration) -> Result<(), PutOff> {
        self.forget(now);
        let refused = if !self.sends(now) {
            Some(PutOff::Stopped)
        } else if self.quota.is_some_and(|quota| self.sent_in_a_day() >= quota) {
            Some(PutOff::Quota)
        } else if self.second.len() >= self.rate as usize {
            Some(PutOff::Rate)
        } else {
            None
        };
        if let Some(hold) = refused {
            self.refused += 1;
            return Err(hold);
        }
        self.second.push_back(now);
        match self.day.back_mut() {
            Some((at, mails)) if now < *at + Duration::from_secs(1) => *mails += 1,
            Some(_) | None => self.day.push_back((now, 1)),
        }
        Ok(())
    }

    /// A request for the account's quota. It answers one a second over all callers; `None` to the
    /// others.
    pub fn asked(&mut self, now: Duration) -> Option<Account> {
        if self.said.is_some_and(|said| now < said + Duration::from_secs(1)) {
            return None;
        }
        self.said = Some(now);
        Some(self.account(now))
    }

    /// The quota of the account.
    pub fn account(&mut self, now: Duration) -> Account {
        self.forget(now);
        Account {
            rate: f64::from(self.rate),
            quota: self.quota.map(f64::from),
            sent: f64::from(self.sent_in_a_day()),
            sends: self.sends(now),
        }
    }
}

//! A burst of marketing mail on a manual clock: ten instances that share nothing, a queue that
//! counts how often it delivers a message, and a mail service with the limits of SES. The pace of
//! each instance and the waiting time of mail are the production code. Nothing is lost, and
//! reminders leave within a minute throughout.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use chrono::TimeDelta;
use dacapo_aws::mailer::pace::Pace;
use dacapo_engine::campaign::format::Purpose;
use dacapo_engine::hash::stable;
use dacapo_functions_tests::ses::Ses;
use dacapo_platform::mail_backoff;
use dacapo_platform::ports::PutOff;

/// As in the functions: the size of a batch, how long it waits to send, how long SES takes for a
/// mail.
const BATCH: usize = 10;
const DEADLINE: Duration = Duration::from_secs(20);
const SENDING: Duration = Duration::from_millis(60);

/// How long an instance that found nothing waits before it polls again: until a message is visible,
/// within these bounds.
const POLL: Duration = Duration::from_secs(1);
const POLL_AT_LAST: Duration = Duration::from_secs(5);

/// How often a queue delivers a message before it gives it up: `maxReceiveCount`.
const RECEIVED_AT_MOST: u32 = 200;

const HOUR: u64 = 3_600;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A message.
#[derive(Debug)]
struct Mail {
    purpose: Purpose,
    queued: Duration,
    received: u32,
    put_off_since: Option<Duration>,
    sent: Option<Duration>,
}

/// What happens at an instant.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// An instance polls for a batch.
    Poll(usize),
    /// A message of its batch may be sent.
    Slot(usize, usize),
    /// It is done with its batch.
    Done(usize),
}

/// One instance of the function, which handles one queue.
struct Instance {
    purpose: Purpose,
    pace: Pace,
    /// What stays of its batch, and for how long it is hidden.
    stays: Vec<(usize, Duration)>,
}

struct Simulation {
    ses: Ses,
    mails: Vec<Mail>,
    /// By queue, transactional and marketing: when a message is visible.
    queues: [BinaryHeap<Reverse<(Duration, usize)>>; 2],
    instances: Vec<Instance>,
    events: BinaryHeap<Reverse<(Duration, Event)>>,
    failed: usize,
}

fn of(purpose: Purpose) -> usize {
    match purpose {
        Purpose::Transactional => 0,
        Purpose::Marketing => 1,
    }
}

fn span(time: Duration) -> TimeDelta {
    TimeDelta::from_std(time).unwrap()
}

/// Up to a quarter more at random, as the functions hide messages.
fn spread(wait: TimeDelta, mail: &Mail, id: usize) -> Duration {
    let drawn = stable(&["hidden", &id.to_string(), &mail.received.to_string()]) % 1_000;
    let more = wait / 4 * i32::try_from(drawn).unwrap() / 1_000;
    (wait + more).to_std().unwrap()
}

impl Simulation {
    /// So many instances for each queue.
    fn new(ses: Ses, concurrency: usize) -> Self {
        let mut simulation = Self {
            ses,
            mails: Vec::new(),
            queues: [BinaryHeap::new(), BinaryHeap::new()],
            instances: Vec::new(),
            events: BinaryHeap::new(),
            failed: 0,
        };
        for purpose in [Purpose::Transactional, Purpose::Marketing] {
            for _ in 0..concurrency {
                let instance = simulation.instances.len();
                let pace = Pace::of(u32::try_from(concurrency).unwrap());
                simulation.instances.push(Instance { purpose, pace, stays: Vec::new() });
                let begins = Ses::BEGIN + Duration::from_millis(7 * instance as u64);
                simulation.events.push(Reverse((begins, Event::Poll(instance))));
            }
        }
        simulation
    }

    fn queue(&mut self, purpose: Purpose, mails: usize, at: Duration) {
        for _ in 0..mails {
            let id = self.mails.len();
            let queued = Ses::BEGIN + at;
            self.mails.push(Mail { purpose, queued, received: 0, put_off_since: None, sent: None });
            self.queues[of(purpose)].push(Reverse((queued, id)));
        }
    }

    /// Runs until nothing is left, or that time is over.
    fn run(&mut self, until: Duration) {
        let mut left = self.mails.len();
        while left > 0 {
            let Reverse((now, event)) = self.events.pop().unwrap();
            if now > Ses::BEGIN + until {
                break;
            }
            match event {
                Event::Poll(instance) => self.poll(instance, now),
                Event::Slot(instance, id) => left -= usize::from(self.slot(instance, id, now)),
                Event::Done(instance) => {
                    let Instance { purpose, stays, .. } = &mut self.instances[instance];
                    for (id, hidden) in stays.drain(..) {
                        self.queues[of(*purpose)].push(Reverse((now + hidden, id)));
                    }
                    self.events.push(Reverse((now, Event::Poll(instance))));
                }
            }
        }
    }

    fn poll(&mut self, instance: usize, now: Duration) {
        let Instance { purpose, pace, stays } = &mut self.instances[instance];
        let queue = &mut self.queues[of(*purpose)];
        let mut done = now;
        let mut taken = 0;
        while taken < BATCH && queue.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Reverse((_, id)) = queue.pop().unwrap();
            let mail = &mut self.mails[id];
            (taken, mail.received) = (taken + 1, mail.received + 1);
            assert!(mail.received <= RECEIVED_AT_MOST, "it fell into the dead letters: {mail:?}");
            if pace.asks(now) {
                pace.said(self.ses.account(now), now);
            }
            let waited = span(now - mail.queued);
            let without_slot = waited >= mail_backoff::LONGEST_FOR_SLOT;
            match pace.slot(*purpose, now, DEADLINE) {
                _ if without_slot => self.events.push(Reverse((now, Event::Slot(instance, id)))),
                Ok(wait) => {
                    done = done.max(now + wait);
                    self.events.push(Reverse((now + wait, Event::Slot(instance, id))));
                }
                Err(slot) => {
                    let hidden = spread(mail_backoff::for_slot(span(slot), waited), mail, id);
                    stays.push((id, hidden));
                }
            }
        }
        let visible = queue.peek().map_or(now, |Reverse((at, _))| *at);
        let next = match taken {
            // No two poll at the same instant.
            0 => {
                let looks = visible.clamp(now + POLL, now + POLL_AT_LAST);
                (looks + Duration::from_millis(instance as u64), Event::Poll(instance))
            }
            _ => (done + SENDING, Event::Done(instance)),
        };
        self.events.push(Reverse(next));
    }

    /// Returns whether it has ended.
    fn slot(&mut self, instance: usize, id: usize, now: Duration) -> bool {
        let Instance { purpose, pace, stays } = &mut self.instances[instance];
        let mail = &mut self.mails[id];
        let held = match pace.puts_off(*purpose, now) {
            Some((hold, _)) => hold,
            None => match self.ses.send(now) {
                Ok(()) => {
                    pace.left();
                    mail.sent = Some(now);
                    return true;
                }
                Err(hold) => {
                    pace.refused(hold, now);
                    hold
                }
            },
        };
        let since = *mail.put_off_since.get_or_insert(now);
        let Some(wait) = mail_backoff::next(held, span(now - since)) else {
            self.failed += 1;
            return true;
        };
        stays.push((id, spread(wait, mail, id)));
        false
    }

    /// Checks that nothing is lost. Returns when the last mail of a kind had left, how long one of
    /// them waited at most, and how often one of them was received at most.
    fn sent(&self, purpose: Purpose) -> (Duration, Duration, u32) {
        assert_eq!(self.failed, 0);
        let mut all = (Duration::ZERO, Duration::ZERO, 0);
        for mail in self.mails.iter().filter(|mail| mail.purpose == purpose) {
            let sent = mail.sent.unwrap_or_else(|| panic!("it is still there: {mail:?}"));
            all.0 = all.0.max(sent - Ses::BEGIN);
            all.1 = all.1.max(sent - mail.queued);
            all.2 = all.2.max(mail.received);
        }
        println!("{purpose:?}: {all:?}, refused {}", self.ses.refused);
        all
    }
}

#[test]
fn a_burst_of_60_000_mails_at_14_a_second_loses_none_and_reminders_leave_within_a_minute() {
    let mut simulation = Simulation::new(Ses::of(14, None), 10);
    simulation.queue(Purpose::Marketing, 60_000, Duration::ZERO);
    for at in (0..2 * HOUR).step_by(2) {
        simulation.queue(Purpose::Transactional, 1, seconds(at));
    }
    // Contacts with an appointment at ten are reminded at nine.
    simulation.queue(Purpose::Transactional, 200, seconds(1_800));
    simulation.run(seconds(3 * HOUR));
    let (last, _, received) = simulation.sent(Purpose::Marketing);
    assert!(last < seconds(95 * 60), "four fifths of the rate: {last:?}");
    assert!(received <= 10, "what waits is not handed out: {received}");
    let (_, longest, _) = simulation.sent(Purpose::Transactional);
    assert!(longest < seconds(60), "{longest:?}");
    assert!(simulation.ses.refused < 3_000, "SES seldom refuses: {}", simulation.ses.refused);
}

#[test]
fn a_days_quota_that_comes_free_after_eight_hours_holds_marketing_mail_and_no_reminder() {
    // 20,000 left sixteen hours ago: of 50,000, marketing mail may be 25,000 now, and the rest in
    // eight hours and later.
    let ses = Ses::of(14, Some(50_000)).having_sent(20_000, Ses::BEGIN - seconds(16 * HOUR));
    let mut simulation = Simulation::new(ses, 10);
    simulation.queue(Purpose::Marketing, 60_000, Duration::ZERO);
    for at in (0..30 * HOUR).step_by(30) {
        simulation.queue(Purpose::Transactional, 1, seconds(at));
    }
    simulation.run(seconds(40 * HOUR));
    let (last, _, received) = simulation.sent(Purpose::Marketing);
    assert!(last < seconds(30 * HOUR), "{last:?}");
    assert!(received <= 60, "{received}");
    let (_, longest, _) = simulation.sent(Purpose::Transactional);
    assert!(longest < seconds(60), "{longest:?}");
}

#[test]
fn an_account_that_is_paused_for_eight_hours_sends_everything_afterwards() {
    let ses =
        Ses::of(14, None).paused(Ses::BEGIN + seconds(600), Ses::BEGIN + seconds(600 + 8 * HOUR));
    let mut simulation = Simulation::new(ses, 10);
    simulation.queue(Purpose::Marketing, 20_000, Duration::ZERO);
    simulation.queue(Purpose::Transactional, 500, seconds(2 * HOUR));
    simulation.run(seconds(24 * HOUR));
    let (last, ..) = simulation.sent(Purpose::Marketing);
    // An eighth of the outage late, and then at their rate.
    assert!(last < seconds(12 * HOUR), "{last:?}");
    let (last, ..) = simulation.sent(Purpose::Transactional);
    assert!(last < seconds(10 * HOUR), "{last:?}");
}

#[test]
fn a_flood_of_reminders_leaves_at_the_whole_rate_and_marketing_mail_gives_way() {
    let mut simulation = Simulation::new(Ses::of(14, None), 10);
    simulation.queue(Purpose::Marketing, 20_000, Duration::ZERO);
    simulation.queue(Purpose::Transactional, 10_000, seconds(60));
    simulation.run(seconds(3 * HOUR));
    let (last, ..) = simulation.sent(Purpose::Transactional);
    assert!(last < seconds(25 * 60), "12 minutes if nothing else left: {last:?}");
    simulation.sent(Purpose::Marketing);
}

#[test]
fn more_instances_than_mails_a_second_and_the_sandbox_lose_none_either() {
    let mut simulation = Simulation::new(Ses::of(14, None), 100);
    simulation.queue(Purpose::Marketing, 5_000, Duration::ZERO);
    simulation.run(seconds(24 * HOUR));
    simulation.sent(Purpose::Marketing);
    let mut simulation = Simulation::new(Ses::of(1, Some(200)), 10);
    simulation.queue(Purpose::Marketing, 300, Duration::ZERO);
    simulation.queue(Purpose::Transactional, 10, seconds(30));
    simulation.run(seconds(48 * HOUR));
    simulation.sent(Purpose::Marketing);
    let (_, longest, _) = simulation.sent(Purpose::Transactional);
    assert!(longest < seconds(60), "{longest:?}");
}

#[test]
fn a_service_that_never_takes_mail_fails_it_after_four_days_and_leaves_none_to_the_dead_letters() {
    let ses = Ses::of(14, None).paused(Ses::BEGIN, Ses::BEGIN + seconds(10 * 24 * HOUR));
    let mut simulation = Simulation::new(ses, 10);
    simulation.queue(Purpose::Marketing, 100, Duration::ZERO);
    simulation.queue(Purpose::Transactional, 100, Duration::ZERO);
    simulation.run(seconds(6 * 24 * HOUR));
    assert_eq!(simulation.failed, 200);
    assert_eq!(mail_backoff::next(PutOff::Stopped, TimeDelta::days(4)), None);
}

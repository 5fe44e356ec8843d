//! A burst of cold starts on a manual clock: thirty instances ask at once what the account may
//! send, and SES answers one request a second (*GetSendQuota*,
//! <https://docs.aws.amazon.com/ses/latest/APIReference/API_GetSendQuota.html>). All have the
//! answer within a minute, and mail leaves exactly as fast as the account may send. The pace of
//! each instance is the production code.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use dacapo_aws::mailer::pace::Pace;
use dacapo_engine::campaign::format::Purpose;
use dacapo_functions_tests::ses::Ses;

const INSTANCES: u32 = 30;

/// As in the functions: how long a batch waits to send, how long SES takes for a mail.
const DEADLINE: Duration = Duration::from_secs(20);
const SENDING: Duration = Duration::from_millis(60);

/// The time within which all instances have the quota.
const HEARD: Duration = Duration::from_secs(60);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The result.
struct Burst {
    /// When each instance had the quota for the first time.
    first_answer_at: BTreeMap<usize, Duration>,
    /// When mails left.
    sent: Vec<Duration>,
    /// When SES refused one.
    refused: Vec<Duration>,
}

impl Burst {
    /// Instances that begin within a second, each with more mail of this purpose than it can send.
    fn of(mut ses: Ses, purpose: Purpose, until: Duration) -> Self {
        let instances: Vec<Pace> = (0..INSTANCES).map(|_| Pace::of(INSTANCES)).collect();
        let mut events: BinaryHeap<Reverse<(Duration, usize, bool)>> = (0..instances.len())
            .map(|one| Reverse((Duration::from_micros(33_117 * one as u64), one, false)))
            .collect();
        let mut burst =
            Self { first_answer_at: BTreeMap::new(), sent: Vec::new(), refused: Vec::new() };
        while let Some(Reverse((now, one, has_slot))) = events.pop().filter(|next| next.0.0 < until)
        {
            let pace = &instances[one];
            if has_slot {
                match ses.send(Ses::BEGIN + now) {
                    Ok(()) => {
                        pace.left();
                        burst.sent.push(now);
                    }
                    Err(hold) => {
                        pace.refused(hold, now);
                        burst.refused.push(now);
                    }
                }
                events.push(Reverse((now + SENDING, one, false)));
                continue;
            }
            if pace.asks(now) {
                match ses.asked(Ses::BEGIN + now) {
                    Some(account) => {
                        pace.said(account, now);
                        burst.first_answer_at.entry(one).or_insert(now);
                    }
                    None => {
                        pace.not_said(now);
                    }
                }
            }
            // As the mailer waits until it may send.
            let guesses = pace.guesses_for(now).filter(|guesses| *guesses < DEADLINE);
            let next = match (pace.slot(purpose, now, guesses.unwrap_or(DEADLINE)), guesses) {
                (Ok(wait), _) => (now + wait, one, true),
                (Err(_), Some(guesses)) => (now + guesses, one, false),
                (Err(wait), None) => (now + wait, one, false),
            };
            events.push(Reverse(next));
        }
        assert_eq!(burst.first_answer_at.len(), instances.len(), "each asks until it has heard it");
        let last = burst.first_answer_at.values().max().unwrap();
        println!("heard by {last:?}; sent {}, refused {}", burst.sent.len(), burst.refused.len());
        assert!(*last < HEARD, "the last heard it after {last:?}");
        burst
    }

    fn between(all: &[Duration], from: Duration, until: Duration) -> usize {
        all.iter().filter(|at| (from..until).contains(*at)).count()
    }
}

#[test]
fn thirty_instances_that_begin_together_send_at_the_rate_of_their_account_within_a_minute() {
    let burst = Burst::of(Ses::of(280, None), Purpose::Marketing, seconds(180));
    let sent = Burst::between(&burst.sent, seconds(60), seconds(180));
    let expected = 120 * 280 * 8 / 10;
    assert!(sent > expected * 97 / 100 && sent <= expected * 101 / 100, "{sent} of {expected}");
    assert_eq!(burst.refused.len(), 0);
    // Instances with the quota are not delayed by those without.
    let meanwhile = Burst::between(&burst.sent, seconds(0), seconds(60));
    assert!(meanwhile > expected / 4, "{meanwhile}");
}

#[test]
fn in_the_sandbox_thirty_instances_that_begin_together_ask_for_too_much_for_less_than_a_minute() {
    for (purpose, part) in [(Purpose::Marketing, 0.8), (Purpose::Transactional, 1.0)] {
        let burst = Burst::of(Ses::of(1, None), purpose, seconds(1_260));
        let (from, until) = (seconds(60), seconds(1_260));
        let sent = Burst::between(&burst.sent, from, until);
        let asked = sent + Burst::between(&burst.refused, from, until);
        println!("{purpose:?}: of {asked} mails {sent} were taken");
        assert!(asked as f64 <= 1_200.0 * part * 1.05, "{purpose:?}: {asked}");
        assert!(sent > 400, "{purpose:?}: {sent}");
    }
}

//! `decide` alone: the steps of the appointment loop, again and again, on one core.

use std::time::Duration;

use dacapo_engine::account::Account;
use dacapo_engine::campaign::reader;
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::decide::{Decision, Event, Situation, decide};
use dacapo_engine::ids::{ContactId, Tag};
use dacapo_engine::simulation::World;
use dacapo_engine::time::{Instant, Zone};
use serde_json::{Value, json};

use super::figure;
use super::stopwatch::Stopwatch;

/// How long is measured.
const LONG_ENOUGH: Duration = Duration::from_secs(2);

/// Decisions a second: an entry, a settled message, a timer, each a full decision with effects and
/// history.
pub(crate) fn measure() -> Value {
    let account = Account { zone: Zone::Europe__Berlin, locale: "en".to_owned(), sent_until: None };
    let mut world =
        World::new(account, Instant::from_timestamp_millis(1_796_112_000_000).unwrap_or_default());
    let source = reader::read(include_str!("../../../examples/appointment-loop.yaml"))
        .unwrap_or_else(|_| unreachable!("the example is validated by a test"));
    let id = source.document.id.clone();
    world.publish(source.document, false, false);
    let ann = ContactId::new("ann").unwrap_or_else(|_| unreachable!("an id"));
    let lead = Tag::new("Lead").unwrap_or_else(|_| unreachable!("a tag"));
    let patch = Patch { add: vec![lead], ..Patch::default() };
    world.write(&ann, &patch, Author::ApiKey("bench".to_owned()));
    let statuses = |_: &_| None;
    let (Some(contact), Some(campaign)) = (world.contact(&ann), world.campaign(&id)) else {
        unreachable!("both were just made")
    };
    let mut situation = Situation {
        account: &world.account,
        campaign,
        contact,
        person: None,
        baseline: 0,
        enrollment: None,
        statuses: &statuses,
        is_image: true,
        now: world.now(),
    };
    let Decision::Advance(entered) = decide(&situation, &Event::Changed) else {
        unreachable!("the start holds")
    };
    let stopwatch = Stopwatch::start();
    let mut decisions: usize = 0;
    while stopwatch.elapsed() < LONG_ENOUGH {
        for _ in 0..1_000 {
            situation.enrollment = None;
            situation.baseline = 0;
            std::hint::black_box(decide(&situation, &Event::Changed));
            situation.enrollment = Some(&entered.enrollment);
            situation.baseline = 1;
            let settled = Event::Settled {
                run: 1,
                step: 1,
                outcome: dacapo_engine::statistics::Outcome::Sent,
                reason: None,
            };
            std::hint::black_box(decide(&situation, &settled));
            decisions += 2;
        }
    }
    let per_second = figure(decisions) / stopwatch.elapsed().as_secs_f64();
    json!({ "figure": "decisions", "contacts": 1, "per_second": per_second, "micros_a_contact": 1e6 / per_second })
}

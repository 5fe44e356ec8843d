//! Laws of statistics (R53): they agree with the enrollments and the history.

use std::collections::{BTreeMap, BTreeSet};

use dacapo_engine::history::{Happened, Line};
use dacapo_engine::simulation::World;
use dacapo_engine::statistics::{Counter, Gauge, Outcome, Tally};

use crate::check;
use crate::drive::{Key, Performed, Watch};
use crate::runs::lines;
use crate::stories::{campaigns, stories};

const OUTCOMES: [Outcome; 4] =
    [Outcome::Sent, Outcome::Suppressed, Outcome::Failed, Outcome::Unknown];

struct Sums;

impl Watch for Sums {
    fn after(&mut self, done: &Performed<'_>) {
        for campaign in campaigns() {
            let mut sum = Tally::default();
            for (_, enrollment) in done.world.enrollments().filter(|(key, _)| key.1 == campaign) {
                sum.add(&enrollment.tally);
                sum.add(&Gauge::between(None, Some(enrollment)));
            }
            assert_eq!(sum, done.world.statistics(&campaign), "{campaign} after {:?}", done.work);
        }
        for (key, lines) in lines(done.observed) {
            if lines.last().is_some_and(|line| line.what == Happened::StatisticsReset) {
                let after = done.after(&key).expect("it was there");
                assert!(after.tally.is_empty(), "{key:?}: {:?}", after.tally);
            }
        }
    }
}

#[test]
fn r53_statistics_are_the_sums_of_the_enrollments() {
    check(1_500, &stories(40), |story| {
        story.run(&mut Sums);
    });
}

#[test]
fn r53_statistics_are_what_the_history_says() {
    check(1_500, &stories(40), |story| {
        let drive = story.run(&mut crate::drive::Unwatched);
        let history = lines(&drive.world.observed);
        for (key, enrollment) in drive.world.enrollments() {
            let lines = history.get(key).map_or(&[][..], Vec::as_slice);
            assert_recounted(&drive.world, key, &enrollment.tally, lines);
        }
    });
}

fn assert_recounted(world: &World, key: &Key, tally: &Tally, lines: &[Line]) {
    let reset = lines.iter().rposition(|line| line.what == Happened::StatisticsReset);
    let (before, since) = lines.split_at(reset.map_or(0, |at| at + 1));
    // A run counts when it first happens in it.
    let runs = |lines: &[Line], of: fn(&Happened) -> bool| -> BTreeSet<u32> {
        lines.iter().filter(|line| of(&line.what)).map(|line| line.run).collect()
    };
    let first = |of| i64::try_from(runs(since, of).difference(&runs(before, of)).count()).unwrap();
    // A consumed entry has not fired.
    let entered = first(|what| matches!(what, Happened::Entered | Happened::EventFired));
    assert_eq!(tally.get(&Counter::Entered), entered, "{key:?}: {lines:#?}");
    let completed = first(|what| matches!(what, Happened::Completed));
    assert_eq!(tally.get(&Counter::Completed), completed, "{key:?}: {lines:#?}");
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for line in since {
        match &line.what {
            Happened::Reset | Happened::Restarted { .. } | Happened::Released => {
                *counts.entry("restarted").or_default() += 1;
            }
            Happened::MessageSettled { outcome, .. } => {
                *counts.entry(outcome.word()).or_default() += 1;
            }
            _ => {}
        }
    }
    let count = |word: &str| counts.get(word).copied().unwrap_or(0);
    assert_eq!(tally.get(&Counter::NextRuns), count("restarted"), "{key:?}: {lines:#?}");
    for outcome in OUTCOMES {
        let counted = tally.get(&Counter::Messages(outcome));
        assert_eq!(counted, count(outcome.word()), "{key:?}: {lines:#?}");
    }
    let campaign = world.campaign(&key.1).expect("it was published");
    assert!(campaign.timeline.count() > 0);
}

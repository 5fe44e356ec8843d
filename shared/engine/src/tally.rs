//! Counters that can be added and subtracted (R53).
//!
//! A [`Tally`] is a set of them by name. What a decision adds is its delta. An enrollment keeps the
//! sum of its own deltas, so that *reset statistics* (R16) adds the negative of that sum.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::ElementId;
use crate::status::Status;

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counter<'a> {
    /// Runs in which a start or event fired.
    Entered,
    /// Runs that completed.
    Completed,
    /// Resets, restarts and releases.
    NextRuns,
    /// Messages by outcome.
    Messages(Outcome),
    /// Arrivals at an element.
    Arrived(&'a ElementId),
}

/// How a message was settled (R31).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It left.
    Sent,
    /// It was not sent on purpose: no consent, a suppressed address, too late, over a bound,
    /// skipped.
    Suppressed,
    /// It could not be sent.
    Failed,
    /// The outcome of the call is unknown (R30).
    Unknown,
}

impl Outcome {
    /// Its name in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Suppressed => "suppressed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// The counters that are also kept by day.
const DAILY: [&str; 7] =
    ["entered", "completed", "restarted", "sent", "suppressed", "failed", "unknown"];

/// The prefix of an element's counter.
const ARRIVED: &str = "e:";

/// The prefix of an element's gauge.
pub(crate) const RESTING: &str = "at:";

impl Counter<'_> {
    fn name(&self) -> String {
        match self {
            Self::Entered => "entered".to_owned(),
            Self::Completed => "completed".to_owned(),
            Self::NextRuns => "restarted".to_owned(),
            Self::Messages(outcome) => outcome.word().to_owned(),
            Self::Arrived(element) => format!("{ARRIVED}{element}"),
        }
    }
}

/// Counters by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally(BTreeMap<String, i64>);

impl Tally {
    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts one.
    pub fn count(&mut self, counter: &Counter<'_>) {
        self.add_named(counter.name(), 1);
    }

    /// Adds another tally.
    pub fn add(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            self.add_named(name.clone(), *amount);
        }
    }

    /// The negative of this tally.
    pub fn negative(&self) -> Self {
        let mut negative = self.clone();
        negative.0.values_mut().for_each(|amount| *amount = -*amount);
        negative
    }

    /// A counter's sum.
    pub fn get(&self, counter: &Counter<'_>) -> i64 {
        self.0.get(&counter.name()).copied().unwrap_or(0)
    }

    /// A gauge's sum.
    pub fn now(&self, status: Status) -> i64 {
        self.0.get(status.word()).copied().unwrap_or(0)
    }

    /// For every element: arrivals, and tokens resting there now.
    pub fn elements(&self) -> BTreeMap<&str, (i64, i64)> {
        let mut elements: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for (name, amount) in &self.0 {
            if let Some(element) = name.strip_prefix(ARRIVED) {
                elements.entry(element).or_default().0 = *amount;
            } else if let Some(element) = name.strip_prefix(RESTING) {
                elements.entry(element).or_default().1 = *amount;
            }
        }
        elements
    }

    /// What is also counted by day: runs and messages, not where contacts are.
    pub fn of_a_day(&self) -> Self {
        let mut of_a_day = self.clone();
        of_a_day.0.retain(|name, _| DAILY.contains(&name.as_str()));
        of_a_day
    }

    /// The counters by name, as they are stored.
    pub fn counters(&self) -> &BTreeMap<String, i64> {
        &self.0
    }

    pub(crate) fn add_named(&mut self, name: String, amount: i64) {
        let sum = self.0.entry(name).or_insert(0);
        *sum += amount;
        if *sum == 0 {
            self.0.retain(|_, sum| *sum != 0);
        }
    }
}

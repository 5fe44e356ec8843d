//! The explorer: makes everything happen by itself that a campaign reacts to, at every place where
//! a contact can wait, on the engine that runs.
//!
//! It walks over *places*: where a contact stands in every campaign, with its tags and what its
//! fields say, whatever the day. From each it lets every trigger happen, and lets time pass until
//! the next timer. Each place is walked from once. So it promises, up to the stated bound of
//! places, that every combination of triggers has been tried, resets and restarts included.
//!
//! What it does not try: changes that no campaign reads, hours and weekdays other than those that
//! it comes to, guards that take more rounds than one, and dates other than the stated ones.

mod alphabet;
mod findings;
#[cfg(test)]
mod tests;
mod text;
mod walk;
mod ways;

use chrono::TimeDelta;
use dacapo_engine::campaign::format::Document;
use dacapo_engine::ids::{CampaignId, ElementId};
use serde::Serialize;

use crate::simulate::Surroundings;

/// How many days ahead a date is that the explorer sets.
pub const DAYS_AHEAD: i64 = 7;

/// What bounds an exploration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Places that are walked from.
    pub places: usize,
    /// Pieces of work for one trigger.
    pub work: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { places: 3_000, work: 2_000 }
    }
}

/// What came of an exploration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exploration {
    /// The campaigns, in the order in which they were given.
    pub campaigns: Vec<CampaignId>,
    /// How far it went.
    pub bound: Bound,
    /// What was made to happen, in words.
    pub triggers: Vec<String>,
    /// The elements that nothing leads to.
    pub never_reached: Vec<CampaignElement>,
    /// The quickest way from the beginning until all paths of a campaign have ended.
    pub shortest: Option<ExploredPath>,
    /// The slowest way that goes round no loop.
    pub longest: Option<ExploredPath>,
    /// The most messages within 24 hours.
    pub most_messages_a_day: Busiest,
    /// The ways on which a contact comes back to where it was.
    pub loops: Vec<Loop>,
    /// The ways to where a path waits for what can no longer come.
    pub silences: Vec<Silence>,
}

/// How far an exploration went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bound {
    /// How many places there are.
    pub places: usize,
    /// How many at most are walked from.
    pub most_places: usize,
    /// Whether the bound stopped it: then there may be more of everything.
    pub reached: bool,
    /// How many days ahead dates were set.
    pub days_ahead: i64,
}

/// An element of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CampaignElement {
    /// The campaign.
    pub campaign: CampaignId,
    /// The element.
    pub element: ElementId,
}

/// A way, as what happens on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExploredPath {
    /// How long it takes, in seconds.
    pub seconds: i64,
    /// What happens, in order: triggers and time that passes.
    pub steps: Vec<String>,
}

/// The most messages within 24 hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Busiest {
    /// How many.
    pub messages: usize,
    /// Whether only the guard `max_messages_per_day` ends it.
    pub only_bounded_by_the_guard: bool,
    /// The elements that send them, in order.
    pub elements: Vec<ElementId>,
}

/// A way on which a contact comes back to where it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loop {
    /// The elements that it goes through, in order.
    pub elements: Vec<CampaignElement>,
    /// What happens on it, and how long one round takes at least.
    pub round: ExploredPath,
    /// How many messages are sent in a round.
    pub messages: usize,
}

/// Where a path waits for what can no longer come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Silence {
    /// Where it waits.
    #[serde(flatten)]
    pub place: CampaignElement,
    /// The quickest way there.
    pub way: ExploredPath,
    /// The contact's tags there.
    pub tags: Vec<String>,
}

/// Explores validated campaigns together.
pub fn explore(
    documents: &[Document],
    surroundings: &Surroundings,
    limits: &Limits,
) -> Exploration {
    let walked = walk::walk(documents, surroundings, limits);
    findings::of(documents, &walked, limits)
}

/// Seconds as people say them: `2 days 3 hours`.
pub(crate) fn lasting(time: TimeDelta) -> String {
    let seconds = time.num_seconds();
    let parts = [
        (seconds / 86_400, "day"),
        (seconds % 86_400 / 3_600, "hour"),
        (seconds % 3_600 / 60, "minute"),
        (seconds % 60, "second"),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number} {unit}{}", if *number == 1 { "" } else { "s" }))
        .collect();
    if said.is_empty() { "no time".to_owned() } else { said.join(" ") }
}

//! Plays a scenario in a world in memory, on a virtual clock, with the same `decide` as in
//! production.
//!
//! It promises to write nothing and to end: every scenario is bounded ([`Bounds`]), and what a bound
//! stops is an error that names the bound.

mod deeds;
mod observing;
mod people;
mod player;
mod reading;
mod steps;

use chrono::TimeDelta;
use dacapo_engine::account::Account;
use dacapo_engine::campaign::format::Document;
use dacapo_engine::problem::Problem;
use dacapo_engine::simulation::World;
use dacapo_engine::time::{Instant, Zone};

use crate::journey::Journey;
use crate::scenario::{Moment, Scenario};
use crate::wrong::wrong;
use player::Player;

pub use crate::wrong::placed;

/// How long is looked on after the last step of a scenario that does not say how long.
pub const LONGEST_LOOK: TimeDelta = TimeDelta::days(400);

/// Where the clock begins, in the account's zone, unless the scenario says so.
const BEGINNING: &str = "2026-12-01 09:00";

/// What bounds the playing of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Steps in the scenario.
    pub steps: usize,
    /// Contacts in the scenario.
    pub contacts: usize,
    /// Pieces of work: decisions, effects, reactions of people.
    pub events: usize,
    /// From the beginning to the end.
    pub length: TimeDelta,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { steps: 1_000, contacts: 100, events: 50_000, length: TimeDelta::days(3_660) }
    }
}

impl Bounds {
    /// Those of a call of the API.
    pub fn of_a_call() -> Self {
        Self { steps: 200, contacts: 20, events: 10_000, ..Self::default() }
    }
}

/// The account in which scenarios are played that say nothing about it.
pub fn usual_account() -> Account {
    Account { zone: Zone::UTC, locale: "en".to_owned(), sent_until: None }
}

/// Plays a scenario with these validated campaigns. What the scenario does not say about the
/// account is as in `account`.
///
/// # Errors
///
/// What is wrong with the scenario, or which bound ended it; each with its path in the scenario.
/// [`placed`] adds the places in its text.
pub fn simulate(
    documents: &[Document],
    scenario: &Scenario,
    account: &Account,
    bounds: &Bounds,
) -> Result<Journey, Vec<Problem>> {
    let one = |problem: Problem| vec![problem];
    let mut account = account.clone();
    if let Some(zone) = &scenario.time_zone {
        account.zone = zone.0;
    }
    if scenario.then.len() > bounds.steps {
        return Err(one(beyond("then", "steps", scenario.then.len(), bounds.steps)));
    }
    let people = people::people(scenario).map_err(one)?;
    if people.len() > bounds.contacts {
        return Err(one(beyond("contacts", "contacts", people.len(), bounds.contacts)));
    }
    let all: Vec<&Document> = documents.iter().collect();
    let planned = steps::planned(scenario, &people, &all)?;
    let began = scenario.at.or_else(|| BEGINNING.parse().ok());
    let began = began.map_or(Instant::UNIX_EPOCH, |at: Moment| at.instant(account.zone));
    let mut world = World::new(account, began);
    for document in documents {
        for (key, field) in &document.fields {
            world.declare(key.clone(), field.kind);
        }
    }
    for document in documents {
        world.publish(document.clone(), false, false);
    }
    let ids = documents.iter().map(|document| document.id.clone());
    let mut player = Player::new(world, scenario, bounds, ids.collect());
    for person in &people {
        player.arrives(person).map_err(one)?;
    }
    player.plays(&planned).map_err(one)?;
    Ok(player.finished())
}

/// More of something than a bound allows.
fn beyond(path: &str, what: &str, there: usize, most: usize) -> Problem {
    wrong(
        "too_many",
        path,
        format!("the scenario has {there} {what}; at most {most} are played"),
        "split it into several scenarios",
    )
}

//! Plays a scenario in a world in memory, on a virtual clock, with the same `decide` as in
//! production.
//!
//! It promises to write nothing and to end: every scenario is bounded ([`Bounds`]), and what a
//! bound stops is an error that names the bound.

mod deeds;
mod invented;
mod observing;
mod people;
mod player;
mod reading;
mod steps;
mod words;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use dacapo_engine::account::Account;
use dacapo_engine::campaign::format::{Document, FieldDefinition, ObjectDefinition};
use dacapo_engine::ids::{FieldKey, ObjectType};
use dacapo_engine::problem::Problem;
use dacapo_engine::simulation::World;
use dacapo_engine::time::{Instant, Zone};

use crate::journey::Journey;
use crate::scenario::{Moment, Scenario};
use crate::wrong::wrong;
use player::Player;

pub use crate::wrong::placed;
pub use invented::{Invented, invented};

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
    /// Messages that are rendered.
    pub messages: usize,
    /// From the beginning to the end.
    pub length: TimeDelta,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            steps: 1_000,
            contacts: 100,
            events: 50_000,
            messages: 5_000,
            length: TimeDelta::days(3_660),
        }
    }
}

impl Bounds {
    /// Those of a call of the API.
    pub fn of_a_call() -> Self {
        Self { steps: 200, contacts: 20, events: 5_000, messages: 200, ..Self::default() }
    }
}

/// What is around the campaigns, as far as neither they nor the scenario say it.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The account's settings.
    pub account: Account,
    /// Its contact fields, besides those that the campaigns declare.
    pub fields: BTreeMap<FieldKey, FieldDefinition>,
    /// Its types of objects, besides those that the campaigns declare.
    pub objects: BTreeMap<ObjectType, ObjectDefinition>,
}

impl Default for Surroundings {
    /// An account in UTC that writes English and has nothing yet.
    fn default() -> Self {
        let account = Account { zone: Zone::UTC, locale: "en".to_owned(), sent_until: None };
        Self { account, fields: BTreeMap::new(), objects: BTreeMap::new() }
    }
}

impl Surroundings {
    /// A world with these campaigns, in which nothing has happened.
    pub(crate) fn world(&self, documents: &[Document], zone: Zone, began: Instant) -> World {
        let mut world = World::new(Account { zone, ..self.account.clone() }, began);
        let declared = documents.iter().flat_map(|document| &document.fields);
        for (key, field) in self.fields.iter().chain(declared) {
            world.declare(key.clone(), field.kind);
        }
        for (kind, of) in &self.objects {
            world.declare_objects(kind.clone(), of.clone());
        }
        for document in documents {
            world.publish(document.clone(), false, false);
        }
        world
    }
}

/// Plays a scenario with these validated campaigns.
///
/// # Errors
///
/// What is wrong with the scenario, or which bound ended it; each with its path in the scenario.
/// [`placed`] adds the places in its text.
pub fn simulate(
    documents: &[Document],
    scenario: &Scenario,
    surroundings: &Surroundings,
    bounds: &Bounds,
) -> Result<Journey, Vec<Problem>> {
    let one = |problem: Problem| vec![problem];
    let zone = scenario.time_zone.map_or(surroundings.account.zone, |zone| zone.0);
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
    let began = began.map_or(Instant::UNIX_EPOCH, |at: Moment| at.instant(zone));
    let world = surroundings.world(documents, zone, began);
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

//! Publishing with foresight: what becomes of somebody in flight if another document is published.
//!
//! [`ahead`] plays on from where somebody is: in the version that applies to it, and moved to the
//! other document as `in_flight: migrate` moves it (R50). [`again`] plays what is recorded of its
//! run once more: on the versions that it was on, and as if the other document had been published
//! right before the run. Both use the engine that runs, on a world of one subject and one campaign:
//! nothing else happens, every message is sent at once, and other campaigns stand as they stand
//! now. What is played is bounded ([`MOST_EVENTS`]).

mod again;
mod ahead;
mod recorded;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use dacapo_engine::campaign::Campaign;
use dacapo_engine::compact::{CollectCompactly as _, SortCompactly as _};
use dacapo_engine::contact::Contact;
use dacapo_engine::enrollment::{Enrollment, Status};
use dacapo_engine::history::Happened;
use dacapo_engine::ids::{CampaignId, ContactId, ElementId};
use dacapo_engine::simulation::{Observed, World};
use dacapo_engine::statistics::Outcome;
use dacapo_engine::time::Instant;
use serde::Serialize;

use crate::graph::is_passing;
use crate::listed::listed;
use crate::simulate::Surroundings;

pub use again::again;
pub use ahead::ahead;
pub use recorded::Recorded;

/// How many elements of a way are named: a loop of a year passes thousands.
pub const MOST_NAMED: usize = 50;

/// The most pieces of work that are done for one subject and one document: decisions, effects.
pub const MOST_EVENTS: usize = 2_000;

/// What is known of a subject in flight.
#[derive(Debug, Clone)]
pub struct SubjectInFlight<'a> {
    /// The account, its fields and types of objects.
    pub surroundings: &'a Surroundings,
    /// The campaign with the versions that are needed.
    pub campaign: &'a Campaign,
    /// The revision of the catalog.
    pub catalog: u64,
    /// The subject: a contact, or an object.
    pub subject: &'a Contact,
    /// The contact whose object the subject is.
    pub person: Option<&'a Contact>,
    /// Where it is.
    pub enrollment: &'a Enrollment,
    /// Its statuses in other campaigns.
    pub statuses: &'a BTreeMap<CampaignId, Status>,
    /// The instant.
    pub now: Instant,
}

/// A way through a campaign, and where it led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlayedRun {
    /// The elements that were passed, in order.
    pub passed: Vec<ElementId>,
    /// The e-mail elements whose messages were sent, in order.
    pub sent: Vec<ElementId>,
    /// Where its paths rest in the end.
    pub rests: Vec<ElementId>,
    /// The run in the end.
    pub run: u32,
    /// The status in the end; `None` if it is not in the campaign.
    #[serde(skip)]
    pub status: Option<Status>,
}

/// What was played on both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// As things are.
    pub was: PlayedRun,
    /// With the other document.
    pub would_be: PlayedRun,
    /// Whether that is another way, another place or another message; not another time, and not
    /// another wording.
    pub is_elsewhere: bool,
}

/// Why nothing can be said about a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unplayed {
    /// More than [`MOST_EVENTS`] things happen.
    TooMuch,
    /// Not all of its history was read.
    LongHistory,
    /// What happened to the campaign at that time is no longer kept.
    LongTimeline,
    /// Played again on the versions that it was on, it comes out otherwise than it did.
    CameOutOtherwise,
}

impl Unplayed {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::TooMuch => "too_much",
            Self::LongHistory => "long_history",
            Self::LongTimeline => "long_timeline",
            Self::CameOutOtherwise => "came_out_otherwise",
        }
    }

    /// The reason in words, behind a number of contacts.
    pub fn words(self) -> &'static str {
        match self {
            Self::TooMuch => "more happens than is played",
            Self::LongHistory => "their history is longer than is read",
            Self::LongTimeline => "the campaign's milestones of that time are no longer kept",
            Self::CameOutOtherwise => {
                "what is recorded of them does not lead to where they are: a recorded history \
                 holds no earlier values of fields, and nothing that took its time"
            }
        }
    }
}

impl Compared {
    /// Both ways in a line.
    pub fn text(&self) -> String {
        format!("as it is: {}; as it would be: {}", self.was.words(), self.would_be.words())
    }
}

/// The first of some names, and how many more there are.
fn first_of(names: &[ElementId]) -> String {
    let more = names.len().saturating_sub(MOST_NAMED);
    let named = listed(&names[..names.len() - more]);
    if more > 0 { format!("{named} … and {more} more") } else { named }
}

impl PlayedRun {
    /// The way in words.
    fn words(&self) -> String {
        let mut words = match self.passed.as_slice() {
            [] => Vec::new(),
            passed => vec![format!("by {}", first_of(passed))],
        };
        if !self.sent.is_empty() {
            words.push(format!("sent {}", first_of(&self.sent)));
        }
        words.push(match (self.rests.as_slice(), self.status) {
            ([], None) => "never in it".to_owned(),
            ([], Some(status)) => format!("{} in run {}", status.word(), self.run),
            (rests, _) => format!("waits at {} in run {}", listed(rests), self.run),
        });
        words.join(", ")
    }

    /// What came of a world, of what was recorded from an instant on.
    fn of(world: &World, subject: &ContactId, campaign: &CampaignId, from: Instant) -> Self {
        let (mut passed, mut sent) = (Vec::new(), Vec::new());
        for observed in &world.observed {
            match observed {
                Observed::History(of, at, record) if of == subject && at == campaign => {
                    let lines = record.lines.iter().filter(|line| {
                        let moved = matches!(line.what, Happened::DatePlanned { moved: true, .. });
                        record.at >= from && is_passing(line.what.kind()) && !moved
                    });
                    for id in lines.filter_map(|line| line.element.clone()) {
                        if passed.last() != Some(&id) {
                            passed.push(id);
                        }
                    }
                }
                Observed::Message(message)
                    if message.contact == *subject
                        && message.at >= from
                        && message.outcome == Outcome::Sent =>
                {
                    sent.push(message.element.clone());
                }
                Observed::History(..)
                | Observed::Message(_)
                | Observed::Nothing(..)
                | Observed::Called(..)
                | Observed::Ignored(..) => {}
            }
        }
        let enrollment = world.enrollment(subject, campaign);
        let tokens = enrollment.map(|enrollment| enrollment.tokens.as_slice()).unwrap_or_default();
        let mut rests: Vec<ElementId> = tokens.iter().map(|token| token.element.clone()).collect();
        rests.sort_compactly();
        Self {
            passed,
            sent,
            rests,
            run: enrollment.map_or(0, |enrollment| enrollment.run),
            status: enrollment.map(|enrollment| enrollment.status),
        }
    }

    /// Whether it leads to another place, or sends another message.
    fn ends_elsewhere(&self, other: &Self) -> bool {
        let sorted = |all: &[ElementId]| -> Vec<ElementId> {
            let mut all = all.to_vec();
            all.sort_compactly();
            all
        };
        let end = |of: &Self| (sorted(&of.sent), of.rests.clone(), of.run, of.status);
        end(self) != end(other)
    }

    /// Whether it comes by other elements.
    fn passes_elsewhere(&self, other: &Self) -> bool {
        let passed = |of: &Self| of.passed.iter().cloned().collect_compactly::<BTreeSet<_>>();
        passed(self) != passed(other)
    }
}

impl SubjectInFlight<'_> {
    /// A world with the account and nothing else.
    fn world(&self, began: Instant) -> World {
        let mut world = World::new(self.surroundings.account.clone(), began);
        for (key, field) in &self.surroundings.fields {
            world.declare(key.clone(), field.kind);
        }
        for (kind, of) in &self.surroundings.objects {
            world.declare_objects(kind.clone(), of.clone());
        }
        for (campaign, status) in self.statuses.iter().filter(|(id, _)| **id != self.campaign.id) {
            world.stands_elsewhere(campaign.clone(), *status);
        }
        if let Some(person) = self.person {
            world.place(person.clone());
        }
        world
    }
}

/// Works through everything that is due by an instant.
fn plays_until(world: &mut World, end: Instant, done: &mut usize) -> Result<(), Unplayed> {
    loop {
        while world.perform_next() {
            *done += 1;
            if *done > MOST_EVENTS {
                return Err(Unplayed::TooMuch);
            }
        }
        match world.next_instant().filter(|due| *due <= end) {
            Some(due) => world.jump_to(due),
            None => break,
        }
    }
    world.jump_to(end);
    Ok(())
}

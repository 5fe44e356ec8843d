//! Campaigns: the document that people write, the graph that the engine walks, and the milestones
//! of a campaign.
//!
//! A campaign is its versions and what happened to it: published, paused, resumed. Both only grow,
//! so that a change can always be judged by how the campaign stood when the change was made,
//! however late it is looked at.

pub mod channel;
mod checks;
mod decode;
mod elements;
mod field_definition;
pub mod format;
pub mod graph;
mod in_order;
pub mod nearest;
mod node;
mod parse;
mod places;
pub mod reader;
mod refusal;
pub mod schema;
pub mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::contact::Change;
use crate::enrollment::Enrollment;
use crate::ids::{CampaignId, ContactId, ObjectType};
use crate::reads::PersonReads;
use crate::time::Instant;
use graph::Graph;

/// How many milestones a campaign keeps; older changes are judged by the oldest kept.
pub const MILESTONES_KEPT: usize = 16;

/// A campaign, published at least once.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// What happened to it.
    pub timeline: Timeline,
    /// The versions that are needed: those that the timeline names, and those that tokens are on.
    pub versions: BTreeMap<u32, Arc<Graph>>,
}

impl Campaign {
    /// The type of objects that it is about; `None` if it is about contacts (R71). No version may
    /// change it.
    pub fn per(&self) -> Option<&ObjectType> {
        self.versions.values().find_map(|graph| graph.document.per.as_ref())
    }

    /// Whether the subject can be in it: an object of its type, or a contact if it has none.
    pub fn is_about(&self, subject: &ContactId) -> bool {
        self.per() == subject.object().map(|(kind, _)| kind).as_ref()
    }

    /// See [`subject_in`].
    pub fn subject_in(&self, subject: &ContactId) -> Option<ContactId> {
        subject_in(self.per(), subject)
    }

    /// What of a person's change concerns the enrollment of an object of that person (R72): what
    /// the versions read that were published before the change. So it makes no difference how late
    /// the change is looked at, and how often.
    pub fn person_reads(&self, enrollment: &Enrollment, change: &Change) -> PersonReads {
        let mut reads = PersonReads::default();
        let standing = self.timeline.standing_after(self.timeline.before(change));
        if let Some(standing) = standing
            && enrollment.is_concerned_by_person(change.rev)
        {
            let published = self.versions.range(..=standing.version);
            published.for_each(|(_, graph)| reads.add(graph.person_reads()));
        }
        reads
    }
}

/// Who a subject is in another campaign, which is about `per`: the same object in a campaign about
/// its type, the person in one about contacts; `None` if neither is said.
pub fn subject_in(per: Option<&ObjectType>, subject: &ContactId) -> Option<ContactId> {
    match per {
        None => Some(subject.person()),
        Some(kind) => {
            let (own, _) = subject.object()?;
            (own == *kind).then(|| subject.clone())
        }
    }
}

/// What happened to a campaign, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// How many milestones there were before the kept ones.
    #[serde(default)]
    dropped: u32,
    milestones: Vec<Milestone>,
}

/// One thing that happened to a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestone {
    /// The instant.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub at: Instant,
    /// The revision of the catalog in which it was written; nothing for those that were written
    /// before that was kept.
    #[serde(rename = "rev", default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub what: Reached,
}

/// The kinds of milestones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// A version was published (R50).
    Published {
        /// From 1.
        version: u32,
        /// Whether tokens in flight move to it.
        #[serde(default)]
        migrate: bool,
    },
    /// Tokens stand still (R51).
    Paused {},
    /// Tokens go on (R51).
    Resumed {
        /// Whether what is overdue is skipped.
        #[serde(default)]
        skip: bool,
        /// The name of the API key that resumed it, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
}

/// How a campaign stands at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CampaignState {
    /// The newest version.
    pub version: u32,
    /// Whether tokens stand still.
    pub paused: bool,
}

impl Milestone {
    /// Whether it came before a change of a contact. If the writer of the change knew of it, it
    /// did, whatever the clocks say. If not, the instants say so, and at the same instant the
    /// change came first. Where it was not noted what was known, the milestone is taken for the
    /// first at the same instant.
    pub fn precedes(&self, change: &Change) -> bool {
        match (self.catalog, change.catalog) {
            (Some(written), Some(known)) => written <= known || self.at < change.at,
            (None, _) | (_, None) => self.at <= change.at,
        }
    }
}

impl Timeline {
    /// Adds a milestone, no earlier than the last one, and forgets the oldest.
    pub fn reach(&mut self, at: Instant, what: Reached) {
        let at = self.milestones.last().map_or(at, |last| at.max(last.at));
        self.milestones.push(Milestone { at, catalog: None, what });
        while self.milestones.len() > MILESTONES_KEPT {
            // The oldest kept one says a version, so that a standing can always be told.
            let second_publishes = matches!(self.milestones[1].what, Reached::Published { .. });
            self.milestones.remove(usize::from(!second_publishes));
            self.dropped += 1;
        }
    }

    /// Notes for the milestones after the first `before` in which revision of the catalog they are
    /// written.
    pub fn written_in(&mut self, before: u32, catalog: u64) {
        let kept = self.milestones.len();
        let new = usize::try_from(self.count().saturating_sub(before)).unwrap_or(kept).min(kept);
        self.milestones[kept - new..].iter_mut().for_each(|new| new.catalog = Some(catalog));
    }

    /// How the campaign stood after its first `applied` milestones; nothing before its first
    /// publishing.
    pub fn standing_after(&self, applied: u32) -> Option<CampaignState> {
        let kept = usize::try_from(applied.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        // Of what was forgotten, the oldest kept one is what is known best.
        let kept = kept.max(usize::from(self.dropped > 0));
        let mut standing: Option<CampaignState> = None;
        for milestone in self.milestones.iter().take(kept) {
            match &milestone.what {
                Reached::Published { version, .. } => {
                    let paused = standing.is_some_and(|standing| standing.paused);
                    standing = Some(CampaignState { version: *version, paused });
                }
                Reached::Paused {} => {
                    standing = standing.map(|s| CampaignState { paused: true, ..s });
                }
                Reached::Resumed { .. } => {
                    standing = standing.map(|s| CampaignState { paused: false, ..s });
                }
            }
        }
        standing
    }

    /// How many milestones came before a change of a contact.
    pub fn before(&self, change: &Change) -> u32 {
        let before = self.milestones.iter().take_while(|milestone| milestone.precedes(change));
        self.dropped + u32::try_from(before.count()).unwrap_or(u32::MAX)
    }

    /// How it stands after everything that happened.
    pub fn standing(&self) -> Option<CampaignState> {
        self.standing_after(self.count())
    }

    /// The last resume, if nothing was published since.
    pub fn resumed_last(&self) -> Option<&Milestone> {
        let says = |milestone: &&Milestone| !matches!(milestone.what, Reached::Paused {});
        let last = self.milestones.iter().rev().find(says)?;
        matches!(last.what, Reached::Resumed { .. }).then_some(last)
    }

    /// Since when it is paused, if it is.
    pub fn paused_since(&self) -> Option<Instant> {
        let mut since = None;
        for milestone in &self.milestones {
            match milestone.what {
                Reached::Published { .. } => {}
                Reached::Paused {} => since = since.or(Some(milestone.at)),
                Reached::Resumed { .. } => since = None,
            }
        }
        since
    }

    /// How many milestones there have been.
    pub fn count(&self) -> u32 {
        self.dropped + u32::try_from(self.milestones.len()).unwrap_or(u32::MAX)
    }

    /// The milestones after the first `applied`, as far as they are kept, oldest first, each with
    /// its number from 1.
    pub fn after(&self, applied: u32) -> impl Iterator<Item = (u32, &Milestone)> {
        let numbered = (self.dropped + 1..).zip(&self.milestones);
        numbered.skip_while(move |(number, _)| *number <= applied)
    }

    /// The versions that it names.
    pub fn versions(&self) -> impl Iterator<Item = u32> {
        self.milestones.iter().filter_map(|milestone| match milestone.what {
            Reached::Published { version, .. } => Some(version),
            Reached::Paused {} | Reached::Resumed { .. } => None,
        })
    }

    /// The versions that tokens can be on, the newest last: those since tokens were last moved to
    /// one.
    pub fn versions_in_use(&self) -> Vec<u32> {
        let mut versions = Vec::new();
        for milestone in &self.milestones {
            if let Reached::Published { version, migrate } = milestone.what {
                if migrate {
                    versions.clear();
                }
                versions.push(version);
            }
        }
        versions
    }

    /// When the newest version was published.
    pub fn published_at(&self) -> Option<Instant> {
        self.milestones
            .iter()
            .rev()
            .find(|milestone| matches!(milestone.what, Reached::Published { .. }))
            .map(|milestone| milestone.at)
    }
}

//! What nothing followed from: a change to which no campaign did anything, or a post that changed
//! nothing (R60).
//!
//! A line of its own says what was sent, by whom, which entries, goals and date timers looked at
//! it, and why nothing came of it. It belongs to no decision; it is stored as short values and put
//! into words when it is read.

use serde::{Deserialize, Serialize};

use super::Cause;
use crate::ids::{CampaignId, ElementId, ObjectType};
use crate::time::Instant;

/// How many of those that looked are named in one line.
pub const MOST_NO_EFFECTS: usize = 5;

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// When it was sent.
    #[serde(rename = "t", with = "chrono::serde::ts_milliseconds")]
    pub at: Instant,
    /// What was sent, and by whom: [`Cause::Change`].
    #[serde(rename = "b")]
    pub because: Cause,
    /// Whether the contact was left as it was.
    #[serde(rename = "u", default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
    /// Who looked at it, at most [`MOST_NO_EFFECTS`], in order of campaign and document.
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    pub no_effect: Vec<NoEffect>,
}

/// An entry, a goal or a date timer that reads what was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoEffect {
    /// The campaign.
    #[serde(rename = "p")]
    pub campaign: CampaignId,
    /// The contact's run there; `None` if it was never in it.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// The element.
    #[serde(rename = "e")]
    pub element: ElementId,
    /// Why nothing came of it.
    #[serde(flatten)]
    pub why: WhyNot,
}

/// Why nothing came of a change at an element.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "k")]
pub enum WhyNot {
    /// It has fired in this run (R5).
    #[serde(rename = "f")]
    Fired,
    /// An event that reacts to another edge (R7).
    #[serde(rename = "r")]
    ReactsTo {
        /// The word for the edge.
        #[serde(rename = "w")]
        edge: String,
    },
    /// A condition that does not hold (R6, R8).
    #[serde(rename = "m")]
    Missing {
        /// What it lacks, in words.
        #[serde(rename = "y")]
        missing: Vec<String>,
    },
    /// A condition that is looked at when what it reads changes, and nothing changed.
    #[serde(rename = "c")]
    Unchanged,
    /// An event that reacts to what is active only.
    #[serde(rename = "a")]
    RequiresActive {
        /// The type of the subject; `None` if it is a contact.
        #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
        of: Option<ObjectType>,
        /// The word for the subject's status; `None` if it was never in.
        #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
        status: Option<String>,
    },
    /// The contact is stopped, or held, in the campaign (R16, R40).
    #[serde(rename = "s")]
    MayNotEnter {
        /// The word for the status.
        #[serde(rename = "w")]
        status: String,
    },
    /// A trigger is parked already; one is enough (R14, R51).
    #[serde(rename = "p")]
    Parked,
    /// The campaign is paused: it looks again when it is resumed (R51).
    #[serde(rename = "u")]
    Paused,
    /// A goal, and no path leads there now (R8).
    #[serde(rename = "n")]
    NoPath,
    /// A date timer, and no path waits there (R21).
    #[serde(rename = "d")]
    NoPathWaiting,
}

impl WhyNot {
    /// The reason in words; what stands before it is the element. `run` is the contact's.
    pub fn words(&self, run: Option<u32>) -> String {
        match self {
            Self::Fired => match run {
                Some(run) => format!("has fired in run {run}"),
                None => "has fired".to_owned(),
            },
            Self::ReactsTo { edge } => format!("reacts to `{edge}`"),
            Self::Missing { missing } => format!("is missing {}", missing.join(", ")),
            Self::Unchanged => "looks when what it reads changes".to_owned(),
            Self::RequiresActive { of, status } => {
                let of = of.as_ref().map_or("contact", ObjectType::as_str);
                let status = status.as_ref().map(|status| format!(" (this one is {status})"));
                format!("requires an active {of}{}", status.unwrap_or_default())
            }
            Self::MayNotEnter { status } => format!("does not fire, the contact is {status}"),
            Self::Parked => "has a trigger parked already".to_owned(),
            Self::Paused => "waits, the campaign is paused".to_owned(),
            Self::NoPath => "holds, but no path leads there now".to_owned(),
            Self::NoPathWaiting => "has no path waiting".to_owned(),
        }
    }
}

impl Trace {
    /// The stable word for the kind, as programs outside read it.
    pub fn kind(&self) -> &'static str {
        if self.unchanged { "nothing_changed" } else { "nothing_followed" }
    }

    /// The only campaign that looked; `None` if none did, or several.
    pub fn campaign(&self) -> Option<&CampaignId> {
        let first = self.no_effect.first()?;
        self.no_effect.iter().all(|one| one.campaign == first.campaign).then_some(&first.campaign)
    }

    /// The contact's run in that campaign.
    pub fn run(&self) -> Option<u32> {
        self.campaign().and(self.no_effect.first()).and_then(|first| first.run)
    }

    /// The first element of that campaign that looked.
    pub fn element(&self) -> Option<&ElementId> {
        self.campaign().and(self.no_effect.first()).map(|first| &first.element)
    }

    /// The line in words.
    pub fn words(&self) -> String {
        let what = self.because.what();
        let outcome = if self.unchanged { "nothing changed" } else { "nothing followed" };
        if self.no_effect.is_empty() {
            return format!("{what}; {outcome}, no campaign reacts to it");
        }
        let several = self.campaign().is_none();
        let no_effect: Vec<String> = self
            .no_effect
            .iter()
            .map(|one| {
                let why = one.why.words(one.run);
                if several {
                    format!("`{}` of {} {why}", one.element, one.campaign)
                } else {
                    format!("`{}` {why}", one.element)
                }
            })
            .collect();
        format!("{what}; {outcome}: {}", no_effect.join("; "))
    }
}

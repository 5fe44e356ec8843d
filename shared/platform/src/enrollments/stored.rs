//! An enrollment's item: the state, and everything that its last decision asked for.

use chrono::NaiveDate;
use dacapo_engine::decide::Effect;
use dacapo_engine::enrollment::{Deferred, Enrollment};
use dacapo_engine::history::Record;
use dacapo_engine::statistics::Tally;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::error::Error;
use crate::store::read;
use crate::table::Item;

/// An enrollment as it is stored: the state, and what the last decision asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredEnrollment {
    /// The state.
    #[serde(rename = "e")]
    pub enrollment: Enrollment,
    /// What is to be performed.
    #[serde(rename = "x", default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
    /// What goes into the history.
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Record>,
    /// What is added to the statistics.
    #[serde(rename = "d", default, skip_serializing_if = "Tally::is_empty")]
    pub delta: Tally,
    /// The day of the account on which that is counted, if any of it is counted by day.
    #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
    pub day: Option<NaiveDate>,
    /// The revision of the decision whose lines come first, if it left them to this one.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// What an earlier decision left that cannot be recorded as one with this one's.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub deferred: Option<Box<Deferred>>,
    /// Of what the decision has written to the contact, nothing concerns the campaign.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub self_write: Option<SelfWrite>,
    /// As of when no other campaign asked for the status, if the decision changed it.
    #[serde(
        rename = "n",
        default,
        skip_serializing_if = "Option::is_none",
        with = "chrono::serde::ts_milliseconds_option"
    )]
    pub nobody_asks: Option<Instant>,
    /// The enrollment's `rev` after the decision that asked for it: only the image of that revision
    /// is performed.
    #[serde(rename = "s")]
    pub stamp: u64,
    /// The identity of the write.
    pub w: String,
}

/// A contact's change by a campaign that does not concern the campaign itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfWrite {
    /// The contact's `rev` after it.
    #[serde(rename = "r")]
    pub rev: u64,
    /// The revision of the catalog as of which that was found.
    #[serde(rename = "c")]
    pub catalog: u64,
}

/// The state alone, for deciding: what the last decision asked for is not looked at.
#[derive(Deserialize)]
pub(crate) struct State {
    #[serde(rename = "e")]
    pub(crate) enrollment: Enrollment,
    #[serde(rename = "o", default)]
    pub(crate) self_write: Option<SelfWrite>,
}

impl State {
    /// The `rev` that the contact has at least.
    pub(crate) fn knows(&self) -> u64 {
        self.self_write.map_or(0, |self_write| self_write.rev).max(self.enrollment.seen)
    }
}

/// The state alone, from the item of an enrollment.
pub(crate) fn read_state(item: &Item) -> Result<Enrollment, Error> {
    Ok(read::<State>(item)?.enrollment)
}

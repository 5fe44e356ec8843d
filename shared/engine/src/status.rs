//! The status of a subject in a campaign, and why it is held.
//!
//! The words of the statuses are those of the API and of conditions, and stay.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a contact stands in a campaign.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It has tokens.
    Active,
    /// Its paths have run out.
    Completed,
    /// It was reset or released, and nothing is running; or it was never in, and something is
    /// parked for it (R51).
    Ready,
    /// A restart was reached, or followed by itself (R17): it waits for a trigger (R13).
    AwaitingRestart,
    /// It was stopped: it may not enter (R16).
    Stopped,
    /// A guard stopped it (R40, R41, R43), or a defect in Dacapo.
    Held,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Active,
        Self::Completed,
        Self::Ready,
        Self::AwaitingRestart,
        Self::Stopped,
        Self::Held,
    ];

    /// Its name in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Ready => "ready",
            Self::AwaitingRestart => "awaiting_restart",
            Self::Stopped => "stopped",
            Self::Held => "held",
        }
    }
}

/// Why an enrollment is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// R40.
    RunsPerDay,
    /// R41.
    Moves,
    /// R43.
    MessagesPerDay,
    /// A change could not be decided because of a defect in Dacapo; it is in quarantine.
    Undecided,
}

impl Guard {
    /// The guard in words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::RunsPerDay => "the most runs a day were reached",
            Self::Moves => "one change moved a token over more than 100 elements",
            Self::MessagesPerDay => "the most messages a day were reached",
            Self::Undecided => "a change could not be decided and waits in quarantine",
        }
    }
}

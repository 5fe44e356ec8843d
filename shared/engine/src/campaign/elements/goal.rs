//! `goal`: ends what leads up to it when a condition holds (R8). A goal lets no contact in, and
//! fires at most once in a run. `unmet` says what a token does that comes too early.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arrival, EdgeKey, ElementType, WhenMissed};
use crate::condition::{Condition, Reads};
use crate::ids::{CampaignId, ElementId};

/// A goal: it ends what leads up to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// The condition.
    pub when: Condition,
    /// What an early token does.
    #[serde(default)]
    pub unmet: Unmet,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// What a token does at a goal whose condition does not hold (R8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unmet {
    /// Rests there.
    #[default]
    Wait,
    /// Goes on.
    Continue,
    /// Ends.
    End,
}

impl ElementType for Goal {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        EdgeKey::edges([("next", self.next.as_ref())])
    }

    fn condition(&self) -> Option<&Condition> {
        Some(&self.when)
    }

    fn add_reads(&self, reads: &mut Reads) {
        self.when.add_reads(reads);
    }

    fn arrival(&self, _: &CampaignId) -> Arrival {
        match self.unmet {
            Unmet::Wait => Arrival::Rests,
            Unmet::Continue | Unmet::End => Arrival::GoesOn,
        }
    }

    fn when_missed(&self) -> WhenMissed {
        // The path ends at a goal that leads nowhere, as it does without it.
        if self.next.is_some() { WhenMissed::IsLost } else { WhenMissed::LosesNothing }
    }
}

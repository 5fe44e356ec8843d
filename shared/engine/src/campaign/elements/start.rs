//! `start`: where contacts enter when a condition holds (R6). The condition is a level: whether it
//! holds counts, not what has just changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arrival, EdgeKey, ElementType, WhenMissed};
use crate::condition::{Condition, Reads};
use crate::ids::{CampaignId, ElementId};

/// A start: contacts enter here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// A level, not an edge.
    pub when: Condition,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

impl ElementType for Start {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        EdgeKey::edges([("next", self.next.as_ref())])
    }

    fn lets_in(&self) -> bool {
        true
    }

    fn condition(&self) -> Option<&Condition> {
        Some(&self.when)
    }

    fn add_reads(&self, reads: &mut Reads) {
        self.when.add_reads(reads);
    }

    fn arrival(&self, _: &CampaignId) -> Arrival {
        Arrival::GoesOn
    }

    fn when_missed(&self) -> WhenMissed {
        WhenMissed::LosesNothing
    }
}

//! `split`: goes one of several ways, by weight. The way is the same for the same contact in the
//! same run: no randomness is read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arrival, EdgeKey, ElementType, WhenMissed};
use crate::campaign::checks::{At, Findings, Surroundings};
use crate::campaign::node::Path;
use crate::ids::{CampaignId, ElementId};

/// A split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The ways, stable per contact and run.
    pub branches: Vec<WeightedEdge>,
}

/// One way of a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightedEdge {
    /// Its share among the weights.
    pub weight: u32,
    /// Where it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

impl ElementType for Split {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        let branches = self.branches.iter().enumerate();
        branches.filter_map(|(i, one)| Some((EdgeKey::Branch(i), one.next.as_ref()?))).collect()
    }

    fn arrival(&self, _: &CampaignId) -> Arrival {
        Arrival::GoesOn
    }

    fn when_missed(&self) -> WhenMissed {
        WhenMissed::BelongsToTheMoment
    }

    fn check(&self, path: &Path, _: &Surroundings<'_>, findings: &mut Findings<'_>) {
        if self.branches.is_empty() {
            findings.error(
                "no_branches",
                &At::Value(&path.key("branches")),
                "the split has no branches",
                "write at least one: `{ weight: 50, next: … }`",
            );
        } else if self.branches.iter().all(|branch| branch.weight == 0) {
            findings.error(
                "no_weight",
                &At::Value(&path.key("branches")),
                "no branch has a weight, so no way can be chosen",
                "give at least one branch a weight above 0",
            );
        }
    }
}

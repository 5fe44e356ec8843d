//! `goal`: ends what leads up to it when a condition holds (R8).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EdgeKey, ElementType, WhenMissed};
use crate::campaign::checks::{Findings, Surroundings, Template};
use crate::campaign::node::Path;
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

    fn reads(&self, reads: &mut Reads) {
        self.when.reads(reads);
    }

    fn is_rest(&self) -> bool {
        match self.unmet {
            Unmet::Wait => true,
            Unmet::Continue | Unmet::End => false,
        }
    }

    fn begins_next_run(&self, _: &CampaignId) -> bool {
        false
    }

    fn ends_path(&self, _: &CampaignId) -> bool {
        false
    }

    fn when_missed(&self) -> WhenMissed {
        WhenMissed::IsLost
    }

    fn templates(&self, _: &Path) -> Vec<Template<'_>> {
        Vec::new()
    }

    fn check(&self, _: &Path, _: &Surroundings<'_>, _: &mut Findings<'_>) {}
}

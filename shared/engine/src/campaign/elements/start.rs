//! `start`: where contacts enter when a condition holds (R6).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EdgeKey, ElementType, WhenMissed};
use crate::campaign::checks::{Findings, Surroundings, Template};
use crate::campaign::node::Path;
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

    fn condition(&self) -> Option<&Condition> {
        Some(&self.when)
    }

    fn reads(&self, reads: &mut Reads) {
        self.when.reads(reads);
    }

    fn is_rest(&self) -> bool {
        false
    }

    fn begins_next_run(&self, _: &CampaignId) -> bool {
        false
    }

    fn ends_path(&self, _: &CampaignId) -> bool {
        false
    }

    fn when_missed(&self) -> WhenMissed {
        WhenMissed::LosesNothing
    }

    fn templates(&self, _: &Path) -> Vec<Template<'_>> {
        Vec::new()
    }

    fn check(&self, _: &Path, _: &Surroundings<'_>, _: &mut Findings<'_>) {}
}

//! `restart`: *Restart (Multiple Send)* (R12).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EdgeKey, ElementType, WhenMissed};
use crate::campaign::checks::{Findings, Surroundings, Template};
use crate::campaign::node::Path;
use crate::condition::{Condition, Reads};
use crate::ids::{CampaignId, ElementId, Tag};

/// Restarts the campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// The action's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A tag that is assigned as the contact restarts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
}

impl ElementType for Restart {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        Vec::new()
    }

    fn condition(&self) -> Option<&Condition> {
        None
    }

    fn reads(&self, _: &mut Reads) {}

    fn is_rest(&self) -> bool {
        false
    }

    fn begins_next_run(&self, _: &CampaignId) -> bool {
        true
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

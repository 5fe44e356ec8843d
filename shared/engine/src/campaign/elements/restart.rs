//! `restart`: *Restart (Multiple Send)* (R12). The next run begins and waits for a trigger. No edge
//! leads on from here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arrival, EdgeKey, ElementType, WhenMissed};
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

    fn arrival(&self, _: &CampaignId) -> Arrival {
        Arrival::BeginsNextRun
    }

    fn when_missed(&self) -> WhenMissed {
        WhenMissed::IsLost
    }
}

//! `reset`: resets this campaign, or another one (R11). A reset of its own campaign begins the next
//! run, in which the token goes on at `next`; a reset of another one lets the token go on in its
//! run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arrival, EdgeKey, ElementType, WhenMissed, other_than};
use crate::campaign::checks::{Findings, Surroundings, other_campaign};
use crate::campaign::node::Path;
use crate::ids::{CampaignId, ElementId};

/// Resets a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// This campaign unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignId>,
    /// Where the token goes, in the new run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

impl ElementType for Reset {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        EdgeKey::edges([("next", self.next.as_ref())])
    }

    fn arrival(&self, this: &CampaignId) -> Arrival {
        match other_than(this, self.campaign.as_ref()) {
            Some(_) => Arrival::GoesOn,
            None => Arrival::BeginsNextRun,
        }
    }

    fn when_missed(&self) -> WhenMissed {
        WhenMissed::IsLost
    }

    fn check(&self, path: &Path, around: &Surroundings<'_>, findings: &mut Findings<'_>) {
        if let Some(campaign) = &self.campaign {
            other_campaign(campaign, &path.key("campaign"), around, findings);
        }
    }
}

//! `stop_campaign`: stops this campaign, or another one (R16). A stop of its own campaign ends the
//! path; after a stop of another one the token goes on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arrival, EdgeKey, ElementType, WhenMissed, other_than};
use crate::campaign::checks::{Findings, Surroundings, other_campaign};
use crate::campaign::node::Path;
use crate::ids::{CampaignId, ElementId};

/// Stops a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopCampaign {
    /// This campaign unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignId>,
    /// Whether the contact may enter again (R16).
    #[serde(default)]
    pub reset_contacts: bool,
    /// Where the token goes, if it is another campaign that is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

impl ElementType for StopCampaign {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        EdgeKey::edges([("next", self.next.as_ref())])
    }

    fn arrival(&self, this: &CampaignId) -> Arrival {
        match other_than(this, self.campaign.as_ref()) {
            Some(_) => Arrival::GoesOn,
            None => Arrival::EndsPath,
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

//! `start_campaign`: enters another campaign (R52). The token does not wait for what becomes of
//! that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arrival, EdgeKey, ElementType, WhenMissed};
use crate::campaign::checks::{Findings, Surroundings, other_campaign};
use crate::campaign::node::Path;
use crate::ids::{CampaignId, ElementId};

/// Starts another campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartCampaign {
    /// The campaign to enter.
    pub campaign: CampaignId,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

impl ElementType for StartCampaign {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        EdgeKey::edges([("next", self.next.as_ref())])
    }

    fn arrival(&self, _: &CampaignId) -> Arrival {
        Arrival::GoesOn
    }

    fn when_missed(&self) -> WhenMissed {
        WhenMissed::IsLost
    }

    fn check(&self, path: &Path, around: &Surroundings<'_>, findings: &mut Findings<'_>) {
        other_campaign(&self.campaign, &path.key("campaign"), around, findings);
    }
}

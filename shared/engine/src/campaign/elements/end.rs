//! `end`: the path is over. The token that arrives is gone, and other paths of the run go on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arrival, EdgeKey, ElementType, WhenMissed};
use crate::ids::{CampaignId, ElementId};

/// The end of a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct End {}

impl ElementType for End {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        Vec::new()
    }

    fn arrival(&self, _: &CampaignId) -> Arrival {
        Arrival::GoesOn
    }

    fn when_missed(&self) -> WhenMissed {
        WhenMissed::LosesNothing
    }
}

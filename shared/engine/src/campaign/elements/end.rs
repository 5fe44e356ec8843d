//! `end`: the path is over.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EdgeKey, ElementType, WhenMissed};
use crate::campaign::checks::{Findings, Surroundings, Template};
use crate::campaign::node::Path;
use crate::condition::{Condition, Reads};
use crate::ids::{CampaignId, ElementId};

/// The end of a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct End {}

impl ElementType for End {
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

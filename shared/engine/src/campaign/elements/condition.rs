//! `condition`: goes one of two ways. The token goes on at once; which way was taken is decided on
//! the contact as it is at that instant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arrival, EdgeKey, ElementType, WhenMissed};
use crate::campaign::checks::{Findings, Surroundings};
use crate::campaign::node::Path;
use crate::condition::Condition;
use crate::ids::{CampaignId, ElementId};

/// A condition with the two ways that lead on from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// The condition.
    pub when: Condition,
    /// When it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<ElementId>,
    /// When it does not.
    #[serde(default, rename = "else", skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<ElementId>,
}

impl ElementType for Branch {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        EdgeKey::edges([("then", self.then.as_ref()), ("else", self.otherwise.as_ref())])
    }

    fn condition(&self) -> Option<&Condition> {
        Some(&self.when)
    }

    fn arrival(&self, _: &CampaignId) -> Arrival {
        Arrival::GoesOn
    }

    fn when_missed(&self) -> WhenMissed {
        WhenMissed::BelongsToTheMoment
    }

    fn check(&self, path: &Path, _: &Surroundings<'_>, findings: &mut Findings<'_>) {
        if self.then.is_none() && self.otherwise.is_none() {
            let why = "a condition without `then` and `else` ends every path";
            findings.nothing_to_do(why, path);
        }
    }
}

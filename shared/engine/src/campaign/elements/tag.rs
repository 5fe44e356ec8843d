//! `tag`: assigns and withdraws tags of the subject, or of the contact of an object (R72).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arrival, EdgeKey, ElementType, Of, WhenMissed};
use crate::campaign::checks::{Findings, Surroundings, seen};
use crate::campaign::node::Path;
use crate::ids::{CampaignId, ElementId, Tag};

/// Assigns and withdraws tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeTags {
    /// Tags to assign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Tag>,
    /// Tags to withdraw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Tag>,
    /// Whose they are: the subject's, unless it says `contact`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Of>,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

impl ElementType for ChangeTags {
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
        if self.of == Some(Of::Contact) {
            around.of_person(&path.key("of"), findings);
        }
        if self.add.is_empty() && self.remove.is_empty() {
            findings.nothing_to_do("no tag is assigned or withdrawn here", path);
        }
        // One that a contact has from before may be withdrawn.
        for (nth, tag) in self.add.iter().enumerate() {
            seen(tag, &path.key("add").index(nth), findings);
        }
    }
}

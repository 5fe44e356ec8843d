//! What conditions read, as sets that can be compared with what a change touched.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{CampaignId, FieldKey, Tag};

/// What conditions read: only a change of these can make one hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reads {
    /// Tags.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<Tag>,
    /// Fields.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub fields: BTreeSet<FieldKey>,
    /// Statuses of other campaigns.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub campaigns: BTreeSet<CampaignId>,
}

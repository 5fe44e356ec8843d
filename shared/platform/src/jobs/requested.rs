//! What is asked for when a job is to begin.

use dacapo_engine::ids::{CampaignId, ContactId, ObjectType};

use super::{JobKind, Selection};

/// A request for a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Requested {
    /// The kind of work.
    pub kind: JobKind,
    /// The contacts that it is about.
    pub selection: Selection,
    /// The contacts that are named.
    pub named: Vec<ContactId>,
    /// In which campaigns, in order of id.
    pub campaigns: Vec<CampaignId>,
    /// Whether all were requested.
    pub all: bool,
    /// The name of the API key that asks.
    pub by: String,
    /// How many pairs of contact and campaign that is.
    pub estimate: u64,
    /// Whether it is so many at least.
    pub estimate_is_a_minimum: bool,
}

impl Requested {
    /// A job that follows from a change of a campaign.
    pub fn of_campaign(
        kind: JobKind,
        campaign: &CampaignId,
        per: Option<&ObjectType>,
        by: &str,
    ) -> Self {
        Self {
            kind,
            selection: match kind {
                JobKind::Milestones | JobKind::StopCampaign { .. } | JobKind::Release => {
                    Selection::Enrolled
                }
                JobKind::EnrollExisting => {
                    per.map_or(Selection::Everybody, |kind| Selection::Objects(kind.clone()))
                }
                JobKind::EraseAccount | JobKind::Reconcile { .. } => Selection::Everybody,
            },
            named: Vec::new(),
            campaigns: vec![campaign.clone()],
            all: false,
            by: by.to_owned(),
            estimate: 0,
            estimate_is_a_minimum: false,
        }
    }
}

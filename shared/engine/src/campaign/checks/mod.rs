//! What an element's own checks need: what it may refer to, and where it says what it found.
//!
//! Nothing here knows of documents or of types of elements: `campaign::validate` knows the former,
//! `campaign::elements` the latter.

mod conditions;
mod fields;
mod findings;
mod templates;

use crate::ids::CampaignId;

pub(super) use conditions::{check as check_condition, seen, unknown_campaign, unreadable};
pub(super) use fields::Fields;
pub(super) use findings::{At, Findings};
pub(super) use templates::{Template, is_template};

/// What an element may refer to.
pub(in crate::campaign) struct Surroundings<'a> {
    /// The fields that there are.
    pub(in crate::campaign) fields: &'a Fields<'a>,
    /// Whether there is a campaign of this id.
    pub(in crate::campaign) campaigns: &'a dyn Fn(&CampaignId) -> bool,
}

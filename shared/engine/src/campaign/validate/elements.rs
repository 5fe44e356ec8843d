//! Elements one by one: whether what each says makes sense by itself. What that is for a type, the
//! type's file in `campaign::elements` says.

use super::conditions;
use super::{Fields, Findings};
use crate::campaign::format::Element;
use crate::campaign::node::Path;
use crate::ids::{CampaignId, ElementId};

/// What an element may refer to.
pub(in crate::campaign) struct Surroundings<'a> {
    /// The fields that there are.
    pub(in crate::campaign) fields: &'a Fields<'a>,
    /// Whether there is a campaign of this id.
    pub(in crate::campaign) campaigns: &'a dyn Fn(&CampaignId) -> bool,
}

pub(super) fn check(
    id: &ElementId,
    element: &Element,
    around: &Surroundings<'_>,
    findings: &mut Findings<'_>,
) {
    let path = Path::root().key("elements").key(id.as_str());
    if let Some(condition) = element.condition() {
        let path = path.key("when");
        conditions::check(condition, &path, around.fields, around.campaigns, findings);
    }
    element.of_type().check(&path, around, findings);
}

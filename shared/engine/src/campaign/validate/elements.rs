//! Elements one by one: whether what each says makes sense by itself. What that is for a type, the
//! type's file in `campaign::elements` says.

use crate::campaign::checks::{Findings, Surroundings, check_condition};
use crate::campaign::format::Element;
use crate::campaign::node::Path;
use crate::ids::ElementId;

pub(super) fn check(
    id: &ElementId,
    element: &Element,
    around: &Surroundings<'_>,
    findings: &mut Findings<'_>,
) {
    let path = Path::root().key("elements").key(id.as_str());
    if let Some(condition) = element.condition() {
        let path = path.key("when");
        check_condition(condition, &path, around, findings);
    }
    element.of_type().check(&path, around, findings);
}

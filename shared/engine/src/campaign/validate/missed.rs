//! Date timers whose moment may have passed: what stands behind their `next` is lost then, unless
//! `missed` leads there (R22).

use std::collections::{BTreeMap, BTreeSet};

use crate::campaign::checks::{At, Findings};
use crate::campaign::elements::WhenMissed;
use crate::campaign::format::{DateTimer, Document, Element, Past};
use crate::campaign::node::Path;
use crate::compact::CollectCompactly as _;
use crate::ids::ElementId;

/// Warns of date timers without an edge `missed` behind which more stands than the messages of the
/// moment itself.
pub(super) fn check(document: &Document, findings: &mut Findings<'_>) {
    let elements: BTreeMap<&ElementId, &Element> =
        document.elements.iter().map(|(id, element)| (id, element)).collect_compactly();
    for (id, element) in &document.elements {
        // For who arrives after a date that comes again, it comes again (R24).
        let Element::DateTimer(DateTimer {
            past: Past::Missed,
            missed: None,
            repeat: None,
            next,
            ..
        }) = element
        else {
            continue;
        };
        let Some(lost) = next.as_ref().and_then(|next| lost_behind(next, &elements)) else {
            continue;
        };
        let path = Path::root().key("elements").key(id.as_str());
        findings.warning(
            "path_ends_when_missed",
            &At::Key(&path),
            format!(
                "who arrives after the moment has passed does not get to `{lost}`: without \
                 `missed` the path waits here for another date, and ends when the date has passed"
            ),
            format!("add `missed: {lost}`, or `past: end` if it is to end"),
        );
    }
}

/// The first element behind a timer's `next` that is about more than the moment: not a message that
/// leaves at it, nor a branch in between.
fn lost_behind<'a>(
    next: &'a ElementId,
    elements: &BTreeMap<&'a ElementId, &'a Element>,
) -> Option<&'a ElementId> {
    let mut ahead = vec![next];
    let mut been = BTreeSet::new();
    while let Some(id) = ahead.pop() {
        if !been.insert(id) {
            continue;
        }
        let Some(element) = elements.get(id) else { continue };
        match element.of_type().when_missed() {
            WhenMissed::BelongsToTheMoment => {
                ahead.extend(element.edges().into_iter().rev().map(|(_, to)| to));
            }
            WhenMissed::LosesNothing => {}
            WhenMissed::IsLost => return Some(id),
        }
    }
    None
}

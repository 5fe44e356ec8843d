//! Whether a change is the edge that an event reacts to: `decide/edges.rs`.

use std::collections::BTreeMap;

use super::{Story, key, tag};
use crate::campaign::format::Edge;
use crate::contact::Patch;
use crate::decide::edges::happened;
use crate::field::FieldType;
use crate::time::Zone;

/// Whether the contact's last change is this edge.
fn is_edge(story: &Story, edge: &str) -> bool {
    let edge: Edge = serde_json::from_str(edge).expect("an edge");
    let view = crate::condition::View {
        contact: &story.contact,
        person: &story.contact,
        statuses: &|_| None,
        now: story.now,
        zone: story.account.zone_of(&story.contact),
    };
    happened(&edge, story.change(), &view, &story.account)
}

fn points(story: &mut Story, value: Option<i64>) {
    let value = value.map(|value| {
        FieldType::Number.read(&value.into(), Zone::UTC).expect("a number").expect("a value")
    });
    story.write(&Patch { fields: BTreeMap::from([(key("points"), value)]), ..Patch::default() });
}

#[test]
fn r7_a_tag_is_added_once_and_assigned_each_time() {
    let mut story = Story::of("hot: { type: event, on: { tag_added: Hot } }");
    let (added, assigned) = (r#"{ "tag_added": "Hot" }"#, r#"{ "tag_assigned": "Hot" }"#);
    story.add("Hot");
    assert!(is_edge(&story, added) && is_edge(&story, assigned));
    story.add("Hot");
    assert!(!is_edge(&story, added) && is_edge(&story, assigned));
    story.remove("Hot");
    assert!(is_edge(&story, r#"{ "tag_removed": ["Cold", "Hot"] }"#));
    assert!(!is_edge(&story, assigned));
    assert!(!story.contact.tags.contains_key(&tag("Hot")));
}

#[test]
fn r7_a_field_is_set_changed_and_cleared_each_by_an_edge_of_its_own() {
    let mut story = Story::of("hot: { type: event, on: { tag_added: Hot } }");
    let edges = ["field_set", "field_changed", "field_cleared"];
    for (value, expected) in
        [(Some(1), "field_set"), (Some(2), "field_changed"), (None, "field_cleared")]
    {
        points(&mut story, value);
        for edge in edges {
            let text = format!(r#"{{ "{edge}": "points" }}"#);
            assert_eq!(is_edge(&story, &text), edge == expected, "{edge} of {value:?}");
        }
    }
}

#[test]
fn r73_a_condition_becomes_true_once_also_by_another_zone() {
    let mut story = Story::of("hot: { type: event, on: { tag_added: Hot } }");
    let saturday = r#"{ "becomes": { "field": "visit", "weekdays": ["sat"] } }"#;
    story.visit("2026-12-04 23:30");
    assert!(!is_edge(&story, saturday), "it is Friday in UTC");
    let zone = |story: &mut Story, name: &str| {
        let value = FieldType::Text.read(&name.into(), Zone::UTC).expect("a text");
        let fields = BTreeMap::from([(key("time_zone"), value)]);
        story.write(&Patch { fields, ..Patch::default() });
    };
    zone(&mut story, "Asia/Tokyo");
    assert!(is_edge(&story, saturday), "it is Saturday in Tokyo");
    zone(&mut story, "Asia/Seoul");
    assert!(!is_edge(&story, saturday), "it was Saturday before");
}

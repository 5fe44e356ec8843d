//! Words that several parts of an explanation need.

use dacapo_engine::campaign::format::Edge;
use dacapo_engine::ids::Tag;

/// What an event reacts to, as the second half of "once …".
pub(super) fn edge_words(edge: &Edge) -> String {
    let tags = |tags: &[Tag]| {
        let names: Vec<String> = tags.iter().map(ToString::to_string).collect();
        format!("the tag {}", names.join(" or "))
    };
    match edge {
        Edge::TagAdded(of) => format!("{} is added (`tag_added`)", tags(of.as_slice())),
        Edge::TagRemoved(of) => format!("{} is removed (`tag_removed`)", tags(of.as_slice())),
        Edge::TagAssigned(of) => {
            format!("{} is added or assigned again (`tag_assigned`)", tags(of.as_slice()))
        }
        Edge::FieldSet(field) => format!("the empty field {field} gets a value (`field_set`)"),
        Edge::FieldChanged(field) => {
            format!("the value of the field {field} is replaced (`field_changed`)")
        }
        Edge::FieldCleared(field) => format!("the field {field} is cleared (`field_cleared`)"),
        Edge::Custom(name) => format!("the event {name} is posted (`custom`)"),
        Edge::Becomes(condition) => format!("this becomes true: {condition} (`becomes`)"),
        Edge::Contact(edge) => format!("of the contact {}", edge_words(edge)),
    }
}

/// A text as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

//! Words that several parts of an explanation need.

use dacapo_engine::campaign::format::Edge;
use dacapo_engine::contact::Contact;
use dacapo_engine::ids::{ElementId, Tag};

use super::Explaining;

impl Explaining<'_> {
    /// What an event reacts to, as the second half of "once …"; and what has to happen before that
    /// can happen at all, unless it has happened and is parked.
    pub(super) fn once(&self, id: &ElementId, edge: &Edge) -> String {
        let mut parked = self.enrollment().into_iter().flat_map(|it| &it.parked_entries);
        if parked.any(|entry| entry.element == *id) {
            return edge_words(edge);
        }
        let contact = self.known.situation.contact;
        let (edge_itself, contact) = match edge {
            Edge::Contact(edge) => (&**edge, self.known.situation.person.unwrap_or(contact)),
            edge => (edge, contact),
        };
        let words = edge_words(edge);
        match (before_it_can(edge_itself, contact), words.strip_suffix(')')) {
            (Some(before), Some(begun)) => format!("{begun}; {before})"),
            _ => words,
        }
    }
}

/// What stands in the way of an edge: a tag that is there cannot be added, nor can a field that has
/// a value get its first.
fn before_it_can(edge: &Edge, contact: &Contact) -> Option<String> {
    match edge {
        Edge::TagAdded(of) => {
            let there: Vec<String> = of
                .as_slice()
                .iter()
                .filter(|tag| contact.tags.contains_key(*tag))
                .map(ToString::to_string)
                .collect();
            let names = there.join(" and ");
            match there.len() {
                0 => None,
                1 => Some(format!("{names} is there already, and has to be withdrawn first")),
                _ => Some(format!("{names} are there already, and have to be withdrawn first")),
            }
        }
        Edge::FieldSet(field) if contact.fields.contains_key(field) => {
            Some("it has a value already, and has to be cleared first".to_owned())
        }
        _ => None,
    }
}

/// What an event reacts to, as the second half of "once …".
fn edge_words(edge: &Edge) -> String {
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

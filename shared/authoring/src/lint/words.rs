//! Small things about texts that several lints need.

use dacapo_engine::campaign::reader::Place;

use crate::finding::Edit;

/// What stands in the line of a place before it.
pub(super) fn before(text: &str, place: Place) -> String {
    let nth = |number: u32| usize::try_from(number).unwrap_or(1).saturating_sub(1);
    let line = text.lines().nth(nth(place.line)).unwrap_or_default();
    line.chars().take(nth(place.column)).collect()
}

/// An edit that writes a key and its value before the key at this place. It is not safe.
pub(super) fn beside(text: &str, place: Place, label: &str, written: &str) -> Edit {
    let before = before(text, place);
    let is_line = before.trim().is_empty();
    let text = if is_line { format!("{written}\n{before}") } else { format!("{written}, ") };
    Edit { label: label.to_owned(), safe: false, from: place, to: place, text }
}

/// The line and the column, from 1, of a byte in a text; columns count characters.
pub(super) fn line_and_column(text: &str, byte: usize) -> (u32, u32) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// A text as YAML in a flow list reads it back: plain where that is safe, else in quotes.
pub(super) fn as_yaml(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-');
    let is_word = text.chars().next().is_some_and(char::is_alphabetic)
        && text.chars().all(is_plain)
        && text.trim() == text
        && !["true", "false", "null", "yes", "no", "on", "off"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word));
    if is_word { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// Names in a sentence.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    }
}

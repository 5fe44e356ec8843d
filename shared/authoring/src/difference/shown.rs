//! Values of a document on one line, short.

use dacapo_engine::compact::SortCompactly as _;
use dacapo_engine::text::is_unseen;
use serde_json::Value;

/// The longest text of a value, in characters.
const LONGEST_VALUE_CHARACTERS: usize = 120;

/// How much is shown of what two long texts have in common, before their first difference.
const COMMON_BEGINNING_CHARACTERS: usize = 24;

/// Two values, short: both from a little before their first difference on, if one of them is long.
pub(super) fn pair(
    before: Option<&Value>,
    after: Option<&Value>,
) -> (Option<String>, Option<String>) {
    let line = |value: &Value| on_one_line(&as_short_text(value, true));
    let (before, after) = (before.map(line), after.map(line));
    let is_long = |text: &Option<String>| {
        text.as_ref().is_some_and(|text| text.chars().nth(LONGEST_VALUE_CHARACTERS).is_some())
    };
    let begin = match (&before, &after) {
        (Some(one), Some(other)) if is_long(&before) || is_long(&after) => {
            let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other);
            same.count().saturating_sub(COMMON_BEGINNING_CHARACTERS)
        }
        _ => 0,
    };
    (before.map(|text| cut(&text, begin)), after.map(|text| cut(&text, begin)))
}

/// A text from a character on, as long as a value may be.
fn cut(text: &str, begin: usize) -> String {
    let mut rest = text.chars().skip(begin);
    let mut shown: String = if begin > 0 { "…".to_owned() } else { String::new() };
    shown.extend(rest.by_ref().take(LONGEST_VALUE_CHARACTERS));
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
}

/// A value as it could be written in the document, on one line.
fn as_short_text(value: &Value, is_outer: bool) -> String {
    match value {
        Value::String(text) if is_outer || is_plain(text) => text.clone(),
        Value::Array(all) => {
            let all: Vec<String> = all.iter().map(|one| as_short_text(one, false)).collect();
            format!("[{}]", all.join(", "))
        }
        Value::Object(members) => {
            // What is looked at comes before what is asked of it.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_compactly_by_key(|(key, _)| *key != "field");
            let one =
                |(key, value): (&String, &Value)| format!("{key}: {}", as_short_text(value, false));
            format!("{{ {} }}", members.into_iter().map(one).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Whether a text in a list or a map is read as it is without quotes.
fn is_plain(text: &str) -> bool {
    let begins = text.chars().next().is_some_and(char::is_alphanumeric);
    begins
        && !text.contains(['"', '\'', ',', ':', '#', '[', ']', '{', '}', '\\'])
        && text.trim() == text
}

/// Line breaks as they are written in quotes; what cannot be seen is told by its number, so that a
/// text that differs only in it looks different.
fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.trim_end_matches('\n').chars() {
        match c {
            '\n' | '\t' => line.extend(c.escape_default()),
            c if is_unseen(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
    }
    line
}

//! Lists of tags, as hooks, files and the API take them.
//!
//! | written | is |
//! |---|---|
//! | `["Lead", "Kunde"]` | each item one tag with any marks; an item may be `{"label": "Lead"}` |
//! | `"Lead, Kunde"` | tags with commas between |
//! | `"\"Lead\",\"Kunde\""` | quoted as in CSV: a tag in it may hold any mark but a comma |
//! | `"[\"Lead\"]"` | a list in a text |
//! | `{"Lead": "2026-12-01T08:00:00Z", "Old": null}` | a contact's own tags; `null` withdraws |
//!
//! In a text without quotation marks `;` and `|` could separate tags or belong to one, so they are
//! refused.

use dacapo_engine::contact::Contact;
use dacapo_engine::field::quoted;
use dacapo_engine::ids::{InvalidTag, Tag};
use dacapo_engine::time::{Zone, parse_datetime};
use serde_json::{Map, Value};

/// A fault in a list: where in it, empty for the whole, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::api) struct Wrong {
    /// The index or the name.
    pub(in crate::api) at: String,
    /// `tag` or `shape`.
    pub(in crate::api) code: &'static str,
    /// What is wrong and what would be right.
    pub(in crate::api) message: String,
}

impl Wrong {
    /// Where it is, from the place at which the list stands.
    pub(in crate::api) fn path(&self, list: &str) -> String {
        if self.at.is_empty() { list.to_owned() } else { format!("{list}.{}", self.at) }
    }
}

/// Members of an object that hold a tag's name, as tools send their labels.
const CALLED: [&str; 5] = ["label", "name", "tag", "title", "value"];

/// What a list is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum For {
    /// Tags to assign.
    Assigning,
    /// Tags to withdraw: old ones may hold characters that are refused today.
    Withdrawing,
}

/// The tags of a list, and everything that is wrong with it.
pub(in crate::api) fn read(sent: &Value, what: For) -> (Vec<Tag>, Vec<Wrong>) {
    let mut list = List { what, tags: Vec::new(), wrong: Vec::new() };
    match sent {
        Value::Null => {}
        Value::String(text) => list.text(text),
        Value::Array(items) => list.items(items),
        Value::Object(map) if is_label(map) => list.item("", sent),
        Value::Object(map) => list.members(map),
        Value::Bool(_) | Value::Number(_) => {
            let message = format!(
                "{} is no list; write a list of tags, or tags with commas between",
                quoted(sent)
            );
            list.wrong("", "shape", message);
        }
    }
    (list.tags, list.wrong)
}

/// The tags that a contact's own tags, as an object, withdraw: those with `null`. Names that are no
/// tags are skipped: no contact has them.
pub(in crate::api) fn withdrawn(sent: &Value) -> Vec<Tag> {
    let members = sent.as_object().into_iter().flatten();
    members
        .filter(|(_, value)| value.is_null())
        .filter_map(|(name, _)| Tag::kept(name).ok())
        .collect()
}

/// What makes these, which were read from `sent`, all tags of the one that was there before: what
/// is to be assigned, without those that it has, and what is to be withdrawn. In an object only
/// `null` withdraws one.
pub(in crate::api) fn replacing(
    sent: &Value,
    tags: Vec<Tag>,
    before: Option<&Contact>,
) -> (Vec<Tag>, Vec<Tag>) {
    let null = withdrawn(sent);
    let has = before.map(|before| &before.tags);
    let is_withdrawn = |tag: &&Tag| match sent {
        Value::Object(_) => null.contains(tag),
        _ => !tags.contains(tag),
    };
    let remove = has.into_iter().flat_map(|has| has.keys()).filter(is_withdrawn).cloned().collect();
    let lacks = |tag: &Tag| has.is_none_or(|has| !has.contains_key(tag));
    (tags.into_iter().filter(lacks).collect(), remove)
}

/// Whether an object is a label of a tool rather than a contact's tags.
fn is_label(map: &Map<String, Value>) -> bool {
    CALLED
        .into_iter()
        .any(|name| map.get(name).and_then(Value::as_str).is_some_and(|text| !is_instant(text)))
}

fn is_instant(text: &str) -> bool {
    parse_datetime(text, Zone::UTC).is_ok()
}

struct List {
    what: For,
    tags: Vec<Tag>,
    wrong: Vec<Wrong>,
}

impl List {
    fn wrong(&mut self, at: impl Into<String>, code: &'static str, message: String) {
        self.wrong.push(Wrong { at: at.into(), code, message });
    }

    fn tag(&mut self, at: &str, text: &str) {
        let read = match self.what {
            For::Assigning => Tag::new(text),
            For::Withdrawing => Tag::kept(text),
        };
        match read {
            Ok(tag) => self.tags.push(tag),
            Err(InvalidTag::Empty) => {}
            Err(why) => {
                let shown = quoted(&Value::from(text));
                self.wrong(at, "tag", format!("{shown} is no tag: {why}"));
            }
        }
    }

    fn items(&mut self, items: &[Value]) {
        for (at, item) in items.iter().enumerate() {
            self.item(&at.to_string(), item);
        }
    }

    fn item(&mut self, at: &str, item: &Value) {
        match item {
            Value::Null => {}
            Value::String(text) => self.tag(at, text),
            Value::Number(number) => self.tag(at, &number.to_string()),
            Value::Object(map) => {
                let mut called = CALLED.iter().filter_map(|name| map.get(*name)?.as_str());
                match (called.next(), called.next()) {
                    (Some(text), None) => self.tag(at, text),
                    (Some(one), Some(other)) if one == other => self.tag(at, one),
                    _ => self.no_tag(at, item),
                }
            }
            Value::Bool(_) | Value::Array(_) => self.no_tag(at, item),
        }
    }

    fn no_tag(&mut self, at: &str, item: &Value) {
        let message = format!("{} is no tag; write its name as a text", quoted(item));
        self.wrong(at, "tag", message);
    }

    /// A contact's tags as they are in answers.
    fn members(&mut self, map: &Map<String, Value>) {
        for (name, value) in map {
            // A separate function reads which are withdrawn.
            if value.is_null() && self.what == For::Assigning {
                continue;
            }
            let is_known = match value {
                Value::Null | Value::Bool(true) => true,
                Value::String(text) => text.is_empty() || is_instant(text),
                Value::Bool(false) | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
            };
            if is_known {
                self.tag(name, name);
            } else {
                let message = format!(
                    "{} is not when a tag was assigned; write a list of tags, or null to withdraw \
                     one",
                    quoted(value)
                );
                self.wrong(name, "tag", message);
            }
        }
    }

    fn text(&mut self, text: &str) {
        let trimmed = text.trim();
        if trimmed.starts_with('[') && trimmed.ends_with(']') {
            return match serde_json::from_str::<Vec<Value>>(trimmed) {
                Ok(items) => self.items(&items),
                Err(_) => self
                    .other_notation(text, "is neither a list in JSON nor tags with commas between"),
            };
        }
        if trimmed.contains('"') {
            return match unquoted(trimmed) {
                Some(tags) => tags.iter().for_each(|tag| self.tag("", tag)),
                None => self.other_notation(
                    text,
                    "holds a quotation mark that is not closed, or stands inside a tag",
                ),
            };
        }
        if let Some(mark) = trimmed.chars().find(|c| matches!(c, ';' | '|' | '\n' | '\t')) {
            return self.other_notation(
                text,
                &format!("holds {mark:?}, which could separate tags or belong to one"),
            );
        }
        trimmed.split(',').for_each(|tag| self.tag("", tag));
    }

    fn other_notation(&mut self, text: &str, why: &str) {
        let shown = quoted(&Value::from(text));
        let marks = |c: char| matches!(c, ';' | '|' | '\n' | '\t' | ',' | '[' | ']' | '"');
        let parts = text.split(marks).map(str::trim).filter(|part| !part.is_empty());
        let list = Value::from_iter(parts.take(3));
        let message = format!(
            "{shown} {why}; write commas between tags, or a list such as {list}. A tag with such a \
             mark goes into a list, or between quotation marks"
        );
        self.wrong("", "tag", message);
    }
}

/// The cells of one line of CSV with commas.
fn unquoted(text: &str) -> Option<Vec<String>> {
    let mut cells = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut cell = String::new();
            let mut from = quoted;
            loop {
                let end = from.find('"')?;
                cell.push_str(&from[..end]);
                from = &from[end + 1..];
                match from.strip_prefix('"') {
                    Some(more) => {
                        cell.push('"');
                        from = more;
                    }
                    None => break,
                }
            }
            cells.push(cell);
            rest = from.trim_start();
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let cell = rest[..end].trim();
            if cell.contains(['"', ';', '|', '\n', '\t']) {
                return None;
            }
            cells.push(cell.to_owned());
            rest = &rest[end..];
        }
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None if rest.is_empty() => return Some(cells),
            None => return None,
        }
    }
}

/// Tags as one text that is read as the same tags again: the form in a file.
pub(in crate::api) fn written<'a>(tags: impl Iterator<Item = &'a Tag>) -> String {
    let quoted = |tag: &Tag| {
        let tag = tag.as_str();
        if tag.contains(['"', ';', '|']) || tag.starts_with('[') {
            format!("\"{}\"", tag.replace('"', "\"\""))
        } else {
            tag.to_owned()
        }
    };
    tags.map(quoted).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tags(sent: &Value) -> Vec<String> {
        let (tags, wrong) = read(sent, For::Assigning);
        assert_eq!(wrong, [], "{sent}");
        tags.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn tags_in_another_notation_are_read_where_they_mean_one_thing() {
        for sent in [
            json!(["Lead", "Kunde"]),
            json!("Lead,Kunde"),
            json!(" Lead , Kunde,, "),
            json!("[\"Lead\", \"Kunde\"]"),
            json!("\"Lead\",\"Kunde\""),
            json!("\"Lead\", Kunde"),
            json!([{ "label": "Lead" }, { "id": 7, "name": "Kunde" }]),
            json!("[{\"label\": \"Lead\"}, \"Kunde\"]"),
            json!({ "Lead": "2026-12-01T08:00:00Z", "Kunde": true }),
        ] {
            let mut read = tags(&sent);
            read.sort_unstable_by(|one, other| other.cmp(one));
            assert_eq!(read, ["Lead", "Kunde"], "{sent}");
        }
        assert_eq!(tags(&json!({ "label": "Lead" })), ["Lead"]);
        assert_eq!(
            tags(&json!(["a;b", "c|d", "say \"x\"", 2026])),
            ["a;b", "c|d", "say \"x\"", "2026"]
        );
        assert_eq!(tags(&json!("\"a;b\", \"say \"\"x\"\"\"")), ["a;b", "say \"x\""]);
        for nothing in
            [json!(null), json!(""), json!([]), json!([null, ""]), json!("[]"), json!({})]
        {
            assert_eq!(tags(&nothing), Vec::<String>::new(), "{nothing}");
        }
    }

    #[test]
    fn tags_in_another_notation_are_refused_with_what_was_sent() {
        for (sent, at) in [
            (json!("Lead;Kunde"), ""),
            (json!("Lead|Kunde"), ""),
            (json!("Lead\nKunde"), ""),
            (json!("[Lead, Kunde]"), ""),
            (json!("\"Lead, Kunde"), ""),
            (json!("5\" screen, Lead"), ""),
            (json!(true), ""),
            (json!(7), ""),
            (json!([["Lead"]]), "0"),
            (json!(["fine", "a,b"]), "1"),
            (json!([{ "id": 7 }]), "0"),
            (json!([{ "label": "Lead", "name": "Kunde" }]), "0"),
            (json!({ "Lead": 1 }), "Lead"),
            (json!(["Lead\u{200b}"]), "0"),
        ] {
            let (_, wrong) = read(&sent, For::Assigning);
            assert_eq!(wrong.len(), 1, "{sent}: {wrong:?}");
            assert_eq!(wrong[0].at, at, "{sent}");
            let part = match &sent {
                Value::Array(items) => items.last().unwrap(),
                Value::Object(map) => map.values().next().unwrap(),
                other => other,
            };
            assert!(wrong[0].message.contains(&quoted(part)), "{sent}: {}", wrong[0].message);
        }
        let (_, wrong) = read(&json!(["Lead\u{200b}"]), For::Assigning);
        assert!(wrong[0].message.contains("U+200B (ZERO WIDTH SPACE)"), "{}", wrong[0].message);
        assert_eq!(read(&json!(["Lead\u{200b}"]), For::Withdrawing).0.len(), 1);
    }

    #[test]
    fn tags_written_as_a_text_read_as_the_same() {
        let list: Vec<Tag> = ["a;b", "say \"x\"", "plain", "[x]", "c|d", "e f"]
            .iter()
            .map(|text| Tag::new(text).unwrap())
            .collect();
        assert_eq!(
            tags(&json!(written(list.iter()))),
            list.iter().map(ToString::to_string).collect::<Vec<_>>()
        );
    }
}

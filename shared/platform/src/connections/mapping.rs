//! A connection's `map`: from places in a body to members of a contact or an object.
//!
//! | source | is |
//! |---|---|
//! | `/rawRequest/q3_email` | a JSON pointer (RFC 6901); a text that is JSON is looked into |
//! | `form_fields[email]` | the key of a form, or of the outermost object, as it is sent |
//! | `object.starts_at` | a field of the booking, or its `key` |
//!
//! | target | is |
//! |---|---|
//! | `email`, `time_zone`, `appointment_at` | a member of the contact, or a custom field |
//! | `object.key`, `object.starts_at` | the key or a field of the object |
//!
//! Of several sources for one target the first that has a value counts, in alphabetical order.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::connections::incoming::{Incoming, IncomingObject};
use crate::json_tree::Tree;

/// How deep JSON may be nested in texts of JSON.
const DEEPEST: usize = 4;

/// The prefix of what belongs to the object.
pub(crate) const OBJECT: &str = "object.";

/// The status of a booking that holds.
const BOOKED: &str = "booked";

/// The status of a booking that a host has not confirmed yet.
pub(super) const WAITING: &str = "waiting";

/// Fields of a booking that was cancelled or missed which a map still looks at: a contact that has
/// one date may have a newer one by now.
const ALWAYS: [&str; 3] = ["status", "reason", "key"];

/// What a target names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target<'t> {
    /// A member of the contact, or a custom field.
    Contact(&'t str),
    /// The key or a field of the object.
    Object(&'t str),
}

/// What a target names.
pub(crate) fn target(written: &str) -> Target<'_> {
    match written.strip_prefix(OBJECT) {
        Some(name) => Target::Object(name),
        None => Target::Contact(written.strip_prefix("fields.").unwrap_or(written)),
    }
}

/// Whether a source is a JSON pointer.
pub(crate) fn is_pointer(source: &str) -> bool {
    source.starts_with('/')
}

/// Whether a pointer is written as RFC 6901 has it: `~` stands before `0` or `1` only.
pub(crate) fn is_well_formed(pointer: &str) -> bool {
    pointer.split('~').skip(1).all(|after| after.starts_with(['0', '1']))
}

/// Adds to a contact, and to an object, what the map takes from a body.
pub(crate) fn apply(map: &BTreeMap<String, String>, body: &Value, incoming: &mut Incoming) {
    let (mut members, mut fields) = (Map::new(), Map::new());
    let found = values_at(body, map.keys().map(String::as_str));
    for ((source, written), found) in map.iter().zip(found) {
        let into = match target(written) {
            Target::Contact(name) => (&mut members, name),
            Target::Object(name) => (&mut fields, name),
        };
        let value = match source.strip_prefix(OBJECT) {
            Some(name) => incoming.object.as_ref().and_then(|object| of_object(object, name)),
            None => found,
        };
        if let Some(value) = value.filter(says)
            && !into.0.contains_key(into.1)
        {
            into.0.insert(into.1.to_owned(), value);
        }
    }
    incoming.contact.extend(members);
    if !fields.is_empty() {
        let object = incoming.object.get_or_insert_default();
        for (name, value) in fields {
            match (name.as_str(), plain(&value)) {
                ("key", Some(key)) => object.key = key,
                ("replaces", Some(key)) => object.replaces = Some(key),
                _ => {
                    object.fields.insert(name, value);
                }
            }
        }
    }
}

/// Adds fixed values to a contact and an object, where nothing else was taken.
pub(crate) fn set(fixed: &BTreeMap<String, Value>, incoming: &mut Incoming) {
    for (written, value) in fixed {
        let (into, name) = match (target(written), &mut incoming.object) {
            (Target::Contact(name), _) => (&mut incoming.contact, name),
            (Target::Object(name), Some(object)) => (&mut object.fields, name),
            // Without a key there is no object.
            (Target::Object(_), None) => continue,
        };
        if !into.contains_key(name) {
            into.insert(name.to_owned(), value.clone());
        }
    }
}

/// A field of a booking, or its key.
fn of_object(object: &IncomingObject, name: &str) -> Option<Value> {
    let holds =
        object.fields.get("status").is_none_or(|status| status == BOOKED || status == WAITING);
    if !holds && !ALWAYS.contains(&name) {
        return None;
    }
    match name {
        "key" => Some(Value::from(object.key.as_str())),
        name => object.fields.get(name).cloned(),
    }
}

/// What stands at sources in a body, in their order.
fn values_at<'s>(body: &Value, sources: impl Iterator<Item = &'s str>) -> Vec<Option<Value>> {
    let plain = |step: &str| step.replace("~1", "/").replace("~0", "~");
    let steps = sources.map(|source| match is_pointer(source) {
        true => source.split('/').skip(1).map(plain).collect(),
        false => vec![source.to_owned()],
    });
    let steps: Vec<Vec<String>> = steps.collect();
    let mut found = vec![None; steps.len()];
    lead(body, steps.iter().map(Vec::as_slice).enumerate().collect(), DEEPEST, &mut found);
    found
}

/// Finds what these steps lead to, each by its number, through so many texts of JSON at most. A
/// text is opened once, however many steps lead through it.
fn lead(here: &Value, wanted: Vec<(usize, &[String])>, texts: usize, found: &mut [Option<Value>]) {
    let (there, wanted): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|(_, steps)| steps.is_empty());
    there.into_iter().for_each(|(nth, _)| found[nth] = Some(shown(here)));
    if wanted.is_empty() {
        return;
    }
    if let Value::String(text) = here {
        if let (Some(texts), Some(opened)) = (texts.checked_sub(1), opened_text(text)) {
            lead(&opened, wanted, texts, found);
        }
        return;
    }
    for together in wanted.chunk_by(|(_, one), (_, other)| one[0] == other[0]) {
        let step = together[0].1[0].as_str();
        let next = match here {
            Value::Array(items) => step.parse::<usize>().ok().and_then(|nth| items.get(nth)),
            other => other.get(step),
        };
        if let Some(next) = next {
            let rest = together.iter().map(|(nth, steps)| (*nth, &steps[1..])).collect();
            lead(next, rest, texts, found);
        }
    }
}

/// The JSON that a text holds, if it holds an object or a list; without members that have two
/// different values.
fn opened_text(text: &str) -> Option<Value> {
    Tree::opened(text).map(|tree| tree.once().0)
}

/// A value as a field takes it: a list of one is that one, a list of several is a text with commas.
fn shown(value: &Value) -> Value {
    let Value::Array(items) = value else { return value.clone() };
    match items.as_slice() {
        [only] => only.clone(),
        several => match several.iter().map(plain).collect::<Option<Vec<_>>>() {
            Some(texts) => Value::from(texts.join(", ")),
            None => value.clone(),
        },
    }
}

/// A value as text, if it is neither an object nor a list.
pub(crate) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(says) => Some(says.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether there is a value.
pub(crate) fn says(value: &Value) -> bool {
    !value.is_null() && value.as_str().is_none_or(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pointer_leads_through_objects_lists_and_texts_of_json() {
        let raw = json!({ "q3": { "first": "Ann" }, "q5": ["a", "b"], "a/b": 1 }).to_string();
        let body = json!({ "raw": raw, "list": [{ "x": true }], "form_fields[email]": "ann@example.com",
            "one": ["only"], "null": null });
        for (source, value) in [
            ("/raw/q3/first", Some(json!("Ann"))),
            ("/raw/q5", Some(json!("a, b"))),
            ("/raw/q5/1", Some(json!("b"))),
            ("/raw/a~1b", Some(json!(1))),
            ("/list/0/x", Some(json!(true))),
            ("/list/1/x", None),
            ("/list/first", None),
            ("/raw/q3/first/deeper", None),
            ("form_fields[email]", Some(json!("ann@example.com"))),
            ("/form_fields[email]", Some(json!("ann@example.com"))),
            ("one", Some(json!("only"))),
            ("email", None),
            ("", None),
        ] {
            assert_eq!(values_at(&body, [source].into_iter()), [value], "{source}");
        }
    }

    /// Anybody who has the URL of a form can send such a text, and a map may have 200 entries.
    #[test]
    fn a_text_of_json_is_opened_once_however_long_its_names_are() {
        let numbers = vec![1; 100_000];
        let text = json!({ "n".repeat(3_900): numbers, "email": "ann@example.com" }).to_string();
        let body = json!({ "raw": text });
        let sources: Vec<String> = (0..200).map(|nth| format!("/raw/q{nth}")).collect();
        let sources = sources.iter().map(String::as_str).chain(["/raw/email"]);
        let began = std::time::Instant::now();
        let found = values_at(&body, sources);
        assert_eq!(found.last(), Some(&Some(json!("ann@example.com"))));
        // Opened for each of them it took more than a minute.
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    }

    #[test]
    fn a_pointer_escapes_nothing_but_what_the_standard_does() {
        for right in ["/a", "/a~1b/~0", "/~01"] {
            assert!(is_well_formed(right), "{right}");
        }
        for wrong in ["/a/~2", "/a~", "/~/b"] {
            assert!(!is_well_formed(wrong), "{wrong}");
        }
    }

    #[test]
    fn of_several_sources_the_first_with_a_value_counts() {
        let map: BTreeMap<String, String> =
            [("a", "email"), ("b", "email"), ("c", "object.key"), ("d", "object.place")]
                .map(|(source, target)| (source.to_owned(), target.to_owned()))
                .into();
        let body = json!({ "a": " ", "b": "ann@example.com", "c": 7, "d": "Kiel" });
        let mut incoming = Incoming::default();
        apply(&map, &body, &mut incoming);
        assert_eq!(incoming.contact["email"], "ann@example.com");
        let object = incoming.object.unwrap();
        assert_eq!((object.key.as_str(), &object.fields["place"]), ("7", &json!("Kiel")));
    }

    #[test]
    fn a_fixed_value_stands_in_for_what_came_empty_or_not_at_all() {
        let map: BTreeMap<String, String> =
            [("nr", "object.key"), ("state", "object.status"), ("city", "city")]
                .map(|(source, target)| (source.to_owned(), target.to_owned()))
                .into();
        let fixed: BTreeMap<String, Value> = [
            ("object.status", json!("booked")),
            ("fields.city", json!("Kiel")),
            ("vip", json!(true)),
        ]
        .map(|(target, value)| (target.to_owned(), value))
        .into();
        for (state, is) in [(" ", "booked"), ("cancelled", "cancelled")] {
            let mut incoming = Incoming::default();
            apply(&map, &json!({ "nr": 7, "state": state, "city": "Ulm" }), &mut incoming);
            set(&fixed, &mut incoming);
            assert_eq!(Value::Object(incoming.contact), json!({ "city": "Ulm", "vip": true }));
            assert_eq!(incoming.object.unwrap().fields["status"], is);
        }
    }

    #[test]
    fn a_date_that_was_cancelled_takes_no_other_dates_place() {
        let map: BTreeMap<String, String> =
            [("object.starts_at", "appointment_at"), ("object.status", "appointment_status")]
                .map(|(source, target)| (source.to_owned(), target.to_owned()))
                .into();
        let told = |status: &str| {
            let fields = json!({ "starts_at": "2026-12-01T10:00:00Z", "status": status });
            let Value::Object(fields) = fields else { unreachable!("an object") };
            let object = IncomingObject { fields, ..IncomingObject::default() };
            let mut incoming = Incoming { object: Some(object), ..Incoming::default() };
            apply(&map, &Value::Null, &mut incoming);
            Value::Object(incoming.contact)
        };
        let booked =
            json!({ "appointment_at": "2026-12-01T10:00:00Z", "appointment_status": "booked" });
        assert_eq!(told("booked"), booked);
        assert_eq!(told("cancelled"), json!({ "appointment_status": "cancelled" }));
    }
}

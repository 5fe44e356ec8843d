//! Forms, shops and whatever else posts names and values: JSON of any depth, or a form.
//!
//! With a map, the map alone says what is taken; fixed values stand in for what it finds nowhere.
//! Without one every value is met by its name, however deep it stands: `Email`,
//! `form_fields[email]`, `E-Mail-Adresse`. Of two values with one name the outer one counts; two at
//! the same depth that differ are left out, and told.

use std::collections::{BTreeMap, VecDeque};

use dacapo_engine::compact::CollectCompactly as _;
use serde_json::{Map, Value};

use crate::connections::incoming::{BEGIN, Incoming, IncomingObject, Misfit, Understood, is_over};
use crate::connections::mapping::{self, Target, plain, says, target};
use crate::connections::tree::{Body, stands_twice};
use crate::json_tree::{Tree, beneath};

/// The most values that are looked at.
const MOST_VALUES: usize = 1_000;

/// The most names that an error lists.
const MOST_NAMED: usize = 20;

/// What a post means.
///
/// # Errors
///
/// What the map needs and the body does not have.
pub(super) fn understand(
    (map, set): (&BTreeMap<String, String>, &BTreeMap<String, Value>),
    object: Option<&str>,
    body: &Body,
) -> Result<Understood, Vec<Misfit>> {
    let mut incoming = Incoming { tagged: true, ..Incoming::default() };
    let mut left_out = Vec::new();
    if map.is_empty() {
        incoming.by_name = true;
        (incoming.contact, left_out) = by_name(&body.tree);
    } else {
        left_out.clone_from(&body.twice);
        mapping::apply(map, &body.value, &mut incoming);
        mapping::set(set, &mut incoming);
        let mut missing = Vec::new();
        let lacks = |target: &str| {
            let from =
                map.iter().filter(|(_, into)| *into == target).map(|(from, _)| from.as_str());
            let from: Vec<&str> = from.collect();
            let message = format!(
                "`{target}` is taken from {}, and there is no value; the body has {}",
                from.join(", "),
                named(&body.tree)
            );
            Misfit::new(target, "required", message)
        };
        if !incoming.contact.contains_key("email") {
            missing.push(lacks("email"));
        }
        if object.is_some() && incoming.object.as_ref().is_none_or(|object| object.key.is_empty()) {
            missing.push(lacks("object.key"));
        }
        // Without its date a booking would be neither confirmed nor reminded of.
        let lacks_its_date = |object: &IncomingObject| {
            !is_over(&object.fields) && !object.fields.contains_key(BEGIN)
        };
        let is_mapped = map.values().any(|into| target(into) == Target::Object(BEGIN));
        if object.is_some() && is_mapped && incoming.object.as_ref().is_some_and(lacks_its_date) {
            missing.push(lacks("object.starts_at"));
        }
        if !missing.is_empty() {
            missing.extend(left_out);
            return Err(missing);
        }
    }
    match (&mut incoming.object, object) {
        (Some(there), Some(kind)) => kind.clone_into(&mut there.kind),
        (there, _) => *there = None,
    }
    Ok(Understood { event: None, what: Ok(vec![incoming]), left_out })
}

/// Every value by its name, and what was left out because it came twice.
fn by_name(body: &Tree) -> (Map<String, Value>, Vec<Misfit>) {
    let mut found: BTreeMap<String, (usize, String, Value)> = BTreeMap::new();
    let mut twice: BTreeMap<String, Misfit> = BTreeMap::new();
    for Leaf { depth, path, name, value } in leaves(body) {
        let name = bare(&name);
        if name.is_empty() {
            continue;
        }
        match found.get(name) {
            None => {
                found.insert(name.to_owned(), (depth, path, value));
            }
            Some((outer, there, first)) if *outer == depth && *first != value => {
                let message = match *there == path {
                    true => stands_twice(&path),
                    false => {
                        format!("`{there}` and `{path}` differ; say in the map which is meant")
                    }
                };
                twice.insert(name.to_owned(), Misfit::new(name, "twice", message));
            }
            Some(_) => {}
        }
    }
    found.retain(|name, _| !twice.contains_key(name));
    let members = found.into_iter().map(|(name, (_, _, value))| (name, value)).collect_compactly();
    (members, twice.into_values().collect())
}

/// A value that is neither an object nor a list, and where it stands.
struct Leaf {
    depth: usize,
    path: String,
    name: String,
    value: Value,
}

/// The values of a body that say something, the outer ones first.
fn leaves(body: &Tree) -> Vec<Leaf> {
    let mut found = Vec::new();
    let mut open = VecDeque::from([(0, String::new(), String::new(), body.clone())]);
    while let Some((depth, path, name, tree)) = open.pop_front() {
        if found.len() + open.len() > MOST_VALUES {
            break;
        }
        match tree {
            Tree::Members(members) => {
                open.extend(members.into_iter().take(MOST_VALUES).map(|(name, member)| {
                    let place = beneath(&path, &name);
                    (depth + 1, place, name, member)
                }));
            }
            // Ticked boxes are one value of several words.
            Tree::List(items) => match texts(&items) {
                Some(texts) => {
                    found.push(Leaf { depth, path, name, value: Value::from(texts.join(",")) });
                }
                None => open.extend(items.into_iter().take(MOST_VALUES).enumerate().map(
                    |(nth, item)| (depth + 1, format!("{path}/{nth}"), nth.to_string(), item),
                )),
            },
            Tree::Plain(Value::String(text)) => match Tree::opened(&text) {
                Some(inner) => open.push_back((depth, path, name, inner)),
                None if !text.trim().is_empty() => {
                    found.push(Leaf { depth, path, name, value: Value::String(text) });
                }
                None => {}
            },
            Tree::Plain(value) => {
                if says(&value) {
                    found.push(Leaf { depth, path, name, value });
                }
            }
        }
    }
    found
}

/// The texts of a list, if it holds nothing else and is not empty.
fn texts(items: &[Tree]) -> Option<Vec<String>> {
    let text = |item: &Tree| match item {
        Tree::Plain(value) => plain(value),
        Tree::List(_) | Tree::Members(_) => None,
    };
    let texts: Option<Vec<String>> = items.iter().map(text).collect();
    texts.filter(|texts| !texts.is_empty())
}

/// The name without what a form puts around a custom field: `fields[city]`, `fields.city`.
fn bare(name: &str) -> &str {
    let inner = name.strip_prefix("fields[").and_then(|rest| rest.strip_suffix(']'));
    let inner = inner.filter(|inner| !inner.contains(['[', ']']));
    inner.or_else(|| name.strip_prefix("fields.")).unwrap_or(name).trim()
}

/// The places in a body that have a value, for the user who writes a map.
fn named(body: &Tree) -> String {
    let mut paths: Vec<String> =
        leaves(body).into_iter().map(|leaf| format!("`{}`", leaf.path)).collect();
    let more = paths.len().saturating_sub(MOST_NAMED);
    paths.truncate(MOST_NAMED);
    match (paths.is_empty(), more) {
        (true, _) => "no value at all".to_owned(),
        (false, 0) => paths.join(", "),
        (false, more) => format!("{} and {more} more", paths.join(", ")),
    }
}

/// The bodies here are written anew from what the tools describe: Jotform,
/// <https://www.jotform.com/help/245-how-to-setup-a-webhook-with-jotform/>; Formbricks,
/// <https://formbricks.com/docs/api/management/webhooks>; Digistore24,
/// <https://dev.digistore24.com/en/articles/13-events>.
#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    }

    fn none() -> BTreeMap<String, Value> {
        BTreeMap::new()
    }

    #[test]
    fn a_booking_whose_mapped_date_is_missing_cannot_be_used_unless_it_is_cancelled() {
        let pairs = [
            ("mail", "email"),
            ("nr", "object.key"),
            ("when", "object.starts_at"),
            ("state", "object.status"),
        ];
        let understood = |when: &Value, state: &str| {
            let body =
                json!({ "mail": "ann@example.com", "nr": "b1", "when": when, "state": state });
            understand((&map(&pairs), &none()), Some("appointment"), &body.into())
        };
        for when in [json!(""), json!(null)] {
            let missing = understood(&when, "booked").unwrap_err();
            assert_eq!(missing[0].path, "object.starts_at");
            assert!(missing[0].message.contains("is taken from when"), "{}", missing[0].message);
            assert!(understood(&when, "cancelled").is_ok());
        }
        assert!(understood(&json!("2026-12-01T13:00"), "booked").is_ok());
    }

    fn taken(pairs: &[(&str, &str)], object: Option<&str>, body: &Value) -> Incoming {
        understand((&map(pairs), &none()), object, &body.clone().into())
            .unwrap()
            .what
            .unwrap()
            .remove(0)
    }

    #[test]
    fn a_map_reaches_into_what_jotform_and_formbricks_send() {
        let raw =
            json!({ "q3_name": { "first": "Ann", "last": "Lee" }, "q4_email": "ann@example.com" });
        let jotform = json!({ "formID": "1", "submissionID": "77", "rawRequest": raw.to_string() });
        let pairs = [
            ("/rawRequest/q4_email", "email"),
            ("/rawRequest/q3_name/first", "first_name"),
            ("submissionID", "object.key"),
        ];
        let one = taken(&pairs, Some("registration"), &jotform);
        assert_eq!(
            Value::Object(one.contact),
            json!({ "email": "ann@example.com", "first_name": "Ann" })
        );
        let object = one.object.unwrap();
        assert_eq!((object.kind.as_str(), object.key.as_str()), ("registration", "77"));
        let formbricks = json!({ "event": "responseFinished",
            "data": { "id": "r1", "data": { "k7": "ann@example.com", "k8": ["a", "b"] } } });
        let one =
            taken(&[("/data/data/k7", "email"), ("/data/data/k8", "city")], None, &formbricks);
        assert_eq!(
            Value::Object(one.contact),
            json!({ "email": "ann@example.com", "city": "a, b" })
        );
    }

    #[test]
    fn without_a_map_every_value_is_met_by_its_name() {
        let body = json!({ "form": { "id": "f" }, "answers": [{ "E-Mail-Adresse": "ann@example.com" }],
            "form_fields[city]": "Kiel", "fields[score]": "3", "fields.vip": true,
            "Interests": ["a", "b"], "empty": "", "nothing": null });
        let one = taken(&[], None, &body);
        assert!(one.by_name);
        assert_eq!(
            Value::Object(one.contact),
            json!({ "id": "f", "E-Mail-Adresse": "ann@example.com", "form_fields[city]": "Kiel", "score": "3",
                "vip": true, "Interests": "a,b" })
        );
    }

    #[test]
    fn the_outer_value_counts_and_two_that_differ_are_told() {
        let body = json!({ "email": "ann@example.com", "owner": { "email": "other@example.com" },
            "a": { "city": "Kiel" }, "b": { "city": "Ulm" } });
        let understood = understand((&map(&[]), &none()), None, &body.into()).unwrap();
        let contact = understood.what.unwrap().remove(0).contact;
        assert_eq!(Value::Object(contact), json!({ "email": "ann@example.com" }));
        assert_eq!(understood.left_out[0].path, "city");
        assert!(understood.left_out[0].message.contains("/b/city"));
    }

    #[test]
    fn one_name_twice_is_left_out_and_told_whatever_stands_deeper() {
        for text in [
            r#"{"email": "one@x.example", "email": "two@x.example", "owner": {"email": "other@x.example"}}"#,
            r#"{"a": {"email": "one@x.example"}, "a": {"email": "two@x.example"}}"#,
            r#"{"raw": "{\"email\": \"one@x.example\", \"email\": \"two@x.example\"}"}"#,
        ] {
            let body = Body::from(serde_json::from_str::<Tree>(text).unwrap());
            let understood = understand((&map(&[]), &none()), None, &body).unwrap();
            assert_eq!(understood.what.unwrap()[0].contact.get("email"), None, "{text}");
            let told = &understood.left_out[0];
            assert_eq!((told.path.as_str(), told.code.as_str()), ("email", "twice"), "{text}");
            // A map takes neither of them.
            let taken = map(&[("/email", "email"), ("/a/email", "email"), ("/raw/email", "email")]);
            let failed = understand((&taken, &none()), None, &body).unwrap_err();
            assert_eq!((failed[0].path.as_str(), failed[0].code.as_str()), ("email", "required"));
        }
    }

    #[test]
    fn a_map_that_leads_nowhere_says_what_there_is() {
        let wrong = understand(
            (&map(&[("/mail", "email")]), &none()),
            Some("order"),
            &json!({ "email": "a@b.example" }).into(),
        );
        let wrong = wrong.unwrap_err();
        assert_eq!((wrong[0].path.as_str(), wrong[0].code.as_str()), ("email", "required"));
        assert!(
            wrong[0].message.contains("/mail") && wrong[0].message.contains("`/email`"),
            "{wrong:?}"
        );
        assert_eq!(wrong[1].path, "object.key");
    }
}

//! What follows from a condition, as far as that is certain: three values, yes, no and unknown.

use dacapo_engine::condition::{Condition, Test};
use dacapo_engine::ids::{FieldKey, Tag};
use serde_json::Value;

/// One thing that is so or not.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Atom {
    Tag { of_person: bool, tag: Tag },
    Field { of_person: bool, key: FieldKey, test: Test },
}

/// What certainly is so (`true`) or is not whenever the condition holds.
pub(super) fn necessary(condition: &Condition) -> Vec<(Atom, bool)> {
    let mut known = Vec::new();
    collect(condition, true, false, &mut known);
    known
}

fn collect(condition: &Condition, holds: bool, of_person: bool, known: &mut Vec<(Atom, bool)>) {
    match condition {
        Condition::Tag(tag) => known.push((Atom::Tag { of_person, tag: tag.clone() }, holds)),
        Condition::Field(key, test) => {
            let atom = Atom::Field { of_person, key: key.clone(), test: test.clone() };
            known.push((atom, holds));
        }
        Condition::Campaign(..) => {}
        Condition::Not(not) => collect(not, !holds, of_person, known),
        Condition::Contact(of) => collect(of, holds, true, known),
        Condition::All(many) if holds || many.len() == 1 => {
            many.iter().for_each(|one| collect(one, holds, of_person, known));
        }
        Condition::Any(many) if !holds || many.len() == 1 => {
            many.iter().for_each(|one| collect(one, holds, of_person, known));
        }
        Condition::All(_) | Condition::Any(_) => {}
    }
}

/// Whether the condition holds for somebody of whom this is known; `None` if that is not certain.
pub(super) fn holds(condition: &Condition, known: &[(Atom, bool)]) -> Option<bool> {
    judged(condition, known, false)
}

fn judged(condition: &Condition, known: &[(Atom, bool)], of_person: bool) -> Option<bool> {
    match condition {
        Condition::Tag(tag) => {
            let wanted = Atom::Tag { of_person, tag: tag.clone() };
            known.iter().find(|(atom, _)| *atom == wanted).map(|(_, holds)| *holds)
        }
        Condition::Field(key, test) => known.iter().find_map(|(atom, so)| match atom {
            Atom::Field { of_person: of, key: other, test: asked }
                if *of == of_person && other == key =>
            {
                follows(asked, *so, test)
            }
            _ => None,
        }),
        Condition::Campaign(..) => None,
        Condition::Not(not) => judged(not, known, of_person).map(|holds| !holds),
        Condition::Contact(of) => judged(of, known, true),
        Condition::All(many) => {
            let all: Vec<_> = many.iter().map(|one| judged(one, known, of_person)).collect();
            if all.contains(&Some(false)) {
                Some(false)
            } else {
                all.iter().all(|one| *one == Some(true)).then_some(true)
            }
        }
        Condition::Any(many) => {
            let all: Vec<_> = many.iter().map(|one| judged(one, known, of_person)).collect();
            if all.contains(&Some(true)) {
                Some(true)
            } else {
                all.iter().all(|one| *one == Some(false)).then_some(false)
            }
        }
    }
}

/// What follows for a test of a field from another test of it.
fn follows(known: &Test, so: bool, asked: &Test) -> Option<bool> {
    if known == asked {
        return Some(so);
    }
    // Every test but `empty` needs a value.
    let has_value = match (known, so) {
        (Test::Empty, so) => Some(!so),
        (Test::Set, so) => Some(so),
        (_, true) => Some(true),
        (_, false) => None,
    };
    match (asked, has_value) {
        (Test::Set, known) => known,
        (Test::Empty, known) => known.map(|has| !has),
        (_, Some(false)) => Some(false),
        (Test::Past, _) if matches!(known, Test::Future) && so => Some(false),
        (Test::Future, _) if matches!(known, Test::Past) && so => Some(false),
        (Test::Equals(wanted), _) => match known {
            Test::Equals(value) if so && is_other(value, wanted) => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Whether two literals certainly are not the same value, however they are read.
fn is_other(one: &Value, other: &Value) -> bool {
    let letters = |value: &Value| match value {
        Value::String(text) => dacapo_engine::text::folded(text.trim()),
        other => other.to_string(),
    };
    // `1` and `1.0`, or two ways to write a date, are the same value.
    let is_word = |text: &str| text.chars().any(char::is_alphabetic);
    let (one, other) = (letters(one), letters(other));
    one != other && is_word(&one) && is_word(&other)
}

/// Two things that a condition asks for and that are never so together, in words; `None` if none
/// are known.
pub(super) fn contradiction(condition: &Condition) -> Option<String> {
    match condition {
        Condition::Any(many) if !many.is_empty() => {
            let all: Option<Vec<String>> = many.iter().map(contradiction).collect();
            all?.into_iter().next()
        }
        Condition::All(many) => {
            if let Some(found) = many.iter().find_map(contradiction) {
                return Some(found);
            }
            for (nth, one) in many.iter().enumerate() {
                let known = necessary(one);
                let others = many.iter().skip(nth + 1);
                let mut against = others.filter(|other| holds(other, &known) == Some(false));
                if let Some(other) = against.next() {
                    return Some(format!("{one} and {other}"));
                }
            }
            None
        }
        Condition::Contact(of) => contradiction(of),
        Condition::Tag(_) | Condition::Field(..) | Condition::Campaign(..) => None,
        Condition::Any(_) | Condition::Not(_) => None,
    }
}

/// Whether both conditions may hold for the same subject at the same time.
pub(super) fn together(one: &Condition, other: &Condition) -> bool {
    holds(other, &necessary(one)) != Some(false) && holds(one, &necessary(other)) != Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: Value) -> Condition {
        serde_json::from_value(json).expect("a condition")
    }

    #[test]
    fn what_is_never_so_together_is_known_and_nothing_else_is() {
        use serde_json::json;
        for (condition, expected) in [
            (json!({ "all": [{ "tag": "A" }, { "not": { "tag": "a" } }] }), true),
            (
                json!({ "all": [{ "field": "f", "is": "past" }, { "field": "f", "is": "future" }] }),
                true,
            ),
            (
                json!({ "all": [{ "field": "f", "is": "set" }, { "field": "f", "is": "empty" }] }),
                true,
            ),
            (
                json!({ "all": [{ "field": "f", "equals": "x" }, { "field": "f", "equals": "y" }] }),
                true,
            ),
            (
                json!({ "all": [{ "field": "f", "equals": "X" }, { "field": "f", "equals": "x" }] }),
                false,
            ),
            (
                json!({ "all": [{ "field": "f", "equals": 1 }, { "field": "f", "equals": 1.0 }] }),
                false,
            ),
            (json!({ "all": [{ "tag": "A" }, { "not": { "tag": "B" } }] }), false),
            (json!({ "any": [{ "tag": "A" }, { "not": { "tag": "A" } }] }), false),
            (json!({ "all": [{ "tag": "A" }, { "contact": { "not": { "tag": "A" } } }] }), false),
        ] {
            let found = contradiction(&read(condition.clone()));
            assert_eq!(found.is_some(), expected, "{condition}: {found:?}");
        }
    }

    #[test]
    fn a_start_may_make_a_goal_certain() {
        use serde_json::json;
        let start =
            necessary(&read(json!({ "all": [{ "tag": "A" }, { "field": "f", "is": "future" }] })));
        let goal = |json| holds(&read(json), &start);
        assert_eq!(goal(json!({ "any": [{ "tag": "B" }, { "tag": "A" }] })), Some(true));
        assert_eq!(goal(json!({ "field": "f", "is": "set" })), Some(true));
        assert_eq!(goal(json!({ "tag": "B" })), None);
        assert_eq!(goal(json!({ "all": [{ "tag": "A" }, { "tag": "B" }] })), None);
    }
}

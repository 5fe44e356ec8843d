//! What is different between two documents of a campaign: which elements, e-mails and other parts
//! were added, removed or changed, and in a part that changed, which of its keys.
//!
//! What the documents mean is compared, not how they are written: comments, spacing, the order of
//! keys, and a default that one of them writes out make no difference. Only the order of the
//! elements does (R10): an element that is in another place is a changed one, with the key `order`.

mod shown;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use dacapo_engine::campaign::format::Document;
use dacapo_engine::compact::{CollectCompactly as _, SortCompactly as _};
use dacapo_engine::ids::ElementId;
use serde::Serialize;
use serde_json::{Map, Value};

use shown::pair;

/// The parts of a document that hold several things, each with a name of its own, and what people
/// call one of them.
const NAMED: [(&str, &str); 4] = [
    ("elements", "element"),
    ("emails", "e-mail"),
    ("fields", "field"),
    ("objects", "object type"),
];

/// The key under which it is told that an element is in another place.
const ORDER: &str = "order";

/// What is different: part by part, in the order of the document, what is gone behind what is
/// there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Difference {
    /// The parts that are not the same.
    pub parts: Vec<DifferentPart>,
}

/// A part of a document that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DifferentPart {
    /// The key of the document that it is under: `name`, `settings`, `elements`, `emails` …
    pub part: String,
    /// Which element, e-mail, field or type of objects it is; `None` in parts that hold one thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What became of it.
    pub kind: Kind,
    /// The keys that are not the same, in alphabetical order; of what was added or removed, all.
    pub keys: Vec<DifferentKey>,
}

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is there only in the document after.
    Added,
    /// It was there only in the document before.
    Removed,
    /// It is in both, and is not the same.
    Changed,
}

/// A key whose value is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DifferentKey {
    /// The key: `next`, `when`, `subject`, `order` … In parts that have no keys, such as `name`,
    /// it is the part's.
    pub key: String,
    /// The value before, on one line; of a long one, from a little before the first difference on.
    /// `None` if it was not written.
    pub before: Option<String>,
    /// The value after, in the same way.
    pub after: Option<String>,
}

impl Kind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

impl Difference {
    /// What has become different from one document to the next.
    pub fn between(before: &Document, after: &Document) -> Self {
        let moved = moved(&ids(before), &ids(after));
        let (old, new) = (members(before), members(after));
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect_compactly();
        let mut parts = Vec::new();
        for part in in_order(names) {
            let (old, new) = (old.get(part), new.get(part));
            if !NAMED.iter().any(|(named, _)| named == part) {
                parts.extend(different(part, None, old, new, None));
                continue;
            }
            let (old, new) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
            for id in written_in(part, before, after, old, new) {
                let place = moved.get(id.as_str()).filter(|_| part == "elements");
                let of =
                    |all: Option<&'_ Map<String, Value>>| all.and_then(|all| all.get(&id)).cloned();
                parts.extend(different(part, Some(&id), of(old).as_ref(), of(new).as_ref(), place));
            }
        }
        Self { parts }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// What is different, in lines for people, each with a line break; nothing if there is none.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for DifferentPart { part, id, kind, keys } in &self.parts {
            let sign = match kind {
                Kind::Added => '+',
                Kind::Removed => '-',
                Kind::Changed => '~',
            };
            let noun = NAMED.iter().find(|(named, _)| named == part).map(|(_, noun)| *noun);
            let name = match (noun, id) {
                (Some(noun), Some(id)) => format!("{noun} {id}"),
                _ => part.clone(),
            };
            let _ = write!(text, "{sign} {name}");
            match (kind, keys.as_slice()) {
                (Kind::Added | Kind::Removed, keys) => {
                    let key = |key: &&DifferentKey| key.key == "type" || key.key == "subject";
                    if let Some(of) = keys.iter().find(key).and_then(DifferentKey::only) {
                        let _ = write!(text, " ({of})");
                    }
                }
                (Kind::Changed, [key]) if key.key == *part => {
                    let _ = write!(text, ": {}", key.words());
                }
                (Kind::Changed, keys) => {
                    for key in keys {
                        let _ = write!(text, "\n    {}: {}", key.key, key.words());
                    }
                }
            }
            text.push('\n');
        }
        text
    }
}

impl DifferentKey {
    /// The value, where it is there on one side only.
    fn only(&self) -> Option<&str> {
        self.before.as_deref().xor(self.after.as_deref())
    }

    /// Both values, for people.
    fn words(&self) -> String {
        let shown = |value: &Option<String>| match value.as_deref() {
            None => "(nothing)".to_owned(),
            Some("") => "\"\"".to_owned(),
            Some(value) => value.to_owned(),
        };
        format!("{} → {}", shown(&self.before), shown(&self.after))
    }
}

/// A part, if it is not the same. `place` is where an element was and is, if it has moved.
fn different(
    part: &str,
    id: Option<&str>,
    before: Option<&Value>,
    after: Option<&Value>,
    place: Option<&(String, String)>,
) -> Option<DifferentPart> {
    let kind = match (before, after) {
        (None, None) => return None,
        (None, Some(_)) => Kind::Added,
        (Some(_), None) => Kind::Removed,
        (Some(before), Some(after)) if before == after && place.is_none() => return None,
        (Some(_), Some(_)) => Kind::Changed,
    };
    let mut keys = Vec::new();
    let mut differs = |key: &str, before: Option<&Value>, after: Option<&Value>| {
        if before != after {
            let (before, after) = pair(before, after);
            keys.push(DifferentKey { key: key.to_owned(), before, after });
        }
    };
    let is_map = |value: Option<&Value>| value.is_none_or(Value::is_object);
    if is_map(before) && is_map(after) {
        let (before, after) = (before.and_then(Value::as_object), after.and_then(Value::as_object));
        let both = [before, after].into_iter().flatten();
        for key in both.flat_map(Map::keys).collect_compactly::<BTreeSet<_>>() {
            let of =
                |all: Option<&'_ Map<String, Value>>| all.and_then(|all| all.get(key)).cloned();
            differs(key, of(before).as_ref(), of(after).as_ref());
        }
    } else {
        differs(part, before, after);
    }
    if let Some((was, is)) = place {
        let (before, after) = (Some(was.clone()), Some(is.clone()));
        keys.push(DifferentKey { key: ORDER.to_owned(), before, after });
    }
    let (part, id) = (part.to_owned(), id.map(str::to_owned));
    Some(DifferentPart { part, id, kind, keys })
}

/// The names in a part in the order in which they are told: those of the document after, and behind
/// them those that are only in the one before.
fn written_in(
    part: &str,
    before: &Document,
    after: &Document,
    old: Option<&Map<String, Value>>,
    new: Option<&Map<String, Value>>,
) -> Vec<String> {
    let names = |document: &Document, members: Option<&Map<String, Value>>| -> Vec<String> {
        match part {
            "elements" => ids(document).into_iter().map(str::to_owned).collect(),
            _ => members.into_iter().flat_map(Map::keys).cloned().collect(),
        }
    };
    let mut all = names(after, new);
    let gone =
        names(before, old).into_iter().filter(|id| new.is_none_or(|new| !new.contains_key(id)));
    all.extend(gone);
    all
}

/// The names of parts in the order in which they are told: as a document is written from top to
/// bottom.
fn in_order(names: BTreeSet<&String>) -> Vec<&String> {
    const FIRST_PARTS: [&str; 8] =
        ["id", "name", "description", "per", "sender", "settings", "objects", "fields"];
    const LAST_PARTS: [&str; 3] = ["elements", "emails", "allow"];
    let place = |name: &str| {
        let told = FIRST_PARTS.iter().position(|known| *known == name);
        let behind = LAST_PARTS.iter().position(|known| *known == name);
        told.or(behind.map(|at| FIRST_PARTS.len() + 1 + at)).unwrap_or(FIRST_PARTS.len())
    };
    let mut all: Vec<&String> = names.into_iter().collect();
    all.sort_compactly_by_key(|name| place(name));
    all
}

/// The members of a document, as the format writes them.
fn members(document: &Document) -> Map<String, Value> {
    match serde_json::to_value(document) {
        Ok(Value::Object(members)) => members,
        // A document is a map, and all its keys are texts.
        Ok(_) | Err(_) => Map::new(),
    }
}

fn ids(document: &Document) -> Vec<&str> {
    document.elements.iter().map(|(id, _): &(ElementId, _)| id.as_str()).collect()
}

/// The elements that are in another place: where each was and is, in words. They are as few as can
/// be: all others are still in their old order, which is the longest that both lists have.
fn moved<'a>(before: &[&str], after: &[&'a str]) -> BTreeMap<&'a str, (String, String)> {
    let was: BTreeMap<&str, usize> =
        before.iter().enumerate().map(|(at, id)| (*id, at)).collect_compactly();
    let common: Vec<(&'a str, usize)> =
        after.iter().filter_map(|id| Some((*id, *was.get(id)?))).collect();
    let is: BTreeSet<&str> = common.iter().map(|(id, _)| *id).collect_compactly();
    let stay = longest_rising(&common.iter().map(|(_, at)| *at).collect::<Vec<_>>());
    let behind = |all: &[&str], id: &str| {
        let upto = all.iter().take_while(|other| **other != id);
        match upto.filter(|other| is.contains(*other)).last() {
            Some(other) => format!("behind {other}"),
            None => "first".to_owned(),
        }
    };
    let gone = common.iter().enumerate().filter(|(nth, _)| !stay.contains(nth));
    gone.map(|(_, (id, _))| (*id, (behind(before, id), behind(after, id)))).collect_compactly()
}

/// The indexes of the longest part of the list, with gaps, in which every number is greater than
/// the one before it.
fn longest_rising(list: &[usize]) -> BTreeSet<usize> {
    // For each length: the index of the smallest number that ends such a part.
    let mut ends: Vec<usize> = Vec::new();
    let mut earlier: Vec<Option<usize>> = Vec::with_capacity(list.len());
    for (nth, number) in list.iter().enumerate() {
        let length = ends.partition_point(|end| list[*end] < *number);
        earlier.push(length.checked_sub(1).map(|before| ends[before]));
        if length == ends.len() {
            ends.push(nth);
        } else {
            ends[length] = nth;
        }
    }
    let mut part = BTreeSet::new();
    let mut last = ends.last().copied();
    while let Some(nth) = last {
        part.insert(nth);
        last = earlier[nth];
    }
    part
}

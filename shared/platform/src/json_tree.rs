//! JSON as it came, in which a name may stand several times in one object.
//!
//! JSON allows that, and most readers keep the last value: the others would be lost silently. Here
//! all are kept, and code that needs one value is told which names have several.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The longest place in a body that is looked at, in bytes: a form without a map is told of places.
const LONGEST_PLACE: usize = 4_000;

/// How many names that stand twice are told of.
const MOST_TWICE: usize = 50;

/// A value of JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    /// Neither an object nor a list.
    Plain(Value),
    /// A list.
    List(Vec<Tree>),
    /// An object: its members as they came, of which several may have one name.
    Members(Vec<(String, Tree)>),
}

/// The place of a member.
pub(crate) fn beneath(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}

impl Tree {
    /// What a text holds, if it holds an object or a list.
    pub(crate) fn opened(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.starts_with(['{', '[']) {
            return None;
        }
        serde_json::from_str(text).ok().filter(Self::is_readable)
    }

    /// Whether no place in it is too long: [`longest_place`](Self::longest_place).
    pub(crate) fn is_readable(&self) -> bool {
        self.longest_place() <= LONGEST_PLACE
    }

    /// The length of its longest place in bytes, about.
    fn longest_place(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::List(items) => {
                let deepest = items.iter().map(Self::longest_place).max();
                deepest.map_or(0, |deepest| deepest + items.len().to_string().len() + 1)
            }
            Self::Members(members) => {
                let each =
                    members.iter().map(|(name, member)| name.len() + 1 + member.longest_place());
                each.max().unwrap_or(0)
            }
        }
    }

    /// The value without members that have two different values, and their places: the first 50.
    pub(crate) fn once(&self) -> (Value, Vec<String>) {
        let mut twice = Vec::new();
        (self.once_at(None, &mut twice), twice)
    }

    fn once_at(&self, here: Option<&Here<'_>>, twice: &mut Vec<String>) -> Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::List(items) => {
                let at = |nth| Here { above: here, step: PathSegment::Nth(nth) };
                let items = items.iter().enumerate();
                items.map(|(nth, item)| item.once_at(Some(&at(nth)), twice)).collect()
            }
            Self::Members(members) => {
                let at = |name| Here { above: here, step: PathSegment::Name(name) };
                let (mut read, mut differ) = (Map::new(), Vec::new());
                for (name, member) in members {
                    let value = member.once_at(Some(&at(name)), twice);
                    match read.get(name) {
                        Some(there) if *there != value => differ.push(name),
                        Some(_) => {}
                        None => {
                            read.insert(name.clone(), value);
                        }
                    }
                }
                for name in differ {
                    if read.remove(name).is_some() && twice.len() < MOST_TWICE {
                        twice.push(at(name).text());
                    }
                }
                Value::Object(read)
            }
        }
    }
}

/// A place in a tree. It is made a text only where it is told of: texts of all places would take
/// the square of what came.
struct Here<'a> {
    above: Option<&'a Here<'a>>,
    step: PathSegment<'a>,
}

enum PathSegment<'a> {
    Name(&'a str),
    Nth(usize),
}

impl Here<'_> {
    fn text(&self) -> String {
        let above = self.above.map(Self::text).unwrap_or_default();
        match self.step {
            PathSegment::Name(name) => beneath(&above, name),
            PathSegment::Nth(nth) => format!("{above}/{nth}"),
        }
    }
}

impl From<Value> for Tree {
    fn from(value: Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Value::Object(members) => {
                let members = members.into_iter();
                Self::Members(members.map(|(name, value)| (name, value.into())).collect())
            }
            value => Self::Plain(value),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Plain(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Plain(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Plain(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Plain(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Tree::Members(members))
    }
}

//! Reads a campaign's document from its text, YAML or JSON.
//!
//! It promises to find in one go whatever is wrong in parts that do not depend on one another:
//! every element, e-mail and field, the settings and the sender are read by themselves. Every
//! refusal has its place in the text and says what to write instead. Whether the document makes
//! sense is checked by `campaign::validate`.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Error};

use super::decode::{decode, found_content};
use super::elements;
use super::format::{Document, Element};
use super::node::{Content, Key, MOST_PROBLEMS, Node, Path, Scalar};
use super::parse::parse;
use super::refusal::Refusal;
use crate::problem::{Problem, in_order};

pub use super::node::{Path as KeyPath, PathSegment, Place};
pub use super::parse::LONGEST_DOCUMENT_BYTES;
pub use super::places::Places;

/// A document that could be read, and the places of everything in it.
#[derive(Debug, Clone)]
pub struct LocatedDocument {
    /// The document.
    pub document: Document,
    /// Where its keys and values are in the text.
    pub places: Places,
}

/// Reads the text of a campaign; otherwise everything that keeps it from being read, in order of
/// place.
pub fn read(text: &str) -> Result<LocatedDocument, Vec<Problem>> {
    let mut problems = Vec::new();
    let root = match parse(text, &mut problems) {
        Ok(root) => root,
        Err(problem) => {
            problems.push(*problem);
            return Err(problems);
        }
    };
    let document = DocumentReader { root: &root, problems: &mut problems }.document();
    match document {
        Some(document) if problems.is_empty() => {
            Ok(LocatedDocument { document, places: Places(root) })
        }
        Some(_) | None => {
            in_order(&mut problems);
            problems.truncate(MOST_PROBLEMS);
            Err(problems)
        }
    }
}

/// Reads another kind of document from its text, YAML or JSON, with the places of what is written
/// in it; otherwise everything that keeps it from being read, in order of place.
///
/// # Errors
///
/// What is wrong, each with its place.
pub fn read_as<T: DeserializeOwned>(text: &str) -> Result<(T, Places), Vec<Problem>> {
    let mut problems = Vec::new();
    let root = match parse(text, &mut problems) {
        Ok(root) => root,
        Err(problem) => {
            problems.push(*problem);
            return Err(problems);
        }
    };
    let read: Result<T, Refusal> = decode(&root);
    match read {
        Ok(value) if problems.is_empty() => Ok((value, Places(root))),
        Ok(_) => {
            in_order(&mut problems);
            Err(problems)
        }
        Err(refusal) => {
            let mut problem = refusal.into_problem(&Path::root());
            problem.line.get_or_insert(root.place.line);
            problem.column.get_or_insert(root.place.column);
            problems.push(problem);
            in_order(&mut problems);
            Err(problems)
        }
    }
}

const KEYS: [&str; 11] = [
    "id",
    "name",
    "description",
    "per",
    "objects",
    "sender",
    "fields",
    "settings",
    "elements",
    "emails",
    "allow",
];

struct DocumentReader<'a> {
    root: &'a Node,
    problems: &'a mut Vec<Problem>,
}

impl<'a> DocumentReader<'a> {
    fn document(&mut self) -> Option<Document> {
        let Content::Map(entries) = &self.root.content else {
            let wanted = "a map with at least `id` and `elements`";
            let refusal = Refusal::wrong_type(wanted, found_content(self.root));
            self.refuse(refusal.into_problem(&Path::root()), self.root.place);
            return None;
        };
        for (key, _) in entries {
            if !KEYS.contains(&key.text.as_str()) {
                let refusal = Refusal::unknown_field(&key.text, &KEYS).at_key(key);
                self.refuse(refusal.into_problem(&Path::root()), key.place);
            }
        }
        // All of them are read before the first that failed makes it end.
        let id = self.required("id");
        let name = self.optional("name");
        let description = self.optional("description");
        let per = self.optional("per");
        let objects = self.each("objects", decode);
        let sender = self.optional("sender");
        let fields = self.each("fields", decode);
        let settings = self.optional("settings");
        let elements = self.each("elements", element);
        let emails = self.each("emails", decode);
        let allow = self.optional("allow");
        if self.root.get("elements").is_none() {
            self.missing("elements");
        }
        Some(Document {
            id: id?,
            name: name?.unwrap_or_default(),
            description: description?,
            per: per?,
            objects: objects?,
            sender: sender?,
            fields: fields?,
            settings: settings?.unwrap_or_default(),
            elements: elements?,
            emails: emails?,
            allow: allow?.unwrap_or_default(),
        })
    }

    fn required<T: Deserialize<'a>>(&mut self, key: &'static str) -> Option<T> {
        match self.root.get(key) {
            Some((key, node)) => self.keep(decode(node), key, node, &Path::root()),
            None => {
                self.missing(key);
                None
            }
        }
    }

    /// The outer option is whether it could be read, the inner one whether it is there.
    fn optional<T: Deserialize<'a>>(&mut self, key: &'static str) -> Option<Option<T>> {
        match self.root.get(key) {
            Some((key, node)) => self.keep(decode(node), key, node, &Path::root()),
            None => Some(None),
        }
    }

    /// The entries of a map, each read by itself; nothing written is a map without entries.
    fn each<K, T, All>(
        &mut self,
        key: &'static str,
        read: impl Fn(&'a Node) -> Result<T, Refusal>,
    ) -> Option<All>
    where
        K: Deserialize<'a>,
        All: Default + Extend<(K, T)>,
    {
        let Some((outer, node)) = self.root.get(key) else {
            return Some(All::default());
        };
        let entries = match &node.content {
            Content::Map(entries) => entries.as_slice(),
            Content::Scalar(scalar) if scalar.is_nothing() => &[],
            Content::Scalar(_) | Content::List(_) => {
                let refusal = Refusal::wrong_type("a map", found_content(node));
                self.keep::<()>(Err(refusal), outer, node, &Path::root());
                return None;
            }
        };
        let path = Path::root().key(key);
        let mut all = Some(All::default());
        for (key, node) in entries {
            let name = self.keep_key(key, &path);
            let value = self.keep(read(node), key, node, &path);
            match (name, value) {
                (Some(name), Some(value)) => {
                    if let Some(all) = &mut all {
                        all.extend([(name, value)]);
                    }
                }
                (None, _) | (_, None) => all = None,
            }
        }
        all
    }

    fn keep<T>(
        &mut self,
        read: Result<T, Refusal>,
        key: &Key,
        node: &Node,
        path: &Path,
    ) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(refusal) => {
                self.refuse(refusal.under(key, node.place).into_problem(path), key.place);
                None
            }
        }
    }

    fn keep_key<K: Deserialize<'a>>(&mut self, key: &'a Key, path: &Path) -> Option<K> {
        let read: Result<K, Refusal> =
            K::deserialize(serde::de::value::BorrowedStrDeserializer::new(&key.text));
        match read {
            Ok(name) => Some(name),
            Err(refusal) => {
                self.refuse(refusal.at_key(key).into_problem(path), key.place);
                None
            }
        }
    }

    fn missing(&mut self, key: &'static str) {
        let problem = Refusal::missing_field(key).into_problem(&Path::root());
        self.refuse(problem, self.root.place);
    }

    fn refuse(&mut self, mut problem: Problem, place: Place) {
        problem.line.get_or_insert(place.line);
        problem.column.get_or_insert(place.column);
        // What is left out beyond the bound is left out of the list only: the document is refused
        // anyway.
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Reads an element: `type` first, which says what the other keys mean.
fn element(node: &Node) -> Result<Element, Refusal> {
    let Content::Map(_) = &node.content else {
        return Err(Refusal::wrong_type("a map with the key `type`", found_content(node)));
    };
    let (key, type_node) = node.get("type").ok_or_else(|| Refusal::missing_field("type"))?;
    let word: &str = decode(type_node).map_err(|refusal| refusal.under(key, type_node.place))?;
    elements::read(word, node).unwrap_or_else(|| {
        Err(Refusal::unknown_variant(word, &elements::TYPES).under(key, type_node.place))
    })
}

impl Scalar {
    fn is_nothing(&self) -> bool {
        self.meaning() == super::decode::Meaning::Nothing
    }
}

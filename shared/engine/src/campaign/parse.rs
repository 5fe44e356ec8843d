//! From the text of a document to a tree.
//!
//! YAML 1.2, of which JSON is a subset. A tree is bounded in size, depth and aliases, so that code
//! that walks it may recurse. Everything that is refused has its place.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::node::{Beginning, Content, Key, MOST_PROBLEMS, Node, Path, PathSegment, Place, Scalar};
use crate::problem::{Problem, Severity};

/// The longest document, in bytes.
pub const LONGEST_DOCUMENT_BYTES: usize = 1024 * 1024;

/// How many lists and maps may lie in one another.
const DEEPEST_NESTING: usize = 64;

/// The longest key, in bytes; paths are made of keys.
const LONGEST_KEY_BYTES: usize = 1024;

/// What anchored values and their repetitions may weigh together: bytes of text and of values.
const HEAVIEST_ALIASES: usize = 1024 * 1024;

/// Reads a text to a tree. What is wrong with a tree that could be read nevertheless, such as a key
/// written twice, is added to `problems`; the error is what made reading impossible.
pub(crate) fn parse(text: &str, problems: &mut Vec<Problem>) -> Result<Node, Box<Problem>> {
    if text.len() > LONGEST_DOCUMENT_BYTES {
        return Err(refused(
            "too_large",
            &Path::root(),
            Place::BEGINNING,
            format!(
                "the document has {} bytes; at most {LONGEST_DOCUMENT_BYTES} are read",
                text.len()
            ),
            "move large images and style sheets to a server and link to them",
        ));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = as_yaml(text);
    let mut tree = Tree::new(problems);
    for event in Parser::new_from_str(&text) {
        let (event, span) = event.map_err(|why| {
            if why.info().contains("recursion limit") {
                return tree.too_deep(Place::of(why.marker()));
            }
            refused(
                "syntax",
                &tree.path(),
                Place::of(why.marker()),
                format!("this is not valid YAML or JSON: {}", why.info()),
                "look at the indentation, the quotes and the brackets here and just before",
            )
        })?;
        tree.take(event, span)?;
    }
    tree.root.ok_or_else(|| {
        refused(
            "syntax",
            &Path::root(),
            Place::BEGINNING,
            "the document is empty".to_owned(),
            "write a campaign: at least `id` and `elements`",
        )
    })
}

fn refused(
    code: &'static str,
    path: &Path,
    place: Place,
    message: String,
    remedy: &str,
) -> Box<Problem> {
    Box::new(Problem {
        severity: Severity::Error,
        code,
        path: path.to_string(),
        line: Some(place.line),
        column: Some(place.column),
        message,
        remedy: remedy.to_owned(),
    })
}

/// A tree under construction. Lists and maps that have begun and not ended are on the stack.
struct Tree<'a> {
    root: Option<Node>,
    open: Vec<Open>,
    anchored: BTreeMap<usize, Node>,
    aliases_weigh: usize,
    problems: &'a mut Vec<Problem>,
}

struct Open {
    place: Place,
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Map {
        entries: Vec<(Key, Node)>,
        seen: BTreeSet<String>,
        /// The key whose value comes next, and whether it was there before.
        key: Option<(Key, bool)>,
    },
}

impl<'a> Tree<'a> {
    fn new(problems: &'a mut Vec<Problem>) -> Self {
        Self { root: None, open: Vec::new(), anchored: BTreeMap::new(), aliases_weigh: 0, problems }
    }

    fn path(&self) -> Path {
        Path(
            self.open
                .iter()
                .filter_map(|open| match &open.inside {
                    Inside::List(items) => Some(PathSegment::Index(items.len())),
                    Inside::Map { key, .. } => {
                        key.as_ref().map(|(key, _)| PathSegment::Key(key.text.clone()))
                    }
                })
                .collect(),
        )
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Box<Problem>> {
        let place = Place::of(&span.start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                if self.root.is_some() {
                    return Err(refused(
                        "syntax",
                        &Path::root(),
                        place,
                        "a second document begins here".to_owned(),
                        "write one campaign per file",
                    ));
                }
            }
            Event::Alias(anchor) => self.repeat(anchor, place)?,
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = self.scalar(text, style, tag.as_deref(), &span)?;
                self.add(Node { place, content: Content::Scalar(scalar) }, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", place)?;
                self.begin(place, anchor, Inside::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", place)?;
                let inside = Inside::Map { entries: Vec::new(), seen: BTreeSet::new(), key: None };
                self.begin(place, anchor, inside)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { place, anchor, inside }) = self.open.pop() {
                    let content = match inside {
                        Inside::List(items) => Content::List(items),
                        Inside::Map { entries, .. } => Content::Map(entries),
                    };
                    self.add(Node { place, content }, anchor)?;
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, place: Place, anchor: usize, inside: Inside) -> Result<(), Box<Problem>> {
        if let Some(Open { inside: Inside::Map { key: None, .. }, .. }) = self.open.last() {
            return Err(self.key_is_no_text(place));
        }
        self.open.push(Open { place, anchor, inside });
        if self.open.len() > DEEPEST_NESTING { Err(self.too_deep(place)) } else { Ok(()) }
    }

    fn repeat(&mut self, anchor: usize, place: Place) -> Result<(), Box<Problem>> {
        // Its own anchor is not known before a value has ended, so that no value can contain
        // itself.
        let Some(node) = self.anchored.get(&anchor) else {
            return Err(refused(
                "syntax",
                &self.path(),
                place,
                "this alias stands inside of what it repeats".to_owned(),
                "write the value out",
            ));
        };
        let weight = node.weight();
        if self.open.len() + node.height() > DEEPEST_NESTING {
            return Err(self.too_deep(place));
        }
        self.weigh(weight, place)?;
        // It is where it is repeated that people will look for it.
        let repeated = self.anchored.get(&anchor).cloned().map(|node| Node { place, ..node });
        repeated.map_or(Ok(()), |node| self.add(node, 0))
    }

    fn weigh(&mut self, weight: usize, place: Place) -> Result<(), Box<Problem>> {
        self.aliases_weigh += weight;
        if self.aliases_weigh <= HEAVIEST_ALIASES {
            return Ok(());
        }
        Err(refused(
            "too_many_aliases",
            &self.path(),
            place,
            "the anchors and aliases up to here hold more than a megabyte".to_owned(),
            "use fewer aliases, or repeat smaller values",
        ))
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Box<Problem>> {
        if anchor != 0 {
            self.weigh(node.weight(), node.place)?;
            self.anchored.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.inside {
            Inside::List(items) => items.push(node),
            Inside::Map { entries, seen, key } => match key.take() {
                Some((_, true)) => {}
                Some((key, false)) => entries.push((key, node)),
                None => {
                    let Content::Scalar(Scalar { text, .. }) = node.content else {
                        return Err(self.key_is_no_text(node.place));
                    };
                    if text.len() > LONGEST_KEY_BYTES {
                        return Err(refused(
                            "syntax",
                            &self.path(),
                            node.place,
                            format!("a key has more than {LONGEST_KEY_BYTES} bytes"),
                            "look for a missing colon or quote",
                        ));
                    }
                    let again = !seen.insert(text.clone());
                    *key = Some((Key { text, place: node.place }, again));
                    if again && self.problems.len() < MOST_PROBLEMS {
                        let path = self.path();
                        self.problems.push(*refused(
                            "duplicate_key",
                            &path,
                            node.place,
                            format!("`{path}` is written twice"),
                            "give one of them another name, or remove it",
                        ));
                    }
                }
            },
        }
        Ok(())
    }

    fn scalar(
        &self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: &Span,
    ) -> Result<Scalar, Box<Problem>> {
        let place = Place::of(&span.start);
        let plain = match tag {
            None => style == ScalarStyle::Plain,
            Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => false,
            Some(tag) if tag.is_yaml_core_schema() => match tag.suffix.as_str() {
                "str" => false,
                "int" | "float" | "bool" | "null" => true,
                _ => return Err(self.unknown_tag(place)),
            },
            Some(_) => return Err(self.unknown_tag(place)),
        };
        let begins = match style {
            ScalarStyle::Plain => Beginning::FirstLine(place),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                Beginning::FirstLine(Place { column: place.column.saturating_add(1), ..place })
            }
            // The place is that of the first line with something on it.
            ScalarStyle::Literal => {
                let blank = text.chars().take_while(|c| *c == '\n').count();
                let above = u32::try_from(blank).unwrap_or(u32::MAX);
                Beginning::EveryLine(Place { line: place.line.saturating_sub(above), ..place })
            }
            ScalarStyle::Folded => Beginning::Unknown,
        };
        Ok(Scalar { text: text.into_owned(), plain, begins })
    }

    fn check_tag(&self, tag: Option<&Tag>, known: &str, place: Place) -> Result<(), Box<Problem>> {
        match tag {
            Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == known) => {
                Err(self.unknown_tag(place))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn unknown_tag(&self, place: Place) -> Box<Problem> {
        refused(
            "syntax",
            &self.path(),
            place,
            "YAML tags such as `!this` mean nothing in a campaign".to_owned(),
            "remove the tag; put a text that begins with `!` in quotes",
        )
    }

    fn key_is_no_text(&self, place: Place) -> Box<Problem> {
        refused(
            "syntax",
            &self.path(),
            place,
            "a list or a map stands where a key belongs".to_owned(),
            "put a text with braces in quotes: \"{{ contact.first_name }}\"",
        )
    }

    fn too_deep(&self, place: Place) -> Box<Problem> {
        refused(
            "too_deep",
            &self.path(),
            place,
            format!("more than {DEEPEST_NESTING} lists and maps lie in one another here"),
            "make it flatter; conditions in conditions can often be joined in one `all` or `any`",
        )
    }
}

/// JSON is YAML but for two things: tabs may indent it, and it writes a character beyond the basic
/// plane as two escapes. Both are put right outside and inside of texts respectively; tabs keep
/// their columns.
fn as_yaml(text: &str) -> Cow<'_, str> {
    let is_json = text.trim_start().starts_with(['{', '[']);
    if !is_json || !(text.contains('\t') || text.contains("\\u")) {
        return Cow::Borrowed(text);
    }
    let mut yaml = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_text = false;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match c {
            '"' => {
                in_text = !in_text;
                yaml.push(c);
            }
            '\t' if !in_text => yaml.push(' '),
            '\\' if in_text => {
                if let Some(character) = surrogates(rest) {
                    taken = 12;
                    yaml.push_str(&format!("\\U{:08x}", u32::from(character)));
                } else {
                    let escaped = rest.chars().nth(1).map_or(0, char::len_utf8);
                    taken += escaped;
                    yaml.push_str(&rest[..taken]);
                }
            }
            _ => yaml.push(c),
        }
        rest = &rest[taken..];
    }
    Cow::Owned(yaml)
}

/// The character that two escapes at the beginning of the text stand for, such as `\ud83d\ude00`.
fn surrogates(text: &str) -> Option<char> {
    let unit = |from: usize| {
        let digits = text.get(from..from + 6)?.strip_prefix("\\u")?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u16::from_str_radix(digits, 16).ok()
    };
    char::decode_utf16([unit(0)?, unit(6)?]).next()?.ok().filter(|c| u32::from(*c) > 0xffff)
}

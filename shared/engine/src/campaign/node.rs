//! The tree that a document's text becomes: every key and every value knows its place.
//!
//! What a scalar means depends on the type that is asked for: a plain `2024` is a text where a text
//! is wanted and a number where anything goes. Maps never hold a key twice.

use std::fmt;

use saphyr_parser::Marker;

/// How many problems are listed; a document with more is not what somebody meant to write.
pub(crate) const MOST_PROBLEMS: usize = 200;

/// How many bytes a value counts for besides its text, about what it takes up.
const WEIGHT_OF_A_VALUE: usize = 64;

/// A line and a column, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column in it.
    pub column: u32,
}

impl Place {
    /// The first character.
    pub const BEGINNING: Self = Self { line: 1, column: 1 };

    pub(crate) fn of(marker: &Marker) -> Self {
        let from_one = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).max(1);
        Self { line: from_one(marker.line()), column: from_one(marker.col() + 1) }
    }
}

/// One segment down the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathSegment {
    /// Into a map.
    Key(String),
    /// Into a list, from 0.
    Index(usize),
}

/// The way from the root to a value, written dotted: `elements.ways.branches[0].weight`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path(pub(crate) Vec<PathSegment>);

impl Path {
    /// The whole document.
    pub fn root() -> Self {
        Self::default()
    }

    /// The value of a key in the map here.
    pub fn key(&self, key: impl Into<String>) -> Self {
        let mut segments = self.0.clone();
        segments.push(PathSegment::Key(key.into()));
        Self(segments)
    }

    /// An item of the list here, from 0.
    pub fn index(&self, index: usize) -> Self {
        let mut segments = self.0.clone();
        segments.push(PathSegment::Index(index));
        Self(segments)
    }

    /// The segments from the root.
    pub fn segments(&self) -> &[PathSegment] {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                PathSegment::Key(key) if i == 0 => f.write_str(key)?,
                PathSegment::Key(key) => write!(f, ".{key}")?,
                PathSegment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) content: Content,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A text, or a plain scalar that may be something else.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Written without quotes, and so a number, a boolean or null, if it looks like one.
    pub(crate) plain: bool,
    pub(crate) begins: Beginning,
}

/// Where the characters of a scalar are in the document, as far as its style lets one say.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Beginning {
    /// The first line only, from this place.
    FirstLine(Place),
    /// Every line: the first from this place, the others from the same column.
    EveryLine(Place),
    Unknown,
}

#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) place: Place,
}

impl Node {
    /// The value of a key, if this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<(&Key, &Self)> {
        match &self.content {
            Content::Map(entries) => {
                entries.iter().find(|(each, _)| each.text == key).map(|(key, node)| (key, node))
            }
            Content::Scalar(_) | Content::List(_) => None,
        }
    }

    pub(crate) fn segment(&self, segment: &PathSegment) -> Option<(Option<&Key>, &Self)> {
        match (segment, &self.content) {
            (PathSegment::Key(key), _) => self.get(key).map(|(key, node)| (Some(key), node)),
            (PathSegment::Index(index), Content::List(items)) => {
                items.get(*index).map(|node| (None, node))
            }
            (PathSegment::Index(_), Content::Scalar(_) | Content::Map(_)) => None,
        }
    }

    /// About how many bytes it takes up, for bounds.
    pub(crate) fn weight(&self) -> usize {
        WEIGHT_OF_A_VALUE
            + match &self.content {
                Content::Scalar(scalar) => scalar.text.len(),
                Content::List(items) => items.iter().map(Self::weight).sum(),
                Content::Map(entries) => entries
                    .iter()
                    .map(|(key, node)| WEIGHT_OF_A_VALUE + key.text.len() + node.weight())
                    .sum(),
            }
    }

    /// How many lists and maps lie in one another in it, itself included.
    pub(crate) fn height(&self) -> usize {
        match &self.content {
            Content::Scalar(_) => 0,
            Content::List(items) => 1 + items.iter().map(Self::height).max().unwrap_or(0),
            Content::Map(entries) => {
                1 + entries.iter().map(|(_, node)| node.height()).max().unwrap_or(0)
            }
        }
    }
}

impl Scalar {
    /// The place of a character of the text, counted from 1 in lines and columns of the text
    /// itself.
    pub(crate) fn place_of(&self, line: u32, column: u32) -> Option<Place> {
        let right = |place: Place| column.saturating_sub(1).saturating_add(place.column);
        match self.begins {
            Beginning::FirstLine(place) if line == 1 => {
                Some(Place { line: place.line, column: right(place) })
            }
            Beginning::EveryLine(place) => Some(Place {
                line: place.line.saturating_add(line.saturating_sub(1)),
                column: right(place),
            }),
            Beginning::FirstLine(_) | Beginning::Unknown => None,
        }
    }
}

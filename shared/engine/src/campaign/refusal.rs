//! Why a value of the document could not be read, and where.
//!
//! A refusal begins without a place. On its way out it passes the keys and lists it lies in, the
//! innermost of which gives it its place and all of which give it its path.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::nearest;
use super::node::{Key, Path, PathSegment, Place};
use crate::problem::{Problem, Severity};
use crate::text::shortened;

/// The longest message, in characters: what people wrote may be repeated in it.
const LONGEST_MESSAGE_CHARACTERS: usize = 300;

#[derive(Debug)]
pub(crate) struct Refusal {
    reason: Reason,
    /// From the inside out.
    segments: Vec<PathSegment>,
    place: Option<Place>,
}

#[derive(Debug)]
enum Reason {
    UnknownKey { written: String, known: &'static [&'static str] },
    UnknownWord { written: String, known: &'static [&'static str] },
    MissingKey(&'static str),
    WrongType { wanted: String, found: String },
    Custom(String),
}

impl Refusal {
    /// The value is of another kind than is wanted here.
    pub(crate) fn wrong_type(wanted: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Reason::WrongType { wanted: wanted.into(), found: found.into() })
    }

    fn new(reason: Reason) -> Self {
        Self { reason, segments: Vec::new(), place: None }
    }

    /// The choice was written as a key.
    pub(crate) fn of_choice_as_key(self) -> Self {
        let reason = match self.reason {
            Reason::UnknownWord { written, known } => Reason::UnknownKey { written, known },
            other => other,
        };
        Self { reason, ..self }
    }

    /// It is the key that was refused.
    pub(crate) fn at_key(mut self, key: &Key) -> Self {
        self.place.get_or_insert(key.place);
        self.segments.push(PathSegment::Key(key.text.clone()));
        self
    }

    /// The refused value lies under this key. What is missing there is looked for at the key.
    pub(crate) fn under(mut self, key: &Key, value: Place) -> Self {
        let is_missing = matches!(self.reason, Reason::MissingKey(_));
        self.place.get_or_insert(if is_missing { key.place } else { value });
        self.segments.push(PathSegment::Key(key.text.clone()));
        self
    }

    /// The refused value lies in a list.
    pub(crate) fn inside(mut self, index: usize, item: Place) -> Self {
        self.place.get_or_insert(item);
        self.segments.push(PathSegment::Index(index));
        self
    }

    /// The problem, for a value whose path is `root`.
    pub(crate) fn into_problem(self, root: &Path) -> Problem {
        let mut segments = root.0.clone();
        segments.extend(self.segments.into_iter().rev());
        let at_type = matches!(segments.last(), Some(PathSegment::Key(key)) if key == "type");
        let (code, message, remedy) = match self.reason {
            Reason::UnknownKey { written, known } => (
                "unknown_key",
                format!("there is no key `{written}` here"),
                if known.is_empty() {
                    "remove it".to_owned()
                } else {
                    nearest::remedy(&written, known.iter().copied())
                },
            ),
            Reason::UnknownWord { written, known } => {
                let (code, what) = if at_type {
                    ("unknown_type", "there is no type")
                } else {
                    ("invalid_value", "there is no choice")
                };
                let remedy = nearest::remedy(&written, known.iter().copied());
                (code, format!("{what} `{written}`"), remedy)
            }
            Reason::MissingKey(key) => {
                segments.push(PathSegment::Key(key.to_owned()));
                ("missing_key", format!("the key `{key}` is missing"), format!("add `{key}`"))
            }
            Reason::WrongType { wanted, found } => (
                "wrong_type",
                format!("{wanted} belongs here, not {found}"),
                format!("write {wanted}"),
            ),
            // Types of the domain say what to write instead after a semicolon.
            Reason::Custom(message) => match message.rsplit_once("; ") {
                Some((why, remedy)) => ("invalid_value", why.to_owned(), remedy.to_owned()),
                None => ("invalid_value", message, "change what is written here".to_owned()),
            },
        };
        Problem {
            severity: Severity::Error,
            code,
            path: Path(segments).to_string(),
            line: self.place.map(|place| place.line),
            column: self.place.map(|place| place.column),
            message: shortened(&message, LONGEST_MESSAGE_CHARACTERS).into_owned(),
            remedy,
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::UnknownKey { written, .. } => write!(f, "unknown key {written}"),
            Reason::UnknownWord { written, .. } => write!(f, "unknown word {written}"),
            Reason::MissingKey(key) => write!(f, "missing key {key}"),
            Reason::WrongType { wanted, found } => write!(f, "{wanted} wanted, {found} found"),
            Reason::Custom(message) => f.write_str(message),
        }
    }
}

impl Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Reason::Custom(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::wrong_type(wanted.to_string(), found.to_string())
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::custom(format_args!("{found} is out of range; write {wanted}"))
    }

    fn invalid_length(length: usize, wanted: &dyn Expected) -> Self {
        Self::custom(format_args!("there are {length} values here; write {wanted}"))
    }

    fn unknown_variant(written: &str, known: &'static [&'static str]) -> Self {
        Self::new(Reason::UnknownWord { written: written.to_owned(), known })
    }

    fn unknown_field(written: &str, known: &'static [&'static str]) -> Self {
        Self::new(Reason::UnknownKey { written: written.to_owned(), known })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(Reason::MissingKey(key))
    }

    fn duplicate_field(key: &'static str) -> Self {
        Self::custom(format_args!("the key `{key}` is written twice; remove one"))
    }
}

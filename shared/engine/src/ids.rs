//! Newtypes for every id, and the tag, which is a name written by people.
//!
//! Ids are short, chosen by authors (campaigns, elements, fields) or by the platform (contacts).
//! None of them may hold a character that has a meaning in a key of the table. Short ones are
//! stored inline, without an allocation: a decision reads and copies dozens of them.

use std::borrow::Borrow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use crate::text::{NamedCharacter, UnwelcomeCharacter, composed, folded, is_unseen};

/// The longest id an author may choose, in bytes.
pub const LONGEST_ID_BYTES: usize = 64;

/// The longest type of objects, in bytes: it is a part of each object's id.
pub const LONGEST_OBJECT_TYPE_BYTES: usize = 24;

/// The longest tag, in bytes as written.
pub const LONGEST_TAG_BYTES: usize = 128;

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Nothing was written.
    #[error("it is empty; use letters, digits, `-` or `_`")]
    Empty,
    /// More than [`LONGEST_ID_BYTES`] bytes.
    #[error("it is longer than {LONGEST_ID_BYTES} characters; choose a shorter one")]
    TooLong,
    /// A type of objects of more than [`LONGEST_OBJECT_TYPE_BYTES`] bytes.
    #[error("it is longer than {LONGEST_OBJECT_TYPE_BYTES} characters; choose a shorter one")]
    TypeTooLong,
    /// A type of objects with a dot, or an object's name with one.
    #[error("it contains a dot; use letters, digits, `-` or `_`")]
    Dot,
    /// A character outside `a-z A-Z 0-9 - _ .`.
    #[error("it contains {}; use letters, digits, `-`, `_` or `.`", shown(*.0))]
    Character(char),
}

/// A visible character as it is, any other by its name.
fn shown(c: char) -> String {
    if is_unseen(c) { NamedCharacter(c).to_string() } else { format!("{c:?}") }
}

fn check(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if text.len() > LONGEST_ID_BYTES {
        return Err(InvalidId::TooLong);
    }
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
        Some(c) => Err(InvalidId::Character(c)),
        None => Ok(()),
    }
}

fn check_object_type(text: &str) -> Result<(), InvalidId> {
    check(text)?;
    if text.len() > LONGEST_OBJECT_TYPE_BYTES {
        return Err(InvalidId::TypeTooLong);
    }
    if text.contains('.') { Err(InvalidId::Dot) } else { Ok(()) }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        id! { $(#[$doc])* $name, check }
    };
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
        #[serde(transparent)]
        $(#[$doc])*
        pub struct $name(#[schemars(with = "String")] SmolStr);

        impl $name {
            /// The id, if the text is one.
            pub fn new(text: impl Into<SmolStr>) -> Result<Self, InvalidId> {
                let text = text.into();
                $check(&text)?;
                Ok(Self(text))
            }

            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = SmolStr::deserialize(deserializer)?;
                Self::new(text.clone()).map_err(|why| {
                    serde::de::Error::custom(format_args!("{text:?} is not an id: {why}"))
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }
    };
}

id! {
    /// The tenancy boundary: every key, query and API key belongs to exactly one account.
    AccountId
}
id! {
    /// A subject: a person, or an object that belongs to a person. Made by the platform. An
    /// object's is `<person>.<type>.<name>`; no other part holds a dot.
    ContactId
}

impl ContactId {
    /// The id of an object of this person.
    ///
    /// # Errors
    ///
    /// If it would be too long, or if this is not the id of a person.
    pub fn of_object(person: &Self, kind: &ObjectType, name: &str) -> Result<Self, InvalidId> {
        if person.is_object() || name.contains('.') {
            return Err(InvalidId::Dot);
        }
        Self::new(format!("{person}.{kind}.{name}"))
    }

    /// Whether it is the id of an object.
    pub fn is_object(&self) -> bool {
        self.0.contains('.')
    }

    /// The id of the person: its own, or that of the person whose object it is.
    pub fn person(&self) -> Self {
        match self.0.split_once('.') {
            Some((person, _)) => Self(SmolStr::new(person)),
            None => self.clone(),
        }
    }

    /// The type of the object and its name among the person's objects; `None` for a person.
    pub fn object(&self) -> Option<(ObjectType, &str)> {
        let (_, object) = self.0.split_once('.')?;
        let (kind, name) = object.split_once('.')?;
        Some((ObjectType(SmolStr::new(kind)), name))
    }
}

id! {
    #[doc = "A type of objects (R70), such as `appointment`; chosen by its author. Short, and \
             without a dot."]
    #[schemars(example = &"appointment")]
    ObjectType, check_object_type
}
id! {
    /// A campaign; chosen by its author, stable.
    #[schemars(example = &"appointment-loop")]
    CampaignId
}
id! {
    /// An element of a campaign; chosen by its author, stable over versions.
    #[schemars(example = &"confirm")]
    ElementId
}
id! {
    /// A connection: a way in for one tool; chosen by the person who sets it up.
    ConnectionId
}
id! {
    /// The key of a contact field, read in templates as `contact.<key>`.
    #[schemars(example = &"appointment")]
    FieldKey
}

/// A label on a contact: compared without regard to case, shown as first written.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(transparent, example = &"Appointment made")]
pub struct Tag(#[schemars(with = "String")] SmolStr, #[schemars(skip)] Option<SmolStr>);

impl Tag {
    /// The tag as written by a person: trimmed, letters composed, inner white space kept.
    pub fn new(text: &str) -> Result<Self, InvalidTag> {
        match text.trim().chars().find(|c| is_unseen(*c)) {
            Some(c) => Err(InvalidTag::Unseen(UnwelcomeCharacter(c))),
            None => Self::kept(text),
        }
    }

    /// A tag that is stored, or that is to be withdrawn. It may hold invisible characters if it is
    /// from before these were refused.
    pub fn kept(text: &str) -> Result<Self, InvalidTag> {
        let shown = composed(text.trim());
        if shown.is_empty() {
            return Err(InvalidTag::Empty);
        }
        if shown.len() > LONGEST_TAG_BYTES {
            return Err(InvalidTag::TooLong);
        }
        if let Some(c) = shown.chars().find(|c| c.is_control() || *c == ',') {
            return Err(InvalidTag::Character(c));
        }
        let folded = folded(&shown);
        let folded = (folded != shown).then(|| folded.into());
        Ok(Self(shown.as_ref().into(), folded))
    }

    /// The first invisible character in it, if there is one: such a tag is not assigned any more.
    pub fn unseen(&self) -> Option<char> {
        self.0.chars().find(|c| is_unseen(*c))
    }

    /// The tag as it was first written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that is compared and kept in keys.
    pub fn folded(&self) -> &str {
        self.1.as_deref().unwrap_or(&self.0)
    }

    /// The form that was kept in keys before folding followed Unicode, if it differs: contacts are
    /// in its list until the tag is assigned anew.
    pub fn folded_before(&self) -> Option<String> {
        if self.0.is_ascii() {
            return None;
        }
        let before = self.0.to_lowercase();
        (before != self.folded()).then_some(before)
    }
}

/// Why a text is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTag {
    /// Nothing but white space.
    #[error("a tag cannot be empty")]
    Empty,
    /// More than [`LONGEST_TAG_BYTES`] bytes.
    #[error("a tag has at most {LONGEST_TAG_BYTES} bytes; shorten it")]
    TooLong,
    /// A comma or a control character.
    #[error("a tag cannot contain {}; a comma separates tags", shown(*.0))]
    Character(char),
    /// An invisible character: the tag would look like another one.
    #[error("{0}")]
    Unseen(UnwelcomeCharacter),
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }
}
impl Eq for Tag {}
impl PartialOrd for Tag {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Tag {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded().cmp(other.folded())
    }
}
impl std::hash::Hash for Tag {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = SmolStr::deserialize(deserializer)?;
        Self::kept(&text)
            .map_err(|why| serde::de::Error::custom(format_args!("{text:?} is not a tag: {why}")))
    }
}

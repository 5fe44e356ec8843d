//! Reading in pages: what to read, in which order, and where to continue.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::TableError;

/// What to read of one partition, of the table or of its index.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    /// The partition.
    pub pk: &'a str,
    /// Which sort keys.
    pub range: Range<'a>,
    /// From which end.
    pub order: Direction,
    /// The most items on a page, at least 1.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
    /// The consistency.
    pub consistency: Consistency,
}

impl<'a> Query<'a> {
    /// All of a partition: ascending, eventual, as much as a page holds.
    #[must_use]
    pub fn of(pk: &'a str) -> Self {
        Self {
            pk,
            range: Range::All,
            order: Direction::Ascending,
            limit: usize::MAX,
            cursor: None,
            consistency: Consistency::Eventual,
        }
    }

    /// Only sort keys with this prefix.
    #[must_use]
    pub fn prefix(mut self, prefix: &'a str) -> Self {
        self.range = Range::Prefix(prefix);
        self
    }

    /// Only sort keys from `from` to `to`, both of them included.
    #[must_use]
    pub fn between(mut self, from: &'a str, to: &'a str) -> Self {
        self.range = Range::Between(from, to);
        self
    }

    /// From the last one backwards.
    #[must_use]
    pub fn descending(mut self) -> Self {
        self.order = Direction::Descending;
        self
    }

    /// At most this many on a page.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Continues where a page of the same query ended.
    #[must_use]
    pub fn after(mut self, cursor: Option<Cursor>) -> Self {
        self.cursor = cursor;
        self
    }

    /// A strong read: with every acknowledged write.
    #[must_use]
    pub fn strong(mut self) -> Self {
        self.consistency = Consistency::Strong;
        self
    }
}

/// Which sort keys, compared byte by byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range<'a> {
    /// All of them.
    All,
    /// Those with this prefix.
    Prefix(&'a str),
    /// From this one on, inclusive.
    From(&'a str),
    /// From the first to the second, both included.
    Between(&'a str, &'a str),
}

impl Range<'_> {
    /// Whether a sort key lies in it.
    #[must_use]
    pub fn contains(&self, sk: &str) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => sk.starts_with(prefix),
            Self::From(from) => sk >= *from,
            Self::Between(from, to) => sk >= *from && sk <= *to,
        }
    }
}

/// The consistency of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// It sees every write that was acknowledged before it began.
    Strong,
    /// It may see an older state, at half the price.
    Eventual,
}

/// From which end the sort keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// A part of the results of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryPage<T> {
    /// What was found, in order.
    pub items: Vec<T>,
    /// Where to continue; `None` means that there is no more.
    pub cursor: Option<Cursor>,
}

/// The place at which a page ended. Opaque: keep it, send it, give it back to the same query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// The place after the item with these key parts. For stores.
    #[must_use]
    pub fn at(parts: &[&str]) -> Self {
        let text = serde_json::Value::from(parts).to_string();
        Self(URL_SAFE_NO_PAD.encode(text))
    }

    /// The key parts of which it was made, if there are `N` of them and the first is `pk`: a cursor
    /// comes back from outside and must not lead into another partition. For stores.
    pub fn parts<const N: usize>(&self, pk: &str) -> Result<[String; N], TableError> {
        let parts: Option<Vec<String>> = URL_SAFE_NO_PAD
            .decode(&self.0)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        parts
            .and_then(|parts| parts.try_into().ok())
            .filter(|parts: &[String; N]| parts.first().is_some_and(|first| first == pk))
            .ok_or_else(|| {
                TableError::Invalid("the cursor belongs to no page of this query".to_owned())
            })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Cursor {
    type Err = std::convert::Infallible;

    /// Accepts any text; whether it is a cursor shows when it is used.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

//! A table whose bill is kept, and whose changes are told: what DynamoDB would charge, and what its
//! stream would bring.
//!
//! Source: *Amazon DynamoDB Developer Guide*, "DynamoDB read and write capacity", "Managing
//! transactions", "Provisioned throughput considerations for global secondary indexes".
//!
//! | request | units |
//! |---|---|
//! | a strong read of an item | one for every 4 KB of it, at least one; a half of that for an eventual one |
//! | a page | the same for the sum of its items |
//! | a write | one for every KB of the item before or after, whichever is larger |
//! | in a transaction | twice that for every item, those that are only checked included |
//! | the index | one when an entry comes or goes, two when it moves, none when it stays |
//! | a write whose condition failed | as if it had been made |

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use dacapo_platform::keys::{is_fed, kind};
use dacapo_platform::table::{Consistency, Item, Key, Page, Query, Table, TableError, Write, size};

/// What a request took.
#[derive(Debug, Clone, PartialEq)]
pub struct Spent {
    /// What it did: `read`, `write` or `transaction`.
    pub verb: &'static str,
    /// The kinds of the items it was about.
    pub what: String,
    /// Read units.
    pub read: f64,
    /// Write units, those of the index included.
    pub written: f64,
}

/// A change as the stream would bring it.
#[derive(Debug, Clone)]
pub struct Changed {
    /// Of which item.
    pub key: Key,
    /// Before.
    pub old: Option<Item>,
    /// After.
    pub new: Option<Item>,
}

/// A table whose bill is kept. Everything has to go through it, one request after the other.
pub struct Billed {
    inner: Arc<dyn Table>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    spent: Vec<Spent>,
    changed: Vec<Changed>,
}

impl Billed {
    /// The bill of a table begins.
    pub fn new(inner: Arc<dyn Table>) -> Self {
        Self { inner, kept: Mutex::default() }
    }

    /// What was spent since the last time.
    pub fn spent(&self) -> Vec<Spent> {
        std::mem::take(&mut self.kept().spent)
    }

    /// What changed since the last time, of what the stream carries.
    pub fn changed(&self) -> Vec<Changed> {
        std::mem::take(&mut self.kept().changed)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, what: &Key, read: f64) {
        let what = kind(what).to_owned();
        self.kept().spent.push(Spent { verb: "read", what, read, written: 0.0 });
    }

    async fn look(&self, writes: &[Write]) -> Result<Vec<Option<Item>>, TableError> {
        let mut found = Vec::new();
        for write in writes {
            found.push(self.inner.get(write.key(), Consistency::Strong).await?);
        }
        Ok(found)
    }
}

#[async_trait]
impl Table for Billed {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, TableError> {
        let item = self.inner.get(key, consistency).await?;
        self.read(key, read_units(item.as_ref().map_or(0, size), consistency));
        Ok(item)
    }

    fn reads_pages_cheaply(&self) -> bool {
        true
    }

    async fn get_many(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError> {
        let items = self.inner.get_many(keys, consistency).await?;
        for (key, item) in keys.iter().zip(&items) {
            self.read(key, read_units(item.as_ref().map_or(0, size), consistency));
        }
        Ok(items)
    }

    async fn query(&self, query: Query<'_>) -> Result<Page<Item>, TableError> {
        let (consistency, pk) = (query.consistency, query.pk.to_owned());
        let page = self.inner.query(query).await?;
        let bytes = page.items.iter().map(size).sum();
        let first = page.items.first().map_or_else(|| Key::new(pk, "-"), |item| item.key.clone());
        self.read(&first, read_units(bytes, consistency));
        Ok(page)
    }

    async fn query_index(&self, query: Query<'_>) -> Result<Page<(Key, Key)>, TableError> {
        let page = self.inner.query_index(query).await?;
        let bytes = page.items.iter().map(|(index, key)| entry_size(index, key)).sum();
        self.kept().spent.push(Spent {
            verb: "read",
            what: "index".to_owned(),
            read: read_units(bytes, Consistency::Eventual),
            written: 0.0,
        });
        Ok(page)
    }

    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError> {
        if writes.is_empty() {
            return Ok(());
        }
        let old = self.look(&writes).await?;
        let outcome = self.inner.write(writes.clone(), token).await;
        let new = match &outcome {
            Ok(()) => self.look(&writes).await?,
            Err(TableError::Conflict { .. }) => writes.iter().map(intended).collect(),
            Err(_) => return outcome,
        };
        let together = writes.len() > 1;
        let mut written = 0.0;
        let mut kinds = Vec::new();
        for ((write, old), new) in writes.iter().zip(&old).zip(&new) {
            let bytes = old.as_ref().map_or(0, size).max(new.as_ref().map_or(0, size));
            written += write_units(bytes) * if together { 2.0 } else { 1.0 };
            if outcome.is_ok() {
                written += index_units(old.as_ref(), new.as_ref());
            }
            kinds.push(kind(write.key()));
        }
        let mut kept = self.kept();
        kept.spent.push(Spent {
            verb: if together { "transaction" } else { "write" },
            what: listed(&kinds) + if outcome.is_ok() { "" } else { " (refused)" },
            read: 0.0,
            written,
        });
        if outcome.is_ok() {
            for ((write, old), new) in writes.iter().zip(old).zip(new) {
                let changes =
                    !matches!(write, Write::Check { .. }) && (old.is_some() || new.is_some());
                if is_fed(write.key()) && changes {
                    kept.changed.push(Changed { key: write.key().clone(), old, new });
                }
            }
        }
        outcome
    }
}

/// What a refused write would have left.
fn intended(write: &Write) -> Option<Item> {
    match write {
        Write::Put { item, .. } => Some(item.clone()),
        Write::Delete { .. } | Write::Check { .. } | Write::Add { .. } => None,
    }
}

/// `contact + 2 history` for three items of two kinds.
fn listed(kinds: &[&'static str]) -> String {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for kind in kinds {
        match counted.iter_mut().find(|(known, _)| known == kind) {
            Some((_, count)) => *count += 1,
            None => counted.push((kind, 1)),
        }
    }
    let one = |(kind, count): &(&str, usize)| match count {
        1 => (*kind).to_owned(),
        count => format!("{count} {kind}"),
    };
    counted.iter().map(one).collect::<Vec<_>>().join(" + ")
}

fn index_units(old: Option<&Item>, new: Option<&Item>) -> f64 {
    let entry =
        |item: Option<&Item>| item.and_then(|item| Some((item.index.clone()?, item.key.clone())));
    match (entry(old), entry(new)) {
        (Some(old), Some(new)) if old == new => 0.0,
        (old, new) => [old, new]
            .iter()
            .flatten()
            .map(|(index, key)| write_units(entry_size(index, key)))
            .sum(),
    }
}

fn entry_size(index: &Key, key: &Key) -> usize {
    let names = "GSI1PK".len() + "GSI1SK".len() + "PK".len() + "SK".len();
    names + index.pk.len() + index.sk.len() + key.pk.len() + key.sk.len()
}

fn read_units(bytes: usize, consistency: Consistency) -> f64 {
    match consistency {
        Consistency::Strong => units(bytes, 4096),
        Consistency::Eventual => units(bytes, 4096) / 2.0,
    }
}

fn write_units(bytes: usize) -> f64 {
    units(bytes, 1024)
}

fn units(bytes: usize, unit: usize) -> f64 {
    bytes.div_ceil(unit).max(1) as f64
}

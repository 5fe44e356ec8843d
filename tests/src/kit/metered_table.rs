//! A table that counts request units and keeps its changes: what DynamoDB would bill, and what its
//! stream would deliver.
//!
//! The units are estimated from the sizes of items, so that they can be counted on any table.
//! `tests/aws/tests/units.rs` compares the estimate with the consumed capacity that DynamoDB Local
//! reports.
//!
//! Source: *Amazon DynamoDB Developer Guide*, "DynamoDB read and write capacity", "Managing
//! transactions", "Provisioned throughput considerations for global secondary indexes".
//!
//! | request | units |
//! |---|---|
//! | a strong read of an item | one for every 4 KB of it, at least one; half of that for an eventual read |
//! | a page | the same for the sum of its items |
//! | a write | one for every KB of the item before or after, whichever is larger |
//! | in a transaction | twice that for every item, those that are only checked included |
//! | the index | in a transaction too: one when an entry is added or removed, two when it moves, none when it stays |
//! | a write whose condition failed | as for a write of the item as it stands; in a transaction as if it had been made |
//! | a check alone, outside of a transaction | a strong read: the port's table on DynamoDB reads the item |

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use dacapo_embedded::Change;
use dacapo_platform::keys::{is_fed, kind};
use dacapo_platform::table::{
    Consistency, Item, Key, Query, QueryPage, Table, TableError, Write, size,
};

/// The units that a request consumed.
#[derive(Debug, Clone, PartialEq)]
pub struct Units {
    /// What it did: `read`, `write` or `transaction`.
    pub verb: &'static str,
    /// The kinds of the items it was about.
    pub what: String,
    /// Read units.
    pub read: f64,
    /// Write units, those of the index included.
    pub written: f64,
}

/// A table that counts request units. All requests must go through it, one after the other.
pub struct MeteredTable {
    inner: Arc<dyn Table>,
    /// Where it reads items before and after a write.
    observer: Arc<dyn Table>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    units: Vec<Units>,
    /// Read and write units by verb, since it was made.
    totals: BTreeMap<&'static str, (f64, f64)>,
    changes: Vec<Change>,
    changed: i64,
}

impl MeteredTable {
    /// Counts the requests to this table from now on.
    pub fn new(inner: Arc<dyn Table>) -> Self {
        Self::observed_through(Arc::clone(&inner), inner)
    }

    /// The same, but reads items through `observer`, another access to the same table. So a meter
    /// in `inner` sees the counted requests only.
    pub fn observed_through(inner: Arc<dyn Table>, observer: Arc<dyn Table>) -> Self {
        Self { inner, observer, kept: Mutex::default() }
    }

    /// The units of each request since the last time.
    pub fn take(&self) -> Vec<Units> {
        std::mem::take(&mut self.kept().units)
    }

    /// The read and write units of all requests of this verb since it was made.
    pub fn total(&self, verb: &str) -> (f64, f64) {
        self.kept().totals.get(verb).copied().unwrap_or_default()
    }

    /// The changes since the last time that the stream carries, in order.
    pub fn changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.kept().changes)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, units: Units) {
        let mut kept = self.kept();
        let total = kept.totals.entry(units.verb).or_default();
        total.0 += units.read;
        total.1 += units.written;
        kept.units.push(units);
    }

    fn note_read(&self, key: &Key, bytes: usize, consistency: Consistency) {
        let read = read_units(bytes, consistency);
        self.note(Units { verb: "read", what: kind(key).to_owned(), read, written: 0.0 });
    }

    fn keep_changes(&self, writes: &[Write], old: Vec<Option<Item>>, new: Vec<Option<Item>>) {
        let mut kept = self.kept();
        for ((write, old), new) in writes.iter().zip(old).zip(new) {
            let changes = !matches!(write, Write::Check { .. }) && (old.is_some() || new.is_some());
            if is_fed(write.key()) && changes {
                kept.changed += 1;
                let (seq, key) = (kept.changed, write.key().clone());
                kept.changes.push(Change { seq, key, old, new });
            }
        }
    }

    async fn look(&self, writes: &[Write]) -> Result<Vec<Option<Item>>, TableError> {
        let mut found = Vec::new();
        for write in writes {
            found.push(self.observer.get(write.key(), Consistency::Strong).await?);
        }
        Ok(found)
    }
}

#[async_trait]
impl Table for MeteredTable {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, TableError> {
        let item = self.inner.get(key, consistency).await?;
        self.note_read(key, item.as_ref().map_or(0, size), consistency);
        Ok(item)
    }

    fn is_remote(&self) -> bool {
        true
    }

    async fn get_many(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError> {
        let items = self.inner.get_many(keys, consistency).await?;
        for (key, item) in keys.iter().zip(&items) {
            self.note_read(key, item.as_ref().map_or(0, size), consistency);
        }
        Ok(items)
    }

    async fn query(&self, query: Query<'_>) -> Result<QueryPage<Item>, TableError> {
        let (consistency, pk) = (query.consistency, query.pk.to_owned());
        let page = self.inner.query(query).await?;
        let bytes = page.items.iter().map(size).sum();
        let first = page.items.first().map_or_else(|| Key::new(pk, "-"), |item| item.key.clone());
        self.note_read(&first, bytes, consistency);
        Ok(page)
    }

    async fn query_index(&self, query: Query<'_>) -> Result<QueryPage<(Key, Key)>, TableError> {
        let page = self.inner.query_index(query).await?;
        let bytes = page.items.iter().map(|(index, key)| entry_size(index, key)).sum();
        self.note(Units {
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
        if let ([Write::Check { key, .. }], [item]) = (&*writes, &*old) {
            self.note_read(key, item.as_ref().map_or(0, size), Consistency::Strong);
            return outcome;
        }
        let together = writes.len() > 1;
        let new = match &outcome {
            Ok(()) => self.look(&writes).await?,
            Err(TableError::Conflict { .. }) if together => writes.iter().map(intended).collect(),
            Err(TableError::Conflict { .. }) => old.clone(),
            Err(_) => return outcome,
        };
        let mut written = 0.0;
        for (old, new) in old.iter().zip(&new) {
            let bytes = old.as_ref().map_or(0, size).max(new.as_ref().map_or(0, size));
            written += write_units(bytes) * if together { 2.0 } else { 1.0 };
            if outcome.is_ok() {
                written += index_units(old.as_ref(), new.as_ref());
            }
        }
        let kinds: Vec<_> = writes.iter().map(|write| kind(write.key())).collect();
        self.note(Units {
            verb: if together { "transaction" } else { "write" },
            what: listed(&kinds) + if outcome.is_ok() { "" } else { " (refused)" },
            read: 0.0,
            written,
        });
        if outcome.is_ok() {
            self.keep_changes(&writes, old, new);
        }
        outcome
    }
}

/// The item that a refused write of a transaction would have made.
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

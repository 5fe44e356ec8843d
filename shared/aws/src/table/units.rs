//! The request units as DynamoDB bills them.
//!
//! DynamoDB answers what a request took, except where a condition failed. That is added here by the
//! arithmetic of its documentation: a refused write costs what it would cost to write the item as
//! it stands, and one unit where there is none. A transaction that was cancelled is counted as if
//! it had been made, everything twice, by the sizes of what it was to put: the answer does not say
//! what stood there.
//!
//! `tests/aws/tests/units.rs` compares these figures with an estimate from the sizes of items. No
//! function counts its units while it runs.

use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::types::{Capacity, ConsumedCapacity};
use dacapo_platform::table::{Item, Key, Write, size};

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// It reads one item.
    Get,
    /// It reads a batch.
    GetMany,
    /// It reads a page.
    Query,
    /// It reads a page of the index.
    QueryIndex,
    /// It writes one item.
    Write,
    /// It writes several items together.
    Transaction,
}

/// The units of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Spent {
    /// Its kind.
    pub verb: Verb,
    /// The items it was about; for a page the partition, and how its sort keys begin.
    pub keys: Vec<Key>,
    /// Read units.
    pub read: f64,
    /// Write units, those of the index included.
    pub written: f64,
    /// Those of them that the index took.
    pub index: f64,
    /// Whether a condition failed, so that nothing was written.
    pub refused: bool,
}

/// Notes the units of requests.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Vec<Spent>>);

impl Meter {
    /// The units since the last call.
    pub fn take(&self) -> Vec<Spent> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, spent: Spent) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(spent);
    }

    pub(super) fn note_read<'a>(
        &self,
        verb: Verb,
        keys: impl IntoIterator<Item = &'a Key>,
        capacity: Option<&ConsumedCapacity>,
    ) {
        let keys = keys.into_iter().cloned().collect();
        let read = capacity.and_then(ConsumedCapacity::capacity_units).unwrap_or(0.0);
        self.note(Spent { verb, keys, read, written: 0.0, index: 0.0, refused: false });
    }

    pub(super) fn note_writes(&self, writes: &[Write], capacity: Option<&ConsumedCapacity>) {
        let written = capacity.and_then(ConsumedCapacity::capacity_units).unwrap_or(0.0);
        let index = capacity
            .and_then(ConsumedCapacity::global_secondary_indexes)
            .map_or(0.0, |all| all.values().filter_map(Capacity::capacity_units).sum());
        self.note(Spent { read: 0.0, written, index, refused: false, ..about(writes) });
    }

    pub(super) fn note_refused(&self, writes: &[Write], current: Option<&Item>) {
        let intended = |write: &Write| match write {
            Write::Put { item, .. } => kilobytes(size(item)),
            Write::Delete { .. } | Write::Check { .. } | Write::Add { .. } => 1.0,
        };
        let written = if writes.len() > 1 {
            writes.iter().map(intended).sum::<f64>() * 2.0
        } else {
            current.map_or(1.0, |current| kilobytes(size(current)))
        };
        self.note(Spent { read: 0.0, written, index: 0.0, refused: true, ..about(writes) });
    }
}

fn about(writes: &[Write]) -> Spent {
    Spent {
        verb: if writes.len() > 1 { Verb::Transaction } else { Verb::Write },
        keys: writes.iter().map(|write| write.key().clone()).collect(),
        read: 0.0,
        written: 0.0,
        index: 0.0,
        refused: false,
    }
}

fn kilobytes(bytes: usize) -> f64 {
    bytes.div_ceil(1024).max(1) as f64
}

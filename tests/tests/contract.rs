//! The contract of the table, on the engines that need nothing but this machine: SQLite in memory,
//! on disk, and with the cloud's delays.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so")]

use std::sync::Arc;

use dacapo_embedded::SqliteStore;
use dacapo_platform::table::{Consistency, Item, Key, Query, QueryPage, Table, TableError, Write};
use dacapo_tests::contract::Shared;
use dacapo_tests::kit::EventuallyConsistent;
use dacapo_tests::table_contract;

table_contract!(in_memory, in_memory());
table_contract!(on_disk, on_disk());
table_contract!(eventually_consistent, eventually_consistent());

fn in_memory() -> Shared {
    SqliteStore::open(None, |_| true).unwrap()
}

fn eventually_consistent() -> Shared {
    Arc::new(EventuallyConsistent::new(SqliteStore::open(None, |_| true).unwrap(), 7))
}

fn on_disk() -> Shared {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(Some(directory.path()), |_| true).unwrap();
    Arc::new(OnDisk { store, _directory: directory })
}

/// A store, and its directory, which is removed with it.
struct OnDisk {
    store: Arc<SqliteStore>,
    _directory: tempfile::TempDir,
}

#[async_trait::async_trait]
impl Table for OnDisk {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, TableError> {
        self.store.get(key, consistency).await
    }
    async fn get_many(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError> {
        self.store.get_many(keys, consistency).await
    }
    async fn query(&self, query: Query<'_>) -> Result<QueryPage<Item>, TableError> {
        self.store.query(query).await
    }
    async fn query_index(&self, query: Query<'_>) -> Result<QueryPage<(Key, Key)>, TableError> {
        self.store.query_index(query).await
    }
    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError> {
        self.store.write(writes, token).await
    }
}

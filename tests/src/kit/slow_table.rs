//! A table whose lists take long: each page has few items, and time passes while it is read.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use dacapo_platform::table::{Consistency, Item, Key, Query, QueryPage, Table, TableError, Write};

use super::ManualClock;

/// A table in front of another. Stands for DynamoDB with long lists.
pub struct SlowTable {
    inner: Arc<dyn Table>,
    slow: OnceLock<(Arc<ManualClock>, i64, usize)>,
}

impl SlowTable {
    /// One that is not slow yet.
    #[must_use]
    pub fn before(inner: Arc<dyn Table>) -> Arc<Self> {
        Arc::new(Self { inner, slow: OnceLock::new() })
    }

    /// From now on a page of a list has so many items at most, and takes so many seconds. It is
    /// said once.
    pub fn takes(&self, seconds: i64, page: usize, clock: &Arc<ManualClock>) {
        let said = self.slow.set((Arc::clone(clock), seconds, page));
        assert!(said.is_ok(), "it is slow already");
    }

    fn passes<'a>(&self, query: Query<'a>) -> Query<'a> {
        let Some((clock, seconds, page)) = self.slow.get() else { return query };
        clock.advance(*seconds);
        let limit = query.limit.min(*page);
        query.limit(limit)
    }
}

#[async_trait]
impl Table for SlowTable {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, TableError> {
        self.inner.get(key, consistency).await
    }

    fn is_remote(&self) -> bool {
        self.inner.is_remote()
    }

    async fn get_many(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError> {
        self.inner.get_many(keys, consistency).await
    }

    async fn query(&self, query: Query<'_>) -> Result<QueryPage<Item>, TableError> {
        self.inner.query(self.passes(query)).await
    }

    async fn query_index(&self, query: Query<'_>) -> Result<QueryPage<(Key, Key)>, TableError> {
        self.inner.query_index(self.passes(query)).await
    }

    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError> {
        self.inner.write(writes, token).await
    }
}

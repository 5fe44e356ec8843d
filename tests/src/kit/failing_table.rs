//! A table whose writes fail as a test says: for what a throttled table, or a lost answer, may do.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use dacapo_platform::table::{Consistency, Item, Key, Query, QueryPage, Table, TableError, Write};

/// How a write fails.
#[derive(Debug, Clone, PartialEq)]
pub enum Fails {
    /// It is not made, and the caller is told so.
    NotMade(TableError),
    /// It is made, and the answer is lost.
    AnswerLost,
}

type Decides = Box<dyn FnMut(&[Write]) -> Option<Fails> + Send>;

/// A table in front of another. Stands for DynamoDB on a bad day.
pub struct FailingTable {
    inner: Arc<dyn Table>,
    decides: Mutex<Decides>,
}

impl FailingTable {
    /// One that does not fail yet.
    #[must_use]
    pub fn before(inner: Arc<dyn Table>) -> Arc<Self> {
        Arc::new(Self { inner, decides: Mutex::new(Box::new(|_| None)) })
    }

    /// From now on each write is shown to this, which says whether it fails.
    pub fn fails(&self, decides: impl FnMut(&[Write]) -> Option<Fails> + Send + 'static) {
        *self.decides.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(decides);
    }

    fn decided(&self, writes: &[Write]) -> Option<Fails> {
        (self.decides.lock().unwrap_or_else(PoisonError::into_inner))(writes)
    }
}

#[async_trait]
impl Table for FailingTable {
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
        self.inner.query(query).await
    }

    async fn query_index(&self, query: Query<'_>) -> Result<QueryPage<(Key, Key)>, TableError> {
        self.inner.query_index(query).await
    }

    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError> {
        match self.decided(&writes) {
            None => self.inner.write(writes, token).await,
            Some(Fails::NotMade(error)) => Err(error),
            Some(Fails::AnswerLost) => {
                self.inner.write(writes, token).await?;
                Err(TableError::Unknown("the connection was closed".to_owned()))
            }
        }
    }
}

//! A table whose calls fail on demand: refused, not answered, or not made because the worker died.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use dacapo_platform::table::{Consistency, Item, Key, Query, QueryPage, Table, TableError, Write};
use dacapo_tests::kit::PseudoRandom;

/// See the module.
pub(crate) struct Faulty<T> {
    inner: T,
    state: Mutex<State>,
}

struct State {
    random: PseudoRandom,
    /// One write in so many fails; never if 0.
    fails: u64,
    /// After so many calls the worker dies.
    dies_after: Option<u64>,
}

/// What happens to a call.
enum CallOutcome {
    Performed,
    Refused(TableError),
    /// It is performed, and its answer is lost.
    AnswerLost,
}

impl<T: Table> Faulty<T> {
    pub(crate) fn new(inner: T, seed: u64) -> Arc<Self> {
        let state = State { random: PseudoRandom::new(seed), fails: 0, dies_after: None };
        Arc::new(Self { inner, state: Mutex::new(state) })
    }

    pub(crate) fn inner(&self) -> &T {
        &self.inner
    }

    /// From now on one write in so many fails.
    pub(crate) fn fails(&self, one_in: u64) {
        self.state.lock().unwrap().fails = one_in;
    }

    /// The current worker dies after so many calls, or not at all.
    pub(crate) fn dies_after(&self, calls: Option<u64>) {
        self.state.lock().unwrap().dies_after = calls;
    }

    fn outcome(&self, writes: bool) -> CallOutcome {
        let mut state = self.state.lock().unwrap();
        if let Some(left) = state.dies_after {
            if left == 0 {
                return CallOutcome::Refused(TableError::Failed("the worker is dead".to_owned()));
            }
            state.dies_after = Some(left - 1);
        }
        let fails = state.fails;
        if !writes || fails == 0 || !state.random.one_in(fails) {
            return CallOutcome::Performed;
        }
        match state.random.below(3) {
            0 => CallOutcome::Refused(TableError::Throttled),
            1 => CallOutcome::Refused(TableError::Contended),
            _ => CallOutcome::AnswerLost,
        }
    }

    fn reads(&self) -> Result<(), TableError> {
        match self.outcome(false) {
            CallOutcome::Refused(error) => Err(error),
            CallOutcome::Performed | CallOutcome::AnswerLost => Ok(()),
        }
    }
}

#[async_trait]
impl<T: Table> Table for Faulty<T> {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, TableError> {
        self.reads()?;
        self.inner.get(key, consistency).await
    }

    async fn get_many(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError> {
        self.reads()?;
        self.inner.get_many(keys, consistency).await
    }

    async fn query(&self, query: Query<'_>) -> Result<QueryPage<Item>, TableError> {
        self.reads()?;
        self.inner.query(query).await
    }

    async fn query_index(&self, query: Query<'_>) -> Result<QueryPage<(Key, Key)>, TableError> {
        self.reads()?;
        self.inner.query_index(query).await
    }

    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError> {
        match self.outcome(true) {
            CallOutcome::Performed => self.inner.write(writes, token).await,
            CallOutcome::Refused(error) => Err(error),
            CallOutcome::AnswerLost => {
                self.inner.write(writes, token).await?;
                Err(TableError::Unknown("the answer was lost".to_owned()))
            }
        }
    }
}

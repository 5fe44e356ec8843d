//! A table whose calls fail when they are told to: refused, answered by nobody, or not made because
//! the worker died.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use dacapo_platform::table::{Consistency, Item, Key, Page, Query, Table, TableError, Write};

/// Numbers that look like chance and are the same every time (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    pub(crate) fn one_in(&mut self, end: u64) -> bool {
        self.below(end) == 0
    }

    pub(crate) fn pick<T>(&mut self, many: &mut Vec<T>) -> Option<T> {
        if many.is_empty() {
            return None;
        }
        let place = usize::try_from(self.below(many.len() as u64)).unwrap();
        Some(many.remove(place))
    }
}

/// See the module.
pub(crate) struct Faulty<T> {
    inner: T,
    state: Mutex<State>,
}

struct State {
    dice: Dice,
    /// One write in so many fails; never if 0.
    fails: u64,
    /// After so many calls the worker is dead.
    dies_after: Option<u64>,
}

/// What becomes of a call.
enum Fate {
    Made,
    Refused(TableError),
    /// It is made, and nobody is told.
    Unanswered,
}

impl<T: Table> Faulty<T> {
    pub(crate) fn new(inner: T, seed: u64) -> Arc<Self> {
        let state = State { dice: Dice::new(seed), fails: 0, dies_after: None };
        Arc::new(Self { inner, state: Mutex::new(state) })
    }

    pub(crate) fn inner(&self) -> &T {
        &self.inner
    }

    /// From now on one write in so many fails.
    pub(crate) fn fails(&self, one_in: u64) {
        self.state.lock().unwrap().fails = one_in;
    }

    /// The worker that works now dies after so many calls, or doesn't.
    pub(crate) fn dies_after(&self, calls: Option<u64>) {
        self.state.lock().unwrap().dies_after = calls;
    }

    fn fate(&self, writes: bool) -> Fate {
        let mut state = self.state.lock().unwrap();
        if let Some(left) = state.dies_after {
            if left == 0 {
                return Fate::Refused(TableError::Failed("the worker is dead".to_owned()));
            }
            state.dies_after = Some(left - 1);
        }
        let fails = state.fails;
        if !writes || fails == 0 || !state.dice.one_in(fails) {
            return Fate::Made;
        }
        match state.dice.below(3) {
            0 => Fate::Refused(TableError::Throttled),
            1 => Fate::Refused(TableError::Contended),
            _ => Fate::Unanswered,
        }
    }

    fn reads(&self) -> Result<(), TableError> {
        match self.fate(false) {
            Fate::Refused(error) => Err(error),
            Fate::Made | Fate::Unanswered => Ok(()),
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

    async fn query(&self, query: Query<'_>) -> Result<Page<Item>, TableError> {
        self.reads()?;
        self.inner.query(query).await
    }

    async fn query_index(&self, query: Query<'_>) -> Result<Page<(Key, Key)>, TableError> {
        self.reads()?;
        self.inner.query_index(query).await
    }

    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError> {
        match self.fate(true) {
            Fate::Made => self.inner.write(writes, token).await,
            Fate::Refused(error) => Err(error),
            Fate::Unanswered => {
                self.inner.write(writes, token).await?;
                Err(TableError::Unknown("the answer was lost".to_owned()))
            }
        }
    }
}

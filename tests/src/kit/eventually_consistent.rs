//! A table and a feed with the delays of the cloud, which SQLite does not have.
//!
//! They stand for DynamoDB with its eventual reads, and for DynamoDB Streams. Nothing is throttled,
//! and a delay is counted in reads, not in time. The delays depend on a seed: the same calls in the
//! same order see the same delays.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use dacapo_embedded::{Change, Operation, SqliteStore};
use dacapo_platform::table::{
    Consistency, Cursor, Direction, Item, Key, LARGEST_PAGE, Query, QueryPage, Table, TableError,
    Write, check_query, size,
};

use super::PseudoRandom;

/// The most eventual reads that do not see a write.
const LONGEST_LAG: u64 = 6;

/// A table whose eventual reads, and whose index, see each written item only after some more of
/// such reads, independently for every item. It needs an empty table, and must receive all writes.
pub struct EventuallyConsistent<T> {
    inner: T,
    behind: Mutex<Behind>,
    /// One refresh at a time, or an older state could overwrite a newer one.
    refreshing: tokio::sync::Mutex<()>,
}

/// What eventual reads see.
struct Behind {
    random: PseudoRandom,
    reads: u64,
    seen: BTreeMap<Key, Item>,
    /// Items to refresh, and from which read on.
    unseen: Vec<(u64, Key)>,
}

impl<T: Table> EventuallyConsistent<T> {
    /// The table with delays that follow from `seed`.
    pub fn new(inner: T, seed: u64) -> Self {
        let behind = Behind {
            random: PseudoRandom::new(seed),
            reads: 0,
            seen: BTreeMap::new(),
            unseen: Vec::new(),
        };
        Self { inner, behind: Mutex::new(behind), refreshing: tokio::sync::Mutex::default() }
    }

    /// Counts one eventual read: items whose delay is over are refreshed.
    async fn go_by(&self) -> Result<(), TableError> {
        let _refreshing = self.refreshing.lock().await;
        let due: Vec<Key> = self.behind(|behind| {
            behind.reads += 1;
            let reads = behind.reads;
            let due = behind.unseen.extract_if(.., |(from, _)| *from <= reads);
            due.map(|(_, key)| key).collect()
        });
        for key in due {
            // The item as it is now: never older than what was seen before.
            let item = self.inner.get(&key, Consistency::Strong).await?;
            self.behind(|behind| match item {
                Some(item) => behind.seen.insert(key, item),
                None => behind.seen.remove(&key),
            });
        }
        Ok(())
    }

    fn behind<R>(&self, look: impl FnOnce(&mut Behind) -> R) -> R {
        look(&mut self.behind.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl<T: Table> Table for EventuallyConsistent<T> {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, TableError> {
        if consistency == Consistency::Strong {
            return self.inner.get(key, consistency).await;
        }
        self.go_by().await?;
        Ok(self.behind(|behind| behind.seen.get(key).cloned()))
    }

    async fn get_many(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError> {
        if consistency == Consistency::Strong {
            return self.inner.get_many(keys, consistency).await;
        }
        self.go_by().await?;
        Ok(self.behind(|behind| keys.iter().map(|key| behind.seen.get(key).cloned()).collect()))
    }

    async fn query(&self, query: Query<'_>) -> Result<QueryPage<Item>, TableError> {
        if query.consistency == Consistency::Strong {
            return self.inner.query(query).await;
        }
        check_query(&query, false)?;
        let from = query.cursor.as_ref().map(|cursor| cursor.parts::<2>(query.pk)).transpose()?;
        self.go_by().await?;
        let found = self.behind(|behind| {
            let all = behind.seen.values().filter(|item| item.key.pk == query.pk);
            let all = all.filter(|item| query.range.contains(&item.key.sk));
            all.map(|item| ([item.key.pk.clone(), item.key.sk.clone()], size(item), item.clone()))
                .collect()
        });
        Ok(page(found, from.as_ref(), query.order, query.limit))
    }

    async fn query_index(&self, query: Query<'_>) -> Result<QueryPage<(Key, Key)>, TableError> {
        check_query(&query, true)?;
        let from = query.cursor.as_ref().map(|cursor| cursor.parts::<4>(query.pk)).transpose()?;
        self.go_by().await?;
        let found = self.behind(|behind| {
            let all =
                behind.seen.values().filter_map(|item| Some((item.index.clone()?, &item.key)));
            let all =
                all.filter(|(index, _)| index.pk == query.pk && query.range.contains(&index.sk));
            all.map(|(index, key)| {
                let place = [&index.pk, &index.sk, &key.pk, &key.sk].map(String::clone);
                (place, 100, (index, key.clone()))
            })
            .collect()
        });
        Ok(page(found, from.as_ref(), query.order, query.limit))
    }

    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError> {
        let keys: Vec<Key> = writes.iter().map(|write| write.key().clone()).collect();
        let outcome = self.inner.write(writes, token).await;
        self.behind(|behind| {
            for key in keys {
                let from = behind.reads + 1 + behind.random.below(LONGEST_LAG);
                behind.unseen.push((from, key));
            }
        });
        outcome
    }
}

/// A page of what was found, each with its place and its size.
fn page<const N: usize, T>(
    mut found: Vec<([String; N], usize, T)>,
    from: Option<&[String; N]>,
    order: Direction,
    limit: usize,
) -> QueryPage<T> {
    found.sort_by(|a, b| if order == Direction::Ascending { a.0.cmp(&b.0) } else { b.0.cmp(&a.0) });
    let begun = found.into_iter().skip_while(|(place, ..)| match from {
        None => false,
        Some(from) if order == Direction::Ascending => place <= from,
        Some(from) => place >= from,
    });
    let (mut items, mut bytes, mut last) = (Vec::new(), 0, None);
    for (place, size, item) in begun {
        bytes += size;
        if last.is_some() && (items.len() == limit || bytes > LARGEST_PAGE) {
            let cursor =
                last.map(|last: [String; N]| Cursor::at(&last.each_ref().map(String::as_str)));
            return QueryPage { items, cursor };
        }
        items.push(item);
        last = Some(place);
    }
    // The cloud does not look ahead: a page that ends at the limit has a cursor even at the end.
    let full = items.len() == limit;
    let cursor = last.filter(|_| full).map(|last| Cursor::at(&last.each_ref().map(String::as_str)));
    QueryPage { items, cursor }
}

/// A feed that delivers late, out of order between items, and more than once.
///
/// Guaranteed is: the first time, the changes of one item are delivered in order and without a gap.
/// A repeat begins at an earlier change and goes on in order from there.
pub struct AtLeastOnceFeed {
    store: Arc<SqliteStore>,
    consumer: String,
    random: PseudoRandom,
}

/// Changes as they were delivered, to be acknowledged together.
pub struct Batch {
    /// What changed.
    pub changes: Vec<Change>,
    upto: i64,
}

impl AtLeastOnceFeed {
    /// The store's feed for one consumer, with delays that follow from `seed`.
    pub fn new(store: Arc<SqliteStore>, consumer: &str, seed: u64) -> Self {
        Self { store, consumer: consumer.to_owned(), random: PseudoRandom::new(seed) }
    }

    /// Some of the changes after the checkpoint. An empty answer does not mean that there are none.
    pub fn read(&mut self, limit: usize) -> Result<Batch, TableError> {
        let mut there = self.store.read_feed(&self.consumer, limit)?;
        let late = self.random.below(there.len() as u64 + 1);
        there.truncate(there.len() - usize::try_from(late).unwrap_or_default());
        let upto = there.last().map_or(0, |change| change.seq);
        let mut changes = self.shuffle(there);
        if self.random.below(4) == 0 {
            changes.extend_from_within(..);
        }
        Ok(Batch { changes, upto })
    }

    /// Acknowledges a batch. Now and then that is lost, as in a crash.
    pub async fn acknowledge(&mut self, batch: &Batch) -> Result<(), TableError> {
        if batch.upto == 0 || self.random.below(4) == 0 {
            return Ok(());
        }
        let consumer = self.consumer.clone();
        self.store.commit(vec![Operation::Checkpoint { consumer, seq: batch.upto }]).await
    }

    /// Another order of the items, the same order for each of them.
    fn shuffle(&mut self, changes: Vec<Change>) -> Vec<Change> {
        let mut by_item: BTreeMap<Key, VecDeque<Change>> = BTreeMap::new();
        for change in changes {
            by_item.entry(change.key.clone()).or_default().push_back(change);
        }
        let mut by_key: Vec<VecDeque<Change>> = by_item.into_values().collect();
        let mut shuffled = Vec::new();
        while !by_key.is_empty() {
            let ordering_key = self.random.index(by_key.len());
            shuffled.extend(by_key[ordering_key].pop_front());
            by_key.retain(|ordering_key| !ordering_key.is_empty());
        }
        shuffled
    }
}

//! The cloud around a platform: feed, queues and timers, processed in any order.

use std::collections::BTreeSet;
use std::sync::Arc;

use dacapo_embedded::{Operation, SqliteStore};
use dacapo_engine::ids::ContactId;
use dacapo_platform::handlers::Done;
use dacapo_platform::keys::{SHARDS, is_fed};
use dacapo_platform::ports::QueueMessage;
use dacapo_platform::table::{Consistency, Key, Query, Table as _};
use dacapo_tests::kit::{
    AtLeastOnceFeed, EventuallyConsistent, Pending, PseudoRandom, TestBench, bring,
};

use crate::faulty::Faulty;

/// Longer than the claim of a shard, and than lists may be out of date.
const A_WHILE: i64 = 200;

/// More work than any of these tests makes.
const MOST_WORK: usize = 50_000;

/// See the module.
pub(crate) struct Cloud {
    pub(crate) bench: TestBench,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) random: PseudoRandom,
    table: Arc<Faulty<EventuallyConsistent<Arc<SqliteStore>>>>,
    feed: AtLeastOnceFeed,
    pending: Pending,
}

impl Cloud {
    pub(crate) async fn new(seed: u64) -> Self {
        let store = SqliteStore::open(None, is_fed).unwrap();
        let consumer = "worker".to_owned();
        store.commit(vec![Operation::Checkpoint { consumer, seq: 0 }]).await.unwrap();
        let table = Faulty::new(EventuallyConsistent::new(Arc::clone(&store), seed), seed ^ 1);
        let bench = TestBench::on(Arc::clone(&table) as _);
        let feed = AtLeastOnceFeed::new(Arc::clone(&store), "worker", seed ^ 2);
        let random = PseudoRandom::new(seed ^ 3);
        Self { bench, store, random, table, feed, pending: Pending::default() }
    }

    /// Switches faults on or off: writes fail now and then, and timers are not accepted.
    pub(crate) fn rough(&self, rough: bool) {
        self.table.fails(if rough { 12 } else { 0 });
        self.bench.outbox.leaves_timers(if rough { 3 } else { 0 });
    }

    /// Does some piece of work; a call may fail, a worker may die, a message may be delivered
    /// again.
    pub(crate) async fn work(&mut self) {
        self.collect();
        match self.random.below(4) {
            0 => self.read_feed().await,
            1 => self.fire().await,
            _ => self.take_message().await,
        }
        self.collect();
    }

    /// Works without faults until nothing is left to do.
    pub(crate) async fn settle(&mut self) {
        self.rough(false);
        for _ in 0..MOST_WORK {
            self.collect();
            if !self.store.feed_is_read("worker").unwrap() {
                self.read_feed().await;
            } else if self.is_due() {
                self.take_due_message().await;
            } else {
                return;
            }
        }
        panic!("it never comes to rest: {:?}", self.pending.queue);
    }

    /// Works until all jobs have ended: lists have shown everything, claims of dead workers are
    /// over.
    pub(crate) async fn settle_jobs(&mut self) {
        self.settle().await;
        while !self.pending.queue.is_empty() {
            self.pass(A_WHILE).await;
            self.settle().await;
        }
    }

    /// Works until all jobs have ended, while the feed delivers nothing.
    pub(crate) async fn settle_jobs_without_the_feed(&mut self) {
        self.rough(false);
        self.collect();
        while !self.pending.queue.is_empty() {
            while self.is_due() {
                self.take_due_message().await;
                self.collect();
            }
            self.pass(A_WHILE).await;
        }
    }

    /// Time passes, and lists become up to date.
    pub(crate) async fn pass(&mut self, seconds: i64) {
        self.bench.clock.advance(seconds);
        for _ in 0..8 {
            let nothing = Key::new("nothing", "nothing");
            self.table.inner().get(&nothing, Consistency::Eventual).await.unwrap();
        }
    }

    /// Loses what is outside of the table, after the feed has been read: queues with their job
    /// steps, and timers.
    pub(crate) async fn loses_queues_and_timers(&mut self) {
        self.rough(false);
        for _ in 0..MOST_WORK {
            if self.store.feed_is_read("worker").unwrap() {
                break;
            }
            self.read_feed().await;
        }
        self.bench.outbox.take();
        self.pending.queue.clear();
        self.pending.timers.clear();
    }

    /// The names of the timers that are set.
    pub(crate) fn timers(&mut self) -> BTreeSet<String> {
        self.collect();
        self.pending.timers.keys().cloned().collect()
    }

    /// The queue and the timers as they were ordered.
    fn collect(&mut self) {
        self.pending.perform(self.bench.outbox.take());
        self.pending.fire(self.bench.platform.store.now());
    }

    fn is_due(&self) -> bool {
        self.pending.is_due(self.bench.platform.store.now())
    }

    async fn read_feed(&mut self) {
        let limit = usize::try_from(1 + self.random.below(40)).unwrap();
        let batch = self.feed.read(limit).unwrap();
        // A failed record is read again with those that follow it.
        if bring(&self.bench.platform, &batch.changes).await.is_ok() {
            self.feed.acknowledge(&batch).await.unwrap();
        }
    }

    async fn fire(&mut self) {
        self.collect();
    }

    async fn take_due_message(&mut self) {
        let message = self.pending.take_first(self.bench.platform.store.now()).unwrap();
        self.handle(message, false).await;
    }

    async fn take_message(&mut self) {
        let now = self.bench.platform.store.now();
        let mut due = self.pending.take_due(now);
        let taken = self.random.pick(&mut due);
        self.pending.queue.extend(due);
        let Some((_, message)) = taken else { return };
        // At least once.
        if self.random.one_in(3) {
            let seconds = i64::try_from(self.random.below(90)).unwrap();
            self.pending.queue.push((now + chrono::TimeDelta::seconds(seconds), message.clone()));
        }
        let dies = self.random.one_in(6);
        self.handle(message, dies).await;
    }

    async fn handle(&mut self, message: QueueMessage, dies: bool) {
        if dies {
            self.table.dies_after(Some(self.random.below(40)));
        }
        let platform = self.bench.platform.clone();
        let handled = platform.queues.handle(&message).await;
        self.table.dies_after(None);
        let now = self.bench.platform.store.now();
        match handled {
            Ok(Done::Yes) => {}
            Ok(Done::Soon) => self.pending.queue.push((now, message)),
            Ok(Done::NotBefore(at) | Done::NotTried(at)) => self.pending.queue.push((at, message)),
            // It is delivered again.
            Err(error) => {
                assert_eq!(
                    error.retryability(),
                    dacapo_platform::error::Retryability::Retryable,
                    "{error}"
                );
                self.pending.queue.push((now, message));
            }
        }
    }

    /// All contacts.
    pub(crate) async fn contacts(&self) -> BTreeSet<ContactId> {
        let mut all = BTreeSet::new();
        for shard in 0..SHARDS {
            let partition = self.bench.platform.store.keys.contacts_listed(shard);
            let page = self.store.query_index(Query::of(&partition)).await.unwrap();
            all.extend(
                page.items.into_iter().map(|(listed, _)| ContactId::new(listed.sk).unwrap()),
            );
        }
        all
    }

    /// The items under a prefix in a contact's partition.
    pub(crate) async fn items_of(
        &self,
        contact: &ContactId,
        prefix: &str,
    ) -> Vec<dacapo_platform::table::Item> {
        let partition = self.bench.platform.store.keys.contact_partition(contact);
        let (mut items, mut cursor) = (Vec::new(), None);
        loop {
            let query = Query::of(&partition).prefix(prefix).after(cursor).strong();
            let page = self.store.query(query).await.unwrap();
            items.extend(page.items);
            cursor = page.cursor;
            if cursor.is_none() {
                return items;
            }
        }
    }
}

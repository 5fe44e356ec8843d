//! The cloud around a platform: feed, queues and timers, worked off in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dacapo_embedded::{Operation, SqliteStore};
use dacapo_engine::ids::ContactId;
use dacapo_platform::Instant;
use dacapo_platform::handlers::{ContactImage, Done, EnrollmentImage};
use dacapo_platform::keys::{SHARDS, fed, is_fed};
use dacapo_platform::ports::{Message, Order};
use dacapo_platform::table::{Consistency, Key, Query, Table as _};
use dacapo_tests::eventually_consistent::{EventuallyConsistent, UnkindFeed};
use dacapo_tests::ports::Bench;

use crate::faulty::{Dice, Faulty};

/// Longer than a lane is claimed, and than lists may lag.
const A_WHILE: i64 = 200;

/// More work than any of these tests makes.
const MOST_WORK: usize = 50_000;

/// See the module.
pub(crate) struct Cloud {
    pub(crate) bench: Bench,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) dice: Dice,
    table: Arc<Faulty<EventuallyConsistent<Arc<SqliteStore>>>>,
    feed: UnkindFeed,
    queue: Vec<(Instant, Message)>,
    timers: BTreeMap<String, (Instant, Message)>,
}

impl Cloud {
    pub(crate) async fn new(seed: u64) -> Self {
        let store = SqliteStore::open(None, is_fed).unwrap();
        let consumer = "worker".to_owned();
        store.commit(vec![Operation::Checkpoint { consumer, seq: 0 }]).await.unwrap();
        let table = Faulty::new(EventuallyConsistent::new(Arc::clone(&store), seed), seed ^ 1);
        let bench = Bench::on(Arc::clone(&table) as _);
        let feed = UnkindFeed::new(Arc::clone(&store), "worker", seed ^ 2);
        let dice = Dice::new(seed ^ 3);
        Self { bench, store, dice, table, feed, queue: Vec::new(), timers: BTreeMap::new() }
    }

    /// From now on writes fail now and then, and timers are not taken; or no longer.
    pub(crate) fn rough(&self, rough: bool) {
        self.table.fails(if rough { 12 } else { 0 });
        self.bench.outbox.leaves_timers(if rough { 3 } else { 0 });
    }

    /// Something is worked off; a call may fail, a worker may die, a message may come again.
    pub(crate) async fn work(&mut self) {
        self.collect();
        match self.dice.below(4) {
            0 => self.read_feed().await,
            1 => self.fire().await,
            _ => self.take_message().await,
        }
        self.collect();
    }

    /// Works until nothing is left to do, without faults.
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
        panic!("it never comes to rest: {:?}", self.queue);
    }

    /// Works until all jobs have ended: lists have shown everything, claims of dead workers are
    /// over.
    pub(crate) async fn settle_jobs(&mut self) {
        self.settle().await;
        while !self.queue.is_empty() {
            self.pass(A_WHILE).await;
            self.settle().await;
        }
    }

    /// Time passes, and lists come to show what was written.
    pub(crate) async fn pass(&mut self, seconds: i64) {
        self.bench.clock.advance(seconds);
        for _ in 0..8 {
            let nothing = Key::new("nothing", "nothing");
            self.table.inner().get(&nothing, Consistency::Eventual).await.unwrap();
        }
    }

    /// What stands outside of the table is lost, once the feed has been read: queues, the turns of
    /// jobs in them, and timers.
    pub(crate) async fn loses_queues_and_timers(&mut self) {
        self.rough(false);
        for _ in 0..MOST_WORK {
            if self.store.feed_is_read("worker").unwrap() {
                break;
            }
            self.read_feed().await;
        }
        self.bench.outbox.take();
        self.queue.clear();
        self.timers.clear();
    }

    /// The names of the timers that are set.
    pub(crate) fn timers(&mut self) -> BTreeSet<String> {
        self.collect();
        self.timers.keys().cloned().collect()
    }

    /// The queue and the timers as they were ordered.
    fn collect(&mut self) {
        for order in self.bench.outbox.take() {
            match order {
                Order::Schedule { name, at, message } => {
                    self.timers.insert(name, (at, message));
                }
                Order::Cancel { name } => {
                    self.timers.remove(&name);
                }
                Order::Send { at, message, .. } => self.queue.push((at, message)),
            }
        }
        let now = self.bench.platform.store.now();
        let due: Vec<String> = self
            .timers
            .iter()
            .filter(|(_, (at, _))| *at <= now)
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            self.queue.extend(self.timers.remove(&name));
        }
    }

    fn is_due(&self) -> bool {
        let now = self.bench.platform.store.now();
        self.queue.iter().any(|(at, _)| *at <= now)
    }

    async fn read_feed(&mut self) {
        let limit = usize::try_from(1 + self.dice.below(40)).unwrap();
        let batch = self.feed.read(limit).unwrap();
        let mut enrollments = Vec::new();
        let mut done = true;
        for change in &batch.changes {
            let (key, old, new) = (change.key.clone(), change.old.clone(), change.new.clone());
            match fed(&key) {
                Some((_, None)) => {
                    let image = ContactImage { old, new };
                    done &= self.bench.platform.contact_changes.handle(&image).await.is_ok();
                }
                Some((_, Some(_))) => enrollments.push(EnrollmentImage { key, old, new }),
                None => {}
            }
            // What failed is read again with what follows it.
            if !done {
                return;
            }
        }
        if self.bench.platform.effects.perform_all(&enrollments).await.is_ok() {
            self.feed.acknowledge(&batch).await.unwrap();
        }
    }

    async fn fire(&mut self) {
        self.collect();
    }

    async fn take_due_message(&mut self) {
        let now = self.bench.platform.store.now();
        let place = self.queue.iter().position(|(at, _)| *at <= now).unwrap();
        let (_, message) = self.queue.remove(place);
        self.handle(message, false).await;
    }

    async fn take_message(&mut self) {
        let now = self.bench.platform.store.now();
        let (mut due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.queue).into_iter().partition(|(at, _)| *at <= now);
        self.queue = later;
        let taken = self.dice.pick(&mut due);
        self.queue.extend(due);
        let Some((_, message)) = taken else { return };
        // At least once.
        if self.dice.one_in(3) {
            let seconds = i64::try_from(self.dice.below(90)).unwrap();
            self.queue.push((now + chrono::TimeDelta::seconds(seconds), message.clone()));
        }
        let dies = self.dice.one_in(6);
        self.handle(message, dies).await;
    }

    async fn handle(&mut self, message: Message, dies: bool) {
        if dies {
            self.table.dies_after(Some(self.dice.below(40)));
        }
        let platform = self.bench.platform.clone();
        let handled = match &message {
            Message::EnrollmentEvent(wake) => platform.enrollment_events.handle(wake).await,
            Message::Call(call) => platform.webhooks.call(call).await,
            Message::JobStep(job_step) => platform.job_worker.step(job_step).await,
            Message::Erase(contact) => platform.erasure.erase_remains(contact).await,
            Message::Timer(_) => platform.queues.handle_jobs(&message).await,
            Message::Redrive(redrive) => panic!("nobody asks for a dead letter here: {redrive:?}"),
        };
        self.table.dies_after(None);
        let now = self.bench.platform.store.now();
        match handled {
            Ok(Done::Yes) => {}
            Ok(Done::Soon) => self.queue.push((now, message)),
            Ok(Done::NotBefore(at) | Done::NotTried(at)) => self.queue.push((at, message)),
            // It comes again.
            Err(error) => {
                assert_eq!(
                    error.retryability(),
                    dacapo_platform::error::Retryability::Retryable,
                    "{error}"
                );
                self.queue.push((now, message));
            }
        }
    }

    /// Everybody there is.
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

    /// What stands under a prefix in a contact's partition.
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

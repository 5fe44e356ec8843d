//! Races between the change feed and a timer, with the feed held back by hand: what waits in it is neither lost nor done
//! twice, whoever comes first.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use dacapo_embedded::{Change, Operation, SqliteStore};
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::ids::{CampaignId, ContactId, Tag};
use dacapo_engine::statistics::Outcome;
use dacapo_platform::campaigns::{Publish, alone};
use dacapo_platform::contacts;
use dacapo_platform::handlers::{ContactImage, Done, EnrollmentImage};
use dacapo_platform::keys::{fed, is_fed};
use dacapo_platform::messages::MessageStatus;
use dacapo_platform::ports::{Message, Order, Wake};
use dacapo_tests::ports::Bench;

/// An hour after *Go* the contact is reset, and a mail follows; *More* is a second path of the run.
const CAMPAIGN: &str = r"
id: circle
sender: { address: a@example.com }
elements:
  go: { type: event, on: { tag_added: Go }, next: hour }
  hour: { type: wait, for: 1 hour, next: again }
  again: { type: reset, next: after }
  after: { type: email, email: after }
  more: { type: event, on: { tag_added: More }, next: extra }
  extra: { type: email, email: extra }
emails:
  after: { purpose: transactional, subject: After, text: x }
  extra: { purpose: transactional, subject: Extra, text: x }
";

const CONSUMER: &str = "test";

struct Story {
    store: Arc<SqliteStore>,
    bench: Bench,
    id: CampaignId,
    ann: ContactId,
    /// What is due when somebody takes it: timers and messages.
    due: Vec<Wake>,
    /// Everything that the feed has brought.
    brought: Vec<Change>,
}

impl Story {
    /// Ann has got the tag *Go*, and waits for an hour.
    async fn begun() -> Self {
        let store = SqliteStore::open(None, is_fed).unwrap();
        let bench = Bench::on(Arc::clone(&store) as _);
        let id = CampaignId::new("circle").unwrap();
        bench.platform.put_draft(&id, CAMPAIGN).await.unwrap();
        bench.platform.publish(&id, Publish::default(), "test", alone).await.unwrap();
        bench.outbox.take();
        let ann = tagged(&bench, "Go").await;
        let mut story = Self { store, bench, id, ann, due: Vec::new(), brought: Vec::new() };
        story.feed_goes_on().await;
        assert_eq!(story.due.len(), 1, "one timer: {:?}", story.due);
        story
    }

    /// The feed brings what waits in it, and what that leads to.
    async fn feed_goes_on(&mut self) {
        loop {
            let changes = self.store.read_feed(CONSUMER, 100).unwrap();
            let Some(last) = changes.last().map(|change| change.seq) else { break };
            for change in &changes {
                self.bring(change).await;
            }
            let done = Operation::Checkpoint { consumer: CONSUMER.to_owned(), seq: last };
            self.store.commit(vec![done]).await.unwrap();
            self.brought.extend(changes);
        }
        self.ordered();
    }

    async fn bring(&self, change: &Change) {
        let (old, new) = (change.old.clone(), change.new.clone());
        match fed(&change.key).unwrap() {
            (_, None) => {
                let image = ContactImage { old, new };
                self.bench.platform.contact_changed(&image).await.unwrap();
            }
            (_, Some(_)) => {
                let image = EnrollmentImage { key: change.key.clone(), old, new };
                self.bench.platform.enrollments_committed(&[image]).await.unwrap();
            }
        }
    }

    fn ordered(&mut self) {
        for order in self.bench.outbox.take() {
            match order {
                Order::Schedule { message: Message::Wake(wake), .. }
                | Order::Send { message: Message::Wake(wake), .. } => self.due.push(wake),
                Order::Cancel { .. } => {}
                Order::Schedule { .. } | Order::Send { .. } => panic!("{order:?}"),
            }
        }
    }

    /// Whoever is due is taken, what follows included, and the feed goes on.
    async fn until_idle(&mut self) {
        self.feed_goes_on().await;
        while let Some(wake) = self.due.pop() {
            assert_eq!(self.bench.platform.woken(&wake).await.unwrap(), Done::Yes);
            self.feed_goes_on().await;
        }
    }

    async fn enrollment(&self) -> Enrollment {
        self.bench.platform.enrollment(&self.ann, &self.id).await.unwrap().unwrap().enrollment
    }

    /// The messages that left, as the ledger has them.
    async fn sent(&self) -> Vec<String> {
        let mut sent = Vec::new();
        for (run, step) in (1..=2).flat_map(|run| (1..=4).map(move |step| (run, step))) {
            let key = self.bench.platform.keys.message(&self.ann, &self.id, run, step);
            if let Some(record) = self.bench.platform.message(&key).await.unwrap() {
                assert_eq!(record.status, MessageStatus::Settled(Outcome::Sent));
                sent.push(format!("{} in run {run}", record.element));
            }
        }
        sent
    }
}

async fn tagged(bench: &Bench, tag: &str) -> ContactId {
    let patch = Patch { add: vec![Tag::new(tag).unwrap()], ..Patch::default() };
    let by = Author::ApiKey("test".to_owned());
    bench
        .platform
        .upsert("ann@example.com", &patch, &by, &contacts::alone)
        .await
        .unwrap()
        .contact
        .id
}

/// *More* waits in the feed while the timer resets: it belongs to run 1, where it fires before the timer does, and what it
/// began ends with that run.
async fn reset_while_a_change_waits() -> Story {
    let mut story = Story::begun().await;
    story.bench.clock.advance(1_800);
    tagged(&story.bench, "More").await;
    story.bench.clock.advance(1_800);
    let timer = story.due.pop().unwrap();
    assert_eq!(story.bench.platform.woken(&timer).await.unwrap(), Done::Yes);
    let enrollment = story.enrollment().await;
    assert_eq!(enrollment.run, 2);
    assert_eq!(enrollment.seen, 2, "the timer has applied what the feed still has");
    story
}

#[tokio::test]
async fn r3_a_timer_that_resets_while_an_older_change_waits_in_the_feed() {
    let mut story = reset_while_a_change_waits().await;
    story.until_idle().await;
    assert_eq!(story.enrollment().await.run, 2);
    assert_eq!(story.sent().await, ["after in run 2"]);
}

#[tokio::test]
async fn r3_a_repeat_of_a_change_after_such_a_reset_changes_nothing() {
    let mut story = reset_while_a_change_waits().await;
    story.until_idle().await;
    let (enrollment, sent) = (story.enrollment().await, story.sent().await);
    for change in std::mem::take(&mut story.brought) {
        story.bring(&change).await;
    }
    story.ordered();
    story.until_idle().await;
    assert_eq!(story.enrollment().await, enrollment, "nothing of run 1 acts in run 2");
    assert_eq!(story.sent().await, sent);
}

//! An object that has been kept long enough goes as a whole or not at all (R74): whatever writes in
//! between, whatever fails, and wherever it was interrupted.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use dacapo_embedded::SqliteStore;
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::decide::Event;
use dacapo_engine::field::FieldValue;
use dacapo_engine::history::Command;
use dacapo_engine::ids::{CampaignId, ContactId, FieldKey, ObjectType};
use dacapo_platform::campaigns::{OnlyIf, Publish, alone};
use dacapo_platform::objects::{ObjectWrite, PersonWrite};
use dacapo_platform::ports::{Done, Order, QueueMessage};
use dacapo_platform::table::{Consistency, Item, Key, Query, QueryPage, Table, TableError, Write};
use dacapo_tests::kit::{FailingTable, Fails, ManualPump, TestBench};

/// One campaign in which the booking has been, and one in which it has never been.
const CAMPAIGN: &str = r"
id: calls
per: booking
sender: { address: a@example.com }
objects: { booking: { fields: { place: { type: text } }, keep: 30 days } }
elements:
  made: { type: start, when: { field: place, is: set }, next: hour }
  hour: { type: wait, for: 1 hour }
";

const OTHER: &str = r"
id: later
per: booking
elements:
  made: { type: start, when: { field: place, is: set }, next: week }
  week: { type: wait, for: 7 days }
";

const DAY: i64 = 24 * 60 * 60;

/// What another process does at the worst moment.
type Deed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A table in which something happens right before an object is deleted.
struct Meanwhile {
    inner: Arc<SqliteStore>,
    deed: Mutex<Option<Deed>>,
}

#[async_trait]
impl Table for Meanwhile {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, TableError> {
        self.inner.get(key, consistency).await
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
        let deletes =
            |write: &Write| matches!(write, Write::Delete { key, .. } if key.sk.starts_with("O#"));
        if writes.iter().any(deletes) {
            let deed = self.deed.lock().unwrap().take();
            if let Some(deed) = deed {
                deed.await;
            }
        }
        self.inner.write(writes, token).await
    }
}

/// An account with a booking that was stopped in its campaign 31 days ago, and another one that has
/// just been made and was stopped, too.
struct Story {
    pump: ManualPump,
    store: Arc<SqliteStore>,
    booking: ContactId,
}

impl Story {
    async fn begun(store: &Arc<SqliteStore>, table: Arc<dyn Table>) -> Self {
        let id = campaign("calls");
        let mut pump = ManualPump::publishing(Arc::clone(store), table, &id, CAMPAIGN).await;
        let booking = booked(&pump.bench, "b1", "Oslo").await;
        pump.feed_goes_on().await;
        by_hand(&pump.bench, &booking, &id, &[Command::Stop]).await;
        pump.until_idle().await;
        pump.bench.clock.advance(31 * DAY);
        let campaigns = &pump.bench.platform.campaigns;
        campaigns.put_draft(&campaign("later"), OTHER, "test", &OnlyIf::default()).await.unwrap();
        let how = Publish::default();
        campaigns.publish(&campaign("later"), how, "test", alone).await.unwrap();
        let new = booked(&pump.bench, "new", "Oslo").await;
        pump.feed_goes_on().await;
        by_hand(&pump.bench, &new, &id, &[Command::Stop]).await;
        pump.feed_goes_on().await;
        let story = Self { pump, store: Arc::clone(store), booking };
        assert_eq!(story.left().await, ["EO#booking.b1#calls", "O#booking.b1"]);
        assert_eq!(story.stopped().await, 2);
        story
    }

    /// Another process on the same table, at the same time.
    fn beside(&self) -> TestBench {
        let other = TestBench::on(Arc::clone(&self.store) as _);
        other.clock.set(self.pump.bench.platform.store.now());
        other
    }

    /// Looks, and does what is ordered until nothing is; what fails is tried again. Every message
    /// comes twice.
    async fn looked_through(&self) {
        let platform = &self.pump.bench.platform;
        for _ in 0..10 {
            if platform.expiry.look().await.is_ok() {
                break;
            }
        }
        let mut orders = self.pump.bench.outbox.take();
        while let Some(order) = orders.pop() {
            let Order::Send { message, .. } = order else { panic!("{order:?}") };
            assert!(matches!(message, QueueMessage::ExpireObjects(_)), "{message:?}");
            let mut done = 0;
            for _ in 0..20 {
                if let Ok(answer) = platform.queues.handle_jobs(&message).await {
                    assert_eq!(answer, Done::Yes);
                    done += 1;
                }
                if done == 2 {
                    break;
                }
            }
            assert_eq!(done, 2, "{message:?}");
            orders.extend(self.pump.bench.outbox.take());
        }
    }

    /// What is stored about the booking, but for its history.
    async fn left(&self) -> Vec<String> {
        let partition = self.pump.bench.platform.store.keys.contact_partition(&self.booking);
        let page = self.store.query(Query::of(&partition).strong()).await.unwrap();
        let name = self.booking.as_str().rsplit('.').next().unwrap();
        let about = page.items.iter().map(|item| item.key.sk.as_str());
        let about = about.filter(|sk| sk.contains(name) && !sk.starts_with("H#"));
        about.map(|sk| sk.replace(name, "b1")).collect()
    }

    async fn key_leads_somewhere(&self) -> bool {
        let objects = &self.pump.bench.platform.objects;
        objects.find(&kind(), "b1").await.unwrap().is_some()
    }

    /// How many the statistics count as stopped.
    async fn stopped(&self) -> u64 {
        let campaigns = &self.pump.bench.platform.campaigns;
        campaigns.statistics(&campaign("calls")).await.unwrap().stopped
    }
}

async fn by_hand(bench: &TestBench, subject: &ContactId, id: &CampaignId, commands: &[Command]) {
    for command in commands {
        let by = Author::ApiKey("test".to_owned());
        let event = Event::ByHand { command: *command, by, call: None };
        bench.platform.decisions.apply_event(subject, id, &event).await.unwrap();
    }
}

fn campaign(id: &str) -> CampaignId {
    CampaignId::new(id).unwrap()
}

fn kind() -> ObjectType {
    ObjectType::new("booking").unwrap()
}

async fn booked(bench: &TestBench, key: &str, place: &str) -> ContactId {
    let place = (FieldKey::new("place").unwrap(), Some(FieldValue::Text(place.to_owned())));
    let patch = Patch { fields: [place].into(), ..Patch::default() };
    written(bench, key, &patch).await
}

async fn written(bench: &TestBench, key: &str, patch: &Patch) -> ContactId {
    let (kind, nothing) = (kind(), Patch::default());
    let person = PersonWrite::ByAddress("ann@example.com", &nothing);
    let write = ObjectWrite { kind: &kind, key, replaces: None, person, patch };
    let by = Author::ApiKey("test".to_owned());
    let written = bench.platform.objects.upsert(write, &by, &|_: &_| Ok(Vec::new())).await;
    written.unwrap().object.contact.id
}

async fn with_deed(deed: impl FnOnce(&Story) -> Deed) -> Story {
    let store = ManualPump::store();
    let table = Arc::new(Meanwhile { inner: Arc::clone(&store), deed: Mutex::default() });
    let story = Story::begun(&store, Arc::clone(&table) as _).await;
    *table.deed.lock().unwrap() = Some(deed(&story));
    story.looked_through().await;
    assert!(table.deed.lock().unwrap().is_none(), "it happened");
    story
}

#[tokio::test]
async fn r74_what_is_changed_right_before_it_would_go_stays() {
    let story = with_deed(|story| {
        let other = story.beside();
        Box::pin(async move {
            booked(&other, "b1", "Rom").await;
        })
    })
    .await;
    assert_eq!(story.left().await, ["EO#booking.b1#calls", "O#booking.b1"]);
    let objects = &story.pump.bench.platform.objects;
    let found = objects.find(&kind(), "b1").await.unwrap().unwrap().object;
    assert_eq!((found.id, found.rev), (story.booking.clone(), 2), "and under its key");
}

/// The object itself does not change by that: its enrollments are looked at, also those that are
/// not there.
#[tokio::test]
async fn r74_what_gets_a_token_right_before_it_would_go_stays() {
    for id in ["calls", "later"] {
        let mut story = with_deed(|story| {
            let (other, booking, id) = (story.beside(), story.booking.clone(), campaign(id));
            Box::pin(async move {
                by_hand(&other, &booking, &id, &[Command::Reset, Command::Start]).await;
            })
        })
        .await;
        assert!(story.left().await.contains(&"O#booking.b1".to_owned()), "{id}");
        assert!(story.key_leads_somewhere().await, "{id}");
        let decisions = &story.pump.bench.platform.decisions;
        let enrolled = decisions.enrollments(&story.booking).await.unwrap();
        assert_eq!(enrolled[&campaign(id)].tokens.len(), 1, "{id}");
        // When nothing waits any more it goes.
        story.pump.bench.clock.advance(8 * DAY);
        story.pump.until_idle().await;
        story.pump.bench.clock.advance(2 * DAY);
        story.looked_through().await;
        assert_eq!(story.left().await, ["ERASED#booking.b1"], "{id}");
    }
}

#[tokio::test]
async fn r74_what_another_has_deleted_right_before_is_gone_once() {
    let story = with_deed(|story| {
        let other = story.beside();
        Box::pin(async move {
            assert!(other.platform.objects.delete(&kind(), "b1").await.unwrap());
        })
    })
    .await;
    assert_eq!(story.left().await, ["ERASED#booking.b1"]);
    assert_eq!(story.stopped().await, 1, "subtracted once");
}

/// Each write of a round is made to fail, before it is made or after, and everything is repeated.
#[tokio::test]
async fn r74_wherever_it_is_interrupted_the_outcome_is_the_same() {
    for fails in [Fails::NotMade(TableError::Throttled), Fails::AnswerLost] {
        for nth in 0..10 {
            let store = ManualPump::store();
            let table = FailingTable::before(Arc::clone(&store) as _);
            let story = Story::begun(&store, Arc::clone(&table) as _).await;
            let (count, how) = (Arc::new(AtomicUsize::new(0)), fails.clone());
            let counted = Arc::clone(&count);
            table.fails(move |_| {
                (counted.fetch_add(1, Ordering::SeqCst) == nth).then(|| how.clone())
            });
            story.looked_through().await;
            // A round that was lost comes again the next day.
            story.pump.bench.clock.advance(DAY);
            story.looked_through().await;
            assert_eq!(story.left().await, ["ERASED#booking.b1"], "{fails:?} at write {nth}");
            assert!(!story.key_leads_somewhere().await, "{fails:?} at write {nth}");
            assert_eq!(story.stopped().await, 1, "{fails:?} at write {nth}");
            if count.load(Ordering::SeqCst) <= nth {
                assert!(nth > 1, "there are several writes");
                break;
            }
        }
    }
}

#[tokio::test]
async fn r74_a_campaign_that_is_only_a_draft_keeps_nothing() {
    let store = ManualPump::store();
    let story = Story::begun(&store, Arc::clone(&store) as _).await;
    let campaigns = &story.pump.bench.platform.campaigns;
    campaigns
        .put_draft(&campaign("draft"), &OTHER.replace("later", "draft"), "test", &OnlyIf::default())
        .await
        .unwrap();
    story.looked_through().await;
    assert_eq!(story.left().await, ["ERASED#booking.b1"]);
    assert_eq!(story.stopped().await, 1);
}

//! What a worker takes from its queues. Longer stories are played in `tests/`.

use std::sync::OnceLock;

use async_trait::async_trait;
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::ids::{CampaignId, Tag};
use dacapo_platform::campaigns::{OnlyIf, Publish, alone};
use dacapo_platform::dead_letters::DeadLetterBody;
use dacapo_platform::jobs::{JobKind, JobStatus, Requested, Selection};
use dacapo_platform::keys::Keys;
use dacapo_platform::ports::{Declined, JobStep, NotTaken, Order, Outbox};
use dacapo_platform::table::{Body, Condition, Item, Query, Write};

use super::*;
use crate::clock::ClockKind;
use crate::{Embedded, Options};

/// A worker that works only when it is told to.
async fn worker() -> Worker {
    worker_with(|outbox| outbox).await
}

/// The same, with this outbox.
async fn worker_with(outbox: impl FnOnce(Arc<dyn Outbox>) -> Arc<dyn Outbox>) -> Worker {
    let embedded = Embedded::start(Options {
        directory: None,
        clock: ClockKind::Manual(Instant::UNIX_EPOCH),
        time_zone: None,
        locale: None,
        smtp: None,
        public_url: "https://dacapo.example".to_owned(),
        local: true,
    });
    let embedded = embedded.await.unwrap();
    let (mut platform, store) = (embedded.platform.clone(), Arc::clone(&embedded.store));
    platform = platform.with(|setup| setup.ports.outbox = outbox(Arc::clone(&setup.ports.outbox)));
    let clock = Arc::clone(&embedded.clock);
    embedded.stop().await;
    let stopping = crate::stopping::Stop::new().listener();
    Worker::new(platform, store, clock, stopping, None).await.unwrap()
}

/// This many changes of contacts.
async fn change(store: &SqliteStore, keys: &Keys, contacts: i64) {
    for n in 0..contacts {
        let contact = ContactId::new(format!("c{n:015x}")).unwrap();
        let item =
            Item::new(keys.contact(&contact), Body::of(&serde_json::json!({ "n": n })).unwrap());
        store.commit(vec![Operation::Write(Write::put(item, Condition::Always))]).await.unwrap();
    }
}

/// The feed has done its next change.
async fn pass_over(store: &SqliteStore) {
    let seq = store.read_feed(CONSUMER, 1).unwrap().remove(0).seq;
    let done = Operation::Checkpoint { consumer: CONSUMER.to_owned(), seq };
    store.commit(vec![done]).await.unwrap();
}

#[tokio::test]
async fn a_job_takes_no_turn_while_the_feed_is_far_behind() {
    let worker = worker().await;
    let WorkerContext { platform, store, .. } = &*worker.work;
    change(store, &platform.store.keys, MOST_CHANGES_BEHIND).await;
    // A step of a job that is gone: it has nothing to do but to be taken.
    let job_step = QueueMessage::JobStep(JobStep { job: 7, shard: 0, number: 0, shown: false });
    let order = Order::Send { queue: Queue::Jobs, at: worker.work.clock.now(), message: job_step };
    assert_eq!(platform.orders.outbox.dispatch(vec![order]).await, []);
    assert!(!worker.work.queues(false).await.unwrap());
    assert_eq!(store.queue_len(Queue::Jobs.name()).unwrap(), 1);

    pass_over(store).await;
    assert!(worker.work.queues(false).await.unwrap());
    assert_eq!(store.queue_len(Queue::Jobs.name()).unwrap(), 0);
}

/// Stops all contacts with a tag. None has it.
async fn stop(platform: &Platform) -> u64 {
    let requested = Requested {
        kind: JobKind::StopCampaign { reset_contacts: true, reset_statistics: false },
        selection: Selection::Tag(Tag::new("Lead").unwrap()),
        named: Vec::new(),
        campaigns: vec![CampaignId::new("welcome").unwrap()],
        all: false,
        by: "test".to_owned(),
        estimate: 0,
        estimate_is_a_minimum: false,
    };
    platform.jobs.begin(&requested, alone).await.unwrap().seq
}

/// The status of a job after the queues have been processed without the feed.
async fn worked_off(work: &Arc<WorkerContext>, job: u64) -> JobStatus {
    while work.queues(false).await.unwrap() {}
    work.platform.jobs.progress(job).await.unwrap().unwrap().status
}

#[tokio::test]
async fn a_job_waits_for_what_the_feed_brings_from_before_it_and_for_nothing_else() {
    let worker = worker().await;
    let WorkerContext { platform, store, .. } = &*worker.work;
    let first = stop(platform).await;
    change(store, &platform.store.keys, 1).await;
    assert_eq!(worked_off(&worker.work, first).await, JobStatus::Completed);
    let second = stop(platform).await;
    assert_eq!(worked_off(&worker.work, second).await, JobStatus::Running);
    pass_over(store).await;
    assert_eq!(worked_off(&worker.work, second).await, JobStatus::Completed);
}

/// An outbox that refuses the orders about a contact permanently.
struct Refusing {
    outbox: Arc<dyn Outbox>,
    /// Whether it panics instead.
    panics: bool,
    contact: Arc<OnceLock<ContactId>>,
}

#[async_trait]
impl Outbox for Refusing {
    async fn dispatch(&self, orders: Vec<Order>) -> Vec<NotTaken> {
        let is_refused = |order: &Order| {
            let contact = self.contact.get().map(ContactId::as_str);
            contact.is_some_and(|contact| order.to_string().contains(contact))
        };
        let panics = self.panics && orders.iter().any(&is_refused);
        assert!(!panics, "a defect");
        let (refused, taken) = orders.into_iter().partition(is_refused);
        let mut not_taken = self.outbox.dispatch(taken).await;
        let refused: Vec<Order> = refused;
        let why = || Declined::Permanent("it fits nowhere".to_owned());
        not_taken.extend(refused.into_iter().map(|order| NotTaken { order, why: why() }));
        not_taken
    }
}

const HELLO: &str = r#"
id: hello
sender: { address: sender@example.com }
elements:
  go: { type: start, when: { tag: Go }, next: mail }
  mail: { type: email, email: mail }
emails:
  mail: { purpose: transactional, subject: Hello, text: Hello }
"#;

/// Two contacts come, and orders about the first are refused. Answers the dead letters, and the
/// first one's id.
async fn dead_letter_about_the_first(panics: bool) -> (DeadLetterBody, ContactId) {
    let refused = Arc::new(OnceLock::new());
    let contact = Arc::clone(&refused);
    let worker = worker_with(|outbox| Arc::new(Refusing { outbox, panics, contact })).await;
    let WorkerContext { platform, store, .. } = &*worker.work;
    let id = CampaignId::new("hello").unwrap();
    platform.campaigns.put_draft(&id, HELLO, "test", &OnlyIf::default()).await.unwrap();
    platform.campaigns.publish(&id, Publish::default(), "test", alone).await.unwrap();
    for person in ["ann@example.com", "ben@example.com"] {
        let patch = Patch { add: vec![Tag::new("Go").unwrap()], ..Patch::default() };
        let by = Author::ApiKey("test".to_owned());
        let none = &dacapo_platform::contacts::alone;
        let written = platform.contacts.upsert(person, &patch, &by, none).await.unwrap();
        refused.get_or_init(|| written.contact.id.clone());
    }
    while worker.work.feed().await.unwrap() {}
    assert_eq!(store.queue_len(Queue::Transactional.name()).unwrap(), 1, "ben's goes on");
    let dead_letters = platform.store.keys.dead_letters_listed();
    let dead_letters =
        platform.store.table.query(Query::of(&dead_letters).strong()).await.unwrap().items;
    let [dead_letter] = &dead_letters[..] else { panic!("{dead_letters:?}") };
    (dead_letter.body.read().unwrap(), refused.get().unwrap().clone())
}

#[tokio::test]
async fn an_order_that_is_refused_permanently_is_a_dead_letter_with_why_and_holds_up_no_others() {
    let (dead_letter, first) = dead_letter_about_the_first(false).await;
    let whose = format!("of contact {first} in campaign hello");
    assert!(
        dead_letter.why.contains(&whose) && dead_letter.why.contains("it fits nowhere"),
        "{dead_letter:?}"
    );
}

#[tokio::test]
async fn what_panics_is_put_aside_and_holds_up_no_others() {
    let (dead_letter, first) = dead_letter_about_the_first(true).await;
    assert_eq!(dead_letter.why, "it panicked: a defect");
    assert_eq!(dead_letter.contact, Some(first));
}

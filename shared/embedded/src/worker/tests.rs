//! What a worker takes from its queues. Whole courses of events are played in `tests/`.

use dacapo_engine::ids::{CampaignId, Tag};
use dacapo_platform::campaigns::alone;
use dacapo_platform::jobs::{JobStatus, Kind, Requested, Selection};
use dacapo_platform::keys::Keys;
use dacapo_platform::ports::{Order, Sweep};
use dacapo_platform::table::{Body, Condition, Item, Write};

use super::*;
use crate::clock::ClockKind;
use crate::{Embedded, Options};

/// A worker that works when it is told.
async fn worker() -> Worker {
    let embedded = Embedded::start(Options {
        directory: None,
        clock: ClockKind::Standing(Instant::UNIX_EPOCH),
        time_zone: None,
        locale: None,
        smtp: None,
        public_url: "https://dacapo.example".to_owned(),
        local: true,
    });
    let embedded = embedded.await.unwrap();
    let (platform, store) = (embedded.platform.clone(), Arc::clone(&embedded.store));
    let clock = Arc::clone(&embedded.clock);
    embedded.stop().await;
    let stopping = crate::stopping::Stop::new().listener();
    Worker::new(platform, store, clock, stopping, None).await.unwrap()
}

/// So many changes of contacts.
async fn change(store: &SqliteStore, keys: &Keys, contacts: i64) {
    for n in 0..contacts {
        let contact = ContactId::new(format!("c{n:015x}")).unwrap();
        let item =
            Item::new(keys.contact(&contact), Body::of(&serde_json::json!({ "n": n })).unwrap());
        store.commit(vec![Operation::Write(Write::put(item, Condition::Always))]).await.unwrap();
    }
}

/// The feed is through with its next change.
async fn pass_over(store: &SqliteStore) {
    let seq = store.read_feed(CONSUMER, 1).unwrap().remove(0).seq;
    let done = Operation::Checkpoint { consumer: CONSUMER.to_owned(), seq };
    store.commit(vec![done]).await.unwrap();
}

#[tokio::test]
async fn a_job_takes_no_turn_while_the_feed_is_far_behind() {
    let worker = worker().await;
    let Work { platform, store, .. } = &*worker.work;
    change(store, &platform.keys, FAR_BEHIND).await;
    // Of a job that is gone: the turn has nothing to do but to be taken.
    let turn = Message::Sweep(Sweep { job: 7, lane: 0, turn: 0, shown: false });
    let order = Order::Send { queue: Queue::Sweeps, at: worker.work.clock.now(), message: turn };
    platform.ports.outbox.dispatch(vec![order]).await.unwrap();
    assert!(!worker.work.queues(false).await.unwrap());
    assert_eq!(store.queue_len(Queue::Sweeps.name()).unwrap(), 1);

    pass_over(store).await;
    assert!(worker.work.queues(false).await.unwrap());
    assert_eq!(store.queue_len(Queue::Sweeps.name()).unwrap(), 0);
}

/// Everybody who has a tag is stopped. Nobody has it.
async fn stop(platform: &Platform) -> u64 {
    let requested = Requested {
        kind: Kind::StopCampaign { reset_contacts: true, reset_statistics: false },
        selection: Selection::Tag(Tag::new("Lead").unwrap()),
        named: Vec::new(),
        campaigns: vec![CampaignId::new("welcome").unwrap()],
        all: false,
        by: "test".to_owned(),
        estimate: 0,
    };
    platform.begin_job(&requested, alone).await.unwrap().seq
}

/// How a job stands when the queues have been worked off without the feed.
async fn worked_off(work: &Arc<Work>, job: u64) -> JobStatus {
    while work.queues(false).await.unwrap() {}
    work.platform.progress(job).await.unwrap().unwrap().status
}

#[tokio::test]
async fn a_job_waits_for_what_the_feed_brings_from_before_it_and_for_nothing_else() {
    let worker = worker().await;
    let Work { platform, store, .. } = &*worker.work;
    let first = stop(platform).await;
    change(store, &platform.keys, 1).await;
    assert_eq!(worked_off(&worker.work, first).await, JobStatus::Completed);
    let second = stop(platform).await;
    assert_eq!(worked_off(&worker.work, second).await, JobStatus::Running);
    pass_over(store).await;
    assert_eq!(worked_off(&worker.work, second).await, JobStatus::Completed);
}

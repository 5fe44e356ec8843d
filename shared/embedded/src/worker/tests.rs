//! What a worker takes from its queues. Whole courses of events are played in `tests/`.

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
        smtp: None,
        public_url: "https://dacapo.example".to_owned(),
        local: true,
    });
    let embedded = embedded.await.unwrap();
    let (platform, store) = (embedded.platform.clone(), Arc::clone(&embedded.store));
    let clock = Arc::clone(&embedded.clock);
    embedded.stop().await;
    Worker::new(platform, store, clock).await.unwrap()
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

#[tokio::test]
async fn a_job_takes_no_turn_while_the_feed_is_far_behind() {
    let worker = worker().await;
    let Work { platform, store, .. } = &*worker.work;
    change(store, &platform.keys, FAR_BEHIND).await;
    // Of a job that is gone: the turn has nothing to do but to be taken.
    let turn = Message::Sweep(Sweep { job: 7, lane: 0, turn: 0 });
    let order = Order::Send { queue: Queue::Sweeps, at: worker.work.clock.now(), message: turn };
    platform.ports.outbox.dispatch(vec![order]).await.unwrap();
    assert!(!worker.work.queues().await.unwrap());
    assert_eq!(store.queue_len(Queue::Sweeps.name()).unwrap(), 1);

    let first = store.read_feed(CONSUMER, 1).unwrap().remove(0).seq;
    let done = Operation::Checkpoint { consumer: CONSUMER.to_owned(), seq: first };
    store.commit(vec![done]).await.unwrap();
    assert!(worker.work.queues().await.unwrap());
    assert_eq!(store.queue_len(Queue::Sweeps.name()).unwrap(), 0);
}

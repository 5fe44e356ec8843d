//! What the embedded store promises besides the table: the feed, timers, queues, commits of several
//! kinds at once, and what is left after it is closed.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use dacapo_embedded::{Change, Operation, SqliteStore, StoreError, Timer};
use dacapo_platform::table::{Body, Condition, Consistency, Item, Key, Table, TableError, Write};
use dacapo_tests::kit::AtLeastOnceFeed;
use serde_json::{Value, json};

fn open(directory: Option<&Path>) -> Arc<SqliteStore> {
    SqliteStore::open(directory, |key| key.sk == "CONTACT" || key.sk.starts_with("E#")).unwrap()
}

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_700_000_000_000 + millis).unwrap()
}

fn body(n: i64) -> Body {
    Body::of(&json!({ "n": n })).unwrap()
}

fn contact(name: &str, rev: u64) -> Item {
    Item::new(Key::new(name, "CONTACT"), body(0)).rev(rev)
}

fn put(item: Item) -> Operation {
    Operation::Write(Write::put(item, Condition::Always))
}

fn checkpoint(consumer: &str, seq: i64) -> Operation {
    Operation::Checkpoint { consumer: consumer.to_owned(), seq }
}

fn timer(name: &str, due: i64, sort: &str) -> Timer {
    Timer { name: name.to_owned(), due: at(due), sort: sort.to_owned(), body: body(due) }
}

fn send(queue: &str, visible: i64, n: i64) -> Operation {
    Operation::Send { queue: queue.to_owned(), visible_at: at(visible), body: body(n) }
}

fn names(timers: &[Timer]) -> Vec<&str> {
    timers.iter().map(|timer| timer.name.as_str()).collect()
}

fn n(body: &Body) -> i64 {
    body.read::<Value>().unwrap()["n"].as_i64().unwrap()
}

#[tokio::test]
async fn the_feed_carries_both_images_of_what_passes_its_filter() {
    let store = open(None);
    let first = contact("c", 1).index(Key::new("i", "j")).expires(at(0));
    let second = contact("c", 2);
    for write in [
        Write::put(first.clone(), Condition::Absent),
        Write::put(Item::new(Key::new("c", "H#1"), body(1)), Condition::Always),
        Write::put(second.clone(), Condition::Rev(1)),
        Write::delete(second.key.clone(), Condition::Always),
        Write::delete(second.key.clone(), Condition::Always),
    ] {
        store.write(vec![write], None).await.unwrap();
    }
    let refused = Write::put(contact("c", 9), Condition::Rev(8));
    store.write(vec![refused], None).await.unwrap_err();
    let feed = store.read_feed("anybody", 10).unwrap();
    let images: Vec<_> = feed.into_iter().map(|change| (change.old, change.new)).collect();
    let (first, second) = (Some(first), Some(second));
    assert_eq!(images, [(None, first.clone()), (first, second.clone()), (second, None)]);
}

#[tokio::test]
async fn a_consumer_reads_on_from_its_checkpoint_also_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    {
        let store = open(Some(directory.path()));
        for rev in 1..=5 {
            store.commit(vec![put(contact("c", rev))]).await.unwrap();
        }
        let seqs: Vec<i64> =
            store.read_feed("tags", 3).unwrap().iter().map(|change| change.seq).collect();
        assert_eq!(store.read_feed("tags", 3).unwrap().len(), 3, "what isn't noted is read again");
        store.commit(vec![checkpoint("tags", seqs[1])]).await.unwrap();
        store.commit(vec![checkpoint("tags", seqs[0])]).await.unwrap();
        assert_eq!(store.checkpoint("tags").unwrap(), seqs[1], "a checkpoint never falls");
    }
    let store = open(Some(directory.path()));
    let revs = |feed: Vec<Change>| {
        feed.into_iter().filter_map(|change| change.new?.rev).collect::<Vec<_>>()
    };
    assert_eq!(revs(store.read_feed("tags", 10).unwrap()), [3, 4, 5]);
    assert_eq!(revs(store.read_feed("effects", 10).unwrap()), [1, 2, 3, 4, 5]);
    assert!(!store.feed_is_read("tags").unwrap());
    let last = store.read_feed("tags", 10).unwrap().pop().unwrap().seq;
    store.commit(vec![checkpoint("tags", last)]).await.unwrap();
    assert!(store.feed_is_read("tags").unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_was_seen_at_work_is_not_said_to_have_rested() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(Some(directory.path()));
    store.commit(vec![checkpoint("tags", 0)]).await.unwrap();
    let works = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            for rev in 1..=2_000 {
                store.commit(vec![put(contact("c", rev))]).await.unwrap();
                let done = checkpoint("tags", i64::try_from(rev).unwrap());
                store.commit(vec![done]).await.unwrap();
            }
        }
    });
    let mut seen = 0;
    while !works.is_finished() {
        let at = store.checkpoint("tags").unwrap();
        if !store.feed_is_read("tags").unwrap() {
            seen += 1;
            assert_ne!(store.feed_rests_at("tags").unwrap(), Some(at), "it was at work");
        }
    }
    works.await.unwrap();
    assert!(seen > 0);
    assert_eq!(store.feed_rests_at("tags").unwrap(), Some(2_000));
}

#[tokio::test]
async fn the_feed_is_trimmed_behind_the_slowest() {
    let store = open(None);
    for rev in 1..=4 {
        store.commit(vec![put(contact("c", rev))]).await.unwrap();
    }
    assert_eq!(
        store.trim().await.unwrap(),
        0,
        "no consumer is registered: nothing is known to be done with"
    );
    store.commit(vec![checkpoint("fast", 3), checkpoint("slow", 0)]).await.unwrap();
    assert_eq!(store.trim().await.unwrap(), 0);
    store.commit(vec![checkpoint("slow", 2)]).await.unwrap();
    assert_eq!(store.trim().await.unwrap(), 2);
    assert_eq!(store.read_feed("slow", 10).unwrap().len(), 2);
    store.commit(vec![checkpoint("slow", 4), checkpoint("fast", 4)]).await.unwrap();
    assert_eq!(store.trim().await.unwrap(), 2);
    store.commit(vec![put(contact("c", 5))]).await.unwrap();
    assert_eq!(store.read_feed("slow", 10).unwrap()[0].seq, 5, "numbers are not used again");
}

#[tokio::test]
async fn the_writer_trims_by_itself() {
    let store = open(None);
    for rev in 1..=300 {
        store.commit(vec![put(contact("c", rev))]).await.unwrap();
        store.commit(vec![checkpoint("tags", i64::try_from(rev).unwrap())]).await.unwrap();
    }
    assert!(store.read_feed("newcomer", 1000).unwrap().len() < 100);
}

#[tokio::test]
async fn a_feed_out_of_order_still_tells_of_every_change_of_an_item_in_order() {
    for seed in 0..20 {
        let store = open(None);
        let mut feed = AtLeastOnceFeed::new(Arc::clone(&store), "tags", seed);
        for rev in 1..=12 {
            for name in ["a", "b", "c"] {
                store.commit(vec![put(contact(name, rev))]).await.unwrap();
            }
        }
        let mut latest: BTreeMap<Key, u64> = BTreeMap::new();
        let (mut repeats, mut reads) = (0, 0);
        while !store.feed_is_read("tags").unwrap() {
            let batch = feed.read(10).unwrap();
            for change in &batch.changes {
                let rev = change.new.as_ref().and_then(|item| item.rev).unwrap();
                let seen = latest.entry(change.key.clone()).or_default();
                repeats += usize::from(rev <= *seen);
                assert!(rev <= *seen + 1, "seed {seed}: {} came before {}", rev, *seen + 1);
                *seen = rev.max(*seen);
            }
            feed.acknowledge(&batch).await.unwrap();
            reads += 1;
            assert!(reads < 1000, "seed {seed}: it never ends");
        }
        assert_eq!(latest.values().copied().collect::<Vec<_>>(), [12, 12, 12]);
        assert!(repeats > 0, "seed {seed} is too kind");
    }
}

#[tokio::test]
async fn timers_come_in_the_order_of_due_sort_and_name() {
    let store = open(None);
    let set = [
        timer("d", 5, "1"),
        timer("b", 5, "1"),
        timer("c", 5, "0"),
        timer("a", 9, "0"),
        timer("e", 1, "9"),
    ];
    store.commit(set.map(Operation::Schedule).into()).await.unwrap();
    assert_eq!(names(&store.due_timers(at(5), 10).unwrap()), ["e", "c", "b", "d"]);
    assert_eq!(names(&store.due_timers(at(5), 2).unwrap()), ["e", "c"]);
    assert_eq!(names(&store.due_timers(at(0), 10).unwrap()), [""; 0]);
    store
        .commit(vec![Operation::Cancel("e".to_owned()), Operation::Cancel("none".to_owned())])
        .await
        .unwrap();
    assert_eq!(store.next_due(at(0)).unwrap(), Some(at(5)));
}

#[tokio::test]
async fn a_timer_of_the_same_name_is_replaced() {
    let store = open(None);
    for due in [5, 3] {
        store.commit(vec![Operation::Schedule(timer("t", due, "s"))]).await.unwrap();
    }
    assert_eq!(store.due_timers(at(9), 10).unwrap(), [timer("t", 3, "s")]);
    assert_eq!(store.timer("t").unwrap(), Some(timer("t", 3, "s")));
    assert_eq!(store.timer("none").unwrap(), None);
}

#[tokio::test]
async fn no_timer_comes_early_by_a_fraction() {
    let store = open(None);
    let due = at(5) + TimeDelta::nanoseconds(1);
    store.commit(vec![Operation::Schedule(Timer { due, ..timer("t", 0, "s") })]).await.unwrap();
    assert!(store.due_timers(at(5), 1).unwrap().is_empty());
    assert_eq!(store.due_timers(at(6), 1).unwrap()[0].due, at(6));
}

#[tokio::test]
async fn messages_come_in_the_order_in_which_they_become_visible() {
    let store = open(None);
    let sent = vec![
        send("mail", 7, 1),
        send("mail", 3, 2),
        send("mail", 3, 3),
        send("other", 1, 4),
        send("mail", 20, 5),
    ];
    store.commit(sent).await.unwrap();
    let mail = store.receive("mail", at(10), 10, None).await.unwrap();
    assert_eq!(mail.iter().map(|message| n(&message.body)).collect::<Vec<_>>(), [2, 3, 1]);
    assert_eq!(store.receive("mail", at(10), 1, None).await.unwrap().len(), 1);
    assert_eq!((store.queue_len("mail").unwrap(), store.queue_len("none").unwrap()), (4, 0));
    assert_eq!(store.next_due(at(10)).unwrap(), Some(at(20)));
    assert_eq!(store.next_due(at(2)).unwrap(), Some(at(3)));
    assert_eq!(store.next_due(at(20)).unwrap(), None);
}

#[tokio::test]
async fn a_lease_hides_a_message_and_counts_the_attempt() {
    let store = open(None);
    store.commit(vec![send("mail", 0, 1)]).await.unwrap();
    for attempt in 1..=3 {
        let now = i64::from(attempt) * 10;
        let message =
            store.receive("mail", at(now), 10, Some(at(now + 5))).await.unwrap().remove(0);
        assert_eq!((n(&message.body), message.attempts), (1, attempt));
        assert!(
            store.receive("mail", at(now + 4), 10, Some(at(now + 9))).await.unwrap().is_empty()
        );
    }
    let id = store.receive("mail", at(40), 1, None).await.unwrap()[0].id;
    store.commit(vec![Operation::Defer { id, visible_at: at(50) }]).await.unwrap();
    assert!(store.receive("mail", at(49), 1, None).await.unwrap().is_empty());
    assert_eq!(
        store.receive("mail", at(50), 1, None).await.unwrap()[0].attempts,
        3,
        "deferring is no attempt"
    );
    store.commit(vec![Operation::Remove { id }, Operation::Remove { id }]).await.unwrap();
    assert_eq!(store.queue_len("mail").unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_receivers_lease_the_same_message() {
    let store = open(None);
    store.commit((0..60).map(|n| send("mail", 0, n)).collect()).await.unwrap();
    let receivers = (0..6).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.receive("mail", at(1), 10, Some(at(99))).await.unwrap() })
    });
    let mut ids = Vec::new();
    for receiver in receivers.collect::<Vec<_>>() {
        ids.extend(receiver.await.unwrap().into_iter().map(|message| message.id));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 60);
}

#[tokio::test]
async fn a_refused_write_takes_everything_of_its_commit_with_it() {
    let store = open(None);
    let everything = |condition| {
        vec![
            Operation::Schedule(timer("t", 1, "s")),
            send("mail", 0, 1),
            put(contact("a", 1)),
            Operation::Write(Write::put(contact("b", 2), condition)),
            checkpoint("tags", 7),
            Operation::SetMeta { name: "clock".to_owned(), value: "noon".to_owned() },
        ]
    };
    let outcome = store.commit(everything(Condition::Rev(1))).await;
    assert_eq!(outcome, Err(TableError::Conflict { which: 1, current: None }));
    assert!(
        store.due_timers(at(9), 9).unwrap().is_empty()
            && store.read_feed("tags", 9).unwrap().is_empty()
    );
    assert_eq!((store.queue_len("mail").unwrap(), store.checkpoint("tags").unwrap()), (0, 0));
    assert_eq!(store.meta("clock").unwrap(), None);
    store.commit(everything(Condition::Absent)).await.unwrap();
    assert_eq!((store.queue_len("mail").unwrap(), store.checkpoint("tags").unwrap()), (1, 7));
    assert_eq!(store.meta("clock").unwrap().as_deref(), Some("noon"));
    assert!(store.get(&Key::new("a", "CONTACT"), Consistency::Strong).await.unwrap().is_some());
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    {
        let store = open(Some(directory.path()));
        let all =
            vec![put(contact("c", 1)), Operation::Schedule(timer("t", 1, "s")), send("mail", 0, 1)];
        store.commit(all).await.unwrap();
        store.receive("mail", at(1), 1, Some(at(2))).await.unwrap();
    }
    let store = open(Some(directory.path()));
    let item = store.get(&Key::new("c", "CONTACT"), Consistency::Eventual).await.unwrap();
    assert_eq!(item, Some(contact("c", 1)));
    assert_eq!(store.due_timers(at(1), 9).unwrap(), [timer("t", 1, "s")]);
    assert_eq!(store.receive("mail", at(2), 1, None).await.unwrap()[0].attempts, 1);
}

#[tokio::test]
async fn a_second_store_in_the_same_directory_is_refused_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(Some(directory.path()));
    let refused = SqliteStore::open(Some(directory.path()), |_| true).err().unwrap();
    assert!(matches!(refused, StoreError::InUse(_)));
    assert!(refused.to_string().contains(directory.path().to_str().unwrap()), "{refused}");
    drop(first);
    open(Some(directory.path()));
}

#[tokio::test]
async fn what_expired_is_deleted_and_the_feed_is_told() {
    let store = open(None);
    let expiring =
        (0..600).map(|n| Item::new(Key::new("h", format!("{n:03}")), body(n)).expires(at(0)));
    for item in expiring.chain([
        contact("c", 1).expires(at(-1000)),
        contact("d", 1).expires(at(5000)),
        contact("e", 1),
    ]) {
        store.commit(vec![put(item)]).await.unwrap();
    }
    assert_eq!(store.delete_expired(at(-1001)).await.unwrap(), 0);
    assert!(store.get(&Key::new("c", "CONTACT"), Consistency::Strong).await.unwrap().is_some());
    let mut swept = 0;
    loop {
        match store.delete_expired(at(1)).await.unwrap() {
            0 => break,
            some => swept += some,
        }
    }
    assert_eq!(swept, 601);
    let told = store.read_feed("tags", 99).unwrap().pop().unwrap();
    assert_eq!((told.key.pk.as_str(), told.new), ("c", None));
}

#[tokio::test]
async fn a_commit_wakes_those_who_wait_for_work() {
    let store = open(None);
    let mut commits = store.commit_notifier();
    commits.mark_unchanged();
    store.write(vec![Write::put(contact("c", 1), Condition::Present)], None).await.unwrap_err();
    assert!(store.receive("mail", at(1), 1, Some(at(2))).await.unwrap().is_empty());
    assert!(!commits.has_changed().unwrap(), "nothing was committed");
    let waiting = tokio::spawn(async move { commits.changed().await });
    store.commit(vec![send("mail", 0, 1)]).await.unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_group_the_failure_of_one_is_not_the_failure_of_another() {
    let store = open(None);
    let callers = (0..50_u64).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let condition = if n % 2 == 0 { Condition::Absent } else { Condition::Present };
            let item = contact(&format!("c{n}"), n);
            (n, store.write(vec![Write::put(item, condition)], None).await)
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        let (n, outcome) = caller.await.unwrap();
        assert_eq!(outcome.is_ok(), n % 2 == 0, "{n}: {outcome:?}");
    }
    assert_eq!(store.read_feed("tags", 99).unwrap().len(), 25);
}

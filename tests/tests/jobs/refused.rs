//! Timers and queues that refuse something permanently: it counts as failed for that contact only.

use std::collections::BTreeSet;

use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::ids::{CampaignId, Tag};
use dacapo_platform::campaigns::{OnlyIf, Publish, alone};
use dacapo_platform::error::{Error, Retryability};
use dacapo_platform::handlers::EnrollmentImage;
use dacapo_platform::jobs::{JobKind, JobStatus, Requested, Selection};
use dacapo_platform::ports::{Order, PendingTimer, Queue, QueueMessage};
use dacapo_platform::table::{Consistency, Table as _};

use crate::cloud::Cloud;

const WAITING: &str = "
id: waiting
sender: { address: a@example.com }
elements:
  go:    { type: start, when: { tag: Go }, next: days }
  days:  { type: wait, for: 2 days, next: off }
  off:   { type: tag, add: [Off] }
";

/// Three people who wait for two days.
async fn waiting() -> Cloud {
    let mut cloud = Cloud::new(7).await;
    let platform = cloud.bench.platform.clone();
    let id = CampaignId::new("waiting").unwrap();
    platform.campaigns.put_draft(&id, WAITING, "test", &OnlyIf::default()).await.unwrap();
    platform.campaigns.publish(&id, Publish::default(), "test", alone).await.unwrap();
    for person in ["ann@example.com", "ben@example.com", "cem@example.com"] {
        let patch = Patch { add: vec![Tag::new("Go").unwrap()], ..Patch::default() };
        let by = Author::ApiKey("test".to_owned());
        let none = &dacapo_platform::contacts::alone;
        platform.contacts.upsert(person, &patch, &by, none).await.unwrap();
    }
    cloud.settle().await;
    cloud
}

#[tokio::test]
async fn whose_timer_is_refused_fails_in_a_reconcile_and_the_others_are_done() {
    let mut cloud = waiting().await;
    let timers = cloud.timers();
    assert_eq!(timers.len(), 3);
    cloud.loses_queues_and_timers().await;
    cloud.pass(300).await;
    let refused = cloud.contacts().await.pop_first().unwrap();
    cloud.bench.outbox.refuse(&format!("of contact {refused} in campaign waiting"));
    let platform = cloud.bench.platform.clone();
    let kind = JobKind::Reconcile { restored_to: None, sent_until: None };
    let (selection, named, by) = (Selection::Everybody, Vec::new(), "test".to_owned());
    let campaigns = Vec::new();
    let requested = Requested {
        kind,
        selection,
        named,
        campaigns,
        all: true,
        by,
        estimate: 0,
        estimate_is_a_minimum: false,
    };
    let job = platform.jobs.begin(&requested, alone).await.unwrap().seq;
    cloud.settle_jobs().await;
    let progress = platform.jobs.progress(job).await.unwrap().unwrap();
    assert_eq!(progress.status, JobStatus::Completed, "{progress:?}");
    assert_eq!((progress.counts.done, progress.counts.failed), (2, 1), "{progress:?}");
    let [failure] = &progress.failures[..] else { panic!("{progress:?}") };
    assert_eq!(failure.contact, refused);
    assert!(failure.reason.contains("the outbox refuses it"), "{failure:?}");
    let again = cloud.timers();
    assert_eq!(again.len(), 2);
    assert!(again.is_subset(&timers), "{again:?}");
}

#[tokio::test]
async fn of_a_batch_all_is_ordered_that_is_not_refused_and_the_refusal_says_whose_it_is() {
    let mut cloud = waiting().await;
    let timers = cloud.timers();
    cloud.loses_queues_and_timers().await;
    let platform = cloud.bench.platform.clone();
    let id = CampaignId::new("waiting").unwrap();
    let mut images = Vec::new();
    let contacts = cloud.contacts().await;
    for contact in &contacts {
        let key = platform.store.keys.enrollment(contact, &id);
        let new = cloud.store.get(&key, Consistency::Strong).await.unwrap();
        images.push(EnrollmentImage { key, old: None, new });
    }
    let refused = contacts.first().unwrap();
    cloud.bench.outbox.refuse(&format!("of contact {refused} in campaign waiting"));
    let error = platform.effects.perform_all(&images).await.unwrap_err();
    assert_eq!(error.retryability(), Retryability::Permanent);
    let Error::Refused(why) = &error else { panic!("{error:?}") };
    for words in ["the timer t-", "2026-12-03T", refused.as_str(), "waiting", "refuses it"] {
        assert!(why.contains(words), "{words}: {why}");
    }
    assert_eq!(cloud.timers().len(), 2);

    // A timer that is not accepted for now is no failure: it is pending in a queue.
    cloud.loses_queues_and_timers().await;
    cloud.bench.outbox.refuse("nothing");
    cloud.bench.outbox.leaves_timers(1);
    platform.effects.perform_all(&images).await.unwrap();
    let orders = cloud.bench.outbox.take();
    let pending: BTreeSet<String> = orders
        .into_iter()
        .map(|order| match order {
            Order::Send {
                queue: Queue::Jobs,
                message: QueueMessage::Timer(PendingTimer { name, .. }),
                ..
            } => name,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(pending, timers);
}

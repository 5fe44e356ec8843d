//! A job about those that stand so in a campaign, over all faults of the cloud: who stood so is
//! done once and counted once, whichever worker dies on the way, and no other is touched (R16).

use std::collections::BTreeMap;

use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::enrollment::Status;
use dacapo_engine::field::FieldValue;
use dacapo_engine::ids::{CampaignId, ContactId, FieldKey, ObjectType};
use dacapo_platform::campaigns::{OnlyIf, Publish, alone};
use dacapo_platform::jobs::{JobKind, JobStatus, Members, Requested, Selection};
use dacapo_platform::objects::{ObjectWrite, PersonWrite};

use crate::cloud::Cloud;
use crate::counts::{counters_are_exact, done_by};

const PEOPLE: usize = 9;
const OF_EACH: usize = 4;

const BOOKINGS: &str = "
id: bookings
per: appointment
sender: { address: a@example.com }
objects:
  appointment: { fields: { status: { type: text } } }
elements:
  booked: { type: start, when: { field: status, equals: booked }, next: days }
  days:   { type: wait, for: 2 days, next: gone }
  gone:   { type: goal, when: { field: status, equals: gone }, unmet: end }
";

async fn write(cloud: &Cloud, person: usize, nth: usize, status: &str) {
    let kind = ObjectType::new("appointment").unwrap();
    let (address, key) = (format!("p{person}@example.com"), format!("k{person}-{nth}"));
    let (nothing, mut patch) = (Patch::default(), Patch::default());
    let value = FieldValue::Text(status.to_owned());
    patch.fields.insert(FieldKey::new("status").unwrap(), Some(value));
    let person = PersonWrite::ByAddress(&address, &nothing);
    let write = ObjectWrite { kind: &kind, key: &key, replaces: None, person, patch: &patch };
    let by = Author::ApiKey("test".to_owned());
    let none = |_: &_| Ok(Vec::new());
    cloud.bench.platform.objects.upsert(write, &by, &none).await.unwrap();
}

/// How each object stands.
async fn stand(cloud: &Cloud, campaign: &CampaignId) -> BTreeMap<ContactId, Status> {
    let mut all = BTreeMap::new();
    for person in cloud.contacts().await {
        for object in cloud.bench.platform.objects.all_of_contact(&person).await.unwrap() {
            let stored = cloud.bench.platform.decisions.enrollment(&object.id, campaign).await;
            all.extend(stored.unwrap().map(|stored| (object.id, stored.enrollment.status)));
        }
    }
    all
}

async fn told(seed: u64, wanted: Status, reset: bool) {
    let mut cloud = Cloud::new(seed).await;
    let platform = cloud.bench.platform.clone();
    let id = CampaignId::new("bookings").unwrap();
    platform.campaigns.put_draft(&id, BOOKINGS, "test", &OnlyIf::default()).await.unwrap();
    platform.campaigns.publish(&id, Publish::default(), "test", alone).await.unwrap();
    for person in 0..PEOPLE {
        for nth in 0..OF_EACH {
            write(&cloud, person, nth, "booked").await;
        }
    }
    cloud.settle().await;
    // Some are over, the others go on.
    for person in 0..PEOPLE {
        write(&cloud, person, person % OF_EACH, "gone").await;
    }
    cloud.settle().await;
    let before = stand(&cloud, &id).await;
    let stood_so = before.values().filter(|status| **status == wanted).count();
    assert_eq!(before.len(), PEOPLE * OF_EACH);
    assert!(stood_so > 0 && stood_so < before.len(), "{before:?}");

    let requested = Requested {
        kind: JobKind::StopCampaign { reset_contacts: reset, reset_statistics: reset },
        selection: Selection::Members(Members {
            object_type: Some(ObjectType::new("appointment").unwrap()),
            status: Some(wanted),
        }),
        named: Vec::new(),
        campaigns: vec![id.clone()],
        all: false,
        by: "test".to_owned(),
        estimate: 0,
        estimate_is_a_minimum: false,
    };
    let job = platform.jobs.begin(&requested, alone).await.unwrap();
    cloud.rough(true);
    for _ in 0..60 {
        cloud.work().await;
    }
    // One that comes now is none of those that were asked for.
    cloud.rough(false);
    cloud.bench.clock.advance(1);
    write(&cloud, 0, OF_EACH, "booked").await;
    cloud.rough(true);
    for _ in 0..60 {
        cloud.work().await;
    }
    cloud.settle_jobs().await;

    let progress = platform.jobs.progress(job.seq).await.unwrap().unwrap();
    assert_eq!(progress.status, JobStatus::Completed, "{progress:?}");
    let left = u64::try_from(before.len() - stood_so).unwrap();
    let counts = (progress.counts.done, progress.counts.failed);
    assert_eq!(counts, (u64::try_from(stood_so).unwrap(), 0), "seed {seed}: {progress:?}");
    // Those that the lists showed late are in no count.
    assert!(progress.counts.skipped <= left, "seed {seed}: {progress:?}");
    let next = if reset { Status::Ready } else { Status::Stopped };
    let after = stand(&cloud, &id).await;
    for (object, status) in &after {
        let expected = match before.get(object) {
            Some(stood) if *stood == wanted => next,
            Some(stood) => *stood,
            None => Status::Active,
        };
        assert_eq!(*status, expected, "seed {seed}: {object}");
    }
    // The history of an object is its person's.
    let mut expected: BTreeMap<(ContactId, CampaignId), usize> = BTreeMap::new();
    for object in before.iter().filter(|(_, status)| **status == wanted).map(|(object, _)| object) {
        *expected.entry((object.person(), id.clone())).or_default() += 1;
    }
    let done = done_by(&cloud, &cloud.contacts().await, &job.id()).await;
    assert_eq!(done, expected, "seed {seed}: each once");
    let mut enrollments = BTreeMap::new();
    for object in after.into_keys() {
        let stored = platform.decisions.enrollment(&object, &id).await.unwrap().unwrap();
        enrollments.insert(object, stored.enrollment);
    }
    counters_are_exact(&cloud, &id, &enrollments).await;
}

#[tokio::test]
async fn r16_objects_that_stand_so_are_stopped_once_whatever_fails_on_the_way() {
    for seed in 1..=12 {
        let wanted = if seed % 2 == 0 { Status::Active } else { Status::Completed };
        Box::pin(told(seed, wanted, seed % 3 == 0)).await;
    }
}

//! A job by tag misses nobody, however late the change feed is: it writes the lists of tags.

use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::enrollment::Status;
use dacapo_engine::ids::{CampaignId, Tag};
use dacapo_platform::campaigns::{OnlyIf, Publish, alone};
use dacapo_platform::jobs::{JobKind, JobStatus, Requested, Selection};

use crate::cloud::Cloud;

const WAITING: &str = "
id: waiting
sender: { address: a@example.com }
elements:
  go:    { type: start, when: { tag: Go }, next: days }
  days:  { type: wait, for: 2 days, next: off }
  off:   { type: tag, add: [Off] }
";

async fn tagged(cloud: &Cloud, person: &str, tag: &str) {
    let patch = Patch { add: vec![Tag::new(tag).unwrap()], ..Patch::default() };
    let (by, none) = (Author::ApiKey("test".to_owned()), &dacapo_platform::contacts::alone);
    cloud.bench.platform.contacts.upsert(person, &patch, &by, none).await.unwrap();
}

#[tokio::test]
async fn r16_a_stop_by_tag_reaches_who_got_the_tag_while_the_feed_is_hours_late() {
    let mut cloud = Cloud::new(11).await;
    let platform = cloud.bench.platform.clone();
    let id = CampaignId::new("waiting").unwrap();
    platform.campaigns.put_draft(&id, WAITING, "test", &OnlyIf::default()).await.unwrap();
    platform.campaigns.publish(&id, Publish::default(), "test", alone).await.unwrap();
    for person in ["ann@example.com", "ben@example.com", "cem@example.com"] {
        tagged(&cloud, person, "Go").await;
    }
    tagged(&cloud, "ann@example.com", "Leaves").await;
    cloud.settle().await;
    // From here on the feed brings nothing.
    tagged(&cloud, "ben@example.com", "Leaves").await;
    cloud.pass(3 * 3_600).await;
    let kind = JobKind::StopCampaign { reset_contacts: false, reset_statistics: false };
    let selection = Selection::Tag(Tag::new("Leaves").unwrap());
    let (named, campaigns, by) = (Vec::new(), vec![id.clone()], "test".to_owned());
    let requested = Requested {
        kind,
        selection,
        named,
        campaigns,
        all: false,
        by,
        estimate: 1,
        estimate_is_a_minimum: false,
    };
    let job = platform.jobs.begin(&requested, alone).await.unwrap().seq;
    cloud.settle_jobs_without_the_feed().await;
    let progress = platform.jobs.progress(job).await.unwrap().unwrap();
    assert_eq!(progress.status, JobStatus::Completed, "{progress:?}");
    // Cem, who has no such tag, is no part of it.
    assert_eq!((progress.counts.done, progress.counts.skipped), (2, 0), "{progress:?}");
    let mut stopped = 0;
    for contact in cloud.contacts().await {
        let enrollment = platform.decisions.enrollment(&contact, &id).await.unwrap().unwrap();
        stopped += i32::from(enrollment.enrollment.status == Status::Stopped);
    }
    assert_eq!(stopped, 2);
}

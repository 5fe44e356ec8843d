//! Statuses that other campaigns read: a decision records that no campaign reads its status. This
//! is valid for two seconds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::ids::{CampaignId, ContactId, Tag};
use dacapo_platform::campaigns::{OnlyIf, Publish, alone};
use dacapo_platform::contacts;
use dacapo_platform::handlers::Done;
use dacapo_tests::kit::ManualPump;

const COURSE: &str = r"
id: course
elements:
  lead: { type: start, when: { tag: Lead }, next: day }
  day: { type: wait, for: 1 day }
";

const OFFER: &str = r"
id: offer
elements:
  finished: { type: start, when: { campaign: course, status: completed }, next: day }
  day: { type: wait, for: 1 day }
";

/// Ann's *course* ends under a catalog that was read before *offer* was published. The feed
/// delivers the change so many seconds later. Returns whether she has entered *offer*.
async fn enters_offer(later: i64) -> bool {
    let (course, offer) = (CampaignId::new("course").unwrap(), CampaignId::new("offer").unwrap());
    let store = ManualPump::store();
    let mut pump =
        ManualPump::publishing(Arc::clone(&store), Arc::clone(&store) as _, &course, COURSE).await;
    let ann = lead(&pump).await;
    pump.feed_goes_on().await;
    pump.bench.clock.advance(24 * 3_600);
    let (timer, platform) = (pump.due.pop().unwrap(), &pump.bench.platform);

    let invocation = platform.at_work();
    assert_eq!(invocation.catalog.current().await.unwrap().campaigns.len(), 1);
    platform.campaigns.put_draft(&offer, OFFER, "test", &OnlyIf::default()).await.unwrap();
    platform.campaigns.publish(&offer, Publish::default(), "test", alone).await.unwrap();
    assert_eq!(invocation.enrollment_events.handle(&timer).await.unwrap(), Done::Yes);

    pump.bench.clock.advance(later);
    pump.feed_goes_on().await;
    pump.bench.platform.decisions.enrollment(&ann, &offer).await.unwrap().is_some()
}

async fn lead(pump: &ManualPump) -> ContactId {
    let patch = Patch { add: vec![Tag::new("Lead").unwrap()], ..Patch::default() };
    let by = Author::ApiKey("test".to_owned());
    let platform = &pump.bench.platform;
    let added = platform.contacts.upsert("ann@example.com", &patch, &by, &contacts::alone).await;
    added.unwrap().contact.id
}

#[tokio::test]
async fn r6_a_campaign_published_meanwhile_is_told_of_a_status_that_is_looked_at_late() {
    assert!(enters_offer(3).await);
}

#[tokio::test]
async fn r6_what_was_decided_hardly_after_publishing_went_by_the_catalog_before_it() {
    assert!(!enters_offer(2).await);
}

//! Commands of one campaign to another: they arrive in the order of the path, also if the other
//! campaign has to wait for the change feed first.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use dacapo_embedded::Change;
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::enrollment::{Enrollment, Status};
use dacapo_engine::ids::{CampaignId, ContactId, Tag};
use dacapo_platform::campaigns::{OnlyIf, Publish, alone};
use dacapo_platform::contacts;
use dacapo_platform::keys::fed;
use dacapo_tests::kit::ManualPump;

/// After two hours it resets the course, and then starts it.
const DESK: &str = r"
id: desk
elements:
  lead: { type: start, when: { tag: Lead }, next: first }
  first: { type: wait, for: 1 hour, next: second }
  second: { type: wait, for: 1 hour, next: anew }
  anew: { type: reset, campaign: course, next: again }
  again: { type: start_campaign, campaign: course }
";

const COURSE: &str = r"
id: course
elements:
  lead: { type: start, when: { tag: Lead }, next: week }
  week: { type: wait, for: 7 days }
";

async fn tagged(pump: &ManualPump, tag: &str) -> ContactId {
    let patch = Patch { add: vec![Tag::new(tag).unwrap()], ..Patch::default() };
    let by = Author::ApiKey("test".to_owned());
    let contacts = &pump.bench.platform.contacts;
    contacts.upsert("ann@example.com", &patch, &by, &contacts::alone).await.unwrap().contact.id
}

async fn enrollment(pump: &ManualPump, ann: &ContactId, campaign: &CampaignId) -> Enrollment {
    let decisions = &pump.bench.platform.decisions;
    decisions.enrollment(ann, campaign).await.unwrap().unwrap().enrollment
}

/// The feed delivers what the desk decided before it delivers the contact's changes to the course,
/// and the queue delivers the last message first: reset and start still come in order.
#[tokio::test]
async fn r11_a_command_that_is_sent_after_one_that_waits_is_done_after_it() {
    let (desk, course) = (CampaignId::new("desk").unwrap(), CampaignId::new("course").unwrap());
    let store = ManualPump::store();
    let table = Arc::clone(&store) as _;
    let mut pump = ManualPump::publishing(Arc::clone(&store), table, &desk, DESK).await;
    let campaigns = &pump.bench.platform.campaigns;
    campaigns.put_draft(&course, COURSE, "test", &OnlyIf::default()).await.unwrap();
    campaigns.publish(&course, Publish::default(), "test", alone).await.unwrap();
    let ann = tagged(&pump, "Lead").await;
    pump.feed_goes_on().await;
    assert_eq!(enrollment(&pump, &ann, &course).await.status, Status::Active);

    // More changes than the contact carries, which the desk sees by its timers.
    for names in [["a", "b", "c"], ["d", "e", "f"]] {
        for name in names {
            tagged(&pump, name).await;
        }
        pump.bench.clock.advance(3_600);
        pump.due.retain(|due| due.campaign == desk);
        pump.take_due().await;
        let made = store.read_feed("manual pump", 100).unwrap();
        let is_of_desk = |change: &&Change| {
            fed(&change.key).and_then(|(_, campaign)| campaign).as_ref() == Some(&desk)
        };
        let decided: Vec<Change> = made.iter().filter(is_of_desk).cloned().collect();
        assert!(!decided.is_empty());
        pump.bring(&decided[decided.len() - 1..]).await;
    }
    assert_eq!(enrollment(&pump, &ann, &course).await.run, 1, "it is behind");
    let orders: Vec<_> = pump.due.iter().filter(|due| due.campaign == course).collect();
    assert_eq!(orders.len(), 1, "the start goes with the reset: {orders:?}");

    // The feed goes on with the contact's changes alone, as it does on AWS, where it has a reader
    // for each.
    let made = store.read_feed("manual pump", 100).unwrap();
    let is_of_contact = |change: &&Change| matches!(fed(&change.key), Some((_, None)));
    let changes: Vec<Change> = made.iter().filter(is_of_contact).cloned().collect();
    pump.bring(&changes).await;
    pump.take_due().await;
    let after = enrollment(&pump, &ann, &course).await;
    assert_eq!((after.run, after.status), (2, Status::Active), "{after:?}");
}

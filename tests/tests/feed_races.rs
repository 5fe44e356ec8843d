//! Races between the change feed and a timer, with the feed delayed by the test: its changes are
//! neither lost nor done twice, whichever is first.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use dacapo_embedded::Change;
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::ids::{CampaignId, ContactId, ElementId, Tag};
use dacapo_engine::statistics::Outcome;
use dacapo_platform::campaigns::{Pause, Resume, alone};
use dacapo_platform::contacts;
use dacapo_platform::messages::MessageStatus;
use dacapo_tests::kit::ManualPump;
use dacapo_tests::kit::TestBench;

/// An hour after *Go* the contact is reset, and a mail follows; *More* is a second path of the run.
const CAMPAIGN: &str = r"
id: circle
sender: { address: a@example.com }
elements:
  go: { type: event, on: { tag_added: Go }, next: hour }
  hour: { type: wait, for: 1 hour, next: again }
  again: { type: reset, next: after }
  after: { type: email, email: after }
  more: { type: event, on: { tag_added: More }, next: extra }
  extra: { type: email, email: extra }
emails:
  after: { purpose: transactional, subject: After, text: x }
  extra: { purpose: transactional, subject: Extra, text: x }
";

struct Story {
    pump: ManualPump,
    id: CampaignId,
    ann: ContactId,
    /// Everything that the feed has delivered.
    brought: Vec<Change>,
}

impl Story {
    /// Ann has received the tag *Go*, and waits for an hour.
    async fn begun() -> Self {
        let (id, store) = (CampaignId::new("circle").unwrap(), ManualPump::store());
        let mut pump =
            ManualPump::publishing(Arc::clone(&store), Arc::clone(&store) as _, &id, CAMPAIGN)
                .await;
        let ann = tagged(&pump.bench, "Go").await;
        let brought = pump.feed_goes_on().await;
        assert_eq!(pump.due.len(), 1, "one timer: {:?}", pump.due);
        Self { pump, id, ann, brought }
    }

    /// Handles all due messages with what follows from them, and then the feed.
    async fn until_idle(&mut self) {
        self.brought.extend(self.pump.until_idle().await);
    }

    async fn enrollment(&self) -> Enrollment {
        self.pump
            .bench
            .platform
            .decisions
            .enrollment(&self.ann, &self.id)
            .await
            .unwrap()
            .unwrap()
            .enrollment
    }

    /// The sent messages, from the ledger.
    async fn sent(&self) -> Vec<String> {
        let mut sent = Vec::new();
        for (run, step) in (1..=2).flat_map(|run| (1..=4).map(move |step| (run, step))) {
            let key = self.pump.bench.platform.store.keys.message(&self.ann, &self.id, run, step);
            if let Some(record) = self.pump.bench.platform.messages.get(&key).await.unwrap() {
                assert_eq!(record.status, MessageStatus::Settled(Outcome::Sent));
                sent.push(format!("{} in run {run}", record.element));
            }
        }
        sent
    }
}

async fn tagged(bench: &TestBench, tag: &str) -> ContactId {
    tagged_as(bench, "ann@example.com", tag).await
}

async fn tagged_as(bench: &TestBench, address: &str, tag: &str) -> ContactId {
    let patch = Patch { add: vec![Tag::new(tag).unwrap()], ..Patch::default() };
    let by = Author::ApiKey("test".to_owned());
    bench.platform.contacts.upsert(address, &patch, &by, &contacts::alone).await.unwrap().contact.id
}

/// *More* waits in the feed while the timer resets: it belongs to run 1, where it fires before the
/// timer does, and the path that it began ends with that run.
async fn reset_while_a_change_waits() -> Story {
    let mut story = Story::begun().await;
    story.pump.bench.clock.advance(1_800);
    tagged(&story.pump.bench, "More").await;
    story.pump.bench.clock.advance(1_800);
    story.pump.take_due().await;
    let enrollment = story.enrollment().await;
    assert_eq!(enrollment.run, 2);
    assert_eq!(enrollment.seen, 2, "the timer has applied what the feed still has");
    story
}

#[tokio::test]
async fn r3_a_timer_that_resets_while_an_older_change_waits_in_the_feed() {
    let mut story = reset_while_a_change_waits().await;
    story.until_idle().await;
    assert_eq!(story.enrollment().await.run, 2);
    assert_eq!(story.sent().await, ["after in run 2"]);
}

#[tokio::test]
async fn r3_a_repeat_of_a_change_after_such_a_reset_changes_nothing() {
    let mut story = reset_while_a_change_waits().await;
    story.until_idle().await;
    let (enrollment, sent) = (story.enrollment().await, story.sent().await);
    let brought = std::mem::take(&mut story.brought);
    story.pump.bring(&brought).await;
    story.until_idle().await;
    assert_eq!(story.enrollment().await, enrollment, "nothing of run 1 acts in run 2");
    assert_eq!(story.sent().await, sent);
}

/// A change from the pause is still in the feed when the resume goes through the members: the new
/// contact is not one of them yet.
#[tokio::test]
async fn r51_a_resume_that_passes_before_a_newcomer_is_enrolled_is_not_missed() {
    let mut story = Story::begun().await;
    let (bench, id) = (&story.pump.bench, story.id.clone());
    bench.clock.advance(60);
    bench.platform.campaigns.pause(&id, &Pause::default(), alone).await.unwrap();
    bench.clock.advance(60);
    let eve = tagged_as(bench, "eve@example.com", "More").await;
    bench.clock.advance(60);
    bench.platform.campaigns.resume(&id, Resume::default(), "test", alone).await.unwrap();
    assert!(!bench.done().await.is_empty(), "the resume goes through the members");
    // Ann's timer becomes due, too.
    bench.clock.advance(3_600);
    story.until_idle().await;
    let stored = story.pump.bench.platform.decisions.enrollment(&eve, &id).await.unwrap();
    let enrollment = stored.expect("she is enrolled").enrollment;
    assert!(enrollment.parked_entries.is_empty(), "{enrollment:?}");
    assert!(enrollment.has_fired(&ElementId::new("more").unwrap()), "{enrollment:?}");
}

/// In a pause nothing more is ordered for her, and the same change again has no effect.
#[tokio::test]
async fn r51_what_is_parked_is_parked_once_whatever_is_repeated() {
    let mut story = Story::begun().await;
    let (bench, id) = (&story.pump.bench, story.id.clone());
    bench.clock.advance(60);
    bench.platform.campaigns.pause(&id, &Pause::default(), alone).await.unwrap();
    bench.clock.advance(60);
    let eve = tagged_as(bench, "eve@example.com", "More").await;
    let brought = story.pump.feed_goes_on().await;
    let parked = story.pump.bench.platform.decisions.enrollment(&eve, &id).await.unwrap();
    let parked = parked.expect("she is enrolled").enrollment;
    assert_eq!(parked.parked_entries.len(), 1, "{parked:?}");
    story.pump.bring(&brought).await;
    let again = story.pump.bench.platform.decisions.enrollment(&eve, &id).await.unwrap();
    assert_eq!(again.expect("she is enrolled").enrollment, parked);
}

const BOOKINGS: &str = r"
id: bookings
per: booking
objects: { booking: { fields: { status: { type: text } } } }
elements:
  booked: { type: start, when: { field: status, equals: booked }, next: rest }
  rest: { type: wait, for: 10 days }
  helped: { type: event, on: { contact: { tag_added: Help } }, next: note }
  note: { type: tag, add: [Noted], of: contact }
";

/// However often the feed brings a person's change, and whatever came of it before a crash, an
/// object has it once.
#[tokio::test]
async fn r72_a_persons_change_that_the_feed_repeats_reaches_an_object_once() {
    let (id, store) = (CampaignId::new("bookings").unwrap(), ManualPump::store());
    let table = Arc::clone(&store) as _;
    let mut pump = ManualPump::publishing(Arc::clone(&store), table, &id, BOOKINGS).await;
    let body = serde_json::json!({
        "contact": { "email": "ann@example.com" }, "fields": { "status": "booked" },
    });
    for key in ["one", "two"] {
        let path = format!("/v1/objects/booking/{key}");
        let (status, answer) = pump.call("the-admin-key", "PUT", &path, &body).await;
        assert_eq!(status, 200, "{answer:#}");
    }
    pump.feed_goes_on().await;
    let revs = async |pump: &ManualPump| {
        let mut revs = Vec::new();
        for key in ["one", "two"] {
            let path = format!("/v1/objects/booking/{key}");
            let nothing = serde_json::Value::Null;
            let (_, object) = pump.call("the-admin-key", "GET", &path, &nothing).await;
            revs.push(object["rev"].as_u64().unwrap());
        }
        revs
    };
    assert_eq!(revs(&pump).await, [1, 1]);
    let tagged = serde_json::json!({ "add": ["Help"] });
    let path = "/v1/contacts/email:ann@example.com/tags";
    assert_eq!(pump.call("the-admin-key", "POST", path, &tagged).await.0, 200);
    pump.times = 3;
    let brought = pump.feed_goes_on().await;
    assert_eq!(revs(&pump).await, [2, 2], "each has the change once");
    // And all of it once more, as after a crash before the feed noted how far it was.
    pump.bring(&brought).await;
    pump.feed_goes_on().await;
    assert_eq!(revs(&pump).await, [2, 2]);
}

/// What changed of the person while an object had no tokens does not concern it, even if the feed
/// brings it once more after the object has tokens again.
#[tokio::test]
async fn r72_a_persons_change_from_before_the_tokens_does_not_reach_an_object() {
    let (id, store) = (CampaignId::new("bookings").unwrap(), ManualPump::store());
    let table = Arc::clone(&store) as _;
    let mut pump = ManualPump::publishing(Arc::clone(&store), table, &id, BOOKINGS).await;
    let call = async |pump: &ManualPump, method: &str, path: &str, body: serde_json::Value| {
        let (status, answer) = pump.call("the-admin-key", method, path, &body).await;
        assert_eq!(status, 200, "{method} {path}: {answer:#}");
        answer
    };
    let object = "/v1/objects/booking/one";
    let booked = serde_json::json!({
        "contact": { "email": "ann@example.com" }, "fields": { "status": "booked" },
    });
    call(&pump, "PUT", object, booked).await;
    pump.feed_goes_on().await;
    let by_hand = |what: &str| {
        let enrollment = "/v1/contacts/email:ann@example.com/enrollments/bookings";
        format!("{enrollment}/{what}?object=booking/one")
    };
    let nothing = serde_json::json!({});
    call(&pump, "POST", &by_hand("stop"), nothing.clone()).await;
    let tagged = serde_json::json!({ "add": ["Help"] });
    call(&pump, "POST", "/v1/contacts/email:ann@example.com/tags", tagged).await;
    let brought = pump.feed_goes_on().await;
    call(&pump, "POST", &by_hand("reset"), nothing.clone()).await;
    let started = call(&pump, "POST", &by_hand("start"), nothing).await;
    assert_eq!(started["status"], "active", "{started:#}");
    pump.bring(&brought).await;
    pump.feed_goes_on().await;
    let found = call(&pump, "GET", object, serde_json::Value::Null).await;
    assert_eq!(found["rev"], 1, "{found:#}");
}

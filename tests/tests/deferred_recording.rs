//! Deferred recording from the decision that queues a message to the one that settles it: shown at
//! once, counted once, never lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::ids::{CampaignId, ContactId, Tag};
use dacapo_platform::contacts;
use dacapo_platform::keys::Keys;
use dacapo_platform::table::{Query, Table as _};
use dacapo_tests::kit::{ADMIN, ManualPump};
use serde_json::{Value, json};

const CAMPAIGN: &str = r"
id: hello
sender: { address: a@example.com }
elements:
  go: { type: event, on: { tag_added: Go }, next: mail }
  mail: { type: email, email: hello }
emails:
  hello: { purpose: transactional, subject: Hello, text: x }
";

struct Story {
    pump: ManualPump,
    ann: ContactId,
}

impl Story {
    /// Ann's message is queued, and its decision performed; the feed delivers everything twice.
    async fn queued() -> Self {
        let (campaign, store) = (CampaignId::new("hello").unwrap(), ManualPump::store());
        let mut pump = ManualPump::publishing(
            Arc::clone(&store),
            Arc::clone(&store) as _,
            &campaign,
            CAMPAIGN,
        )
        .await;
        pump.times = 2;
        let patch = Patch { add: vec![Tag::new("Go").unwrap()], ..Patch::default() };
        let by = Author::ApiKey("test".to_owned());
        let platform = &pump.bench.platform;
        let written = platform
            .contacts
            .upsert("ann@example.com", &patch, &by, &contacts::alone)
            .await
            .unwrap();
        pump.feed_goes_on().await;
        assert_eq!(pump.due.len(), 1, "one message: {:?}", pump.due);
        Self { pump, ann: written.contact.id }
    }

    /// The message is taken from its queue.
    async fn delivered(&mut self) {
        self.pump.take_due().await;
        self.pump.feed_goes_on().await;
    }

    async fn called(&self, method: &str, path: &str) -> Value {
        let (status, answer) = self.pump.call(ADMIN, method, path, &json!({})).await;
        assert!((200..300).contains(&status), "{path}: {status}");
        answer
    }

    /// The kinds of the history's lines, newest first, read in pages of this size.
    async fn history(&self, limit: usize) -> Vec<String> {
        let (mut kinds, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/contacts/{}/history?limit={limit}{cursor}", self.ann);
            let page = self.called("GET", &path).await;
            let lines = page["items"].as_array().unwrap().iter();
            kinds.extend(lines.map(|line| line["kind"].as_str().unwrap().to_owned()));
            let Some(next) = page["next_cursor"].as_str() else { return kinds };
            cursor = format!("&cursor={next}");
        }
    }

    /// The number of items of the history.
    async fn recorded(&self) -> usize {
        let partition = self.pump.bench.platform.store.keys.contact_partition(&self.ann);
        let query = Query::of(&partition).prefix(Keys::HISTORY).strong();
        self.pump.store.query(query).await.unwrap().items.len()
    }

    async fn statistics(&self) -> Value {
        self.called("GET", "/v1/campaigns/hello/statistics?by=day").await
    }
}

#[tokio::test]
async fn r60_what_is_left_to_the_next_decision_is_in_the_history_at_once() {
    let mut story = Story::queued().await;
    assert_eq!(story.recorded().await, 0);
    let before = story.history(100).await;
    assert!(!before.is_empty());
    assert_eq!(story.history(1).await, before);
    story.delivered().await;
    assert_eq!(story.recorded().await, 1, "both decisions are one item");
    let after = story.history(100).await;
    assert!(after.ends_with(&before) && after.len() > before.len(), "{before:?}, then {after:?}");
    assert_eq!(story.history(1).await, after);
}

#[tokio::test]
async fn r53_what_was_left_is_counted_once_with_what_settles_it() {
    let mut story = Story::queued().await;
    story.delivered().await;
    let statistics = story.statistics().await;
    assert_eq!(statistics["entered"], 1, "{statistics}");
    assert_eq!(statistics["messages"]["sent"], 1, "{statistics}");
    assert_eq!(statistics["elements"]["mail"]["entered"], 1, "{statistics}");
    assert_eq!(statistics["elements"]["mail"]["at"], 0, "{statistics}");
}

#[tokio::test]
async fn r53_each_of_two_days_has_its_own() {
    let mut story = Story::queued().await;
    story.pump.bench.clock.advance(24 * 3_600);
    story.delivered().await;
    assert_eq!(story.recorded().await, 2);
    let id = CampaignId::new("hello").unwrap();
    let day = |day| chrono::NaiveDate::from_ymd_opt(2026, 12, day).unwrap();
    let days =
        story.pump.bench.platform.campaigns.statistics_by_day(&id, day(1), day(3)).await.unwrap();
    let found: Vec<_> =
        days.iter().map(|found| (found.day, found.entered, found.messages.sent)).collect();
    assert_eq!(found, [(day(1), 1, 0), (day(2), 0, 1)]);
}

#[tokio::test]
async fn r53_what_was_left_is_counted_although_the_campaign_is_paused() {
    let mut story = Story::queued().await;
    story.called("POST", "/v1/campaigns/hello/pause").await;
    story.delivered().await;
    let statistics = story.statistics().await;
    assert_eq!(statistics["entered"], 1, "{statistics}");
    assert_eq!(statistics["elements"]["mail"]["at"], 1, "{statistics}");
    assert_eq!(statistics["messages"]["sent"], 0, "{statistics}");
    let id = CampaignId::new("hello").unwrap();
    let enrolled = story.pump.bench.platform.decisions.enrollment(&story.ann, &id).await.unwrap();
    assert_eq!(enrolled.unwrap().deferred, None);
}

#[tokio::test]
async fn r53_an_erased_contact_takes_along_nothing_that_was_not_counted() {
    let story = Story::queued().await;
    story.called("DELETE", &format!("/v1/contacts/{}", story.ann)).await;
    let statistics = story.statistics().await;
    assert_eq!(statistics["entered"], 1, "{statistics}");
    assert_eq!(statistics["active"], 0, "{statistics}");
}

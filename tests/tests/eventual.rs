//! Eventual reads that never catch up: nothing is lost, and no decision is based on them, however
//! old they are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use dacapo_embedded::SqliteStore;
use dacapo_engine::ids::CampaignId;
use dacapo_platform::table::{Consistency, Item, Key, Query, QueryPage, Table, TableError, Write};
use dacapo_tests::kit::{ADMIN, ManualPump};
use serde_json::{Value, json};

/// *More* leads to a message in every run, and an hour after *Go* the next run begins.
const CAMPAIGN: &str = r"
id: circle
sender: { address: a@example.com }
fields: { at: { type: datetime } }
elements:
  go: { type: event, on: { tag_added: Go }, next: hour }
  hour: { type: wait, for: 1 hour, next: again }
  again: { type: reset }
  more: { type: event, on: { tag_added: More }, next: extra }
  extra: { type: email, email: extra }
emails:
  extra: { purpose: transactional, subject: Extra, text: x }
";

/// A table whose eventual reads can be frozen at an older state.
struct Still {
    inner: Arc<SqliteStore>,
    /// What eventual reads show while frozen; `None` otherwise.
    shown: Mutex<Option<HashMap<Key, Option<Item>>>>,
}

impl Still {
    /// From now on eventual reads show these items as they are now.
    async fn stand(&self, keys: &[Key]) {
        let mut shown = HashMap::new();
        for key in keys {
            let item = self.inner.get(key, Consistency::Strong).await.unwrap();
            shown.insert(key.clone(), item);
        }
        *self.shown.lock().unwrap() = Some(shown);
    }
}

#[async_trait]
impl Table for Still {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, TableError> {
        if consistency == Consistency::Eventual
            && let Some(shown) = self.shown.lock().unwrap().as_ref().and_then(|all| all.get(key))
        {
            return Ok(shown.clone());
        }
        self.inner.get(key, consistency).await
    }

    fn is_remote(&self) -> bool {
        true
    }

    async fn get_many(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError> {
        self.inner.get_many(keys, consistency).await
    }

    async fn query(&self, query: Query<'_>) -> Result<QueryPage<Item>, TableError> {
        self.inner.query(query).await
    }

    async fn query_index(&self, query: Query<'_>) -> Result<QueryPage<(Key, Key)>, TableError> {
        self.inner.query_index(query).await
    }

    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError> {
        self.inner.write(writes, token).await
    }
}

struct Story {
    still: Arc<Still>,
    pump: ManualPump,
    campaign: CampaignId,
}

impl Story {
    async fn begun() -> Self {
        let (campaign, store) = (CampaignId::new("circle").unwrap(), ManualPump::store());
        let still = Arc::new(Still { inner: Arc::clone(&store), shown: Mutex::default() });
        let pump =
            ManualPump::publishing(store, Arc::clone(&still) as _, &campaign, CAMPAIGN).await;
        Self { still, pump, campaign }
    }

    /// Posts to the hook as the admin. Returns the contact's id.
    async fn posted(&self, mut body: Value) -> String {
        body["email"] = json!("ann@example.com");
        let (status, answer) = self.pump.call(ADMIN, "POST", "/v1/hooks/contact", &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["contact_id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn r5_that_it_has_fired_is_not_concluded_from_the_run_before() {
    let mut story = Story::begun().await;
    let ann = story.posted(json!({ "tags": "More" })).await;
    let ann = dacapo_engine::ids::ContactId::new(ann).unwrap();
    story.pump.until_idle().await;
    story.posted(json!({ "tags": "Go", "remove_tags": "More" })).await;
    story.pump.feed_goes_on().await;
    let keys = story.pump.bench.platform.store.keys.clone();
    let enrollment = keys.enrollment(&ann, &story.campaign);
    story.still.stand(&[enrollment]).await;
    story.pump.bench.clock.advance(3_600);
    story.pump.until_idle().await;
    // In the older state *More* has fired; in the run that has begun since it has not.
    story.posted(json!({ "tags": "More" })).await;
    story.pump.until_idle().await;
    let record =
        story.pump.bench.platform.messages.get(&keys.message(&ann, &story.campaign, 2, 1)).await;
    assert_eq!(record.unwrap().map(|record| record.element.to_string()), Some("extra".to_owned()));
}

#[tokio::test]
async fn r4_a_date_is_read_in_the_zone_that_the_contact_has_not_in_the_one_that_it_had() {
    let story = Story::begun().await;
    let ann = story.posted(json!({ "time_zone": "Europe/Berlin" })).await;
    let ann = dacapo_engine::ids::ContactId::new(ann).unwrap();
    let keys = &story.pump.bench.platform.store.keys;
    story.still.stand(&[keys.contact(&ann), keys.address("ann@example.com")]).await;
    story.posted(json!({ "time_zone": "America/New_York" })).await;
    story.posted(json!({ "fields": { "at": "2026-12-24T18:00" } })).await;
    let contact = story.pump.bench.platform.contacts.get(&ann).await.unwrap().unwrap();
    let at = contact.fields.iter().find(|(key, _)| key.as_str() == "at").unwrap().1;
    assert!(format!("{at:?}").contains("2026-12-24T23:00"), "{at:?}");
}

#[tokio::test]
async fn r1_that_a_post_changes_nothing_is_not_concluded_from_an_older_contact() {
    let story = Story::begun().await;
    let ann = story.posted(json!({ "first_name": "Ann" })).await;
    let ann = dacapo_engine::ids::ContactId::new(ann).unwrap();
    let keys = &story.pump.bench.platform.store.keys;
    story.still.stand(&[keys.contact(&ann), keys.address("ann@example.com")]).await;
    story.posted(json!({ "first_name": "Anna" })).await;
    story.posted(json!({ "first_name": "Ann" })).await;
    let contact = story.pump.bench.platform.contacts.get(&ann).await.unwrap().unwrap();
    assert_eq!(contact.rev, 3);
    let name = contact.fields.iter().find(|(key, _)| key.as_str() == "first_name").unwrap().1;
    assert!(format!("{name:?}").contains("\"Ann\""), "{name:?}");
}

#[tokio::test]
async fn a_key_that_a_hook_knows_opens_no_more_once_it_is_deleted() {
    let story = Story::begun().await;
    let asked = json!({ "name": "zapier", "scopes": ["webhook"] });
    let (_, made) = story.pump.call(ADMIN, "POST", "/v1/keys", &asked).await;
    let key = made["key"].as_str().unwrap();
    let post = json!({ "email": "ann@example.com" });
    for _ in 0..2 {
        assert_eq!(story.pump.call(key, "POST", "/v1/hooks/contact", &post).await.0, 200);
    }
    let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
    assert_eq!(story.pump.call(ADMIN, "DELETE", &path, &Value::Null).await.0, 204);
    assert_eq!(story.pump.call(key, "POST", "/v1/hooks/contact", &post).await.0, 401);
}

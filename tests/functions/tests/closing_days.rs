//! R26 with the deployed handlers: the timer that ends a pause is set by `api`, comes to `timer`,
//! and the job that follows is done by `stop-campaign`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use chrono::TimeDelta;
use dacapo_functions_tests::cloud::{Cloud, Delivery};
use dacapo_platform::ports::QueueMessage;
use serde_json::json;

const GREETING: &str = r#"
id: greeting
sender: { address: sender@example.com }
elements:
  lead: { type: start, when: { tag: Lead }, next: hour }
  hour: { type: wait, for: 1 hour, next: mail }
  mail: { type: tag, add: [Went on] }
"#;

#[tokio::test]
async fn r26_a_pause_ends_by_itself_and_whoever_was_on_the_way_goes_on() {
    let mut cloud = Cloud::new(Delivery::Twice(7)).await;
    let (status, answer) = cloud.call("PUT", "/v1/campaigns/greeting", GREETING).await;
    assert_eq!(status, 201, "{answer}");
    let (status, answer) = cloud.call("POST", "/v1/campaigns/greeting/publish", "{}").await;
    assert_eq!(status, 200, "{answer}");
    let lead = json!({ "email": "ann@example.com", "tags": ["Lead"] }).to_string();
    cloud.call("POST", "/v1/hooks/contact", &lead).await;
    cloud.until_idle().await;
    let until = cloud.now() + TimeDelta::hours(5);
    let asked = json!({ "until": until.to_rfc3339() }).to_string();
    let (status, answer) = cloud.call("POST", "/v1/campaigns/pause", &asked).await;
    assert_eq!((status, &answer["paused"]), (200, &json!(1)), "{answer}");
    cloud.until_idle().await;
    let ends = |cloud: &Cloud| {
        let timers = cloud.services.scheduled();
        timers.iter().filter(|timer| matches!(timer, QueueMessage::PausesEnd { .. })).count()
    };
    assert_eq!(ends(&cloud), 1);
    cloud.advance(until - TimeDelta::minutes(2)).await;
    assert!(!went_on(&cloud).await, "the wait is over, and the campaign is paused");
    cloud.advance(until + TimeDelta::minutes(1)).await;
    assert!(went_on(&cloud).await);
    let (_, answer) = cloud.call("GET", "/v1/campaigns", "").await;
    assert_eq!(answer["items"][0]["status"], "published", "{answer}");
    assert_eq!(ends(&cloud), 0);
}

async fn went_on(cloud: &Cloud) -> bool {
    let (_, answer) = cloud.call("GET", "/v1/contacts/email:ann@example.com", "").await;
    answer["tags"].get("Went on").is_some()
}

//! A cancelled mass action through the HTTP API, while workers die and their claims go on: it has
//! ended only when nothing more is done.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::enrollment::Status;
use dacapo_engine::ids::{CampaignId, Tag};
use dacapo_platform::api::{AdminKey, router};
use dacapo_platform::campaigns::{OnlyIf, Publish, alone};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::cloud::Cloud;
use crate::counts::enrolled;

const WAITING: &str = "
id: waiting
sender: { address: a@example.com }
elements:
  go:    { type: start, when: { tag: Go }, next: days }
  days:  { type: wait, for: 20 days, next: off }
  off:   { type: tag, add: [Off] }
";

async fn call(router: &Router, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("x-api-key", "admin").header("content-type", "application/json");
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let response = router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn stopped(cloud: &Cloud) -> usize {
    let (contacts, id) = (cloud.contacts().await, CampaignId::new("waiting").unwrap());
    let all = enrolled(cloud, &contacts, &id).await;
    all.iter().filter(|(_, enrollment)| enrollment.status == Status::Stopped).count()
}

async fn told(seed: u64) {
    let mut cloud = Cloud::new(seed).await;
    let platform = cloud.bench.platform.clone();
    let id = CampaignId::new("waiting").unwrap();
    platform.campaigns.put_draft(&id, WAITING, "test", &OnlyIf::default()).await.unwrap();
    platform.campaigns.publish(&id, Publish::default(), "test", alone).await.unwrap();
    for person in 0..30 {
        let patch = Patch { add: vec![Tag::new("Go").unwrap()], ..Patch::default() };
        let (by, address) = (Author::ApiKey("test".to_owned()), format!("p{person}@example.com"));
        let none = &dacapo_platform::contacts::alone;
        platform.contacts.upsert(&address, &patch, &by, none).await.unwrap();
    }
    cloud.settle().await;
    let router = router(platform, Some(AdminKey::of("admin")));
    let body = json!({ "campaigns": ["waiting"], "contacts": "enrolled" });
    let path = "/v1/mass-actions/stop-campaign";
    let (status, taken) = call(&router, "POST", path, &body).await;
    assert_eq!(status, 202, "{taken:#}");
    // It waits for the first one, so nothing of it can be under way.
    let (_, next) = call(&router, "POST", path, &body).await;
    let path = |taken: &Value| format!("/v1/mass-actions/{}", taken["id"].as_str().unwrap());
    let (_, next) = call(&router, "DELETE", &path(&next), &Value::Null).await;
    assert_eq!(next["status"], "cancelled", "{next:#}");
    assert!(next["ended_at"].is_string(), "{next:#}");
    for _ in 0..seed {
        cloud.work().await;
    }
    let (_, cancelled) = call(&router, "DELETE", &path(&taken), &Value::Null).await;
    assert_eq!(cancelled["status"], "cancelling", "{cancelled:#}");
    assert_eq!(cancelled["ended_at"], Value::Null, "{cancelled:#}");
    let mut asked = 0;
    let ended = loop {
        let (_, now) = call(&router, "GET", &path(&taken), &Value::Null).await;
        assert_eq!(now["status"] == "cancelled", now["ended_at"].is_string(), "{now:#}");
        if now["status"] == "cancelled" {
            break now;
        }
        assert_eq!(now["status"], "cancelling", "{now:#}");
        cloud.work().await;
        cloud.bench.clock.advance(3);
        asked += 1;
        assert!(asked < 2_000, "it never ends: {now:#}");
    };
    let before = stopped(&cloud).await;
    cloud.settle_jobs().await;
    assert_eq!(stopped(&cloud).await, before, "a worker went on");
    let (status, again) = call(&router, "DELETE", &path(&taken), &Value::Null).await;
    assert_eq!((status, again), (200, ended));
}

/// mass-actions: DELETE "cancels what is left".
#[tokio::test]
async fn r16_a_cancelled_job_has_ended_when_nothing_more_is_done_whoever_dies() {
    for seed in 0..12 {
        Box::pin(told(seed)).await;
    }
}

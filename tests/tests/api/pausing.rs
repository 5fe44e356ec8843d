//! R26: a pause that ends by itself, and all campaigns at once.

use chrono::TimeDelta;
use dacapo_embedded::Operation;
use serde_json::{Value, json};

use crate::called::Called;

/// An API with these campaigns, each of which greets whoever has the tag `Lead`.
async fn with(campaigns: &[&str]) -> Called {
    let api = Called::new().await;
    for id in campaigns {
        let document = json!({
            "id": id,
            "sender": { "address": "hello@studio-nord.example" },
            "elements": {
                "lead": { "type": "start", "when": { "tag": "Lead" }, "next": "hello" },
                "hello": { "type": "email", "email": "hello" }
            },
            "emails": { "hello": { "purpose": "transactional", "subject": id, "text": "Hello" } }
        });
        api.put(&format!("/v1/campaigns/{id}"), &document).await.is(201);
        api.post(&format!("/v1/campaigns/{id}/publish"), &json!({})).await.is(200);
    }
    api
}

async fn lead(api: &Called) {
    api.hook(&json!({ "email": "ann@example.com", "tags": "Lead" })).await;
    api.idle().await;
}

/// Each campaign with how it stands, and until when.
async fn stand(api: &Called) -> Vec<(String, String, Value)> {
    let page = api.get("/v1/campaigns").await.is(200);
    let items = page["items"].as_array().expect("a list").iter();
    let text = |item: &Value, key: &str| item[key].as_str().expect(key).to_owned();
    items.map(|i| (text(i, "id"), text(i, "status"), i["paused_until"].clone())).collect()
}

async fn statuses(api: &Called) -> Vec<String> {
    stand(api).await.into_iter().map(|(_, status, _)| status).collect()
}

async fn subjects(api: &Called) -> Vec<String> {
    let page = api.get("/v1/contacts/email:ann@example.com/messages").await.is(200);
    let all = page["items"].as_array().expect("messages").iter();
    all.map(|one| one["subject"].as_str().expect("a subject").to_owned()).collect()
}

async fn passes(api: &Called, time: TimeDelta) {
    let now = api.embedded.platform.store.now();
    api.embedded.worker.advance(now + time).await;
}

#[tokio::test]
async fn r26_what_is_said_of_a_pause_has_to_make_sense() {
    let api = with(&["greeting"]).await;
    for path in ["/v1/campaigns/greeting/pause", "/v1/campaigns/pause"] {
        for (asked, member, code) in [
            (json!({ "until": "soon" }), "until", "instant"),
            (json!({ "until": "2026-11-01T12:00:00Z" }), "until", "past"),
            (json!({ "mode": "skip" }), "mode", "without_until"),
            (json!({ "since": "2026-11-02" }), "since", "unknown_member"),
        ] {
            let faults = api.post(path, &asked).await.faults(422);
            assert_eq!(faults, [(member.to_owned(), code.to_owned())], "{path} {asked}");
        }
    }
    assert_eq!(statuses(&api).await, ["published"], "nothing was paused");
    api.post("/v1/campaigns/nothing/pause", &json!({ "until": "2026-11-02" })).await.problem(404);
}

#[tokio::test]
async fn r26_a_pause_says_until_when_and_ends_by_itself() {
    let api = with(&["greeting"]).await;
    api.patch("/v1/account", &json!({ "time_zone": "Europe/Berlin" })).await.is(200);
    let asked = json!({ "until": "2026-11-03 08:00" });
    let until = "2026-11-03T07:00:00Z";
    let paused = api.post("/v1/campaigns/greeting/pause", &asked).await.is(200);
    assert_eq!(paused, json!({ "status": "paused", "version": 1, "paused_until": until }));
    lead(&api).await;
    assert_eq!(stand(&api).await, [("greeting".into(), "paused".into(), json!(until))]);
    let statistics = api.get("/v1/campaigns/greeting/statistics").await.is(200);
    assert_eq!(statistics["paused_until"], until);
    let page = api.get("/v1/contacts/email:ann@example.com/enrollments").await.is(200);
    assert_eq!(page["items"][0]["paused_until"], until);
    passes(&api, TimeDelta::hours(42)).await;
    assert_eq!(subjects(&api).await, [""; 0], "one hour is left");
    passes(&api, TimeDelta::hours(1)).await;
    assert_eq!(subjects(&api).await, ["greeting"]);
    assert_eq!(stand(&api).await, [("greeting".into(), "published".into(), Value::Null)]);
    let page = api.get("/v1/contacts/email:ann@example.com/history").await.is(200);
    let causes = page["items"].as_array().expect("lines").iter().map(|line| line["cause"].clone());
    let causes = json!(causes.collect::<Vec<_>>()).to_string();
    assert!(causes.contains("the campaign was resumed by API key admin"), "{causes}");
}

#[tokio::test]
async fn r26_a_pause_whose_timer_was_lost_ends_when_somebody_looks_or_reconciles() {
    for reconciles in [true, false] {
        let api = with(&["greeting"]).await;
        let asked = json!({ "until": "2026-11-01T14:00:00Z" });
        api.post("/v1/campaigns/greeting/pause", &asked).await.is(200);
        lead(&api).await;
        let far = api.embedded.platform.store.now() + TimeDelta::days(1);
        let timers = api.embedded.store.due_timers(far, 10).expect("the timers");
        assert_eq!(timers.len(), 1, "a pause has one timer");
        let lost = timers.into_iter().map(|timer| Operation::Cancel(timer.name)).collect();
        api.embedded.store.commit(lost).await.expect("a commit");
        if reconciles {
            api.post("/v1/mass-actions/reconcile", &json!({})).await.is(202);
            passes(&api, TimeDelta::hours(2)).await;
        } else {
            passes(&api, TimeDelta::hours(2)).await;
            assert_eq!(statuses(&api).await, ["paused"]);
            api.embedded.platform.campaigns.end_pauses().await.expect("what every start does");
            api.idle().await;
        }
        assert_eq!(statuses(&api).await, ["published"], "{reconciles}");
        assert_eq!(subjects(&api).await, ["greeting"], "{reconciles}");
    }
}

#[tokio::test]
async fn r26_all_campaigns_are_paused_and_resumed_together_but_for_those_paused_by_themselves() {
    let api = with(&["a", "b", "c"]).await;
    api.put("/v1/campaigns/d", &json!({ "id": "d", "elements": {} })).await;
    api.post("/v1/campaigns/b/pause", &json!({})).await.is(200);
    let until = json!({ "until": "2026-11-02T08:00:00Z" });
    let paused = api.once("closing", "/v1/campaigns/pause", &until).await.is(200);
    let said = json!({ "paused": 2, "left": 1, "paused_until": "2026-11-02T08:00:00Z" });
    assert_eq!(paused, said);
    assert_eq!(api.once("closing", "/v1/campaigns/pause", &until).await.is(200), said);
    lead(&api).await;
    // One goes on before the others; somebody wants another to stay paused.
    api.post("/v1/campaigns/a/resume", &json!({})).await.is(200);
    api.idle().await;
    assert_eq!(subjects(&api).await, ["a"]);
    passes(&api, TimeDelta::days(1)).await;
    assert_eq!(subjects(&api).await.len(), 2, "c went on by itself");
    assert_eq!(statuses(&api).await[..3], ["published", "paused", "published"]);
    // Without an end, until they are resumed together.
    let paused = api.post("/v1/campaigns/pause", &json!({})).await.is(200);
    assert_eq!(paused, json!({ "paused": 2, "left": 1 }));
    api.post("/v1/campaigns/c/pause", &json!({})).await.is(200);
    let resumed = api.post("/v1/campaigns/resume", &json!({})).await.is(200);
    assert_eq!(resumed, json!({ "resumed": 1, "left": 2 }));
    assert_eq!(statuses(&api).await[..3], ["published", "paused", "paused"]);
    let key = api.key("reads", "read").await;
    api.with_key(&key, "POST", "/v1/campaigns/pause").await.problem(403);
}

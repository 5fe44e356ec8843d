//! What the lints find in a document depends on the campaigns that are published beside it.

use serde_json::{Value, json};

use crate::called::Called;

/// A campaign that begins a new run when a tag is assigned, and changes tags then.
fn campaign(id: &str, on: &str, tags: &Value) -> Value {
    let mut changes = json!({ "type": "tag" });
    for (key, value) in tags.as_object().expect("an object") {
        changes[key] = value.clone();
    }
    json!({
        "id": id,
        "elements": {
            "event": { "type": "event", "on": { "tag_added": on }, "next": "again" },
            "again": { "type": "reset", "next": "tags" },
            "tags": changes,
        }
    })
}

fn greeting(id: &str) -> Value {
    json!({
        "id": id,
        "sender": { "address": "hello@studio-nord.de" },
        "elements": {
            "lead": { "type": "start", "when": { "tag": "Lead" }, "next": "hello" },
            "hello": { "type": "email", "email": "hello" }
        },
        "emails": { "hello": { "subject": "Hello", "text": "Hello" } }
    })
}

/// Publishes it, and answers what was found then.
async fn publish(api: &Called, document: &Value) -> Vec<Value> {
    let path = format!("/v1/campaigns/{}", document["id"].as_str().expect("an id"));
    api.put(&path, document).await.is(201);
    codes(&api.post(&format!("{path}/publish"), &json!({})).await.is(200))
}

async fn found(api: &Called, document: &Value) -> Vec<Value> {
    let id = document["id"].as_str().expect("an id");
    codes(&api.post(&format!("/v1/campaigns/{id}/validate"), document).await.is(200))
}

fn codes(answer: &Value) -> Vec<Value> {
    let problems = answer["problems"].as_array().cloned().unwrap_or_default();
    problems.into_iter().map(|problem| problem["code"].clone()).collect()
}

#[tokio::test]
async fn r42_campaigns_that_set_each_other_off_are_told_before_the_second_is_published() {
    let api = Called::new().await;
    let cold = campaign("cold", "Cold", &json!({ "remove": ["Cold"], "add": ["Warm"] }));
    let warm = campaign("warm", "Warm", &json!({ "remove": ["Warm"], "add": ["Cold"] }));
    api.put("/v1/campaigns/cold", &cold).await.is(201);
    assert_eq!(found(&api, &warm).await, [""; 0], "the other one is only a draft");
    api.post("/v1/campaigns/cold/publish", &json!({})).await.is(200);
    assert_eq!(found(&api, &warm).await, ["D502"]);
    assert_eq!(publish(&api, &warm).await, ["D502"]);
    assert_eq!(found(&api, &cold).await, ["D502"], "it is told in whichever is asked about");
}

#[tokio::test]
async fn two_campaigns_that_send_at_once_are_told_and_none_is_compared_with_itself() {
    let api = Called::new().await;
    assert_eq!(publish(&api, &greeting("hello")).await, [""; 0]);
    assert_eq!(found(&api, &greeting("another")).await, ["D503"]);
    assert_eq!(found(&api, &greeting("hello")).await, [""; 0]);
}

#[tokio::test]
async fn r7_what_a_published_campaign_withdraws_fires_again() {
    let api = Called::new().await;
    let missed = campaign("missed", "Missed", &json!({ "add": ["Called"] }));
    assert_eq!(found(&api, &missed).await, ["D104"]);
    let withdraws = json!({
        "id": "calls",
        "elements": {
            "called": { "type": "event", "on": { "custom": "called" }, "next": "tags" },
            "tags": { "type": "tag", "remove": ["Missed"] },
        }
    });
    publish(&api, &withdraws).await;
    assert_eq!(found(&api, &missed).await, [""; 0]);
}

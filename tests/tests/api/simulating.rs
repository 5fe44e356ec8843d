//! `POST /v1/campaigns/{id}/simulate`: the journey of a scenario, without a trace of it afterwards.

use serde_json::{Value, json};

use crate::called::Called;

fn document(subject: &str) -> Value {
    json!({
        "id": "greeting",
        "sender": { "address": "hello@studio-nord.example" },
        "elements": {
            "lead": { "type": "start", "when": { "tag": "Lead" }, "next": "wait" },
            "wait": { "type": "wait", "for": "1 day", "next": "hello" },
            "hello": { "type": "email", "email": "hello" }
        },
        "emails": { "hello": { "purpose": "transactional", "subject": subject, "text": "Hello" } }
    })
}

fn scenario() -> Value {
    json!({
        "at": "2026-12-01T08:00:00Z",
        "time_zone": "Europe/Berlin",
        "contact": { "email": "ann@example.com", "first_name": "Ann", "tags": ["Lead"] },
        "then": [{ "after": "2 hours", "post": { "last_name": "Lee" } }],
        "until": "2026-12-20T00:00:00Z",
        "expect": {
            "messages": [{ "at": "2026-12-02T08:00:00Z", "subject": "Draft" }],
            "status": "completed"
        }
    })
}

const CALL: &str = "/v1/campaigns/greeting/simulate";

#[tokio::test]
async fn a_scenario_is_played_with_the_draft_a_version_or_a_document() {
    let api = Called::new().await;
    api.put("/v1/campaigns/greeting", &document("Published")).await.is(201);
    api.post("/v1/campaigns/greeting/publish", &json!({})).await.is(200);
    api.put("/v1/campaigns/greeting", &document("Draft")).await.is(200);

    let journey = api.post(CALL, &json!({ "scenario": scenario() })).await.is(200);
    assert_eq!(journey["messages"][0]["subject"], "Draft", "{journey:#}");
    assert_eq!(journey["messages"][0]["at"], "2026-12-02T08:00:00Z");
    assert_eq!(journey["differences"], json!([]));
    assert_eq!(journey["ended"], "2026-12-20T00:00:00Z");
    assert_eq!(journey["enrollments"][0]["status"], "completed");
    let entries = journey["entries"].as_array().expect("entries");
    let wait = entries.iter().find(|entry| entry["kind"] == "wait").expect("a wait");
    assert_eq!(
        (&wait["due"], &wait["local"], &wait["element"]),
        (&json!("2026-12-02T08:00:00Z"), &json!("2026-12-01 09:00:00"), &json!("wait"))
    );
    assert_eq!(journey["findings"], json!([]));

    let asked = json!({ "scenario": scenario(), "version": 1 });
    let journey = api.post(CALL, &asked).await.is(200);
    assert_eq!(journey["messages"][0]["subject"], "Published");
    assert_eq!(journey["differences"][0]["path"], "expect.messages");

    let asked = json!({ "scenario": scenario(), "document": document("Given").to_string() });
    let journey = api.post(CALL, &asked).await.is(200);
    assert_eq!(journey["messages"][0]["subject"], "Given");

    let contacts = api.get("/v1/contacts").await.is(200);
    assert_eq!(contacts["items"], json!([]), "nothing is written");
}

#[tokio::test]
async fn what_cannot_be_played_is_refused_with_its_path() {
    let api = Called::new().await;
    let asked = json!({ "scenario": scenario() });
    api.post(CALL, &asked).await.problem(404);
    api.put("/v1/campaigns/greeting", &document("Draft")).await.is(201);
    for (change, path, code) in [
        (json!({ "scenario": {} }), "scenario.contact", "missing_key"),
        (json!({ "scenario": { "contat": {} } }), "scenario.contat", "unknown_key"),
        (
            json!({ "scenario": { "contact": { "email": "a@example.com" }, "then": [{ "after": "x" }] } }),
            "scenario.then[0].after",
            "invalid_value",
        ),
        (
            json!({ "scenario": { "contact": { "emial": "a@example.com" } } }),
            "scenario.contact.emial",
            "unknown_name",
        ),
        (
            json!({ "scenario": scenario(), "document": "x", "version": 1 }),
            "version",
            "contradiction",
        ),
        (json!({ "scenario": scenario(), "document": "id: greeting" }), "elements", "missing_key"),
    ] {
        let faults = api.post(CALL, &change).await.faults(422);
        assert_eq!(faults, [(path.to_owned(), code.to_owned())], "{change}");
    }
    let asked = json!({ "scenario": scenario(), "version": 7 });
    api.post(CALL, &asked).await.problem(404);
    let asked = json!({ "scenario": scenario(), "campaigns": ["nobody"] });
    api.post(CALL, &asked).await.problem(404);
}

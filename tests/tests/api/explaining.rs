//! `GET /v1/contacts/{id}/explain`: where, since when, why, what comes next, and why not (R61).

use serde_json::{Value, json};

use crate::called::{ADMIN, Called};
use crate::objects::{account, book, until};

const ANN: &str = "/v1/contacts/email:ann@example.com";

const MEETING: &str = r#"
id: meeting
name: Meeting
sender: { name: Studio Nord, address: hello@studio-nord.example }
fields:
  appointment: { type: datetime }
elements:
  lead: { type: start, when: { all: [{ tag: Lead }, { not: { tag: Customer } }] }, next: invite }
  invite: { type: email, email: invite, next: rest }
  rest: { type: wait, for: 1 day, next: booked }
  booked: { type: event, on: { tag_added: Booked }, next: hour_before }
  hour_before: { type: date_timer, field: appointment, offset: -1 hour }
emails:
  invite: { purpose: marketing, subject: Meet, text: Meet }
"#;

/// An account with the campaign.
async fn begun() -> Called {
    let api = Called::new().await;
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    api.bare("PUT", "/v1/campaigns/meeting", &headers, MEETING).await.is(201);
    api
}

async fn hook(api: &Called, body: &Value) {
    api.post("/v1/hooks/contact", body).await.is(200);
    api.idle().await;
}

async fn explained(api: &Called) -> Value {
    api.get(&format!("{ANN}/explain?campaign=meeting")).await.is(200)
}

#[tokio::test]
async fn r61_who_has_not_started_is_told_what_the_start_is_missing() {
    let api = begun().await;
    hook(&api, &json!({ "email": "ann@example.com", "tags": ["Customer"] })).await;
    let told = explained(&api).await;
    assert_eq!((&told["status"], &told["version"]), (&Value::Null, &Value::Null), "{told:#}");
    assert!(told["summary"].as_str().unwrap_or("").contains("No version"), "{told:#}");
    api.post("/v1/campaigns/meeting/publish", &json!({})).await.is(200);
    let told = explained(&api).await;
    assert_eq!(told["missing"]["element"], "lead", "{told:#}");
    assert_eq!(told["missing"]["holds"], false);
    let parts = told["missing"]["parts"].as_array().expect("parts");
    assert_eq!((&parts[0]["text"], &parts[0]["since"]), (&json!("the tag Lead"), &Value::Null));
    assert_eq!(parts[1]["since"], "2026-11-01T12:00:00Z", "since Customer was assigned");
    assert_eq!(parts[1]["parts"][0]["holds"], true);
    assert_eq!(told["where"], json!([]));
}

#[tokio::test]
async fn r61_where_since_when_why_what_next_and_why_a_change_or_a_message_did_not() {
    let api = begun().await;
    api.post("/v1/campaigns/meeting/publish", &json!({})).await.is(200);
    let ann = json!({ "email": "ann@example.com", "consent": "unsubscribed", "tags": ["Lead"], "time_zone": "Europe/Berlin" });
    hook(&api, &ann).await;
    let told = explained(&api).await;
    assert_eq!((&told["status"], &told["run"]), (&json!("active"), &json!(1)), "{told:#}");
    assert_eq!(told["time_zone"], "Europe/Berlin", "that of the sentences");
    let place = &told["where"][0];
    assert_eq!(
        (&place["element"], &place["due"]),
        (&json!("rest"), &json!("2026-11-02T12:00:00Z"))
    );
    assert!(told["why"].as_str().unwrap_or("").contains("tag Lead was added"), "{told:#}");
    assert_eq!(told["next"][0]["at"], "2026-11-02T12:00:00Z");
    assert_eq!(told["missing"], Value::Null);
    let message = &told["last_messages"][0];
    assert_eq!(message["status"], "suppressed", "{told:#}");
    assert_eq!(message["reason"], "the contact unsubscribed");
    assert!(told["last_changes"][0]["effect"].as_str().unwrap_or("").contains("`lead` entered"));
    assert_eq!(told["whole_history"], true);
    // A change from which nothing follows.
    hook(&api, &json!({ "email": "ann@example.com", "tags": ["Lead"] })).await;
    let told = explained(&api).await;
    let last = &told["last_changes"][0];
    assert_eq!(last["why_not"], "`lead` has fired in run 1", "{told:#}");
    assert!(last["text"].as_str().unwrap_or("").starts_with("tag Lead was assigned again"));
}

/// A transactional message that leaves at once defers the lines of the first decision to the next
/// one, which is recorded under the first one's revision.
#[tokio::test]
async fn r61_what_a_change_did_is_told_once_also_if_its_recording_was_deferred() {
    let api = begun().await;
    let confirmed = MEETING.replace("purpose: marketing", "purpose: transactional");
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    api.bare("PUT", "/v1/campaigns/meeting", &headers, confirmed).await.is(200);
    api.post("/v1/campaigns/meeting/publish", &json!({})).await.is(200);
    hook(&api, &json!({ "email": "ann@example.com", "tags": ["Lead"] })).await;
    let told = explained(&api).await;
    let effect = told["last_changes"][0]["effect"].as_str().unwrap_or("");
    assert_eq!(effect.matches("`lead` entered the campaign").count(), 1, "{effect}");
    assert_eq!(effect.matches("message on its way").count(), 1, "{effect}");
    assert_eq!(told["where"][0]["element"], "rest", "{told:#}");
}

#[tokio::test]
async fn r61_what_is_not_there_is_told_with_a_remedy() {
    let api = begun().await;
    hook(&api, &json!({ "email": "ann@example.com" })).await;
    let problem = api.get(&format!("{ANN}/explain?campaign=meting")).await.problem(404);
    assert!(problem["detail"].as_str().unwrap_or("").contains("meeting"), "{problem}");
    let unknown = "/v1/contacts/email:no@example.com/explain?campaign=meeting";
    let problem = api.get(unknown).await.problem(404);
    let detail = problem["detail"].as_str().unwrap_or("");
    assert!(detail.contains("no contact `email:no@example.com`"), "{problem}");
    assert_eq!(api.get(&format!("{ANN}/explain")).await.status.as_u16(), 422);
    api.get(&format!("{ANN}/explain?campaign=meeting&object=a/b")).await.problem(422);
    let reader = api.key("reader", "read").await;
    let path = format!("{ANN}/explain?campaign=meeting");
    api.with_key(&reader, "GET", &path).await.is(200);
}

#[tokio::test]
async fn r61_r71_an_object_is_explained_by_itself() {
    let api = account().await;
    book(&api, "one", "Oslo", "2026-11-03T10:00:00Z").await;
    let path = format!("{ANN}/explain?campaign=appointments");
    let told = api.get(&format!("{path}&object=appointment/one")).await.is(200);
    assert_eq!(told["object"], json!({ "type": "appointment", "key": "one" }), "{told:#}");
    assert_eq!(told["status"], "active");
    // The only one there is need not be named.
    assert_eq!(api.get(&path).await.is(200), told);
    let reset = format!("{ANN}/enrollments/appointments/reset");
    assert_eq!(
        api.post(&reset, &json!({})).await.faults(422)[0].0,
        "object",
        "what is done names it"
    );
    assert!(told["summary"].as_str().unwrap_or("").starts_with("The appointment `one` of ann@"));
    api.get(&format!("{path}&object=appointment/two")).await.problem(404);
    for nth in 2..=12 {
        book(&api, &nth.to_string(), "Oslo", "2026-11-04T10:00:00Z").await;
    }
    let several = api.get(&path).await;
    assert_eq!(several.faults(422), [("object".to_owned(), "subject".to_owned())]);
    for part in
        ["object=appointment/KEY", "`12` (2026-11-04T10:00:00Z, booked), `11`", " and 2 more"]
    {
        assert!(several.text.contains(part), "{part}: {}", several.text);
    }
    hook(&api, &json!({ "email": "bob@example.com" })).await;
    let none = api.get("/v1/contacts/email:bob@example.com/explain?campaign=appointments").await;
    none.problem(422);
    assert!(none.text.contains("the contact has none"), "{}", none.text);
}

/// R61: what is over is the appointment, and not the contact.
#[tokio::test]
async fn r61_who_is_marked_as_missed_too_late_is_told_that_the_appointment_is_over() {
    let api = Called::new().await;
    let campaign = json!({ "id": "meetings", "per": "appointment",
        "objects": { "appointment": { "fields": { "starts_at": { "type": "datetime" }, "status": { "type": "text" } } } },
        "elements": {
            "booked": { "type": "start", "when": { "field": "status", "equals": "booked" }, "next": "over" },
            "over": { "type": "date_timer", "field": "starts_at", "offset": "1 day", "next": "end" },
            "no_show": { "type": "event", "on": { "becomes": { "field": "status", "equals": "no_show" } },
                "requires_active": true, "next": "end" },
            "end": { "type": "end" } } });
    api.put("/v1/campaigns/meetings", &campaign).await.is(201);
    api.post("/v1/campaigns/meetings/publish", &json!({})).await.is(200);
    let one = "/v1/objects/appointment/one";
    let booked = json!({ "starts_at": "2026-11-03T10:00:00Z", "status": "booked" });
    let booked = json!({ "contact": { "email": "ann@example.com" }, "fields": booked });
    api.put(one, &booked).await.is(200);
    api.idle().await;
    until(&api, "2026-12-03T10:00:00Z").await;
    api.put(one, &json!({ "fields": { "status": "no_show" } })).await.is(200);
    api.idle().await;
    let told = api.get(&format!("{ANN}/explain?campaign=meetings")).await.is(200);
    let why = told["last_changes"][0]["why_not"].as_str().unwrap_or("");
    assert!(
        why.contains("`no_show` requires an active appointment (this one is completed)"),
        "{told:#}"
    );
}

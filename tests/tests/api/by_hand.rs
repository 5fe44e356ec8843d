//! Calls by hand for one contact, and traces, as external programs see them.

use dacapo_engine::contact::Author;
use dacapo_engine::decide::Event;
use dacapo_engine::history::Command;
use dacapo_engine::ids::{CampaignId, ContactId};
use serde_json::{Value, json};

use crate::called::{ADMIN, Called};

const ANN: &str = "/v1/contacts/email:ann@example.com";

const MEETING: &str = r#"
id: meeting
name: Meeting
sender: { name: Studio Nord, address: hello@studio-nord.example }
settings: { max_runs_per_day: 1 }
fields:
  appointment: { type: datetime }
elements:
  lead: { type: start, when: { tag: Lead }, next: rest }
  rest: { type: wait, for: 1 day }
  booked: { type: event, on: { tag_added: Booked }, next: confirm }
  confirm: { type: email, email: confirm, next: hour_before }
  hour_before: { type: date_timer, field: appointment, offset: -1 hour }
emails:
  confirm: { purpose: transactional, subject: Confirmed, text: Confirmed }
"#;

/// An account with Ann and the campaign.
async fn begun() -> Called {
    let api = Called::new().await;
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    api.bare("PUT", "/v1/campaigns/meeting", &headers, MEETING).await.is(201);
    api.post("/v1/campaigns/meeting/publish", &json!({})).await.is(200);
    hook(&api, &json!({ "email": "ann@example.com" })).await;
    api
}

async fn hook(api: &Called, body: &Value) {
    api.post("/v1/hooks/contact", body).await.is(200);
    api.idle().await;
}

fn by_hand(what: &str) -> String {
    format!("{ANN}/enrollments/meeting/{what}")
}

/// The newest lines of a kind, each as text.
async fn told(api: &Called, kind: &str) -> Vec<String> {
    let history = api.get(&format!("{ANN}/history?limit=200")).await.is(200);
    let lines = history["items"].as_array().expect("lines").iter();
    let text = |line: &Value| line["text"].as_str().expect("a text").to_owned();
    lines.filter(|line| line["kind"] == kind).map(text).collect()
}

#[tokio::test]
async fn r52_a_contact_is_started_reset_and_stopped_by_hand() {
    let api = begun().await;
    // A contact that was never in it is neither reset nor stopped; a missing one is not started.
    for what in ["reset", "stop"] {
        api.post(&by_hand(what), &json!({})).await.problem(404);
    }
    api.post(&format!("{ANN}/enrollments/nothing/start"), &json!({})).await.problem(404);
    let started = api.post(&by_hand("start"), &json!({})).await.is(200);
    assert_eq!((&started["status"], &started["run"]), (&json!("active"), &json!(1)));
    let refused = api.post(&by_hand("start"), &json!({})).await.problem(409);
    assert_eq!(
        refused["detail"],
        "not started: this run has used the first start; reset the contact first"
    );
    let stopped = api.post(&by_hand("stop"), &json!({})).await.is(200);
    assert_eq!(stopped["status"], "stopped");
    // A second stop has no effect: the history has one line.
    api.post(&by_hand("stop"), &json!({})).await.is(200);
    api.post(&by_hand("start"), &json!({})).await.problem(409);
    let reset = api.post(&by_hand("reset"), &json!({})).await.is(200);
    assert_eq!((&reset["status"], &reset["run"]), (&json!("ready"), &json!(2)));
    api.idle().await;
    assert_eq!(told(&api, "stopped").await.len(), 1);
    assert_eq!(told(&api, "reset").await.len(), 1);
    let history = api.get(&format!("{ANN}/history?campaign=meeting")).await.is(200);
    let newest = &history["items"][0];
    assert_eq!(newest["cause"], "because API key admin asked for it by hand");
}

#[tokio::test]
async fn r40_runs_by_hand_do_not_count() {
    let api = begun().await;
    hook(&api, &json!({ "email": "ann@example.com", "tags": ["Lead"] })).await;
    for run in 2..6 {
        api.post(&by_hand("reset"), &json!({})).await.is(200);
        let started = api.post(&by_hand("start"), &json!({})).await.is(200);
        assert_eq!((&started["status"], &started["run"]), (&json!("active"), &json!(run)));
    }
    // The run after a reset by hand is a trial too, whatever starts it.
    api.post(&by_hand("reset"), &json!({})).await.is(200);
    hook(&api, &json!({ "email": "ann@example.com", "tags": ["Lead"] })).await;
    let enrollments = api.get(&format!("{ANN}/enrollments")).await.is(200);
    assert_eq!(enrollments["items"][0]["status"], "active", "{enrollments}");
}

#[tokio::test]
async fn r11_a_repeat_of_a_reset_by_hand_does_nothing() {
    let api = begun().await;
    api.post(&by_hand("start"), &json!({})).await.is(200);
    let first = api.once("one", &by_hand("reset"), &json!({})).await.is(200);
    let again = api.once("one", &by_hand("reset"), &json!({})).await.is(200);
    assert_eq!(first, again);
    // Even if the answer was lost before it was kept.
    let id = api.ann().await["id"].as_str().expect("an id").to_owned();
    let id = ContactId::new(id).expect("an id");
    let campaign = CampaignId::new("meeting").expect("an id");
    let by = Author::ApiKey("console".to_owned());
    let event = Event::ByHand { command: Command::Reset, by, call: Some(7) };
    for _ in 0..2 {
        api.embedded
            .platform
            .decisions
            .apply_event(&id, &campaign, &event)
            .await
            .expect("an answer");
    }
    let enrollments = api.get(&format!("{ANN}/enrollments")).await.is(200);
    assert_eq!(enrollments["items"][0]["run"], 3, "{enrollments}");
}

/// After its 24 hours an `Idempotency-Key` is a new one: the same call acts again.
#[tokio::test]
async fn r11_the_same_reset_a_day_later_is_another_one() {
    let api = begun().await;
    hook(&api, &json!({ "email": "ann@example.com", "tags": "Lead" })).await;
    let resets = async || told(&api, "reset").await.len();
    api.once("daily", &by_hand("reset"), &json!({})).await.is(200);
    api.once("daily", &by_hand("reset"), &json!({})).await.is(200);
    api.idle().await;
    assert_eq!(resets().await, 1);
    let now = api.embedded.platform.store.now();
    api.embedded.worker.advance(now + chrono::TimeDelta::hours(25)).await;
    let again = api.once("daily", &by_hand("reset"), &json!({})).await;
    again.is(200);
    assert!(!again.headers.contains_key("idempotency-replayed"));
    api.idle().await;
    assert_eq!(resets().await, 2);
    // A refusal is not kept: the key can be used for another call.
    let meeting = by_hand("start");
    api.once("other", &meeting.replace("meeting", "none"), &json!({})).await.problem(404);
    api.once("other", &by_hand("stop"), &json!({})).await.is(200);
}

#[tokio::test]
async fn r60_a_change_from_which_nothing_followed_has_one_line() {
    let api = begun().await;
    let booked = json!({ "email": "ann@example.com", "tags": ["Booked"] });
    hook(&api, &booked).await;
    assert_eq!(told(&api, "nothing_followed").await.len(), 1, "Ann was made");
    hook(&api, &booked).await;
    let lines = told(&api, "nothing_followed").await;
    assert_eq!(
        lines[0],
        "tag Booked was assigned again; nothing followed: `booked` has fired in run 1"
    );
    assert_eq!(lines.len(), 2);
    let history = api.get(&format!("{ANN}/history")).await.is(200);
    let line = &history["items"][0];
    assert_eq!(line["cause"], "because tag Booked was assigned again by API key admin");
    assert_eq!((&line["campaign"], &line["element"]), (&json!("meeting"), &json!("booked")));
    api.post(&by_hand("reset"), &json!({})).await.is(200);
    hook(&api, &booked).await;
    assert_eq!(
        told(&api, "nothing_followed").await[0],
        "tag Booked was assigned again; nothing followed: `booked` reacts to `tag_added`"
    );
    hook(&api, &json!({ "email": "ann@example.com", "tags": ["Else"] })).await;
    assert_eq!(
        told(&api, "nothing_followed").await[0],
        "tag Else was added; nothing followed, no campaign reacts to it"
    );
}

#[tokio::test]
async fn r60_a_post_that_changed_nothing_is_told_once_until_something_happens() {
    let api = begun().await;
    let body = json!({ "email": "ann@example.com", "appointment": "2026-12-02T13:00:00Z" });
    hook(&api, &body).await;
    for _ in 0..3 {
        hook(&api, &body).await;
    }
    let lines = told(&api, "nothing_changed").await;
    assert_eq!(
        lines,
        ["field appointment was sent as it already was; nothing changed: \
          `hour_before` has no path waiting"]
    );
    // No campaign reads the name: no line is written.
    hook(&api, &json!({ "email": "ann@example.com", "first_name": "Ann" })).await;
    hook(&api, &json!({ "email": "ann@example.com", "first_name": "Ann" })).await;
    assert_eq!(told(&api, "nothing_changed").await.len(), 1);
    api.post(&by_hand("start"), &json!({})).await.is(200);
    api.post(&by_hand("reset"), &json!({})).await.is(200);
    hook(&api, &body).await;
    hook(&api, &body).await;
    assert_eq!(told(&api, "nothing_changed").await.len(), 2, "after the reset it is said anew");
    // A tag to remove that the contact does not have.
    let removed = json!({ "add": [], "remove": ["Lead"] });
    api.post(&format!("{ANN}/tags"), &removed).await.is(200);
    let line = "tag Lead was to be removed, which was not there; nothing changed: \
                `lead` is missing the tag Lead";
    assert!(told(&api, "nothing_changed").await.iter().any(|told| told == line));
}

#[tokio::test]
async fn r60_a_line_names_one_zone_and_writes_dates_as_the_account_does() {
    let api = begun().await;
    api.call("PATCH", "/v1/account", Some(&json!({ "locale": "de" }))).await.is(200);
    let body = json!({
        "email": "ann@example.com", "time_zone": "America/New_York", "tags": ["Booked"],
        "appointment": "2026-12-02T13:00:00Z",
    });
    hook(&api, &body).await;
    let timer = told(&api, "timer").await;
    assert_eq!(timer, ["timer set for 02.12.2026, 07:00 Uhr (America/New_York)"]);
    let history = api.get(&format!("{ANN}/history")).await.is(200);
    let zone = |line: &Value| line["time_zone"] == "America/New_York";
    assert!(history["items"].as_array().expect("lines").iter().all(zone), "{history}");
}

#[tokio::test]
async fn r52_of_many_starts_at_once_one_is_taken_and_says_so() {
    let api = begun().await;
    let (path, nothing) = (by_hand("start"), json!({}));
    let start = || api.post(&path, &nothing);
    let (one, two, three, four) = tokio::join!(start(), start(), start(), start());
    let mut statuses = [one, two, three, four].map(|answer| answer.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409]);
    // Repeats with one key are one call, in whatever order.
    api.post(&by_hand("reset"), &nothing).await.is(200);
    let start = || api.once("start-ann", &path, &nothing);
    let (one, two, three, four) = tokio::join!(start(), start(), start(), start());
    for answer in [one, two, three, four] {
        answer.is(200);
    }
    // A call without effect has none when repeated.
    for _ in 0..2 {
        api.once("again", &path, &nothing).await.problem(409);
    }
}

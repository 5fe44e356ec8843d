//! Races: an older change waits in the feed while something else is decided. A standing clock makes
//! each of them deterministic, since nothing is processed between two calls at the same instant
//! unless a test waits for it.

use std::net::TcpListener;

use serde_json::json;

use crate::support::Serve;

const LOOP: &str = "/v1/campaigns/appointment-loop";

fn booked(serve: &Serve, at: &str) {
    serve.post(
        "/v1/hooks/contact",
        &json!({ "email": "ann@example.com", "tags": ["Appointment made"], "appointment": at }),
    );
}

#[test]
fn r21_an_appointment_moved_ten_seconds_before_its_reminder() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    serve.publish("appointment-loop");
    booked(&serve, "2026-12-02T14:00:00Z");
    serve.clock_to("2026-12-02T12:59:50Z");
    serve.post(
        "/v1/hooks/contact",
        &json!({ "email": "ann@example.com", "appointment": "2026-12-03T14:00:00Z" }),
    );
    serve.clock_to("2026-12-02T20:00:00Z");
    assert_eq!(serve.messages().len(), 1, "no reminder for the old time");
    serve.clock_to("2026-12-03T13:00:00Z");
    assert_eq!(serve.messages().len(), 2, "one for the new time");
}

#[test]
fn r51_pause_with_mail_queued_and_resume() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    serve.publish("appointment-loop");
    booked(&serve, "2026-12-02T14:00:00Z");
    serve.clock_to("2026-12-02T12:00:00Z");
    serve.post(&format!("{LOOP}/pause"), &json!({}));
    serve.clock_to("2026-12-02T13:10:00Z");
    assert_eq!(serve.messages().len(), 1, "the reminder waits");
    serve.post(&format!("{LOOP}/resume"), &json!({ "mode": "run" }));
    assert_eq!(serve.messages().len(), 2, "a pause is not lateness");
}

#[test]
fn r51_resume_with_skip_sends_no_overdue_mail() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    serve.publish("appointment-loop");
    serve.post("/v1/hooks/contact", &json!({ "email": "ann@example.com", "tags": "Lead" }));
    serve.clock_to("2026-12-02T08:00:00Z");
    serve.post(&format!("{LOOP}/pause"), &json!({}));
    serve.clock_to("2026-12-05T08:00:00Z");
    serve.post(&format!("{LOOP}/resume"), &json!({ "mode": "skip" }));
    assert_eq!(serve.messages().len(), 1, "only the first invitation");
    let messages = serve.get("/v1/contacts/email:ann@example.com/messages");
    assert_eq!(messages["items"][1]["status"], "suppressed");
    assert_eq!(messages["items"][1]["reason"], "skipped on resume");
}

/// The mail server is unreachable, so the confirmation waits in the queue when the campaign is
/// stopped.
#[test]
fn r31_stop_with_mail_queued() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let smtp = format!("smtp://{nobody}");
    let serve = Serve::start(None, &["--clock", "2026-12-01T08:00:00Z", "--smtp", &smtp]);
    serve.publish("appointment-loop");
    booked(&serve, "2026-12-02T14:00:00Z");
    let confirmation = || {
        let messages = serve.get("/v1/contacts/email:ann@example.com/messages");
        messages["items"].as_array().unwrap().last().unwrap().clone()
    };
    serve.clock_to("2026-12-01T08:00:01Z");
    assert_eq!(confirmation()["status"], "released", "it is tried again");
    serve.post(
        "/v1/mass-actions/stop-campaign",
        &json!({ "campaigns": ["appointment-loop"], "contacts": "enrolled", "reset_contacts": true }),
    );
    serve.clock_to("2026-12-01T09:00:00Z");
    let confirmation = confirmation();
    assert_eq!(confirmation["status"], "suppressed", "{confirmation:#}");
    assert_eq!(confirmation["reason"], "dropped before it left", "{confirmation:#}");
}

#[test]
fn r6_a_trigger_two_seconds_after_publishing() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    serve.post("/v1/hooks/contact", &json!({ "email": "old@example.com", "tags": "Lead" }));
    serve.publish("appointment-loop");
    serve.clock_to("2026-12-01T08:00:02Z");
    serve.post("/v1/hooks/contact", &json!({ "email": "ann@example.com", "tags": "Lead" }));
    let messages = serve.messages();
    assert_eq!(messages.len(), 1, "whoever was there before publishing stays out");
    assert_eq!(messages[0]["to"], "ann@example.com");
}

#[test]
fn r6_enroll_existing_takes_those_who_were_there_before() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    serve.publish("appointment-loop");
    for n in 0..3 {
        let email = format!("contact{n}@example.com");
        serve.post("/v1/hooks/contact", &json!({ "email": email, "tags": "Later" }));
    }
    let document = "
id: later
name: Later
sender: { address: a@example.com }
elements:
  go: { type: start, when: { tag: Later }, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { purpose: transactional, subject: Hello, text: Hello }
";
    serve.publish_text("later", document);
    assert_eq!(serve.messages().len(), 0);
    serve.post("/v1/campaigns/later/publish", &json!({ "enroll_existing": true }));
    assert_eq!(serve.messages().len(), 3);
    serve.post("/v1/campaigns/later/publish", &json!({ "enroll_existing": true }));
    assert_eq!(serve.messages().len(), 3, "r50: publishing enrolls nobody twice");
}

#[test]
fn r1_a_put_repeated_after_an_ambiguous_answer_is_one_change() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    serve.publish("appointment-loop");
    let body = json!({ "email": "ann@example.com", "tags": "Lead" }).to_string();
    let key = [("Idempotency-Key", "zap-1")];
    let first = serve.try_call("POST", "/v1/hooks/contact", &key, &body).unwrap();
    let again = serve.try_call("POST", "/v1/hooks/contact", &key, &body).unwrap();
    assert_eq!(first, again);
    assert_eq!(serve.get("/v1/contacts/email:ann@example.com")["rev"], 1);
    let other = json!({ "email": "ann@example.com", "tags": "Other" }).to_string();
    let (status, _) = serve.try_call("POST", "/v1/hooks/contact", &key, &other).unwrap();
    assert_eq!(status, 422);
    assert_eq!(serve.messages().len(), 1);
}

#[test]
fn r31_unsubscribed_contacts_get_no_marketing_and_are_reminded_all_the_same() {
    let serve = Serve::standing(None, "2026-12-01T08:00:00Z");
    serve.publish("appointment-loop");
    serve.post(
        "/v1/hooks/contact",
        &json!({ "email": "ann@example.com", "tags": "Lead", "consent": "unsubscribed" }),
    );
    booked(&serve, "2026-12-02T14:00:00Z");
    serve.clock_to("2026-12-02T13:00:00Z");
    let messages = serve.messages();
    let elements: Vec<_> = messages.iter().map(|message| &message["element"]).collect();
    assert_eq!(elements, ["confirm", "remind"]);
}

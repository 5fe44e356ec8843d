//! Cal.com, call by call. The payloads are written anew from Cal.com's description of its webhooks,
//! <https://cal.com/docs/developing/guides/automation/webhooks>.

use serde_json::{Value, json};

use super::{calcom, calls, connected, newest, one_date, with_dates};
use crate::called::Called;

pub(super) fn body(event: &str, payload: &Value) -> Value {
    json!({ "triggerEvent": event, "createdAt": "2026-11-01T12:00:00.000Z", "payload": payload })
}

pub(super) fn booking(uid: &str, starts_at: &str) -> Value {
    json!({
        "uid": uid, "title": "First talk", "startTime": starts_at, "location": "Kiel",
        "attendees": [
            { "email": "ann@example.com", "name": "Ann Lee", "timeZone": "Europe/Berlin",
              "language": { "locale": "de" } },
            { "email": "bob@example.com", "name": "Bob Ray", "timeZone": "America/New_York",
              "language": { "locale": "en" } },
        ],
        "responses": { "email": { "value": "ann@example.com" }, "budget": { "label": "Budget", "value": 500 } },
    })
}

async fn status(api: &Called, who: &str) -> Value {
    let contact = api.get(&format!("/v1/contacts/email:{who}@example.com")).await.is(200);
    contact["fields"]["appointment_status"].clone()
}

#[tokio::test]
async fn every_attendee_is_a_contact() {
    let api = with_dates().await;
    let path = connected(&api, "cal", &one_date("calcom")).await;
    let booked = body("BOOKING_CREATED", &booking("b1", "2026-12-01T13:00:00Z"));
    calcom(&api, &path, &booked).await.is(200);
    let ann = api.ann().await;
    assert_eq!(
        ann["fields"],
        json!({ "appointment_at": "2026-12-01T13:00:00Z", "appointment_status": "booked", "budget": 500 })
    );
    assert_eq!((&ann["locale"], &ann["last_name"]), (&json!("de"), &json!("Lee")));
    let bob = api.get("/v1/contacts/email:bob@example.com").await.is(200);
    assert_eq!(bob["fields"]["budget"], Value::Null, "the booker has answered");
    assert_eq!(bob["time_zone"], "America/New_York");
    assert_eq!(newest(&api, "cal").await["made"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_booking_is_moved_missed_by_one_taken_back_and_called_off() {
    let api = with_dates().await;
    let path = connected(&api, "cal", &one_date("calcom")).await;
    let booked = body("BOOKING_CREATED", &booking("b1", "2026-12-01T13:00:00Z"));
    calcom(&api, &path, &booked).await.is(200);
    let mut moved = booking("b2", "2026-12-03T13:00:00Z");
    moved["rescheduleUid"] = json!("b1");
    calcom(&api, &path, &body("BOOKING_RESCHEDULED", &moved)).await.is(200);
    assert_eq!(api.ann().await["fields"]["appointment_at"], "2026-12-03T13:00:00Z");
    for (no_show, expected) in [(true, "no_show"), (false, "booked")] {
        let attendees = json!([{ "email": "ann@example.com", "noShow": no_show }]);
        let payload = json!({ "bookingUid": "b2", "attendees": attendees });
        calcom(&api, &path, &body("BOOKING_NO_SHOW_UPDATED", &payload)).await.is(200);
        assert_eq!(status(&api, "ann").await, expected);
        assert_eq!(status(&api, "bob").await, "booked");
    }
    let mut off = booking("b2", "2026-12-03T13:00:00Z");
    off["cancellationReason"] = json!("ill");
    calcom(&api, &path, &body("BOOKING_CANCELLED", &off)).await.is(200);
    assert_eq!(
        (status(&api, "ann").await, status(&api, "bob").await),
        (json!("cancelled"), json!("cancelled"))
    );
}

/// Where a host confirms, a move is requested, and confirmed by a call that does not name the
/// booking before it.
#[tokio::test]
async fn a_booking_that_a_host_confirms_is_moved_and_rejected() {
    let api = with_dates().await;
    let path = connected(&api, "cal", &one_date("calcom")).await;
    let begin = |day: u32| format!("2026-12-{day:02}T13:00:00Z");
    let comes = async |at: &str, event: &str, uid: &str, day: u32, of: Option<&str>| {
        let mut payload = booking(uid, &begin(day));
        payload["attendees"].as_array_mut().unwrap().truncate(1);
        payload["rescheduleUid"] = json!(of);
        let mut body = body(event, &payload);
        body["createdAt"] = json!(format!("2026-11-01T12:{at}:00.000Z"));
        calcom(&api, &path, &body).await.is(200);
        (api.ann().await["fields"].clone(), api.ann().await["tags"].clone())
    };
    let (fields, tags) = comes("01", "BOOKING_REQUESTED", "b1", 1, None).await;
    assert_eq!(fields["appointment_status"], "waiting");
    assert_eq!(tags, json!({}), "nothing is made yet");
    let (fields, tags) = comes("02", "BOOKING_CREATED", "b1", 1, None).await;
    assert_eq!(fields["appointment_status"], "booked");
    assert!(tags["Appointment made"].is_string(), "{tags}");
    let (fields, _) = comes("03", "BOOKING_REQUESTED", "b2", 3, Some("b1")).await;
    assert_eq!(
        (&fields["appointment_status"], &fields["appointment_at"]),
        (&json!("waiting"), &json!(begin(3)))
    );
    let (fields, _) = comes("04", "BOOKING_CREATED", "b2", 3, None).await;
    assert_eq!(fields["appointment_status"], "booked");
    comes("05", "BOOKING_REQUESTED", "b3", 5, Some("b2")).await;
    let (fields, _) = comes("06", "BOOKING_REJECTED", "b3", 5, None).await;
    assert_eq!(fields["appointment_status"], "cancelled");
}

#[tokio::test]
async fn a_ping_is_ignored_and_one_attendee_without_address_does_not_hide_the_other() {
    let api = with_dates().await;
    let path = connected(&api, "cal", &one_date("calcom")).await;
    calcom(&api, &path, &body("PING", &json!({}))).await.is(200);
    assert_eq!(newest(&api, "cal").await["outcome"], "ignored");
    super::advance(&api, "1 minute").await;
    let mut wrong = booking("b1", "2026-12-01T13:00:00Z");
    wrong["attendees"][1]["email"] = json!("no address");
    calcom(&api, &path, &body("BOOKING_CREATED", &wrong)).await.is(202);
    let call = newest(&api, "cal").await;
    assert_eq!((&call["outcome"], &call["errors"][0]["code"]), (&json!("failed"), &json!("email")));
    assert_eq!(call["made"].as_array().unwrap().len(), 1);
    assert_eq!(status(&api, "ann").await, "booked");
}

#[tokio::test]
async fn a_copy_of_what_may_be_forgotten_is_not_done_again() {
    let api = with_dates().await;
    let path = connected(&api, "cal", &one_date("calcom")).await;
    let booked = body("BOOKING_CREATED", &booking("b1", "2026-12-01T13:00:00Z"));
    calcom(&api, &path, &booked).await.is(200);
    let rev = api.ann().await["rev"].clone();
    for days in [12, 10] {
        super::advance(&api, &format!("{days} days")).await;
        calcom(&api, &path, &booked).await.is(200);
        assert_eq!(api.ann().await["rev"], rev);
    }
    let call = newest(&api, "cal").await;
    assert_eq!(call["outcome"], "ignored", "{call}");
    assert_eq!(calls(&api, "cal").await.len(), 1, "the first has gone");
}

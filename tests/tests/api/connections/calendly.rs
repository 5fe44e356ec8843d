//! Calendly, call by call. The payloads are written anew from Calendly's description of its
//! webhooks, <https://developer.calendly.com/docs/webhooks/overview>.

use serde_json::{Value, json};

use super::{NOON, calendly, calls, connected, newest, one_date, with_dates};
use crate::called::Called;

pub(super) fn body(event: &str, invitee: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut payload = json!({
        "uri": format!("https://api.calendly.example/scheduled_events/E/invitees/{invitee}"),
        "email": "ann@example.com", "name": "Ann Lee", "timezone": "Europe/Berlin",
        "rescheduled": false, "old_invitee": null, "new_invitee": null,
        "questions_and_answers": [
            { "question": "Budget", "answer": "500", "position": 0 },
            { "question": "Your email again?", "answer": "other@example.com", "position": 1 },
        ],
        "scheduled_event": { "name": "First talk", "start_time": "2026-12-01T13:00:00.000000Z" },
    });
    change(&mut payload);
    json!({ "event": event, "created_at": "2026-11-01T12:00:00.000000Z", "payload": payload })
}

async fn told(api: &Called, path: &str, body: &Value) {
    calendly(api, path, NOON, body).await.is(200);
}

#[tokio::test]
async fn a_booking_becomes_a_contact_with_its_date_and_its_answers() {
    let api = with_dates().await;
    let path = connected(&api, "calendly", &one_date("calendly")).await;
    let answer = calendly(&api, &path, NOON, &body("invitee.created", "I1", |_| {})).await;
    answer.is(200);
    assert_eq!(answer.text, "OK");
    let ann = api.ann().await;
    assert_eq!((&ann["first_name"], &ann["last_name"]), (&json!("Ann"), &json!("Lee")));
    assert_eq!(ann["time_zone"], "Europe/Berlin");
    assert_eq!(
        ann["fields"],
        json!({ "appointment_at": "2026-12-01T13:00:00Z", "appointment_status": "booked", "budget": 500 })
    );
    assert!(ann["tags"]["Appointment made"].is_string(), "{ann}");
    let call = newest(&api, "calendly").await;
    assert_eq!((&call["event"], &call["outcome"]), (&json!("invitee.created"), &json!("done")));
    assert_eq!(call["why"], Value::Null);
    // What nothing is called like is left out, and said by name.
    let left_out = call["errors"].as_array().unwrap();
    assert_eq!((left_out.len(), &left_out[0]["code"]), (1, &json!("unknown_field")));
    assert_eq!(left_out[0]["path"], "/payload/questions_and_answers/1/answer");
    let message = left_out[0]["message"].as_str().unwrap();
    assert!(message.contains("\"Your email again?\"") && !message.contains('@'), "{message}");
    assert_eq!(
        call["made"],
        json!([{ "contact_id": ann["id"], "created": true, "changed": true, "object": null }])
    );
    assert_eq!(call["expires_at"], "2026-11-15T12:00:00Z");
    let history = api.get("/v1/contacts/email:ann@example.com/history").await;
    assert!(!history.text.contains("signing"), "{}", history.text);
}

#[tokio::test]
async fn a_move_is_one_booking_in_either_order() {
    for created_first in [true, false] {
        let api = with_dates().await;
        let path = connected(&api, "calendly", &one_date("calendly")).await;
        told(&api, &path, &body("invitee.created", "I1", |_| {})).await;
        let moved = body("invitee.created", "I2", |payload| {
            payload["old_invitee"] =
                json!("https://api.calendly.example/scheduled_events/E/invitees/I1");
            payload["scheduled_event"]["start_time"] = json!("2026-12-03T13:00:00Z");
        });
        let over = body("invitee.canceled", "I1", |payload| payload["rescheduled"] = json!(true));
        let both = if created_first { [&moved, &over] } else { [&over, &moved] };
        for one in both {
            told(&api, &path, one).await;
        }
        let fields = api.ann().await["fields"].clone();
        assert_eq!(fields["appointment_at"], "2026-12-03T13:00:00Z");
        assert_eq!(fields["appointment_status"], "booked");
        let all = calls(&api, "calendly").await;
        let ignored = all.iter().find(|call| call["outcome"] == "ignored").expect("the other half");
        assert!(ignored["why"].as_str().unwrap().contains("moved"), "{ignored}");
    }
}

#[tokio::test]
async fn a_booking_is_called_off_missed_and_taken_back() {
    let api = with_dates().await;
    let path = connected(&api, "calendly", &one_date("calendly")).await;
    for (event, status) in [
        ("invitee.created", "booked"),
        ("invitee_no_show.created", "no_show"),
        ("invitee_no_show.deleted", "booked"),
        ("invitee.canceled", "cancelled"),
    ] {
        told(&api, &path, &body(event, "I1", |_| {})).await;
        assert_eq!(api.ann().await["fields"]["appointment_status"], status, "{event}");
    }
}

#[tokio::test]
async fn an_unknown_event_is_ignored_and_a_missing_part_is_kept() {
    let api = with_dates().await;
    let path = connected(&api, "calendly", &one_date("calendly")).await;
    told(&api, &path, &json!({ "event": "event_type.created", "payload": {} })).await;
    let call = newest(&api, "calendly").await;
    assert_eq!(
        (&call["outcome"], &call["event"]),
        (&json!("ignored"), &json!("event_type.created"))
    );
    super::advance(&api, "1 minute").await;
    let nameless = body("invitee.created", "I1", |payload| payload["email"] = json!(null));
    calendly(&api, &path, NOON + 60, &nameless).await.is(202);
    let call = newest(&api, "calendly").await;
    assert_eq!(call["outcome"], "failed");
    assert_eq!(
        (&call["errors"][0]["path"], &call["errors"][0]["code"]),
        (&json!("/payload/email"), &json!("required"))
    );
    super::advance(&api, "1 minute").await;
    calendly(&api, &path, NOON + 120, &json!([])).await.is(202);
    assert_eq!(newest(&api, "calendly").await["errors"][0]["path"], "/event");
}

#[tokio::test]
async fn the_same_delivery_again_is_done_once_though_it_is_signed_anew() {
    let api = with_dates().await;
    let path = connected(&api, "calendly", &one_date("calendly")).await;
    let booked = body("invitee.created", "I1", |_| {});
    told(&api, &path, &booked).await;
    let rev = api.ann().await["rev"].clone();
    super::advance(&api, "4 days").await;
    calendly(&api, &path, NOON + 4 * 86_400, &booked).await.is(200);
    assert_eq!(api.ann().await["rev"], rev, "a tag that is assigned again would be a change");
    assert_eq!(calls(&api, "calendly").await.len(), 1);
}

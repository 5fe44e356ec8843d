//! Calendly's webhooks, version 2.
//!
//! | event | means |
//! |---|---|
//! | `invitee.created` | booked; with `old_invitee` the booking takes that one's place |
//! | `invitee.canceled` | cancelled; with `rescheduled` ignored: the former tells of the move |
//! | `invitee_no_show.created` | the person did not come |
//! | `invitee_no_show.deleted` | that was taken back: booked |
//!
//! What is told of a no-show may name its invitee and nothing else: then the person is the one
//! whose object that is.
//!
//! A booking is found by its invitee's `uri`. Its calls come in any order, and again: each says
//! when it happened, and an invitee who cancelled never comes back, since a new booking is a new
//! invitee. Everything else is ignored, and says so.
//!
//! What is read is described in <https://developer.calendly.com/docs/webhooks/overview>; the
//! invitee in
//! <https://developer.calendly.com/api-docs/calendly-api/scheduled-events/get-event-invitee>; a
//! move in
//! <https://developer.calendly.com/see-how-webhook-payloads-change-when-invitees-reschedule-events>.

use dacapo_engine::contact::{Telling, ToldAt};
use serde_json::{Map, Value};

use crate::Instant;
use crate::connections::incoming::{
    Answered, Incoming, IncomingObject, Misfit, Understood, happened, instant_at, put, text_at,
};

/// What a call of Calendly means that came at an instant.
///
/// # Errors
///
/// What is missing.
pub(super) fn understand(body: &Value, came: Instant) -> Result<Understood, Vec<Misfit>> {
    let Some(event) = text_at(body, "/event") else {
        return Err(vec![Misfit::missing("/event", "the name of the event")]);
    };
    let Some(payload) = body.get("payload").filter(|payload| payload.is_object()) else {
        return Err(vec![Misfit::missing("/payload", "the invitee")]);
    };
    let status = match event {
        "invitee.created" | "invitee_no_show.deleted" => "booked",
        "invitee.canceled" if payload.get("rescheduled") == Some(&Value::Bool(true)) => {
            let why = "the booking was moved: the new time comes with invitee.created";
            return Ok(Understood::ignored(event, why));
        }
        "invitee.canceled" => "cancelled",
        "invitee_no_show.created" => "no_show",
        other => {
            let why =
                format!("{other} says nothing about a booking; leave it out of the subscription");
            return Ok(Understood::ignored(event, why));
        }
    };
    // What is told of a no-show may be the invitee, or a thing of its own that names the invitee.
    let invitee = payload.get("invitee").filter(|invitee| invitee.is_object()).unwrap_or(payload);
    let named = text_at(payload, "/invitee").filter(|_| event.starts_with("invitee_no_show"));
    let mut missing = Vec::new();
    let key = named.or_else(|| text_at(invitee, "/uri"));
    if key.is_none() {
        missing.push(Misfit::missing("/payload/uri", "the invitee's URI"));
    }
    if text_at(invitee, "/email").is_none() && named.is_none() {
        missing.push(Misfit::missing("/payload/email", "the invitee's e-mail address"));
    }
    let starts_at = text_at(invitee, "/scheduled_event/start_time");
    if event == "invitee.created" && starts_at.is_none() {
        missing.push(Misfit::missing("/payload/scheduled_event/start_time", "the begin"));
    }
    let Some(key) = key.filter(|_| missing.is_empty()) else { return Err(missing) };
    // Whoever has cancelled stays away, whatever is taken back afterwards.
    let gone =
        event == "invitee_no_show.deleted" && text_at(invitee, "/status") == Some("canceled");
    let status = if gone { "cancelled" } else { status };
    // Every call about an invitee names the one before: the first of them tells of the move.
    let replaces = text_at(invitee, "/old_invitee").map(str::to_owned);
    let mut object = IncomingObject { key: key.to_owned(), replaces, ..IncomingObject::default() };
    let at = |pointer| text_at(invitee, pointer);
    put(
        &mut object.fields,
        [
            ("status", Some(status)),
            ("starts_at", starts_at),
            ("ends_at", at("/scheduled_event/end_time")),
            ("title", at("/scheduled_event/name")),
            ("place", place(invitee)),
            ("cancel_url", at("/cancel_url")),
            ("reschedule_url", at("/reschedule_url")),
            ("reason", at("/cancellation/reason")),
        ],
    );
    let incoming = Incoming {
        contact: contact(invitee),
        answers: answers(invitee),
        object: Some(object),
        tagged: status == "booked",
        told: Some(told(event, status, body, came)),
        ..Incoming::default()
    };
    Ok(Understood::incoming(Some(event), vec![incoming]))
}

/// When it happened. The call itself has a time as well, but one that is delivered again later
/// might have a later one; so what the invitee says comes first.
fn told(event: &str, status: &str, body: &Value, at: Instant) -> Telling {
    let (own, rank) = match event {
        "invitee.created" => (instant_at(body, "/payload/created_at"), 0),
        "invitee_no_show.created" => {
            let named =
                || body.pointer("/payload/invitee").and(instant_at(body, "/payload/created_at"));
            (instant_at(body, "/payload/no_show/created_at").or_else(named), 1)
        }
        "invitee.canceled" => (instant_at(body, "/payload/cancellation/created_at"), 3),
        _ => (None, 2),
    };
    let happened = happened(own.or_else(|| instant_at(body, "/created_at")), at);
    let told = ToldAt::new(happened, rank);
    let status = if status == "cancelled" { told.finally() } else { told };
    Telling { status, details: (event == "invitee.created").then_some(told) }
}

fn contact(invitee: &Value) -> Map<String, Value> {
    let at = |pointer| text_at(invitee, pointer);
    let mut members = Map::new();
    put(
        &mut members,
        [
            ("email", at("/email")),
            ("first_name", at("/first_name")),
            ("last_name", at("/last_name")),
            ("name", at("/name")),
            ("time_zone", at("/timezone")),
            ("phone", at("/text_reminder_number")),
        ],
    );
    members
}

/// Where it takes place: the link to a call, else the place.
fn place(invitee: &Value) -> Option<&str> {
    let at = |pointer| text_at(invitee, pointer);
    at("/scheduled_event/location/join_url").or_else(|| at("/scheduled_event/location/location"))
}

fn answers(invitee: &Value) -> Vec<Answered> {
    let asked = invitee.get("questions_and_answers").and_then(Value::as_array);
    let answered = asked.into_iter().flatten().enumerate().filter_map(|(nth, one)| {
        let question = text_at(one, "/question")?.to_owned();
        let place = format!("/payload/questions_and_answers/{nth}/answer");
        Some(Answered { question, answer: text_at(one, "/answer")?.to_owned(), place })
    });
    answered.collect()
}

/// The payloads here are written anew from the descriptions that the module names.
#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use serde_json::json;

    fn noon() -> Instant {
        "2026-11-01T12:00:00Z".parse().unwrap()
    }

    fn understand(body: &Value) -> Result<Understood, Vec<Misfit>> {
        super::understand(body, noon())
    }

    fn invitee() -> Value {
        json!({
            "uri": "https://api.calendly.example/scheduled_events/E1/invitees/I1",
            "email": "ann@example.com", "name": "Ann Lee", "first_name": null, "last_name": null,
            "timezone": "Europe/Berlin", "status": "active", "rescheduled": false,
            "old_invitee": null, "new_invitee": null, "text_reminder_number": "+49 30 1",
            "cancel_url": "https://calendly.example/cancellations/I1",
            "reschedule_url": "https://calendly.example/reschedulings/I1",
            "questions_and_answers": [
                { "question": "Budget", "answer": "500", "position": 0 },
                { "question": "Nothing", "answer": "", "position": 1 },
            ],
            "scheduled_event": {
                "uri": "https://api.calendly.example/scheduled_events/E1", "name": "First talk",
                "start_time": "2026-12-01T13:00:00.000000Z", "end_time": "2026-12-01T13:30:00.000000Z",
                "location": { "type": "zoom", "join_url": "https://zoom.example/1" },
            },
        })
    }

    fn one(event: &str, change: impl FnOnce(&mut Value)) -> Incoming {
        let mut payload = invitee();
        change(&mut payload);
        let body = json!({ "event": event, "payload": payload });
        let understood = understand(&body).unwrap();
        assert_eq!(understood.event.as_deref(), Some(event));
        understood.what.unwrap().remove(0)
    }

    #[test]
    fn a_booking_is_a_contact_and_an_object() {
        let booked = one("invitee.created", |_| {});
        assert_eq!(
            Value::Object(booked.contact),
            json!({ "email": "ann@example.com", "name": "Ann Lee", "time_zone": "Europe/Berlin", "phone": "+49 30 1" })
        );
        let object = booked.object.unwrap();
        assert!(object.key.ends_with("/invitees/I1") && object.replaces.is_none());
        assert_eq!(
            Value::Object(object.fields),
            json!({
                "status": "booked", "starts_at": "2026-12-01T13:00:00.000000Z", "title": "First talk",
                "ends_at": "2026-12-01T13:30:00.000000Z", "place": "https://zoom.example/1",
                "cancel_url": "https://calendly.example/cancellations/I1",
                "reschedule_url": "https://calendly.example/reschedulings/I1",
            })
        );
        let place = "/payload/questions_and_answers/0/answer".to_owned();
        let answered = Answered { question: "Budget".to_owned(), answer: "500".to_owned(), place };
        assert_eq!(booked.answers, [answered]);
        assert!(booked.tagged);
    }

    #[test]
    fn a_move_is_told_once_in_either_order() {
        let moved = one("invitee.created", |payload| payload["old_invitee"] = json!("…/I0"));
        assert_eq!(moved.object.unwrap().replaces.as_deref(), Some("…/I0"));
        let mut payload = invitee();
        payload["rescheduled"] = json!(true);
        let other =
            understand(&json!({ "event": "invitee.canceled", "payload": payload })).unwrap();
        assert!(other.what.unwrap_err().contains("moved"));
    }

    #[test]
    fn what_is_cancelled_or_missed_keeps_its_key() {
        for (event, status) in [
            ("invitee.canceled", "cancelled"),
            ("invitee_no_show.created", "no_show"),
            ("invitee_no_show.deleted", "booked"),
        ] {
            let told = one(event, |payload| payload["cancellation"] = json!({ "reason": "ill" }));
            let object = told.object.unwrap();
            assert_eq!(
                (&object.fields["status"], &object.fields["reason"]),
                (&json!(status), &json!("ill"))
            );
            assert!(object.key.ends_with("I1"));
            assert_eq!(told.tagged, status == "booked");
        }
        let named = one("invitee_no_show.created", |payload| payload["invitee"] = json!("…/I7"));
        assert_eq!(named.object.unwrap().key, "…/I7");
        // What was missed may be all that is said.
        let body = json!({ "event": "invitee_no_show.created", "payload": {
            "uri": "…/invitee_no_shows/N", "invitee": "…/I7", "created_at": "2026-12-01T14:00:00Z" } });
        let bare = understand(&body).unwrap().what.unwrap().remove(0);
        assert_eq!((bare.object.unwrap().key.as_str(), bare.contact.len()), ("…/I7", 0));
        let missed = "2026-12-01T14:00:00Z".parse().unwrap();
        assert_eq!(bare.told.unwrap().status, ToldAt::new(missed, 1));
    }

    /// 0054: a booking's calls have one order, whatever the order in which they come.
    #[test]
    fn what_happened_to_a_booking_has_one_order() {
        let told = |event: &str, own: &str, minutes: i64| {
            let mut payload = invitee();
            let at = |minutes| json!(noon() + TimeDelta::minutes(minutes));
            payload["created_at"] = at(0);
            if !own.is_empty() {
                payload[own] = json!({ "created_at": at(minutes) });
            }
            // The call was made anew when it was delivered again.
            let body = json!({ "event": event, "created_at": at(99), "payload": payload });
            understand(&body).unwrap().what.unwrap()[0].told.unwrap().status
        };
        let created = told("invitee.created", "", 0);
        let missed = told("invitee_no_show.created", "no_show", 5);
        let deleted = told("invitee_no_show.deleted", "", 9);
        let cancelled = told("invitee.canceled", "cancellation", 1);
        assert!(created < missed && missed < deleted && deleted < cancelled);
        // Where nothing says a time, the call is as late as it came.
        let timeless = json!({ "event": "invitee.created", "payload": invitee() });
        let timeless = understand(&timeless).unwrap().what.unwrap()[0].told.unwrap();
        assert_eq!(timeless.status, ToldAt::new(noon(), 0));
        assert_eq!(timeless.details, Some(timeless.status));
    }

    #[test]
    fn who_has_cancelled_is_not_booked_by_what_is_taken_back() {
        let back = one("invitee_no_show.deleted", |payload| payload["status"] = json!("canceled"));
        assert_eq!(back.object.unwrap().fields["status"], "cancelled");
        assert!(!back.tagged);
    }

    #[test]
    fn what_is_missing_is_named_and_what_is_unknown_is_ignored() {
        let told = |body: Value| {
            let missing = understand(&body).unwrap_err();
            missing.into_iter().map(|one| one.path).collect::<Vec<_>>()
        };
        assert_eq!(told(json!({})), ["/event"]);
        assert_eq!(told(json!([])), ["/event"]);
        assert_eq!(told(json!({ "event": "invitee.created", "payload": 1 })), ["/payload"]);
        let all = ["/payload/uri", "/payload/email", "/payload/scheduled_event/start_time"];
        assert_eq!(told(json!({ "event": "invitee.created", "payload": {} })), all);
        assert_eq!(told(json!({ "event": "invitee.canceled", "payload": {} })), all[..2]);
        let other = json!({ "event": "routing_form_submission.created", "payload": {} });
        assert!(understand(&other).unwrap().what.unwrap_err().contains("routing_form"));
    }
}

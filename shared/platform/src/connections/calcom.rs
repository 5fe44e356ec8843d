//! Cal.com's webhooks, with their usual body.
//!
//! | event | means |
//! |---|---|
//! | `BOOKING_CREATED` | booked, or confirmed |
//! | `BOOKING_RESCHEDULED` | booked |
//! | `BOOKING_REQUESTED` | waiting for the host to confirm it |
//! | `BOOKING_CANCELLED`, `BOOKING_REJECTED` | cancelled |
//! | `BOOKING_NO_SHOW_UPDATED` | the person did not come; with `noShow: false` that is taken back |
//!
//! A booking with `rescheduleUid` takes the place of that one. Where a host has to confirm, a move
//! comes as requested and not as rescheduled (<https://github.com/calcom/cal.com/issues/21169>).
//!
//! Every attendee is a contact, and has an object of its own: its key is the booking's `uid`, a
//! dot, and a hash of the address. It is made so for one attendee too, because a later call may
//! name only some of several. Its calls come in any order, and again: `createdAt` says when what
//! they tell happened. Everything else is ignored, and says so.
//!
//! In an event with seats a booking names everybody who has a seat, and only one of them is new; a
//! cancellation names the one whose seat it was. Whoever gave up a seat may take one again, so that
//! a cancellation is not the end of a key.
//!
//! What is read is described in <https://cal.com/docs/developing/guides/automation/webhooks>, and
//! in Cal.com's source, `packages/features/webhooks/lib/sendPayload.ts` (body, signature, no-show)
//! and `packages/features/bookings/lib/handleSeats` (seats).

use chrono::TimeDelta;
use dacapo_engine::address::folded;
use dacapo_engine::contact::{Telling, ToldAt};
use serde_json::{Map, Value};

use crate::Instant;
use crate::connections::incoming::{
    Answered, Incoming, IncomingObject, Misfit, Understood, happened, instant_at, put, text_at,
};
use crate::connections::mapping::{WAITING, plain};
use crate::connections::stored::CALLS_KEPT;
use crate::json_tree::beneath;
use crate::keys::sha256;

/// Answers that are told elsewhere in the body.
const TOLD_ELSEWHERE: [&str; 6] =
    ["name", "email", "guests", "location", "title", "rescheduleReason"];

/// How many attendees of a booking are taken.
const MOST_ATTENDEES: usize = 500;

/// How many digits of the hash of an address are in a key.
const DIGITS: usize = 16;

/// What a call of Cal.com means that came at an instant.
///
/// # Errors
///
/// What is missing.
pub(super) fn understand(body: &Value, at: Instant) -> Result<Understood, Vec<Misfit>> {
    let Some(event) = text_at(body, "/triggerEvent") else {
        return Err(vec![Misfit::missing("/triggerEvent", "the name of the event")]);
    };
    let Some(payload) = body.get("payload").filter(|payload| payload.is_object()) else {
        return Err(vec![Misfit::missing("/payload", "the booking")]);
    };
    let (status, uid) = match event {
        "BOOKING_CREATED" | "BOOKING_RESCHEDULED" => (Some("booked"), "/uid"),
        "BOOKING_REQUESTED" => (Some(WAITING), "/uid"),
        "BOOKING_CANCELLED" | "BOOKING_REJECTED" => (Some("cancelled"), "/uid"),
        "BOOKING_NO_SHOW_UPDATED" => (None, "/bookingUid"),
        "PING" => {
            let why = "it is the tool's test: the secret is right, and there is nothing to do";
            return Ok(Understood::ignored(event, why));
        }
        other => {
            let why = format!(
                "{other} says nothing about a booking; untick it in the webhook's triggers"
            );
            return Ok(Understood::ignored(event, why));
        }
    };
    let mut missing = Vec::new();
    let key = text_at(payload, uid);
    if key.is_none() {
        missing.push(Misfit::missing(&format!("/payload{uid}"), "the booking's id"));
    }
    if matches!(status, Some("booked" | WAITING)) && text_at(payload, "/startTime").is_none() {
        missing.push(Misfit::missing("/payload/startTime", "the begin"));
    }
    let attendees = payload.get("attendees").and_then(Value::as_array);
    let attendees = attendees.filter(|attendees| !attendees.is_empty());
    if attendees.is_none() {
        missing.push(Misfit::missing("/payload/attendees", "who is coming"));
    }
    if let Some(many) = attendees.filter(|attendees| attendees.len() > MOST_ATTENDEES) {
        let message = format!("{} are coming; at most {MOST_ATTENDEES} are taken", many.len());
        return Err(vec![Misfit::new("/payload/attendees", "too_many", message)]);
    }
    for (nth, one) in attendees.into_iter().flatten().enumerate() {
        let path = format!("/payload/attendees/{nth}");
        if text_at(one, "/email").is_none() {
            missing.push(Misfit::missing(&format!("{path}/email"), "the attendee's address"));
        }
        if status.is_none() && one.get("noShow").and_then(Value::as_bool).is_none() {
            missing.push(Misfit::missing(&format!("{path}/noShow"), "whether the person came"));
        }
    }
    let (Some(key), Some(attendees)) = (key.filter(|_| missing.is_empty()), attendees) else {
        return Err(missing);
    };
    let replaces = text_at(payload, "/rescheduleUid").filter(|_| status.is_some());
    let booker = text_at(payload, "/responses/email/value").map(folded);
    let booker = attendees.iter().position(|one| address(one) == booker);
    let happened = happened(instant_at(body, "/createdAt"), at);
    // With seats all who have one are named: nobody but the booker has just booked.
    let seats = payload.get("seatsPerTimeSlot").is_some_and(Value::is_number);
    let each = attendees.iter().enumerate().map(|(nth, attendee)| {
        let missed = attendee.get("noShow") == Some(&Value::Bool(true));
        let status = status.unwrap_or(if missed { "no_show" } else { "booked" });
        let whose = sha256(&address(attendee).unwrap_or_default());
        let key_of = |uid: &str| format!("{uid}.{}", &whose[..DIGITS]);
        let mut fields = booking(payload);
        put(&mut fields, [("status", Some(status))]);
        let replaces = replaces.filter(|old| *old != key).map(key_of);
        let kind = String::new();
        Incoming {
            contact: contact(attendee),
            answers: if nth == booker.unwrap_or(0) { answers(payload) } else { Vec::new() },
            object: Some(IncomingObject { kind, key: key_of(key), replaces, fields }),
            tagged: status == "booked" && booker.is_none_or(|booker| !seats || nth == booker),
            told: Some(told(event, status, happened)),
            ..Incoming::default()
        }
    });
    Ok(Understood::incoming(Some(event), each.collect()))
}

/// When it happened. What comes with a cancellation besides says only again what was booked.
fn told(event: &str, status: &str, happened: Instant) -> Telling {
    let rank = match (event, status) {
        ("BOOKING_REQUESTED", _) => 0,
        ("BOOKING_CREATED", _) => 1,
        ("BOOKING_RESCHEDULED", _) => 2,
        (_, "no_show") => 3,
        (_, "booked") => 4,
        _ => 5,
    };
    let status = ToldAt::new(happened, rank);
    Telling { status, details: (rank < 3).then_some(status) }
}

/// Whether a call is so old that an earlier copy of it may have expired.
pub(super) fn is_outdated(body: &Value, now: Instant) -> bool {
    instant_at(body, "/createdAt").is_some_and(|at| now - at > CALLS_KEPT - TimeDelta::days(1))
}

fn address(attendee: &Value) -> Option<String> {
    text_at(attendee, "/email").map(folded)
}

fn contact(attendee: &Value) -> Map<String, Value> {
    let at = |pointer| text_at(attendee, pointer);
    let mut members = Map::new();
    put(
        &mut members,
        [
            ("email", at("/email")),
            ("name", at("/name")),
            ("time_zone", at("/timeZone")),
            ("locale", at("/language/locale")),
            ("phone", at("/phoneNumber")),
        ],
    );
    members
}

fn booking(payload: &Value) -> Map<String, Value> {
    let at = |pointer| text_at(payload, pointer);
    let place = at("/videoCallData/url").or_else(|| at("/metadata/videoCallUrl"));
    let mut fields = Map::new();
    put(
        &mut fields,
        [
            ("starts_at", at("/startTime")),
            ("ends_at", at("/endTime")),
            ("title", at("/title")),
            ("place", place.or_else(|| at("/location").filter(|place| !is_code(place)))),
            ("reason", at("/cancellationReason")),
        ],
    );
    fields
}

/// Whether a location is Cal.com's name for an app, such as `integrations:daily`, and no place.
fn is_code(location: &str) -> bool {
    location.starts_with("integrations:")
}

fn answers(payload: &Value) -> Vec<Answered> {
    let asked = payload.get("responses").and_then(Value::as_object);
    let asked = asked.into_iter().flatten();
    let answered = asked.filter(|(name, _)| !TOLD_ELSEWHERE.contains(&name.as_str()));
    let answered = answered.filter_map(|(name, one)| {
        let question = text_at(one, "/label").unwrap_or(name).to_owned();
        let answer = one.get("value").and_then(plain).filter(|answer| !answer.is_empty())?;
        let place = beneath(&beneath("/payload/responses", name), "value");
        Some(Answered { question, answer, place })
    });
    answered.collect()
}

/// The payloads here are written anew from the descriptions that the module names.
#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn understand(body: &Value) -> Result<Understood, Vec<Misfit>> {
        super::understand(body, "2026-11-01T12:00:00Z".parse().unwrap())
    }

    fn booked() -> Value {
        json!({
            "triggerEvent": "BOOKING_CREATED", "createdAt": "2026-11-01T12:00:00.000Z",
            "payload": {
                "uid": "b1", "title": "First talk", "status": "ACCEPTED",
                "startTime": "2026-12-01T13:00:00Z", "endTime": "2026-12-01T13:30:00Z",
                "location": "Kiel",
                "attendees": [
                    { "email": "bob@example.com", "name": "Bob Ray", "timeZone": "America/New_York",
                      "language": { "locale": "en" } },
                    { "email": "Ann@Example.com", "name": "Ann Lee", "timeZone": "Europe/Berlin",
                      "language": { "locale": "de" } },
                ],
                "responses": {
                    "email": { "label": "email_address", "value": "ann@example.com" },
                    "budget": { "label": "Budget", "value": 500 },
                    "notes": { "label": "notes", "value": "" },
                },
            },
        })
    }

    fn all(body: &Value) -> Vec<Incoming> {
        understand(body).unwrap().what.unwrap()
    }

    #[test]
    fn every_attendee_is_a_contact_with_an_object_of_its_own() {
        let both = all(&booked());
        assert_eq!(
            Value::Object(both[1].contact.clone()),
            json!({ "email": "Ann@Example.com", "name": "Ann Lee", "time_zone": "Europe/Berlin", "locale": "de" })
        );
        assert!(both[0].answers.is_empty(), "the booker has answered");
        assert_eq!(
            both[1].answers,
            [Answered {
                question: "Budget".to_owned(),
                answer: "500".to_owned(),
                place: "/payload/responses/budget/value".to_owned()
            }]
        );
        let keys: Vec<_> =
            both.iter().map(|one| one.object.as_ref().unwrap().key.clone()).collect();
        assert!(keys.iter().all(|key| key.starts_with("b1.")) && keys[0] != keys[1], "{keys:?}");
        assert_eq!(
            Value::Object(both[0].object.clone().unwrap().fields),
            json!({ "status": "booked", "starts_at": "2026-12-01T13:00:00Z", "ends_at": "2026-12-01T13:30:00Z",
                "title": "First talk", "place": "Kiel" })
        );
    }

    #[test]
    fn a_later_call_about_one_of_several_finds_the_same_object() {
        let before = all(&booked())[1].object.clone().unwrap();
        let missed = |no_show: bool| {
            let attendees = json!([{ "email": "ann@example.com", "noShow": no_show }]);
            let payload = json!({ "bookingUid": "b1", "attendees": attendees });
            let body = json!({ "triggerEvent": "BOOKING_NO_SHOW_UPDATED", "payload": payload });
            all(&body)[0].object.clone().unwrap()
        };
        assert_eq!(
            (&missed(true).key, &missed(true).fields["status"]),
            (&before.key, &json!("no_show"))
        );
        assert_eq!(
            (&missed(false).key, &missed(false).fields["status"]),
            (&before.key, &json!("booked"))
        );
        let mut moved = booked();
        moved["triggerEvent"] = json!("BOOKING_RESCHEDULED");
        moved["payload"]["uid"] = json!("b2");
        moved["payload"]["rescheduleUid"] = json!("b1");
        let moved = all(&moved)[1].object.clone().unwrap();
        assert_eq!(moved.replaces, Some(before.key));
        let mut cancelled = booked();
        cancelled["triggerEvent"] = json!("BOOKING_CANCELLED");
        cancelled["payload"]["cancellationReason"] = json!("ill");
        let cancelled = all(&cancelled).remove(0);
        let fields = cancelled.object.unwrap().fields;
        assert_eq!((&fields["status"], &fields["reason"]), (&json!("cancelled"), &json!("ill")));
        assert!(!cancelled.tagged);
    }

    /// 0054: a booking's calls have one order, whatever the order in which they come.
    #[test]
    fn what_happened_to_a_booking_has_one_order() {
        let told = |event: &str, minute: u32, no_show: bool| {
            let attendees = json!([{ "email": "ann@example.com", "noShow": no_show }]);
            let payload = json!({ "uid": "b1", "bookingUid": "b1", "attendees": attendees,
                "startTime": "2026-12-01T13:00:00Z" });
            let at = format!("2026-11-01T12:{minute:02}:00.000Z");
            all(&json!({ "triggerEvent": event, "createdAt": at, "payload": payload }))[0]
                .told
                .unwrap()
        };
        let all = [
            told("BOOKING_CREATED", 0, false),
            told("BOOKING_RESCHEDULED", 0, false),
            told("BOOKING_NO_SHOW_UPDATED", 0, true),
            told("BOOKING_NO_SHOW_UPDATED", 0, false),
            told("BOOKING_CANCELLED", 0, false),
            told("BOOKING_CREATED", 1, false),
        ];
        assert!(all.is_sorted_by(|one, next| one.status < next.status), "{all:?}");
        assert_eq!(all.map(|one| one.details.is_some()), [true, true, false, false, false, true]);
    }

    #[test]
    fn with_seats_only_who_books_is_tagged_and_a_code_is_no_place() {
        let mut seats = booked();
        seats["payload"]["seatsPerTimeSlot"] = json!(5);
        seats["payload"]["location"] = json!("integrations:daily");
        let tagged: Vec<bool> = all(&seats).iter().map(|one| one.tagged).collect();
        assert_eq!(tagged, [false, true]);
        assert!(!all(&seats)[0].object.as_ref().unwrap().fields.contains_key("place"));
        seats["payload"]["metadata"] = json!({ "videoCallUrl": "https://video.example/b1" });
        assert_eq!(
            all(&seats)[0].object.as_ref().unwrap().fields["place"],
            "https://video.example/b1"
        );
    }

    #[test]
    fn what_is_missing_is_named_and_what_is_unknown_is_ignored() {
        let told = |body: Value| {
            let missing = understand(&body).unwrap_err();
            missing.into_iter().map(|one| one.path).collect::<Vec<_>>()
        };
        assert_eq!(told(json!("text")), ["/triggerEvent"]);
        assert_eq!(told(json!({ "triggerEvent": "BOOKING_CREATED" })), ["/payload"]);
        let empty = json!({ "triggerEvent": "BOOKING_CREATED", "payload": {} });
        assert_eq!(told(empty), ["/payload/uid", "/payload/startTime", "/payload/attendees"]);
        let nobody = json!({ "triggerEvent": "BOOKING_NO_SHOW_UPDATED",
            "payload": { "bookingUid": "b1", "attendees": [{}] } });
        assert_eq!(told(nobody), ["/payload/attendees/0/email", "/payload/attendees/0/noShow"]);
        let ping = json!({ "triggerEvent": "PING", "payload": {} });
        assert!(understand(&ping).unwrap().what.unwrap_err().contains("the secret is right"));
        let other = json!({ "triggerEvent": "FORM_SUBMITTED", "payload": {} });
        assert!(understand(&other).unwrap().what.unwrap_err().contains("untick it"));
    }

    #[test]
    fn a_call_that_may_have_been_forgotten_is_outdated() {
        let at = |text: &str| text.parse::<Instant>().unwrap();
        assert!(!is_outdated(&booked(), at("2026-11-14T12:00:00Z")));
        assert!(is_outdated(&booked(), at("2026-11-14T12:00:01Z")));
        assert!(!is_outdated(&json!({}), at("2026-11-14T12:00:01Z")));
    }
}

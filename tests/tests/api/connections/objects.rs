//! Bookings become objects of their contacts, and run through a campaign each for itself (R70,
//! R71).

use serde_json::{Value, json};

use super::calendly::body;
use super::{SECRET, advance, calcom, calendly, calls, connected, newest, posted, with_dates};
use crate::called::{ADMIN, Called};

const APPOINTMENTS: &str = include_str!("../../../../examples/appointments.yaml");

pub(super) const ANN: &str = "/v1/contacts/email:ann@example.com";
const BOB: &str = "/v1/contacts/email:bob@example.com";

const TYPE: &str = "/v1/object-types/appointment";

/// An account with a connection for a booking tool, and the example that is about appointments.
pub(super) async fn account(kind: &str) -> (Called, String) {
    let api = with_dates().await;
    let written = json!({ "kind": kind, "secret": SECRET, "tags": ["Appointment made"] });
    let path = connected(&api, "tool", &written).await;
    publish(&api).await;
    (api, path)
}

async fn publish(api: &Called) {
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    let put = api.bare("PUT", "/v1/campaigns/appointments", &headers, APPOINTMENTS).await;
    assert!(put.status.is_success(), "{}", put.text);
    api.post("/v1/campaigns/appointments/publish", &json!({})).await.is(200);
}

/// What Calendly tells now, and everything that follows.
async fn told(api: &Called, path: &str, body: &Value) {
    let now = api.embedded.platform.store.now().timestamp();
    calendly(api, path, now, body).await.is(200);
    api.idle().await;
}

async fn until(api: &Called, at: &str) {
    api.embedded.worker.advance(at.parse().expect("an instant")).await;
}

pub(super) async fn items(api: &Called, path: &str) -> Vec<Value> {
    let page = api.get(path).await.is(200);
    page["items"].as_array().expect("items").clone()
}

/// The e-mails to a contact: the end of the appointment's key, and the first words of the subject.
pub(super) async fn mails(api: &Called, contact: &str) -> Vec<String> {
    let messages = items(api, &format!("{contact}/messages")).await;
    let mail = |one: &Value| {
        let key = one["object"]["key"].as_str().expect("about an appointment");
        let words = one["subject"].as_str().expect("a subject").split(' ');
        let words: Vec<&str> = words.take(2).collect();
        format!("{}: {}", key.rsplit('/').next().expect("a part"), words.join(" "))
    };
    messages.iter().map(mail).collect()
}

/// The only appointment of a contact.
pub(super) async fn only(api: &Called, contact: &str) -> Value {
    let all = items(api, &format!("{contact}/objects")).await;
    assert_eq!(all.len(), 1, "{all:#?}");
    all[0].clone()
}

fn moved(starts_at: &str) -> Value {
    body("invitee.created", "I2", |payload| {
        payload["old_invitee"] =
            json!("https://api.calendly.example/scheduled_events/E/invitees/I1");
        payload["scheduled_event"]["start_time"] = json!(starts_at);
    })
}

#[tokio::test]
async fn r70_a_booking_is_an_object_that_is_enrolled_and_confirmed() {
    let (api, path) = account("calendly").await;
    let more = json!({ "fields": { "spend": { "type": "number", "label": "Budget" } } });
    api.put(TYPE, &more).await.is(200);
    told(&api, &path, &body("invitee.created", "I1", |_| {})).await;
    let key = "https://api.calendly.example/scheduled_events/E/invitees/I1";
    let ann = api.ann().await;
    assert_eq!(ann["fields"], json!({ "budget": 500 }), "the date is the appointment's");
    assert!(ann["tags"]["Appointment made"].is_string(), "{ann}");
    let booked = only(&api, ANN).await;
    assert_eq!((&booked["key"], &booked["type"]), (&json!(key), &json!("appointment")));
    assert_eq!(
        booked["fields"],
        json!({ "starts_at": "2026-12-01T13:00:00Z", "status": "booked", "title": "First talk", "spend": 500 }),
        "an answer is the field's whose label is the question"
    );
    let enrolled = items(&api, &format!("{ANN}/enrollments")).await;
    assert_eq!((&enrolled[0]["status"], enrolled.len()), (&json!("active"), 1));
    assert_eq!(mails(&api, ANN).await, ["I1: See you"]);
    let call = newest(&api, "tool").await;
    let left_out = &call["errors"][0];
    assert_eq!(
        (&call["outcome"], &left_out["code"]),
        (&json!("done"), &json!("unknown_field")),
        "{call}"
    );
    assert!(left_out["message"].as_str().unwrap().contains("PUT /v1/object-types/appointment"));
    let object = json!({ "type": "appointment", "key": key });
    assert_eq!(
        call["made"],
        json!([{ "contact_id": ann["id"], "created": true, "changed": true, "object": object }])
    );
    // What came goes with the person.
    api.delete(ANN).await.is(204);
    api.idle().await;
    assert_eq!(calls(&api, "tool").await, Vec::<Value>::new());
}

#[tokio::test]
async fn r70_a_move_is_one_object_in_either_order_with_one_reminder_at_the_new_time() {
    for created_first in [true, false] {
        let (api, path) = account("calendly").await;
        told(&api, &path, &body("invitee.created", "I1", |_| {})).await;
        let before = only(&api, ANN).await;
        let moved = moved("2026-12-03T13:00:00Z");
        let over = body("invitee.canceled", "I1", |payload| payload["rescheduled"] = json!(true));
        let both = if created_first { [&moved, &over] } else { [&over, &moved] };
        for one in both {
            told(&api, &path, one).await;
        }
        let after = only(&api, ANN).await;
        assert_eq!(after["id"], before["id"], "it is the same one");
        assert!(after["key"].as_str().unwrap().ends_with("/I2"), "{after}");
        assert_eq!(after["fields"]["starts_at"], "2026-12-03T13:00:00Z");
        assert_eq!(after["fields"]["status"], "booked");
        until(&api, "2026-12-03T11:59:00Z").await;
        assert_eq!(mails(&api, ANN).await, ["I2: See you", "I2: Moved to"]);
        until(&api, "2026-12-03T12:00:00Z").await;
        assert_eq!(mails(&api, ANN).await[2..], ["I2: In an"]);
        // What is told late about the time before changes nothing.
        told(&api, &path, &body("invitee_no_show.created", "I1", |_| {})).await;
        let call = newest(&api, "tool").await;
        assert_eq!((&call["outcome"], &call["made"]), (&json!("ignored"), &json!([])), "{call}");
        assert_eq!(call["errors"][0]["code"], "replaced");
        assert!(call["why"].as_str().unwrap().contains("/I2"), "{call}");
        assert_eq!(only(&api, ANN).await["rev"], after["rev"]);
    }
}

#[tokio::test]
async fn r71_what_is_called_off_ends_and_the_other_booking_goes_on() {
    let (api, path) = account("calendly").await;
    told(&api, &path, &body("invitee.created", "I1", |_| {})).await;
    let second = body("invitee.created", "I7", |payload| {
        payload["scheduled_event"]["start_time"] = json!("2026-12-05T13:00:00Z");
    });
    told(&api, &path, &second).await;
    told(&api, &path, &body("invitee.canceled", "I1", |_| {})).await;
    until(&api, "2026-12-05T12:00:00Z").await;
    let mut all = mails(&api, ANN).await;
    all.sort();
    assert_eq!(all, ["I1: See you", "I1: Your appointment", "I7: In an", "I7: See you"]);
}

#[tokio::test]
async fn a_no_show_is_told_after_a_while_unless_it_is_taken_back() {
    for taken_back in [false, true] {
        let (api, path) = account("calendly").await;
        told(&api, &path, &body("invitee.created", "I1", |_| {})).await;
        until(&api, "2026-12-01T13:05:00Z").await;
        told(&api, &path, &body("invitee_no_show.created", "I1", |_| {})).await;
        assert_eq!(only(&api, ANN).await["fields"]["status"], "no_show");
        if taken_back {
            until(&api, "2026-12-01T13:08:00Z").await;
            told(&api, &path, &body("invitee_no_show.deleted", "I1", |_| {})).await;
            assert_eq!(only(&api, ANN).await["fields"]["status"], "booked");
        }
        until(&api, "2026-12-01T14:00:00Z").await;
        let all = mails(&api, ANN).await;
        let sorry = ["I1: We missed"];
        assert_eq!(all[..2], ["I1: See you", "I1: In an"]);
        assert_eq!(all[2..], sorry[usize::from(taken_back)..], "taken back: {taken_back}");
    }
}

#[tokio::test]
async fn every_attendee_has_an_object_of_its_own() {
    let (api, path) = account("calcom").await;
    let booked = calcom::booking("b1", "2026-12-01T13:00:00Z");
    let of = calcom::body;
    calcom(&api, &path, &of("BOOKING_CREATED", &booked)).await.is(200);
    api.idle().await;
    let (anns, bobs) = (only(&api, ANN).await, only(&api, BOB).await);
    assert_ne!(anns["key"], bobs["key"]);
    for one in [&anns, &bobs] {
        assert!(one["key"].as_str().unwrap().starts_with("b1."), "{one}");
        assert_eq!(one["fields"]["place"], "Kiel");
    }
    let mut moved = calcom::booking("b2", "2026-12-03T13:00:00Z");
    moved["rescheduleUid"] = json!("b1");
    calcom(&api, &path, &of("BOOKING_RESCHEDULED", &moved)).await.is(200);
    until(&api, "2026-12-03T13:05:00Z").await;
    let missed = json!([{ "email": "ann@example.com", "noShow": true }]);
    let missed = json!({ "bookingUid": "b2", "attendees": missed });
    let mut missed = of("BOOKING_NO_SHOW_UPDATED", &missed);
    missed["createdAt"] = json!("2026-12-03T13:05:00Z");
    calcom(&api, &path, &missed).await.is(200);
    api.idle().await;
    until(&api, "2026-12-03T14:00:00Z").await;
    let words = |all: Vec<String>| -> Vec<String> {
        all.iter().map(|one| one.split_once(": ").expect("a key").1.to_owned()).collect()
    };
    assert_eq!(words(mails(&api, BOB).await), ["See you", "Moved to", "In an"]);
    assert_eq!(words(mails(&api, ANN).await), ["See you", "Moved to", "In an", "We missed"]);
    assert_eq!(only(&api, ANN).await["id"], anns["id"]);
    assert_eq!(only(&api, BOB).await["fields"]["status"], "booked");
}

/// The fault: a move that a host had to confirm was never told, and the reminder of it left
/// unconfirmed.
#[tokio::test]
async fn r71_a_booking_that_a_host_confirms_is_moved_and_confirmed_again() {
    let (api, path) = account("calcom").await;
    let comes = async |event: &str, uid: &str, starts_at: &str, old: Option<&str>| {
        let mut payload = calcom::booking(uid, starts_at);
        if let Some(old) = old {
            payload["rescheduleUid"] = json!(old);
        }
        let mut call = calcom::body(event, &payload);
        call["createdAt"] = json!(api.embedded.platform.store.now());
        calcom(&api, &path, &call).await.is(200);
        advance(&api, "1 minute").await;
    };
    let told = async || -> Vec<String> {
        let all = items(&api, &format!("{BOB}/messages")).await;
        all.iter().map(|one| one["subject"].as_str().expect("a subject").to_owned()).collect()
    };
    comes("BOOKING_CREATED", "c5", "2026-12-01T13:00:00Z", None).await;
    comes("BOOKING_REQUESTED", "c6", "2026-12-03T13:00:00Z", Some("c5")).await;
    until(&api, "2026-12-02T13:00:00Z").await;
    let asked = [
        "See you on Tuesday, December 1, 2026 at 8:00 AM",
        "Not confirmed yet: Thursday, December 3, 2026 at 8:00 AM",
    ];
    assert_eq!(told().await, asked, "and no reminder of what was given up");
    comes("BOOKING_CREATED", "c6", "2026-12-03T13:00:00Z", Some("c5")).await;
    until(&api, "2026-12-03T12:00:00Z").await;
    let confirmed = ["See you on Thursday, December 3, 2026 at 8:00 AM", "In an hour: 8:00 AM"];
    assert_eq!(told().await[2..], confirmed);
    // One that nobody confirms: its hour comes and goes.
    comes("BOOKING_REQUESTED", "d1", "2026-12-05T13:00:00Z", None).await;
    until(&api, "2026-12-06T13:00:00Z").await;
    assert_eq!(told().await[4..], ["Not confirmed yet: Saturday, December 5, 2026 at 8:00 AM"]);
}

#[tokio::test]
async fn r02_a_body_that_is_repeated_writes_nothing() {
    let (api, path) = account("calendly").await;
    let booked = body("invitee.created", "I1", |_| {});
    told(&api, &path, &booked).await;
    let before = only(&api, ANN).await;
    advance(&api, "1 day").await;
    told(&api, &path, &booked).await;
    assert_eq!(only(&api, ANN).await, before);
    assert_eq!(mails(&api, ANN).await, ["I1: See you"]);
    assert_eq!(calls(&api, "tool").await.len(), 1);
}

#[tokio::test]
async fn a_call_is_replayed_into_an_object_after_its_map_was_mended() {
    let api = with_dates().await;
    publish(&api).await;
    let written = |key: &str| {
        json!({ "kind": "form", "object": "appointment", "map": {
            "mail": "email", key: "object.key", "when": "object.starts_at", "state": "object.status",
        } })
    };
    let path = connected(&api, "form", &written("number")).await;
    let sent = json!({ "mail": "ann@example.com", "nr": 7, "when": "2026-12-01 13:00", "state": "booked" });
    posted(&api, &path, &sent).await.is(202);
    let call = newest(&api, "form").await;
    assert_eq!(call["errors"][0]["path"], "object.key");
    api.get(ANN).await.problem(404);
    api.put("/v1/connections/form", &written("nr")).await.is(200);
    let replay = format!("/v1/connections/form/calls/{}/replay", call["id"].as_str().unwrap());
    let again = api.post(&replay, &json!({})).await.is(200);
    api.idle().await;
    assert_eq!(again["outcome"], "done", "{again}");
    assert_eq!(again["made"][0]["object"]["key"], "7");
    let object = only(&api, ANN).await;
    assert_eq!(object["fields"]["starts_at"], "2026-12-01T13:00:00Z");
    api.post(&replay, &json!({})).await.is(200);
    api.idle().await;
    assert_eq!(only(&api, ANN).await["rev"], object["rev"]);
    assert_eq!(mails(&api, ANN).await, ["7: See you"]);
    // A date that cannot be read is told, and the rest is written.
    advance(&api, "1 minute").await;
    let soon = json!({ "mail": "ann@example.com", "nr": 7, "when": "soon", "state": "cancelled" });
    posted(&api, &path, &soon).await.is(200);
    let told = newest(&api, "form").await["errors"].clone();
    assert_eq!(told[0]["path"], "object.starts_at", "{told}");
    assert_eq!(only(&api, ANN).await["fields"]["status"], "cancelled");
    // Nobody takes over the booking of another by its number.
    let other = json!({ "mail": "bob@example.com", "nr": 7, "when": "2026-12-02 13:00", "state": "booked" });
    posted(&api, &path, &other).await.is(202);
    let taken = newest(&api, "form").await["errors"][0].clone();
    assert_eq!(taken["code"], "of_another");
    assert!(!taken["message"].as_str().unwrap().contains("leave `contact` out"), "{taken}");
    api.get(BOB).await.problem(404);
}

#[tokio::test]
async fn r70_a_booking_stays_its_contacts_whatever_address_the_tool_still_has() {
    let (api, path) = account("calendly").await;
    told(&api, &path, &body("invitee.created", "I1", |_| {})).await;
    api.patch(ANN, &json!({ "email": "lee@example.com" })).await.is(200);
    told(&api, &path, &body("invitee.canceled", "I1", |_| {})).await;
    let object = only(&api, "/v1/contacts/email:lee@example.com").await;
    assert_eq!(object["fields"]["status"], "cancelled");
    api.get(ANN).await.problem(404);
    let call = newest(&api, "tool").await;
    assert_eq!(
        (&call["outcome"], &call["errors"][0]["code"]),
        (&json!("done"), &json!("of_another"))
    );
    assert_eq!(call["made"][0]["contact_id"], object["contact_id"]);
}

#[tokio::test]
async fn r70_a_connection_of_a_booking_tool_makes_the_type_and_keeps_its_fields() {
    let api = Called::new().await;
    let fields = json!({ "fields": { "place": { "type": "number", "label": "Room" } } });
    api.put(TYPE, &fields).await.is(200);
    let tool = json!({ "kind": "calcom", "secret": SECRET });
    connected(&api, "tool", &tool).await;
    let made = api.get(TYPE).await.is(200);
    let keys: Vec<&String> = made["fields"].as_object().unwrap().keys().collect();
    let all = [
        "cancel_url",
        "ends_at",
        "place",
        "reason",
        "reschedule_url",
        "starts_at",
        "status",
        "title",
    ];
    assert_eq!(keys, all);
    assert_eq!(made["fields"]["place"], json!({ "type": "number", "label": "Room" }));
    assert_eq!(made["fields"]["starts_at"]["type"], "datetime");
    connected(&api, "other", &json!({ "kind": "calcom", "secret": SECRET, "object": false })).await;
    assert_eq!(api.get("/v1/object-types").await.is(200)["items"].as_array().unwrap().len(), 1);
    // What no object can have is said when the connection is made.
    let form = |map: Value| json!({ "kind": "form", "object": "order", "map": map });
    let key = json!({ "mail": "email", "nr": "object.key" });
    for (written, path, code) in [
        (form(key), "object", "unknown_type"),
        (json!({ "kind": "calcom", "secret": SECRET, "object": "contact" }), "object", "reserved"),
        (json!({ "kind": "calcom", "secret": SECRET, "object": "a.b" }), "object", "object"),
        (
            json!({ "kind": "calcom", "secret": SECRET, "map": { "/payload/room": "object.roam" } }),
            "map./payload/room",
            "unknown_field",
        ),
    ] {
        let faults = api.put("/v1/connections/wrong", &written).await.faults(422);
        assert_eq!(faults, [(path.to_owned(), code.to_owned())], "{written}");
    }
    assert_eq!(api.get("/v1/object-types").await.is(200)["items"].as_array().unwrap().len(), 1);
}

/// A no-show may name its invitee alone: the contact is the one whose appointment it is.
#[tokio::test]
async fn r70_a_no_show_that_names_no_address_is_about_whose_appointment_it_is() {
    let (api, path) = account("calendly").await;
    let missed = |invitee: &str| {
        json!({ "event": "invitee_no_show.created", "created_at": "2026-11-01T12:00:00.000000Z", "payload": {
            "uri": "https://api.calendly.example/invitee_no_shows/N", "created_at": "2026-12-01T13:20:00Z",
            "invitee": format!("https://api.calendly.example/scheduled_events/E/invitees/{invitee}") } })
    };
    told(&api, &path, &body("invitee.created", "I1", |_| {})).await;
    until(&api, "2026-12-01T13:20:00Z").await;
    told(&api, &path, &missed("I1")).await;
    assert_eq!(only(&api, ANN).await["fields"]["status"], "no_show");
    let call = newest(&api, "tool").await;
    assert_eq!((&call["outcome"], &call["made"][0]["created"]), (&json!("done"), &json!(false)));
    assert_eq!(call["made"][0]["contact_id"], api.ann().await["id"]);
    // Whose it is that nobody knows is not guessed.
    let now = api.embedded.platform.store.now().timestamp();
    calendly(&api, &path, now, &missed("I9")).await.is(202);
    let lost = calls(&api, "tool").await;
    let lost = lost.iter().find(|call| call["outcome"] == "failed").expect("a failed call");
    assert_eq!(
        (&lost["errors"][0]["path"], &lost["errors"][0]["code"]),
        (&json!("email"), &json!("required"))
    );
}

//! What tools post to the URLs of connections, one kind after the other: with right and wrong
//! signatures, late, repeated, unknown, incomplete. The same sequence is driven in one process and
//! through the deployed functions.
//!
//! The payloads are written anew from the senders' descriptions, which the modules of
//! `shared/platform/src/connections` name.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// The secret of the connections.
const SECRET: &str = "a-signing-key-of-the-doors";

/// The API from outside.
pub trait Outside {
    /// A call of the admin: status and body.
    fn admin(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value);

    /// A post of a tool, without a key: the status.
    fn tool(&self, path: &str, headers: &[(&str, &str)], body: &str) -> u16;

    /// The seconds of the clock that signatures are held to.
    fn seconds(&self) -> i64;
}

/// A connection that is posted to.
struct Door<'a, O: Outside> {
    outside: &'a O,
    id: &'a str,
    path: String,
}

impl<'a, O: Outside> Door<'a, O> {
    fn made(outside: &'a O, id: &'a str, written: &Value) -> Self {
        let (status, made) = outside.admin("PUT", &format!("/v1/connections/{id}"), Some(written));
        assert!([200, 201].contains(&status), "{made}");
        let url = made["url"].as_str().expect("a URL");
        let path = url.find("/v1/in/").map(|at| url[at..].to_owned()).expect("a path");
        Self { outside, id, path }
    }

    fn posted(&self, headers: &[(&str, &str)], body: &str, expected: u16) {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        let status = self.outside.tool(&self.path, &all, body);
        assert_eq!(status, expected, "{}: {headers:?} {body}", self.id);
    }

    /// How many calls of each outcome were kept.
    fn kept(&self, expected: &[(&str, usize)]) {
        let (status, page) =
            self.outside.admin("GET", &format!("/v1/connections/{}/calls", self.id), None);
        assert_eq!(status, 200, "{page}");
        let calls = page["items"].as_array().expect("a list");
        for (outcome, count) in expected {
            let found = calls.iter().filter(|call| call["outcome"] == *outcome).count();
            assert_eq!(found, *count, "{}: {outcome}: {page:#}", self.id);
        }
        let all: usize = expected.iter().map(|(_, count)| count).sum();
        assert_eq!(calls.len(), all, "{}: {page:#}", self.id);
    }

    /// The only object that the last call which was done has made.
    fn object(&self) -> Value {
        let (_, page) =
            self.outside.admin("GET", &format!("/v1/connections/{}/calls", self.id), None);
        let calls = page["items"].as_array().expect("a list");
        let done = calls.iter().find(|call| call["outcome"] == "done").expect("one that was done");
        let key = done["made"][0]["object"]["key"].as_str().expect("an object");
        let path = format!("/v1/objects/appointment/{}", encoded(key));
        let (status, object) = self.outside.admin("GET", &path, None);
        assert_eq!((status, &object["key"]), (200, &json!(key)), "{object}");
        object
    }
}

/// A key in percent encoding.
fn encoded(key: &str) -> String {
    let each = key.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    });
    each.collect()
}

/// The HMAC-SHA-256 of parts in hexadecimal.
pub fn signed(secret: &str, parts: &[&str]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Everything that tools do, in this order. `name` keeps what is made apart from other tests.
///
/// # Panics
///
/// If an answer, an object or a page of calls is not as it is promised.
pub fn are_held(outside: &impl Outside, name: &str) {
    calendly(outside, name);
    calcom(outside, name);
    form(outside, name);
}

fn calendly(outside: &impl Outside, name: &str) {
    let id = format!("{name}-calendly");
    let door = Door::made(outside, &id, &json!({ "kind": "calendly", "secret": SECRET }));
    let uri = format!("https://api.calendly.example/scheduled_events/E/invitees/{name}");
    let call = |event: &str, change: &dyn Fn(&mut Value)| {
        let mut invitee = json!({
            "uri": uri, "email": format!("{name}.ann@example.com"), "name": "Ann Lee",
            "timezone": "Europe/Berlin", "status": "active", "rescheduled": false,
            "old_invitee": null, "new_invitee": null, "created_at": "2026-11-01T12:00:00.000000Z",
            "cancel_url": "https://calendly.example/cancellations/1",
            "questions_and_answers": [{ "question": "Topic", "answer": "Plans", "position": 0 }],
            "scheduled_event": {
                "name": "First talk", "start_time": "2026-12-01T13:00:00.000000Z",
                "end_time": "2026-12-01T13:30:00.000000Z",
                "location": { "type": "physical", "location": "Kiel" },
            },
        });
        change(&mut invitee);
        json!({ "event": event, "created_at": "2026-11-01T12:00:01.000000Z", "payload": invitee })
            .to_string()
    };
    let header = |secret: &str, at: i64, body: &str| {
        let at = at.to_string();
        format!("t={at},v1={}", signed(secret, &[&at, ".", body]))
    };
    let posts = |signature: &str, body: &str, expected: u16| {
        door.posted(&[("calendly-webhook-signature", signature)], body, expected);
    };
    let (now, booked) = (outside.seconds(), call("invitee.created", &|_| {}));
    door.posted(&[], &booked, 401);
    posts("nonsense", &booked, 401);
    posts(&header("another-key", now, &booked), &booked, 401);
    posts(&header(SECRET, now - 600, &booked), &booked, 401);
    posts(&header(SECRET, now, &booked), &booked, 200);
    let object = door.object();
    assert_eq!(object["fields"]["status"], "booked", "{object}");
    assert_eq!(object["fields"]["starts_at"], "2026-12-01T13:00:00Z", "{object}");
    // Delivered again, signed anew.
    posts(&header(SECRET, outside.seconds(), &booked), &booked, 200);
    assert_eq!(door.object()["rev"], object["rev"], "a repeat writes nothing");
    let unknown = json!({ "event": "routing_form_submission.created", "payload": {} }).to_string();
    posts(&header(SECRET, outside.seconds(), &unknown), &unknown, 200);
    let nameless = call("invitee.created", &|invitee| invitee["email"] = Value::Null);
    posts(&header(SECRET, outside.seconds(), &nameless), &nameless, 202);
    door.kept(&[("refused", 4), ("done", 1), ("ignored", 1), ("failed", 1)]);
    let gone = call("invitee.canceled", &|invitee| invitee["status"] = json!("canceled"));
    posts(&header(SECRET, outside.seconds(), &gone), &gone, 200);
    assert_eq!(door.object()["fields"]["status"], "cancelled");
}

fn calcom(outside: &impl Outside, name: &str) {
    let id = format!("{name}-calcom");
    let door = Door::made(outside, &id, &json!({ "kind": "calcom", "secret": SECRET }));
    let at = |seconds: i64| {
        let at = chrono::DateTime::from_timestamp(outside.seconds() - seconds, 0);
        at.expect("an instant").to_rfc3339()
    };
    let call = |event: &str, created_at: String, change: &dyn Fn(&mut Value)| {
        let mut payload = json!({
            "uid": format!("{name}-b1"), "title": "First talk", "status": "ACCEPTED",
            "startTime": "2026-12-01T13:00:00Z", "endTime": "2026-12-01T13:30:00Z", "location": "Kiel",
            "attendees": [{ "email": format!("{name}.bob@example.com"), "name": "Bob Ray",
                "timeZone": "America/New_York", "language": { "locale": "en" } }],
        });
        change(&mut payload);
        json!({ "triggerEvent": event, "createdAt": created_at, "payload": payload }).to_string()
    };
    let posts = |signature: &str, body: &str, expected: u16| {
        door.posted(&[("x-cal-signature-256", signature)], body, expected);
    };
    let booked = call("BOOKING_CREATED", at(60), &|_| {});
    door.posted(&[], &booked, 401);
    posts("no-secret-provided", &booked, 401);
    posts(&signed("another-key", &[&booked]), &booked, 401);
    // It may be a copy of a call that is not remembered any more.
    let old = call("BOOKING_CREATED", at(14 * 86_400), &|_| {});
    posts(&signed(SECRET, &[&old]), &old, 200);
    posts(&signed(SECRET, &[&booked]), &booked, 200);
    let object = door.object();
    assert_eq!(object["fields"]["status"], "booked", "{object}");
    posts(&signed(SECRET, &[&booked]), &booked, 200);
    assert_eq!(door.object()["rev"], object["rev"], "a repeat writes nothing");
    let ping = call("PING", at(0), &|_| {});
    posts(&signed(SECRET, &[&ping]), &ping, 200);
    let nobody = call("BOOKING_CREATED", at(50), &|payload| payload["attendees"] = json!([]));
    posts(&signed(SECRET, &[&nobody]), &nobody, 202);
    door.kept(&[("refused", 3), ("done", 1), ("ignored", 2), ("failed", 1)]);
    let missed = json!([{ "email": format!("{name}.bob@example.com"), "noShow": true }]);
    let missed = call("BOOKING_NO_SHOW_UPDATED", at(30), &|payload| {
        *payload =
            json!({ "bookingUid": format!("{name}-b1"), "bookingId": 1, "attendees": missed });
    });
    posts(&signed(SECRET, &[&missed]), &missed, 200);
    assert_eq!(door.object()["fields"]["status"], "no_show");
}

fn form(outside: &impl Outside, name: &str) {
    let id = format!("{name}-form");
    let door = Door::made(outside, &id, &json!({ "kind": "form", "tags": ["Newsletter"] }));
    let form = |body: &str, expected: u16| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        assert_eq!(outside.tool(&door.path, &headers, body), expected, "{body}");
    };
    let answers = format!("form_fields%5Bemail%5D={name}.eve%40example.com&First+Name=Eve");
    form(&answers, 200);
    form(&answers, 200);
    form("First+Name=Eve", 202);
    assert_eq!(outside.tool(&door.path, &[("content-type", "text/csv")], "a,b"), 415);
    assert_eq!(outside.tool(&door.path, &[("content-type", "application/json")], "{"), 400);
    door.kept(&[("done", 1), ("failed", 3)]);
    let path = format!("/v1/contacts/email:{name}.eve@example.com");
    let (status, eve) = outside.admin("GET", &path, None);
    assert_eq!((status, &eve["first_name"]), (200, &json!("Eve")), "{eve}");
    assert!(eve["tags"]["Newsletter"].is_string(), "{eve}");
    // A URL that is not known, one that is replaced, and one that is deleted.
    assert_eq!(outside.tool("/v1/in/nobody-knows-this", &[("content-type", "text/csv")], ""), 404);
    let (status, rotated) =
        outside.admin("POST", &format!("/v1/connections/{id}/rotate"), Some(&json!({})));
    assert_eq!(status, 200, "{rotated}");
    form(&format!("email={name}.kim%40example.com"), 200);
    assert_eq!(outside.admin("DELETE", &format!("/v1/connections/{id}"), None).0, 204);
    form(&format!("email={name}.lee%40example.com"), 404);
}

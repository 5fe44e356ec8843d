//! Connections: set up, posted to by tools, looked at and replayed, as programs outside see them.

mod attacked;
mod calcom;
mod calendly;
mod doors;
mod fixed;
mod form;
mod kept;
mod killed;
mod objects;
mod order;
mod refused;
mod setting_up;
mod twice;

use axum::body::Body;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::called::{Answer, Called};

const SECRET: &str = "a-signing-key";

/// The seconds of the clock at which every test begins.
const NOON: i64 = 1_793_534_400;

/// Makes a connection, and answers the path of its URL.
async fn connected(api: &Called, id: &str, written: &Value) -> String {
    let made = api.put(&format!("/v1/connections/{id}"), written).await.is(201);
    path_of(&made)
}

/// The path of a connection's URL.
fn path_of(connection: &Value) -> String {
    let url = connection["url"].as_str().expect("a URL");
    url.strip_prefix("https://dacapo.example").expect("the public URL").to_owned()
}

/// The received calls of a connection, newest first.
async fn calls(api: &Called, id: &str) -> Vec<Value> {
    let page = api.get(&format!("/v1/connections/{id}/calls")).await.is(200);
    page["items"].as_array().expect("a list").clone()
}

/// The newest received call of a connection.
async fn newest(api: &Called, id: &str) -> Value {
    calls(api, id).await.first().expect("a call").clone()
}

async fn advance(api: &Called, span: &str) {
    api.post("/dev/clock", &json!({ "advance": span })).await.is(200);
}

/// A post to a form's URL.
async fn post(api: &Called, path: &str, kind: &str, body: impl Into<Body>) -> Answer {
    api.bare("POST", path, &[("content-type", kind)], body).await
}

/// A post of JSON to a form's URL that is understood.
async fn posted(api: &Called, path: &str, body: &Value) -> Answer {
    post(api, path, "application/json", body.to_string()).await
}

/// The HMAC-SHA-256 of parts in hexadecimal.
fn signed(secret: &str, parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The header that Calendly sends.
fn calendly_header(secret: &str, at: i64, body: &str) -> String {
    let at = at.to_string();
    format!("t={at},v1={}", signed(secret, &[at.as_bytes(), b".", body.as_bytes()]))
}

/// A call of Calendly, signed at an instant.
async fn calendly(api: &Called, path: &str, at: i64, body: &Value) -> Answer {
    let body = body.to_string();
    let header = calendly_header(SECRET, at, &body);
    let headers =
        [("content-type", "application/json"), ("calendly-webhook-signature", header.as_str())];
    api.bare("POST", path, &headers, body).await
}

/// A call of Cal.com, signed.
async fn calcom(api: &Called, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let header = signed(SECRET, &[body.as_bytes()]);
    let headers = [("content-type", "application/json"), ("x-cal-signature-256", header.as_str())];
    api.bare("POST", path, &headers, body).await
}

/// An account with fields for one date per contact.
async fn with_dates() -> Called {
    let api = Called::new().await;
    for (key, kind) in
        [("appointment_at", "datetime"), ("appointment_status", "text"), ("budget", "number")]
    {
        api.put(&format!("/v1/fields/{key}"), &json!({ "type": kind })).await.is(200);
    }
    api
}

/// A booking tool whose one date per contact is kept in the contact.
fn one_date(kind: &str) -> Value {
    json!({
        "kind": kind, "secret": SECRET, "tags": ["Appointment made"], "object": false,
        "map": { "object.starts_at": "appointment_at", "object.status": "appointment_status" },
    })
}

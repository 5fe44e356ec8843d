//! JSON in which a name stands twice: neither value is taken, and the call says so.

use serde_json::{Value, json};

use super::{calls, connected, newest, post, signed};
use crate::called::Called;

fn told(call: &Value) -> Vec<(String, String)> {
    let errors = call["errors"].as_array().expect("a list").iter();
    let text = |one: &Value, name: &str| one[name].as_str().expect("a text").to_owned();
    errors.map(|one| (text(one, "path"), text(one, "code"))).collect()
}

fn pair(path: &str, code: &str) -> (String, String) {
    (path.to_owned(), code.to_owned())
}

/// Calls are listed by the instant at which they came.
async fn a_minute_later(api: &Called) {
    api.post("/dev/clock", &json!({ "advance": "1 minute" })).await.is(200);
}

#[tokio::test]
async fn a_form_takes_neither_of_two_values_with_one_name() {
    let api = Called::with_fields().await;
    let path = connected(&api, "form", &json!({ "kind": "form" })).await;
    let twice = r#"{"email":"one@example.com","email":"two@example.com"}"#;
    for kind in ["application/json", "text/plain"] {
        a_minute_later(&api).await;
        post(&api, &path, kind, twice).await.is(202);
        let call = newest(&api, "form").await;
        assert_eq!(call["outcome"], "failed");
        assert!(told(&call).contains(&pair("email", "twice")), "{call}");
    }
    let city = r#"{"email":"ann@example.com","city":"Kiel","city":"Ulm","vip":true,"vip":true,"more":{"city":"Rom"}}"#;
    a_minute_later(&api).await;
    post(&api, &path, "application/json", city).await.is(200);
    assert_eq!(api.ann().await["fields"], json!({ "vip": true }));
    assert_eq!(told(&newest(&api, "form").await), [pair("city", "twice")]);
    let all = api.get("/v1/contacts").await.is(200)["items"].as_array().unwrap().len();
    assert_eq!(all, 1, "nobody was made of the first two");
}

#[tokio::test]
async fn a_map_takes_neither_of_two_values_at_one_place() {
    let api = Called::with_fields().await;
    let map = json!({ "/a/email": "email", "/a/city": "city" });
    let path = connected(&api, "form", &json!({ "kind": "form", "map": map })).await;
    let body = r#"{"a":{"email":"ann@example.com","city":"Kiel","city":"Ulm"}}"#;
    post(&api, &path, "application/json", body).await.is(200);
    assert_eq!(api.ann().await["fields"], json!({}));
    assert_eq!(told(&newest(&api, "form").await), [pair("/a/city", "twice")]);
    let body = r#"{"a":{"email":"ann@example.com","email":"eve@example.com"}}"#;
    a_minute_later(&api).await;
    post(&api, &path, "application/json", body).await.is(202);
    let expected = [pair("email", "required"), pair("/a/email", "twice")];
    assert_eq!(told(&newest(&api, "form").await), expected);
    assert_eq!(calls(&api, "form").await.len(), 2);
}

#[tokio::test]
async fn a_booking_tool_is_told_too() {
    let api = Called::new().await;
    let path =
        connected(&api, "calcom", &json!({ "kind": "calcom", "secret": super::SECRET })).await;
    let body = r#"{"triggerEvent":"BOOKING_CREATED","createdAt":"2026-11-01T12:00:00Z","payload":{"uid":"1","uid":"2"}}"#;
    let header = signed(super::SECRET, &[body.as_bytes()]);
    let headers = [("content-type", "application/json"), ("x-cal-signature-256", header.as_str())];
    api.bare("POST", &path, &headers, body).await.is(202);
    let call = newest(&api, "calcom").await;
    assert!(told(&call).contains(&pair("/payload/uid", "twice")), "{call}");
}

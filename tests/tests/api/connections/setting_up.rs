//! A connection is made, changed, shown, rotated and deleted.

use serde_json::{Value, json};

use super::{SECRET, calls, connected, one_date, path_of, posted, with_dates};
use crate::called::Called;

const FORM: &str = "/v1/connections/form";

#[tokio::test]
async fn a_connection_is_made_and_shown_without_its_secret() {
    let api = with_dates().await;
    let made = api.put("/v1/connections/calendly", &one_date("calendly")).await;
    let made = made.is(201);
    let token = made["url"].as_str().unwrap().rsplit('/').next().unwrap();
    assert!(token.len() == 40 && token.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{token}");
    let expected = json!({
        "id": "calendly", "kind": "calendly", "has_secret": true, "previous_secret_until": null,
        "object": false, "set": {},
        "tags": ["Appointment made"],
        "map": { "object.starts_at": "appointment_at", "object.status": "appointment_status" },
        "url": format!("https://dacapo.example/v1/in/{token}"), "previous_url_until": null,
        "created_at": "2026-11-01T12:00:00Z",
    });
    assert_eq!(made, expected);
    assert_eq!(api.get("/v1/connections/calendly").await.is(200), expected);
    let listed = api.get("/v1/connections").await;
    assert!(!listed.text.contains(SECRET), "{}", listed.text);
    assert_eq!(listed.is(200)["items"], json!([expected]));
}

#[tokio::test]
async fn a_change_keeps_the_url_and_the_secret() {
    let api = with_dates().await;
    let path = connected(&api, "c", &one_date("calendly")).await;
    let changed = json!({ "kind": "calendly", "object": "meeting" });
    let changed = api.put("/v1/connections/c", &changed).await.is(200);
    assert_eq!(path_of(&changed), path);
    assert_eq!((&changed["has_secret"], &changed["map"]), (&json!(true), &json!({})));
    assert_eq!((&changed["object"], &changed["tags"]), (&json!("meeting"), &json!([])));
    // The secret of another tool is not that of this one.
    let other = api.put("/v1/connections/c", &json!({ "kind": "calcom" })).await;
    assert_eq!(other.faults(422), [("secret".to_owned(), "required".to_owned())]);
    let usual = json!({ "kind": "calcom", "secret": SECRET });
    assert_eq!(api.put("/v1/connections/d", &usual).await.is(201)["object"], "appointment");
}

#[tokio::test]
async fn whoever_may_only_read_sees_no_url_and_changes_nothing() {
    let api = Called::new().await;
    let path = connected(&api, "form", &json!({ "kind": "form" })).await;
    for scope in ["read", "write"] {
        let key = api.key(scope, scope).await;
        let shown = api.with_key(&key, "GET", FORM).await.is(200);
        assert_eq!(shown["url"], Value::Null);
        for (method, path) in [
            ("PUT", FORM),
            ("DELETE", FORM),
            ("POST", "/v1/connections/form/rotate"),
            ("POST", "/v1/connections/form/calls/x/replay"),
        ] {
            api.with_key(&key, method, path).await.problem(403);
        }
        api.with_key(&key, "GET", "/v1/connections/form/calls").await.is(200);
    }
    let webhook = api.key("webhook", "webhook").await;
    api.with_key(&webhook, "GET", FORM).await.problem(403);
    // The URL does nothing but its work.
    for method in ["GET", "PUT", "DELETE"] {
        api.bare(method, &path, &[], "").await.problem(405);
    }
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_connection_is_said_at_once() {
    let api = Called::new().await;
    let written = json!({
        "kind": "form", "secret": "a-signing-key", "tags": ["a,b\u{200b}"], "object": true,
        "map": { "": "email", "/": "phone", "object.starts_at": "phone", "a": "birthdy", "b": "suppressed",
            "c": "object.key", "d": "object.", "/a/~2": "phone" },
    });
    let mut faults = api.put(FORM, &written).await.faults(422);
    faults.sort();
    let expected = [
        ("map.", "source"),
        ("map./", "source"),
        ("map./a/~2", "source"),
        ("map.a", "unknown_field"),
        ("map.b", "unknown_field"),
        ("map.c", "target"),
        ("map.d", "target"),
        ("map.object.starts_at", "source"),
        ("object", "object"),
        ("secret", "secret"),
        ("tags.0", "tag"),
    ];
    assert_eq!(faults, expected.map(|(path, code)| (path.to_owned(), code.to_owned())));
    for (written, path) in [
        (json!({ "kind": "form", "map": { "a": "phone" } }), "map"),
        (json!({ "kind": "form", "object": "order" }), "map"),
        (json!({ "kind": "form", "object": "order", "map": { "a": "email" } }), "map"),
        (json!({ "kind": "calendly" }), "secret"),
        (json!({ "kind": "calcom", "secret": "short" }), "secret"),
        (json!({ "kind": "calcom", "secret": "" }), "secret"),
        (json!({ "kind": "typeform" }), "kind"),
        (json!({ "kind": "form", "name": "x" }), "name"),
    ] {
        assert_eq!(api.put(FORM, &written).await.faults(422)[0].0, path, "{written}");
    }
    for id in ["a%20b", ".", ".."] {
        let answer = api.put(&format!("/v1/connections/{id}"), &json!({ "kind": "form" })).await;
        assert_eq!(answer.faults(422), [("id".to_owned(), "id".to_owned())], "{id}");
    }
    let empty = api.put(FORM, &json!({ "kind": "calcom", "secret": "" })).await;
    assert!(empty.text.contains("the secret is empty"), "{}", empty.text);
    for path in
        ["/v1/connections/none", "/v1/connections/none/calls/x", "/v1/connections/none/calls"]
    {
        api.get(path).await.problem(404);
    }
    api.delete("/v1/connections/none").await.problem(404);
    api.post("/v1/connections/none/rotate", &json!({})).await.problem(404);
    api.post("/v1/connections/none/calls/x/replay", &json!({})).await.problem(404);
    assert_eq!(api.get("/v1/connections").await.is(200)["items"], json!([]));
}

/// What came through a deleted connection is listed as long as it is kept; of one that never was,
/// an empty list would hide the slip of the pen.
#[tokio::test]
async fn the_calls_of_a_connection_that_never_was_are_not_an_empty_list() {
    let api = Called::new().await;
    let path = connected(&api, "form", &json!({ "kind": "form" })).await;
    for (named, remedy) in [
        ("from", "did you mean `form`?"),
        ("calendly", "choose one of `form`"),
        ("a%20b", "`form`"),
    ] {
        let answer = api.get(&format!("/v1/connections/{named}/calls")).await;
        answer.problem(404);
        assert!(answer.text.contains(remedy), "{}", answer.text);
    }
    assert_eq!(calls(&api, "form").await.len(), 0);
    posted(&api, &path, &json!({ "email": "ann@example.com" })).await.is(200);
    api.delete(FORM).await.is(204);
    assert_eq!(calls(&api, "form").await.len(), 1);
}

#[tokio::test]
async fn a_map_names_what_would_be_right() {
    let api = with_dates().await;
    let map = json!({ "a": "email", "b": "apointment_at" });
    let answer = api.put(FORM, &json!({ "kind": "form", "map": map })).await;
    assert!(answer.text.contains("did you mean `appointment_at`?"), "{}", answer.text);
}

#[tokio::test]
async fn after_a_rotation_both_urls_work_for_seven_days() {
    let api = Called::new().await;
    let first = connected(&api, "form", &json!({ "kind": "form" })).await;
    let rotated = api.post("/v1/connections/form/rotate", &json!({})).await.is(200);
    let second = path_of(&rotated);
    assert_ne!(first, second);
    assert_eq!(rotated["previous_url_until"], "2026-11-08T12:00:00Z");
    for (nth, path) in [&first, &second].into_iter().enumerate() {
        posted(&api, path, &json!({ "email": format!("{nth}@example.com") })).await.is(200);
    }
    super::advance(&api, "6 days 23 hours 59 minutes").await;
    posted(&api, &first, &json!({ "email": "c@example.com" })).await.is(200);
    super::advance(&api, "1 minute").await;
    posted(&api, &first, &json!({ "email": "d@example.com" })).await.problem(404);
    posted(&api, &second, &json!({ "email": "d@example.com" })).await.is(200);
    let shown = api.get("/v1/connections/form").await.is(200);
    assert_eq!(shown["previous_url_until"], Value::Null);
    assert_eq!(calls(&api, "form").await.len(), 4);
}

#[tokio::test]
async fn a_second_rotation_ends_the_url_before_the_last() {
    let api = Called::new().await;
    let first = connected(&api, "form", &json!({ "kind": "form" })).await;
    let rotate = "/v1/connections/form/rotate";
    let second = path_of(&api.once("key-1", rotate, &json!({})).await.is(200));
    // A repeat answers the same, and the URL is kept with no answer.
    assert_eq!(path_of(&api.once("key-1", rotate, &json!({})).await.is(200)), second);
    let third = path_of(&api.post(rotate, &json!({})).await.is(200));
    posted(&api, &first, &json!({ "email": "a@example.com" })).await.problem(404);
    for path in [&second, &third] {
        posted(&api, path, &json!({ "email": "a@example.com" })).await.is(200);
    }
}

#[tokio::test]
async fn a_deleted_connection_leads_nowhere() {
    let api = Called::new().await;
    let path = connected(&api, "form", &json!({ "kind": "form" })).await;
    let other = path_of(&api.post("/v1/connections/form/rotate", &json!({})).await.is(200));
    api.delete(FORM).await.is(204);
    for path in [path, other] {
        posted(&api, &path, &json!({ "email": "ann@example.com" })).await.problem(404);
    }
    api.delete(FORM).await.problem(404);
    assert_eq!(api.get("/v1/contacts").await.is(200)["items"], json!([]));
}

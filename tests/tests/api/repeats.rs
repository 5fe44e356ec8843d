//! `Idempotency-Key`.

use serde_json::json;

use crate::called::{ADMIN, Called};

const HOOK: &str = "/v1/hooks/contact";

#[tokio::test]
async fn the_same_call_again_gets_the_same_answer_and_does_nothing() {
    let api = Called::new().await;
    let body = json!({ "email": "ann@example.com", "tags": "Lead" });
    let first = api.once("zap-1", HOOK, &body).await;
    let again = api.once("zap-1", HOOK, &body).await;
    first.is(200);
    assert_eq!((first.status, &first.text), (again.status, &again.text));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(api.ann().await["rev"], 1);
    assert_eq!(api.once("zap-2", HOOK, &body).await.is(200)["rev"], 2);
}

#[tokio::test]
async fn a_key_with_another_call_is_refused() {
    let api = Called::new().await;
    let body = json!({ "email": "ann@example.com" });
    api.once("k", HOOK, &body).await.is(200);
    let other = json!({ "email": "bob@example.com" });
    assert_eq!(api.once("k", HOOK, &other).await.faults(422)[0].1, "key_reused");
    assert_eq!(api.once("k", "/v1/contacts", &body).await.faults(422)[0].1, "key_reused");
    api.once("", HOOK, &body).await.faults(422);
    api.once(&"k".repeat(256), HOOK, &body).await.faults(422);
}

#[tokio::test]
async fn two_at_once_are_one() {
    let api = Called::new().await;
    for (path, body) in [
        (HOOK, json!({ "email": "ann@example.com", "tags": "Lead" })),
        ("/v1/contacts", json!({ "email": "bob@example.com" })),
        ("/v1/contacts/email:ann@example.com/tags", json!({ "add": ["Lead"] })),
        ("/v1/contacts/email:ann@example.com/events", json!({ "name": "attended" })),
    ] {
        let key = format!("key of {path}");
        let (one, other, third) = tokio::join!(
            api.once(&key, path, &body),
            api.once(&key, path, &body),
            api.once(&key, path, &body)
        );
        assert!(one.status.is_success(), "{path}: {}", one.text);
        for repeat in [other, third] {
            assert_eq!((one.status, &one.text), (repeat.status, &repeat.text), "{path}");
        }
    }
    assert_eq!(api.ann().await["rev"], 3, "created, tagged again, the event");
}

#[tokio::test]
async fn a_call_that_changes_nothing_is_kept_too() {
    let api = Called::new().await;
    let body = json!({ "email": "ann@example.com", "first_name": "Ann" });
    api.hook(&body).await;
    let first = api.once("k", HOOK, &body).await;
    assert_eq!(first.is(200)["changed"]["fields"], json!([]));
    api.hook(&json!({ "email": "ann@example.com", "first_name": "Anna" })).await;
    assert_eq!(api.once("k", HOOK, &body).await.text, first.text);
    assert_eq!(api.ann().await["first_name"], "Anna");
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let api = Called::new().await;
    let body = json!({ "email": "ann@example.com", "city": "Kiel" });
    api.once("k", HOOK, &body).await.faults(422);
    api.put("/v1/fields/city", &json!({ "type": "text" })).await.is(200);
    api.once("k", HOOK, &body).await.is(200);
}

#[tokio::test]
async fn answers_are_kept_for_a_day() {
    let api = Called::new().await;
    let body = json!({ "email": "ann@example.com", "tags": "Lead" });
    api.once("k", HOOK, &body).await.is(200);
    let later = |hours| api.embedded.platform.store.now() + chrono::TimeDelta::hours(hours);
    api.embedded.worker.advance(later(23)).await;
    assert_eq!(api.once("k", HOOK, &body).await.is(200)["rev"], 1);
    api.embedded.worker.advance(later(2)).await;
    assert_eq!(api.once("k", HOOK, &body).await.is(200)["rev"], 2);
    assert_eq!(api.once("k", HOOK, &body).await.is(200)["rev"], 2, "kept again");
}

#[tokio::test]
async fn keys_of_different_holders_are_different() {
    let api = Called::new().await;
    let body = json!({ "email": "ann@example.com", "tags": "Lead" });
    api.once("1", HOOK, &body).await.is(200);
    let key = api.key("zapier", "webhook").await;
    let headers = [("x-api-key", key.as_str()), ("idempotency-key", "1")];
    let other = json!({ "email": "bob@example.com" }).to_string();
    assert_eq!(api.bare("POST", HOOK, &headers, other).await.is(200)["created"], true);
}

#[tokio::test]
async fn a_repeated_call_for_a_key_gets_the_same_key_though_it_is_kept_nowhere() {
    let api = Called::new().await;
    let body = json!({ "name": "zapier", "scopes": ["webhook"] });
    let (one, other) =
        tokio::join!(api.once("k", "/v1/keys", &body), api.once("k", "/v1/keys", &body));
    assert_eq!(one.is(201), other.is(201));
    assert_eq!(api.get("/v1/keys").await.is(200)["items"].as_array().map(Vec::len), Some(1));
    let different = json!({ "name": "zapier", "scopes": ["admin"] });
    assert_eq!(api.once("k", "/v1/keys", &different).await.faults(422)[0].1, "key_reused");
    assert_ne!(api.once("k2", "/v1/keys", &body).await.is(201)["key"], one.is(201)["key"]);
    let headers = [("x-api-key", ADMIN), ("idempotency-key", "k")];
    api.bare("GET", "/v1/keys", &headers, "").await.is(200);
}

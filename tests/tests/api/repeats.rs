//! `Idempotency-Key`.

use dacapo_platform::keys::sha256;
use dacapo_platform::table::Consistency;
use serde_json::{Value, json};

use crate::called::{ADMIN, Answer, Called};

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

/// The status of a call with a key of the API.
async fn opens(api: &Called, key: &Value) -> u16 {
    api.with_key(key.as_str().expect("a key"), "GET", "/v1/contacts").await.status.as_u16()
}

#[track_caller]
fn is_replayed(first: &Answer, again: &Answer) {
    assert_eq!((first.status, &first.text), (again.status, &again.text));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert!(!first.headers.contains_key("idempotency-replayed"));
}

async fn later(api: &Called, hours: i64) {
    let now = api.embedded.platform.store.now();
    api.embedded.worker.advance(now + chrono::TimeDelta::hours(hours)).await;
}

/// http-api, *Idempotency*: a repeat answers the same and does nothing again, so a revoked key
/// stays revoked.
#[tokio::test]
async fn a_revoked_key_never_works_again_however_its_call_is_repeated() {
    let api = Called::new().await;
    let body = json!({ "name": "leak", "scopes": ["admin"] });
    let first = api.once("kB1", "/v1/keys", &body).await;
    let made = first.is(201);
    is_replayed(&first, &api.once("kB1", "/v1/keys", &body).await);
    assert_eq!(opens(&api, &made["key"]).await, 200);
    let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
    api.delete(&path).await.is(204);
    is_replayed(&first, &api.once("kB1", "/v1/keys", &body).await);
    assert_eq!(opens(&api, &made["key"]).await, 401, "deleted permanently");
    assert_eq!(api.get("/v1/keys").await.is(200)["items"], json!([]));
    // The key of the call is kept for 24 hours, and then it is a new one.
    later(&api, 26).await;
    let other = json!({ "name": "other", "scopes": ["admin"] });
    let next = api.once("kB1", "/v1/keys", &other).await.is(201);
    assert!(next["id"] != made["id"] && next["key"] != made["key"]);
    assert_eq!(opens(&api, &made["key"]).await, 401);
    assert_eq!(opens(&api, &next["key"]).await, 200);
    later(&api, 26).await;
    let third = api.once("kB1", "/v1/keys", &other).await.is(201);
    assert_ne!(third["key"], next["key"], "the same call a day later is another one");
}

/// What is kept for repeats holds no secret, and leads to none without the caller's API key.
#[tokio::test]
async fn an_answer_with_a_secret_is_kept_without_it() {
    let api = Called::new().await;
    let body = json!({ "name": "zapier", "scopes": ["webhook"] });
    let made = api.once("k", "/v1/keys", &body).await.is(201);
    let secret = made["key"].as_str().unwrap().strip_prefix("dk_").unwrap().to_owned();
    assert_eq!(secret.len(), 40);
    api.put("/v1/connections/form", &json!({ "kind": "form" })).await.is(201);
    let rotated = api.once("r", "/v1/connections/form/rotate", &json!({})).await.is(200);
    let token = rotated["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let store = &api.embedded.platform.store;
    for (key, secret) in [("k", &secret), ("r", &token)] {
        let place = store.keys.idempotency(&format!("{} {key}", sha256(ADMIN)));
        let kept = store.table.get(&place, Consistency::Strong).await.unwrap().expect("kept");
        let kept = kept.body.as_str();
        assert!(kept.contains("nonce") && !kept.contains(secret.as_str()), "{kept}");
        assert!(!kept.contains(ADMIN), "{kept}");
    }
    // Another caller's call with the same key is another call.
    let boss = api.key("boss", "admin").await;
    let headers = [("x-api-key", boss.as_str()), ("idempotency-key", "k")];
    let json = [headers[0], headers[1], ("content-type", "application/json")];
    let other = api.bare("POST", "/v1/keys", &json, body.to_string()).await.is(201);
    assert_ne!(other["key"], made["key"]);
}

/// http-api, *Idempotency*: a repeated rotation answers the same, and the URL that is current
/// stays.
#[tokio::test]
async fn a_repeated_rotation_changes_nothing() {
    let api = Called::new().await;
    api.put("/v1/connections/rot", &json!({ "kind": "form" })).await.is(201);
    let rotate = "/v1/connections/rot/rotate";
    let url = |shape: &Value| shape["url"].as_str().expect("a URL").to_owned();
    let path = |url: &str| url.strip_prefix("https://dacapo.example").expect("ours").to_owned();
    let opens = async |url: &str| {
        let json = [("content-type", "application/json")];
        let body = json!({ "email": "ann@example.com" }).to_string();
        api.bare("POST", &path(url), &json, body).await.status.as_u16()
    };
    let first = api.once("A1", rotate, &json!({})).await;
    let second = api.once("B1", rotate, &json!({})).await;
    // One that is the one before: it does not become the current one.
    is_replayed(&first, &api.once("A1", rotate, &json!({})).await);
    let shown = api.get("/v1/connections/rot").await.is(200);
    assert_eq!(url(&shown), url(&second.is(200)));
    let third = api.once("C1", rotate, &json!({})).await;
    is_replayed(&first, &api.once("A1", rotate, &json!({})).await);
    let shown = api.get("/v1/connections/rot").await.is(200);
    assert_eq!(url(&shown), url(&third.is(200)));
    assert_eq!(opens(&url(&shown)).await, 200, "the URL that is shown as current works");
    assert_eq!(opens(&url(&second.is(200))).await, 200, "for seven days");
    assert_eq!(opens(&url(&first.is(200))).await, 404, "two rotations ago");
    assert_eq!(
        api.once("A1", "/v1/connections/x/rotate", &json!({})).await.faults(422)[0].1,
        "key_reused"
    );
    // Two at once are one.
    let nothing = json!({});
    let (one, other) =
        tokio::join!(api.once("D1", rotate, &nothing), api.once("D1", rotate, &nothing));
    assert_eq!(one.is(200), other.is(200));
    assert_eq!(opens(&url(&third.is(200))).await, 200, "it was rotated once");
    // A day later the same key is a new one.
    later(&api, 26).await;
    let again = api.once("D1", rotate, &json!({})).await.is(200);
    assert_ne!(url(&again), url(&one.is(200)));
    assert_eq!(opens(&url(&again)).await, 200);
}

/// A replay of a received call is done once for a key; a repeat shows the call as it is then.
#[tokio::test]
async fn a_repeated_replay_does_nothing_again() {
    let api = Called::new().await;
    let made = api.put("/v1/connections/form", &json!({ "kind": "form" })).await.is(201);
    let url = made["url"].as_str().unwrap().strip_prefix("https://dacapo.example").unwrap();
    let json = [("content-type", "application/json")];
    let sent = json!({ "email": "ann@example.com", "first_name": "Ann" }).to_string();
    api.bare("POST", url, &json, sent).await.is(200);
    let all = api.get("/v1/connections/form/calls").await.is(200);
    let id = all["items"][0]["id"].as_str().unwrap();
    let replay = format!("/v1/connections/form/calls/{id}/replay");
    api.patch("/v1/contacts/email:ann@example.com", &json!({ "first_name": "Anna" })).await.is(200);
    let first = api.once("k", &replay, &json!({})).await;
    first.is(200);
    assert_eq!(api.ann().await["first_name"], "Ann");
    api.patch("/v1/contacts/email:ann@example.com", &json!({ "first_name": "Anna" })).await.is(200);
    later(&api, 1).await;
    is_replayed(&first, &api.once("k", &replay, &json!({})).await);
    assert_eq!(api.ann().await["first_name"], "Anna", "nothing was written again");
    api.once("k2", &replay, &json!({})).await.is(200);
    assert_eq!(api.ann().await["first_name"], "Ann");
}

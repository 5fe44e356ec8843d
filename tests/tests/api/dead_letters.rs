//! Dead letters over the API: listed, shown, redriven, deleted.

use dacapo_platform::dead_letters::{DeadLetterKind, NewDeadLetter};
use serde_json::{Value, json};

use crate::called::Called;

const PATH: &str = "/v1/dead-letters";

/// Keeps a dead letter, and lets a minute pass.
async fn keep_dead_letter(api: &Called, name: &str, kind: DeadLetterKind, raw: &str) {
    let why = r#"invalid type: string "ann@example.com", expected u64"#;
    let found = NewDeadLetter { name, kind, by: "test", why, raw };
    api.embedded.platform.dead_letters.keep(found).await.expect("it is kept");
    api.post("/dev/clock", &json!({ "advance": "1 minute" })).await.is(200);
}

/// An account with three dead letters: one that no worker reads here, one that succeeds at once,
/// and an unreadable one.
async fn with_three() -> Called {
    let api = Called::new().await;
    keep_dead_letter(&api, "test/report", DeadLetterKind::Report, r#"{"to":"ann@example.com"}"#)
        .await;
    keep_dead_letter(
        &api,
        "test/erase",
        DeadLetterKind::Message,
        r#"{"erase":"c1m8r9w900chj68s3"}"#,
    )
    .await;
    keep_dead_letter(&api, "test/broken", DeadLetterKind::Change, "no JSON").await;
    api
}

fn ids(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("a list");
    items.iter().map(|item| item["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn letters_are_listed_oldest_first_without_what_they_say() {
    let api = with_three().await;
    let all = api.get(PATH).await.is(200);
    assert_eq!(ids(&all), ["test:report", "test:erase", "test:broken"]);
    let first = &all["items"][0];
    let expected = json!({
        "id": "test:report", "kind": "report", "by": "test",
        "why": "invalid type: string \"…\", expected u64",
        "at": "2026-11-01T12:00:00Z", "contact_id": null, "tries": 0, "asked_at": null,
        "expires_at": "2027-01-30T12:00:00Z",
    });
    assert_eq!(*first, expected);
    assert_eq!(all["items"][1]["contact_id"], "c1m8r9w900chj68s3");
    assert!(!all.to_string().contains("ann@example.com"), "{all}");
    // A repeat replaces it, and it is as old as it was.
    keep_dead_letter(&api, "test/report", DeadLetterKind::Report, "{}").await;
    let first = api.get(&format!("{PATH}?limit=1")).await.is(200);
    assert_eq!((ids(&first), &first["items"][0]["at"]), (vec!["test:report"], &expected["at"]));
    let cursor = first["next_cursor"].as_str().expect("more");
    let rest = api.get(&format!("{PATH}?limit=2&cursor={cursor}")).await.is(200);
    assert_eq!(ids(&rest), ["test:erase", "test:broken"]);
    for (wrong, named) in [("cursor=x", "cursor"), ("limit=0", "limit"), ("contact=x", "contact")] {
        assert_eq!(api.get(&format!("{PATH}?{wrong}")).await.faults(422)[0].0, named);
    }
}

#[tokio::test]
async fn a_letter_is_shown_as_it_came_and_goes_after_ninety_days() {
    let api = with_three().await;
    let shown = api.get(&format!("{PATH}/test:report")).await.is(200);
    assert_eq!(shown["raw"], r#"{"to":"ann@example.com"}"#);
    assert_eq!(shown["kind"], "report");
    let none = api.get(&format!("{PATH}/test:nothing")).await.problem(404);
    assert!(none["detail"].to_string().contains("`test:nothing`"), "{none}");
    api.post("/dev/clock", &json!({ "to": "2027-01-30T12:00:00Z" })).await.is(200);
    assert_eq!(ids(&api.get(PATH).await.is(200)), ["test:erase", "test:broken"]);
    api.get(&format!("{PATH}/test:report")).await.problem(404);
}

#[tokio::test]
async fn a_letter_that_is_done_again_is_gone_and_one_that_is_not_says_why() {
    let api = with_three().await;
    let asked = api.post(&format!("{PATH}/test:erase/redrive"), &json!({})).await.is(202);
    assert_eq!(
        (&asked["id"], &asked["asked_at"]),
        (&json!("test:erase"), &json!("2026-11-01T12:03:00Z"))
    );
    for (id, why) in
        [("test:report", "no mail service reports here"), ("test:broken", "expected ident")]
    {
        let answer = api.once("key", &format!("{PATH}/{id}/redrive"), &json!({})).await;
        if id == "test:report" {
            answer.is(202);
        } else {
            answer.problem(422);
            api.post(&format!("{PATH}/{id}/redrive"), &json!({})).await.is(202);
        }
        api.idle().await;
        let left = api.get(&format!("{PATH}/{id}")).await.is(200);
        assert_eq!((&left["tries"], &left["asked_at"]), (&json!(1), &Value::Null), "{left}");
        assert!(left["why"].as_str().expect("why").contains(why), "{left}");
    }
    assert_eq!(ids(&api.get(PATH).await.is(200)), ["test:report", "test:broken"]);
    api.post(&format!("{PATH}/test:erase/redrive"), &json!({})).await.problem(404);
    // The call is idempotent.
    api.once("key", &format!("{PATH}/test:report/redrive"), &json!({})).await.is(202);
    api.idle().await;
    assert_eq!(api.get(&format!("{PATH}/test:report")).await.is(200)["tries"], 1);
}

#[tokio::test]
async fn a_letter_is_deleted_once() {
    let api = with_three().await;
    assert_eq!(api.delete(&format!("{PATH}/test:broken")).await.status, 204);
    api.delete(&format!("{PATH}/test:broken")).await.problem(404);
    assert_eq!(ids(&api.get(PATH).await.is(200)), ["test:report", "test:erase"]);
}

#[tokio::test]
async fn who_may_read_sees_letters_and_who_may_write_has_them_done() {
    let api = with_three().await;
    let (reads, writes) = (api.key("look", "read").await, api.key("tool", "write").await);
    let redrive = format!("{PATH}/test:erase/redrive");
    assert_eq!(api.with_key(&reads, "GET", PATH).await.status, 200);
    for (method, path) in [("POST", redrive.as_str()), ("DELETE", "/v1/dead-letters/test:erase")] {
        assert_eq!(api.with_key(&reads, method, path).await.status, 403, "{method}");
    }
    assert_eq!(api.with_key(&writes, "POST", &redrive).await.status, 202);
}

#[tokio::test]
async fn an_erased_contact_has_no_letters() {
    let api = Called::new().await;
    let body = json!({ "email": "ann@example.com" });
    let ann = api.hook(&body).await["contact_id"].as_str().expect("an id").to_owned();
    keep_dead_letter(
        &api,
        "test/wake",
        DeadLetterKind::Message,
        &json!({ "erase": ann }).to_string(),
    )
    .await;
    keep_dead_letter(&api, "test/bounce", DeadLetterKind::Report, r#"{"to":"Ann@Example.com"}"#)
        .await;
    assert_eq!(api.delete("/v1/contacts/email:ann@example.com").await.status, 204);
    assert_eq!(api.get(PATH).await.is(200)["items"], json!([]));
    // Nor does it receive one.
    keep_dead_letter(
        &api,
        "test/late",
        DeadLetterKind::Message,
        &json!({ "erase": ann }).to_string(),
    )
    .await;
    assert_eq!(api.get(PATH).await.is(200)["items"], json!([]));
}

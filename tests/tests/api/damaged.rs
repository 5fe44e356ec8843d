//! A contact whose stored item was changed by hand, so that nobody can read it: lists go on, and it
//! can be erased.

use dacapo_engine::ids::ContactId;
use dacapo_platform::table::{Body, Condition, Consistency, Item, Write};
use serde_json::{Value, json};

use crate::called::Called;

const BEN: &str = "ben@example.com";

/// Three contacts; the stored body of the second is changed.
async fn with_damaged(damage: impl Fn(&mut Value)) -> (Called, String) {
    let api = Called::new().await;
    for email in ["ann@example.com", BEN, "cem@example.com"] {
        let body = json!({ "email": email, "tags": ["Lead"], "consent": "unsubscribed" });
        api.post("/v1/contacts", &body).await.is(201);
    }
    api.idle().await;
    let ben = api.get(&format!("/v1/contacts/email:{BEN}")).await.is(200);
    let ben = ben["id"].as_str().expect("an id").to_owned();
    let store = &api.embedded.platform.store;
    let key = store.keys.contact(&ContactId::new(ben.as_str()).expect("an id"));
    let stored =
        store.table.get(&key, Consistency::Strong).await.expect("an answer").expect("an item");
    let mut body: Value = stored.body.read().expect("a body");
    damage(&mut body);
    let item = Item { body: Body::of(&body).expect("a body"), ..stored };
    let put = Write::put(item, Condition::Always);
    store.table.write(vec![put], None).await.expect("written");
    (api, ben)
}

fn wrong_type(body: &mut Value) {
    body["c"]["consent"] = json!(7);
}

#[tokio::test]
async fn lists_and_exports_say_where_a_contact_cannot_be_read_and_go_on() {
    let (api, ben) = with_damaged(wrong_type).await;
    for path in ["/v1/contacts", "/v1/contacts?tag=Lead"] {
        let page = api.get(path).await.is(200);
        let items = page["items"].as_array().expect("a list");
        let ids: Vec<&str> = items.iter().filter_map(|item| item["id"].as_str()).collect();
        assert_eq!(ids.len(), 3, "{path}: {page}");
        assert!(ids.is_sorted(), "each at its place: {page}");
        let damaged = items.iter().find(|item| item["id"] == ben.as_str()).expect("it is there");
        assert!(damaged["unreadable"].as_str().is_some_and(|why| !why.is_empty()), "{damaged}");
        let whole = items.iter().filter(|item| item["email"].is_string()).count();
        assert_eq!(whole, 2, "{page}");
    }
    let page = api.get("/v1/contacts?q=cem").await.is(200);
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page}");
    for path in ["/v1/contacts/export", "/v1/contacts/export?limit=10"] {
        let file = api.get(path).await.text;
        assert_eq!(file.lines().count(), 4, "{file}");
        let row = file.lines().find(|line| line.starts_with(&ben)).expect("its row");
        assert!(row.contains("unreadable: "), "{row}");
    }
    let problem = api.get(&format!("/v1/contacts/{ben}")).await.problem(500);
    assert_eq!(problem["type"], "urn:dacapo:problem:unreadable", "{problem}");
    let detail = problem["detail"].as_str().expect("a text");
    assert!(detail.contains(&format!("DELETE /v1/contacts/{ben}")), "the remedy: {detail}");
}

#[tokio::test]
async fn a_contact_that_cannot_be_read_is_erased_by_id_and_its_address_is_free_and_still_refuses() {
    let (api, ben) = with_damaged(wrong_type).await;
    assert_eq!(api.delete(&format!("/v1/contacts/{ben}")).await.status, 204);
    api.idle().await;
    api.get(&format!("/v1/contacts/{ben}")).await.problem(404);
    for path in ["/v1/contacts", "/v1/contacts?tag=Lead"] {
        let page = api.get(path).await.is(200);
        assert_eq!(page["items"].as_array().map(Vec::len), Some(2), "{path}: {page}");
    }
    api.get(&format!("/v1/contacts/email:{BEN}")).await.problem(404);
    let again = api.hook(&json!({ "email": BEN })).await;
    assert_ne!(again["contact_id"], ben.as_str());
    let contact = api.get(&format!("/v1/contacts/email:{BEN}")).await.is(200);
    assert_eq!(contact["consent"], "unsubscribed", "{contact}");
}

#[tokio::test]
async fn the_address_of_an_erased_contact_that_nothing_says_any_more_is_freed_by_its_name() {
    let (api, ben) = with_damaged(|body| *body = json!({ "c": 7 })).await;
    assert_eq!(api.delete(&format!("/v1/contacts/{ben}")).await.status, 204);
    api.idle().await;
    assert_eq!(api.delete(&format!("/v1/contacts/email:{BEN}")).await.status, 204);
    assert_eq!(api.delete(&format!("/v1/contacts/email:{BEN}")).await.status, 404);
    let again = api.hook(&json!({ "email": BEN })).await;
    assert_ne!(again["contact_id"], ben.as_str());
}

#[tokio::test]
async fn a_contact_that_cannot_be_read_is_erased_by_its_address_at_once() {
    let (api, ben) = with_damaged(|body| *body = json!({ "c": 7 })).await;
    assert_eq!(api.delete(&format!("/v1/contacts/email:{BEN}")).await.status, 204);
    let again = api.hook(&json!({ "email": BEN })).await;
    assert_ne!(again["contact_id"], ben.as_str());
}

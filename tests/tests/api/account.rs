//! `/v1/account`, `/v1/fields`, `/v1/keys`, `/u/{token}`.

use dacapo_engine::ids::ContactId;
use dacapo_platform::unsubscribe::token;
use serde_json::{Value, json};

use crate::called::{Answer, Called};

#[tokio::test]
async fn the_account_is_read_and_changed() {
    let api = Called::new().await;
    let account = api.get("/v1/account").await.is(200);
    let fresh = json!({ "time_zone": "UTC", "locale": "en", "date_order": null, "default_consent": "subscribed",
        "sender": null });
    assert_eq!(account, fresh);
    let body = json!({ "time_zone": "Europe/Berlin", "locale": "de", "date_order": "day_first", "default_consent": "none",
        "sender": { "name": "Studio Nord", "address": "hello@studio-nord.example" } });
    assert_eq!(api.patch("/v1/account", &body).await.is(200), body);
    assert_eq!(api.get("/v1/account").await.is(200), body);
    let account = api.patch("/v1/account", &json!({ "sender": null })).await.is(200);
    assert_eq!((&account["sender"], &account["locale"]), (&Value::Null, &json!("de")));
}

#[tokio::test]
async fn what_an_account_cannot_be_is_refused() {
    let api = Called::new().await;
    let body = json!({ "time_zone": "Mars", "locale": 7, "default_consent": null, "sender": { "address": "nobody" },
        "name": "x" });
    let mut faults = api.patch("/v1/account", &body).await.faults(422);
    faults.sort();
    let paths: Vec<&str> = faults.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["default_consent", "locale", "name", "sender.address", "time_zone"]);
    api.patch("/v1/account", &json!({ "time_zone": "Europe/Berlin", "locale": "?" }))
        .await
        .faults(422);
    assert_eq!(api.get("/v1/account").await.is(200)["time_zone"], "UTC", "nothing was written");
}

#[tokio::test]
async fn fields_are_made_listed_and_labelled() {
    let api = Called::with_fields().await;
    let field =
        api.put("/v1/fields/city", &json!({ "type": "text", "label": "City" })).await.is(200);
    assert_eq!(field, json!({ "key": "city", "type": "text", "label": "City" }));
    assert_eq!(api.get("/v1/fields/city").await.is(200), field);
    assert_eq!(api.put("/v1/fields/city", &field).await.is(200), field);
    let page = api.get("/v1/fields?limit=3").await.is(200);
    assert_eq!(page["items"].as_array().map(Vec::len), Some(3));
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    let rest = api.get(&format!("/v1/fields?cursor={cursor}")).await.is(200);
    assert_eq!(
        (rest["items"].as_array().map(Vec::len), &rest["next_cursor"]),
        (Some(2), &Value::Null)
    );
    api.get("/v1/fields/nothing").await.problem(404);
}

#[tokio::test]
async fn a_fields_type_stays() {
    let api = Called::with_fields().await;
    api.put("/v1/fields/city", &json!({ "type": "number" })).await.problem(409);
    for key in ["email", "tags", "contact_id", "a%20b"] {
        let answer = api.put(&format!("/v1/fields/{key}"), &json!({ "type": "text" })).await;
        assert_eq!(answer.faults(422)[0].0, "key", "{key}");
    }
    let unknown = api.put("/v1/fields/x", &json!({ "type": "colour" })).await;
    assert_eq!(unknown.faults(422)[0].0, "type");
}

#[tokio::test]
async fn a_key_is_shown_once_and_opens_until_it_is_deleted() {
    let api = Called::new().await;
    let made = api
        .post("/v1/keys", &json!({ "name": "zapier", "scopes": ["read", "webhook"] }))
        .await
        .is(201);
    let key = made["key"].as_str().expect("a key");
    assert!(key.starts_with("dk_") && key.len() == 43, "{key}");
    let listed = api.get("/v1/keys").await;
    assert!(!listed.text.contains(key));
    assert_eq!(listed.is(200)["items"][0]["name"], "zapier");
    assert_eq!(listed.is(200)["items"][0]["scopes"], json!(["webhook", "read"]));
    api.with_key(key, "GET", "/v1/contacts").await.is(200);
    let id = made["id"].as_str().expect("an id");
    assert_eq!(api.delete(&format!("/v1/keys/{id}")).await.status, 204);
    api.delete(&format!("/v1/keys/{id}")).await.problem(404);
    api.with_key(key, "GET", "/v1/contacts").await.problem(401);
    assert_eq!(api.get("/v1/keys").await.is(200)["items"], json!([]));
}

#[tokio::test]
async fn a_key_has_a_name_and_scopes() {
    let api = Called::new().await;
    for body in [
        json!({ "name": " ", "scopes": ["read"] }),
        json!({ "name": "a", "scopes": [] }),
        json!({ "name": "a" }),
    ] {
        api.post("/v1/keys", &body).await.faults(422);
    }
}

/// Ann's page.
async fn page(api: &Called, method: &str, token: &str) -> Answer {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    api.bare(method, &format!("/u/{token}"), &headers, "List-Unsubscribe=One-Click").await
}

async fn ann_token(api: &Called, locale: &str) -> String {
    let ann = api.hook(&json!({ "email": "ann@example.com", "locale": locale })).await;
    let id = ContactId::new(ann["contact_id"].as_str().expect("an id")).expect("an id");
    token(&api.embedded.platform.catalog.current().await.expect("a catalog").catalog.secret, &id)
}

#[tokio::test]
async fn a_link_asks_and_one_click_unsubscribes() {
    let api = Called::with_fields().await;
    let token = ann_token(&api, "de-AT").await;
    let asked = page(&api, "GET", &token).await;
    asked.is(200);
    assert!(asked.text.contains("<html lang=\"de\">") && asked.text.contains("method=\"post\""));
    assert_eq!(api.ann().await["consent"], "subscribed", "looking changes nothing");
    let done = page(&api, "POST", &token).await;
    done.is(200);
    assert!(done.text.contains("Sie sind abgemeldet"), "{}", done.text);
    let ann = api.ann().await;
    assert_eq!((&ann["consent"], &ann["rev"]), (&json!("unsubscribed"), &json!(2)));
    page(&api, "POST", &token).await.is(200);
    assert_eq!(api.ann().await["rev"], 2);
}

#[tokio::test]
async fn a_link_that_nobody_signed_leads_nowhere() {
    let api = Called::with_fields().await;
    let token = ann_token(&api, "en").await;
    let forged = format!("{token}x");
    for method in ["GET", "POST"] {
        let answer = page(&api, method, &forged).await;
        answer.is(404);
        assert!(answer.headers["content-type"].to_str().expect("text").starts_with("text/html"));
        assert!(answer.text.contains("not valid"), "{}", answer.text);
    }
    assert_eq!(api.ann().await["consent"], "subscribed");
}

#[tokio::test]
async fn pages_of_keys_and_mass_actions_end_where_there_is_nothing_more() {
    let api = Called::new().await;
    for n in 0..4 {
        api.post("/v1/keys", &json!({ "name": format!("k{n}"), "scopes": ["read"] })).await.is(201);
        api.post("/v1/mass-actions/reconcile", &json!({})).await.is(202);
    }
    api.idle().await;
    for list in ["keys", "mass-actions"] {
        let whole = api.get(&format!("/v1/{list}")).await.is(200)["items"].clone();
        let whole = whole.as_array().expect("items");
        assert_eq!(whole.len(), 4, "{list}");
        for limit in 1..=5 {
            let (mut items, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = api.get(&format!("/v1/{list}?limit={limit}{cursor}")).await.is(200);
                let more = page["items"].as_array().expect("items");
                assert!(!more.is_empty() && more.len() <= limit, "{list} {limit}: {page:#}");
                items.extend(more.iter().cloned());
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(items, *whole, "{list}, {limit} at a time: each once, in order");
        }
    }
}

#[tokio::test]
async fn a_sender_with_other_letters_than_ascii_before_the_at_is_refused_with_the_remedy() {
    let api = Called::new().await;
    let body = json!({ "sender": { "address": "jörg@studio-nord.example" } });
    let problem = api.patch("/v1/account", &body).await.problem(422);
    assert_eq!(problem["errors"][0]["path"], "sender.address", "{problem}");
    let message = problem["errors"][0]["message"].as_str().expect("a text");
    assert!(message.contains("before the @"), "{message}");
    assert_eq!(api.get("/v1/account").await.is(200)["sender"], Value::Null, "nothing was kept");
    // A domain may have them: it is written in ASCII for mail servers.
    let body = json!({ "sender": { "address": "joerg@bücher.example" } });
    api.patch("/v1/account", &body).await.is(200);
}

//! A refusal is remembered, by the contact or else by the address, until a person revokes it
//! explicitly.

use serde_json::{Value, json};

use crate::called::{ADMIN, Called};

const ANN: &str = "/v1/contacts/email:ann@example.com";

fn ann() -> Value {
    json!({ "email": "ann@example.com" })
}

async fn unsubscribed_and_erased(api: &Called) {
    api.hook(&ann()).await;
    api.patch(ANN, &json!({ "consent": "unsubscribed" })).await.is(200);
    assert_eq!(api.delete(ANN).await.status, 204);
    api.idle().await;
}

/// A post by a key whose only scope is posting.
async fn posted(api: &Called, key: &str, body: &Value) -> Value {
    let headers = [("x-api-key", key), ("content-type", "application/json")];
    api.bare("POST", "/v1/hooks/contact", &headers, body.to_string()).await.is(200)
}

async fn import(api: &Called, text: &str) -> Value {
    let headers = [("x-api-key", ADMIN), ("content-type", "text/csv")];
    api.bare("POST", "/v1/contacts/import", &headers, text.to_owned()).await.is(200)
}

#[tokio::test]
async fn who_unsubscribed_and_was_erased_is_still_unsubscribed_when_posted_again() {
    let api = Called::new().await;
    for writer in ["hook", "api", "import"] {
        unsubscribed_and_erased(&api).await;
        match writer {
            "hook" => drop(api.hook(&json!({ "email": " ANN@Example.com" })).await),
            "api" => drop(api.post("/v1/contacts", &ann()).await.is(201)),
            _ => drop(import(&api, "email,consent\nann@example.com,subscribed\n").await),
        }
        assert_eq!(api.ann().await["consent"], "unsubscribed", "{writer}");
        assert_eq!(api.delete(ANN).await.status, 204);
    }
    assert_eq!(api.hook(&json!({ "email": "bob@example.com" })).await["created"], true);
    let bob = api.get("/v1/contacts/email:bob@example.com").await.is(200);
    assert_eq!(bob["consent"], "subscribed", "nobody else");
}

#[tokio::test]
async fn who_was_suppressed_and_erased_is_still_suppressed_and_lifting_it_is_explicit() {
    let api = Called::new().await;
    api.hook(&ann()).await;
    api.patch(ANN, &json!({ "suppressed": "manual" })).await.is(200);
    api.delete(ANN).await;
    api.hook(&ann()).await;
    assert_eq!(api.ann().await["suppressed"], "manual");
    api.patch("/v1/account", &json!({ "default_consent": "subscribed" })).await.is(200);
    assert_eq!(api.ann().await["suppressed"], "manual");
    assert_eq!(
        api.patch(ANN, &json!({ "suppressed": null })).await.is(200)["suppressed"],
        json!(null)
    );
    api.delete(ANN).await;
    api.hook(&ann()).await;
    assert_eq!(api.ann().await["suppressed"], json!(null), "lifted is lifted");
}

#[tokio::test]
async fn a_webhook_key_takes_no_unsubscription_back_unless_it_says_so_by_name() {
    let api = Called::new().await;
    let key = api.key("zapier", "webhook").await;
    let subscribed = json!({ "email": "ann@example.com", "consent": "subscribed" });
    assert_eq!(posted(&api, &key, &subscribed).await.get("warnings"), None);
    api.patch(ANN, &json!({ "consent": "unsubscribed" })).await.is(200);
    for consent in ["subscribed", "none"] {
        let body = json!({ "email": "ann@example.com", "consent": consent, "first_name": consent });
        let answer = posted(&api, &key, &body).await;
        assert_eq!(answer["warnings"][0]["path"], "consent", "{answer}");
        assert!(answer["warnings"][0]["message"].to_string().contains("resubscribe"), "{answer}");
        let ann = api.ann().await;
        assert_eq!(
            (&ann["consent"], &ann["first_name"]),
            (&json!("unsubscribed"), &json!(consent))
        );
    }
    let body = json!({ "email": "ann@example.com", "consent": "subscribed", "resubscribe": true });
    assert_eq!(posted(&api, &key, &body).await.get("warnings"), None);
    assert_eq!(api.ann().await["consent"], "subscribed");

    unsubscribed_and_erased(&api).await;
    assert_eq!(posted(&api, &key, &subscribed).await["created"], true);
    assert_eq!(api.ann().await["consent"], "unsubscribed", "erased, and posted with consent");
    posted(&api, &key, &json!({ "email": "ann@example.com", "resubscribe": "yes" })).await;
    assert_eq!(api.ann().await["consent"], "subscribed");
    let headers = [("x-api-key", key.as_str()), ("content-type", "application/json")];
    for (name, consent) in [("consent", "none"), ("Consent", "unsubscribed")] {
        let wrong = json!({ "email": "ann@example.com", "resubscribe": true, name: consent });
        api.bare("POST", "/v1/hooks/contact", &headers, wrong.to_string()).await.faults(422);
    }
}

#[tokio::test]
async fn keys_that_may_write_mean_what_they_say_and_a_file_says_it_by_name() {
    let api = Called::new().await;
    unsubscribed_and_erased(&api).await;
    let body = json!({ "email": "ann@example.com", "consent": "subscribed" });
    assert_eq!(api.post("/v1/contacts", &body).await.is(201)["consent"], "subscribed");
    api.patch(ANN, &json!({ "consent": "unsubscribed" })).await.is(200);
    assert_eq!(
        api.patch(ANN, &json!({ "consent": "subscribed" })).await.is(200)["consent"],
        "subscribed"
    );
    api.patch(ANN, &json!({ "consent": "unsubscribed" })).await.is(200);
    import(&api, "email,consent\nann@example.com,subscribed\n").await;
    assert_eq!(api.ann().await["consent"], "unsubscribed");
    import(&api, "email,consent,resubscribe\nann@example.com,subscribed,true\n").await;
    assert_eq!(api.ann().await["consent"], "subscribed");
}

#[tokio::test]
async fn an_address_that_is_left_or_taken_keeps_its_no() {
    let api = Called::new().await;
    unsubscribed_and_erased(&api).await;
    api.hook(&json!({ "email": "bob@example.com" })).await;
    let bob = "/v1/contacts/email:bob@example.com";
    let moved = api.patch(bob, &json!({ "email": "ann@example.com" })).await.is(200);
    assert_eq!(moved["consent"], "unsubscribed", "it takes the address, and its no");
    let moved = api.patch(ANN, &json!({ "email": "cem@example.com" })).await.is(200);
    assert_eq!(moved["consent"], "unsubscribed");
    api.hook(&ann()).await;
    assert_eq!(api.ann().await["consent"], "unsubscribed", "the address that was left");
    // The contact that left this address kept the refusal: it belongs to the same person.
    api.hook(&json!({ "email": "bob@example.com" })).await;
    assert_eq!(api.get(bob).await.is(200)["consent"], "unsubscribed");
    api.hook(&json!({ "email": "eve@example.com" })).await;
    let eve = api.get("/v1/contacts/email:eve@example.com").await.is(200);
    assert_eq!(eve["consent"], "subscribed");
}

#[tokio::test]
async fn an_account_that_is_erased_remembers_nothing() {
    let api = Called::new().await;
    unsubscribed_and_erased(&api).await;
    let erased = api
        .post("/v1/mass-actions/erase-account", &json!({ "confirm": "erase account main" }))
        .await;
    if erased.status.is_success() {
        api.idle().await;
        api.hook(&ann()).await;
        assert_eq!(api.ann().await["consent"], "subscribed");
    } else {
        panic!("{}", erased.text);
    }
}

#[tokio::test]
async fn no_other_consent_takes_an_unsubscription_back() {
    let api = Called::new().await;
    api.hook(&ann()).await;
    api.patch(ANN, &json!({ "consent": "unsubscribed" })).await.is(200);
    let none = json!({ "email": "ann@example.com", "consent": "none" });
    let told = api.hook(&none).await;
    assert_eq!(told["warnings"][0]["code"], "unsubscribed", "{told}");
    let told = api.patch(ANN, &json!({ "consent": "none" })).await.is(200);
    assert_eq!(
        (&told["consent"], &told["warnings"][0]["code"]),
        (&json!("unsubscribed"), &json!("unsubscribed"))
    );
    let told = posted(
        &api,
        &api.key("zapier", "webhook").await,
        &json!({ "email": "ann@example.com", "consent": "subscribed" }),
    )
    .await;
    assert_eq!(told["warnings"][0]["code"], "unsubscribed", "{told}");
    assert_eq!(api.ann().await["consent"], "unsubscribed");
    // Nor does it if the contact was erased meanwhile.
    api.delete(ANN).await;
    assert_eq!(api.post("/v1/contacts", &none).await.is(201)["consent"], "unsubscribed");
    let told = api.patch(ANN, &json!({ "consent": "subscribed" })).await.is(200);
    assert_eq!((&told["consent"], told.get("warnings")), (&json!("subscribed"), None));
}

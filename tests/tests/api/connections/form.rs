//! Forms, shops and whatever else posts names and values. The bodies are written anew from what the
//! tools describe: Jotform,
//! <https://www.jotform.com/help/245-how-to-setup-a-webhook-with-jotform/>; Digistore24,
//! <https://dev.digistore24.com/en/articles/13-events>.

use serde_json::{Value, json};

use super::{calls, connected, newest, post, posted};
use crate::called::Called;

const URLENCODED: &str = "application/x-www-form-urlencoded";

async fn plain(api: &Called) -> String {
    connected(api, "form", &json!({ "kind": "form", "tags": ["Lead"] })).await
}

#[tokio::test]
async fn without_a_map_names_are_met_as_an_import_meets_them() {
    for (kind, body) in [
        (
            URLENCODED,
            "form_fields%5Bemail%5D=ann%40example.com&form_fields%5Bcity%5D=Kiel&fields%5Bvip%5D=yes",
        ),
        (URLENCODED, "E-Mail-Adresse=ann%40example.com&City=Kiel&VIP=yes&form_id=7&id=3"),
        (
            "application/json; charset=utf-8",
            r#"{"data":{"answers":[{"Email":"ann@example.com"},{"city":"Kiel","vip":true}]}}"#,
        ),
        ("text/plain", r#"{"email":"ann@example.com","city":"Kiel","vip":"1"}"#),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"Email\"\r\n\r\nann@example.com\r\n\
            --x\r\nContent-Disposition: form-data; name=\"city\"\r\n\r\nKiel\r\n\
            --x\r\nContent-Disposition: form-data; name=\"vip\"\r\n\r\nyes\r\n\
            --x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\r\n\u{0}\u{1}\r\n--x--\r\n",
        ),
    ] {
        let api = Called::with_fields().await;
        let path = plain(&api).await;
        let answer = post(&api, &path, kind, body).await;
        answer.is(200);
        assert_eq!(answer.text, "OK");
        let ann = api.ann().await;
        assert_eq!(ann["fields"], json!({ "city": "Kiel", "vip": true }), "{body}");
        assert!(ann["tags"]["Lead"].is_string());
        assert_eq!(newest(&api, "form").await["errors"], json!([]), "{body}");
    }
}

#[tokio::test]
async fn a_map_reaches_into_what_jotform_sends() {
    let api = Called::with_fields().await;
    let map = json!({
        "/rawRequest/q3_name/first": "first_name", "/rawRequest/q4_email": "email",
        "/rawRequest/q5_when": "appointment", "formTitle": "city", "/rawRequest/q6_topics": "tags",
    });
    let path = connected(&api, "form", &json!({ "kind": "form", "map": map })).await;
    let raw = json!({ "q3_name": { "first": "Ann" }, "q4_email": "ann@example.com", "q5_when": "2026-12-01 14:30",
        "q6_topics": ["Yoga", "Sleep"], "q7_other": "not taken" });
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"rawRequest\"\r\n\r\n{raw}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"formTitle\"\r\n\r\nMünster\r\n--b--\r\n"
    );
    post(&api, &path, "multipart/form-data; boundary=b", body).await.is(200);
    let ann = api.ann().await;
    assert_eq!(ann["fields"], json!({ "appointment": "2026-12-01T14:30:00Z", "city": "Münster" }));
    let mut tags: Vec<_> = ann["tags"].as_object().unwrap().keys().collect();
    tags.sort();
    assert_eq!(tags, ["Sleep", "Yoga"]);
}

#[tokio::test]
async fn a_shop_is_answered_the_word_that_it_looks_for() {
    let api = Called::with_fields().await;
    let map =
        json!({ "email": "email", "address_first_name": "first_name", "product_name": "tags" });
    let path = connected(&api, "form", &json!({ "kind": "form", "map": map })).await;
    let bought = "event=on_payment&email=ann%40example.com&address_first_name=Ann&product_name=Course&order_id=X1";
    let answer = post(&api, &path, URLENCODED, bought).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "OK"));
    assert!(api.ann().await["tags"]["Course"].is_string());
    // A test call of the shop has nobody in it: it is kept, and the shop need not send it again.
    let answer = post(&api, &path, URLENCODED, "event=connection_test").await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (202, "OK"));
}

/// 0033: a `no` is taken back only by whoever says so by name.
#[tokio::test]
async fn what_a_form_is_not_mapped_for_it_cannot_do() {
    let api = Called::with_fields().await;
    let path = plain(&api).await;
    let body = json!({ "email": "ann@example.com", "phone": "1", "city": "Kiel", "tags": "Old", "consent": "unsubscribed" });
    api.hook(&body).await;
    let sent = json!({ "email": "ann@example.com", "consent": "subscribed", "Resubscribe": "true", "suppressed": "manual",
        "form_fields[clear]": "phone", "remove-tags": "Old", "fields": "x" });
    posted(&api, &path, &sent).await.is(200);
    let ann = api.ann().await;
    assert_eq!(
        (&ann["consent"], &ann["suppressed"], &ann["phone"]),
        (&json!("unsubscribed"), &Value::Null, &json!("1"))
    );
    assert!(ann["tags"]["Old"].is_string());
    // What anybody could add to a public form neither starts a campaign nor ends a subscription.
    let left_out = async || {
        let errors = newest(&api, "form").await["errors"].clone();
        let left_out = errors.as_array().unwrap().iter();
        let left_out = left_out.filter(|error| error["code"] == "only_by_map");
        left_out.map(|error| error["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    super::advance(&api, "1 minute").await;
    let bob = || api.get("/v1/contacts/email:bob@example.com");
    let added = json!({ "email": "bob@example.com", "tags": ["VIP"], "city": "Ulm" });
    posted(&api, &path, &added).await.is(200);
    assert_eq!(left_out().await, ["tags"]);
    super::advance(&api, "1 minute").await;
    let added = json!({ "email": "bob@example.com", "Consent": "unsubscribed", "city": "Kiel" });
    posted(&api, &path, &added).await.is(200);
    assert_eq!(left_out().await, ["Consent"]);
    let bob = bob().await.is(200);
    assert_eq!((&bob["fields"]["city"], &bob["consent"]), (&json!("Kiel"), &json!("subscribed")));
    assert_eq!(bob["tags"].as_object().unwrap().keys().collect::<Vec<_>>(), ["Lead"]);
    // Who is new may well say no at once, in the words of Dacapo.
    for (who, says, consent) in [("dan", "none", "none"), ("fay", "yes", "subscribed")] {
        super::advance(&api, "1 minute").await;
        let email = format!("{who}@example.com");
        posted(&api, &path, &json!({ "email": email, "consent": says })).await.is(200);
        let new = api.get(&format!("/v1/contacts/email:{email}")).await.is(200);
        assert_eq!(new["consent"], consent, "{who}");
    }
    assert_eq!(newest(&api, "form").await["errors"][0]["code"], "consent");
    let map = json!({ "mail": "email", "again": "resubscribe", "ticked": "consent" });
    let mapped = connected(&api, "mapped", &json!({ "kind": "form", "map": map })).await;
    super::advance(&api, "1 minute").await;
    let eve = json!({ "mail": "eve@example.com", "ticked": "unsubscribed" });
    posted(&api, &mapped, &eve).await.is(200);
    assert_eq!(
        api.get("/v1/contacts/email:eve@example.com").await.is(200)["consent"],
        "unsubscribed"
    );
    posted(&api, &mapped, &json!({ "mail": "ann@example.com", "again": "yes" })).await.is(200);
    assert_eq!(api.ann().await["consent"], "subscribed");
}

#[tokio::test]
async fn a_value_that_cannot_be_read_is_told_and_the_rest_is_written() {
    let api = Called::with_fields().await;
    let path = plain(&api).await;
    posted(&api, &path, &json!({ "email": "ann@example.com", "score": "many", "city": "Kiel" }))
        .await
        .is(200);
    assert_eq!(api.ann().await["fields"], json!({ "city": "Kiel" }));
    let call = newest(&api, "form").await;
    assert_eq!((&call["outcome"], &call["errors"][0]["path"]), (&json!("done"), &json!("score")));
}

#[tokio::test]
async fn r02_the_same_post_is_a_repeat_for_ten_minutes_only() {
    let api = Called::with_fields().await;
    let path = plain(&api).await;
    let body = json!({ "email": "ann@example.com" });
    posted(&api, &path, &body).await.is(200);
    let rev = api.ann().await["rev"].as_u64().unwrap();
    for (passed, expected) in
        [("1 minute", rev), ("8 minutes", rev), ("1 minute", rev + 1), ("9 minutes", rev + 1)]
    {
        super::advance(&api, passed).await;
        posted(&api, &path, &body).await.is(200);
        assert_eq!(api.ann().await["rev"].as_u64(), Some(expected), "{passed}");
    }
}

/// A form in parts has other text between them each time it is sent.
#[tokio::test]
async fn r02_a_form_in_parts_that_comes_again_is_a_repeat() {
    let api = Called::with_fields().await;
    let path = plain(&api).await;
    let sent = async |between: &str| {
        let part = |name: &str, value: &str| {
            format!(
                "--{between}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
        };
        let email = part("email", "ann@example.com");
        let body = format!("{email}{}--{between}--\r\n", part("city", "Kiel"));
        post(&api, &path, &format!("multipart/form-data; boundary={between}"), body).await.is(200);
        api.ann().await["rev"].clone()
    };
    let once = sent("----one").await;
    assert_eq!(sent("----two").await, once);
    assert_eq!(calls(&api, "form").await.len(), 1);
}

/// A tool that says which call it is may send it again for days (Standard Webhooks).
#[tokio::test]
async fn r02_a_call_with_a_name_is_done_once_as_long_as_it_is_kept() {
    let api = Called::with_fields().await;
    let path = plain(&api).await;
    let sent = async |name: &str, city: &str| {
        let headers = [("content-type", "application/json"), ("webhook-id", name)];
        let body = json!({ "email": "ann@example.com", "city": city }).to_string();
        api.bare("POST", &path, &headers, body).await.is(200);
        api.ann().await["fields"]["city"].clone()
    };
    assert_eq!(sent("msg_1", "Kiel").await, "Kiel");
    assert_eq!(sent("msg_2", "Bonn").await, "Bonn");
    super::advance(&api, "10 days").await;
    assert_eq!(sent("msg_1", "Kiel").await, "Bonn", "it comes again, late");
    assert_eq!(calls(&api, "form").await.len(), 2);
}

#[tokio::test]
async fn what_a_tool_adds_to_its_url_means_nothing() {
    let api = Called::with_fields().await;
    let path = plain(&api).await;
    posted(
        &api,
        &format!("{path}?utm_source=x&unknown_fields=create"),
        &json!({ "email": "ann@example.com", "new": 1 }),
    )
    .await
    .is(200);
    assert_eq!(api.ann().await["fields"], json!({}));
}

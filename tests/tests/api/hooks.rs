//! `POST /v1/hooks/contact`.

use serde_json::{Value, json};

use crate::called::{ADMIN, Answer, Called};

const HOOK: &str = "/v1/hooks/contact";

async fn form(api: &Called, body: &str) -> Answer {
    let headers = [
        ("x-api-key", ADMIN),
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
    ];
    api.bare("POST", HOOK, &headers, body.to_owned()).await
}

fn sorted(list: &Value) -> Vec<&str> {
    let mut words: Vec<&str> =
        list.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    words.sort_unstable();
    words
}

#[tokio::test]
async fn a_post_creates_a_contact() {
    let api = Called::with_fields().await;
    let answer = api
        .hook(&json!({
            "email": " Ann@Example.com ", "name": "Ann Marie Lee", "phone": "+49 30 1", "time_zone": "Europe/Berlin",
            "locale": "de_AT", "tags": "Lead, Hot", "fields": { "score": "12.5" }, "vip": "yes", "city": "Kiel",
        }))
        .await;
    assert_eq!(answer["created"], true);
    assert_eq!(answer["rev"], 1);
    assert_eq!(sorted(&answer["changed"]["tags_added"]), ["Hot", "Lead"]);
    let ann = api.ann().await;
    assert_eq!(answer["contact_id"], ann["id"]);
    assert_eq!(ann["email"], "ann@example.com");
    assert_eq!(ann["first_name"], "Ann Marie");
    assert_eq!(ann["last_name"], "Lee");
    assert_eq!(ann["locale"], "de-AT");
    assert_eq!(ann["fields"], json!({ "score": 12.5, "vip": true, "city": "Kiel" }));
    assert_eq!(ann["consent"], "subscribed");
    assert_eq!(ann["suppressed"], Value::Null);
    assert_eq!(ann["tags"]["Lead"], ann["created_at"]);
}

#[tokio::test]
async fn a_form_says_the_same() {
    let api = Called::with_fields().await;
    let body = "email=ann%40example.com&first_name=Ann&tags=Lead&tags=Hot%2CNew&fields%5Bscore%5D=3&fields.vip=no\
                &city=Bad+T%C3%B6lz&appointment=01.12.2026+14%3A30&time_zone=Europe%2FBerlin";
    form(&api, body).await.is(200);
    let ann = api.ann().await;
    assert_eq!(
        ann["fields"],
        json!({ "score": 3, "vip": false, "city": "Bad Tölz", "appointment": "2026-12-01T13:30:00Z" })
    );
    assert_eq!(ann["tags"].as_object().expect("tags").len(), 3);
}

#[tokio::test]
async fn names_that_are_given_are_not_split() {
    let api = Called::new().await;
    api.hook(&json!({ "email": "ann@example.com", "name": "Somebody Else", "first_name": "Ann" }))
        .await;
    let ann = api.ann().await;
    assert_eq!((&ann["first_name"], &ann["last_name"]), (&json!("Ann"), &json!("Else")));
    api.hook(&json!({ "email": "bob@example.com", "name": "Bob" })).await;
    let bob = api.get("/v1/contacts/email:bob@example.com").await.is(200);
    assert_eq!((&bob["first_name"], &bob["last_name"]), (&json!("Bob"), &Value::Null));
}

#[tokio::test]
async fn r01_a_post_is_one_change_and_a_repeat_is_none() {
    let api = Called::with_fields().await;
    let body =
        json!({ "email": "ann@example.com", "city": "Kiel", "score": 1, "first_name": "Ann" });
    assert_eq!(api.hook(&body).await["rev"], 1);
    let again = api.hook(&body).await;
    assert_eq!((&again["rev"], &again["created"]), (&json!(1), &json!(false)));
    let nothing =
        json!({ "tags_added": [], "tags_removed": [], "tags_refreshed": [], "fields": [] });
    assert_eq!(again["changed"], nothing);
    let other =
        json!({ "email": "ann@example.com", "city": "Ulm", "score": null, "tags": ["A", "B"] });
    let changed = api.hook(&other).await;
    assert_eq!(changed["rev"], 2);
    assert_eq!(sorted(&changed["changed"]["fields"]), ["city", "score"]);
    assert_eq!(api.ann().await["fields"], json!({ "city": "Ulm" }));
}

#[tokio::test]
async fn r02_a_tag_assigned_again_is_refreshed_not_added() {
    let api = Called::new().await;
    let body = json!({ "email": "ann@example.com", "tags": ["Lead"] });
    api.hook(&body).await;
    let again = api.hook(&json!({ "email": "ann@example.com", "tags": ["lead"] })).await;
    assert_eq!(again["rev"], 2);
    assert_eq!(again["changed"]["tags_added"], json!([]));
    assert_eq!(sorted(&again["changed"]["tags_refreshed"]).len(), 1);
    assert_eq!(
        sorted(&json!(
            api.ann().await["tags"].as_object().map(|tags| tags.keys().collect::<Vec<_>>())
        )),
        ["Lead"]
    );
}

#[tokio::test]
async fn r02_a_tag_in_both_lists_ends_up_assigned() {
    let api = Called::new().await;
    let body = json!({ "email": "ann@example.com", "tags": ["Lead", "Old"] });
    api.hook(&body).await;
    let body =
        json!({ "email": "ann@example.com", "tags": "Lead", "remove_tags": "Lead,Old,Never" });
    let answer = api.hook(&body).await;
    assert_eq!(answer["changed"]["tags_removed"], json!(["Old"]));
    assert_eq!(answer["changed"]["tags_refreshed"], json!(["Lead"]));
}

#[tokio::test]
async fn r04_dates_are_read_in_the_zone_that_the_contact_has() {
    let api = Called::with_fields().await;
    api.patch("/v1/account", &json!({ "time_zone": "America/New_York" })).await.is(200);
    let at = |body: Value| {
        let api = &api;
        async move {
            api.hook(&body).await;
            api.ann().await["fields"]["appointment"].clone()
        }
    };
    let noon = "2026-12-01 12:00";
    let account = at(json!({ "email": "ann@example.com", "appointment": noon })).await;
    assert_eq!(account, "2026-12-01T17:00:00Z");
    let posted =
        json!({ "email": "ann@example.com", "appointment": noon, "time_zone": "Europe/Berlin" });
    assert_eq!(at(posted).await, "2026-12-01T11:00:00Z");
    let stored =
        json!({ "email": "ann@example.com", "fields": { "appointment": "2026-12-02 12:00" } });
    assert_eq!(at(stored).await, "2026-12-02T11:00:00Z");
    let cleared = json!({ "email": "ann@example.com", "appointment": noon, "time_zone": null });
    assert_eq!(at(cleared).await, "2026-12-01T17:00:00Z");
}

#[tokio::test]
async fn r04_gaps_move_forward_and_overlaps_take_the_earlier() {
    let api = Called::with_fields().await;
    for (local, instant) in
        [("2027-03-28 02:30", "2027-03-28T01:30:00Z"), ("2027-10-31 02:30", "2027-10-31T00:30:00Z")]
    {
        let body = json!({ "email": "ann@example.com", "appointment": local, "time_zone": "Europe/Berlin" });
        api.hook(&body).await;
        assert_eq!(api.ann().await["fields"]["appointment"], instant, "{local}");
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once_and_nothing_is_written() {
    let api = Called::with_fields().await;
    let body = json!({
        "email": "no address", "time_zone": "Mars/Base", "locale": "german please", "tags": ["fine", "a,b"],
        "appointmnt": "tomorrow", "fields": { "score": "many", "birthday": "01/02/2026", "city": { "name": "Kiel" } },
        "consent": "maybe", "suppressed": "manual",
    });
    let mut faults = api.post(HOOK, &body).await.faults(422);
    faults.sort();
    let expected = [
        ("appointmnt", "unknown_field"),
        ("consent", "consent"),
        ("email", "email"),
        ("fields.birthday", "value"),
        ("fields.city", "value"),
        ("fields.score", "value"),
        ("locale", "locale"),
        ("suppressed", "read_only"),
        ("tags.1", "tag"),
        ("time_zone", "time_zone"),
    ];
    assert_eq!(faults, expected.map(|(path, code)| (path.to_owned(), code.to_owned())));
    assert_eq!(api.get("/v1/contacts").await.is(200)["items"], json!([]));
}

#[tokio::test]
async fn faults_name_what_would_be_right() {
    let api = Called::with_fields().await;
    let answer = api.post(HOOK, &json!({ "email": "ann@example.com", "apointment": "x" })).await;
    assert!(answer.text.contains("did you mean `appointment`?"), "{}", answer.text);
    let answer = api
        .post(HOOK, &json!({ "email": "ann@example.com", "appointment": "01/02/2026 10:00" }))
        .await;
    assert!(
        answer.text.contains("ambiguous") && answer.text.contains("2026-12-01"),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn an_address_is_needed() {
    let api = Called::new().await;
    let answer = api.post(HOOK, &json!({ "first_name": "Ann", "unknown": 1 })).await;
    let mut faults = answer.faults(422);
    faults.sort();
    assert_eq!(faults[0], ("email".to_owned(), "required".to_owned()));
    assert_eq!(faults.len(), 2);
    api.post(HOOK, &json!([1])).await.faults(422);
}

#[tokio::test]
async fn unknown_fields_are_left_out_or_made_if_asked() {
    let api = Called::new().await;
    let body = json!({ "email": "ann@example.com", "city": "Kiel", "fields": { "score": 5, "vip": true, "gone": null } });
    let answer = api.post(&format!("{HOOK}?unknown_fields=ignore"), &body).await.is(200);
    assert_eq!(answer["changed"]["fields"], json!(["email"]));
    assert_eq!(api.get("/v1/fields").await.is(200)["items"], json!([]));
    api.post(&format!("{HOOK}?unknown_fields=create"), &body).await.is(200);
    assert_eq!(api.ann().await["fields"], json!({ "city": "Kiel", "score": 5, "vip": true }));
    let fields = api.get("/v1/fields").await.is(200);
    let kinds: Vec<_> =
        fields["items"].as_array().expect("a list").iter().map(|f| &f["type"]).collect();
    assert_eq!(kinds, ["text", "number", "boolean"]);
    api.post(&format!("{HOOK}?unknown_fields=maybe"), &body).await.faults(422);
    let nested = json!({ "email": "ann@example.com", "address": { "street": "x" }, "a b": "c" });
    let mut faults = api.post(&format!("{HOOK}?unknown_fields=create"), &nested).await.faults(422);
    faults.sort();
    assert_eq!(faults[0], ("a b".to_owned(), "field_key".to_owned()));
    assert_eq!(faults[1], ("address".to_owned(), "value".to_owned()));
}

#[tokio::test]
async fn consent_is_taken_when_given_and_the_accounts_otherwise() {
    let api = Called::new().await;
    api.patch("/v1/account", &json!({ "default_consent": "none" })).await.is(200);
    api.hook(&json!({ "email": "ann@example.com" })).await;
    assert_eq!(api.ann().await["consent"], "none");
    api.hook(&json!({ "email": "ann@example.com", "consent": "unsubscribed" })).await;
    assert_eq!(api.ann().await["consent"], "unsubscribed");
    api.hook(&json!({ "email": "ann@example.com", "first_name": "Ann" })).await;
    assert_eq!(api.ann().await["consent"], "unsubscribed");
}

#[tokio::test]
async fn racing_posts_about_one_address_make_one_contact() {
    let api = Called::new().await;
    let (one, other) = (
        json!({ "email": "ann@example.com", "tags": "A" }),
        json!({ "email": "ann@example.com", "tags": "B" }),
    );
    let (one, other) = tokio::join!(api.hook(&one), api.hook(&other));
    assert_eq!(one["contact_id"], other["contact_id"]);
    assert_ne!(one["created"], other["created"]);
    assert_eq!(api.ann().await["rev"], 2);
    assert_eq!(api.ann().await["tags"].as_object().expect("tags").len(), 2);
}

#[tokio::test]
async fn one_name_twice_in_json_is_named_and_nothing_is_written() {
    let api = Called::with_fields().await;
    for (body, path) in [
        (r#"{"email":"ann@example.com","first_name":"Ann","first_name":"Eve"}"#, "first_name"),
        (r#"{"email":"ann@example.com","fields":{"city":"Kiel","city":"Ulm"}}"#, "fields.city"),
    ] {
        let headers = [("x-api-key", ADMIN), ("content-type", "application/json")];
        let answer = api.bare("POST", "/v1/hooks/contact", &headers, body).await;
        assert_eq!(answer.faults(422), [(path.to_owned(), "twice".to_owned())]);
    }
    api.get("/v1/contacts/email:ann@example.com").await.problem(404);
}

#[tokio::test]
async fn a_blank_key_of_an_object_is_called_blank_and_a_long_one_long() {
    let api = Called::new().await;
    api.put("/v1/object-types/visit", &json!({ "fields": {} })).await.is(200);
    for (key, word) in [("%20".to_owned(), "blank"), ("a".repeat(1_025), "1025")] {
        let answer = api.put(&format!("/v1/objects/visit/{key}"), &json!({})).await;
        assert_eq!(answer.faults(422), [("key".to_owned(), "key".to_owned())]);
        assert!(answer.text.contains(word), "{}", answer.text);
    }
}

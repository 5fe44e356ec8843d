//! A value that is given twice and differently is refused: no value is dropped silently.

use serde_json::{Value, json};

use crate::called::{ADMIN, Called};

const HOOK: &str = "/v1/hooks/contact";

async fn form(api: &Called, path: &str, body: &str) -> crate::called::Answer {
    let headers = [("x-api-key", ADMIN), ("content-type", "application/x-www-form-urlencoded")];
    api.bare("POST", path, &headers, body.to_owned()).await
}

async fn json_text(api: &Called, method: &str, path: &str, body: &str) -> crate::called::Answer {
    let headers = [("x-api-key", ADMIN), ("content-type", "application/json")];
    api.bare(method, path, &headers, body.to_owned()).await
}

#[tokio::test]
async fn a_form_that_repeats_a_name_with_another_value_is_refused() {
    let api = Called::with_fields().await;
    for (body, path) in [
        ("email=ann@example.com&email=bob@example.com", "email"),
        ("email=ann@example.com&first_name=Ann&first_name=Bob", "first_name"),
        ("email=ann@example.com&fields[city]=Kiel&fields.city=Bonn", "fields.city"),
        ("email=ann@example.com&city[]=Kiel&city[]=Bonn", "city[]"),
        ("email=ann@example.com&consent=unsubscribed&consent=subscribed", "consent"),
    ] {
        let faults = form(&api, HOOK, body).await.faults(422);
        assert_eq!(faults, [(path.to_owned(), "twice".to_owned())], "{body}");
    }
    assert_eq!(api.get("/v1/contacts").await.is(200)["items"], json!([]));
    // An empty value, or the same value again, is ignored.
    let fine =
        "email=ann@example.com&email=ann@example.com&fields[city]=&fields[city]=Kiel&vip=yes&vip=";
    form(&api, HOOK, fine).await.is(200);
    assert_eq!(api.ann().await["fields"], json!({ "city": "Kiel", "vip": true }));
    // A bad optional value does not refuse the rest, if the call asks for that.
    let body = "email=ann@example.com&city=Bonn&city=Ulm&first_name=Ann";
    let told = form(&api, &format!("{HOOK}?invalid=skip"), body).await.is(200);
    assert_eq!(
        (&told["skipped"][0]["path"], &told["skipped"][0]["code"]),
        (&json!("city"), &json!("twice"))
    );
    let ann = api.ann().await;
    assert_eq!((&ann["first_name"], &ann["fields"]["city"]), (&json!("Ann"), &json!("Kiel")));
    let body = "email=ann@example.com&email=bob@example.com";
    form(&api, &format!("{HOOK}?invalid=skip"), body).await.faults(422);
}

#[tokio::test]
async fn json_that_repeats_a_member_with_another_value_is_refused() {
    let api = Called::with_fields().await;
    let twice = r#"{"email": "ann@example.com", "email": "bob@example.com"}"#;
    for (method, path) in [("POST", HOOK), ("POST", "/v1/contacts")] {
        let problem = json_text(&api, method, path, twice).await.problem(422);
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|text| text.contains("`email` stands there twice"))
        );
    }
    let fields =
        r#"{"email": "ann@example.com", "fields": {"city": "A"}, "fields": {"city": "B"}}"#;
    json_text(&api, "POST", HOOK, fields).await.problem(422);
    assert_eq!(api.get("/v1/contacts").await.is(200)["items"], json!([]));
}

#[tokio::test]
async fn two_names_for_one_thing_with_two_values_are_refused_whatever_is_done_about_unknown_fields()
{
    let api = Called::new().await;
    let body = json!({ "email": "ann@example.com", "first_name": "Ann", "Vorname": "Bea" });
    for how in ["", "?unknown_fields=ignore", "?unknown_fields=create"] {
        let faults = api.post(&format!("{HOOK}{how}"), &body).await.faults(422);
        assert_eq!(faults, [("Vorname".to_owned(), "twice".to_owned())], "{how}");
    }
    assert_eq!(api.get("/v1/fields").await.is(200)["items"], json!([]));
}

#[tokio::test]
async fn a_field_is_not_called_what_every_sender_calls_something_else() {
    let api = Called::new().await;
    for key in ["Email", "E-Mail", "FirstName", "Tags", "Created-At", "resubscribe"] {
        let put = api.put(&format!("/v1/fields/{key}"), &json!({ "type": "text" })).await;
        assert_eq!(put.faults(422), [("key".to_owned(), "reserved".to_owned())], "{key}");
    }
    let document = "id: c\nfields: { E-Mail: { type: text } }\nelements:\n  a: { type: start, when: { tag: A } }\n";
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    let found = api.bare("POST", "/v1/campaigns/c/validate", &headers, document).await.is(200);
    let codes: Vec<&Value> = found["problems"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|problem| &problem["code"])
        .collect();
    assert!(codes.contains(&&json!("reserved_field")), "{found}");
}

#[tokio::test]
async fn null_in_an_object_of_tags_withdraws_one_and_assigns_none() {
    let api = Called::new().await;
    api.hook(&json!({ "email": "ann@example.com", "tags": ["Lead", "Old"] })).await;
    let told = api
        .hook(&json!({ "email": "ann@example.com", "tags": { "Lead": null, "New": true } }))
        .await;
    assert_eq!(told["changed"]["tags_removed"], json!(["Lead"]));
    assert_eq!(told["changed"]["tags_added"], json!(["New"]));
    let bob = json!({ "email": "bob@example.com", "tags": { "Lead": null } });
    assert_eq!(api.post("/v1/contacts", &bob).await.is(201)["tags"], json!({}));
}

#[tokio::test]
async fn no_digit_is_lost_of_a_number() {
    let api = Called::with_fields().await;
    for body in [
        r#"{"email": "ann@example.com", "phone": 4943112345678901234567}"#,
        r#"{"email": "ann@example.com", "score": 12345678901234567890}"#,
    ] {
        let problem = json_text(&api, "POST", HOOK, body).await.problem(422);
        assert!(
            problem["detail"].as_str().is_some_and(|text| text.contains("more digits")),
            "{problem}"
        );
    }
    let fine =
        r#"{"email": "ann@example.com", "phone": 494311234567890123, "score": 9007199254740992}"#;
    json_text(&api, "POST", HOOK, fine).await.is(200);
    assert_eq!(api.ann().await["phone"], "494311234567890123");
}

#[tokio::test]
async fn an_answer_tells_a_bounded_number_of_faults() {
    let api = Called::new().await;
    let unknown: serde_json::Map<String, Value> =
        (0..5_000).map(|nth| (format!("k{nth}"), json!("x"))).collect();
    let mut body = Value::Object(unknown);
    body["email"] = json!("ann@example.com");
    let refused = api.post(HOOK, &body).await;
    assert_eq!(refused.faults(422).len(), 100);
    assert!(
        refused.problem(422)["detail"].as_str().is_some_and(|text| text.starts_with("5000 things"))
    );
}

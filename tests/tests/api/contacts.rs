//! `/v1/contacts`.

use serde_json::{Value, json};

use crate::called::Called;

const ANN: &str = "/v1/contacts/email:ann@example.com";

async fn many(api: &Called, count: usize) {
    for nth in 0..count {
        let tag = if nth % 3 == 0 { "Third" } else { "Other" };
        let name = format!("N{nth:03}");
        api.hook(
            &json!({ "email": format!("n{nth:03}@example.com"), "first_name": name, "tags": tag }),
        )
        .await;
    }
    api.idle().await;
}

/// All items of a list, page by page.
async fn all(api: &Called, path: &str, limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let sign = if path.contains('?') { '&' } else { '?' };
        let page = api.get(&format!("{path}{sign}limit={limit}{cursor}")).await.is(200);
        let found = page["items"].as_array().expect("items");
        assert!(found.len() <= limit);
        items.extend(found.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

#[tokio::test]
async fn a_contact_is_created_and_read_by_id_and_address() {
    let api = Called::with_fields().await;
    let body = json!({ "email": "Ann@example.com", "first_name": "Ann", "tags": ["Lead"], "fields": { "score": 1 },
        "consent": "none", "suppressed": "manual" });
    let ann = api.post("/v1/contacts", &body).await.is(201);
    assert_eq!(ann["suppressed"], "manual");
    assert_eq!(ann["consent"], "none");
    let id = ann["id"].as_str().expect("an id");
    assert_eq!(api.get(&format!("/v1/contacts/{id}")).await.is(200), ann);
    assert_eq!(api.get("/v1/contacts/email:ANN%40Example.com").await.is(200), ann);
    api.get("/v1/contacts/nobody").await.problem(404);
    api.get("/v1/contacts/email:bob@example.com").await.problem(404);
    api.get("/v1/contacts/no%20id").await.problem(404);
}

#[tokio::test]
async fn an_address_belongs_to_one_contact() {
    let api = Called::new().await;
    let body = json!({ "email": "ann@example.com" });
    api.post("/v1/contacts", &body).await.is(201);
    api.post("/v1/contacts", &body).await.problem(409);
    api.post("/v1/contacts", &json!({ "email": "bob@example.com" })).await.is(201);
    let taken = api.patch("/v1/contacts/email:bob@example.com", &body).await;
    taken.problem(409);
}

#[tokio::test]
async fn racing_creates_make_one_contact() {
    let api = Called::new().await;
    let body = json!({ "email": "ann@example.com" });
    let (one, other) =
        tokio::join!(api.post("/v1/contacts", &body), api.post("/v1/contacts", &body));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    assert_eq!(all(&api, "/v1/contacts", 50).await.len(), 1);
}

#[tokio::test]
async fn what_a_contact_cannot_be_is_refused() {
    let api = Called::with_fields().await;
    let body = json!({ "emial": "ann@example.com", "score": 1, "rev": 7, "suppressed": "bounced" });
    let mut faults = api.post("/v1/contacts", &body).await.faults(422);
    faults.sort();
    let expected = [
        ("email", "required"),
        ("emial", "unknown_member"),
        ("rev", "read_only"),
        ("score", "unknown_member"),
        ("suppressed", "suppressed"),
    ];
    assert_eq!(faults, expected.map(|(path, code)| (path.to_owned(), code.to_owned())));
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_null_clears() {
    let api = Called::with_fields().await;
    api.hook(&json!({ "email": "ann@example.com", "first_name": "Ann", "last_name": "Lee", "score": 1, "city": "Kiel" })).await;
    let body = json!({ "first_name": "Anna", "last_name": null, "fields": { "score": null }, "suppressed": "manual",
        "consent": "unsubscribed", "email": "anna@example.com" });
    let anna = api.patch(ANN, &body).await.is(200);
    assert_eq!(anna["rev"], 2, "one change");
    assert_eq!(anna["first_name"], "Anna");
    assert_eq!(anna["last_name"], Value::Null);
    assert_eq!(anna["fields"], json!({ "city": "Kiel" }));
    assert_eq!(anna["suppressed"], "manual");
    assert_eq!(anna["consent"], "unsubscribed");
    api.get(ANN).await.problem(404);
    let anna = "/v1/contacts/email:anna@example.com";
    assert_eq!(
        api.patch(anna, &json!({ "suppressed": null })).await.is(200)["suppressed"],
        Value::Null
    );
    assert_eq!(api.patch(anna, &json!({})).await.is(200)["rev"], 3, "no change");
    api.patch(anna, &json!({ "email": null })).await.faults(422);
    api.patch("/v1/contacts/nobody", &json!({})).await.problem(404);
}

#[tokio::test]
async fn a_patch_of_tags_says_which_there_are() {
    let api = Called::new().await;
    api.hook(&json!({ "email": "ann@example.com", "tags": "A,B" })).await;
    let names = |contact: &Value| {
        contact["tags"].as_object().expect("tags").keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&api.patch(ANN, &json!({ "tags": ["b", "C"] })).await.is(200)), ["B", "C"]);
    assert_eq!(
        names(&api.patch(ANN, &json!({ "tags": { "C": null, "D": "" } })).await.is(200)),
        ["B", "D"]
    );
    assert_eq!(api.patch(ANN, &json!({ "tags": ["B", "D"] })).await.is(200)["rev"], 3, "no change");
}

#[tokio::test]
async fn tags_are_assigned_and_withdrawn() {
    let api = Called::new().await;
    api.hook(&json!({ "email": "ann@example.com", "tags": "Old" })).await;
    let body = json!({ "add": ["Lead", "Old"], "remove": ["Old", "Never"] });
    let ann = api.post(&format!("{ANN}/tags"), &body).await.is(200);
    assert_eq!(ann["rev"], 2);
    assert_eq!(ann["changed"]["tags_added"], json!(["Lead"]));
    assert_eq!(ann["changed"]["tags_refreshed"], json!(["Old"]));
    let body = json!({ "remove": ["lead"] });
    let ann = api.post(&format!("{ANN}/tags"), &body).await.is(200);
    assert_eq!(ann["changed"]["tags_removed"], json!(["Lead"]));
    let wrong = json!({ "add": ["", "x,y", "a,b"], "remove": ["fine"] });
    assert_eq!(api.post(&format!("{ANN}/tags"), &wrong).await.faults(422).len(), 2);
    api.post("/v1/contacts/nobody/tags", &body).await.problem(404);
}

#[tokio::test]
async fn an_event_is_always_a_change() {
    let api = Called::new().await;
    api.hook(&json!({ "email": "ann@example.com" })).await;
    let body = json!({ "name": "attended", "data": { "seat": 4 } });
    assert_eq!(api.post(&format!("{ANN}/events"), &body).await.is(200)["rev"], 2);
    assert_eq!(api.post(&format!("{ANN}/events"), &body).await.is(200)["rev"], 3);
    let wrong = json!({ "name": " " });
    assert_eq!(api.post(&format!("{ANN}/events"), &wrong).await.faults(422)[0].0, "name");
    api.post(&format!("{ANN}/events"), &json!({ "name": "x", "data": 1 })).await.faults(422);
}

#[tokio::test]
async fn the_list_pages_without_gaps_or_repeats() {
    let api = Called::new().await;
    many(&api, 23).await;
    for limit in [1, 5, 22, 23, 24] {
        let found = all(&api, "/v1/contacts", limit).await;
        let ids: Vec<&str> = found.iter().filter_map(|contact| contact["id"].as_str()).collect();
        assert_eq!(ids.len(), 23, "limit {limit}");
        assert!(ids.is_sorted_by(|one, next| one < next), "limit {limit}");
    }
    let page = api.get("/v1/contacts?limit=23").await.is(200);
    assert_eq!(page["next_cursor"], Value::Null, "the last page says so");
}

#[tokio::test]
async fn the_list_finds_by_tag_and_by_beginning() {
    let api = Called::new().await;
    many(&api, 12).await;
    assert_eq!(all(&api, "/v1/contacts?tag=third", 3).await.len(), 4);
    assert_eq!(all(&api, "/v1/contacts?tag=Nobody", 3).await.len(), 0);
    assert_eq!(all(&api, "/v1/contacts?q=N00", 4).await.len(), 10);
    assert_eq!(all(&api, "/v1/contacts?q=n011%40example", 4).await.len(), 1);
    assert_eq!(all(&api, "/v1/contacts?q=n00&tag=Third", 4).await.len(), 4);
    api.get("/v1/contacts?tag=a%2Cb").await.faults(422);
}

#[tokio::test]
async fn the_list_by_tag_believes_the_contact() {
    let api = Called::new().await;
    many(&api, 3).await;
    // The list of the tag is eventually consistent, so the contact is read.
    api.post("/v1/contacts/email:n000@example.com/tags", &json!({ "remove": ["Third"] }))
        .await
        .is(200);
    assert_eq!(all(&api, "/v1/contacts?tag=Third", 3).await.len(), 0);
}

#[tokio::test]
async fn tags_are_counted() {
    let api = Called::new().await;
    many(&api, 7).await;
    let tags = api.get("/v1/tags").await.is(200);
    assert_eq!(
        tags["items"],
        json!([{ "tag": "Other", "count": 4 }, { "tag": "Third", "count": 3 }])
    );
    assert_eq!(all(&api, "/v1/tags", 1).await.len(), 2);
}

#[tokio::test]
async fn an_erased_contact_is_gone() {
    let api = Called::new().await;
    api.hook(&json!({ "email": "ann@example.com", "tags": "Lead" })).await;
    let id = api.ann().await["id"].as_str().expect("an id").to_owned();
    api.idle().await;
    assert_eq!(api.delete(ANN).await.status, 204);
    api.delete(ANN).await.problem(404);
    api.delete(&format!("/v1/contacts/{id}")).await.problem(404);
    api.get(&format!("/v1/contacts/{id}")).await.problem(404);
    api.get(&format!("/v1/contacts/{id}/history")).await.problem(404);
    assert_eq!(api.get("/v1/contacts").await.is(200)["items"], json!([]));
    api.idle().await;
    assert_eq!(api.get("/v1/tags").await.is(200)["items"], json!([{ "tag": "Lead", "count": 0 }]));
    let again = api.hook(&json!({ "email": "ann@example.com" })).await;
    assert_eq!(again["created"], true);
    assert_ne!(again["contact_id"], id.as_str());
}

#[tokio::test]
async fn a_post_makes_no_contact_larger_than_327680_bytes() {
    let api = Called::new().await;
    let text = "x".repeat(4_000);
    for nth in 0..82 {
        let field = json!({ "type": "text" });
        api.put(&format!("/v1/fields/note_{nth}"), &field).await.is(200);
    }
    let notes = |range: std::ops::Range<i32>, value: &Value| -> Value {
        range
            .map(|nth| (format!("note_{nth}"), value.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    api.post("/v1/contacts", &json!({ "email": "ann@example.com" })).await.is(201);
    let ann = "/v1/contacts/email:ann@example.com";
    let fitting = json!({ "fields": notes(0..80, &json!(text)) });
    api.patch(ann, &fitting).await.is(200);
    let problem = api.patch(ann, &json!({ "fields": notes(80..82, &json!(text)) })).await;
    let problem = problem.problem(422);
    assert_eq!(problem["errors"][0]["code"], "too_large", "{problem}");
    let message = problem["errors"][0]["message"].as_str().expect("a text");
    assert!(message.contains("at most 327680") && message.contains("clear fields"), "{message}");
    let fields = api.get(ann).await.is(200)["fields"].clone();
    assert_eq!(fields.get("note_80").filter(|it| !it.is_null()), None, "nothing was written");
    // What makes it smaller is taken, and then there is room again.
    api.patch(ann, &json!({ "fields": notes(0..4, &Value::Null) })).await.is(200);
    api.patch(ann, &json!({ "fields": notes(80..82, &json!(text)) })).await.is(200);
}

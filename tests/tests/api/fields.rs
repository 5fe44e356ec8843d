//! Fields: any key that may write creates them, and they can be deleted when no campaign needs
//! them. Fields and tags have limits. An export is safe to open, and its import gives the same
//! contacts.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::called::{ADMIN, Called};

const ANN: &str = "/v1/contacts/email:ann@example.com";

async fn campaign(api: &Called, text: &str) {
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    let put = api.bare("PUT", "/v1/campaigns/c", &headers, text.to_owned()).await;
    assert!(put.status.is_success(), "{}", put.text);
}

const TIMED: &str = "
id: c
name: C
elements:
  lead:
    type: start
    when: { tag: Lead }
    next: before
  before:
    type: date_timer
    field: appointment
    offset: -1 hour
    next: done
    missed: done
  done:
    type: end
";

#[tokio::test]
async fn making_fields_needs_a_key_that_may_write() {
    let api = Called::new().await;
    let key = api.key("zapier", "webhook").await;
    let headers = [("x-api-key", key.as_str()), ("content-type", "application/json")];
    let body = json!({ "email": "ann@example.com", "shoe": 38 }).to_string();
    let path = "/v1/hooks/contact?unknown_fields=create";
    let refused = api.bare("POST", path, &headers, body.clone()).await.problem(403);
    assert!(refused["detail"].to_string().contains("PUT /v1/fields"), "{refused}");
    assert_eq!(api.get("/v1/fields").await.is(200)["items"], json!([]));
    api.get(ANN).await.problem(404);
    let writing = api.key("shop", "write").await;
    let headers = [("x-api-key", writing.as_str()), ("content-type", "application/json")];
    api.bare("POST", path, &headers, body).await.is(200);
    assert_eq!(api.ann().await["fields"], json!({ "shoe": 38 }));
}

#[tokio::test]
async fn a_field_is_taken_away_unless_a_published_campaign_needs_it() {
    let api = Called::with_fields().await;
    api.hook(&json!({ "email": "ann@example.com", "city": "Kiel" })).await;
    campaign(&api, TIMED).await;
    api.post("/v1/campaigns/c/publish", &json!({})).await.is(200);
    let refused = api.delete("/v1/fields/appointment").await.problem(409);
    assert!(refused["detail"].to_string().contains("`c`"), "{refused}");
    api.post("/v1/campaigns/c/pause", &json!({})).await.is(200);
    api.delete("/v1/fields/appointment").await.problem(409);

    assert_eq!(api.delete("/v1/fields/city").await.status, 204);
    api.delete("/v1/fields/city").await.problem(404);
    api.get("/v1/fields/city").await.problem(404);
    assert_eq!(api.ann().await["fields"]["city"], "Kiel", "values stay with their contacts");
    api.patch(ANN, &json!({ "fields": { "city": "Bonn" } })).await.faults(422);
    assert_eq!(
        api.patch(ANN, &json!({ "fields": { "city": null } })).await.is(200)["fields"],
        json!({})
    );
    api.put("/v1/fields/city", &json!({ "type": "number" })).await.is(200);

    // After a version without the field, to which all are migrated, it can be deleted.
    let without = "id: c\nname: C\nelements:\n  lead:\n    type: start\n    when: { tag: Lead }\n    next: done\n  done:\n    type: end\n";
    campaign(&api, without).await;
    api.post("/v1/campaigns/c/publish", &json!({})).await.is(200);
    api.delete("/v1/fields/appointment").await.problem(409);
    api.post("/v1/campaigns/c/publish", &json!({ "in_flight": "migrate" })).await.is(200);
    assert_eq!(api.delete("/v1/fields/appointment").await.status, 204);
}

#[tokio::test]
async fn no_way_of_making_fields_passes_the_bound() {
    let api = Called::new().await;
    let fields: serde_json::Map<String, Value> =
        (0..500).map(|n| (format!("f{n}"), json!(n))).collect();
    let body = json!({ "email": "ann@example.com", "fields": fields });
    api.post("/v1/hooks/contact?unknown_fields=create", &body).await.is(200);
    let more = json!({ "email": "ann@example.com", "one_more": 1 });
    let full = api.post("/v1/hooks/contact?unknown_fields=create", &more).await;
    assert_eq!(full.faults(422)[0].1, "too_many");
    assert_eq!(
        api.put("/v1/fields/one_more", &json!({ "type": "text" })).await.faults(422)[0].1,
        "too_many"
    );
    let headers = [("x-api-key", ADMIN), ("content-type", "text/csv")];
    let path = "/v1/contacts/import?unknown_fields=create";
    let text = "email,one_more\nann@example.com,1\n";
    assert_eq!(api.bare("POST", path, &headers, text).await.faults(422)[0].1, "too_many");
    let declares = "id: c\nname: C\nfields:\n  one_more: { type: text }\nelements:\n  lead:\n    type: start\n    when: { tag: Lead }\n    next: done\n  done:\n    type: end\n";
    campaign(&api, declares).await;
    let refused = api.post("/v1/campaigns/c/publish", &json!({})).await.faults(422);
    assert!(refused.contains(&("fields".to_owned(), "too_many_fields".to_owned())), "{refused:?}");
    assert_eq!(api.delete("/v1/fields/f0").await.status, 204);
    api.post("/v1/campaigns/c/publish", &json!({})).await.is(200);
}

#[tokio::test]
async fn a_contact_has_a_thousand_tags_at_most_whoever_assigns_them() {
    let api = Called::new().await;
    let tags: Vec<String> = (0..1_000).map(|n| format!("t{n}")).collect();
    api.hook(&json!({ "email": "ann@example.com", "tags": tags })).await;
    let one_more = json!({ "email": "ann@example.com", "tags": ["T5", "One more"] });
    let full = |faults: Vec<(String, String)>| {
        assert_eq!(faults, [("tags".to_owned(), "too_many".to_owned())]);
    };
    full(api.post("/v1/hooks/contact", &one_more).await.faults(422));
    full(api.post(&format!("{ANN}/tags"), &json!({ "add": ["One more"] })).await.faults(422));
    full(api.patch(ANN, &json!({ "tags": { "One more": "" } })).await.faults(422));
    let many: Vec<String> = (0..1_001).map(|n| format!("t{n}")).collect();
    full(
        api.post("/v1/contacts", &json!({ "email": "bob@example.com", "tags": many }))
            .await
            .faults(422),
    );
    let headers = [("x-api-key", ADMIN), ("content-type", "text/csv")];
    let imported = api
        .bare("POST", "/v1/contacts/import", &headers, "email,tags\nann@example.com,One more\n")
        .await;
    assert_eq!(imported.is(200)["errors"][0]["errors"][0]["code"], "too_many");
    assert_eq!(api.ann().await["rev"], 1);

    // A campaign's own write is skipped and reported, and the campaign goes on.
    let writes = "id: c\nname: C\nelements:\n  go:\n    type: event\n    on: { custom: go }\n    next: mark\n  mark:\n    type: tag\n    add: [One more]\n    next: done\n  done:\n    type: end\n";
    campaign(&api, writes).await;
    api.post("/v1/campaigns/c/publish", &json!({})).await.is(200);
    api.post(&format!("{ANN}/events"), &json!({ "name": "go" })).await.is(200);
    api.idle().await;
    let history = api.get(&format!("{ANN}/history")).await.is(200);
    let kinds: Vec<&str> = history["items"]
        .as_array()
        .expect("lines")
        .iter()
        .filter_map(|line| line["kind"].as_str())
        .collect();
    assert!(kinds.contains(&"tags_full") && kinds.contains(&"completed"), "{history}");
    // A write that removes enough may add.
    let swapped = json!({ "add": ["One more"], "remove": ["t0"] });
    api.post(&format!("{ANN}/tags"), &swapped).await.is(200);
}

/// Texts as a form may send them, often beginning like a formula.
fn texts() -> impl Strategy<Value = String> {
    "['=+@\u{ff1d}-]{0,3}[a-z0-9\"',; ]{0,6}x".prop_map(|text| text.trim().to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn an_export_is_safe_to_open_and_imported_again_the_same(
        people in prop::collection::vec((texts(), texts(), texts(), -9_000_i64..9_000), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (one, other) = (Called::with_fields().await, Called::with_fields().await);
            for (n, (first, city, tag, score)) in people.iter().enumerate() {
                let tag = tag.replace([',', ';', '|', '"'], "");
                let body = json!({ "email": format!("p{n}@example.com"), "first_name": first, "city": city,
                    "phone": format!("+49 431 {n}"), "score": score, "tags": [tag] });
                one.hook(&body).await;
            }
            one.idle().await;
            let exported = one.get("/v1/contacts/export").await.text;
            let mut rows = csv::ReaderBuilder::new().has_headers(false).from_reader(exported.as_bytes());
            for row in rows.records() {
                for cell in row.expect("a row").iter() {
                    assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\u{ff1d}']), "{cell:?}");
                }
            }
            let headers = [("x-api-key", ADMIN), ("content-type", "text/csv")];
            let imported = other.bare("POST", "/v1/contacts/import", &headers, exported).await.is(200);
            assert_eq!(imported["refused"], 0, "{imported}");
            for n in 0..people.len() {
                let path = format!("/v1/contacts/email:p{n}@example.com");
                let (before, after) = (one.get(&path).await.is(200), other.get(&path).await.is(200));
                for key in ["first_name", "last_name", "phone", "fields", "consent"] {
                    assert_eq!(before[key], after[key], "{key}");
                }
                let names = |contact: &Value| contact["tags"].as_object().expect("tags").keys().cloned().collect::<Vec<_>>();
                assert_eq!(names(&before), names(&after));
            }
        });
    }
}

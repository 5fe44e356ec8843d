//! What all calls share: problems, keys and scopes, limits, the description.

use std::str::FromStr as _;

use dacapo_engine::campaign::schema::{json_schema, json_schema_draft_07};
use dacapo_platform::table::Cursor;
use serde_json::{Value, json};

use crate::called::{ADMIN, Called};

/// http-api, *Lists*: a cursor that no page of a list ended at is 422 and names `cursor`; none is a
/// defect, on any table.
#[tokio::test]
async fn a_cursor_that_was_made_up_is_refused_by_every_list() {
    let api = Called::new().await;
    api.hook(&json!({ "email": "ann@example.com" })).await;
    let made = api.put("/v1/connections/form", &json!({ "kind": "form" })).await.is(201);
    let url = made["url"].as_str().unwrap().strip_prefix("https://dacapo.example").unwrap();
    for n in 0..3 {
        let sent = json!({ "email": format!("p{n}@example.com") }).to_string();
        api.bare("POST", url, &[("content-type", "application/json")], sent).await.is(200);
    }
    api.put("/v1/object-types/visit", &json!({ "fields": {} })).await.is(200);
    let calls = "/v1/connections/form/calls";
    let page = api.get(&format!("{calls}?limit=1")).await.is(200);
    let genuine = page["next_cursor"].as_str().expect("a cursor");
    assert_eq!(
        api.get(&format!("{calls}?cursor={genuine}")).await.is(200)["items"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    let received = "A#main#IN#form";
    let parts = Cursor::from_str(genuine).unwrap().parts::<4>(received).expect("its parts");
    let long = "x".repeat(3_000);
    let ann = "/v1/contacts/email:ann@example.com";
    let lists = [
        (calls.to_owned(), received, 4),
        ("/v1/dead-letters".to_owned(), "A#main#ASIDE", 2),
        (format!("{ann}/messages"), "messages", 2),
        (format!("{ann}/history"), "history", 3),
        ("/v1/contacts".to_owned(), "contacts", 2),
        ("/v1/contacts/export".to_owned(), "contacts", 2),
        ("/v1/object-types/visit/export".to_owned(), "object-export", 3),
        ("/v1/keys".to_owned(), "keys", 2),
        ("/v1/mass-actions".to_owned(), "mass-actions", 2),
        ("/v1/tags".to_owned(), "tags", 2),
        ("/v1/connections".to_owned(), "connections", 2),
    ];
    for (path, first, parts) in lists {
        for rest in ["", long.as_str()] {
            let mut made_up = vec![first];
            made_up.resize(parts, rest);
            let cursor = Cursor::at(&made_up);
            let answer = api.get(&format!("{path}?cursor={cursor}")).await;
            assert_eq!(answer.faults(422)[0].0, "cursor", "{path} {made_up:?}");
        }
        let answer = api.get(&format!("{path}?cursor=nonsense")).await;
        assert_eq!(answer.faults(422)[0].0, "cursor", "{path}");
    }
    // Each part could be one, and together they are none.
    for at in 1..parts.len() {
        for other in ["", "x", "~", long.as_str()] {
            let mut mixed = parts.clone();
            mixed[at] = other.to_owned();
            let cursor = Cursor::at(&mixed.each_ref().map(String::as_str));
            let status = api.get(&format!("{calls}?cursor={cursor}")).await.status.as_u16();
            let allowed = !other.is_empty() && other.len() < 1_000;
            assert!(status == 422 || (allowed && status == 200), "{status} {mixed:?}");
        }
    }
}

#[tokio::test]
async fn health_needs_no_key() {
    let api = Called::new().await;
    assert_eq!(api.bare("GET", "/healthz", &[], "").await.is(200)["status"], "ok");
}

#[tokio::test]
async fn without_a_key_nothing_is_answered() {
    let api = Called::new().await;
    let answer = api.bare("GET", "/v1/contacts", &[], "").await;
    answer.problem(401);
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    api.bare("POST", "/v1/hooks/contact", &[], "{}").await.problem(401);
    api.bare("GET", "/v1/contacts", &[("x-api-key", "wrong")], "").await.problem(401);
    api.bare("GET", "/v1/contacts", &[("authorization", "Basic abc")], "").await.problem(401);
}

#[tokio::test]
async fn a_key_comes_in_either_header() {
    let api = Called::new().await;
    api.bare("GET", "/v1/contacts", &[("x-api-key", ADMIN)], "").await.is(200);
    let bearer = format!("bearer {ADMIN}");
    api.bare("GET", "/v1/contacts", &[("authorization", &bearer)], "").await.is(200);
}

#[tokio::test]
async fn scopes_reach_as_far_as_they_say() {
    let api = Called::new().await;
    api.hook(&json!({ "email": "ann@example.com" })).await;
    let calls = [
        ("POST", "/v1/hooks/contact"),
        ("GET", "/v1/contacts"),
        ("POST", "/v1/contacts/email:ann@example.com/tags"),
        ("PATCH", "/v1/account"),
        ("GET", "/v1/keys"),
    ];
    for (scope, reached) in [
        ("webhook", [true, false, false, false, false]),
        ("read", [false, true, false, false, false]),
        ("write", [true, true, true, false, false]),
        ("admin", [true; 5]),
    ] {
        let key = api.key("some", scope).await;
        for ((method, path), reached) in calls.iter().zip(reached) {
            let answer = api.with_key(&key, method, path).await;
            assert_eq!(answer.status != 403, reached, "{scope} {method} {path}: {}", answer.text);
            if !reached {
                let detail = answer.problem(403)["detail"].to_string();
                assert!(detail.contains(scope), "{detail}");
            }
        }
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let api = Called::new().await;
    api.get("/v1/nothing").await.problem(404);
    api.get("/nothing").await.problem(404);
    let answer = api.delete("/v1/contacts").await;
    answer.problem(405);
    let allowed = answer.headers["allow"].to_str().expect("text");
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
}

#[tokio::test]
async fn malformed_json_is_located() {
    let api = Called::new().await;
    let headers = [("x-api-key", ADMIN), ("content-type", "application/json")];
    let answer = api.bare("POST", "/v1/contacts", &headers, "{\n  \"email\": }").await;
    let detail = answer.problem(400)["detail"].to_string();
    assert!(detail.contains("line 2, column 12"), "{detail}");
    let answer = api.bare("POST", "/v1/contacts", &headers, "{} {}").await;
    answer.problem(400);
}

#[tokio::test]
async fn other_media_types_are_refused() {
    let api = Called::new().await;
    let headers = [("x-api-key", ADMIN), ("content-type", "text/plain")];
    api.bare("POST", "/v1/contacts", &headers, "{}").await.problem(415);
    api.bare("POST", "/v1/hooks/contact", &headers, "{}").await.problem(415);
}

#[tokio::test]
async fn bodies_have_a_bound() {
    let api = Called::new().await;
    let long = |bytes| json!({ "email": "ann@example.com", "first_name": "x".repeat(bytes) });
    api.post("/v1/contacts", &long(1_100_000)).await.problem(413);
    api.post("/v1/hooks/contact", &long(300_000)).await.problem(413);
    api.once("k", "/v1/hooks/contact", &long(300_000)).await.problem(413);
}

#[tokio::test]
async fn unknown_parameters_are_refused_with_the_nearest() {
    let api = Called::new().await;
    let answer = api.get("/v1/contacts?limt=5").await;
    assert_eq!(answer.faults(422), [("limt".to_owned(), "unknown_parameter".to_owned())]);
    assert!(answer.text.contains("did you mean `limit`?"), "{}", answer.text);
    api.get("/v1/account?x=1").await.faults(422);
}

#[tokio::test]
async fn members_of_bodies_that_nobody_knows_are_refused() {
    let api = Called::new().await;
    let answer = api.post("/v1/keys", &json!({ "name": "a", "scope": "read" })).await;
    assert_eq!(answer.faults(422), [("scope".to_owned(), "unknown_member".to_owned())]);
    assert!(answer.text.contains("there is no `scope` here; did you mean `scopes`?"));
    let answer = api.post("/v1/keys", &json!({ "name": "a", "scopes": "read" })).await;
    assert_eq!(answer.faults(422), [("scopes".to_owned(), "value".to_owned())]);
    assert!(answer.text.contains(r#"write a list, not \"read\""#), "{}", answer.text);
    let answer = api.post("/v1/keys", &json!({ "name": "a" })).await;
    assert_eq!(answer.faults(422), [("scopes".to_owned(), "required".to_owned())]);
    let answer = api.post("/v1/keys", &json!({ "name": "a", "scopes": ["root"] })).await;
    assert_eq!(answer.faults(422), [("scopes.0".to_owned(), "value".to_owned())]);
}

#[tokio::test]
async fn limits_are_from_1_to_200() {
    let api = Called::new().await;
    for limit in ["0", "201", "-1", "many", ""] {
        let answer = api.get(&format!("/v1/contacts?limit={limit}")).await;
        assert_eq!(answer.faults(422), [("limit".to_owned(), "parameter".to_owned())], "{limit}");
    }
    assert_eq!(
        api.get("/v1/contacts?limit=200").await.is(200),
        json!({ "items": [], "next_cursor": null })
    );
}

#[tokio::test]
async fn foreign_cursors_are_refused() {
    let api = Called::new().await;
    api.hook(&json!({ "email": "ann@example.com" })).await;
    for list in [
        "contacts",
        "fields",
        "tags",
        "keys",
        "contacts/email:ann@example.com/history",
        "contacts/email:ann@example.com/messages",
        "contacts/email:ann@example.com/enrollments",
    ] {
        let answer = api.get(&format!("/v1/{list}?cursor=abc")).await;
        assert_eq!(answer.faults(422), [("cursor".to_owned(), "parameter".to_owned())], "{list}");
    }
}

#[tokio::test]
async fn the_description_names_every_call() {
    let api = Called::new().await;
    let document = api.bare("GET", "/v1/openapi.json", &[], "").await.is(200);
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
    for (path, methods) in [
        ("/v1/hooks/contact", &["post"][..]),
        ("/v1/contacts", &["get", "post"]),
        ("/v1/contacts/{id}", &["get", "patch", "delete"]),
        ("/v1/contacts/{id}/tags", &["post"]),
        ("/v1/contacts/{id}/events", &["post"]),
        ("/v1/contacts/{id}/history", &["get"]),
        ("/v1/contacts/{id}/enrollments", &["get"]),
        ("/v1/contacts/{id}/enrollments/{campaign}/release", &["post"]),
        ("/v1/contacts/{id}/enrollments/{campaign}/start", &["post"]),
        ("/v1/contacts/{id}/enrollments/{campaign}/reset", &["post"]),
        ("/v1/contacts/{id}/enrollments/{campaign}/stop", &["post"]),
        ("/v1/contacts/{id}/messages", &["get"]),
        ("/v1/fields", &["get"]),
        ("/v1/fields/{key}", &["get", "put"]),
        ("/v1/tags", &["get"]),
        ("/v1/account", &["get", "patch"]),
        ("/v1/keys", &["get", "post"]),
        ("/v1/keys/{id}", &["delete"]),
        ("/u/{token}", &["get", "post"]),
        ("/healthz", &["get"]),
    ] {
        for method in methods {
            let call = &document["paths"][path][method];
            assert!(call.is_object(), "{method} {path}");
            assert!(call["responses"].as_object().is_some_and(|all| !all.is_empty()), "{path}");
        }
    }
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(schemes["bearer"]["scheme"], "bearer");
    assert_eq!(schemes["api_key"]["name"], "X-Api-Key");
    references_lead_somewhere(&document, &document);
}

/// Generated clients name their functions by these.
#[test]
fn every_call_has_an_id_of_its_own_and_of_one_form() {
    let document = dacapo_platform::api::description();
    let mut ids = Vec::new();
    for (path, calls) in document["paths"].as_object().expect("paths") {
        for (method, call) in calls.as_object().expect("calls") {
            let id = call["operationId"].as_str().unwrap_or_default();
            let words: Vec<&str> = id.split('_').collect();
            let is_word = |word: &&str| {
                !word.is_empty()
                    && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            };
            assert!(words.len() > 1 && words.iter().all(is_word), "{method} {path}: {id:?}");
            ids.push(id);
        }
    }
    ids.sort_unstable();
    let twice: Vec<_> = ids.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
    for id in ["contacts_get", "contacts_list", "contacts_create", "campaigns_publish"] {
        assert!(ids.contains(&id), "{id} is missing among {ids:?}");
    }
}

/// Every call describes the answers that are given before its handler, too.
#[test]
fn every_call_says_with_which_problems_it_is_answered() {
    let document = dacapo_platform::api::description();
    for (path, calls) in document["paths"].as_object().expect("paths") {
        for (method, call) in calls.as_object().expect("calls") {
            let responses = call["responses"].as_object().expect("responses");
            let open = call["security"] == json!([]);
            let mut needed = vec!["503"];
            if !open {
                needed.extend(["401", "403", "422", "429", "500"]);
            }
            if path.contains('{') {
                needed.push("404");
            }
            if !open && matches!(method.as_str(), "post" | "put" | "patch") {
                needed.extend(["400", "413"]);
            }
            for status in needed {
                assert!(responses.contains_key(status), "{method} {path} does not say {status}");
            }
            for (status, response) in responses {
                let described = response["$ref"].is_string()
                    || response["description"].as_str().is_some_and(|text| !text.is_empty());
                assert!(described, "{method} {path} {status} has no description");
                let refers = response["$ref"].as_str().unwrap_or_default();
                let problem = &response["content"]["application/problem+json"];
                assert!(
                    status.as_str() < "400"
                        || refers.starts_with("#/components/responses/")
                        || problem.is_object(),
                    "{method} {path} {status} is no problem"
                );
            }
        }
    }
}

/// The described scope is the required one, and without a key every call is refused.
#[tokio::test]
async fn every_call_asks_for_the_key_that_it_says() {
    let api = Called::new().await;
    let document = dacapo_platform::api::description();
    let webhook = api.key("webhook", "webhook").await;
    let write = api.key("write", "write").await;
    let mut asked = 0;
    for (path, calls) in document["paths"].as_object().expect("paths") {
        let called = path.replace("{id}", "x").replace("{campaign}", "x").replace("{key}", "x");
        let called = called.replace("{call}", "x");
        for (method, call) in calls.as_object().expect("calls") {
            if call["security"] == json!([]) {
                continue;
            }
            asked += 1;
            let method = method.to_uppercase();
            api.bare(&method, &called, &[], "{}").await.problem(401);
            let needs = call["description"].as_str().unwrap_or_default();
            let short = if needs.ends_with("the scope `admin`.") { &write } else { &webhook };
            if !needs.ends_with("the scope `webhook`.") {
                api.with_key(short, &method, &called).await.problem(403);
            }
        }
    }
    assert!(asked > 30, "{asked}");
}

/// Objects with unknown members are described as such.
#[test]
fn no_object_is_described_without_its_members() {
    fn look(at: &str, part: &Value) {
        if let Value::Object(members) = part {
            let of = |name: &str| members.get(name).is_some();
            let is_object = match &members.get("type") {
                Some(Value::String(kind)) => kind == "object",
                Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
                _ => false,
            };
            assert!(
                !is_object || of("properties") || of("additionalProperties"),
                "{at} does not say what is in it: {part}"
            );
        }
        match part {
            Value::Object(members) => {
                members.iter().for_each(|(name, member)| look(&format!("{at}/{name}"), member));
            }
            Value::Array(list) => list.iter().for_each(|one| look(at, one)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = dacapo_platform::api::description();
    look("components", &document["components"]["schemas"]);
    look("paths", &document["paths"]);
}

#[tokio::test]
async fn the_schema_of_campaigns_is_open_to_editors() {
    let api = Called::new().await;
    for path in ["/v1/campaign-schema.json", "/v1/openapi.json"] {
        let answer = api.bare("GET", path, &[], "").await;
        answer.is(200);
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
    }
}

/// The served descriptions are made from the code: `UPDATE_DESCRIPTIONS=1 cargo test -p
/// dacapo-tests --test api` writes the files.
#[test]
fn the_descriptions_are_what_the_code_says() {
    let described = dacapo_platform::api::description();
    let shared = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    for (file, made) in [
        ("platform/src/api/call/openapi.json", described),
        ("engine/src/campaign/schema.json", json_schema()),
        ("engine/src/campaign/schema-draft-07.json", json_schema_draft_07()),
        ("../examples/campaign.schema.json", json_schema_draft_07()),
    ] {
        let made = format!("{made:#}\n");
        let path = shared.join(file);
        if std::env::var_os("UPDATE_DESCRIPTIONS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(
            written == made,
            "{file} is not what the code says: docs/testing.md tells how to make it anew"
        );
    }
}

fn references_lead_somewhere(document: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                let pointer = reference.trim_start_matches('#');
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            members.values().for_each(|member| references_lead_somewhere(document, member));
        }
        Value::Array(list) => list.iter().for_each(|one| references_lead_somewhere(document, one)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

//! Contacts as CSV: what is imported, refused and reported, resumed, and exported again.

use serde_json::{Value, json};

use crate::called::{ADMIN, Answer, Called};

async fn import(api: &Called, key: Option<&str>, parameters: &str, text: &str) -> Answer {
    let mut headers = vec![("x-api-key", ADMIN), ("content-type", "text/csv")];
    headers.extend(key.map(|key| ("idempotency-key", key)));
    let path = format!("/v1/contacts/import{parameters}");
    api.bare("POST", &path, &headers, text.to_owned()).await
}

fn counts(imported: &Value) -> [u64; 5] {
    ["rows", "created", "changed", "unchanged", "refused"]
        .map(|key| imported[key].as_u64().expect("a count"))
}

#[tokio::test]
async fn rows_become_contacts_and_the_same_rows_again_change_nothing() {
    let api = Called::with_fields().await;
    let text = "Email;First_Name;tags;score;city\r\n\
                ann@example.com;Ann;Lead, Reader;12.5;\"Berlin\nMitte\"\r\n\
                BOB@example.com;Bob;;;\r\n\
                ann@example.com;;VIP;13;\r\n";
    let imported = import(&api, None, "", text).await.is(200);
    assert_eq!(counts(&imported), [3, 2, 1, 0, 0], "{imported:#}");
    assert_eq!(imported["complete"], true);
    let ann = api.ann().await;
    assert_eq!(ann["fields"], json!({ "score": 13, "city": "Berlin\nMitte" }));
    assert_eq!(ann["first_name"], "Ann", "an empty cell says nothing");
    assert_eq!(ann["tags"].as_object().map(serde_json::Map::len), Some(3));

    let again = "email,tags,score\nann@example.com,lead,13\nbob@example.com,,\n";
    let imported = import(&api, None, "", again).await.is(200);
    assert_eq!(counts(&imported), [2, 0, 0, 2, 0], "{imported:#}");
    assert_eq!(api.ann().await["rev"], ann["rev"], "a tag that is there is not assigned again");
}

#[tokio::test]
async fn every_refused_row_is_told_with_its_line_and_the_others_are_imported() {
    let api = Called::with_fields().await;
    let text = "email,score,appointment\n\
                ann@example.com,twelve,12/01/2026\n\
                \n\
                bob@example.com,1,\n\
                nobody,2,\n\
                ,3,\n\
                cem@example.com,4,2026-12-01,too much\n";
    let imported = import(&api, None, "", text).await.is(200);
    assert_eq!(counts(&imported), [5, 1, 0, 0, 4], "{imported:#}");
    let errors = imported["errors"].as_array().expect("a list");
    let lines: Vec<(u64, usize)> = errors
        .iter()
        .map(|row| (row["line"].as_u64().unwrap(), row["errors"].as_array().unwrap().len()))
        .collect();
    assert_eq!(lines, [(2, 2), (5, 1), (6, 1), (7, 1)], "{imported:#}");
    assert_eq!(errors[3]["errors"][0]["code"], "cells");
    api.get("/v1/contacts/email:ann@example.com").await.problem(404);
}

#[tokio::test]
async fn columns_have_to_be_known() {
    let api = Called::new().await;
    let faults = import(&api, None, "", "name,shoe\nAnn,38\n").await.faults(422);
    let told = |path: &str, code: &str| faults.contains(&(path.to_owned(), code.to_owned()));
    assert!(told("email", "required") && told("shoe", "unknown_field"), "{faults:?}");
    let twice = import(&api, None, "", "email,email\na@example.com,b@example.com\n").await;
    assert_eq!(twice.faults(422), [("email".to_owned(), "twice".to_owned())]);
    assert_eq!(import(&api, None, "", "").await.faults(422)[0].1, "empty");
    let json = [("x-api-key", ADMIN), ("content-type", "application/json")];
    api.bare("POST", "/v1/contacts/import", &json, "{}").await.problem(415);

    let text = "email,shoe\nann@example.com,38\n";
    import(&api, None, "?unknown_fields=ignore", text).await.is(200);
    assert_eq!(api.ann().await["fields"], json!({}));
    import(&api, None, "?unknown_fields=create", text).await.is(200);
    assert_eq!(api.ann().await["fields"], json!({ "shoe": "38" }));
}

#[tokio::test]
async fn however_many_rows_are_refused_the_others_are_imported() {
    let api = Called::new().await;
    let text = format!("email\n{}ann@example.com\n", "nobody\n".repeat(2_000));
    for key in [None, Some("k"), Some("k")] {
        let imported = import(&api, key, "", &text).await.is(200);
        assert_eq!(imported["complete"], true);
        assert_eq!((&imported["rows"], &imported["refused"]), (&json!(2_001), &json!(2_000)));
        let told = imported["errors"].as_array().expect("a list");
        assert_eq!((told.len(), &told[499]["line"]), (500, &json!(501)), "the first 500");
        api.ann().await;
    }
}

#[tokio::test]
async fn an_export_that_cannot_begin_says_why() {
    let api = Called::new().await;
    api.hook(&json!({ "email": "ann@example.com" })).await;
    let (all, again) =
        (api.get("/v1/contacts/export").await, api.get("/v1/contacts/export?cursor=").await);
    assert_eq!((again.status, again.text), (all.status, all.text));
    for more in ["", "&limit=10"] {
        let refused = api.get(&format!("/v1/contacts/export?cursor=nonsense{more}")).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert!(refused.text.contains("next_cursor"), "{}", refused.text);
    }
}

#[tokio::test]
async fn an_export_is_what_an_import_reads() {
    let api = Called::with_fields().await;
    for n in 0..250 {
        api.hook(&json!({ "email": format!("p{n}@example.com"), "first_name": "P", "last_name": "says \"no\", twice",
                          "tags": ["Lead", "VIP"], "score": n, "appointment": "2026-12-01T13:00:00Z" }))
            .await;
    }
    api.hook(&json!({ "email": "ann@example.com" })).await;
    let bounced = json!({ "suppressed": "manual" });
    api.patch("/v1/contacts/email:ann@example.com", &bounced).await.is(200);
    api.idle().await;
    let exported = api.get("/v1/contacts/export").await;
    assert_eq!(exported.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(exported.text.lines().count(), 252);
    let leads = api.get("/v1/contacts/export?tag=lead").await;
    assert_eq!(leads.text.lines().count(), 251);

    let mut parts = exported.text.lines().next().map(|head| format!("{head}\n")).expect("a head");
    let mut path = "/v1/contacts/export?limit=120".to_owned();
    let sizes = loop {
        let part = api.get(&path).await;
        let rows = part.text.split_once('\n').expect("a head").1;
        parts.push_str(rows);
        match part.headers.get("dacapo-next-cursor") {
            Some(cursor) => {
                assert_eq!(rows.lines().count(), 120);
                path = format!("/v1/contacts/export?limit=120&cursor={}", cursor.to_str().unwrap());
            }
            None => break rows.lines().count(),
        }
    };
    assert_eq!((sizes, &parts), (11, &exported.text), "in parts it is the same");
    for wrong in ["limit=0", "limit=10001", "limit=ten"] {
        api.get(&format!("/v1/contacts/export?{wrong}")).await.problem(422);
    }

    let other = Called::with_fields().await;
    let imported = import(&other, None, "", &exported.text).await.is(200);
    assert_eq!(counts(&imported), [251, 251, 0, 0, 0], "{imported:#}");
    assert_eq!(other.ann().await["suppressed"], "manual");
    let path = "/v1/contacts/email:p7@example.com";
    let (one, two) = (api.get(path).await.is(200), other.get(path).await.is(200));
    for key in ["email", "first_name", "last_name", "fields", "consent"] {
        assert_eq!(one[key], two[key], "{key}");
    }
}

//! Objects as CSV: what is imported with its contact, refused and reported, resumed, and exported
//! again (R1, R3, R70, R74).

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use dacapo_embedded::SqliteStore;
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::ids::ObjectType;
use dacapo_platform::api::{AdminKey, router};
use dacapo_platform::keys::is_fed;
use dacapo_platform::objects::{MOST_OBJECTS, ObjectWrite, PersonWrite};
use dacapo_platform::table::TableError;
use dacapo_tests::kit::{EventuallyConsistent, FailingTable, Fails, TestBench};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::called::{ADMIN, Answer, Called};
use crate::objects::{ANN, account, items, stands, stood, subjects};

const TYPE: &str = "/v1/object-types/appointment";

async fn import(api: &Called, key: Option<&str>, parameters: &str, text: &str) -> Answer {
    let mut headers = vec![("x-api-key", ADMIN), ("content-type", "text/csv")];
    headers.extend(key.map(|key| ("idempotency-key", key)));
    let path = format!("{TYPE}/import{parameters}");
    api.bare("POST", &path, &headers, text.to_owned()).await
}

fn counts(imported: &Value) -> [u64; 5] {
    ["rows", "created", "changed", "unchanged", "refused"]
        .map(|key| imported[key].as_u64().expect("a count"))
}

async fn object(api: &Called, key: &str) -> Value {
    api.get(&format!("/v1/objects/appointment/{key}")).await.is(200)
}

/// Line, path and code of everything that was refused.
fn refused(imported: &Value) -> Vec<(u64, String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let rows = imported["errors"].as_array().expect("a list").iter();
    rows.flat_map(|row| {
        let line = row["line"].as_u64().expect("a line");
        let faults = row["errors"].as_array().expect("a list").clone();
        faults.into_iter().map(move |fault| (line, text(&fault["path"]), text(&fault["code"])))
    })
    .collect()
}

/// An account with a type of objects, of which no campaign knows.
async fn quiet() -> Called {
    let api = Called::with_fields().await;
    let fields = json!({ "label": "Appointment", "fields": {
        "starts_at": { "type": "datetime", "label": "Begin" }, "place": { "type": "text" },
        "status": { "type": "text" }, "seats": { "type": "number" } } });
    api.put(TYPE, &fields).await.is(200);
    api
}

#[tokio::test]
async fn r70_rows_become_objects_with_their_contacts_and_go_through_their_campaign() {
    let api = account().await;
    let text = "Key;E-Mail-Adresse;Vorname;status;starts_at;place;tags;contact.tags\r\n\
                one;ann@example.com;Ann;booked;2026-11-03T10:00:00Z;Oslo;\"First, Paid\";Guest\r\n\
                two;ANN@example.com;;booked;2026-11-05 10:00;Bergen;;\r\n";
    let imported = import(&api, None, "", text).await.is(200);
    assert_eq!(counts(&imported), [2, 2, 0, 0, 0], "{imported:#}");
    assert_eq!((&imported["contacts_created"], &imported["complete"]), (&json!(1), &json!(true)));
    api.idle().await;
    assert_eq!(stands(&api).await, stood(&[("one", "active"), ("two", "active")]));
    assert_eq!(subjects(&api).await, ["one: Oslo for Ann", "two: Bergen for Ann"]);
    let (one, ann) = (object(&api, "one").await, api.ann().await);
    let names = |of: &Value| -> Vec<String> {
        of["tags"].as_object().expect("tags").keys().cloned().collect()
    };
    assert_eq!(names(&one), Vec::from(["First", "Paid"].map(str::to_owned)));
    assert_eq!(names(&ann), Vec::from(["Guest".to_owned()]), "each has its own");
    assert_eq!(one["contact_id"], ann["id"]);

    // The same file again changes nothing, and nothing follows.
    let again = import(&api, None, "", text).await.is(200);
    assert_eq!(counts(&again), [2, 0, 0, 2, 0], "{again:#}");
    api.idle().await;
    assert_eq!((object(&api, "one").await, api.ann().await), (one, ann));
    assert_eq!(subjects(&api).await.len(), 2);

    // A row that changes one of the two counts once.
    let more = "key,email,last_name,place\none,ann@example.com,Lee,\ntwo,,,Rom\n";
    let changed = import(&api, None, "", more).await.is(200);
    assert_eq!(counts(&changed), [2, 0, 2, 0, 0], "{changed:#}");
    assert_eq!(api.ann().await["last_name"], "Lee");
    assert_eq!(object(&api, "two").await["fields"]["place"], "Rom", "whose it is was known");
}

#[tokio::test]
async fn r70_headings_are_met_as_those_of_contacts_and_unknown_ones_are_told() {
    let api = quiet().await;
    let text = "KEY,Begin,SEATS,fields.place,contact.city,contact[score],Phone Number,id,Updated At\n\
                k1,2026-12-01T10:00:00Z,2,Oslo,Bergen,7,+47 1,x,y\n";
    let faults = import(&api, None, "", text).await.faults(422);
    assert_eq!(faults, [("contact.email".to_owned(), "required".to_owned())]);
    let text = text.replace("KEY,", "email,KEY,").replace("k1,", "ann@example.com,k1,");
    let imported = import(&api, None, "", &text).await.is(200);
    assert_eq!(counts(&imported), [1, 1, 0, 0, 0], "{imported:#}");
    let fields = json!({ "starts_at": "2026-12-01T10:00:00Z", "seats": 2, "place": "Oslo" });
    assert_eq!(object(&api, "k1").await["fields"], fields);
    let ann = api.ann().await;
    assert_eq!(ann["fields"], json!({ "city": "Bergen", "score": 7 }));
    assert_eq!(ann["phone"], "+47 1");

    let unknown = import(&api, None, "", "key,email,city,plcae,contact.ctiy\n").await.problem(422);
    let told: Vec<&str> = unknown["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|fault| fault["message"].as_str().expect("a message"))
        .collect();
    assert!(told[0].contains("`contact.city`"), "{told:?}");
    assert!(
        told[1].contains("did you mean `place`?")
            && told[1].contains("/v1/object-types/appointment")
    );
    assert!(
        told[2].contains("did you mean `city`?") && told[2].contains("/v1/fields/"),
        "{told:?}"
    );
    let twice = import(&api, None, "", "key,email,place,fields.place\n").await.faults(422);
    assert_eq!(twice, [("fields.place".to_owned(), "twice".to_owned())]);
    let none = import(&api, None, "", "place\nOslo\n").await.faults(422);
    assert_eq!(none[0], ("key".to_owned(), "required".to_owned()));
    assert_eq!(import(&api, None, "", "").await.faults(422)[0].1, "empty");

    let text = "key,email,shoe,contact.hat\nk2,ann@example.com,38,M\n";
    import(&api, None, "?unknown_fields=ignore", text).await.is(200);
    assert_eq!(object(&api, "k2").await["fields"], json!({}));
    import(&api, None, "?unknown_fields=create", text).await.is(200);
    assert_eq!(object(&api, "k2").await["fields"], json!({ "shoe": "38" }));
    assert_eq!(api.ann().await["fields"]["hat"], "M");
    let headers = [("x-api-key", ADMIN), ("content-type", "text/csv")];
    api.bare("POST", "/v1/object-types/order/import", &headers, text).await.problem(404);
    let headers = [("x-api-key", ADMIN), ("content-type", "application/json")];
    api.bare("POST", &format!("{TYPE}/import"), &headers, "{}").await.problem(415);
}

#[tokio::test]
async fn r70_every_refused_row_is_told_with_its_line_and_writes_neither_of_the_two() {
    let api = quiet().await;
    let text = "key,email,status,starts_at,seats,replaces,clear,first_name\n\
                k1,ann@example.com,booked,2026-12-01T10:00:00Z,1,,,Ann\n\
                k2,ben@example.com,booked,tomorrow,two,,,Ben\n\
                ,cem@example.com,booked,,,,,Cem\n\
                k1,dan@example.com,,,3,,,Dan\n\
                k3,,booked,,,,,\n\
                k4,nobody,booked,,,,,Eve\n\
                k5,ann@example.com,,,,,,\n\
                k5,ann@example.com,,,,k1,,\n\
                k1,ann@example.com,,,,,\"plcae, status\",\n\
                k1,ann@example.com,x,,,,status,,too much\n";
    let imported = import(&api, None, "", text).await.is(200);
    assert_eq!(counts(&imported), [10, 2, 0, 0, 8], "{imported:#}");
    let expected = [
        (3, "fields.seats", "value"),
        (3, "fields.starts_at", "value"),
        (4, "key", "required"),
        (5, "contact.email", "of_another"),
        (6, "contact.email", "required"),
        (7, "contact.email", "email"),
        (9, "replaces", "both_there"),
        (10, "clear", "clear"),
        (11, "", "cells"),
    ];
    let expected = expected.map(|(line, path, code)| (line, path.to_owned(), code.to_owned()));
    let mut told = refused(&imported);
    told.sort();
    assert_eq!(told, expected);
    // Each quotes what came.
    let words = imported["errors"].to_string();
    for quoted in ["tomorrow", "two", "dan@example.com", "\\\"k3\\\"", "nobody", "k1", "plcae"] {
        assert!(words.contains(quoted), "{quoted}: {words}");
    }
    // Of a row that was refused nothing was written, of the contact neither.
    for person in ["ben", "cem", "dan", "eve"] {
        api.get(&format!("/v1/contacts/email:{person}@example.com")).await.problem(404);
    }
    for key in ["k2", "k3", "k4"] {
        api.get(&format!("/v1/objects/appointment/{key}")).await.problem(404);
    }
    let skipped = import(&api, None, "?invalid=skip", "key,email,seats\nk9,ann@example.com,two\n");
    let skipped = skipped.await.is(200);
    assert_eq!(skipped["skipped"][0]["errors"][0]["path"], "fields.seats", "{skipped:#}");
    let history = items(&api, &format!("{ANN}/history?object=appointment/k9")).await;
    assert!(history.iter().any(|line| line["kind"] == "left_out"), "{history:#?}");
}

#[tokio::test]
async fn r70_a_row_clears_fields_withdraws_tags_and_takes_no_unsubscription_back() {
    let api = quiet().await;
    let text = "key,email,seats,place,tags\nk1,ann@example.com,1,Oslo,\"Paid, Vip\"\n";
    import(&api, None, "", text).await.is(200);
    api.patch(ANN, &json!({ "consent": "unsubscribed" })).await.is(200);
    let text =
        "key,email,clear,remove_tags,consent\nk1,ann@example.com,\"Seats, place\",Vip,subscribed\n";
    let imported = import(&api, None, "", text).await.is(200);
    assert_eq!(counts(&imported), [1, 0, 1, 0, 0], "{imported:#}");
    let one = object(&api, "k1").await;
    assert_eq!((&one["fields"], one["tags"].as_object().unwrap().len()), (&json!({}), 1));
    assert_eq!(api.ann().await["consent"], "unsubscribed");
    let text = "key,email,resubscribe\nk1,ann@example.com,true\n";
    assert_eq!(counts(&import(&api, None, "", text).await.is(200)), [1, 0, 1, 0, 0]);
    assert_eq!(api.ann().await["consent"], "subscribed", "the row says so by itself");
}

#[tokio::test]
async fn r70_a_key_replaces_another_in_a_file_and_again_nothing_is_changed() {
    let api = quiet().await;
    // Rows about one object are written in order, whoever stands between.
    let text = "key,email,replaces,place\n\
                a,ann@example.com,,Oslo\n\
                x,ben@example.com,,Rom\n\
                b,ann@example.com,a,Oslo\n\
                 c ,,b,Bergen\n";
    let imported = import(&api, None, "", text).await.is(200);
    assert_eq!(counts(&imported), [4, 2, 2, 0, 0], "{imported:#}");
    let moved = object(&api, "a").await;
    assert_eq!((&moved["key"], &moved["fields"]["place"]), (&json!("c"), &json!("Bergen")));
    let again = import(&api, None, "", text).await.is(200);
    assert_eq!(counts(&again), [4, 0, 0, 4, 0], "{again:#}");
    assert_eq!(object(&api, "c").await, moved, "what its old keys say of it is over");
    let told = again["warnings"].as_array().expect("warnings");
    let lines: Vec<_> = told.iter().map(|row| row["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2, 4], "{again:#}");
    assert!(told[0].to_string().contains("goes on as"), "{again:#}");
}

#[tokio::test]
async fn r70_an_export_of_objects_is_what_an_import_reads() {
    let api = quiet().await;
    // Fields that are called as columns of the contact are.
    let fields =
        json!({ "fields": { "email": { "type": "text" }, "contact_id": { "type": "text" } } });
    api.put(TYPE, &fields).await.is(200);
    let keys = [
        "https%3A%2F%2Fapi.example%2Fi%2F7",
        "=1%2B1",
        "%22quoted%22,%20and%20more",
        "%20blank%20",
        "ümlaut",
    ];
    for (n, key) in keys.iter().enumerate() {
        let body = json!({
            "contact": { "email": format!("p{}@example.com", n % 2), "first_name": "P" },
            "tags": ["Paid", "one;two"],
            "fields": { "place": "-5\n\"Haus\"", "starts_at": "2026-12-01T13:00:00.5Z", "seats": 2.5,
                "email": "office@example.com", "contact_id": "abc" },
        });
        api.put(&format!("/v1/objects/appointment/{key}"), &body).await.is(200);
    }
    api.put("/v1/objects/appointment/bare", &json!({ "contact": { "email": "p0@example.com" } }))
        .await
        .is(200);
    api.idle().await;
    let exported = api.get(&format!("{TYPE}/export")).await.text;
    assert!(
        exported.starts_with("id,key,contact.email,contact.id,contact_id,email,place"),
        "{exported}"
    );

    // Into the same account it changes nothing, into another one it makes the same.
    let again = import(&api, None, "", &exported).await.is(200);
    assert_eq!(counts(&again), [6, 0, 0, 6, 0], "{again:#}");
    let other = quiet().await;
    other.put(TYPE, &fields).await.is(200);
    let imported = import(&other, None, "", &exported).await.is(200);
    assert_eq!(counts(&imported), [6, 6, 0, 0, 0], "{imported:#}");
    assert_eq!(imported["contacts_created"], 2);
    for key in keys.into_iter().chain(["bare"]).filter(|key| !key.contains("blank")) {
        let (one, two) = (object(&api, key).await, object(&other, key).await);
        for member in ["type", "key", "fields"] {
            assert_eq!(one[member], two[member], "{key} {member}");
        }
        let tags = |of: &Value| of["tags"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(tags(&one), tags(&two), "{key}");
    }
    object(&other, "blank").await;
    other.idle().await;
    let without_ids = |file: &str| {
        let mut rows: Vec<Vec<String>> = csv::Reader::from_reader(file.as_bytes())
            .into_records()
            .map(|row| row.expect("a row").iter().map(|cell| cell.trim().to_owned()).collect())
            .collect();
        for row in &mut rows {
            let end = row.len() - 3;
            row.truncate(end);
            row.remove(3);
            row.remove(0);
        }
        rows.sort();
        rows
    };
    let back = other.get(&format!("{TYPE}/export")).await.text;
    assert_eq!(without_ids(&back), without_ids(&exported));
}

#[tokio::test]
async fn r74_a_row_beyond_a_thousand_objects_is_refused_and_the_others_are_written() {
    let api = quiet().await;
    let kind = ObjectType::new("appointment").expect("a type");
    let (nothing, by, alone) = (Patch::default(), Author::MailService, |_: &_| Ok(Vec::new()));
    for n in 0..MOST_OBJECTS - 1 {
        let key = format!("k{n}");
        let person = PersonWrite::ByAddress("ann@example.com", &nothing);
        let write = ObjectWrite { kind: &kind, key: &key, replaces: None, person, patch: &nothing };
        api.embedded.platform.objects.upsert(write, &by, &alone).await.expect("an object");
    }
    let text = "key,email,place\nlast,ann@example.com,Oslo\nover,ann@example.com,Rom\n\
                k7,ann@example.com,Bergen\nover,ben@example.com,Rom\n";
    let imported = import(&api, None, "", text).await.is(200);
    assert_eq!(counts(&imported), [4, 2, 1, 0, 1], "{imported:#}");
    assert_eq!(refused(&imported), [(3, "contact.email".to_owned(), "too_many".to_owned())]);
    let message = imported["errors"][0]["errors"][0]["message"].as_str().expect("a message");
    for part in ["ann@example.com", "over", "1000 objects", "DELETE"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(object(&api, "k7").await["fields"]["place"], "Bergen", "what is there is written");
}

#[tokio::test]
async fn r01_an_import_of_objects_is_answered_again_under_its_key_and_no_other_file_is() {
    let api = quiet().await;
    let text = "key,email,place\nk1,ann@example.com,Oslo\nk2,ann@example.com,Rom\n";
    let first = import(&api, Some("i"), "", text).await;
    assert_eq!(counts(&first.is(200)), [2, 2, 0, 0, 0]);
    let again = import(&api, Some("i"), "", text).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.is(200), first.is(200));
    let other = text.replace("Rom", "Pisa");
    assert_eq!(import(&api, Some("i"), "", &other).await.faults(422)[0].1, "key_reused");
    // A key counts for its type, and for objects only.
    let fields = json!({ "fields": { "place": { "type": "text" } } });
    api.put("/v1/object-types/order", &fields).await.is(200);
    let headers = [("x-api-key", ADMIN), ("content-type", "text/csv"), ("idempotency-key", "i")];
    let orders = api.bare("POST", "/v1/object-types/order/import", &headers, text).await.is(200);
    assert_eq!(counts(&orders), [2, 2, 0, 0, 0], "{orders:#}");
    let contacts = "email\nann@example.com\n";
    let people = api.bare("POST", "/v1/contacts/import", &headers, contacts).await.is(200);
    assert_eq!(counts(&people), [1, 0, 0, 1, 0], "{people:#}");
}

/// Over a table as the cloud has it: eventual reads and lists, a write that fails, one whose answer
/// is lost.
#[tokio::test]
async fn r01_an_import_of_objects_that_broke_off_goes_on_under_its_key_on_a_table_of_the_cloud() {
    const ROWS: u64 = 2_500;
    let store = SqliteStore::open(None, is_fed).expect("a store");
    let failing = FailingTable::before(Arc::new(EventuallyConsistent::new(store, 7)));
    let bench = TestBench::on(Arc::clone(&failing) as _);
    let api = router(bench.platform.clone(), Some(AdminKey::of(ADMIN)));
    let call = async |method: &str, path: &str, kind: &str, body: &str| {
        let request = Request::builder().method(method).uri(path).header("x-api-key", ADMIN);
        let request = request.header("content-type", kind).header("idempotency-key", "import-1");
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let response = api.clone().oneshot(request).await.expect("an answer");
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        (status, serde_json::from_slice::<Value>(&body).unwrap_or_default())
    };
    let fields = json!({ "fields": { "place": { "type": "text" } } }).to_string();
    assert_eq!(call("PUT", TYPE, "application/json", &fields).await.0, 200);
    let mut file = "key,email,place\n".to_owned();
    for n in 0..ROWS {
        let email = if n == 99 { "nobody".to_owned() } else { format!("p{}@example.com", n / 3) };
        file += &format!("k{n},{email},Oslo\n");
    }
    let path = format!("{TYPE}/import");
    let mut left = 1_900;
    failing.fails(move |_| {
        left -= 1;
        match left {
            1_000 => Some(Fails::AnswerLost),
            left if left <= 0 => Some(Fails::NotMade(TableError::Throttled)),
            _ => None,
        }
    });
    let (status, broken) = call("POST", &path, "text/csv", &file).await;
    assert_eq!(status, 503, "{broken:#}");
    failing.fails(|_| None);
    let (status, imported) = call("POST", &path, "text/csv", &file).await;
    assert_eq!((status, &imported["complete"]), (200, &json!(true)), "{imported:#}");
    let [rows, created, changed, unchanged, refused] = counts(&imported);
    // Those of the broken page were there already; what it says is about the whole file.
    assert_eq!((rows, created + changed + unchanged, refused), (ROWS, ROWS - 1, 1));
    assert_eq!(changed, 0, "{imported:#}");
    assert!(unchanged > 0 && created > 1_024, "it went on where it was: {imported:#}");
    assert_eq!(imported["errors"][0]["line"], 101);
    for n in [0, 1_023, 1_024, 1_899, ROWS - 1] {
        let one = call("GET", &format!("/v1/objects/appointment/k{n}"), "text/plain", "").await;
        assert_eq!((one.0, &one.1["rev"]), (200, &json!(1)), "one change: {n}");
    }
}

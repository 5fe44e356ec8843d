//! What is kept of calls: pages, replays, erasure, and that nothing is lost whatever comes.

use dacapo_engine::ids::{ConnectionId, ContactId};
use dacapo_platform::table::{Condition, Consistency, Query, Write};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{calls, connected, newest, post, posted};
use crate::called::Called;

async fn replayed(api: &Called, call: &Value) -> Value {
    let id = call["id"].as_str().expect("an id");
    api.post(&format!("/v1/connections/form/calls/{id}/replay"), &json!({})).await.is(200)
}

#[tokio::test]
async fn a_call_is_replayed_after_its_map_was_mended() {
    let api = Called::with_fields().await;
    let wrong = json!({ "kind": "form", "map": { "/mail": "email", "/town": "city" } });
    let path = connected(&api, "form", &wrong).await;
    posted(&api, &path, &json!({ "e_mail": "ann@example.com", "town": "Kiel" })).await.is(202);
    let call = newest(&api, "form").await;
    let why = call["why"].as_str().unwrap();
    assert!(why.contains("/mail") && why.contains("/e_mail"), "it says what there is: {why}");
    let right = json!({ "kind": "form", "map": { "/e_mail": "email", "/town": "city" } });
    api.put("/v1/connections/form", &right).await.is(200);
    super::advance(&api, "1 day").await;
    let again = replayed(&api, &call).await;
    assert_eq!((&again["outcome"], &again["why"]), (&json!("done"), &Value::Null));
    assert_eq!(
        (&again["at"], &again["replayed_at"]),
        (&call["at"], &json!("2026-11-02T12:00:00Z"))
    );
    assert_eq!(api.ann().await["fields"]["city"], "Kiel");
    assert_eq!(again["made"][0]["contact_id"], api.ann().await["id"]);
    // The tool that sends it again by itself is answered as what came of it.
    let id = call["id"].as_str().expect("an id");
    let open = api.get(&format!("/v1/connections/form/calls/{id}")).await.is(200);
    let body: Value = serde_json::from_str(open["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, json!({ "e_mail": "ann@example.com", "town": "Kiel" }));
    api.post("/v1/connections/form/calls/none/replay", &json!({})).await.problem(404);
}

#[tokio::test]
async fn every_body_is_replayed_as_it_came() {
    let api = Called::with_fields().await;
    let path = connected(&api, "form", &json!({ "kind": "form" })).await;
    let part = "--x\r\nContent-Disposition: form-data; name=\"E-Mail\"\r\n\r\nann@example.com\r\n--x--\r\n";
    for (kind, body) in [
        ("application/x-www-form-urlencoded", &b"email=ann%40example.com&city=K\xf6ln"[..]),
        ("multipart/form-data; boundary=x", part.as_bytes()),
        (
            "application/json; charset=latin1",
            b"{\"email\":\"ann@example.com\",\"city\":\"K\xf6ln\"}",
        ),
    ] {
        post(&api, &path, kind, body.to_vec()).await.is(200);
        let again = replayed(&api, &newest(&api, "form").await).await;
        assert_eq!((&again["outcome"], &again["errors"]), (&json!("done"), &json!([])), "{kind}");
        super::advance(&api, "1 second").await;
    }
    assert_eq!(api.ann().await["fields"]["city"], "Köln");
}

#[tokio::test]
async fn calls_are_listed_page_by_page_and_go_after_14_days() {
    let api = Called::with_fields().await;
    let path = connected(&api, "form", &json!({ "kind": "form" })).await;
    for nth in 0..5 {
        posted(&api, &path, &json!({ "email": format!("n{nth}@example.com") })).await.is(200);
        super::advance(&api, "1 minute").await;
    }
    let page = |query: String| {
        let api = &api;
        async move { api.get(&format!("/v1/connections/form/calls?{query}")).await.is(200) }
    };
    let first = page("limit=2".to_owned()).await;
    let ats = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|call| call["at"].as_str().unwrap()[11..16].to_owned()).collect()
    };
    assert_eq!(ats(&first), ["12:04", "12:03"]);
    assert!(!first.to_string().contains("example.com"), "a list shows no bodies");
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(ats(&page(format!("limit=2&cursor={cursor}")).await), ["12:02", "12:01"]);
    api.get("/v1/connections/form/calls?cursor=x").await.faults(422);
    let gone = newest(&api, "form").await["id"].as_str().unwrap().to_owned();
    super::advance(&api, "14 days").await;
    assert_eq!(calls(&api, "form").await, Vec::<Value>::new());
    api.get(&format!("/v1/connections/form/calls/{gone}")).await.problem(404);
}

/// DynamoDB deletes what has expired some days late, and not all at once.
#[tokio::test]
async fn the_same_call_again_after_14_days_is_done_whatever_is_left_of_the_first() {
    let api = Called::with_fields().await;
    let path = connected(&api, "form", &json!({ "kind": "form" })).await;
    let store = &api.embedded.platform.store;
    let body = json!({ "email": "ann@example.com", "city": "Kiel" }).to_string();
    let headers = [("content-type", "application/json"), ("webhook-id", "always-the-same")];
    api.bare("POST", &path, &headers, body.clone()).await.is(200);
    let partition = store.keys.received_calls(&form());
    let all = async || store.table.query(Query::of(&partition).strong()).await.unwrap().items;
    let contact = api.ann().await["id"].as_str().unwrap().to_owned();
    let contact = ContactId::new(contact).unwrap();
    let (kept, id) = (all().await, newest(&api, "form").await["id"].as_str().unwrap().to_owned());
    let pointer = store.keys.received_of(&contact, &form(), &id);
    let pointer = store.table.get(&pointer, Consistency::Strong).await.unwrap().expect("a pointer");
    for with_call in [true, false] {
        api.patch("/v1/contacts/email:ann@example.com", &json!({ "fields": { "city": "Ulm" } }))
            .await
            .is(200);
        super::advance(&api, "15 days").await;
        // The worker has deleted them: DynamoDB might not have.
        let left = kept.iter().filter(|_| with_call).chain([&pointer]).cloned();
        let left = left.map(|item| Write::put(item, Condition::Always)).collect();
        store.table.write(left, None).await.unwrap();
        api.bare("POST", &path, &headers, body.clone()).await.is(200);
        assert_eq!(api.ann().await["fields"]["city"], "Kiel", "with the call: {with_call}");
        assert_eq!(newest(&api, "form").await["outcome"], "done");
    }
}

fn form() -> ConnectionId {
    ConnectionId::new("form").expect("an id")
}

/// Whatever of a person is left in the partitions of received calls.
async fn left(api: &Called, what: &str) -> Vec<String> {
    let store = &api.embedded.platform.store;
    let page = store
        .table
        .query(Query::of(&store.keys.received_calls(&form())).strong())
        .await
        .expect("the table");
    let found = page.items.iter().filter(|item| item.body.as_str().contains(what));
    found.map(|item| item.key.to_string()).collect()
}

#[tokio::test]
async fn an_erased_person_is_erased_from_received_calls() {
    let api = Called::with_fields().await;
    let path = connected(&api, "form", &json!({ "kind": "form" })).await;
    let ann = "ann@example.com";
    posted(&api, &path, &json!({ "email": ann, "city": "Kiel" })).await.is(200);
    // One that wrote nothing, one that nobody can read, one that names her beside somebody else.
    post(&api, &path, "application/json", format!("{{\"broken\": \"{ann}")).await.problem(400);
    post(&api, &path, "text/csv", "Ann <ANN@example.com>").await.problem(415);
    post(&api, &path, "application/x-www-form-urlencoded", "x=ann%40example.com&email=")
        .await
        .is(202);
    posted(&api, &path, &json!({ "email": "bob@example.com", "guest": ann })).await.is(200);
    posted(&api, &path, &json!({ "email": "eve@example.com" })).await.is(200);
    // She has another address by now: the call is still hers.
    api.patch("/v1/contacts/email:ann@example.com", &json!({ "email": "lee@example.com" }))
        .await
        .is(200);
    posted(&api, &path, &json!({ "email": "lee@example.com", "city": "Ulm" })).await.is(200);
    assert_eq!(calls(&api, "form").await.len(), 7);
    let hers = api.get("/v1/contacts/email:lee@example.com").await.is(200)["id"].clone();
    api.delete("/v1/contacts/email:lee@example.com").await.is(204);
    api.idle().await;
    for what in ["lee@example.com", hers.as_str().unwrap(), "Kiel"] {
        assert_eq!(left(&api, what).await, Vec::<String>::new(), "{what}");
    }
    // What names her old address only is found by whoever has it.
    posted(&api, &path, &json!({ "email": ann })).await.is(200);
    api.delete("/v1/contacts/email:ann@example.com").await.is(204);
    api.idle().await;
    for what in ["ann@", "ANN@", "ann%40"] {
        assert_eq!(left(&api, what).await, Vec::<String>::new(), "{what}");
    }
    let rest = calls(&api, "form").await;
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert!(!left(&api, "eve@example.com").await.is_empty());
}

#[tokio::test]
async fn an_erased_account_has_no_connections() {
    let api = Called::with_fields().await;
    let path = connected(&api, "form", &json!({ "kind": "form" })).await;
    posted(&api, &path, &json!({ "email": "ann@example.com" })).await.is(200);
    let erase = json!({ "confirm": "erase account main" });
    api.post("/v1/mass-actions/erase-account", &erase).await.is(202);
    api.idle().await;
    super::advance(&api, "3 minutes").await;
    api.idle().await;
    assert_eq!(api.get("/v1/connections").await.is(200)["items"], json!([]));
    assert_eq!(left(&api, "").await, Vec::<String>::new());
    posted(&api, &path, &json!({ "email": "ann@example.com" })).await.problem(404);
}

#[tokio::test]
async fn a_secret_is_in_no_answer_and_no_kept_answer() {
    let api = Called::new().await;
    let written = json!({ "kind": "calendly", "secret": "hush-hush-hush" });
    let made = api.put("/v1/connections/c", &written).await;
    let token = made.is(201)["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let rotated = api.once("rotation", "/v1/connections/c/rotate", &json!({})).await;
    assert!(!made.text.contains("hush") && !rotated.text.contains("hush"));
    let store = &api.embedded.platform.store;
    let url = dacapo_platform::keys::connection_url(&dacapo_platform::keys::sha256(&token));
    let stored = store.table.get(&url, Consistency::Strong).await.unwrap().expect("the URL");
    assert!(!format!("{stored:?}").contains(&token), "only a hash of it is a key");
}

/// JSON of some depth, with words that mean something here and there.
fn anything() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("email".to_owned()),
        Just("event".to_owned()),
        Just("payload".to_owned()),
        Just("uri".to_owned()),
        Just("attendees".to_owned()),
        Just("triggerEvent".to_owned()),
        Just("fields[email][value]".to_owned()),
        Just("tags".to_owned()),
        Just("invitee.created".to_owned()),
        Just("ann@example.com".to_owned()),
        ".{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(word.clone(), inner.clone(), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
            inner.prop_map(|value| Value::from(value.to_string())),
        ]
    })
}

const MEDIA: [&str; 6] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "multipart/form-data",
    "application/json; charset=utf-16",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_is_answered_and_kept(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            anything().prop_map(|value| value.to_string().into_bytes()),
        ],
        media in prop::sample::select(MEDIA.to_vec()),
        kind in prop::sample::select(vec!["form", "mapped", "calendly", "calcom"]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let api = super::with_dates().await;
            let written = match kind {
                "form" => json!({ "kind": "form" }),
                "mapped" => json!({ "kind": "form", "map": { "/email": "email", "/payload/0": "tags", "email": "email" } }),
                kind => super::one_date(kind),
            };
            let path = connected(&api, "any", &written).await;
            let calendly = super::signed(super::SECRET, &[super::NOON.to_string().as_bytes(), b".", &bytes]);
            let calendly = format!("t={},v1={calendly}", super::NOON);
            let calcom = super::signed(super::SECRET, &[&bytes]);
            let headers = [
                ("content-type", media), ("calendly-webhook-signature", calendly.as_str()),
                ("x-cal-signature-256", calcom.as_str()),
            ];
            let answer = api.bare("POST", &path, &headers, bytes.clone()).await;
            assert!([200, 202, 400, 415].contains(&answer.status.as_u16()), "{}", answer.text);
            let kept = calls(&api, "any").await;
            assert_eq!(kept.len(), 1);
            assert_ne!(kept[0]["outcome"], "received");
            let id = kept[0]["id"].as_str().unwrap();
            let again = api.post(&format!("/v1/connections/any/calls/{id}/replay"), &json!({})).await.is(200);
            assert_eq!(again["outcome"], kept[0]["outcome"]);
        });
    }
}

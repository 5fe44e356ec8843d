//! What a stranger, a crash or a damaged row could do to a connection, and what comes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::Request;
use dacapo_engine::ids::ConnectionId;
use dacapo_platform::api::{AdminKey, router};
use dacapo_platform::table::{
    Body as StoredBody, Condition, Consistency, Item, Key, TableError, Write,
};
use dacapo_tests::kit::{FailingTable, Fails};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::calcom::body;
use super::{SECRET, advance, calcom, calls, connected, newest, post, posted};
use crate::called::Called;

async fn form(api: &Called) -> String {
    connected(api, "form", &json!({ "kind": "form", "tags": ["Lead"] })).await
}

/// A place is copied for each value beneath it: a long name above many values took gigabytes.
#[tokio::test]
async fn names_of_any_length_take_no_more_than_the_body() {
    let api = Called::new().await;
    let path = form(&api).await;
    let long = "a".repeat(5_000);
    let many = vec!["1"; 60_000].join(",");
    let deep: String = (0..100).map(|nth| format!("{{\"{nth:0100}\":")).collect();
    for said in
        [format!("{{\"{long}\":[{{}},{many}]}}"), format!("{deep}[{{}},{many}]{}", "}".repeat(100))]
    {
        post(&api, &path, "application/json", said).await.problem(400);
        let call = newest(&api, "form").await;
        assert!(call["why"].as_str().unwrap_or("").contains("4,000 bytes"), "{call}");
        advance(&api, "1 second").await;
    }
    // Text that holds such a thing is a text.
    let inner = format!("{{\"{long}\":[{{}},1,1]}}");
    posted(&api, &path, &json!({ "email": "ann@example.com", "note": inner })).await.is(200);
}

/// Who is named in a call can be erased from it, also if many are.
#[tokio::test]
async fn everybody_whom_a_call_names_can_be_erased_from_it() {
    let api = Called::new().await;
    let path = form(&api).await;
    let guests = |count: usize| -> Vec<String> {
        (0..count).map(|nth| format!("guest{nth:03}@example.com")).collect()
    };
    let said = json!({ "email": "ann@example.com", "guests": guests(499) });
    posted(&api, &path, &said).await.is(200);
    let last = json!({ "email": "guest498@example.com" });
    api.post("/v1/hooks/contact", &last).await.is(200);
    api.delete("/v1/contacts/email:guest498@example.com").await.is(204);
    api.idle().await;
    assert_eq!(calls(&api, "form").await, Vec::<Value>::new());
    let said = json!({ "email": "ann@example.com", "guests": guests(501) });
    posted(&api, &path, &said).await.problem(413);
    let call = newest(&api, "form").await;
    assert_eq!((&call["outcome"], &call["has_body"]), (&json!("refused"), &json!(false)));
}

#[tokio::test]
async fn a_booking_of_thousands_is_not_begun() {
    let api = Called::new().await;
    let path = connected(&api, "cal", &json!({ "kind": "calcom", "secret": SECRET })).await;
    let attendees = vec![json!({ "email": "ann@example.com" }); 501];
    let booking =
        json!({ "uid": "b1", "startTime": "2026-12-01T13:00:00Z", "attendees": attendees });
    calcom(&api, &path, &body("BOOKING_CREATED", &booking)).await.is(202);
    assert_eq!(newest(&api, "cal").await["errors"][0]["code"], "too_many");
    api.get("/v1/contacts/email:ann@example.com").await.problem(404);
}

/// A crash at any write of a form: it is done once, whether the tool sends it again or not.
#[tokio::test]
async fn a_form_that_was_broken_off_is_done_once() {
    for before in 0.. {
        let api = Called::new().await;
        let path = form(&api).await;
        let table = FailingTable::before(Arc::clone(&api.embedded.platform.store.table));
        let count = Arc::new(AtomicUsize::new(0));
        let written = Arc::clone(&count);
        table.fails(move |_: &[Write]| {
            let nth = written.fetch_add(1, Ordering::SeqCst);
            (nth >= before).then(|| Fails::NotMade(TableError::Unknown("killed".to_owned())))
        });
        let platform = api.embedded.platform.clone().with(|setup| setup.ports.table = table);
        let dying = router(platform, Some(AdminKey::of("key")));
        let request = Request::builder().method("POST").uri(&path);
        let request = request.header("content-type", "application/json");
        let said = json!({ "email": "ann@example.com" }).to_string();
        let request = request.body(Body::from(said.clone())).expect("a request");
        let status = dying.oneshot(request).await.expect("an answer").status().as_u16();
        if count.load(Ordering::SeqCst) <= before {
            assert_eq!(status, 200, "it lived");
            assert!(before >= 3, "the call, the contact, and that it was done: {before}");
            return;
        }
        if status >= 500 {
            post(&api, &path, "application/json", said).await.is(200);
        } else {
            assert_eq!(status, 202);
            advance(&api, "10 minutes").await;
        }
        assert_eq!(newest(&api, "form").await["outcome"], "done", "{before}");
        let ann = api.ann().await;
        assert_eq!(ann["rev"], 1, "{before}: a repeat assigned the tag once more: {ann}");
    }
}

/// A name that stands for several calls hides none of them.
#[tokio::test]
async fn a_call_is_never_hidden_by_anothers_name() {
    let api = Called::new().await;
    let path = form(&api).await;
    for (nth, name) in ["", "", "subscription_1", "subscription_1"].iter().enumerate() {
        let email = format!("p{nth}@example.com");
        let headers = [("content-type", "application/json"), ("webhook-id", *name)];
        let said = json!({ "email": email }).to_string();
        api.bare("POST", &path, &headers, said).await.is(200);
        api.get(&format!("/v1/contacts/email:{email}")).await.is(200);
    }
}

/// Text that is as the one between the parts is no part of what stands between them.
#[tokio::test]
async fn what_is_as_the_text_between_parts_is_content() {
    let api = Called::new().await;
    let path = form(&api).await;
    for email in ["anna@example.com", "nn@example.com"] {
        let part = "Content-Disposition: form-data; name=\"email\"";
        let said = format!("--a\r\n{part}\r\n\r\n{email}\r\n--a--\r\n");
        post(&api, &path, "multipart/form-data; boundary=a", said).await.is(200);
        api.get(&format!("/v1/contacts/email:{email}")).await.is(200);
    }
}

/// What nobody signed is not taken as what a signed tool says.
#[tokio::test]
async fn a_call_is_not_replayed_as_another_tools() {
    let api = Called::new().await;
    let path = form(&api).await;
    let booking = json!({ "uid": "b1", "startTime": "2026-12-01T13:00:00Z",
        "attendees": [{ "email": "ann@example.com" }] });
    posted(&api, &path, &body("BOOKING_CREATED", &booking)).await.is(200);
    let change = json!({ "kind": "calcom", "secret": SECRET });
    api.put("/v1/connections/form", &change).await.is(200);
    let id = newest(&api, "form").await["id"].as_str().expect("an id").to_owned();
    let replay = format!("/v1/connections/form/calls/{id}/replay");
    let told = api.post(&replay, &json!({})).await.is(200);
    assert_eq!(
        (&told["outcome"], &told["errors"][0]["code"]),
        (&json!("failed"), &json!("other_kind"))
    );
}

/// Requested and made at one instant, a booking is made, in whichever order that is told.
#[tokio::test]
async fn r70_a_request_that_is_granted_at_once_is_a_booking() {
    for order in
        [["BOOKING_REQUESTED", "BOOKING_CREATED"], ["BOOKING_CREATED", "BOOKING_REQUESTED"]]
    {
        let api = Called::new().await;
        let path = connected(&api, "cal", &json!({ "kind": "calcom", "secret": SECRET })).await;
        let booking = json!({ "uid": "b1", "startTime": "2026-12-01T13:00:00Z",
            "attendees": [{ "email": "ann@example.com" }] });
        for event in order {
            calcom(&api, &path, &body(event, &booking)).await.is(200);
        }
        let objects = api.get("/v1/contacts/email:ann@example.com/objects").await.is(200);
        assert_eq!(objects["items"][0]["fields"]["status"], "booked", "{order:?}");
    }
}

/// A row that was damaged by hand hides nothing else, and can be deleted.
#[tokio::test]
async fn a_damaged_connection_or_call_stops_no_other() {
    let api = Called::new().await;
    let path = form(&api).await;
    connected(&api, "other", &json!({ "kind": "form" })).await;
    for nth in 0..2 {
        posted(&api, &path, &json!({ "email": format!("p{nth}@example.com") })).await.is(200);
        advance(&api, "1 second").await;
    }
    let store = &api.embedded.platform.store;
    let damage = async |key: Key| {
        let stored =
            store.table.get(&key, Consistency::Strong).await.expect("the table").expect("an item");
        let body = StoredBody::of(&json!({ "id": "x" })).expect("a body");
        let put = Write::put(Item { body, ..stored }, Condition::Always);
        store.table.write(vec![put], None).await.expect("written");
    };
    let form_id = ConnectionId::new("form").expect("an id");
    let first = calls(&api, "form").await[1]["id"].as_str().expect("an id").to_owned();
    damage(store.keys.received_call(&form_id, &first)).await;
    assert_eq!(calls(&api, "form").await.len(), 1, "the other one is listed");
    damage(store.keys.connection(&ConnectionId::new("other").expect("an id"))).await;
    let page = api.get("/v1/connections").await.is(200);
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page}");
    connected(&api, "third", &json!({ "kind": "form" })).await;
    api.delete("/v1/connections/other").await.is(204);
    api.delete("/v1/connections/other").await.problem(404);
}

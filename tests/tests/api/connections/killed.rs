//! A process that dies anywhere on the way of a call loses nothing: what is known of the call, the
//! contact and its object are written, or the call comes again (0050).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use dacapo_platform::api::{AdminKey, router};
use dacapo_platform::keys::{CONTACT, OBJECT};
use dacapo_platform::table::{TableError, Write};
use dacapo_tests::kit::{FailingTable, Fails};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::calendly::body;
use super::{NOON, SECRET, advance, calendly, calendly_header, connected, newest};
use crate::called::Called;

const ANN: &str = "/v1/contacts/email:ann@example.com";

/// The same account in a process that dies before its write of this number, counted from 0; and how
/// many writes it made.
fn dying(api: &Called, before: usize) -> (Router, Arc<AtomicUsize>) {
    let table = FailingTable::before(Arc::clone(&api.embedded.platform.store.table));
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    table.fails(move |writes: &[Write]| {
        let parts = |prefix: &str| writes.iter().any(|write| write.key().sk.starts_with(prefix));
        assert_eq!(parts(CONTACT), parts(OBJECT), "a contact and its object are one transaction");
        let nth = count.fetch_add(1, Ordering::SeqCst);
        (nth >= before).then(|| Fails::NotMade(TableError::Unknown("killed".to_owned())))
    });
    let platform = api.embedded.platform.clone().with(|setup| setup.ports.table = table);
    (router(platform, Some(AdminKey::of("key"))), written)
}

async fn posted(router: Router, path: &str, body: &Value) -> u16 {
    let body = body.to_string();
    let request = Request::builder().method("POST").uri(path);
    let request = request.header("content-type", "application/json");
    let request =
        request.header("calendly-webhook-signature", calendly_header(SECRET, NOON, &body));
    let request = request.body(Body::from(body)).expect("a request");
    router.oneshot(request).await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn r70_neither_a_contact_nor_its_object_is_lost_to_a_kill() {
    let booked = body("invitee.created", "I1", |_| {});
    for before in 0.. {
        let api = Called::new().await;
        let written = json!({ "kind": "calendly", "secret": SECRET, "tags": ["Appointment made"] });
        let path = connected(&api, "tool", &written).await;
        let (router, count) = dying(&api, before);
        let status = posted(router, &path, &booked).await;
        if count.load(Ordering::SeqCst) <= before {
            assert_eq!(status, 200, "it lived");
            assert!(before >= 3, "the call, what it says, and that it was done: {before}");
            return;
        }
        // Both are there, or neither.
        let contact = api.get(ANN).await;
        if contact.status == 200 {
            let objects = api.get(&format!("{ANN}/objects")).await.is(200);
            assert_eq!(objects["items"].as_array().map(Vec::len), Some(1), "{objects}");
        }
        if status == 202 {
            // It is kept: the tool may forget it.
            advance(&api, "10 minutes").await;
        } else {
            assert!(status >= 500, "the tool is told to send it again: {status}");
            calendly(&api, &path, NOON, &booked).await.is(200);
        }
        let call = newest(&api, "tool").await;
        assert_eq!(call["outcome"], "done", "{call}");
        let objects = api.get(&format!("{ANN}/objects")).await.is(200);
        assert_eq!(objects["items"][0]["fields"]["status"], "booked", "{objects}");
        assert_eq!(objects["items"].as_array().map(Vec::len), Some(1), "{objects}");
        assert!(api.ann().await["tags"]["Appointment made"].is_string());
    }
}

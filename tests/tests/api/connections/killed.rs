//! A process that dies anywhere on the way of a call loses nothing: what is known of the call, the
//! contact and its object are written, or the call comes again (0050).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::Request;
use chrono::TimeDelta;
use dacapo_engine::ids::ConnectionId;
use dacapo_platform::Instant;
use dacapo_platform::api::{AdminKey, LookBack, do_unfinished_calls, router};
use dacapo_platform::keys::{CONTACT, OBJECT};
use dacapo_platform::platform::Platform;
use dacapo_platform::ports::Clock;
use dacapo_platform::table::{Body, Condition, Consistency, TableError, Write};
use dacapo_tests::kit::{FailingTable, Fails};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::calendly::body;
use super::{NOON, SECRET, advance, calendly, calendly_header, calls, connected, newest};
use crate::called::Called;

const ANN: &str = "/v1/contacts/email:ann@example.com";

/// The same account in a process that dies before its write of this number, counted from 0; and how
/// many writes it made.
fn dying(api: &Called, before: usize) -> (Platform, Arc<AtomicUsize>) {
    let table = FailingTable::before(Arc::clone(&api.embedded.platform.store.table));
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    table.fails(move |writes: &[Write]| {
        let parts = |prefix: &str| writes.iter().any(|write| write.key().sk.starts_with(prefix));
        assert_eq!(parts(CONTACT), parts(OBJECT), "a contact and its object are one transaction");
        let nth = count.fetch_add(1, Ordering::SeqCst);
        (nth >= before).then(|| Fails::NotMade(TableError::Unknown("killed".to_owned())))
    });
    (api.embedded.platform.clone().with(|setup| setup.ports.table = table), written)
}

/// The same account in a process that cannot write contacts for now.
fn shut_for_contacts(api: &Called) -> Platform {
    let table = FailingTable::before(Arc::clone(&api.embedded.platform.store.table));
    table.fails(|writes: &[Write]| {
        let is_contact = writes.iter().any(|write| write.key().sk.starts_with(CONTACT));
        is_contact.then(|| Fails::NotMade(TableError::Unknown("shut".to_owned())))
    });
    api.embedded.platform.clone().with(|setup| setup.ports.table = table)
}

async fn posted(platform: Platform, path: &str, body: &Value) -> u16 {
    let router = router(platform, Some(AdminKey::of("key")));
    let body = body.to_string();
    let request = Request::builder().method("POST").uri(path);
    let request = request.header("content-type", "application/json");
    let request =
        request.header("calendly-webhook-signature", calendly_header(SECRET, NOON, &body));
    let request = request.body(axum::body::Body::from(body)).expect("a request");
    router.oneshot(request).await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn r70_neither_a_contact_nor_its_object_is_lost_to_a_kill() {
    let booked = body("invitee.created", "I1", |_| {});
    for before in 0.. {
        let api = Called::new().await;
        let written = json!({ "kind": "calendly", "secret": SECRET, "tags": ["Appointment made"] });
        let path = connected(&api, "tool", &written).await;
        let (platform, count) = dying(&api, before);
        let status = posted(platform, &path, &booked).await;
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

/// An account with a connection `tool` and a call for each of these bookings: they were kept, then
/// the process died. It is three minutes later, and nobody has looked for them yet.
async fn with_kept_calls(bookings: &[&str]) -> Called {
    let api = Called::new().await;
    let path = connected(&api, "tool", &json!({ "kind": "calendly", "secret": SECRET })).await;
    for booking in bookings {
        let (platform, _) = dying(&api, 2);
        let booked = body("invitee.created", booking, |_| {});
        assert_eq!(posted(platform, &path, &booked).await, 202);
    }
    advance(&api, "3 minutes").await;
    api
}

async fn outcomes(api: &Called) -> Vec<Value> {
    calls(api, "tool").await.iter().map(|call| call["outcome"].clone()).collect()
}

/// The account in a process that dies before its second write, so many minutes later; and how many
/// writes it makes.
fn dying_later(api: &Called, minutes: i64) -> (Platform, Arc<AtomicUsize>) {
    let now = Mutex::new(api.embedded.platform.store.now() + TimeDelta::minutes(minutes));
    let clock = Arc::new(SlowClock { now, by: TimeDelta::zero() });
    let (platform, count) = dying(api, 1);
    (platform.with(|setup| setup.ports.clock = clock), count)
}

#[tokio::test]
async fn r70_a_call_that_ends_the_process_each_time_is_given_up_after_three_attempts() {
    let api = with_kept_calls(&["I1"]).await;
    for (minutes, is_begun) in
        [(0, true), (4, false), (5, true), (19, false), (20, true), (34, false)]
    {
        let (platform, count) = dying_later(&api, minutes);
        do_unfinished_calls(&platform, LookBack::All).await.expect("the round");
        assert_eq!(outcomes(&api).await, ["received"]);
        let writes = count.load(Ordering::SeqCst);
        assert_eq!(writes > 0, is_begun, "after {minutes} minutes: {writes} writes");
    }
    let (platform, count) = dying_later(&api, 35);
    do_unfinished_calls(&platform, LookBack::All).await.expect("it lives: it does not begin it");
    assert_eq!(count.load(Ordering::SeqCst), 1, "it is ended with one write");
    let call = newest(&api, "tool").await;
    assert_eq!(call["outcome"], "failed", "{call}");
    assert!(call["why"].as_str().unwrap().starts_with("3 attempts in turn"), "{call}");
    api.get(ANN).await.problem(404);
    // It can be replayed when what ended the process is mended.
    let path = format!("/v1/connections/tool/calls/{}/replay", call["id"].as_str().unwrap());
    assert_eq!(api.post(&path, &json!({})).await.is(200)["outcome"], "done");
    api.get(ANN).await.is(200);
}

/// A double click: the first of two equal posts has not written yet when the second one comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_post_twice_at_once_is_done_once() {
    let api = Called::new().await;
    let form = json!({ "kind": "form", "tags": ["Brochure"] });
    let path = connected(&api, "tool", &form).await;
    let (reached, is_there) = std::sync::mpsc::channel();
    let (go_on, waits) = std::sync::mpsc::channel::<()>();
    let table = FailingTable::before(Arc::clone(&api.embedded.platform.store.table));
    table.fails(move |writes: &[Write]| {
        if writes.iter().any(|write| write.key().sk.starts_with(CONTACT)) {
            reached.send(()).ok();
            waits.recv_timeout(std::time::Duration::from_secs(30)).ok();
        }
        None
    });
    let platform = api.embedded.platform.clone().with(|setup| setup.ports.table = table);
    let body = json!({ "email": "ann@example.com" });
    let first = tokio::spawn({
        let (path, body) = (path.clone(), body.clone());
        async move { posted(platform, &path, &body).await }
    });
    let reached = tokio::task::spawn_blocking(move || is_there.recv());
    reached.await.unwrap().expect("the first is about to write");
    super::posted(&api, &path, &body).await.is(200);
    drop(go_on);
    assert_eq!(first.await.unwrap(), 200);
    assert_eq!(outcomes(&api).await, ["done"]);
    assert_eq!(api.ann().await["rev"], 1, "it was written once");
}

/// A clock that goes on a while each time it is looked at.
struct SlowClock {
    now: Mutex<Instant>,
    by: TimeDelta,
}

impl Clock for SlowClock {
    fn now(&self) -> Instant {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now += self.by;
        *now
    }
}

/// Kept calls of one connection, however many, leave time for those of the others.
#[tokio::test]
async fn r70_kept_calls_of_one_connection_keep_no_other_waiting() {
    let api = with_kept_calls(&["I1", "I2", "I3"]).await;
    let form = connected(&api, "website", &json!({ "kind": "form" })).await;
    let platform = shut_for_contacts(&api);
    assert_eq!(posted(platform, &form, &json!({ "email": "eve@example.com" })).await, 202);
    let now = Mutex::new(api.embedded.platform.store.now() + TimeDelta::minutes(3));
    let clock = Arc::new(SlowClock { now, by: TimeDelta::milliseconds(1_500) });
    let platform = api.embedded.platform.clone().with(|setup| setup.ports.clock = clock);
    do_unfinished_calls(&platform, LookBack::All).await.expect("the round");
    let of = async |id: &str| -> Vec<Value> {
        calls(&api, id).await.iter().map(|call| call["outcome"].clone()).collect()
    };
    let (tool, website) = (of("tool").await, of("website").await);
    assert!(tool.contains(&json!("received")), "there was no time for all: {tool:?}");
    assert_eq!(website, ["done"]);
}

#[tokio::test]
async fn r70_an_attempt_that_ends_with_an_error_is_none_that_ended_the_process() {
    let api = with_kept_calls(&["I1"]).await;
    for _ in 0..4 {
        do_unfinished_calls(&shut_for_contacts(&api), LookBack::All).await.expect("the call waits");
        assert_eq!(outcomes(&api).await, ["received"]);
    }
    do_unfinished_calls(&api.embedded.platform, LookBack::All).await.expect("it is done");
    assert_eq!(outcomes(&api).await, ["done"]);
}

#[tokio::test]
async fn r70_a_call_whose_body_cannot_be_read_keeps_no_other_waiting() {
    let api = with_kept_calls(&["I1", "I2"]).await;
    let store = &api.embedded.platform.store;
    let tool = ConnectionId::new("tool").expect("an id");
    let key = store.keys.received_body(&tool, calls(&api, "tool").await[1]["id"].as_str().unwrap());
    let mut stored = store.table.get(&key, Consistency::Strong).await.unwrap().expect("a body");
    stored.body = Body::of(&json!({ "neither": 1 })).unwrap();
    store.table.write(vec![Write::put(stored, Condition::Always)], None).await.expect("the table");
    do_unfinished_calls(&api.embedded.platform, LookBack::All).await.expect("the round goes on");
    assert_eq!(outcomes(&api).await, ["done", "received"]);
}

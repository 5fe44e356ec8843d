//! What is not accepted: each with its answer, and what is kept of it.

use serde_json::{Value, json};

use super::{
    NOON, SECRET, calendly, calendly_header, calls, connected, newest, one_date, post, signed,
    with_dates,
};
use crate::called::Called;

fn booking() -> String {
    let payload = json!({ "uri": "https://api.calendly.example/I1", "email": "ann@example.com",
        "scheduled_event": { "start_time": "2026-12-01T13:00:00Z" } });
    json!({ "event": "invitee.created", "payload": payload }).to_string()
}

async fn open(api: &Called, id: &str, call: &Value) -> Value {
    let call = call["id"].as_str().expect("an id");
    api.get(&format!("/v1/connections/{id}/calls/{call}")).await.is(200)
}

#[tokio::test]
async fn a_wrong_signature_is_401_and_kept_without_its_body() {
    let api = with_dates().await;
    let path = connected(&api, "calendly", &one_date("calendly")).await;
    let body = booking();
    let good = calendly_header(SECRET, NOON, &body);
    let v1 = good.split_once("v1=").unwrap().1;
    let wrong = [
        None,
        Some(String::new()),
        Some("nonsense".to_owned()),
        Some(format!("t={NOON}")),
        Some(format!("v1={v1}")),
        Some(format!("t={NOON},v1={}", &v1[..60])),
        Some(format!("t={NOON},v1={}", "z".repeat(64))),
        Some(format!("t={NOON},v1={}", "0".repeat(64))),
        Some(format!("t={},v1={v1}", NOON + 1)),
        Some(calendly_header("another-key", NOON, &body)),
        Some(calendly_header(SECRET, NOON, "{}")),
    ];
    let count = wrong.len();
    for header in wrong {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(header.as_deref().map(|header| ("calendly-webhook-signature", header)));
        let answer = api.bare("POST", &path, &headers, body.clone()).await;
        let problem = answer.problem(401);
        assert_eq!(problem["type"], "urn:dacapo:problem:signature", "{header:?}");
        assert!(!answer.text.contains(SECRET) && !answer.text.contains(v1), "{}", answer.text);
    }
    api.get("/v1/contacts/email:ann@example.com").await.problem(404);
    let all = calls(&api, "calendly").await;
    assert_eq!(all.len(), count);
    for call in &all {
        assert_eq!((&call["outcome"], &call["has_body"]), (&json!("refused"), &json!(false)));
        assert_eq!(call["errors"][0]["code"], "signature");
        assert_eq!(call["size"], body.len());
    }
    assert_eq!(open(&api, "calendly", &all[0]).await["body"], Value::Null);
    let replay =
        format!("/v1/connections/calendly/calls/{}/replay", all[0]["id"].as_str().unwrap());
    api.post(&replay, &json!({})).await.problem(409);
    // The right one still gets in.
    let headers =
        [("content-type", "application/json"), ("calendly-webhook-signature", good.as_str())];
    api.bare("POST", &path, &headers, body).await.is(200);
}

#[tokio::test]
async fn an_old_or_early_signature_is_refused() {
    let api = with_dates().await;
    let path = connected(&api, "calendly", &one_date("calendly")).await;
    let body: Value = serde_json::from_str(&booking()).unwrap();
    for at in [NOON - 301, NOON + 301] {
        let problem = calendly(&api, &path, at, &body).await.problem(401);
        assert!(problem["detail"].as_str().unwrap().contains("five minutes"), "{problem}");
    }
    calendly(&api, &path, NOON - 300, &body).await.is(200);
    // A copy of a call that was accepted does nothing, and later it is refused.
    let rev = api.ann().await["rev"].clone();
    calendly(&api, &path, NOON - 300, &body).await.is(200);
    super::advance(&api, "1 second").await;
    calendly(&api, &path, NOON - 300, &body).await.problem(401);
    assert_eq!(api.ann().await["rev"], rev);
}

#[tokio::test]
async fn cal_com_is_held_to_its_signature() {
    let api = with_dates().await;
    let path = connected(&api, "cal", &one_date("calcom")).await;
    let body = json!({ "triggerEvent": "PING", "payload": {} }).to_string();
    let right = signed(SECRET, &[body.as_bytes()]);
    for (header, status) in [
        (signed("another-key", &[body.as_bytes()]), 401),
        (signed(SECRET, &[b"{}"]), 401),
        (format!("sha256={right}"), 401),
        ("no-secret-provided".to_owned(), 401),
        (right.clone(), 200),
    ] {
        let headers =
            [("content-type", "application/json"), ("x-cal-signature-256", header.as_str())];
        api.bare("POST", &path, &headers, body.clone()).await.is(status);
    }
    let unsigned =
        [("content-type", "application/json"), ("calendly-webhook-signature", right.as_str())];
    api.bare("POST", &path, &unsigned, body).await.problem(401);
}

#[tokio::test]
async fn another_media_type_is_415_and_kept() {
    let api = Called::new().await;
    let form = connected(&api, "form", &json!({ "kind": "form" })).await;
    for kind in ["text/csv", "text/plain", "image/png", "application/xml", "nonsense"] {
        post(&api, &form, kind, "email=ann@example.com").await.problem(415);
        let call = newest(&api, "form").await;
        assert_eq!((&call["outcome"], &call["content_type"]), (&json!("failed"), &json!(kind)));
        assert_eq!(open(&api, "form", &call).await["body"], "email=ann@example.com");
        super::advance(&api, "1 second").await;
    }
    let signed_only = connected(&api, "cal", &one_date_of_nothing()).await;
    let body = "event=x";
    let header = signed(SECRET, &[body.as_bytes()]);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-cal-signature-256", header.as_str()),
    ];
    api.bare("POST", &signed_only, &headers, body).await.problem(415);
}

fn one_date_of_nothing() -> Value {
    json!({ "kind": "calcom", "secret": SECRET, "object": false })
}

#[tokio::test]
async fn what_cannot_be_read_is_400_and_kept() {
    let api = Called::new().await;
    let form = connected(&api, "form", &json!({ "kind": "form" })).await;
    let deep = format!("{}1{}", "[".repeat(2_000), "]".repeat(2_000));
    let bodies: [(&str, Vec<u8>); 7] = [
        ("application/json", b"{\"email\":".to_vec()),
        ("application/json", b"\xff\xfe\xfd".to_vec()),
        ("application/json", Vec::new()),
        ("application/json", deep.into_bytes()),
        ("multipart/form-data", b"--x".to_vec()),
        ("multipart/form-data; boundary=x", b"no parts at all".to_vec()),
        ("application/x-www-form-urlencoded; charset=utf-8", b"email=%ff".to_vec()),
    ];
    for (kind, body) in bodies {
        let size = body.len();
        post(&api, &form, kind, body).await.problem(400);
        let call = newest(&api, "form").await;
        assert_eq!((&call["outcome"], &call["size"]), (&json!("failed"), &json!(size)), "{kind}");
        assert!(call["why"].is_string() && call["has_body"] == true, "{call}");
        super::advance(&api, "1 second").await;
    }
}

#[tokio::test]
async fn what_is_too_large_is_413_and_kept_without_its_body() {
    let api = Called::new().await;
    let form = connected(&api, "form", &json!({ "kind": "form" })).await;
    let body = format!("email=ann%40example.com&x={}", "y".repeat(256 * 1024));
    post(&api, &form, "application/x-www-form-urlencoded", body).await.problem(413);
    let call = newest(&api, "form").await;
    assert_eq!((&call["outcome"], &call["has_body"]), (&json!("refused"), &json!(false)));
    assert_eq!(call["errors"][0]["code"], "too_large");
    // The largest that fits is kept whole, also if it is no text.
    super::advance(&api, "1 second").await;
    let body = vec![0xff; 256 * 1024];
    post(&api, &form, "application/json", body).await.problem(400);
    let call = newest(&api, "form").await;
    let open = open(&api, "form", &call).await;
    assert_eq!((&open["is_base64"], open["body"].as_str().unwrap().len()), (&json!(true), 349_528));
}

#[tokio::test]
async fn an_unknown_url_is_404_and_never_410() {
    let api = Called::new().await;
    for token in ["x", &"0".repeat(40), "%2e%2e", "a%2Fb"] {
        for _ in 0..2 {
            post(&api, &format!("/v1/in/{token}"), "application/json", "{}").await.problem(404);
        }
    }
}

async fn ping(api: &Called, path: &str, nth: u32) -> crate::called::Answer {
    super::calcom(api, path, &json!({ "triggerEvent": "PING", "payload": { "nth": nth } })).await
}

#[tokio::test]
async fn a_flood_of_the_tool_is_429() {
    let api = with_dates().await;
    let path = connected(&api, "cal", &one_date("calcom")).await;
    for nth in 0..200 {
        ping(&api, &path, nth).await.is(200);
    }
    let answer = ping(&api, &path, 200).await;
    answer.problem(429);
    assert_eq!(answer.headers["retry-after"], "1");
    super::advance(&api, "1 second").await;
    ping(&api, &path, 201).await.is(200);
}

/// Who has the URL and not the secret cannot use up what the tool may send: neither at once, nor of
/// the day.
#[tokio::test]
async fn a_flood_of_a_stranger_is_refused_and_the_tool_is_heard() {
    let api = with_dates().await;
    let path = connected(&api, "cal", &one_date("calcom")).await;
    for nth in 0..300 {
        let answer = post(&api, &path, "application/json", format!("{{\"n\":{nth}}}")).await;
        answer.problem(401);
    }
    let page = api.get("/v1/connections/cal/calls?limit=200").await.is(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 30, "only so many are kept");
    ping(&api, &path, 0).await.is(200);
    super::advance(&api, "1 minute").await;
    post(&api, &path, "application/json", "{}").await.problem(401);
}

/// A tool signs with the key of its older subscription until that is gone.
#[tokio::test]
async fn after_a_change_of_the_secret_both_work_for_seven_days() {
    let api = with_dates().await;
    let path = connected(&api, "cal", &one_date("calcom")).await;
    let change = json!({ "kind": "calcom", "secret": "a-newer-signing-key" });
    let changed = api.put("/v1/connections/cal", &change).await.is(200);
    assert_eq!(changed["previous_secret_until"], "2026-11-08T12:00:00Z");
    assert!(!changed.to_string().contains(SECRET) && !changed.to_string().contains("newer"));
    let with = async |secret: &str, nth: u32| {
        let body = json!({ "triggerEvent": "PING", "payload": { "nth": nth } }).to_string();
        let header = signed(secret, &[body.as_bytes()]);
        let headers =
            [("content-type", "application/json"), ("x-cal-signature-256", header.as_str())];
        api.bare("POST", &path, &headers, body).await.status.as_u16()
    };
    assert_eq!((with(SECRET, 1).await, with("a-newer-signing-key", 2).await), (200, 200));
    // Written once more it is the same secret.
    api.put("/v1/connections/cal", &change).await.is(200);
    assert_eq!(with(SECRET, 3).await, 200);
    super::advance(&api, "7 days").await;
    assert_eq!((with(SECRET, 4).await, with("a-newer-signing-key", 5).await), (401, 200));
    let shown = api.get("/v1/connections/cal").await.is(200);
    assert_eq!(shown["previous_secret_until"], Value::Null);
}

/// What is told of a call is bounded in every part, also where it names places of the body.
#[tokio::test]
async fn a_call_with_long_names_is_settled() {
    let api = Called::new().await;
    let path = connected(&api, "form", &json!({ "kind": "form" })).await;
    let parent = "p".repeat(3_000);
    let twice: Vec<String> = (0..60).map(|nth| format!("\"n{nth}\":1,\"n{nth}\":2")).collect();
    let body = format!("{{\"email\":\"ann@example.com\",\"{parent}\":{{{}}}}}", twice.join(","));
    post(&api, &path, "application/json", body).await.is(200);
    let call = newest(&api, "form").await;
    assert_eq!(call["outcome"], "done", "{call}");
    assert!(call.to_string().len() < 60_000, "{}", call.to_string().len());
}

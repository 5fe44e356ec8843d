//! Calls as API Gateway hands them over, and answers as it takes them.

use axum::extract::{Extension, Path};
use axum::http::{HeaderMap, Uri};
use axum::response::AppendHeaders;
use axum::routing::{any, get};

use super::*;

fn event(method: &str, path: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": { "content-type": "application/json", "x-api-key": "key" },
        "requestContext": { "stage": "$default", "http": { "method": method, "path": path } },
        "isBase64Encoded": false,
    })
}

/// Answers what it was asked.
fn echoing() -> Router {
    let echo = |uri: Uri, headers: HeaderMap, body: String| async move {
        let header = |name: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned()
        };
        format!("{} key={} cookie={} body={body}", uri, header("x-api-key"), header("cookie"))
    };
    const COOKIES: [(&str, &str); 4] =
        [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-a", "1"), ("x-a", "2")];
    Router::new()
        .route("/v1/contacts/{id}", get(|Path(id): Path<String>| async move { id }))
        .route(
            "/v1/objects/{type}/{*key}",
            get(|Path((_, key)): Path<(String, String)>| async move { key }),
        )
        .route("/bytes", get(|| async { vec![0xff_u8, 0x00] }))
        .route("/letters/{n}", get(|Path(n): Path<usize>| async move { "a".repeat(n) }))
        .route("/quotes/{n}", get(|Path(n): Path<usize>| async move { "\"".repeat(n) }))
        .route("/ones/{n}", get(|Path(n): Path<usize>| async move { vec![0xff_u8; n] }))
        .route(
            "/pieces",
            get(|piece: Option<Extension<InOnePiece>>| async move { piece.is_some().to_string() }),
        )
        .route("/cookies", get(|| async { AppendHeaders(COOKIES) }))
        .fallback(any(echo))
}

async fn body_of(event: Value) -> String {
    let answer = answer(&echoing(), &event).await.unwrap();
    answer["body"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_call_arrives_as_it_was_sent() {
    let mut event = event("POST", "/v1/hooks/contact");
    event["rawQueryString"] = json!("unknown_fields=create&a=%20b");
    event["body"] = json!("{\"email\":\"ann@example.com\"}");
    event["cookies"] = json!(["a=1", "b=2"]);
    assert_eq!(
        body_of(event).await,
        "/v1/hooks/contact?unknown_fields=create&a=%20b key=key cookie=a=1; b=2 \
         body={\"email\":\"ann@example.com\"}"
    );
}

#[tokio::test]
async fn a_body_may_come_encoded() {
    let mut event = event("POST", "/x");
    event["body"] = json!("eyJhIjoxfQ==");
    event["isBase64Encoded"] = json!(true);
    assert!(body_of(event).await.ends_with("body={\"a\":1}"));
}

#[tokio::test]
async fn a_path_that_was_decoded_on_the_way_is_encoded_again() {
    for (path, id) in [
        ("/v1/contacts/email:ann@example.com", "email:ann@example.com"),
        ("/v1/contacts/email%3Aann%40example.com", "email:ann@example.com"),
        ("/v1/contacts/email:jörg k@example.com", "email:jörg k@example.com"),
        ("/v1/contacts/a?b#c", "a?b#c"),
        ("/v1/contacts/100%", "100%"),
    ] {
        assert_eq!(body_of(event("GET", path)).await, id, "{path}");
    }
}

/// API Gateway decodes all of a path but `%25`, so a key arrives as it is whether the path was
/// decoded or not.
#[tokio::test]
async fn a_key_with_slashes_and_percent_signs_arrives_as_it_is() {
    let uri = "https://api.calendly.example/scheduled_events/E/invitees/I1";
    for (path, key) in [
        ("https%3A%2F%2Fapi.calendly.example%2Fscheduled_events%2FE%2Finvitees%2FI1", uri),
        (uri, uri),
        ("100%25", "100%"),
        ("100%", "100%"),
        ("a%252Fb", "a%2Fb"),
        ("50%25/2 ü", "50%/2 ü"),
        ("50%25%2F2%20%C3%BC", "50%/2 ü"),
        ("a+b&c=d", "a+b&c=d"),
        ("x#1", "x#1"),
        ("x%3F1", "x?1"),
    ] {
        let path = format!("/v1/objects/appointment/{path}");
        assert_eq!(body_of(event("GET", &path)).await, key, "{path}");
    }
}

#[tokio::test]
async fn the_name_of_a_stage_is_no_part_of_the_path() {
    let staged = |path: &str| {
        let mut event = event("GET", path);
        event["requestContext"]["stage"] = json!("prod");
        event
    };
    assert!(body_of(staged("/prod/healthz")).await.starts_with("/healthz "));
    assert!(body_of(staged("/production")).await.starts_with("/production "));
    assert!(body_of(staged("/prod")).await.starts_with("/ "));
}

#[tokio::test]
async fn bytes_and_cookies_go_back_as_the_gateway_wants_them() {
    let bytes = answer(&echoing(), &event("GET", "/bytes")).await.unwrap();
    assert_eq!((&bytes["body"], &bytes["isBase64Encoded"]), (&json!("/wA="), &json!(true)));
    let cookies = answer(&echoing(), &event("GET", "/cookies")).await.unwrap();
    assert_eq!(cookies["cookies"], json!(["a=1", "b=2"]));
    assert_eq!(cookies["headers"]["x-a"], "1,2");
    assert_eq!(cookies["statusCode"], 200);
}

#[tokio::test]
async fn what_is_no_call_fails() {
    assert!(answer(&echoing(), &json!({ "Records": [] })).await.is_err());
}

#[tokio::test]
async fn what_lambda_would_not_hand_over_is_a_problem_that_says_so() {
    // As Lambda gets it: in a string of JSON, bytes as base64.
    for (path, fits) in [
        ("/letters/5999000", true),
        ("/letters/6000000", false),
        ("/letters/20000000", false),
        ("/quotes/2999000", true),
        ("/quotes/3000000", false),
        ("/ones/4499000", true),
        ("/ones/4500000", false),
    ] {
        let answer = answer(&echoing(), &event("GET", path)).await.unwrap();
        let bytes = serde_json::to_vec(&answer).unwrap().len();
        assert!(bytes <= LARGEST_ANSWER, "{path}: {bytes}");
        assert_eq!(answer["statusCode"], if fits { 200 } else { 500 }, "{path}");
        if !fits {
            let problem: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
            assert_eq!(problem["type"], "urn:dacapo:problem:defect");
            assert!(problem["detail"].as_str().unwrap().contains("6000000 bytes"), "{problem}");
            assert_eq!(answer["headers"]["content-type"], "application/problem+json");
        }
    }
}

#[tokio::test]
async fn the_api_is_told_that_its_answer_goes_in_one_piece() {
    assert_eq!(body_of(event("GET", "/pieces")).await, "true");
}

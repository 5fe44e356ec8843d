//! `/dev/*`: who is answered, and the problems that it answers.

use serde_json::json;

use crate::called::{ADMIN, Called};

#[tokio::test]
async fn a_webhook_gets_no_answer_whatever_else_it_carries() {
    let api = Called::new().await;
    let webhook = ("dacapo-webhook", "1");
    for headers in [vec![webhook], vec![webhook, ("x-api-key", ADMIN)]] {
        for (method, path) in [
            ("POST", "/dev/clock"),
            ("GET", "/dev/clock"),
            ("POST", "/dev/idle"),
            ("GET", "/dev/messages"),
        ] {
            let body = r#"{"advance": "1 day"}"#;
            api.bare(method, path, &headers, body).await.problem(403);
        }
    }
    assert_eq!(api.get("/dev/clock").await.is(200)["now"], "2026-11-01T12:00:00Z");
}

#[tokio::test]
async fn the_host_before_the_path_counts_as_the_one_in_the_header() {
    let api = Called::new().await;
    let host = [("host", "127.0.0.1:8080")];
    for there in ["http://evil.example", "http://localhost@evil.example"] {
        api.bare("GET", &format!("{there}/dev/messages"), &host, "").await.problem(403);
    }
    for here in ["", "http://127.0.0.1:8080", "http://localhost"] {
        api.bare("GET", &format!("{here}/dev/messages"), &host, "").await.is(200);
    }
    api.bare("GET", "/dev/messages", &[("host", "evil.example")], "").await.problem(403);
}

#[tokio::test]
async fn what_is_wrong_with_a_move_of_the_clock_is_a_problem_as_everywhere() {
    let api = Called::new().await;
    for (body, path, code) in [
        (json!({ "advance": "-1 hour" }), "advance", "out_of_range"),
        (json!({ "to": "2026-11-01T11:00:00Z" }), "to", "out_of_range"),
        (json!({ "to": "a day" }), "", "value"),
        (json!({}), "", "required"),
    ] {
        let answer = api.post("/dev/clock", &body).await;
        assert_eq!(answer.faults(422), [(path.to_owned(), code.to_owned())], "{body}");
        assert_eq!(answer.problem(422)["type"], "urn:dacapo:problem:invalid");
    }
}

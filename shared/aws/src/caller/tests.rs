//! Calling webhooks: what is sent, how redirects are followed, which addresses are refused.

use dacapo_engine::campaign::format::Method;

use super::*;
use crate::testing::{PreparedAnswer, Server, Then, clients, unused_address};

/// A caller for hosts on the internet. It does not use the address of the cloud.
fn caller() -> HttpsCaller {
    HttpsCaller::new(&clients("http://127.0.0.1:9"))
}

fn request(url: &str, method: Method) -> Request {
    Request {
        method,
        url: url.to_owned(),
        headers: vec![("Idempotency-Key".to_owned(), "c1.p.1.2".to_owned())],
        body: Some("{\"a\":1}".to_owned()),
    }
}

#[tokio::test]
async fn a_webhook_is_called_with_its_headers_and_body() {
    let server = Server::answering([PreparedAnswer::json(202, "")]).await;
    let url = format!("{}/hook?x=1", server.url);
    let status = caller().at_home().call(&request(&url, Method::Post)).await;
    assert_eq!(status, Ok(202));
    let [asked] = &server.asked()[..] else { panic!("{:?}", server.asked()) };
    assert!(asked.head.starts_with("POST /hook?x=1 HTTP/1.1"), "{}", asked.head);
    assert!(asked.head.to_lowercase().contains("idempotency-key: c1.p.1.2"), "{}", asked.head);
    assert_eq!(asked.body, "{\"a\":1}");
}

#[tokio::test]
async fn a_webhook_is_called_once_whatever_became_of_the_connection_of_the_one_before() {
    for then in [Then::IsDeaf, Then::Resets, Then::Closes] {
        let server = Server::answering_then([PreparedAnswer::json(202, "")], then).await;
        let (caller, request) = (caller().at_home(), request(&server.url, Method::Post));
        for _ in 0..3 {
            let called = tokio::time::timeout(Duration::from_secs(2), caller.call(&request)).await;
            assert_eq!(called, Ok(Ok(202)), "{then:?}");
        }
        assert_eq!(server.asked().len(), 3, "{then:?}: once each");
    }
}

#[tokio::test]
async fn redirections_are_followed_but_not_for_ever() {
    let to = |status, place: &str| {
        PreparedAnswer::Says(status, format!("location: {place}\r\n"), String::new())
    };
    let server =
        Server::answering([to(307, "/b"), to(303, "c"), PreparedAnswer::json(200, "")]).await;
    let caller = caller().at_home();
    let url = format!("{}/a", server.url);
    assert_eq!(caller.call(&request(&url, Method::Post)).await, Ok(200));
    let lines: Vec<String> = server
        .asked()
        .iter()
        .map(|asked| asked.head.lines().next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(lines, ["POST /a HTTP/1.1", "POST /b HTTP/1.1", "GET /c HTTP/1.1"]);

    let server = Server::answering([to(302, "/again")]).await;
    let url = format!("{}/a", server.url);
    assert!(caller.call(&request(&url, Method::Get)).await.is_err());
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn secret_headers_do_not_follow_a_redirect_to_another_origin() {
    let other = Server::answering([PreparedAnswer::json(200, "")]).await;
    let location = format!("location: {}/b\r\n", other.url);
    let server = Server::answering([PreparedAnswer::Says(307, location, String::new())]).await;
    let mut request = request(&format!("{}/a", server.url), Method::Post);
    request.headers.push(("X-Api-Key".to_owned(), "secret".to_owned()));
    assert_eq!(caller().at_home().call(&request).await, Ok(200));
    assert!(server.asked()[0].head.to_lowercase().contains("x-api-key: secret"));
    let head = other.asked()[0].head.to_lowercase();
    assert!(head.starts_with("post /b"), "{head}");
    assert!(!head.contains("secret") && head.contains("idempotency-key"), "{head}");
}

#[tokio::test]
async fn this_machine_is_not_called_from_the_cloud() {
    let server = Server::answering([PreparedAnswer::json(200, "")]).await;
    let port = server.url.rsplit(':').next().unwrap();
    for host in
        ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "ann@127.0.0.1"]
    {
        let url = format!("http://{host}:{port}/2018-06-01/runtime/invocation/next");
        let refused = caller().call(&request(&url, Method::Get)).await;
        assert!(refused.is_err(), "{host}");
    }
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn nobody_at_home_is_no_status() {
    let url = unused_address().await;
    assert!(caller().at_home().call(&request(&url, Method::Get)).await.is_err());
    assert!(caller().at_home().call(&request("mailto:ann", Method::Get)).await.is_err());
}

//! `GET /v1/campaigns/{id}/graph.svg` and `graph.mmd`: a campaign as a picture, with the counts and
//! the way of a contact.

use serde_json::json;

use crate::called::{ADMIN, Answer, Called};
use crate::objects::{account, book};

const GREETING: &str = r#"
id: greeting
name: "Greeting & more <b>"
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: rest }
  rest: { type: wait, for: 1 day, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { purpose: transactional, subject: Hello, text: Hello }
"#;

/// A published campaign, in which Ann waits.
async fn begun() -> Called {
    let api = Called::new().await;
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    api.bare("PUT", "/v1/campaigns/greeting", &headers, GREETING).await.is(201);
    api.post("/v1/campaigns/greeting/publish", &json!({})).await.is(200);
    api.hook(&json!({ "email": "ann@example.com", "tags": ["Lead"] })).await;
    api.idle().await;
    api
}

/// A picture, which is XML from its first to its last element and carries nothing that runs.
#[track_caller]
fn svg(answer: &Answer) -> &str {
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "image/svg+xml");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    let policy = answer.headers["content-security-policy"].to_str().expect("a policy");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let text = answer.text.trim();
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>"), "{text}");
    assert!(!text.contains("<script") && !text.contains("<b>"), "{text}");
    text
}

#[tokio::test]
async fn a_campaign_is_drawn_with_every_element_and_its_name_escaped() {
    let api = begun().await;
    let answer = api.get("/v1/campaigns/greeting/graph.svg").await;
    let drawn = svg(&answer);
    for element in ["lead", "rest", "hello"] {
        assert!(drawn.contains(&format!(">{element}<")), "{element} is missing in {drawn}");
    }
    assert!(drawn.contains("Greeting &amp; more &lt;b&gt;"), "{drawn}");
    let answer = api.get("/v1/campaigns/greeting/graph.mmd").await;
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    assert!(answer.text.contains("flowchart"), "{}", answer.text);
}

#[tokio::test]
async fn counts_and_the_way_of_a_contact_are_on_the_picture() {
    let api = begun().await;
    let path = "/v1/campaigns/greeting/graph.mmd";
    let plain = api.get(path).await.text;
    let counted = api.get(&format!("{path}?counts=true")).await.text;
    assert_ne!(plain, counted);
    let rest = counted.lines().find(|line| line.contains("rest")).expect("the element");
    assert!(rest.contains('1'), "one contact came to it: {rest}");
    let way = api.get(&format!("{path}?contact=email:ann@example.com")).await.text;
    assert!(way.contains("passed") && !plain.contains("class n0"), "{way}");
    svg(&api
        .get("/v1/campaigns/greeting/graph.svg?counts=true&contact=email:ann@example.com")
        .await);
}

#[tokio::test]
async fn a_message_that_was_not_sent_does_not_look_sent_and_where_it_is_now_is_said() {
    let api = Called::new().await;
    let headers = [("x-api-key", ADMIN), ("content-type", "application/yaml")];
    let marketing = GREETING.replace("purpose: transactional, ", "");
    let marketing = marketing
        .replace("when: { tag: Lead }, next: rest }", "when: { tag: Lead }, next: hello }");
    let marketing = marketing
        .replace("for: 1 day, next: hello }", "for: 1 day }")
        .replace("email: hello }\nemails", "email: hello, next: rest }\nemails");
    api.bare("PUT", "/v1/campaigns/greeting", &headers, marketing).await.is(201);
    api.post("/v1/campaigns/greeting/publish", &json!({})).await.is(200);
    for (who, consent) in [("ann", "unsubscribed"), ("ben", "subscribed")] {
        let body =
            json!({ "email": format!("{who}@example.com"), "tags": ["Lead"], "consent": consent });
        api.hook(&body).await;
    }
    api.idle().await;
    let path = "/v1/campaigns/greeting/graph.svg?contact=email:";
    let (ann, ben) = (
        api.get(&format!("{path}ann@example.com")).await,
        api.get(&format!("{path}ben@example.com")).await,
    );
    assert!(svg(&ann).contains(">not sent<") && svg(&ann).contains(">now here<"), "{}", ann.text);
    assert!(!svg(&ben).contains("not sent") && svg(&ben).contains(">now here<"), "{}", ben.text);
}

#[tokio::test]
async fn r71_of_an_object_its_own_way_is_drawn() {
    let api = account().await;
    book(&api, "one", "Oslo", "2026-11-03T10:00:00Z").await;
    let path = "/v1/campaigns/appointments/graph.svg?contact=email:ann@example.com";
    api.get(path).await.problem(422);
    svg(&api.get(&format!("{path}&object=appointment/one")).await);
    api.get(&format!("{path}&object=appointment/two")).await.problem(404);
}

#[tokio::test]
async fn what_cannot_be_drawn_is_refused_with_its_place() {
    let api = begun().await;
    let path = "/v1/campaigns/greeting/graph.svg";
    api.get("/v1/campaigns/nothing/graph.svg").await.problem(404);
    api.get(&format!("{path}?version=9")).await.problem(404);
    api.get(&format!("{path}?contact=email:bob@example.com")).await.problem(404);
    let faults = api.get(&format!("{path}?object=appointment/one")).await.faults(422);
    assert_eq!(faults, [("object".to_owned(), "parameter".to_owned())]);
    let reader = api.key("reader", "read").await;
    svg(&api.with_key(&reader, "GET", path).await);
    let hook = api.key("hook", "webhook").await;
    api.with_key(&hook, "GET", path).await.problem(403);
}

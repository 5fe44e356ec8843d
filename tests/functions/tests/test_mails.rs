//! A test mail: ordered by `api`, sent by `deliver` at the pace of its queue, once, and without a
//! trace where messages leave theirs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use chrono::TimeDelta;
use dacapo_engine::ids::ContactId;
use dacapo_functions_tests::cloud::{Cloud, Delivery, KEY};
use dacapo_functions_tests::events::http;
use dacapo_platform::handlers::Report;
use dacapo_platform::ports::{Queue, QueueMessage};
use dacapo_platform::table::Query;
use serde_json::{Value, json};

const CAMPAIGN: &str = r#"
id: hello
sender: { name: Studio Nord, address: sender@example.com }
elements:
  go: { type: start, when: { tag: Go }, next: mail }
  mail: { type: email, email: mail }
emails:
  mail: { subject: "Hello {{ contact.first_name | default('you') }}", text: Hello }
"#;

const TEST: &str = "/v1/campaigns/hello/emails/mail/test";

async fn cloud(delivery: Delivery) -> Cloud {
    let cloud = Cloud::new(delivery).await;
    let (status, answer) = cloud.call("PUT", "/v1/campaigns/hello", CAMPAIGN).await;
    assert_eq!(status, 201, "{answer}");
    cloud
}

/// A test mail, asked for with an idempotency key.
async fn asked(cloud: &Cloud, key: &str, body: &Value) -> (u64, Value) {
    let headers =
        [("x-api-key", KEY), ("content-type", "application/json"), ("idempotency-key", key)];
    let answer = cloud.answer(&http("POST", TEST, &headers, &body.to_string())).await;
    let text = answer["body"].as_str().unwrap_or_default();
    (answer["statusCode"].as_u64().unwrap(), serde_json::from_str(text).unwrap_or_default())
}

async fn records(cloud: &Cloud) -> String {
    let partition = cloud.platform.store.keys.test_mails();
    let page = cloud.platform.store.table.query(Query::of(&partition).strong()).await.unwrap();
    page.items.iter().map(|item| item.body.as_str()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn r30_it_goes_through_the_queue_of_deliver_and_leaves_once_however_often_it_comes() {
    for seed in 0..4 {
        let mut cloud = cloud(Delivery::Twice(seed)).await;
        let body = json!({ "to": "me@example.com", "contact": { "first_name": "Ann" } });
        let (status, first) = asked(&cloud, "k", &body).await;
        assert_eq!(status, 202, "{first}");
        let id = first["id"].as_str().unwrap().to_owned();
        assert_eq!(
            cloud.services.waiting(Queue::Transactional),
            [QueueMessage::TestMail(id.clone())]
        );
        assert_eq!(cloud.services.sent(), [], "not by the function `api`");
        assert!(records(&cloud).await.contains("me@example.com"));
        assert_eq!(asked(&cloud, "k", &body).await, (202, first));
        cloud.until_idle().await;
        let sent = cloud.services.sent();
        assert_eq!(sent.len(), 1, "{sent:#?}");
        let mail = &sent[0];
        assert_eq!(
            (mail.subject.as_str(), mail.to.as_str()),
            ("[Test] Hello Ann", "me@example.com")
        );
        assert_eq!(mail.from.name.as_deref(), Some("Studio Nord"));
        assert_eq!(mail.unsubscribe_url.as_deref(), Some("https://dacapo.example/u/test"));
        assert_eq!(
            (mail.message.run, mail.message.contact.as_str()),
            (0, format!("test-{id}").as_str())
        );
        let left = records(&cloud).await;
        assert!(!left.contains("Ann") && !left.contains("me@example.com"), "{left}");
        cloud.advance(cloud.now() + TimeDelta::hours(1)).await;
        assert_eq!(cloud.services.sent().len(), 1);
    }
}

#[tokio::test]
async fn a_queue_that_takes_nothing_is_answered_and_the_repeat_sends() {
    let mut cloud = cloud(Delivery::Once).await;
    cloud.services.is_shut(true);
    let body = json!({ "to": "me@example.com" });
    assert_eq!(asked(&cloud, "k", &body).await.0, 503);
    cloud.services.is_shut(false);
    let (status, answer) = asked(&cloud, "k", &body).await;
    assert_eq!((status, &answer["left_today"]), (202, &json!(49)), "it is counted once");
    cloud.until_idle().await;
    assert_eq!(cloud.services.sent().len(), 1);
}

#[tokio::test]
async fn r30_an_unknown_outcome_is_not_repeated() {
    let mut cloud = cloud(Delivery::Once).await;
    cloud.services.is_silent(true);
    assert_eq!(asked(&cloud, "k", &json!({ "to": "me@example.com" })).await.0, 202);
    cloud.until_idle().await;
    cloud.services.is_silent(false);
    cloud.advance(cloud.now() + TimeDelta::hours(3)).await;
    assert_eq!(cloud.services.sent().len(), 1, "it may have been sent");
    let left = records(&cloud).await;
    assert!(left.contains("unknown") && !left.contains("me@example.com"), "{left}");
}

#[tokio::test]
async fn r32_reports_about_it_are_about_the_address_and_about_no_message() {
    let mut cloud = cloud(Delivery::Once).await;
    let post = json!({ "email": "me@example.com" }).to_string();
    let (_, posted) = cloud.call("POST", "/v1/hooks/contact", &post).await;
    let contact = ContactId::new(posted["contact_id"].as_str().unwrap()).unwrap();
    assert_eq!(asked(&cloud, "k", &json!({ "to": "me@example.com" })).await.0, 202);
    cloud.until_idle().await;
    let message = cloud.services.sent()[0].message.clone();
    let before = records(&cloud).await;
    let left = Report::Left { message: message.clone(), receipt: "r".to_owned() };
    cloud.platform.feedback.handle(&left).await.unwrap();
    assert_eq!(records(&cloud).await, before);
    let address = "me@example.com".to_owned();
    let bounced = Report::Bounced { message: Some(message.clone()), address };
    cloud.platform.feedback.handle(&bounced).await.unwrap();
    let contact = cloud.platform.contacts.get(&contact).await.unwrap().unwrap();
    assert!(contact.suppressed.is_some(), "there is no such mailbox, whatever was sent to it");
    let (status, refused) = asked(&cloud, "k2", &json!({ "to": "me@example.com" })).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (422, &json!("refused")));
    // An address that belongs to no contact is remembered, too.
    let address = "you@example.com".to_owned();
    let complained = Report::Complained { message: Some(message), address };
    cloud.platform.feedback.handle(&complained).await.unwrap();
    assert_eq!(asked(&cloud, "k3", &json!({ "to": "you@example.com" })).await.0, 422);
}

/// A no that is said while the mail waits holds, as it does for messages.
#[tokio::test]
async fn r32_a_no_that_is_said_before_it_leaves_holds() {
    let mut cloud = cloud(Delivery::Once).await;
    assert_eq!(asked(&cloud, "k", &json!({ "to": "me@example.com" })).await.0, 202);
    let no = json!({ "email": "me@example.com", "suppressed": "manual" }).to_string();
    let (status, answer) = cloud.call("POST", "/v1/contacts", &no).await;
    assert_eq!(status, 201, "{answer}");
    cloud.until_idle().await;
    assert_eq!(cloud.services.sent(), []);
    let left = records(&cloud).await;
    assert!(left.contains("suppressed") && !left.contains("me@example.com"), "{left}");
}

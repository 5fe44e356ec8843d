//! Two deliveries of every batch of the stream, every message and every timer, in any order between
//! contacts, have the same messages and the same history as one delivery.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::Path;

use chrono::TimeDelta;
use dacapo_functions_tests::cloud::{Cloud, Delivery};
use serde_json::{Value, json};

const PEOPLE: [&str; 4] =
    ["ann@example.com", "ben@example.com", "cem@example.com", "dee@example.com"];

/// A campaign in which a tag leads to a webhook, a mail, a restart, and everything again: what is
/// parked on the way is a timer too.
const AGAIN: &str = r#"
id: again
sender: { address: sender@example.com }
elements:
  go: { type: start, when: { tag: Lead }, next: tell }
  tell: { type: webhook, url: "https://hooks.example/lead", next: mail }
  mail: { type: email, email: mail, next: wait }
  wait: { type: wait, for: 90 seconds, next: restart }
  restart: { type: restart, tag: Round }
emails:
  mail: { purpose: transactional, subject: "Round {{ campaign.run }}", text: "Hello {{ contact.first_name | default(\"you\") }}" }
"#;

fn example(name: &str) -> String {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    std::fs::read_to_string(examples.join(name)).unwrap()
}

/// Posts an example's payload for each of the people.
async fn post(cloud: &Cloud, payload: &str) {
    for person in PEOPLE {
        let body = example(&format!("payloads/{payload}")).replace("ann@example.com", person);
        let (status, answer) = cloud.call("POST", "/v1/hooks/contact", &body).await;
        assert_eq!(status, 200, "{answer}");
    }
}

async fn publish(cloud: &Cloud, id: &str, document: &str) {
    let (status, answer) = cloud.call("PUT", &format!("/v1/campaigns/{id}"), document).await;
    assert!(status < 300, "{answer}");
    let (status, answer) = cloud.call("POST", &format!("/v1/campaigns/{id}/publish"), "{}").await;
    assert_eq!(status, 200, "{answer}");
}

/// The whole loop, twice through, for four people, with another campaign that runs in a loop.
async fn story(delivery: Delivery) -> Value {
    let mut cloud = Cloud::new(delivery).await;
    let begun = cloud.now();
    let at = |minutes: i64| begun + TimeDelta::minutes(minutes);
    publish(&cloud, "appointment-loop", &example("appointment-loop.yaml")).await;
    publish(&cloud, "again", AGAIN).await;
    post(&cloud, "lead.json").await;
    cloud.advance(at(3)).await;
    post(&cloud, "calendly-booked.json").await;
    cloud.advance(at(20)).await;
    post(&cloud, "calendly-moved.json").await;
    post(&cloud, "calendly-booked.json").await;
    cloud.advance(at(25 * 60 + 30)).await;
    post(&cloud, "not-reached.json").await;
    post(&cloud, "calendly-rebooked.json").await;
    cloud.advance(at(3 * 24 * 60)).await;
    outcome(&cloud).await
}

/// Everything that people can see, without the ids of contacts, which are random.
async fn outcome(cloud: &Cloud) -> Value {
    let mut all = json!({});
    for person in PEOPLE {
        for what in ["messages", "history", "enrollments"] {
            let path = format!("/v1/contacts/email:{person}/{what}?limit=100");
            let (status, answer) = cloud.call("GET", &path, "").await;
            assert_eq!(status, 200, "{answer}");
            assert_eq!(answer["next_cursor"], Value::Null, "{what} has one page");
            all[person][what] = answer["items"].clone();
        }
    }
    for campaign in ["appointment-loop", "again"] {
        let path = format!("/v1/campaigns/{campaign}/statistics");
        all[campaign] = cloud.call("GET", &path, "").await.1;
    }
    let mut sent: Vec<String> =
        cloud.services.sent().iter().map(|mail| format!("{}: {}", mail.to, mail.subject)).collect();
    sent.sort();
    all["sent"] = json!(sent);
    all
}

#[tokio::test]
async fn two_deliveries_of_everything_give_the_same_as_one() {
    let once = story(Delivery::Once).await;
    let sent = once["sent"].as_array().unwrap();
    let of_ann = sent.iter().filter(|line| line.as_str().unwrap().starts_with("ann")).count();
    assert!(of_ann >= 7, "ann gets two runs of the loop: {sent:#?}");
    for seed in 1..=6 {
        let twice = story(Delivery::Twice(seed)).await;
        for (name, value) in once.as_object().unwrap() {
            assert_eq!(&twice[name], value, "seed {seed}: {name}");
        }
    }
}

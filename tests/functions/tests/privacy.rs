//! Queues, schedules and logs contain ids of people, and nothing else about them. docs/privacy.md
//! relies on it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use chrono::TimeDelta;
use dacapo_functions_tests::cloud::{Cloud, Delivery};
use dacapo_platform::ports::{Order, QueueMessage};
use serde_json::json;

/// All personal data of Ann.
const WORDS: [&str; 7] =
    ["ann.l", "annelise", "lindqvist", "701740605", "strawberries", "berlin", "allergic"];

const CAMPAIGN: &str = r#"
id: visit
sender: { address: studio@example.com }
fields: { note: { type: text }, at: { type: datetime } }
elements:
  go: { type: start, when: { tag: Allergic to strawberries }, next: mail }
  mail: { type: email, email: mail, next: hook }
  hook: { type: webhook, url: "https://hook.example/{{ contact.note }}", next: other }
  other: { type: start_campaign, campaign: other, next: hour }
  hour: { type: date_timer, field: at, offset: -1 hour, next: late }
  late: { type: email, email: mail, next: again }
  again: { type: restart }
emails:
  mail:
    purpose: transactional
    subject: Hello {{ contact.first_name }}
    text: "{{ contact.note }} {{ contact.phone }}"
"#;

const OTHER: &str = r#"
id: other
sender: { address: studio@example.com }
elements:
  go: { type: start, when: { tag: Never }, next: day }
  day: { type: wait, for: 1 day, next: mail }
  mail: { type: email, email: mail }
emails:
  mail: { purpose: marketing, subject: x, text: "{{ contact.last_name }}" }
"#;

/// An order as it is sent: names of schedules, and messages as they are written.
fn as_sent(order: &Order) -> String {
    let text = |message: &QueueMessage| serde_json::to_string(message).unwrap();
    match order {
        Order::Schedule { name, message, .. } => format!("{name} {}", text(message)),
        Order::Cancel { name } => name.clone(),
        Order::Send { message, .. } => text(message),
    }
}

async fn called(cloud: &Cloud, method: &str, path: &str, body: &str) {
    let (status, answer) = cloud.call(method, path, body).await;
    assert!((200..300).contains(&status), "{method} {path}: {status}: {answer}");
}

#[tokio::test]
async fn queues_and_schedules_are_told_ids_and_nothing_else_of_a_person() {
    let mut cloud = Cloud::new(Delivery::Twice(3)).await;
    for (id, document) in [("other", OTHER), ("visit", CAMPAIGN)] {
        called(&cloud, "PUT", &format!("/v1/campaigns/{id}"), document).await;
        called(&cloud, "POST", &format!("/v1/campaigns/{id}/publish"), "{}").await;
    }
    let post = |more: &str| {
        let mut body = json!({ "email": "Ann.L@Example.com", "first_name": "Annelise",
            "last_name": "Lindqvist", "phone": "+46701740605", "time_zone": "Europe/Berlin",
            "tags": ["Allergic to strawberries"], "fields": { "note": "strawberries" } });
        body["fields"]["at"] = json!(more);
        body.to_string()
    };
    called(&cloud, "POST", "/v1/hooks/contact", &post("2026-12-02T13:00:00Z")).await;
    cloud.until_idle().await;
    called(&cloud, "POST", "/v1/hooks/contact", &post("2026-12-02T15:00:00Z")).await;
    // The restart, what is parked in its delay, and the recheck.
    cloud.advance("2026-12-02T14:02:00Z".parse().unwrap()).await;
    called(&cloud, "POST", "/v1/hooks/contact", &post("2026-12-09T15:00:00Z")).await;
    cloud.advance(cloud.now() + TimeDelta::days(1)).await;
    let stop = json!({ "campaigns": "all", "contacts": { "emails": ["ann.l@example.com"] },
        "reset_contacts": true });
    called(&cloud, "POST", "/v1/mass-actions/stop-campaign", &stop.to_string()).await;
    cloud.advance(cloud.now() + TimeDelta::hours(1)).await;
    called(&cloud, "POST", "/v1/mass-actions/reconcile", "{}").await;
    cloud.advance(cloud.now() + TimeDelta::hours(1)).await;
    called(&cloud, "DELETE", "/v1/contacts/email:ann.l@example.com", "").await;
    cloud.advance(cloud.now() + TimeDelta::hours(26)).await;

    let ordered: Vec<String> = cloud.services.ordered().iter().map(as_sent).collect();
    for kind in
        ["\"wake\"", "\"call\"", "\"sweep\"", "\"erase\"", "TimerDue", "RecheckDue", "DeliveryDue"]
    {
        assert!(
            ordered.iter().any(|order| order.contains(kind)),
            "nothing of {kind}: {ordered:#?}"
        );
    }
    let told = ordered.iter().filter(|order| {
        let order = order.to_lowercase();
        WORDS.iter().any(|word| order.contains(word))
    });
    assert_eq!(told.collect::<Vec<_>>(), [] as [&String; 0]);
    assert!(cloud.services.sent().len() >= 2, "the campaign has run");
}

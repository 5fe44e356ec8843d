//! R74 with the deployed handlers: the rule that calls `stop-campaign` every few minutes finds that
//! objects are due, and steps in the queue of jobs delete those that nothing waits for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use chrono::TimeDelta;
use dacapo_aws::functions::queue::QueueFunction;
use dacapo_aws::settings::Function;
use dacapo_functions_tests::cloud::{Cloud, Delivery};
use dacapo_platform::ports::Queue;
use serde_json::{Value, json};

const APPOINTMENTS: &str = r#"
id: appointments
per: appointment
sender: { address: sender@example.com }
objects: { appointment: { fields: { starts_at: { type: datetime } }, keep: 30 days } }
elements:
  booked: { type: start, when: { field: starts_at, is: future }, next: hour_before }
  hour_before: { type: date_timer, field: starts_at, offset: -1 hour, next: remind }
  remind: { type: email, email: reminder }
emails:
  reminder: { purpose: transactional, subject: "{{ appointment.key }}", text: Soon }
"#;

async fn called(cloud: &Cloud, method: &str, path: &str, body: &str) -> Value {
    let (status, answer) = cloud.call(method, path, body).await;
    assert!((200..300).contains(&status), "{method} {path}: {status}: {answer}");
    answer
}

async fn book(cloud: &mut Cloud, key: &str, days: i64) {
    let starts_at = (cloud.now() + TimeDelta::days(days)).to_rfc3339();
    let body = json!({ "key": key, "email": "ann@example.com", "starts_at": starts_at });
    called(cloud, "POST", "/v1/hooks/object/appointment", &body.to_string()).await;
    cloud.until_idle().await;
}

/// What the rule does every five minutes, and what follows.
async fn rule(cloud: &mut Cloud) -> usize {
    let (platform, hide) = (&cloud.platform, &*cloud.services);
    let function = QueueFunction { platform, hide, function: Function::StopCampaign };
    function.job_steps(&json!({ "source": "aws.events" })).await.unwrap();
    let ordered = cloud.services.waiting(Queue::Jobs).len();
    cloud.until_idle().await;
    ordered
}

async fn keys(cloud: &Cloud) -> Vec<String> {
    let page = called(cloud, "GET", "/v1/contacts/email:ann@example.com/objects", "").await;
    let all = page["items"].as_array().unwrap().iter();
    all.map(|one| one["key"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn r74_the_rule_finds_what_is_due_and_the_queue_of_jobs_deletes_it() {
    for delivery in [Delivery::Once, Delivery::Twice(3)] {
        let mut cloud = Cloud::new(delivery).await;
        assert_eq!(rule(&mut cloud).await, 0, "there is no type yet");
        called(&cloud, "PUT", "/v1/campaigns/appointments", APPOINTMENTS).await;
        called(&cloud, "POST", "/v1/campaigns/appointments/publish", "{}").await;
        book(&mut cloud, "soon", 1).await;
        book(&mut cloud, "far", 60).await;
        let begun = cloud.now();
        let scheduled = cloud.services.scheduled().len();
        assert_eq!(rule(&mut cloud).await, 1, "a new type");
        assert_eq!(rule(&mut cloud).await, 0, "nothing is due for 30 days");
        assert_eq!(cloud.services.scheduled().len(), scheduled, "no object has a timer for it");
        cloud.advance(begun + TimeDelta::days(29)).await;
        assert_eq!(rule(&mut cloud).await, 0);
        assert_eq!(keys(&cloud).await, ["soon", "far"]);
        cloud.advance(begun + TimeDelta::days(31)).await;
        assert_eq!(rule(&mut cloud).await, 1);
        assert_eq!(rule(&mut cloud).await, 0, "once a day");
        assert_eq!(keys(&cloud).await, ["far"], "the other one has a token");
        cloud.advance(begun + TimeDelta::days(60)).await;
        assert_eq!(cloud.services.sent().len(), 2, "it was reminded of");
        cloud.advance(begun + TimeDelta::days(62)).await;
        rule(&mut cloud).await;
        assert_eq!(keys(&cloud).await, [""; 0]);
        let history = "/v1/contacts/email:ann@example.com/history?limit=200";
        let history = called(&cloud, "GET", history, "").await.to_string();
        assert!(history.contains(r#""key":"soon""#), "{history}");
        // A late post about it makes it anew.
        book(&mut cloud, "soon", 3).await;
        assert_eq!(keys(&cloud).await, ["soon"]);
        let letters = called(&cloud, "GET", "/v1/dead-letters", "").await;
        assert_eq!(letters["items"], json!([]));
    }
}

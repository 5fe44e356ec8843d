//! Only the table is left, and bookings wait: after *reconcile* each is reminded of in its time and
//! once, as if nothing had happened (R71). A guard that holds one, and its release, are about that
//! one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use chrono::TimeDelta;
use dacapo_functions_tests::cloud::{Cloud, Delivery};
use dacapo_platform::Instant;
use serde_json::{Value, json};

const APPOINTMENTS: &str = r#"
id: appointments
per: appointment
sender: { address: sender@example.com }
objects: { appointment: { fields: { starts_at: { type: datetime } } } }
settings: { max_runs_per_day: 3, restart_delay: 20 minutes }
elements:
  booked: { type: start, when: { field: starts_at, is: future }, next: confirm }
  confirm: { type: email, email: confirmation, next: hour_before }
  hour_before: { type: date_timer, field: starts_at, offset: -1 hour, next: tell }
  tell: { type: webhook, url: "https://hooks.example/soon", next: remind }
  remind: { type: email, email: reminder, next: again }
  again: { type: restart }
  helped: { type: event, on: { contact: { tag_added: Help } }, next: help }
  help: { type: email, email: help }
emails:
  confirmation: { purpose: transactional, subject: "Booked {{ appointment.key }}, {{ campaign.run }}", text: x }
  reminder: { purpose: transactional, subject: "Soon {{ appointment.key }}, {{ campaign.run }}", text: x }
  help: { purpose: transactional, subject: "Help {{ appointment.key }}", text: x }
"#;

async fn call(cloud: &Cloud, method: &str, path: &str, body: &str) -> Value {
    let (status, answer) = cloud.call(method, path, body).await;
    assert!(status < 300, "{method} {path}: {status} {answer}");
    answer
}

/// What is lost in the middle of the story.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Loss {
    Nothing,
    /// Queues and schedules.
    Outside,
    /// And what the stream has not brought.
    StreamToo,
}

struct Story {
    cloud: Cloud,
    begun: Instant,
}

impl Story {
    async fn begins(delivery: Delivery) -> Self {
        let cloud = Cloud::new(delivery).await;
        let begun = cloud.now();
        call(&cloud, "PUT", "/v1/campaigns/appointments", APPOINTMENTS).await;
        call(&cloud, "POST", "/v1/campaigns/appointments/publish", "{}").await;
        Self { cloud, begun }
    }

    fn at(&self, minutes: i64) -> Instant {
        self.begun + TimeDelta::minutes(minutes)
    }

    async fn book(&self, key: &str, minutes: i64) {
        let starts_at = self.at(minutes).to_rfc3339();
        let body = json!({ "key": key, "email": "ann@example.com", "starts_at": starts_at });
        call(&self.cloud, "POST", "/v1/hooks/object/appointment", &body.to_string()).await;
    }

    async fn loses(&mut self, loss: Loss) {
        match loss {
            Loss::Nothing => return,
            Loss::StreamToo => {}
            Loss::Outside => loop {
                let changed = self.cloud.stream("tag-change").await;
                if !self.cloud.stream("effects").await && !changed {
                    break;
                }
            },
        }
        self.cloud.loses_all_but_the_table().await;
        let asked = match loss {
            Loss::StreamToo => json!({ "restored_to": self.cloud.now().to_rfc3339() }),
            Loss::Nothing | Loss::Outside => json!({}),
        };
        for _ in 0..2 {
            call(&self.cloud, "POST", "/v1/mass-actions/reconcile", &asked.to_string()).await;
        }
    }

    /// Three bookings: one parked behind its restart, one that waits, one just booked; and the
    /// person has just asked for help.
    async fn told(mut self, loss: Loss) -> Value {
        self.book("parked", 65).await;
        self.book("waits", 600).await;
        self.cloud.advance(self.at(10)).await;
        // Within the delay of its restart.
        self.book("parked", 700).await;
        self.cloud.advance(self.at(12)).await;
        let help = json!({ "email": "ann@example.com", "tags": ["Help"] }).to_string();
        call(&self.cloud, "POST", "/v1/hooks/contact", &help).await;
        self.book("new", 300).await;
        self.loses(loss).await;
        self.cloud.advance(self.at(2 * 24 * 60)).await;
        let mut all = json!({});
        for what in ["messages", "history", "enrollments"] {
            let path = format!("/v1/contacts/email:ann@example.com/{what}?limit=200");
            all[what] = call(&self.cloud, "GET", &path, "").await["items"].clone();
        }
        all["statistics"] =
            call(&self.cloud, "GET", "/v1/campaigns/appointments/statistics", "").await;
        let sent = self.cloud.services.sent();
        let mut sent: Vec<_> = sent.iter().map(|mail| mail.subject.clone()).collect();
        sent.sort();
        all["sent"] = json!(sent);
        let mut called = self.cloud.services.called();
        called.sort();
        all["called"] = json!(called);
        all
    }
}

#[tokio::test]
async fn r71_after_a_restore_every_booking_is_reminded_of_once() {
    let whole = Story::begins(Delivery::Once).await.told(Loss::Nothing).await;
    let sent = whole["sent"].as_array().unwrap();
    let subject = |text: &str| sent.iter().filter(|one| one.as_str() == Some(text)).count();
    for text in [
        "Booked parked, 1",
        "Soon parked, 1",
        "Booked parked, 2",
        "Soon parked, 2",
        "Booked waits, 1",
        "Soon waits, 1",
        "Booked new, 1",
        "Soon new, 1",
        "Help waits",
    ] {
        assert_eq!(subject(text), 1, "{text}: {sent:?}");
    }
    for loss in [Loss::Outside, Loss::StreamToo] {
        for seed in 0..3 {
            let delivery = if seed == 0 { Delivery::Once } else { Delivery::Twice(seed) };
            let told = Story::begins(delivery).await.told(loss).await;
            for (name, value) in whole.as_object().unwrap() {
                assert_eq!(&told[name], value, "{loss:?}, seed {seed}: {name}");
            }
        }
    }
}

/// R40: a guard holds one booking. Reconcile orders nothing for it, and its release lets in what
/// comes then.
#[tokio::test]
async fn r40_a_booking_that_a_guard_holds_stays_held_over_a_restore_until_it_is_released() {
    let mut story = Story::begins(Delivery::Twice(5)).await;
    story.book("other", 5_000).await;
    for n in 0..4 {
        story.book("held", 65 + 40 * n).await;
        story.cloud.advance(story.at(40 * n + 6)).await;
    }
    let stands = async |story: &Story, key: &str| {
        let path =
            format!("/v1/contacts/email:ann@example.com/enrollments?object=appointment/{key}");
        call(&story.cloud, "GET", &path, "").await["items"][0]["status"].clone()
    };
    story.cloud.advance(story.at(170)).await;
    assert_eq!(stands(&story, "held").await, "held");
    assert_eq!(stands(&story, "other").await, "active");
    story.loses(Loss::Outside).await;
    story.cloud.advance(story.at(180)).await;
    assert_eq!(stands(&story, "held").await, "held");
    let sent = story.cloud.services.sent().len();
    let release = "/v1/contacts/email:ann@example.com/enrollments/appointments/release";
    let release = format!("{release}?object=appointment/held");
    call(&story.cloud, "POST", &release, "{}").await;
    story.cloud.until_idle().await;
    assert_eq!(stands(&story, "held").await, "ready");
    story.cloud.advance(story.at(24 * 60)).await;
    story.book("held", 2_000).await;
    story.cloud.advance(story.at(3_000)).await;
    let subjects: Vec<_> =
        story.cloud.services.sent()[sent..].iter().map(|mail| mail.subject.clone()).collect();
    assert_eq!(subjects.len(), 2, "{subjects:?}");
    assert!(subjects.iter().all(|one| one.contains("held")), "{subjects:?}");
    assert_eq!(stands(&story, "other").await, "active");
}

//! The sample events in `tests/events/`, and the table contents that each of them needs.
//!
//! The code itself makes them in a small story, so they cannot become outdated. All instants are in
//! the past, so that an event has its effect whenever it is invoked. Only the appointment is a
//! century ahead.

use std::path::{Path, PathBuf};

use dacapo_engine::ids::{CampaignId, ConnectionId, ContactId};
use dacapo_platform::Instant;
use dacapo_platform::keys::{connection_url, sha256};
use dacapo_platform::ports::{Queue, QueueMessage};
use dacapo_platform::table::{Consistency, Item, Query};
use serde_json::{Value, json};

use crate::cloud::{Cloud, Delivery};
use crate::events;

/// The key that the samples call with.
pub const KEY: &str = "local";

/// The campaign of the samples.
pub const CAMPAIGN: &str = include_str!("../../events/reminder.yaml");

/// A sample event.
pub struct Sample {
    /// Its name, that of its file.
    pub name: &'static str,
    /// The function that it is for.
    pub function: &'static str,
    /// The event that the function receives.
    pub event: Value,
    /// The content of the table before.
    pub table: Vec<Item>,
}

impl Sample {
    /// Its file.
    pub fn path(&self) -> PathBuf {
        folder().join(format!("{}.json", self.name))
    }

    /// Whether this is the answer of a function that handles it correctly.
    pub fn is_answered_by(&self, answer: &Value) -> bool {
        match self.function {
            // The rule is told nothing.
            "api" if self.name == "api-unfinished-calls" => answer.is_null(),
            "webhook" | "api" => answer["statusCode"] == 200,
            // No answer is sent.
            "feedback" => answer.is_null(),
            _ if self.name == "timer-early" => {
                *answer == json!({ "batchItemFailures": [{ "itemIdentifier": "message-1" }] })
            }
            _ => *answer == json!({ "batchItemFailures": [] }),
        }
    }

    /// Its file's text.
    pub fn text(&self) -> String {
        format!("{:#}\n", self.event)
    }
}

/// Where they are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

/// The campaign's id.
pub fn campaign() -> CampaignId {
    CampaignId::new("reminder").expect("an id")
}

/// The story in the making.
struct Story {
    cloud: Cloud,
    samples: Vec<Sample>,
}

impl Story {
    async fn new() -> Self {
        let cloud = Cloud::new(Delivery::Once).await;
        cloud.begins(Instant::from_timestamp(1_767_614_400, 0).expect("an instant"));
        Self { cloud, samples: Vec::new() }
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, answer) = self.cloud.call(method, path, body).await;
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    async fn draft(&self) {
        self.call("PUT", "/v1/campaigns/reminder", CAMPAIGN).await;
    }

    async fn publish(&self, how: &Value) {
        self.draft().await;
        self.call("POST", "/v1/campaigns/reminder/publish", &how.to_string()).await;
    }

    async fn post(&self) -> ContactId {
        let answer = self.call("POST", "/v1/hooks/contact", &payload()).await;
        ContactId::new(answer["contact_id"].as_str().expect("an id")).expect("an id")
    }

    /// A sample as things stand.
    async fn take(&mut self, name: &'static str, function: &'static str, event: Value) {
        let table = self.table().await;
        self.samples.push(Sample { name, function, event, table });
    }

    /// Everything in the table that a function could read.
    async fn table(&self) -> Vec<Item> {
        let platform = &self.cloud.platform;
        let (keys, table) = (&platform.store.keys, &platform.store.table);
        let mut partitions = vec![keys.catalog().pk, keys.draft(&campaign()).pk, keys.job(1).pk];
        let form = ConnectionId::new("form").expect("an id");
        if let Ok(Some(form)) = table.get(&keys.connection(&form), Consistency::Strong).await {
            let stored: Value = form.body.read().expect("a connection");
            let token = stored["token"].as_str().expect("a token");
            partitions.extend([form.key.pk, connection_url(&sha256(token)).pk]);
        }
        let address = table.get(&keys.address("ann@example.com"), Consistency::Strong).await;
        if let Some(address) = address.expect("the table") {
            partitions.push(address.key.pk);
            let contact = platform.contacts.id_of("ann@example.com").await.expect("the table");
            partitions.extend(contact.map(|contact| keys.contact_partition(&contact)));
        }
        let mut items = Vec::new();
        for partition in partitions {
            let page = table.query(Query::of(&partition).strong()).await.expect("the table");
            items.extend(page.items);
        }
        items
    }
}

/// What a form posts.
fn payload() -> String {
    json!({
        "email": "ann@example.com",
        "first_name": "Ann",
        "tags": ["Lead"],
        "fields": { "appointment": "2126-01-07T14:00:00Z" },
    })
    .to_string()
}

fn called(method: &str, path: &str, body: &str) -> Value {
    let kind = ("content-type", "application/json");
    events::http(method, path, &[("x-api-key", KEY), kind], body)
}

fn received(queue: &str, messages: &[QueueMessage]) -> Value {
    let records = (1..)
        .zip(messages)
        .map(|(nth, message)| events::message(&format!("message-{nth}"), queue, 1, message));
    events::batch(records.collect())
}

fn noticed(kind: &str, contact: &ContactId, about: &Value) -> Value {
    json!({
        "eventType": kind,
        "mail": {
            "messageId": "0100018-sample",
            "tags": {
                "contact": [contact.as_str()], "campaign": ["reminder"], "run": ["1"], "step": ["1"],
            },
        },
        kind.to_lowercase(): about,
    })
}

/// All of them.
pub async fn all() -> Vec<Sample> {
    let mut samples = reminded().await;
    samples.extend(enrolled().await);
    samples.extend(told().await);
    samples.extend(connected().await);
    samples
}

/// A form posts to the URL of a connection.
async fn connected() -> Vec<Sample> {
    let mut story = Story::new().await;
    let written = json!({ "kind": "form" }).to_string();
    let made = story.call("PUT", "/v1/connections/form", &written).await;
    let url = made["url"].as_str().expect("a URL");
    let path = url.trim_start_matches("https://dacapo.example");
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let posted = events::http("POST", path, &[kind], "E-Mail=ann%40example.com&Vorname=Ann");
    story.take("webhook-connection", "webhook", posted).await;
    story.samples
}

/// Ann's appointment: she is created, receives mail, and has a reminder set.
async fn reminded() -> Vec<Sample> {
    let mut story = Story::new().await;
    story.draft().await;
    let publish = called("POST", "/v1/campaigns/reminder/publish", "{}");
    story.take("api-publish", "api", publish).await;
    story.publish(&json!({})).await;
    story.take("webhook", "webhook", called("POST", "/v1/hooks/contact", &payload())).await;
    story.post().await;
    let read = called("GET", "/v1/contacts/email:ann@example.com", "");
    story.take("api", "api", read).await;
    let changed = events::batch(story.cloud.unread("tag-change"));
    story.take("tag-change", "tag-change", changed).await;
    story.cloud.stream("tag-change").await;
    let decided = events::batch(story.cloud.unread("effects"));
    story.take("effects", "effects", decided).await;
    while story.cloud.stream("effects").await {}
    let mail = received("marketing", &story.cloud.services.waiting(Queue::Marketing));
    story.take("deliver", "deliver", mail).await;
    story.cloud.until_idle().await;
    let due = received("timers", &story.cloud.services.waiting(Queue::Timers));
    story.take("timer", "timer", due).await;
    while story.cloud.stream("tag-change").await || story.cloud.stream("effects").await {}
    story.cloud.begins(story.cloud.now() + chrono::TimeDelta::minutes(1));
    story.cloud.queues().await;
    let planned = events::batch(story.cloud.unread("effects"));
    story.take("effects-schedule", "effects", planned).await;
    story.cloud.until_idle().await;
    let early = received("timers", &story.cloud.services.scheduled());
    story.take("timer-early", "timer", early).await;
    story.samples
}

/// Ann was there before the campaign.
async fn enrolled() -> Vec<Sample> {
    let mut story = Story::new().await;
    story.call("PUT", "/v1/fields/appointment", &json!({ "type": "datetime" }).to_string()).await;
    story.post().await;
    story.cloud.until_idle().await;
    story.cloud.services.is_shut(true);
    story.publish(&json!({ "enroll_existing": true })).await;
    let rule = json!({
        "version": "0", "id": "event-1", "detail-type": "Scheduled Event", "source": "aws.events",
        "account": "123456789012", "time": "2026-01-05T12:00:00Z", "region": "eu-central-1",
        "resources": [], "detail": {},
    });
    story.take("stop-campaign-pending", "stop-campaign", rule.clone()).await;
    story.take("api-unfinished-calls", "api", rule).await;
    story.cloud.services.is_shut(false);
    story.cloud.platform.jobs.dispatch_pending().await.expect("orders");
    let sweeps = received("stop", &story.cloud.services.waiting(Queue::Jobs));
    story.take("stop-campaign", "stop-campaign", sweeps).await;
    story.samples
}

/// SES reports the result of a mail.
async fn told() -> Vec<Sample> {
    let mut story = Story::new().await;
    story.publish(&json!({})).await;
    let ann = story.post().await;
    story.cloud.services.is_silent(true);
    story.cloud.until_idle().await;
    let delivered = noticed("Delivery", &ann, &json!({ "recipients": ["ann@example.com"] }));
    let bridge = json!({
        "version": "0", "id": "event-2", "detail-type": "Email Delivered", "source": "aws.ses",
        "detail": delivered,
    });
    story.take("feedback-delivery", "feedback", bridge).await;
    let bounce = json!({
        "bounceType": "Permanent", "bouncedRecipients": [{ "emailAddress": "ann@example.com" }],
    });
    let notice = noticed("Bounce", &ann, &bounce).to_string();
    let sns = json!({
        "EventSource": "aws:sns", "EventVersion": "1.0",
        "Sns": { "Type": "Notification", "MessageId": "notice-1", "Message": notice },
    });
    story.take("feedback-bounce", "feedback", events::batch(vec![sns])).await;
    story.samples
}

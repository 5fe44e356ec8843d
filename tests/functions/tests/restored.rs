//! Only the table is left, as after a restore or in a new stack over a kept table. After one mass
//! action every contact goes on as if nothing had happened. Nothing is sent twice, even if work is
//! delivered twice.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use dacapo_aws::functions::queue::{Hidden, Hide, QueueFunction};
use dacapo_aws::table::DynamoTable;
use dacapo_aws_tests::emulator::Emulator;
use dacapo_aws_tests::tables::create;
use dacapo_engine::campaign::format::FieldDefinition;
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::field::FieldType;
use dacapo_engine::ids::{CampaignId, FieldKey, Tag};
use dacapo_functions_tests::cloud::{Cloud, Delivery, KEY};
use dacapo_functions_tests::events::{batch, failed, http, message};
use dacapo_platform::Instant;
use dacapo_platform::api::{AdminKey, calls_router};
use dacapo_platform::campaigns::{OnlyIf, Publish, alone};
use dacapo_platform::error::Error;
use dacapo_platform::handlers::{ContactImage, EnrollmentImage};
use dacapo_platform::ports::{Order, Queue, Unavailable};
use dacapo_platform::table::Consistency;
use dacapo_tests::kit::TestBench;
use serde_json::{Value, json};

/// Mail, a webhook, a wait, a date timer, a restart whose triggers are parked; and a campaign that
/// reads the status.
const LOOP: &str = r#"
id: loop
sender: { address: sender@example.com }
settings: { restart_delay: 20 minutes }
elements:
  go: { type: start, when: { tag: Lead }, next: tell }
  tell: { type: webhook, url: "https://hooks.example/lead", next: hello }
  hello: { type: email, email: hello, next: wait }
  wait: { type: wait, for: 30 minutes, next: again }
  again: { type: email, email: again, next: tell_again }
  tell_again: { type: webhook, url: "https://hooks.example/again", next: rest }
  rest: { type: wait, for: 1 hour, next: third }
  third: { type: email, email: third, next: restart }
  restart: { type: restart }
  booked: { type: event, on: { field_set: appointment }, next: before }
  before: { type: date_timer, field: appointment, offset: -1 hour, next: reminder }
  reminder: { type: email, email: reminder }
emails:
  hello: { purpose: transactional, subject: "Hello {{ campaign.run }}", text: "Hello" }
  again: { purpose: marketing, subject: "Again {{ campaign.run }}", text: "Again {{ unsubscribe_url }}" }
  third: { purpose: transactional, subject: "Third {{ campaign.run }}", text: "Third" }
  reminder: { purpose: transactional, subject: "Reminder {{ campaign.run }}", text: "In an hour" }
"#;

const WATCHING: &str = r#"
id: watching
sender: { address: sender@example.com }
elements:
  active: { type: start, when: { campaign: loop, status: active }, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { purpose: transactional, subject: Watching, text: Watching }
"#;

const PEOPLE: [&str; 3] = ["ann@example.com", "ben@example.com", "cem@example.com"];

async fn call(cloud: &Cloud, method: &str, path: &str, body: &str) -> Value {
    let (status, answer) = cloud.call(method, path, body).await;
    assert!(status < 300, "{method} {path}: {status} {answer}");
    answer
}

async fn post(cloud: &Cloud, body: Value) {
    call(cloud, "POST", "/v1/hooks/contact", &body.to_string()).await;
}

/// What is done to the cloud in the middle of the story.
#[derive(Clone, Copy, PartialEq)]
enum Loss {
    /// Nothing.
    None,
    /// What is outside of the table is lost, after the stream has been read.
    Outside,
    /// And what the stream has not delivered to its readers.
    StreamToo,
    /// And what it has not delivered to `effects`.
    Effects,
}

/// The story: signed up, at different times; one booked; the last action before the loss is in
/// progress.
struct Story {
    cloud: Cloud,
    begun: Instant,
}

impl Story {
    async fn begins(delivery: Delivery) -> Self {
        let cloud = Cloud::new(delivery).await;
        let begun = cloud.now();
        let field = json!({ "type": "datetime" }).to_string();
        call(&cloud, "PUT", "/v1/fields/appointment", &field).await;
        for (id, document) in [("loop", LOOP), ("watching", WATCHING)] {
            call(&cloud, "PUT", &format!("/v1/campaigns/{id}"), document).await;
            call(&cloud, "POST", &format!("/v1/campaigns/{id}/publish"), "{}").await;
        }
        Self { cloud, begun }
    }

    fn at(&self, minutes: i64) -> Instant {
        self.begun + TimeDelta::minutes(minutes)
    }

    /// Two hours, until a person signs up whose first message is queued.
    async fn goes_on(&mut self, loss: Loss) {
        post(&self.cloud, json!({ "email": PEOPLE[0], "tags": ["Lead"] })).await;
        self.cloud.advance(self.at(95)).await;
        // Within the delay of her restart: parked.
        post(&self.cloud, json!({ "email": PEOPLE[0], "tags": ["Again"] })).await;
        let booked = self.at(185).to_rfc3339();
        post(&self.cloud, json!({ "email": PEOPLE[1], "appointment": booked })).await;
        self.cloud.advance(self.at(100)).await;
        post(&self.cloud, json!({ "email": PEOPLE[2], "tags": ["Lead"] })).await;
        match loss {
            Loss::None | Loss::StreamToo => {}
            Loss::Effects => while self.cloud.stream("tag-change").await {},
            Loss::Outside => while self.stream_goes_on().await {},
        }
    }

    async fn stream_goes_on(&mut self) -> bool {
        let changed = self.cloud.stream("tag-change").await;
        self.cloud.stream("effects").await || changed
    }

    async fn reconcile(&self, asked: &Value) -> String {
        let path = "/v1/mass-actions/reconcile";
        let taken = call(&self.cloud, "POST", path, &asked.to_string()).await;
        taken["id"].as_str().unwrap().to_owned()
    }

    async fn ends(mut self) -> Value {
        self.cloud.advance(self.at(24 * 60)).await;
        self.outcome().await
    }

    /// Everything that people can see, without the ids of contacts, which are random.
    async fn outcome(&self) -> Value {
        let mut all = json!({});
        for person in PEOPLE {
            for what in ["messages", "history", "enrollments"] {
                let path = format!("/v1/contacts/email:{person}/{what}?limit=200");
                all[person][what] = call(&self.cloud, "GET", &path, "").await["items"].clone();
            }
        }
        for campaign in ["loop", "watching"] {
            let path = format!("/v1/campaigns/{campaign}/statistics");
            all[campaign] = call(&self.cloud, "GET", &path, "").await;
        }
        all["sent"] = json!(self.sent());
        let mut called = self.cloud.services.called();
        called.sort();
        all["called"] = json!(called);
        all
    }

    fn sent(&self) -> Vec<String> {
        let sent = self.cloud.services.sent();
        let mut sent: Vec<_> = sent.iter().map(|it| format!("{}: {}", it.to, it.subject)).collect();
        sent.sort();
        sent
    }

    /// The job is done, and reports for how many contacts.
    async fn done(&self, job: &str) -> Value {
        let path = format!("/v1/mass-actions/{job}");
        let job = call(&self.cloud, "GET", &path, "").await;
        assert_eq!((&job["status"], &job["failed"]), (&json!("completed"), &json!(0)), "{job:#}");
        job
    }
}

async fn undisturbed() -> Value {
    let mut story = Story::begins(Delivery::Once).await;
    story.goes_on(Loss::None).await;
    let whole = story.ends().await;
    let sent = whole["sent"].as_array().unwrap();
    for subject in ["Hello 2", "Third 1", "Reminder 1", "Watching"] {
        let comes = |line: &Value| line.as_str().unwrap().ends_with(subject);
        assert!(sent.iter().any(comes), "{subject}: {sent:#?}");
    }
    whole
}

fn compare(whole: &Value, other: &Value, what: &str) {
    for (name, value) in whole.as_object().unwrap() {
        assert_eq!(&other[name], value, "{what}: {name}");
    }
}

#[tokio::test]
async fn what_queues_and_schedules_held_is_ordered_again_and_nothing_twice() {
    let whole = undisturbed().await;
    for seed in 0..4 {
        let delivery = if seed == 0 { Delivery::Once } else { Delivery::Twice(seed) };
        let mut story = Story::begins(delivery).await;
        story.goes_on(Loss::Outside).await;
        let waiting = |queue| story.cloud.services.waiting(queue).len();
        assert!(waiting(Queue::Transactional) > 0 && waiting(Queue::Calls) > 0, "on their way");
        assert!(!story.cloud.services.scheduled().is_empty(), "timers are set");
        story.cloud.loses_all_but_the_table().await;
        let job = story.reconcile(&json!({})).await;
        if seed > 1 {
            // Once more, before anything of it was done, and afterwards.
            story.reconcile(&json!({})).await;
            story.cloud.advance(story.at(110)).await;
            story.reconcile(&json!({})).await;
        }
        story.cloud.advance(story.at(115)).await;
        let job = story.done(&job).await;
        assert_eq!((&job["kind"], &job["done"]), (&json!("reconcile"), &json!(3)), "{job:#}");
        compare(&whole, &story.ends().await, &format!("seed {seed}"));
    }
}

#[tokio::test]
async fn without_it_nobody_goes_on() {
    let mut story = Story::begins(Delivery::Once).await;
    story.goes_on(Loss::Outside).await;
    story.cloud.loses_all_but_the_table().await;
    let sent = story.sent();
    assert_eq!(story.ends().await["sent"], json!(sent));
}

#[tokio::test]
async fn what_the_stream_had_not_brought_is_brought_after_a_restore() {
    let whole = undisturbed().await;
    for loss in [Loss::StreamToo, Loss::Effects] {
        for seed in 0..3 {
            let delivery = if seed == 0 { Delivery::Once } else { Delivery::Twice(seed) };
            let mut story = Story::begins(delivery).await;
            story.goes_on(loss).await;
            story.cloud.loses_all_but_the_table().await;
            let asked = json!({ "restored_to": story.cloud.now().to_rfc3339() });
            let job = story.reconcile(&asked).await;
            story.cloud.advance(story.at(110)).await;
            story.done(&job).await;
            compare(&whole, &story.ends().await, &format!("seed {seed}"));
        }
    }
}

/// R30. The table was restored to an instant two hours before the mail stopped: what left in
/// between is not in the ledger.
#[tokio::test]
async fn r30_what_may_have_been_sent_after_the_restore_point_is_unknown_and_not_sent_again() {
    let stopped = 240;
    let mut before = Story::begins(Delivery::Once).await;
    before.goes_on(Loss::None).await;
    before.cloud.advance(before.at(100)).await;
    let until_restore_point = before.sent();
    let called_until_restore_point = before.cloud.services.called();
    before.cloud.advance(before.at(stopped)).await;
    let until_stop = before.sent();
    let called_until_stop = before.cloud.services.called();
    let whole = before.ends().await;

    let mut story = Story::begins(Delivery::Once).await;
    story.goes_on(Loss::None).await;
    story.cloud.advance(story.at(100)).await;
    story.cloud.loses_all_but_the_table().await;
    let (restored_to, sent_until) = (story.at(100), story.at(stopped));
    // It is noticed late.
    story.cloud.begins(story.at(stopped + 30));
    let asked = json!({
        "restored_to": restored_to.to_rfc3339(), "sent_until": sent_until.to_rfc3339()
    });
    let job = story.reconcile(&asked).await;
    story.cloud.advance(story.at(stopped + 40)).await;
    let job = story.done(&job).await;
    assert_eq!(job["sent_until"], sent_until.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    let restored = story.ends().await;

    let list = |all: &Value, name: &str| -> Vec<String> {
        let lines = all[name].as_array().unwrap().iter();
        lines.map(|line| line.as_str().unwrap().to_owned()).collect()
    };
    let mut expected = until_restore_point.clone();
    expected.extend(missing(&list(&whole, "sent"), &until_stop));
    expected.sort();
    let sent = list(&restored, "sent");
    assert_eq!(sent, expected, "sent until the restore point, and after the stop");
    // Webhooks, too: their keys contain contacts' ids, which are the same in both stories.
    let mut expected = called_until_restore_point.clone();
    expected.extend(missing(&list(&whole, "called"), &called_until_stop));
    expected.sort();
    assert_eq!(list(&restored, "called"), expected);
    assert!(called_until_stop.len() > called_until_restore_point.len());
    let assumed = missing(&until_stop, &until_restore_point);
    assert!(!assumed.is_empty());
    let mut unknown = 0;
    for person in PEOPLE {
        let steps = |all: &Value, unknown: bool| {
            let messages = all[person]["messages"].as_array().unwrap().clone();
            let messages = messages.into_iter().filter(|it| !unknown || it["status"] == "unknown");
            let steps = messages.map(|it| (it["run"].clone(), it["element"].clone()));
            steps.collect::<Vec<_>>()
        };
        assert_eq!(steps(&restored, false), steps(&whole, false), "{person} goes the same way");
        unknown += steps(&restored, true).len();
    }
    assert_eq!(unknown, assumed.len(), "each of {assumed:?}");
}

/// What one list has that another does not have.
fn missing(all: &[String], some: &[String]) -> Vec<String> {
    let mut rest = some.to_vec();
    let mut more = Vec::new();
    for line in all {
        match rest.iter().position(|one| one == line) {
            Some(place) => drop(rest.remove(place)),
            None => more.push(line.clone()),
        }
    }
    more
}

/// On DynamoDB Local, with the handler of *stop-campaign*: what was ordered is ordered again from
/// the table alone.
#[tokio::test]
async fn on_dynamodb_what_was_ordered_is_ordered_again() {
    let emulator = Emulator::dynamodb_local().await;
    let client = emulator.clients().dynamodb();
    create(&client, "restored").await;
    let bench = TestBench::on(Arc::new(DynamoTable::new(client, "restored")));
    let platform = &bench.platform;
    let id = CampaignId::new("loop").unwrap();
    platform
        .catalog
        .change(|catalog| {
            let field = FieldDefinition { kind: FieldType::Datetime, label: None };
            catalog.declare(&FieldKey::new("appointment").unwrap(), field).unwrap();
            Ok::<_, Error>(((), Vec::new()))
        })
        .await
        .unwrap();
    platform.campaigns.put_draft(&id, LOOP, "test", &OnlyIf::default()).await.unwrap();
    platform.campaigns.publish(&id, Publish::default(), "test", alone).await.unwrap();
    let by = Author::ApiKey("test".to_owned());
    for person in PEOPLE {
        let patch = Patch { add: vec![Tag::new("Lead").unwrap()], ..Patch::default() };
        let none = &dacapo_platform::contacts::alone;
        let written = platform.contacts.upsert(person, &patch, &by, none).await.unwrap();
        let (contact, table) = (&written.contact.id, &platform.store.table);
        let key = platform.store.keys.contact(contact);
        let new = table.get(&key, Consistency::Strong).await.unwrap();
        platform.contact_changes.handle(&ContactImage { old: None, new }).await.unwrap();
        let key = platform.store.keys.enrollment(contact, &id);
        let new = table.get(&key, Consistency::Strong).await.unwrap();
        let image = EnrollmentImage { key, old: None, new };
        platform.effects.perform_all(&[image]).await.unwrap();
    }
    let names = |orders: &[Order]| -> BTreeSet<String> {
        let texts = orders.iter().filter_map(|order| match order {
            Order::Send { queue: Queue::Jobs, .. } => None,
            Order::Send { queue, message, .. } => Some(format!("{queue:?} {message:?}")),
            Order::Schedule { name, .. } => Some(name.clone()),
            Order::Cancel { .. } => None,
        });
        texts.collect()
    };
    let ordered = names(&bench.outbox.take());
    assert_eq!(ordered.len(), 2 * PEOPLE.len(), "a message and a call for each: {ordered:?}");

    // All of it is lost.
    let router = calls_router(platform.clone(), Some(AdminKey::of(KEY)));
    let headers = [("x-api-key", KEY), ("content-type", "application/json")];
    let asked = http("POST", "/v1/mass-actions/reconcile", &headers, "{}");
    let answer = dacapo_aws::functions::http::answer(&router, &asked).await.unwrap();
    assert_eq!(answer["statusCode"], 202, "{answer}");
    let mut again = BTreeSet::new();
    let mut orders = bench.outbox.take();
    while let Some(order) = orders.pop() {
        again.extend(names(std::slice::from_ref(&order)));
        let Order::Send { queue: Queue::Jobs, at, message: job_step } = order else { continue };
        bench.clock.set(at.max(platform.store.now()));
        // A job step that waits for its lists is hidden; then they are up to date.
        for attempt in 1.. {
            let event = batch(vec![message("m", "stop", attempt, &job_step)]);
            let queues = QueueFunction {
                platform,
                hide: &Hiding,
                function: dacapo_aws::settings::Function::StopCampaign,
            };
            let failed = failed(&queues.job_steps(&event).await.unwrap());
            if failed.is_empty() {
                break;
            }
            assert!(attempt < 10, "{job_step:?} never ends");
            bench.clock.advance(150);
        }
        orders.extend(bench.outbox.take());
    }
    assert_eq!(again, ordered);
}

/// Records nothing: the test waits by itself.
struct Hiding;

#[async_trait::async_trait]
impl Hide for Hiding {
    async fn hide(&self, _: Vec<Hidden>) -> Result<(), Unavailable> {
        Ok(())
    }
}

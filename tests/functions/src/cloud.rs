//! A small imitation of the cloud around the handlers: a table with its stream, queues that hide
//! messages, schedules that fire a minute early, a mail service.
//!
//! Only what is between the functions is imitated. The handlers are those that are deployed, and
//! receive events as AWS delivers them. On demand every batch of the stream and every message is
//! delivered twice, and work of different contacts in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;
use dacapo_aws::functions::queue::QueueFunction;
use dacapo_aws::functions::unsupported_port::UnsupportedPort;
use dacapo_aws::functions::{READING, http, stream};
use dacapo_aws::settings::Function;
use dacapo_embedded::{Operation, SqliteStore};
use dacapo_engine::ids::AccountId;
use dacapo_platform::Instant;
use dacapo_platform::api::{AdminKey, calls_router, hooks_router};
use dacapo_platform::keys::is_fed;
use dacapo_platform::platform::{Platform, Ports};
use dacapo_platform::ports::{Clock as _, Queue};
use dacapo_platform::table::Key;
use dacapo_tests::kit::{CountingEntropy, ManualClock, PseudoRandom};
use serde_json::Value;

use crate::events;
use crate::fake_services::{FakeServices, QueuesOnly, Waiting};

/// The key that has all scopes.
pub const KEY: &str = "key";

/// How often work is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Once, in order.
    Once,
    /// Twice, and in an order that depends on the seed wherever none is promised.
    Twice(u64),
}

/// The cloud.
pub struct Cloud {
    /// The platform behind all functions.
    pub platform: Platform,
    /// The content of queues and schedules, and the mail that was sent.
    pub services: Arc<FakeServices>,
    store: Arc<SqliteStore>,
    clock: Arc<ManualClock>,
    delivery: Delivery,
    pseudo_random: PseudoRandom,
}

impl Cloud {
    /// An empty account, at noon of 1 December 2026.
    pub async fn new(delivery: Delivery) -> Self {
        let store = SqliteStore::open(None, is_fed).expect("a store");
        for consumer in ["tag-change", "effects"] {
            let register = Operation::Checkpoint { consumer: consumer.to_owned(), seq: 0 };
            store.commit(vec![register]).await.expect("a consumer");
        }
        let clock = Arc::new(ManualClock::at_noon());
        let twice = delivery != Delivery::Once;
        let services = Arc::new(FakeServices::new(Arc::clone(&clock), twice));
        let ports = Ports {
            table: Arc::clone(&store) as _,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(CountingEntropy::default()),
            outbox: Arc::clone(&services) as _,
            mailer: Arc::clone(&services) as _,
            caller: Arc::clone(&services) as _,
        };
        let account = AccountId::new("main").expect("an id");
        let mut platform = Platform::new(account, ports, "https://dacapo.example".to_owned());
        platform = platform.with(|setup| setup.reading = READING);
        let pseudo_random = PseudoRandom::new(match delivery {
            Delivery::Once => 0,
            Delivery::Twice(seed) => seed,
        });
        Self { platform, services, store, clock, delivery, pseudo_random }
    }

    /// The platform as a function has it: with the ports that it is given on AWS, and no others.
    fn of(&self, function: Function) -> Platform {
        self.platform.with(|setup| {
            if function.orders().is_empty() {
                setup.ports.outbox = Arc::new(UnsupportedPort);
            } else if !function.sets_timers() {
                setup.ports.outbox = Arc::new(QueuesOnly(Arc::clone(&self.services)));
            }
            if function != Function::Deliver {
                setup.ports.mailer = Arc::new(UnsupportedPort);
                setup.ports.caller = Arc::new(UnsupportedPort);
            }
        })
    }

    /// What the rule does that calls `api` every five minutes.
    pub async fn rule_calls_api(&self) {
        let platform = self.of(Function::Api);
        let router = calls_router(platform.clone(), Some(AdminKey::of(KEY)));
        let event = serde_json::json!({ "source": "aws.events" });
        http::api(&platform, &router, &event).await.expect("it is done");
    }

    /// Calls the API, as the gateway does. Returns the status and the body.
    pub async fn call(&self, method: &str, path: &str, body: &str) -> (u64, Value) {
        let kind = if body.starts_with('{') { "application/json" } else { "application/yaml" };
        let event = events::http(method, path, &[("x-api-key", KEY), ("content-type", kind)], body);
        let answer = self.answer(&event).await;
        let body = answer["body"].as_str().unwrap_or_default();
        let status = answer["statusCode"].as_u64().unwrap_or(0);
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// What the function returns to Lambda for a call.
    pub async fn answer(&self, event: &Value) -> Value {
        let path = event["rawPath"].as_str().unwrap_or_default();
        let admin = Some(AdminKey::of(KEY));
        let router = if path.starts_with("/v1/hooks/") || path.starts_with("/v1/in/") {
            hooks_router(self.of(Function::Webhook), admin)
        } else {
            calls_router(self.of(Function::Api), admin)
        };
        http::answer(&router, event).await.expect("an answer")
    }

    /// Sets the clock without firing what becomes due: before anything has happened.
    pub fn begins(&self, at: Instant) {
        self.set(at);
    }

    /// The records that the stream has for a consumer, if any.
    pub fn unread(&self, consumer: &str) -> Vec<Value> {
        let changes = self.store.read_feed(consumer, 100).expect("the feed");
        let wanted = changes
            .iter()
            .filter(|change| is_of_a_subject(&change.key) == (consumer == "tag-change"));
        let records = wanted.map(|change| {
            events::record(change.seq, &change.key, change.old.as_ref(), change.new.as_ref())
        });
        records.collect()
    }

    /// Moves the clock, and does what becomes due meanwhile.
    pub async fn advance(&mut self, to: Instant) {
        self.until_idle().await;
        while let Some(next) = self.next_due().filter(|next| *next <= to) {
            self.set(next);
            self.until_idle().await;
        }
        self.set(to.max(self.now()));
        self.until_idle().await;
    }

    /// Only the table is left: queues, schedules and undelivered changes of the stream are lost.
    pub async fn loses_all_but_the_table(&self) {
        {
            let mut held = self.services.inside();
            held.waiting.clear();
            held.schedules.clear();
        }
        let seq = self.store.last_change().expect("the feed");
        for consumer in ["tag-change", "effects"] {
            let read = Operation::Checkpoint { consumer: consumer.to_owned(), seq };
            self.store.commit(vec![read]).await.expect("a checkpoint");
        }
    }

    /// Now.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    fn set(&self, to: Instant) {
        self.clock.set(to);
    }

    fn next_due(&self) -> Option<Instant> {
        let held = self.services.inside();
        let waiting = held.waiting.iter().map(|waiting| waiting.visible_at);
        let next = waiting.chain(held.schedules.values().map(|(at, _)| *at)).min();
        next.map(|next| next.max(self.now()))
    }

    /// Works until stream and queues have no work for now.
    pub async fn until_idle(&mut self) {
        loop {
            self.fire();
            let mut sources = ["tag-change", "effects", "queues"];
            if self.delivery != Delivery::Once {
                self.pseudo_random.shuffle(&mut sources);
            }
            let mut worked = false;
            for source in sources {
                worked |= match source {
                    "queues" => self.queues().await,
                    consumer => self.stream(consumer).await,
                };
            }
            if !worked {
                return;
            }
        }
    }

    /// Due schedules put their messages into the queue, and are removed.
    fn fire(&self) {
        let now = self.now();
        let mut held = self.services.inside();
        let due: Vec<_> = held.schedules.extract_if(.., |_, (at, _)| *at <= now).collect();
        for (_, (_, message)) in due {
            held.put(Queue::Timers, message, now);
        }
    }

    /// Handles a batch of the stream. Returns whether there was one.
    pub async fn stream(&mut self, consumer: &str) -> bool {
        let twice = self.delivery != Delivery::Once;
        let most = if twice { 1 + self.pseudo_random.index(12) } else { 10 };
        let changes = self.store.read_feed(consumer, most).expect("the feed");
        let Some(last) = changes.last().map(|change| change.seq) else { return false };
        let mut by_key: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut key_of = Vec::new();
        for change in &changes {
            // The mappings' filters.
            if is_of_a_subject(&change.key) == (consumer == "tag-change") {
                let record = events::record(
                    change.seq,
                    &change.key,
                    change.old.as_ref(),
                    change.new.as_ref(),
                );
                by_key.entry(change.key.pk.clone()).or_default().push(record);
                key_of.push(change.key.pk.clone());
            }
        }
        for _ in 0..if twice { 2 } else { 1 } {
            if twice {
                self.pseudo_random.shuffle(&mut key_of);
            }
            let mut open: BTreeMap<&String, std::slice::Iter<'_, Value>> = by_key
                .iter()
                .map(|(ordering_key, records)| (ordering_key, records.iter()))
                .collect();
            let records = key_of
                .iter()
                .filter_map(|ordering_key| open.get_mut(ordering_key)?.next().cloned());
            let event = events::batch(records.collect());
            let answer = match consumer {
                "tag-change" => stream::tag_change(&self.of(Function::TagChange), &event).await,
                _ => {
                    let platform = self.of(Function::Effects);
                    stream::EffectsFunction::of(&platform).perform(&event).await
                }
            };
            let failed = events::failed(&answer.expect("a batch"));
            assert_eq!(failed, [] as [String; 0], "{consumer} failed");
        }
        let checkpoint = Operation::Checkpoint { consumer: consumer.to_owned(), seq: last };
        self.store.commit(vec![checkpoint]).await.expect("a checkpoint");
        true
    }

    /// Handles a batch of messages. Returns whether there was one.
    pub async fn queues(&mut self) -> bool {
        let mut taken = {
            let held = self.services.inside();
            let visible = held.waiting.iter().filter(|waiting| waiting.visible_at <= self.now());
            visible.cloned().collect::<Vec<_>>()
        };
        if self.delivery != Delivery::Once {
            self.pseudo_random.shuffle(&mut taken);
        }
        // A batch comes from one queue.
        let Some(queue) = taken.first().map(|waiting| waiting.queue) else { return false };
        taken.retain(|waiting| waiting.queue == queue);
        taken.truncate(10);
        let records = taken.iter().map(|waiting| {
            events::message(&waiting.id, queue.name(), waiting.attempt + 1, &waiting.body)
        });
        let event = events::batch(records.collect());
        let function = match queue {
            Queue::Timers => Function::Timer,
            Queue::Transactional | Queue::Marketing | Queue::Calls => Function::Deliver,
            Queue::Jobs => Function::StopCampaign,
        };
        let (platform, hide) = (&self.of(function), &*self.services);
        let of = QueueFunction { platform, hide, function };
        let answer = match queue {
            Queue::Timers => of.timers(&event).await,
            Queue::Transactional | Queue::Marketing | Queue::Calls => {
                of.deliveries(&event, None).await
            }
            Queue::Jobs => of.job_steps(&event).await,
        };
        let stay: BTreeSet<String> =
            events::failed(&answer.expect("a batch")).into_iter().collect();
        self.settle(&taken, &stay);
        true
    }

    /// Done messages are removed, or delivered once more; the others are hidden.
    fn settle(&self, taken: &[Waiting], stay: &BTreeSet<String>) {
        let hidden = self.services.hidden();
        let now = self.now();
        let mut held = self.services.inside();
        for Waiting { id, .. } in taken {
            let Some(at) = held.waiting.iter().position(|waiting| waiting.id == *id) else {
                continue;
            };
            let receipt = format!("receipt-{id}");
            let seconds = hidden.iter().find(|one| one.receipt == receipt).map(|one| one.seconds);
            let waiting = &mut held.waiting[at];
            waiting.attempt += 1;
            if stay.contains(id) {
                let seconds = i64::from(seconds.expect("what stays is hidden"));
                waiting.visible_at = now + TimeDelta::seconds(seconds);
                continue;
            }
            assert_eq!(seconds, None, "what is done is not hidden");
            if std::mem::take(&mut waiting.again) {
                waiting.visible_at = now;
            } else {
                held.waiting.remove(at);
            }
        }
    }
}

/// Whether the item is a contact or an object: `tag-change` receives those.
fn is_of_a_subject(key: &Key) -> bool {
    key.sk == "CONTACT" || key.sk.starts_with("O#")
}

//! Effects that timers or queues do not accept, or that cannot be performed, do not delay other
//! contacts. Tested with the deployed handler of `effects`, and SQS and Scheduler of an emulator,
//! the latter behind a proxy that makes it fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::types::QueueAttributeName;
use chrono::TimeDelta;
use dacapo_aws::functions::queue::QueueFunction;
use dacapo_aws::functions::stream::EffectsFunction;
use dacapo_aws::outbox::AwsOutbox;
use dacapo_aws::settings::Schedules;
use dacapo_engine::ids::ContactId;
use dacapo_functions_tests::cloud::{Cloud, Delivery};
use dacapo_functions_tests::events::{batch, failed, message};
use dacapo_functions_tests::scheduler_proxy::{Scheduler, SchedulerProxy};
use dacapo_functions_tests::stack::{GROUP, Stack};
use dacapo_platform::dead_letters::DeadLetterBody;
use dacapo_platform::keys::Keys;
use dacapo_platform::platform::Platform;
use dacapo_platform::ports::{PendingTimer, Queue, QueueMessage};
use dacapo_platform::table::{Consistency, Item, Key, Query, QueryPage, Table, TableError, Write};
use serde_json::{Value, json};

/// One change starts all of it: a webhook, a mail, and a timer.
const TRIP: &str = r#"
id: trip
sender: { address: sender@example.com }
fields: { appointment: { type: datetime, label: Appointment } }
elements:
  go: { type: start, when: { tag: Go }, next: tell }
  tell: { type: webhook, url: "https://hooks.example/lead", next: hello }
  hello: { type: email, email: hello }
  booked: { type: event, on: { field_set: appointment }, next: before }
  before: { type: date_timer, field: appointment, offset: -1 hour, next: reminder }
  reminder: { type: email, email: hello }
emails:
  hello: { purpose: transactional, subject: Hello, text: Hello }
"#;

/// A century ahead: no emulator reaches it.
const FAR: &str = "2126-01-07T14:00:00Z";

/// A campaign and its contacts, with the queues and the Scheduler of an emulator.
struct Trip {
    stack: Stack,
    proxy: SchedulerProxy,
    cloud: Cloud,
    /// Like that of the cloud, but for its outbox.
    platform: Platform,
}

impl Trip {
    async fn begins() -> Self {
        let stack = Stack::start().await;
        let proxy = SchedulerProxy::before(stack.port()).await;
        let cloud = Cloud::new(Delivery::Once).await;
        cloud.call("PUT", "/v1/campaigns/trip", TRIP).await;
        let (status, answer) = cloud.call("POST", "/v1/campaigns/trip/publish", "{}").await;
        assert_eq!(status, 200, "{answer}");
        let arn = |queue: &str| format!("arn:aws:sqs:us-east-1:000000000000:{queue}");
        let schedules = Schedules {
            target: arn("timers"),
            group: GROUP.to_owned(),
            role: "arn:aws:iam::000000000000:role/scheduler".to_owned(),
            dead_letters: arn("schedules-dead"),
        };
        let mut queues = Vec::new();
        for queue in Queue::ALL {
            // The queue of mass actions is named after their most frequent action.
            let name = if queue == Queue::Jobs { "stop" } else { queue.name() };
            queues.push((queue, stack.url(name).await));
        }
        let clients = proxy.clients();
        let clock = Arc::clone(&cloud.platform.store.clock);
        let outbox = AwsOutbox::new(clients.sqs(), queues, clock)
            .with_timers(clients.scheduler(), schedules);
        let mut platform = cloud.platform.clone();
        platform = platform.with(|setup| setup.ports.outbox = Arc::new(outbox));
        Self { stack, proxy, cloud, platform }
    }

    /// Creates a contact with an appointment. Returns its id and the records of its decision.
    async fn comes(&mut self, name: &str, appointment: &str) -> (ContactId, Vec<Value>) {
        let before = self.cloud.unread("effects").len();
        let email = format!("{name}@example.com");
        let body = json!({ "email": email, "tags": ["Go"], "appointment": appointment });
        let (status, answer) =
            self.cloud.call("POST", "/v1/hooks/contact", &body.to_string()).await;
        assert_eq!(status, 200, "{answer}");
        while self.cloud.stream("tag-change").await {}
        let decided = self.cloud.unread("effects").split_off(before);
        assert!(!decided.is_empty(), "{name}: nothing was decided");
        (ContactId::new(answer["contact_id"].as_str().unwrap()).unwrap(), decided)
    }

    /// The contacts whose messages a queue holds; the messages are removed.
    async fn taken(&self, queue: &str) -> Vec<ContactId> {
        let mut contacts = Vec::new();
        loop {
            let taken = self.stack.taken(queue).await;
            if taken.is_empty() {
                contacts.sort();
                return contacts;
            }
            contacts.extend(taken.iter().map(|body| {
                let message: QueueMessage = serde_json::from_str(body).unwrap();
                message.about().0.unwrap().clone()
            }));
        }
    }

    /// The pending timers since the last time. Their queue delays them for half a minute.
    fn pending(&self) -> Vec<QueueMessage> {
        let taken = self.proxy.taken("stop");
        taken.iter().map(|body| serde_json::from_str(body).unwrap()).collect()
    }

    /// How many messages a queue delays.
    async fn held_back(&self, queue: &str) -> String {
        let url = self.stack.url(queue).await;
        let asked = self.stack.clients.sqs();
        let name = QueueAttributeName::ApproximateNumberOfMessagesDelayed;
        let asked = asked.get_queue_attributes().queue_url(url).attribute_names(name.clone());
        asked.send().await.unwrap().attributes.unwrap().remove(&name).unwrap()
    }

    /// The inputs of the schedules that there are.
    async fn schedules(&self) -> Vec<String> {
        let scheduler = self.stack.clients.scheduler();
        let listed = scheduler.list_schedules().group_name(GROUP).send().await.unwrap();
        let mut inputs = Vec::new();
        for one in listed.schedules {
            let name = one.name.unwrap();
            let one = scheduler.get_schedule().group_name(GROUP).name(name).send().await.unwrap();
            inputs.push(one.target.unwrap().input.unwrap());
        }
        inputs
    }

    /// How many timers are set for each of these contacts.
    async fn timers(&self, contacts: &[&ContactId]) -> Vec<usize> {
        let inputs = self.schedules().await;
        let of = |contact: &&ContactId| {
            inputs.iter().filter(|input| input.contains(contact.as_str())).count()
        };
        contacts.iter().map(of).collect()
    }

    async fn dead_letters(&self) -> Vec<DeadLetterBody> {
        let pk = self.platform.store.keys.dead_letter("x").pk;
        let page = self.platform.store.table.query(Query::of(&pk).strong()).await.unwrap();
        page.items.iter().map(|item| item.body.read().unwrap()).collect()
    }

    /// Passes messages to `stop-campaign`. Returns those that stay.
    async fn works_off(&self, messages: &[QueueMessage], attempt: u32) -> Vec<String> {
        let named =
            |(nth, one): (usize, &QueueMessage)| message(&format!("m{nth}"), "stop", attempt, one);
        let event = batch(messages.iter().enumerate().map(named).collect());
        let queues = QueueFunction {
            platform: &self.platform,
            hide: &*self.cloud.services,
            function: dacapo_aws::settings::Function::StopCampaign,
        };
        failed(&queues.job_steps(&event).await.unwrap())
    }
}

async fn perform(effects: &EffectsFunction<'_>, records: &[Value]) -> Vec<String> {
    failed(&effects.perform(&batch(records.to_vec())).await.unwrap())
}

const NOTHING: [String; 0] = [];

#[tokio::test]
async fn a_timer_that_is_refused_permanently_is_a_dead_letter_and_everybody_else_is_served() {
    let mut trip = Trip::begins().await;
    let mut records = Vec::new();
    let mut contacts = Vec::new();
    for name in ["ann", "ben", "cem"] {
        let (contact, decided) = trip.comes(name, FAR).await;
        contacts.push(contact);
        records.extend(decided);
    }
    let [ann, ben, cem] = &contacts[..] else { panic!("{contacts:?}") };
    trip.proxy.scheduler(Scheduler::Refuses(ben.to_string()));
    let effects = EffectsFunction::of(&trip.platform);
    assert_eq!(perform(&effects, &records).await, NOTHING, "the stream goes on");
    for queue in ["transactional", "calls"] {
        let mut served = trip.taken(queue).await;
        served.dedup();
        let mut all = contacts.clone();
        all.sort();
        assert_eq!(served, all, "{queue}");
    }
    assert_eq!(trip.timers(&[ann, ben, cem]).await, [1, 0, 1]);
    // Once, however often it is delivered; with the reason, and where it is.
    assert_eq!(perform(&EffectsFunction::of(&trip.platform), &records).await, NOTHING);
    let dead_letters = trip.dead_letters().await;
    let [dead_letter] = &dead_letters[..] else { panic!("{dead_letters:?}") };
    assert_eq!(dead_letter.by, "effects");
    let whose = format!("of contact {ben} in campaign trip");
    for words in [whose.as_str(), "ValidationException", "the timer t-", "2126-01-07T13:00:00Z"] {
        assert!(dead_letter.why.contains(words), "{words}: {}", dead_letter.why);
    }
    assert!(!dead_letter.why.contains('@'), "{}", dead_letter.why);
    // It is the record itself: delivered again after the cause is fixed, it sets the timer.
    trip.proxy.scheduler(Scheduler::Works);
    let again: Value = serde_json::from_str(&dead_letter.raw).unwrap();
    assert_eq!(perform(&effects, &[again]).await, NOTHING);
    assert_eq!(trip.timers(&[ann, ben, cem]).await, [1, 1, 1]);
}

#[tokio::test]
async fn while_the_scheduler_is_down_queues_are_served_and_timers_wait_until_it_is_back() {
    let mut trip = Trip::begins().await;
    let (ann, of_ann) = trip.comes("ann", FAR).await;
    let (ben, of_ben) = trip.comes("ben", FAR).await;
    trip.proxy.scheduler(Scheduler::IsDown);
    let platform = trip.platform.clone();
    let effects = EffectsFunction::of(&platform);
    assert_eq!(perform(&effects, &[of_ann, of_ben].concat()).await, NOTHING);
    let mut both = vec![ann.clone(), ben.clone()];
    both.sort();
    assert_eq!(trip.taken("transactional").await, both);
    assert_eq!(trip.taken("calls").await, both);
    let mut pending = trip.pending();
    assert_eq!(pending.len(), 2, "{pending:?}");
    assert_eq!(trip.held_back("stop").await, "2");

    // What follows them does not wait either, and the Scheduler is not called for a while.
    let asked = trip.proxy.asked();
    let (cem, of_cem) = trip.comes("cem", FAR).await;
    assert_eq!(perform(&effects, &of_cem).await, NOTHING);
    assert_eq!(trip.taken("transactional").await, std::slice::from_ref(&cem));
    assert_eq!(trip.proxy.asked(), asked);
    pending.extend(trip.pending());

    // The appointment is moved: the old timer is not cancelled, the new one is pending.
    let (_, moved) = trip.comes("ann", "2126-02-07T14:00:00Z").await;
    assert_eq!(perform(&effects, &moved).await, NOTHING);
    pending.extend(trip.pending());
    let names: BTreeSet<&str> = pending
        .iter()
        .map(|message| match message {
            QueueMessage::Timer(PendingTimer { name, .. }) => name.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names.len(), 4, "{pending:?}");

    // As long as it is down they stay, hidden for longer and longer.
    for (attempt, least) in [(1, 2), (3, 8), (9, 300), (150, 300)] {
        assert_eq!(trip.works_off(&pending, attempt).await.len(), pending.len());
        let hidden = trip.cloud.services.hidden();
        let is_meant = |seconds: i32| (least..=2 * least).contains(&seconds);
        assert!(hidden.iter().all(|one| is_meant(one.seconds)), "{attempt}: {hidden:?}");
    }
    assert_eq!(trip.schedules().await.len(), 0);
    trip.proxy.scheduler(Scheduler::Works);
    trip.cloud.begins(trip.cloud.now() + TimeDelta::seconds(16));
    assert_eq!(trip.works_off(&pending, 7).await, NOTHING);
    assert_eq!(trip.timers(&[&ann, &ben, &cem]).await, [2, 1, 1]);
    assert_eq!(trip.dead_letters().await.len(), 0);
}

#[tokio::test]
async fn what_is_due_soon_goes_without_the_scheduler() {
    let mut trip = Trip::begins().await;
    trip.proxy.scheduler(Scheduler::IsDown);
    let appointment =
        |minutes: i64| (trip.cloud.now() + TimeDelta::minutes(60 + minutes)).to_rfc3339();
    let (soon, later) = (appointment(14), appointment(16));
    let (_, decided) = trip.comes("ann", &soon).await;
    let (ben, of_ben) = trip.comes("ben", &later).await;
    let effects = EffectsFunction::of(&trip.platform);
    assert_eq!(perform(&effects, &[decided, of_ben].concat()).await, NOTHING);
    assert_eq!(trip.held_back("timers").await, "1", "the queue holds it back by itself");
    let pending = trip.pending();
    assert_eq!(pending.len(), 1, "{pending:?}");
    assert_eq!(pending[0].about().0, Some(&ben));
    // Two minutes later the queue can delay this one, too.
    trip.cloud.begins(trip.cloud.now() + TimeDelta::minutes(2));
    assert_eq!(trip.works_off(&pending, 2).await, NOTHING);
    assert_eq!(trip.held_back("timers").await, "2");
    assert_eq!(trip.schedules().await.len(), 0);
}

#[tokio::test]
async fn a_scheduler_that_never_answers_keeps_no_message_waiting() {
    let mut trip = Trip::begins().await;
    let mut records = Vec::new();
    // More of them than parallel requests.
    for nth in 0..20 {
        records.extend(trip.comes(&format!("p{nth}"), FAR).await.1);
    }
    trip.proxy.scheduler(Scheduler::IsSilent);
    let effects = EffectsFunction::of(&trip.platform);
    let performed = perform(&effects, &records);
    let arrived = async {
        let mut arrived = 0;
        while arrived < 40 {
            arrived += trip.proxy.taken("transactional").len() + trip.proxy.taken("calls").len();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::pin!(performed);
    tokio::select! {
        biased;
        () = arrived => {}
        failed = &mut performed => panic!("it was over before all had arrived: {failed:?}"),
    }
    let performed = tokio::time::timeout(Duration::from_secs(20), performed).await;
    assert_eq!(performed.expect("it ends by itself"), NOTHING);
    assert_eq!(trip.taken("transactional").await.len(), 20);
    assert_eq!(trip.pending().len(), 20);
}

/// A table that refuses writes that name something.
struct Throttled {
    table: Arc<dyn Table>,
    what: Mutex<Option<String>>,
}

impl Throttled {
    fn throttles(&self, what: Option<&str>) {
        *self.what.lock().unwrap_or_else(PoisonError::into_inner) = what.map(str::to_owned);
    }
}

#[async_trait]
impl Table for Throttled {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, TableError> {
        self.table.get(key, consistency).await
    }

    async fn get_many(
        &self,
        keys: &[Key],
        consistency: Consistency,
    ) -> Result<Vec<Option<Item>>, TableError> {
        self.table.get_many(keys, consistency).await
    }

    async fn query(&self, query: Query<'_>) -> Result<QueryPage<Item>, TableError> {
        self.table.query(query).await
    }

    async fn query_index(&self, query: Query<'_>) -> Result<QueryPage<(Key, Key)>, TableError> {
        self.table.query_index(query).await
    }

    async fn write(&self, writes: Vec<Write>, token: Option<&str>) -> Result<(), TableError> {
        let what = self.what.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if what
            .is_some_and(|what| writes.iter().any(|write| write.key().to_string().contains(&what)))
        {
            return Err(TableError::Throttled);
        }
        self.table.write(writes, token).await
    }
}

#[tokio::test]
async fn an_effect_that_fails_keeps_back_its_own_contact_and_nobody_else() {
    let mut trip = Trip::begins().await;
    let (ann, of_ann) = trip.comes("ann", FAR).await;
    let (ben, of_ben) = trip.comes("ben", FAR).await;
    let (_, moved) = trip.comes("ben", "2126-02-07T14:00:00Z").await;
    let (cem, of_cem) = trip.comes("cem", FAR).await;
    let records = [of_ann, of_ben.clone(), moved.clone(), of_cem].concat();
    let number = |record: &Value| record["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned();
    let of_ben: Vec<String> = of_ben.iter().chain(&moved).map(number).collect();
    let table = Arc::clone(&trip.platform.store.table);
    let throttled = Arc::new(Throttled { table, what: Mutex::default() });
    trip.platform = trip.platform.with(|setup| setup.ports.table = Arc::clone(&throttled) as _);
    // First writes to the ledger of calls about ben are refused, then all writes about him.
    let partition = trip.platform.store.keys.contact_partition(&ben);
    for what in [format!("{partition} {}", Keys::CALLS), partition] {
        throttled.throttles(Some(&what));
        let effects = EffectsFunction::of(&trip.platform);
        assert_eq!(perform(&effects, &records).await, of_ben, "{what}");
        let served = |contacts: Vec<ContactId>| -> BTreeSet<ContactId> {
            contacts.into_iter().filter(|contact| *contact != ben).collect()
        };
        let others = BTreeSet::from([ann.clone(), cem.clone()]);
        assert_eq!(served(trip.taken("transactional").await), others);
        assert_eq!(served(trip.taken("calls").await), others);
        // Lambda goes on from ben's first record, so cem's is delivered again and again. It is not
        // performed again.
        for _ in 0..3 {
            let behind: Vec<Value> =
                records.iter().skip_while(|one| !of_ben.contains(&number(one))).cloned().collect();
            assert_eq!(perform(&effects, &behind).await, of_ben);
            assert_eq!(served(trip.taken("transactional").await), BTreeSet::new());
            assert_eq!(served(trip.taken("calls").await), BTreeSet::new());
        }
    }
    assert_eq!(trip.timers(&[&ann, &cem]).await, [1, 1]);
    trip.taken("calls").await;
    throttled.throttles(None);
    assert_eq!(perform(&EffectsFunction::of(&trip.platform), &records).await, NOTHING);
    assert!(trip.taken("calls").await.contains(&ben));
    assert_eq!(
        trip.timers(&[&ann, &ben, &cem]).await,
        [1, 1, 1],
        "that which was moved away is gone"
    );
    assert_eq!(trip.dead_letters().await.len(), 0);
}

#[tokio::test]
async fn what_was_put_aside_behind_a_record_that_fails_can_be_handed_in_all_the_same() {
    let mut trip = Trip::begins().await;
    let (ann, of_ann) = trip.comes("ann", FAR).await;
    let (ben, of_ben) = trip.comes("ben", FAR).await;
    let (cem, of_cem) = trip.comes("cem", FAR).await;
    let records = [of_ann.clone(), of_ben, of_cem].concat();
    let table = Arc::clone(&trip.platform.store.table);
    let throttled = Arc::new(Throttled { table, what: Mutex::default() });
    trip.platform = trip.platform.with(|setup| setup.ports.table = Arc::clone(&throttled) as _);
    let partition = trip.platform.store.keys.contact_partition(&ann);
    throttled.throttles(Some(&format!("{partition} {}", Keys::CALLS)));
    trip.proxy.scheduler(Scheduler::Refuses(ben.to_string()));
    let effects = EffectsFunction::of(&trip.platform);
    for _ in 0..2 {
        assert_eq!(perform(&effects, &records).await.len(), of_ann.len());
        let dead_letters = trip.dead_letters().await;
        assert!(
            dead_letters.len() == 1 && dead_letters[0].why.contains(ben.as_str()),
            "{dead_letters:?}"
        );
    }
    trip.proxy.scheduler(Scheduler::Works);
    let again: Value = serde_json::from_str(&trip.dead_letters().await[0].raw).unwrap();
    assert_eq!(perform(&effects, &[again]).await, NOTHING);
    assert_eq!(trip.timers(&[&ann, &ben, &cem]).await, [1, 1, 1], "ann's waits for no call");
}

//! The real bootstraps with the sample events, under the emulator behind `sam local`, against
//! MiniStack: what they answer, and what they do.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use dacapo_aws::settings::Function;
use dacapo_aws::table::DynamoTable;
use dacapo_engine::ids::{AccountId, ContactId};
use dacapo_functions_tests::cloud::{Cloud, Delivery};
use dacapo_functions_tests::events::{batch, failed, message};
use dacapo_functions_tests::rie::{Rie, bootstrap};
use dacapo_functions_tests::samples::{KEY, Sample, all, campaign};
use dacapo_functions_tests::stack::{GROUP, Stack};
use dacapo_functions_tests::{events, measure};
use dacapo_platform::api::LARGEST_ANSWER;
use dacapo_platform::keys::Keys;
use dacapo_platform::ports::Queue;
use dacapo_platform::table::{Consistency, Query, Table as _};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

/// A sample that was passed to its function.
struct Played {
    answer: Value,
    table: DynamoTable,
    log: String,
}

async fn play(stack: &Stack, samples: &[Sample], name: &str) -> Played {
    let sample = samples.iter().find(|sample| sample.name == name).unwrap();
    let function = Function::ALL.into_iter().find(|one| one.name() == sample.function).unwrap();
    let table = stack.table(name, &sample.table).await;
    let settings = stack.settings(function, name).await;
    let settings: Vec<(&str, &str)> =
        settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let rie = Rie::start(function.name(), &settings).await;
    let answer = rie.invoke(&std::fs::read_to_string(sample.path()).unwrap()).await;
    Played { answer, table, log: rie.log() }
}

fn keys() -> Keys {
    Keys::of(AccountId::new("main").unwrap())
}

impl Played {
    async fn ann(&self) -> ContactId {
        let key = keys().address("ann@example.com");
        let owner = self.table.get(&key, Consistency::Strong).await.unwrap();
        let owner: Value =
            owner.unwrap_or_else(|| panic!("no contact: {}", self.log)).body.read().unwrap();
        ContactId::new(owner["contact"].as_str().unwrap()).unwrap()
    }

    async fn contact(&self) -> Value {
        let key = keys().contact(&self.ann().await);
        let contact = self.table.get(&key, Consistency::Strong).await.unwrap().unwrap();
        contact.body.read::<Value>().unwrap()["c"].clone()
    }

    async fn enrollment(&self) -> Value {
        let key = keys().enrollment(&self.ann().await, &campaign());
        let enrollment = self.table.get(&key, Consistency::Strong).await.unwrap();
        let enrollment = enrollment.unwrap_or_else(|| panic!("not enrolled: {}", self.log));
        enrollment.body.read::<Value>().unwrap()["e"].clone()
    }

    /// The element at which the enrollment's first token rests.
    async fn rests(&self) -> Value {
        self.enrollment().await.pointer("/tk/0/e").cloned().unwrap_or_default()
    }

    async fn message(&self) -> Value {
        let key = keys().message(&self.ann().await, &campaign(), 1, 1);
        let message = self.table.get(&key, Consistency::Strong).await.unwrap();
        message.unwrap_or_else(|| panic!("no message: {}", self.log)).body.read().unwrap()
    }

    fn done(&self) {
        assert_eq!(self.answer, json!({ "batchItemFailures": [] }), "{}", self.log);
    }

    fn body(&self) -> Value {
        let body = self.answer["body"].as_str().unwrap_or_else(|| panic!("{}", self.log));
        serde_json::from_str(body).unwrap()
    }
}

#[tokio::test]
async fn every_function_does_with_its_samples_what_it_is_for() {
    let stack = Stack::start().await;
    let samples = all().await;
    let mut open: Vec<&str> = samples.iter().map(|sample| sample.name).collect();
    let mut play = async |name: &str| {
        open.retain(|open| *open != name);
        play(&stack, &samples, name).await
    };

    let posted = play("webhook").await;
    assert_eq!(posted.answer["statusCode"], 200, "{}", posted.log);
    assert_eq!(posted.body()["created"], true);
    assert_eq!(posted.contact().await["fields"]["first_name"], "Ann");

    let read = play("api").await;
    assert_eq!(read.answer["statusCode"], 200, "{}", read.log);
    assert_eq!(read.body()["email"], "ann@example.com");

    let published = play("api-publish").await;
    assert_eq!(published.answer["statusCode"], 200, "{}", published.log);
    assert_eq!(published.body()["version"], 1);
    let key = keys().version(&campaign(), 1);
    let version = published.table.get(&key, Consistency::Strong).await.unwrap().unwrap();
    assert_eq!(version.body.read::<Value>().unwrap()["restart_delay"], "20 seconds");

    let changed = play("tag-change").await;
    changed.done();
    assert_eq!(changed.rests().await, "welcome");
    assert!(changed.log.contains("\"decisions\":1"), "figures are told: {}", changed.log);

    let performed = play("effects").await;
    performed.done();
    let partition = keys().contact_partition(&performed.ann().await);
    let history = performed.table.query(Query::of(&partition).prefix("H").strong()).await;
    assert_eq!(history.unwrap().items.len(), 1);
    let mail = stack.received("marketing").await;
    assert!(mail.len() == 1 && mail[0].contains("DeliveryDue"), "{mail:?}");

    let planned = play("effects-schedule").await;
    planned.done();
    let schedules = stack.clients.scheduler().list_schedules().group_name(GROUP).send().await;
    let names: Vec<String> =
        schedules.unwrap().schedules.iter().filter_map(|one| one.name.clone()).collect();
    let [name] = &names[..] else { panic!("{names:?}") };
    assert!(name.starts_with("t-"), "{name}");
    let made = stack.clients.scheduler().get_schedule().group_name(GROUP).name(name).send().await;
    let made = made.unwrap();
    assert_eq!(made.schedule_expression(), Some("at(2126-01-07T12:59:00)"));
    assert!(made.target().unwrap().input().unwrap().contains("TimerDue"), "{made:?}");

    let delivered = play("deliver").await;
    delivered.done();
    let message = delivered.message().await;
    assert_eq!((&message["status"], &message["to"]), (&json!("sent"), &json!("ann@example.com")));
    assert_eq!(delivered.rests().await, "pause");
    assert!(!delivered.log.contains("ann@example.com"), "no address in a log: {}", delivered.log);

    let fired = play("timer").await;
    fired.done();
    assert_eq!(fired.rests().await, "hour_before");
    assert!(fired.log.contains("timer_lateness_ms"), "{}", fired.log);

    let early = play("timer-early").await;
    let waits = json!({ "batchItemFailures": [{ "itemIdentifier": "message-1" }] });
    assert_eq!(early.answer, waits, "{}", early.log);
    assert_eq!(early.rests().await, "hour_before");

    play("stop-campaign-pending").await.done();
    assert!(!stack.received("stop").await.is_empty());

    let looked = play("api-unfinished-calls").await;
    assert_eq!(looked.answer, Value::Null, "{}", looked.log);

    let enrolled = play("stop-campaign").await;
    enrolled.done();
    assert_eq!(enrolled.rests().await, "welcome");

    let confirmed = play("feedback-delivery").await;
    assert_eq!(confirmed.answer, Value::Null, "{}", confirmed.log);
    assert_eq!(confirmed.message().await["status"], "sent");

    let bounced = play("feedback-bounce").await;
    assert_eq!(bounced.contact().await["suppressed"], "bounced", "{}", bounced.log);

    assert_eq!(open, [] as [&str; 0], "samples that nobody has played");
}

/// How many fields of quotation marks a contact can have: they are twice as long when stored.
const FIELDS: usize = 47;

#[tokio::test]
async fn pages_of_contacts_full_of_quotes_are_handed_over_and_lead_to_everybody_once() {
    let stack = Stack::start().await;
    stack.table("quotes", &[]).await;
    let settings = stack.settings(Function::Api, "quotes").await;
    let settings: Vec<(&str, &str)> =
        settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let rie = Rie::start("api", &settings).await;
    let call = async |method: &str, path: &str, body: &str| {
        let headers = [("x-api-key", KEY), ("content-type", "application/json")];
        let answer = rie.answer(&events::http(method, path, &headers, body).to_string()).await;
        assert!(answer.len() <= LARGEST_ANSWER, "{method} {path}: {}", answer.len());
        // For an answer that is too long the emulator returns an error without a status.
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let status = answer["statusCode"].as_u64();
        assert!(status.is_some_and(|status| status < 300), "{method} {path}: {}", rie.log());
        answer
    };
    for n in 0..FIELDS {
        call("PUT", &format!("/v1/fields/f{n}"), "{\"type\":\"text\"}").await;
    }
    let quotes = format!("x{}x", "\"".repeat(4_094));
    let fields: Value = (0..FIELDS).map(|n| (format!("f{n}"), json!(quotes))).collect();
    let mut posted = BTreeSet::new();
    for n in 0..12 {
        let body = json!({ "email": format!("p{n}@example.com"), "fields": fields }).to_string();
        let made = call("POST", "/v1/contacts", &body).await;
        let made: Value = serde_json::from_str(made["body"].as_str().unwrap()).unwrap();
        posted.insert(made["id"].as_str().unwrap().to_owned());
    }
    let (mut listed, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = call("GET", &format!("/v1/contacts?limit=200{cursor}"), "").await;
        let page: Value = serde_json::from_str(page["body"].as_str().unwrap()).unwrap();
        for contact in page["items"].as_array().unwrap() {
            assert_eq!(contact["fields"], fields);
            listed.push(contact["id"].as_str().unwrap().to_owned());
        }
        pages += 1;
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(listed, Vec::from_iter(posted.clone()), "everybody once, in {pages} pages");
    assert!(pages > 1, "together they are 9 MB");
    let (mut rows, mut parts, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let part = call("GET", &format!("/v1/contacts/export?limit=10000{cursor}"), "").await;
        let mut file = csv::Reader::from_reader(part["body"].as_str().unwrap().as_bytes());
        for row in file.records().map(Result::unwrap) {
            assert_eq!(row.iter().filter(|cell| *cell == quotes).count(), FIELDS);
            rows.push(row[0].to_owned());
        }
        parts += 1;
        let Some(next) = part["headers"]["dacapo-next-cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(rows, Vec::from_iter(posted), "everybody once, in {parts} parts");
    assert!(parts > 1, "together they are 9 MB");
}

#[tokio::test]
async fn a_function_without_settings_says_all_that_is_missing() {
    let rie = Rie::start("deliver", &[("AWS_REGION", "us-east-1")]).await;
    let _ = rie.answer("{}").await;
    let log = rie.log();
    assert!(log.contains("DACAPO_TABLE") && log.contains("DACAPO_PUBLIC_URL"), "{log}");
}

/// A function whose connection to Lambda breaks while it waits for an event: its output, and its
/// exit.
async fn cut_off(stack: &Stack, is_ended: bool) -> (ExitStatus, String) {
    let lambda = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let function = Command::new(bootstrap(Function::Feedback.name()))
        .env_clear()
        .envs(stack.settings(Function::Feedback, "cut-off").await)
        .env("AWS_LAMBDA_RUNTIME_API", lambda.local_addr().unwrap().to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "feedback")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = tokio::time::timeout(Duration::from_secs(30), lambda.accept()).await;
    let (mut line, _) = asked.expect("the function asks for an event").unwrap();
    let mut begins = [0; 4];
    line.read_exact(&mut begins).await.unwrap();
    assert_eq!(&begins, b"GET ");
    drop((line, lambda));
    if is_ended {
        // It is ended a moment after the connection breaks: long enough for it to notice that.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let ended = Command::new("kill").arg(function.id().to_string()).status();
        assert!(ended.unwrap().success(), "it has ended by itself");
    }
    let ended = tokio::task::spawn_blocking(|| function.wait_with_output());
    let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
    let ended = ended.expect("the function ends").unwrap().unwrap();
    (ended.status, String::from_utf8(ended.stderr).unwrap())
}

#[tokio::test]
async fn a_function_that_is_ended_says_nothing_and_one_that_lost_lambda_says_so() {
    let stack = Stack::start().await;
    let (status, said) = cut_off(&stack, true).await;
    assert_eq!((status.signal(), said.as_str()), (Some(15), ""));
    let (status, said) = cut_off(&stack, false).await;
    assert_eq!(status.code(), Some(1));
    assert!(said.starts_with("Error: client error"), "{said}");
}

/// A campaign that calls an address six times on the way.
fn six_calls(url: &str) -> String {
    let mut document =
        "id: reminder\nelements:\n  go: { type: start, when: { tag: Go }, next: w0 }\n".to_owned();
    for number in 0..6 {
        let next = if number < 5 { format!(", next: w{}", number + 1) } else { String::new() };
        document += &format!("  w{number}: {{ type: webhook, url: \"{url}\"{next} }}\n");
    }
    document
}

#[tokio::test]
async fn deliver_answers_before_lambda_ends_it_however_long_others_are_silent() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", silent.local_addr().unwrap());
    let mut cloud = Cloud::new(Delivery::Once).await;
    cloud.call("PUT", "/v1/campaigns/reminder", &six_calls(&url)).await;
    let (status, answer) = cloud.call("POST", "/v1/campaigns/reminder/publish", "{}").await;
    assert_eq!(status, 200, "{answer}");
    let ann = json!({ "email": "ann@example.com", "tags": ["Go"] }).to_string();
    let (_, answer) = cloud.call("POST", "/v1/hooks/contact", &ann).await;
    let contact = ContactId::new(answer["contact_id"].as_str().unwrap()).unwrap();
    while cloud.stream("tag-change").await | cloud.stream("effects").await {}
    let calls = cloud.services.waiting(Queue::Calls);
    assert_eq!(calls.len(), 6);
    let records = calls.iter().enumerate();
    let records = records.map(|(number, call)| message(&format!("m{number}"), "calls", 1, call));
    let event = batch(records.collect()).to_string();

    let mut items = Vec::new();
    for partition in
        [keys().catalog().pk, keys().version(&campaign(), 1).pk, keys().contact_partition(&contact)]
    {
        let page = cloud.platform.store.table.query(Query::of(&partition).strong()).await;
        items.extend(page.unwrap().items);
    }
    let stack = Stack::start().await;
    stack.table("in-time", &items).await;
    let settings = stack.settings(Function::Deliver, "in-time").await;
    let mut settings: Vec<(&str, &str)> =
        settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    settings.push(("AWS_LAMBDA_FUNCTION_TIMEOUT", "25"));
    let rie = Rie::start(Function::Deliver.name(), &settings).await;
    let answer = rie.invoke(&event).await;
    assert_eq!(failed(&answer).len(), 6, "{answer}: {}", rie.log());
    let log = rie.log();
    assert!(log.contains("no time is left") && log.contains("\"messages\":4"), "{log}");
    // Ten seconds each; a third would have been cut off.
    let mut called = 0;
    while tokio::time::timeout(Duration::from_millis(100), silent.accept()).await.is_ok() {
        called += 1;
    }
    assert_eq!(called, 2, "{log}");
}

#[tokio::test]
async fn bootstraps_are_small_and_quick_to_start() {
    let measured = measure::all().await;
    assert_eq!(measured.functions.len(), Function::ALL.len());
    let wrong = measured.over_their_bounds();
    assert!(wrong.is_empty(), "{wrong:#?}\n{measured}");
}

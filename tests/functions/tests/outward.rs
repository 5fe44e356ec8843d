//! Outgoing calls by the deployed handlers, mailer and caller, against a server that hangs or whose
//! connections break. In real time, so some of these tests take half a minute.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use dacapo_aws::caller::HttpsCaller;
use dacapo_aws::clients::{Clients, Connection, Credentials};
use dacapo_aws::clock::SystemClock;
use dacapo_aws::functions::queue::QueueFunction;
use dacapo_aws::mailer::SesMailer;
use dacapo_engine::ids::ContactId;
use dacapo_functions_tests::cloud::{Cloud, Delivery};
use dacapo_functions_tests::events::{batch, failed, message};
use dacapo_platform::platform::Platform;
use dacapo_platform::ports::{Clock as _, Queue, QueueMessage, WebhookCall};
use dacapo_platform::table::Consistency;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// SES and webhooks alike.
#[derive(Clone)]
struct Server {
    url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The received requests: method and path.
    asked: Mutex<Vec<String>>,
    /// Whether it accepts requests and answers none.
    hangs: AtomicBool,
    /// Whether it answers once on each connection, and then reads nothing more from it.
    deaf: AtomicBool,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { url, state: Arc::default() };
        let state = Arc::clone(&server.state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&state)));
            }
        });
        server
    }

    /// All received requests.
    fn asked(&self, line: &str) -> usize {
        self.state.asked.lock().unwrap().iter().filter(|asked| *asked == line).count()
    }

    fn hangs(&self, hangs: bool) {
        self.state.hangs.store(hangs, Ordering::SeqCst);
    }
}

const MAIL: &str = "POST /v2/email/outbound-emails";

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        received.extend_from_slice(&buffer[..read]);
        let Some(line) = whole(&received) else { continue };
        received.clear();
        state.asked.lock().unwrap().push(line.clone());
        if state.hangs.load(Ordering::SeqCst) {
            continue;
        }
        let body = json!({
            "MessageId": "m-1", "SendingEnabled": true,
            "SendQuota": { "Max24HourSend": 50_000.0, "MaxSendRate": 14.0, "SentLast24Hours": 0.0 },
        })
        .to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
        let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
        if state.deaf.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

/// Method and path of a complete request.
fn whole(received: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(received);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let line = head.lines().next()?.trim_end_matches(" HTTP/1.1");
    (body.len() >= length.unwrap_or(0)).then(|| line.to_owned())
}

/// A cloud with outgoing work queued, and the platform that delivers it.
async fn cloud(server: &Server, campaigns: &[String]) -> (Cloud, Platform) {
    let cloud = Cloud::new(Delivery::Once).await;
    cloud.begins(SystemClock::default().now());
    for (number, campaign) in campaigns.iter().enumerate() {
        let path = format!("/v1/campaigns/c{number}");
        let document = format!("id: c{number}\nsender: {{ address: s@example.com }}\n{campaign}");
        let (status, answer) = cloud.call("PUT", &path, &document).await;
        assert!(status < 300, "{answer}");
        let (status, answer) = cloud.call("POST", &format!("{path}/publish"), "{}").await;
        assert_eq!(status, 200, "{answer}");
    }
    let clients = Clients::new(&Connection {
        region: "eu-central-1".to_owned(),
        endpoint: Some(server.url.clone()),
        credentials: Credentials {
            access_key_id: "id".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: None,
        },
    });
    let mut platform = cloud.platform.clone();
    platform = platform.with(|setup| setup.ports.clock = Arc::new(SystemClock::default()));
    platform = platform
        .with(|setup| setup.ports.mailer = Arc::new(SesMailer::new(clients.ses(), None, 1)));
    platform =
        platform.with(|setup| setup.ports.caller = Arc::new(HttpsCaller::new(&clients).at_home()));
    (cloud, platform)
}

const LETTER: &str = r#"
elements:
  go: { type: start, when: { tag: Go }, next: mail }
  mail: { type: email, email: mail }
emails:
  mail: { purpose: transactional, subject: Hello, text: Hello }
"#;

async fn go(cloud: &mut Cloud, email: &str) -> ContactId {
    let body = json!({ "email": email, "tags": ["Go"] }).to_string();
    let (_, answer) = cloud.call("POST", "/v1/hooks/contact", &body).await;
    while cloud.stream("tag-change").await | cloud.stream("effects").await {}
    ContactId::new(answer["contact_id"].as_str().unwrap()).unwrap()
}

/// A batch of all messages in a queue.
fn waiting(cloud: &Cloud, queue: Queue) -> (Vec<QueueMessage>, Value) {
    let waiting = cloud.services.waiting(queue);
    let records = waiting
        .iter()
        .enumerate()
        .map(|(number, one)| message(&format!("m{number}"), queue.name(), 1, one));
    let event = batch(records.collect());
    (waiting, event)
}

/// Passes a batch to `deliver`, which has so many seconds. Returns what is to be delivered again,
/// and for how long it was hidden.
async fn deliver(
    cloud: &Cloud,
    platform: &Platform,
    event: &Value,
    seconds: i64,
) -> (Vec<String>, Vec<i32>) {
    let queues = QueueFunction {
        platform,
        hide: &*cloud.services,
        function: dacapo_aws::settings::Function::Deliver,
    };
    let until = platform.store.now() + TimeDelta::seconds(seconds);
    let answer = queues.deliveries(event, Some(until)).await.unwrap();
    assert!(
        platform.store.now() < until,
        "the function was ended: {}",
        platform.store.now() - until
    );
    let hidden = cloud.services.hidden().iter().map(|hidden| hidden.seconds).collect();
    (failed(&answer), hidden)
}

async fn statuses(cloud: &Cloud, email: &str) -> Vec<String> {
    let (_, answer) = cloud.call("GET", &format!("/v1/contacts/email:{email}/messages"), "").await;
    let items = answer["items"].as_array().unwrap();
    let mut all: Vec<String> =
        items.iter().map(|item| item["status"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

async fn failures(platform: &Platform, call: &WebhookCall) -> u64 {
    let key = platform.store.keys.call(&call.contact, &call.campaign, call.run, call.step);
    let record = platform.store.table.get(&key, Consistency::Strong).await.unwrap().unwrap();
    record.body.read::<Value>().unwrap()["failures"].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn calls_for_which_no_time_is_left_come_again_in_a_moment_and_that_is_no_try() {
    let server = Server::start().await;
    let mut elements = "elements:\n  go: { type: start, when: { tag: Go }, next: w0 }\n".to_owned();
    for number in 0..6 {
        let next = if number < 5 { format!(", next: w{}", number + 1) } else { String::new() };
        elements +=
            &format!("  w{number}: {{ type: webhook, url: \"{}/hook\"{next} }}\n", server.url);
    }
    let (mut cloud, platform) = cloud(&server, &[elements]).await;
    go(&mut cloud, "ann@example.com").await;
    let (calls, event) = waiting(&cloud, Queue::Calls);
    assert_eq!(calls.len(), 6);
    server.hangs(true);
    // Two that take ten seconds each: after them there is no time for a third.
    let (again, hidden) = deliver(&cloud, &platform, &event, 25).await;
    assert_eq!(again.len(), 6);
    assert_eq!(server.asked("POST /hook"), 2);
    assert_eq!(hidden.iter().filter(|seconds| (2..=6).contains(*seconds)).count(), 4, "{hidden:?}");
    let mut tries = Vec::new();
    for call in &calls {
        let QueueMessage::Call(call) = call else { panic!("{call:?}") };
        tries.push(failures(&platform, call).await);
    }
    assert_eq!(tries, [1, 1, 0, 0, 0, 0]);
    server.hangs(false);
    let late = batch(event["Records"].as_array().unwrap()[2..].to_vec());
    let (again, _) = deliver(&cloud, &platform, &late, 25).await;
    assert_eq!((again, server.asked("POST /hook")), (Vec::new(), 6), "each is made once");
}

#[tokio::test]
async fn mail_for_which_no_time_is_left_is_not_claimed_and_is_sent_when_it_comes_again() {
    let server = Server::start().await;
    let (mut cloud, platform) = cloud(&server, &[LETTER.to_owned(), LETTER.to_owned()]).await;
    go(&mut cloud, "ann@example.com").await;
    go(&mut cloud, "ben@example.com").await;
    let (mails, event) = waiting(&cloud, Queue::Transactional);
    assert_eq!(mails.len(), 4);
    server.hangs(true);
    // The time that the function has, with SES silent: half a minute for each of the first, and too
    // little for the second.
    let (again, hidden) = deliver(&cloud, &platform, &event, 60).await;
    assert_eq!((again.len(), hidden.len(), server.asked(MAIL)), (2, 2, 2), "{hidden:?}");
    assert!(hidden.iter().all(|seconds| (2..=6).contains(seconds)), "{hidden:?}");
    for person in ["ann@example.com", "ben@example.com"] {
        assert_eq!(statuses(&cloud, person).await, ["unknown"], "the other one is not claimed");
    }
    server.hangs(false);
    let (again, _) = deliver(&cloud, &platform, &event, 60).await;
    assert_eq!((again, server.asked(MAIL)), (Vec::new(), 4));
    for person in ["ann@example.com", "ben@example.com"] {
        assert_eq!(statuses(&cloud, person).await, ["sent", "unknown"]);
    }
}

#[tokio::test]
async fn a_function_that_has_less_time_than_a_mail_may_take_sends_one_at_a_time() {
    let server = Server::start().await;
    let (mut cloud, platform) = cloud(&server, &[LETTER.to_owned(), LETTER.to_owned()]).await;
    go(&mut cloud, "ann@example.com").await;
    let (_, event) = waiting(&cloud, Queue::Transactional);
    let (again, _) = deliver(&cloud, &platform, &event, 10).await;
    assert_eq!((again.len(), server.asked(MAIL)), (1, 1));
    let (again, _) = deliver(&cloud, &platform, &event, 10).await;
    assert_eq!((again.len(), server.asked(MAIL)), (1, 1), "what has been sent is the first again");
    let left = batch(event["Records"].as_array().unwrap()[1..].to_vec());
    let (again, _) = deliver(&cloud, &platform, &left, 10).await;
    assert_eq!((again.len(), server.asked(MAIL)), (0, 2));
}

/// "Lambda purges idle connections over time. Attempting to reuse an idle connection when invoking
/// a function will result in a connection error" (*Best practices for working with AWS Lambda
/// functions*, <https://docs.aws.amazon.com/lambda/latest/dg/best-practices.html>).
#[tokio::test]
async fn r30_mail_after_a_connection_has_died_is_sent_once_and_is_not_unknown() {
    let server = Server::start().await;
    server.state.deaf.store(true, Ordering::SeqCst);
    let (mut cloud, platform) = cloud(&server, &[LETTER.to_owned()]).await;
    for (number, person) in ["ann@example.com", "ben@example.com"].into_iter().enumerate() {
        go(&mut cloud, person).await;
        let (mails, event) = waiting(&cloud, Queue::Transactional);
        assert_eq!(mails.len(), number + 1);
        let last = batch(event["Records"].as_array().unwrap()[number..].to_vec());
        let (again, _) = deliver(&cloud, &platform, &last, 60).await;
        assert_eq!((again, server.asked(MAIL)), (Vec::new(), number + 1));
        assert_eq!(statuses(&cloud, person).await, ["sent"]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

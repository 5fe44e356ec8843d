//! A proxy in front of an emulated cloud that makes EventBridge Scheduler fail: it refuses, is
//! down, or never answers. All other requests reach the cloud, and so do timers until a test sets a
//! failure. It does not imitate throttling, nor latency.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use dacapo_aws::clients::{Clients, Connection, Credentials};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How the Scheduler behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheduler {
    /// As the cloud's does.
    Works,
    /// It refuses every request that names this, as a `ValidationException`.
    Refuses(String),
    /// It is down.
    IsDown,
    /// It accepts requests, and never answers.
    IsSilent,
}

/// The proxy.
#[derive(Clone)]
pub struct SchedulerProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    cloud: String,
    client: Client<HttpConnector, Body>,
    scheduler: Mutex<Scheduler>,
    asked: Mutex<usize>,
    /// The bodies of messages that queues have accepted, by the queue's URL.
    taken: Mutex<Vec<(String, String)>>,
}

fn inside<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SchedulerProxy {
    /// A proxy of the cloud that listens at this port.
    pub async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            cloud: format!("127.0.0.1:{port}"),
            client: Client::builder(TokioExecutor::new()).build_http(),
            scheduler: Mutex::new(Scheduler::Works),
            asked: Mutex::default(),
            taken: Mutex::default(),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    /// From now on the Scheduler behaves so.
    pub fn scheduler(&self, behaves: Scheduler) {
        *inside(&self.shared.scheduler) = behaves;
    }

    /// How many requests the Scheduler received.
    pub fn asked(&self) -> usize {
        *inside(&self.shared.asked)
    }

    /// The messages that a queue has accepted since the last time, delayed ones included.
    pub fn taken(&self, queue: &str) -> Vec<String> {
        let mut taken = inside(&self.shared.taken);
        let is_of = |(url, _): &mut (String, String)| url.ends_with(&format!("/{queue}"));
        taken.extract_if(.., is_of).map(|(_, body)| body).collect()
    }

    /// Clients that go through it.
    pub fn clients(&self) -> Clients {
        Clients::new(&Connection {
            region: "us-east-1".to_owned(),
            endpoint: Some(format!("http://{}", self.address)),
            credentials: Credentials {
                access_key_id: "test".to_owned(),
                secret_access_key: "test".to_owned(),
                session_token: None,
            },
        })
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    if head.uri.path().starts_with("/schedules/") {
        *inside(&shared.asked) += 1;
        let behaves = inside(&shared.scheduler).clone();
        let names = |what: &str| {
            head.uri.path().contains(what) || String::from_utf8_lossy(&body).contains(what)
        };
        match behaves {
            Scheduler::Refuses(what) if names(&what) => {
                return error(StatusCode::BAD_REQUEST, "ValidationException", "Invalid expression");
            }
            Scheduler::Works | Scheduler::Refuses(_) => {}
            Scheduler::IsDown => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                return error(status, "InternalServerException", "It is down");
            }
            Scheduler::IsSilent => std::future::pending().await,
        }
    }
    let sent = sent(&body);
    let mut onward = Request::from_parts(head, Body::from(body));
    let path = onward.uri().path_and_query().map_or("/", |path| path.as_str());
    *onward.uri_mut() = format!("http://{}{path}", shared.cloud).parse().expect("a URI");
    let answer = shared.client.request(onward).await.expect("the cloud answers");
    if answer.status().is_success() {
        inside(&shared.taken).extend(sent);
    }
    answer.map(Body::new).into_response()
}

/// The messages of a request to SQS: queue and body.
fn sent(request: &Bytes) -> Vec<(String, String)> {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let entries = request["Entries"].as_array().cloned().unwrap_or_default();
    let url = request["QueueUrl"].as_str().unwrap_or_default();
    let body = |entry: &Value| entry["MessageBody"].as_str().map(str::to_owned);
    entries.iter().filter_map(|entry| Some((url.to_owned(), body(entry)?))).collect()
}

fn error(status: StatusCode, kind: &'static str, message: &str) -> Response {
    let body = Bytes::from(json!({ "Message": message }).to_string());
    (status, [("x-amzn-errortype", kind), ("content-type", "application/json")], body)
        .into_response()
}

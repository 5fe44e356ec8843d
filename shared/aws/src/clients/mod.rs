//! The clients of the SDK, made without its loading of configuration: no lookups, no defaults.
//!
//! The code that reads the environment passes a [`Connection`] of values. [`Clients`] makes a
//! client of every service from it. All of them share one TLS stack (rustls with ring, as
//! everywhere in Dacapo); all except that of SES share one HTTP client and one pool of connections.
//!
//! ```ignore
//! let clients = Clients::new(&Connection { region, endpoint, credentials });
//! let table = dacapo_aws::table::DynamoTable::new(clients.dynamodb(), "dacapo");
//! let queues = clients.sqs();
//! clients.warm(&[Service::DynamoDb, Service::Sqs]).await;
//! ```
//!
//! What it promises:
//!
//! - A client is made when it is first used ([`LazyClient`]). Making it neither connects nor reads
//!   certificates; the first request does, or [`Clients::warm`]. A function that warms what it uses
//!   during its init pays for it once, and no event waits for it:
//!   <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>.
//! - An attempt at a request has a timeout, and so has the request with all its attempts. The SDK
//!   retries what was throttled or failed on the network, with a growing backoff. But mail is
//!   attempted once: if the answer is lost it may have been sent, and only the ledger of messages
//!   knows what to do then.
//! - Each request to SES has a connection of its own, so that none is lost on a connection that
//!   broke while it was idle.
//! - Credentials are not shown by `Debug`.

pub(crate) mod http;
mod lazy;

use std::fmt;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use http::Http;
pub use lazy::LazyClient;

/// How long one attempt at a request may take, connecting included. DynamoDB, SQS and Scheduler
/// answer within milliseconds; what takes seconds is lost.
const ATTEMPT: Duration = Duration::from_secs(4);

/// How long a request may take with all its attempts.
const REQUEST: Duration = Duration::from_secs(15);

/// How often a request is attempted.
const ATTEMPTS: u32 = 4;

/// How long SES may take for a mail. A claim in the ledger of messages is valid for longer.
pub(crate) const MAIL: Duration = Duration::from_secs(30);

/// How AWS is reached, and with which credentials.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The region, such as `eu-central-1`.
    pub region: String,
    /// One address for all services instead of AWS's own, such as that of an emulator.
    pub endpoint: Option<String>,
    /// The credentials.
    pub credentials: Credentials,
}

/// Credentials. Those that Lambda gives a function are valid as long as its process runs.
#[derive(Clone)]
pub struct Credentials {
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret.
    pub secret_access_key: String,
    /// The session's token, for those of a role.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// The services to which connections are warmed. SES is not among them: a connection to it is not
/// kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The table.
    DynamoDb,
    /// Timers.
    Scheduler,
    /// Queues.
    Sqs,
}

impl Service {
    /// The beginning of its host's name.
    fn host(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Scheduler => "scheduler",
            Self::Sqs => "sqs",
        }
    }
}

/// Makes clients that share everything. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clients {
    config: SdkConfig,
    pub(crate) http: Http,
}

impl Clients {
    /// Clients of this connection. Nothing is connected yet.
    #[must_use]
    pub fn new(connection: &Connection) -> Self {
        let http = Http::default();
        let Credentials { access_key_id, secret_access_key, session_token } =
            &connection.credentials;
        let credentials = aws_credential_types::Credentials::new(
            access_key_id,
            secret_access_key,
            session_token.clone(),
            None,
            "settings",
        );
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(connection.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http.client())
            .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts(ATTEMPT, REQUEST))
            // Answers are small and bounded by the timeouts.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        config.set_endpoint_url(connection.endpoint.clone());
        Self { config: config.build(), http }
    }

    /// What every client is made from.
    #[must_use]
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// A client of DynamoDB.
    #[must_use]
    pub fn dynamodb(&self) -> LazyClient<aws_sdk_dynamodb::Client> {
        let config = self.config.clone();
        LazyClient::new(move || aws_sdk_dynamodb::Client::new(&config))
    }

    /// A client of EventBridge Scheduler.
    #[must_use]
    pub fn scheduler(&self) -> LazyClient<aws_sdk_scheduler::Client> {
        let config = self.config.clone();
        LazyClient::new(move || aws_sdk_scheduler::Client::new(&config))
    }

    /// A client of SQS.
    #[must_use]
    pub fn sqs(&self) -> LazyClient<aws_sdk_sqs::Client> {
        let config = self.config.clone();
        LazyClient::new(move || aws_sdk_sqs::Client::new(&config))
    }

    /// A client of SES. It attempts nothing twice, since a mail without an answer may have been
    /// sent. It sends nothing on a connection that was idle.
    #[must_use]
    pub fn ses(&self) -> LazyClient<aws_sdk_sesv2::Client> {
        let (config, http) = (self.config.clone(), self.http.clone());
        LazyClient::new(move || {
            let config = aws_sdk_sesv2::config::Builder::from(&config)
                .http_client(http.fresh_client())
                .retry_config(RetryConfig::disabled())
                .timeout_config(timeouts(MAIL, MAIL))
                .build();
            aws_sdk_sesv2::Client::from_conf(config)
        })
    }

    /// A client of Secrets Manager.
    #[must_use]
    pub fn secrets(&self) -> LazyClient<aws_sdk_secretsmanager::Client> {
        let config = self.config.clone();
        LazyClient::new(move || aws_sdk_secretsmanager::Client::new(&config))
    }

    /// Connects to services, so that their first request finds a connection. A service that cannot
    /// be reached now is left to that request: nothing fails here, and nothing takes longer than
    /// two seconds.
    pub async fn warm(&self, services: &[Service]) {
        let calls = services.iter().map(|service| self.http.warm(self.address_of(*service)));
        futures_util::future::join_all(calls).await;
    }

    fn address_of(&self, service: Service) -> String {
        let region = self.config.region().map_or("us-east-1", Region::as_ref);
        match self.config.endpoint_url() {
            Some(endpoint) => endpoint.to_owned(),
            None => {
                let end = if region.starts_with("cn-") { ".cn" } else { "" };
                format!("https://{}.{region}.amazonaws.com{end}/", service.host())
            }
        }
    }
}

fn timeouts(attempt: Duration, request: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(attempt).operation_timeout(request).build()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn connection(endpoint: Option<&str>) -> Connection {
        let credentials = Credentials {
            access_key_id: "id".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: None,
        };
        let endpoint = endpoint.map(str::to_owned);
        Connection { region: "eu-central-1".to_owned(), endpoint, credentials }
    }

    #[test]
    fn credentials_are_not_shown() {
        assert!(!format!("{:?}", connection(None)).contains("secret"));
    }

    #[test]
    fn every_service_has_its_address() {
        let clients = Clients::new(&connection(None));
        let of_table = clients.address_of(Service::DynamoDb);
        assert_eq!(of_table, "https://dynamodb.eu-central-1.amazonaws.com/");
        let clients = Clients::new(&connection(Some("http://127.0.0.1:1")));
        assert_eq!(clients.address_of(Service::Sqs), "http://127.0.0.1:1");
    }

    #[tokio::test]
    async fn what_cannot_be_reached_is_not_warmed_and_nothing_fails() {
        let clients = Clients::new(&connection(Some("http://127.0.0.1:1")));
        clients.warm(&[Service::DynamoDb, Service::Sqs]).await;
    }

    #[tokio::test]
    async fn the_first_request_finds_the_connection_that_was_warmed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let accepted = Arc::new(AtomicUsize::new(0));
        let server = tokio::spawn(http::tests::serve_counting(listener, Arc::clone(&accepted)));
        let clients = Clients::new(&connection(Some(&address)));
        clients.warm(&[Service::DynamoDb]).await;
        let answer = clients.dynamodb().list_tables().send().await;
        assert_eq!(answer.unwrap().table_names(), ["one"]);
        let answer = clients.sqs().list_queues().send().await;
        assert!(answer.is_ok(), "{answer:?}");
        server.abort();
        assert_eq!(accepted.load(Ordering::SeqCst), 1);
    }
}

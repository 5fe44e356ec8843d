//! The resources that a function uses in the cloud: tables, queues, a schedule group, a secret,
//! senders, on MiniStack.

use std::net::{IpAddr, Ipv4Addr};

use dacapo_aws::clients::Clients;
use dacapo_aws::settings::{Function, read_by};
use dacapo_aws::table::DynamoTable;
use dacapo_aws_tests::emulator::Emulator;
use dacapo_aws_tests::tables::create;
use dacapo_platform::table::{Condition, Item, Table as _, Write};

use crate::samples::KEY;

/// The queues.
const QUEUES: [&str; 6] =
    ["timers", "transactional", "marketing", "calls", "stop", "schedules-dead"];

/// The senders of mail: the account, and the campaign in `examples/appointment-loop.yaml`.
const SENDERS: [&str; 2] = ["sender@example.com", "hello@studio-nord.example"];

/// The schedule group.
pub const GROUP: &str = "dacapo";

/// A cloud.
pub struct Stack {
    /// Clients of it.
    pub clients: Clients,
    endpoint: String,
    secret: String,
    emulator: Emulator,
}

impl Stack {
    /// An empty one, for functions that run on this machine.
    pub async fn start() -> Self {
        Self::start_at(IpAddr::V4(Ipv4Addr::LOCALHOST), "127.0.0.1").await
    }

    /// An empty one that listens at an address of this machine, for functions that call it by this
    /// name.
    pub async fn start_at(host: IpAddr, name: &str) -> Self {
        let emulator = Emulator::ministack_at(host, name).await;
        let endpoint = format!("http://{name}:{}", emulator.port());
        let clients = emulator.clients();
        for queue in QUEUES {
            clients.sqs().create_queue().queue_name(queue).send().await.expect("a queue");
        }
        clients.scheduler().create_schedule_group().name(GROUP).send().await.expect("a group");
        for sender in SENDERS {
            let sender = clients.ses().create_email_identity().email_identity(sender);
            sender.send().await.expect("a sender");
        }
        let secrets = clients.secrets();
        let secret = secrets.create_secret().name("admin-key").secret_string(KEY).send().await;
        let secret = secret.expect("a secret").arn.expect("its ARN");
        Self { clients, endpoint, secret, emulator }
    }

    /// The port at which it listens.
    pub fn port(&self) -> u16 {
        self.emulator.port()
    }

    /// A table with these items.
    pub async fn table(&self, name: &str, items: &[Item]) -> DynamoTable {
        create(&self.clients.dynamodb(), name).await;
        let table = DynamoTable::new(self.clients.dynamodb(), name);
        for item in items {
            let write = Write::put(item.clone(), Condition::Always);
            table.write(vec![write], None).await.expect("an item");
        }
        table
    }

    /// The URL of a queue.
    pub async fn url(&self, queue: &str) -> String {
        let url = self.clients.sqs().get_queue_url().queue_name(queue).send().await;
        url.expect("a queue").queue_url.expect("a URL")
    }

    /// The bodies of the messages in a queue.
    pub async fn received(&self, queue: &str) -> Vec<String> {
        let url = self.url(queue).await;
        let sqs = self.clients.sqs();
        let received = sqs.receive_message().queue_url(url).max_number_of_messages(10).send().await;
        let messages = received.expect("a queue").messages.unwrap_or_default();
        messages.into_iter().filter_map(|message| message.body).collect()
    }

    /// The same, and removes them from the queue.
    pub async fn taken(&self, queue: &str) -> Vec<String> {
        let url = self.url(queue).await;
        let sqs = self.clients.sqs();
        let received =
            sqs.receive_message().queue_url(&url).max_number_of_messages(10).send().await;
        let mut bodies = Vec::new();
        for message in received.expect("a queue").messages.unwrap_or_default() {
            let deletes = sqs.delete_message().queue_url(&url);
            let deletes = deletes.set_receipt_handle(message.receipt_handle).send().await;
            deletes.expect("a queue");
            bodies.extend(message.body);
        }
        bodies
    }

    /// The settings of a function, with this table.
    pub async fn settings(&self, function: Function, table: &str) -> Vec<(&'static str, String)> {
        let mut settings = Vec::new();
        for variable in read_by(function) {
            settings.push((variable.name, self.setting(variable.name, table).await));
        }
        settings
    }

    async fn setting(&self, name: &str, table: &str) -> String {
        let arn = |rest: &str| format!("arn:aws:{rest}");
        match name {
            "DACAPO_TABLE" => table.to_owned(),
            "DACAPO_LOG" => "info".to_owned(),
            "DACAPO_PUBLIC_URL" => "https://dacapo.example".to_owned(),
            "DACAPO_ADMIN_KEY_SECRET_ARN" => self.secret.clone(),
            "DACAPO_SENDER" => "Dacapo <sender@example.com>".to_owned(),
            "DACAPO_RESTART_DELAY_SECONDS" => "20".to_owned(),
            "DACAPO_CONFIGURATION_SET" | "AWS_SESSION_TOKEN" => String::new(),
            "DACAPO_MAIL_CONCURRENCY" => "2".to_owned(),
            "DACAPO_TIMERS_QUEUE_ARN" => arn("sqs:us-east-1:000000000000:timers"),
            "DACAPO_SCHEDULE_GROUP" => GROUP.to_owned(),
            "DACAPO_SCHEDULE_ROLE_ARN" => arn("iam::000000000000:role/scheduler"),
            "DACAPO_SCHEDULE_DEAD_LETTER_ARN" => arn("sqs:us-east-1:000000000000:schedules-dead"),
            "DACAPO_TIMERS_QUEUE_URL" => self.url("timers").await,
            "DACAPO_TRANSACTIONAL_QUEUE_URL" => self.url("transactional").await,
            "DACAPO_MARKETING_QUEUE_URL" => self.url("marketing").await,
            "DACAPO_CALLS_QUEUE_URL" => self.url("calls").await,
            "DACAPO_STOP_QUEUE_URL" => self.url("stop").await,
            "AWS_REGION" => "us-east-1".to_owned(),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "test".to_owned(),
            "AWS_ENDPOINT_URL" => self.endpoint.clone(),
            other => panic!("nobody has said what {other} is here"),
        }
    }
}

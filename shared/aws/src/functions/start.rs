//! What each function has when it starts: a platform over the ports that it needs, and no others.

use std::sync::Arc;

use dacapo_engine::ids::AccountId;
use dacapo_engine::time::Span;
use dacapo_platform::api::Admin;
use dacapo_platform::platform::{Defaults, Platform, Ports, Setup};
use dacapo_platform::ports::{Caller, Clock, Mailer, Outbox};

use super::unsupported_port::UnsupportedPort;
use crate::admin::SecretKeeper;
use crate::caller::HttpsCaller;
use crate::clients::{Clients, Connection, Credentials, LazyClient, Service};
use crate::clock::SystemClock;
use crate::entropy::SystemEntropy;
use crate::mailer::SesMailer;
use crate::outbox::AwsOutbox;
use crate::settings::{
    Access, ApiSettings, Common, DeliverSettings, EffectsSettings, FeedbackSettings, Function,
    OutboxSettings, Settings, StopCampaignSettings, TagChangeSettings, TimerSettings,
    WebhookSettings,
};
use crate::table::DynamoTable;

/// A function that has started.
pub struct Started {
    /// Its name.
    pub function: Function,
    /// Its platform.
    pub platform: Platform,
    /// The keeper of the admin key.
    pub admin: Admin,
    /// The URLs of the queues that it consumes.
    pub(super) queues: Vec<String>,
    pub(super) clients: Clients,
    dynamodb: LazyClient<aws_sdk_dynamodb::Client>,
    /// The services that it needs for every event.
    services: &'static [Service],
}

impl Started {
    /// Connects, so that the first event finds connections. The table's client is made meanwhile:
    /// every event needs it.
    pub async fn warm(&self) {
        let client = async { self.dynamodb.make() };
        futures_util::future::join(self.clients.warm(self.services), client).await;
    }
}

/// The parts of a function.
struct Parts<'a> {
    common: &'a Common,
    clients: Clients,
    clock: Arc<dyn Clock>,
    outbox: Arc<dyn Outbox>,
    mailer: Arc<dyn Mailer>,
    caller: Arc<dyn Caller>,
    admin: Admin,
    queues: Vec<String>,
    public_url: String,
    defaults: Defaults,
}

impl<'a> Parts<'a> {
    /// With the table only.
    fn of(common: &'a Common) -> Self {
        Self {
            common,
            clients: clients(&common.access),
            clock: Arc::new(SystemClock::default()),
            outbox: Arc::new(UnsupportedPort),
            mailer: Arc::new(UnsupportedPort),
            caller: Arc::new(UnsupportedPort),
            admin: Admin::None,
            queues: Vec::new(),
            public_url: String::new(),
            defaults: Defaults::default(),
        }
    }

    fn with_admin(mut self, secret: Option<&str>) -> Self {
        if let Some(arn) = secret {
            let (client, clock) = (self.clients.secrets(), Arc::clone(&self.clock));
            let keeper = SecretKeeper::new(client, arn.to_owned(), clock);
            self.admin = Admin::Kept(Arc::new(keeper));
        }
        self
    }

    fn queues(&self, settings: &OutboxSettings) -> AwsOutbox {
        AwsOutbox::new(self.clients.sqs(), settings.queues.clone(), Arc::clone(&self.clock))
    }

    /// With queues.
    fn with_queues(mut self, settings: &OutboxSettings) -> Self {
        self.outbox = Arc::new(self.queues(settings));
        self
    }

    /// With queues and timers.
    fn with_outbox(mut self, settings: &OutboxSettings) -> Self {
        let mut outbox = self.queues(settings);
        if let Some(schedules) = settings.schedules.clone() {
            outbox = outbox.with_timers(self.clients.scheduler(), schedules);
        }
        self.outbox = Arc::new(outbox);
        self
    }

    fn started(self, function: Function, services: &'static [Service]) -> Started {
        let account = AccountId::new("main").unwrap_or_else(|_| unreachable!("`main` is an id"));
        let dynamodb = self.clients.dynamodb();
        let table = Arc::new(DynamoTable::new(dynamodb.clone(), &self.common.table));
        let Self { clock, outbox, mailer, caller, admin, queues, clients, .. } = self;
        let ports =
            Ports { table, clock, entropy: Arc::new(SystemEntropy), outbox, mailer, caller };
        let platform = Platform::of(Setup {
            defaults: self.defaults,
            reading: super::READING,
            ..Setup::new(account, ports, self.public_url)
        });
        Started { function, platform, admin, queues, clients, dynamodb, services }
    }
}

fn clients(access: &Access) -> Clients {
    let Access { region, endpoint, key_id, secret, session } = access.clone();
    let credentials =
        Credentials { access_key_id: key_id, secret_access_key: secret, session_token: session };
    Clients::new(&Connection { region, endpoint, credentials })
}

/// `webhook`
pub fn webhook(settings: &Settings<WebhookSettings>) -> Started {
    Parts::of(&settings.common)
        .with_admin(settings.own.admin_key.as_deref())
        .started(Function::Webhook, &[Service::DynamoDb])
}

/// `api`
pub fn api(settings: &Settings<ApiSettings>) -> Started {
    let delay = settings.own.restart_delay.and_then(|delay| i64::try_from(delay.as_secs()).ok());
    let restart_delay = delay.map(Span::seconds);
    Parts {
        public_url: settings.own.public_url.clone(),
        defaults: Defaults { sender: settings.own.sender.clone(), restart_delay },
        ..Parts::of(&settings.common)
    }
    .with_admin(settings.own.admin_key.as_deref())
    .with_queues(&settings.own.outbox)
    .started(Function::Api, &[Service::DynamoDb])
}

/// `tag-change`
pub fn tag_change(settings: &Settings<TagChangeSettings>) -> Started {
    Parts::of(&settings.common).started(Function::TagChange, &[Service::DynamoDb])
}

/// `effects`
pub fn effects(settings: &Settings<EffectsSettings>) -> Started {
    Parts::of(&settings.common)
        .with_outbox(&settings.own.outbox)
        .started(Function::Effects, &[Service::DynamoDb, Service::Scheduler, Service::Sqs])
}

/// `timer`
pub fn timer(settings: &Settings<TimerSettings>) -> Started {
    Parts { queues: settings.own.queues.clone(), ..Parts::of(&settings.common) }
        .with_queues(&settings.own.outbox)
        .started(Function::Timer, &[Service::DynamoDb, Service::Sqs])
}

/// `stop-campaign`
pub fn stop_campaign(settings: &Settings<StopCampaignSettings>) -> Started {
    Parts { queues: settings.own.queues.clone(), ..Parts::of(&settings.common) }
        .with_outbox(&settings.own.outbox)
        .started(Function::StopCampaign, &[Service::DynamoDb, Service::Sqs])
}

/// `deliver`
pub fn deliver(settings: &Settings<DeliverSettings>) -> Started {
    let parts = Parts::of(&settings.common);
    let caller = HttpsCaller::new(&parts.clients);
    let caller = match settings.common.access.endpoint {
        Some(_) => caller.at_home(),
        None => caller,
    };
    let set = settings.own.configuration_set.clone();
    let mailer = SesMailer::new(parts.clients.ses(), set, settings.own.mail_concurrency);
    Parts {
        mailer: Arc::new(mailer),
        caller: Arc::new(caller),
        queues: settings.own.queues.clone(),
        public_url: settings.own.public_url.clone(),
        defaults: Defaults { sender: settings.own.sender.clone(), restart_delay: None },
        ..parts
    }
    .started(Function::Deliver, &[Service::DynamoDb])
}

/// `feedback`
pub fn feedback(settings: &Settings<FeedbackSettings>) -> Started {
    Parts::of(&settings.common).started(Function::Feedback, &[Service::DynamoDb])
}

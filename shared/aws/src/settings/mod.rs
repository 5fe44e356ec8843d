//! The settings of the functions: the only place of the AWS side that reads the environment.
//!
//! A function reads only what it uses: for queues and timers, what [`Function`] says that it sends
//! and consumes. Everything that is missing or wrong is reported in one message. [`VARIABLES`] has
//! every name with its meaning; `docs/settings.md` shows them to people.

mod functions;
mod reading;
mod variables;

use std::time::Duration;

use dacapo_engine::campaign::format::Sender;
use dacapo_platform::ports::Queue;

pub use functions::Function;
use reading::Reading;
pub use reading::{Environment, Incomplete, sender};
use variables as names;
pub use variables::{VARIABLES, Variable, read_by, url_of};

/// How many batches of each mail queue are processed at once unless it is set: as in the template.
const MAIL_CONCURRENCY: u32 = 10;

/// How AWS is reached. In Lambda the credentials are those of the function's role, and are valid
/// longer than an instance lives.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// The Region.
    pub region: String,
    /// The address of all services, instead of AWS.
    pub endpoint: Option<String>,
    /// The credentials' key id.
    pub key_id: String,
    /// Their secret.
    pub secret: String,
    /// Their session token.
    pub session: Option<String>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// What every function reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common {
    /// The table's name.
    pub table: String,
    /// The log level.
    pub log: String,
    /// How AWS is reached.
    pub access: Access,
}

/// What an outbox reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxSettings {
    /// The queues that the function sends to, and their URLs.
    pub queues: Vec<(Queue, String)>,
    /// How timers are set, if the function sets any.
    pub schedules: Option<Schedules>,
}

/// How timers are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedules {
    /// The ARN of the timers queue.
    pub target: String,
    /// The group.
    pub group: String,
    /// The role by which the Scheduler sends.
    pub role: String,
    /// The ARN of the queue for what the Scheduler could not deliver.
    pub dead_letters: String,
}

/// The settings of a function: what every function reads, and what it reads beside that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings<S> {
    /// What every function reads.
    pub common: Common,
    /// What this one reads beside it.
    pub own: S,
}

/// What `webhook` reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// The ARN of the secret that holds the admin key.
    pub admin_key: Option<String>,
}

/// What `api` reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// The ARN of the secret that holds the admin key.
    pub admin_key: Option<String>,
    /// The URL at which the API is reached from outside.
    pub public_url: String,
    /// The sender of mail if nothing else names one.
    pub sender: Option<Sender>,
    /// The restart delay of campaigns that have none of their own.
    pub restart_delay: Option<Duration>,
    /// Timers and queues.
    pub outbox: OutboxSettings,
}

/// What `tag-change` reads: nothing of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagChangeSettings;

/// What `effects` reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectsSettings {
    /// Timers and queues.
    pub outbox: OutboxSettings,
}

/// What `timer` reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerSettings {
    /// The queues that it sends to.
    pub outbox: OutboxSettings,
    /// The URLs of the queues that it consumes.
    pub queues: Vec<String>,
}

/// What `stop-campaign` reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopCampaignSettings {
    /// Timers and queues.
    pub outbox: OutboxSettings,
    /// The URLs of the queues that it consumes.
    pub queues: Vec<String>,
}

/// What `deliver` reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverSettings {
    /// The URL at which the API is reached from outside.
    pub public_url: String,
    /// The sender of mail if nothing else names one.
    pub sender: Option<Sender>,
    /// The SES configuration set.
    pub configuration_set: Option<String>,
    /// How many batches of each mail queue are processed at once at most.
    pub mail_concurrency: u32,
    /// The URLs of the queues that it consumes.
    pub queues: Vec<String>,
}

/// What `feedback` reads: nothing of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedbackSettings;

/// What a function reads beside what every function does.
pub trait OwnSettings: Sized {
    /// The function.
    const FUNCTION: Function;

    /// Reads them. Problems are noted, and `None` is answered if there are any.
    #[doc(hidden)]
    fn read(reading: &mut Reading<'_>) -> Option<Self>;
}

impl<S: OwnSettings> Settings<S> {
    /// The settings that an environment holds.
    ///
    /// # Errors
    ///
    /// Everything that is missing or wrong.
    pub fn from_environment(environment: &Environment) -> Result<Self, Incomplete> {
        let mut reading = Reading::of(environment);
        let settings = Self::read(&mut reading);
        reading.finished(S::FUNCTION, settings)
    }

    fn read(reading: &mut Reading<'_>) -> Option<Self> {
        // All problems are noted, so reading does not stop at the first.
        let (common, own) = (Common::read(reading), S::read(reading));
        Some(Self { common: common?, own: own? })
    }
}

impl Common {
    fn read(reading: &mut Reading<'_>) -> Option<Self> {
        let table = reading.needed(names::TABLE);
        let log = reading.optional(names::LOG).unwrap_or_else(|| "info".to_owned());
        let region = reading.needed(names::REGION);
        let endpoint = reading.optional(names::ENDPOINT);
        let key_id = reading.needed(names::KEY_ID);
        let secret = reading.needed(names::SECRET);
        let session = reading.optional(names::SESSION);
        let access =
            Access { region: region?, endpoint, key_id: key_id?, secret: secret?, session };
        Some(Self { table: table?, log, access })
    }
}

impl Schedules {
    fn read(reading: &mut Reading<'_>) -> Option<Self> {
        let target = reading.needed(names::TIMERS_ARN);
        let group = reading.needed(names::SCHEDULE_GROUP);
        let role = reading.needed(names::SCHEDULE_ROLE);
        let dead_letters = reading.needed(names::SCHEDULE_DEAD);
        Some(Self { target: target?, group: group?, role: role?, dead_letters: dead_letters? })
    }
}

impl OutboxSettings {
    fn read(reading: &mut Reading<'_>, function: Function) -> Option<Self> {
        let queues =
            function.orders().iter().map(|queue| Some((*queue, reading.needed(url_of(*queue))?)));
        // All problems are noted, so reading does not stop at the first.
        let queues: Vec<Option<(Queue, String)>> = queues.collect();
        let schedules = function.sets_timers().then(|| Schedules::read(reading));
        let queues = queues.into_iter().collect::<Option<_>>()?;
        let schedules = match schedules {
            Some(schedules) => Some(schedules?),
            None => None,
        };
        Some(Self { queues, schedules })
    }
}

/// The URL at which the API is reached from outside, without a slash at the end.
fn public_url(reading: &mut Reading<'_>) -> Option<String> {
    Some(reading.needed(names::PUBLIC_URL)?.trim_end_matches('/').to_owned())
}

/// The URLs of the queues that a function consumes.
fn worked_off(reading: &mut Reading<'_>, function: Function) -> Option<Vec<String>> {
    let urls = function.works_off().iter().map(|queue| reading.needed(url_of(*queue)));
    let urls: Vec<Option<String>> = urls.collect();
    urls.into_iter().collect()
}

impl OwnSettings for WebhookSettings {
    const FUNCTION: Function = Function::Webhook;

    fn read(reading: &mut Reading<'_>) -> Option<Self> {
        Some(Self { admin_key: reading.optional(names::ADMIN_KEY) })
    }
}

impl OwnSettings for ApiSettings {
    const FUNCTION: Function = Function::Api;

    fn read(reading: &mut Reading<'_>) -> Option<Self> {
        let admin_key = reading.optional(names::ADMIN_KEY);
        let public_url = public_url(reading);
        let sender = reading.parsed(names::SENDER, sender);
        let restart_delay = reading.parsed(names::RESTART_DELAY, reading::seconds);
        let outbox = OutboxSettings::read(reading, Self::FUNCTION)?;
        Some(Self { admin_key, public_url: public_url?, sender, restart_delay, outbox })
    }
}

impl OwnSettings for TagChangeSettings {
    const FUNCTION: Function = Function::TagChange;

    fn read(_: &mut Reading<'_>) -> Option<Self> {
        Some(Self)
    }
}

impl OwnSettings for EffectsSettings {
    const FUNCTION: Function = Function::Effects;

    fn read(reading: &mut Reading<'_>) -> Option<Self> {
        Some(Self { outbox: OutboxSettings::read(reading, Self::FUNCTION)? })
    }
}

impl OwnSettings for TimerSettings {
    const FUNCTION: Function = Function::Timer;

    fn read(reading: &mut Reading<'_>) -> Option<Self> {
        let outbox = OutboxSettings::read(reading, Self::FUNCTION);
        let queues = worked_off(reading, Self::FUNCTION);
        Some(Self { outbox: outbox?, queues: queues? })
    }
}

impl OwnSettings for StopCampaignSettings {
    const FUNCTION: Function = Function::StopCampaign;

    fn read(reading: &mut Reading<'_>) -> Option<Self> {
        let outbox = OutboxSettings::read(reading, Self::FUNCTION);
        let queues = worked_off(reading, Self::FUNCTION);
        Some(Self { outbox: outbox?, queues: queues? })
    }
}

impl OwnSettings for DeliverSettings {
    const FUNCTION: Function = Function::Deliver;

    fn read(reading: &mut Reading<'_>) -> Option<Self> {
        let public_url = public_url(reading);
        let sender = reading.parsed(names::SENDER, sender);
        let configuration_set = reading.optional(names::CONFIGURATION_SET);
        let mail_concurrency = reading.parsed(names::MAIL_CONCURRENCY, reading::at_once);
        let mail_concurrency = mail_concurrency.unwrap_or(MAIL_CONCURRENCY);
        let queues = worked_off(reading, Self::FUNCTION)?;
        Some(Self { public_url: public_url?, sender, configuration_set, mail_concurrency, queues })
    }
}

impl OwnSettings for FeedbackSettings {
    const FUNCTION: Function = Function::Feedback;

    fn read(_: &mut Reading<'_>) -> Option<Self> {
        Some(Self)
    }
}

#[cfg(test)]
mod tests;

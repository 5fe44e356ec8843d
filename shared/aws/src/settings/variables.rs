//! The variables: their names, what each is for, and which functions read it. `docs/settings.md` shows the same table, and
//! a test compares the two.

use super::Function;

/// A setting in the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Whether a function that reads it does without.
    pub optional: bool,
    /// The functions that read it.
    pub read_by: &'static [Function],
}

use Function::{Api, Deliver, Effects, StopCampaign, Timer, Webhook};

const EVERYONE: &[Function] = &Function::ALL;

const fn needed(name: &'static str, read_by: &'static [Function], about: &'static str) -> Variable {
    Variable { name, about, optional: false, read_by }
}

const fn optional(
    name: &'static str,
    read_by: &'static [Function],
    about: &'static str,
) -> Variable {
    Variable { name, about, optional: true, read_by }
}

pub(super) const TABLE: &str = "DACAPO_TABLE";
pub(super) const LOG: &str = "DACAPO_LOG";
pub(super) const PUBLIC_URL: &str = "DACAPO_PUBLIC_URL";
pub(super) const ADMIN_KEY: &str = "DACAPO_ADMIN_KEY_SECRET_ARN";
pub(super) const SENDER: &str = "DACAPO_SENDER";
pub(super) const RESTART_DELAY: &str = "DACAPO_RESTART_DELAY_SECONDS";
pub(super) const CONFIGURATION_SET: &str = "DACAPO_CONFIGURATION_SET";
pub(super) const MAIL_CONCURRENCY: &str = "DACAPO_MAIL_CONCURRENCY";
pub(super) const TIMERS_URL: &str = "DACAPO_TIMERS_QUEUE_URL";
pub(super) const TIMERS_ARN: &str = "DACAPO_TIMERS_QUEUE_ARN";
pub(super) const TRANSACTIONAL_URL: &str = "DACAPO_TRANSACTIONAL_QUEUE_URL";
pub(super) const MARKETING_URL: &str = "DACAPO_MARKETING_QUEUE_URL";
pub(super) const CALLS_URL: &str = "DACAPO_CALLS_QUEUE_URL";
pub(super) const STOP_URL: &str = "DACAPO_STOP_QUEUE_URL";
pub(super) const SCHEDULE_GROUP: &str = "DACAPO_SCHEDULE_GROUP";
pub(super) const SCHEDULE_ROLE: &str = "DACAPO_SCHEDULE_ROLE_ARN";
pub(super) const SCHEDULE_DEAD: &str = "DACAPO_SCHEDULE_DEAD_LETTER_ARN";
pub(super) const REGION: &str = "AWS_REGION";
pub(super) const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
pub(super) const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
pub(super) const SESSION: &str = "AWS_SESSION_TOKEN";
pub(super) const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// All of them.
pub const VARIABLES: &[Variable] = &[
    needed(TABLE, EVERYONE, "The table's name."),
    optional(
        LOG,
        EVERYONE,
        "What is logged: `error`, `warn`, `info`, `debug` or `trace`. `info` without it.",
    ),
    needed(
        PUBLIC_URL,
        &[Deliver],
        "Where the API is reached from outside, without a slash at the end: unsubscribe links begin with it.",
    ),
    optional(
        ADMIN_KEY,
        &[Webhook, Api],
        "The ARN of the Secrets Manager secret that holds the admin key. It is read when a key is presented that is not \
         in the table. Without it there is no admin key.",
    ),
    optional(
        SENDER,
        &[Api, Deliver],
        "Who mail comes from where neither the campaign nor the account says: `address`, or `Name <address>`.",
    ),
    optional(
        RESTART_DELAY,
        &[Api],
        "How long after a restart no start fires, in seconds, for campaigns that do not say. It is fixed when a version \
         is published. 300 without it.",
    ),
    optional(CONFIGURATION_SET, &[Deliver], "The SES configuration set that mail is sent with."),
    optional(
        MAIL_CONCURRENCY,
        &[Deliver],
        "How many batches of each mail queue are worked on at once at most: each takes its share of the rate that SES allows. \
         10 without it.",
    ),
    needed(TIMERS_URL, &[Api, Effects, Timer, StopCampaign], "The queue of timers that are due."),
    needed(
        TIMERS_ARN,
        &[Api, Effects, StopCampaign],
        "The same queue, as the target of schedules.",
    ),
    needed(
        TRANSACTIONAL_URL,
        &[Effects, StopCampaign, Deliver],
        "The queue of transactional mail.",
    ),
    needed(MARKETING_URL, &[Effects, StopCampaign, Deliver], "The queue of marketing mail."),
    needed(CALLS_URL, &[Effects, StopCampaign, Deliver], "The queue of webhooks to call."),
    needed(
        STOP_URL,
        &[Api, Effects, StopCampaign],
        "The queue of work on many contacts, and of timers that are still to be set.",
    ),
    needed(
        SCHEDULE_GROUP,
        &[Api, Effects, StopCampaign],
        "The schedule group that timers are made in.",
    ),
    needed(
        SCHEDULE_ROLE,
        &[Api, Effects, StopCampaign],
        "The role by which the Scheduler sends to the timers queue.",
    ),
    needed(
        SCHEDULE_DEAD,
        &[Api, Effects, StopCampaign],
        "The queue for timers that the Scheduler could not hand over.",
    ),
    needed(REGION, EVERYONE, "The Region. Lambda sets it."),
    needed(KEY_ID, EVERYONE, "The credentials' key id. Lambda sets it."),
    needed(SECRET, EVERYONE, "The credentials' secret. Lambda sets it."),
    optional(SESSION, EVERYONE, "The credentials' session token. Lambda sets it."),
    optional(
        ENDPOINT,
        EVERYONE,
        "Where all services are reached instead of AWS: an emulator. Not set on AWS.",
    ),
];

/// The names that a function reads.
pub fn read_by(function: Function) -> impl Iterator<Item = &'static Variable> {
    VARIABLES.iter().filter(move |variable| variable.read_by.contains(&function))
}

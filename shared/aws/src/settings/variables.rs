//! The variables: their names, their meanings, and which functions read them. `docs/settings.md`
//! shows the same table, and a test compares the two.

use dacapo_platform::ports::Queue;

use super::Function;

/// A setting in the environment.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its meaning.
    pub about: &'static str,
    /// Whether it is optional for a function that reads it.
    pub optional: bool,
    /// Whether a function reads it. For queues and timers, [`Function::orders`] and
    /// [`Function::works_off`] say it.
    pub is_read_by: fn(Function) -> bool,
}

use Function::{Api, Deliver, Webhook};

type IsReadBy = fn(Function) -> bool;

const EVERYONE: IsReadBy = |_| true;

const fn needed(name: &'static str, is_read_by: IsReadBy, about: &'static str) -> Variable {
    Variable { name, about, optional: false, is_read_by }
}

const fn optional(name: &'static str, is_read_by: IsReadBy, about: &'static str) -> Variable {
    Variable { name, about, optional: true, is_read_by }
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

/// The variable with the URL of a queue.
pub fn url_of(queue: Queue) -> &'static str {
    match queue {
        Queue::Timers => TIMERS_URL,
        Queue::Transactional => TRANSACTIONAL_URL,
        Queue::Marketing => MARKETING_URL,
        Queue::Calls => CALLS_URL,
        Queue::Jobs => STOP_URL,
    }
}

/// All of them.
pub const VARIABLES: &[Variable] = &[
    needed(TABLE, EVERYONE, "The table's name."),
    optional(
        LOG,
        EVERYONE,
        "What is logged: `error`, `warn` or `info`; `debug` and `trace` are as `info`. `info` \
         without it.",
    ),
    needed(
        PUBLIC_URL,
        |function| matches!(function, Api | Deliver),
        "Where the API is reached from outside, without a slash at the end: unsubscribe links and \
         the URLs of connections begin with it.",
    ),
    optional(
        ADMIN_KEY,
        |function| matches!(function, Webhook | Api),
        "The ARN of the Secrets Manager secret that holds the admin key. It is read when a key is \
         presented that is not in the table. Without it there is no admin key.",
    ),
    optional(
        SENDER,
        |function| matches!(function, Api | Deliver),
        "Who mail comes from where neither the campaign nor the account says: `address`, or `Name \
         <address>`.",
    ),
    optional(
        RESTART_DELAY,
        |function| function == Api,
        "How long after a restart no start fires, in seconds, for campaigns that do not say. It is \
         fixed when a version is published. 300 without it.",
    ),
    optional(
        CONFIGURATION_SET,
        |function| function == Deliver,
        "The SES configuration set that mail is sent with.",
    ),
    optional(
        MAIL_CONCURRENCY,
        |function| function == Deliver,
        "How many batches of each mail queue are worked on at once at most: each takes its share \
         of the rate that SES allows. 10 without it.",
    ),
    needed(
        TIMERS_URL,
        |function| function.knows(Queue::Timers),
        "The queue of timers that are due.",
    ),
    needed(TIMERS_ARN, Function::sets_timers, "The same queue, as the target of schedules."),
    needed(
        TRANSACTIONAL_URL,
        |function| function.knows(Queue::Transactional),
        "The queue of transactional mail.",
    ),
    needed(
        MARKETING_URL,
        |function| function.knows(Queue::Marketing),
        "The queue of marketing mail.",
    ),
    needed(CALLS_URL, |function| function.knows(Queue::Calls), "The queue of webhooks to call."),
    needed(
        STOP_URL,
        |function| function.knows(Queue::Jobs),
        "The queue of work on many contacts, and of timers that are still to be set.",
    ),
    needed(SCHEDULE_GROUP, Function::sets_timers, "The schedule group that timers are made in."),
    needed(
        SCHEDULE_ROLE,
        Function::sets_timers,
        "The role by which the Scheduler sends to the timers queue.",
    ),
    needed(
        SCHEDULE_DEAD,
        Function::sets_timers,
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
    VARIABLES.iter().filter(move |variable| (variable.is_read_by)(function))
}

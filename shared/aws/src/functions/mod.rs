//! What the functions do, each in a few lines above the platform's handlers.
//!
//! | function | is called by | does | answers |
//! |---|---|---|---|
//! | `webhook`, `api` | API Gateway, `api` also a rule every few minutes | [`http`] | HTTP |
//! | `tag-change` | the stream, contact items | [`stream::tag_change`] | failed records |
//! | `effects` | the stream, enrollment items | [`stream::EffectsFunction`] | failed records |
//! | `timer`, `deliver` | SQS | [`queue`] | failed messages |
//! | `stop-campaign` | SQS, and a rule every few minutes | [`queue`] | failed messages |
//! | `feedback` | SES, by SNS or EventBridge | [`feedback`] | nothing |
//!
//! A retryable failure is answered as failed and comes again; everything here is idempotent. Work
//! that is unreadable, panics, or is refused permanently by a service becomes a dead letter: it is
//! put into the table as it came, blocks nothing, and is not lost. The function that made it
//! redrives it. For `tag-change`, `effects` and `feedback`, which have no queue, `stop-campaign`
//! does. What kills the process is left to the mapping's destination for failures.

pub mod feedback;
pub mod http;
pub mod queue;
pub mod run;
pub mod start;
pub mod stream;
pub mod unsupported_port;

use std::future::Future;

use dacapo_platform::dead_letters::{DeadLetterKind, NewDeadLetter};
use dacapo_platform::error::{Error, Retryability, caught};
use dacapo_platform::platform::Platform;
use dacapo_platform::redriving::DeadLetterReaders;
use serde_json::{Value, json};

use crate::settings::Function;

/// A failure of the whole invocation, which comes again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FunctionError(pub String);

/// Whether an event comes from the rule that calls every few minutes, and not from what the
/// function is for (*Using a schedule in EventBridge to invoke a function*,
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html>).
fn is_from_rule(event: &Value) -> bool {
    event.get("source").and_then(Value::as_str) == Some("aws.events")
}

/// The result of one piece of work.
#[derive(Debug, PartialEq)]
enum WorkOutcome<T> {
    /// It is done.
    Done(T),
    /// It failed, and is retryable.
    Again(Error),
    /// It failed permanently.
    Never(String),
}

/// Does a piece of work. A panic in it is a defect, and does not end the process.
async fn outcome<T>(work: impl Future<Output = Result<T, Error>>) -> WorkOutcome<T> {
    match caught(work).await {
        Ok(done) => WorkOutcome::Done(done),
        Err(error) => match error.retryability() {
            Retryability::Retryable => WorkOutcome::Again(error),
            Retryability::Permanent => WorkOutcome::Never(error.to_string()),
        },
    }
}

/// Makes a dead letter of a piece of work; one that is too large keeps less of it. `false` if that
/// is not possible: then the work has to come again.
async fn keep_dead_letter(
    platform: &Platform,
    function: Function,
    id: &str,
    why: &str,
    raw: &Value,
) -> bool {
    let kind = match function {
        Function::TagChange => DeadLetterKind::Change,
        Function::Effects => DeadLetterKind::Decision,
        Function::Feedback => DeadLetterKind::Report,
        Function::Webhook
        | Function::Api
        | Function::Timer
        | Function::StopCampaign
        | Function::Deliver => DeadLetterKind::Message,
    };
    let by = function.name();
    let name = &format!("{by}/{id}");
    let smaller = std::iter::once_with(|| stream::smaller(raw)).flatten();
    match platform
        .dead_letters
        .keep_or(NewDeadLetter { name, kind, by, why, raw: &raw.to_string() }, smaller)
        .await
    {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(
                name, by, %error, "cannot be done, and cannot be kept as a dead letter"
            );
            false
        }
    }
}

/// How dead letters are read: each is a record or an event, as it came.
pub const READING: DeadLetterReaders = DeadLetterReaders {
    change: |raw| stream::contact_in(&json_of(raw)?),
    decision: |raw| stream::decision_in(&json_of(raw)?),
    message: |raw| queue::message_in(&json_of(raw)?),
    reports: |raw| feedback::reports_in(&json_of(raw)?),
};

fn json_of(raw: &str) -> Result<Value, String> {
    serde_json::from_str(raw).map_err(|error| error.to_string())
}

/// The answer of a function that processes a batch.
fn answer(failed: impl IntoIterator<Item = String>) -> Value {
    let failures: Vec<Value> =
        failed.into_iter().map(|id| json!({ "itemIdentifier": id })).collect();
    json!({ "batchItemFailures": failures })
}

/// The records of a batch.
fn records(event: &Value) -> Result<&Vec<Value>, FunctionError> {
    let records = event.get("Records").and_then(Value::as_array);
    records.ok_or_else(|| FunctionError("the event has no `Records`".to_owned()))
}

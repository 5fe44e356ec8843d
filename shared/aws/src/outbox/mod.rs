//! Timers on EventBridge Scheduler, queues on SQS.
//!
//! A timer is a schedule of its name in the stack's group, which sends its message to the timers
//! queue and then deletes itself. It is set a minute early, because the Scheduler knows minutes
//! only; the receiver of the message waits for the instant itself. What is due within two minutes
//! goes straight to the queue.
//!
//! Everything is idempotent: a schedule that exists is updated, one that is gone need not be
//! deleted, and a message that comes twice has no further effect.
//!
//! Scheduler and SQS are different services, and neither waits for the other: they are called
//! concurrently, each within a time. Orders that were not accepted are answered, each with whether
//! it is retryable.

mod plan;
mod timers;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchError;
use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchRequestEntry};
use dacapo_platform::ports::{Clock, Declined, NotTaken, Order, Outbox, Queue};
use futures_util::future::{FutureExt as _, join};
use futures_util::stream::{self, StreamExt as _};

use crate::clients::LazyClient;
use crate::settings::Schedules;
use plan::{Outgoing, Plan};
use timers::{SchedulerTimers, SetTimers};

/// How many requests are in progress at once, to each of the two.
const REQUESTS_AT_ONCE: usize = 16;

/// How often those messages of a batch are sent again that a queue has not accepted.
const OFFERS: usize = 3;

/// How long a batch may take, with all repetitions.
const DEADLINE: Duration = Duration::from_secs(10);

/// Refusals that are reported as the sender's fault, but pass, or are fixed by the operator of the
/// stack: parts of their codes.
const PASSING: [&str; 5] = ["Throttl", "OverLimit", "AccessDenied", "Kms", "NonExistentQueue"];

/// Timers and queues.
pub struct AwsOutbox {
    /// None in a function that sets no timers: the Scheduler's client is no part of it then.
    timers: Option<Box<dyn SetTimers>>,
    sqs: LazyClient<aws_sdk_sqs::Client>,
    queues: Vec<(Queue, String)>,
    clock: Arc<dyn Clock>,
}

impl AwsOutbox {
    /// The queues of [`Function::orders`](crate::settings::Function::orders), with their URLs. It
    /// sets no timers.
    pub fn new(
        sqs: LazyClient<aws_sdk_sqs::Client>,
        queues: Vec<(Queue, String)>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { timers: None, sqs, queues, clock }
    }

    /// The same, and it sets timers.
    #[must_use]
    pub fn with_timers(
        self,
        scheduler: LazyClient<aws_sdk_scheduler::Client>,
        schedules: Schedules,
    ) -> Self {
        Self { timers: Some(Box::new(SchedulerTimers::new(scheduler, schedules))), ..self }
    }

    /// Sends batches. Answers what was not accepted.
    async fn send_all(&self, batches: Vec<(Queue, Vec<Outgoing>)>) -> Vec<NotTaken> {
        let each: Vec<_> =
            batches.into_iter().map(|(queue, batch)| self.send(queue, batch).boxed()).collect();
        let sent: Vec<Vec<NotTaken>> =
            stream::iter(each).buffer_unordered(REQUESTS_AT_ONCE).collect().await;
        sent.into_iter().flatten().collect()
    }

    async fn send(&self, queue: Queue, batch: Vec<Outgoing>) -> Vec<NotTaken> {
        let mut answers = vec![None; batch.len()];
        let offered = tokio::time::timeout(DEADLINE, self.offer(queue, &batch, &mut answers));
        let others = match offered.await {
            Ok(offered) => offered,
            Err(_) => Err(Declined::Retryable(format!("no answer within {DEADLINE:?}"))),
        };
        let answers = answers.into_iter().map(|answer| answer.unwrap_or_else(|| others.clone()));
        let answered = batch.into_iter().zip(answers);
        answered
            .filter_map(|(one, answer)| Some(NotTaken { order: one.order, why: answer.err()? }))
            .collect()
    }

    /// Sends a batch, and again what was not accepted. Notes the answers for single messages; the
    /// result holds for the others.
    async fn offer(
        &self,
        queue: Queue,
        batch: &[Outgoing],
        answers: &mut [Option<Result<(), Declined>>],
    ) -> Result<(), Declined> {
        let url = self.url(queue)?;
        let mut why = String::new();
        for _ in 0..OFFERS {
            let mut request = self.sqs.send_message_batch().queue_url(url);
            let open = (0..).zip(batch).filter(|(at, _): &(usize, _)| answers[*at].is_none());
            for (at, one) in open {
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(at.to_string())
                    .message_body(&one.body)
                    .delay_seconds(one.delay)
                    .build();
                let entry =
                    entry.map_err(|error| Declined::Permanent(said("no message", &error)))?;
                request = request.entries(entry);
            }
            let sent = request.send().await;
            let sent = sent.map_err(|error| of_a_batch(&error.into_service_error()))?;
            let taken = sent.successful().iter().map(|entry| (entry.id(), Ok(())));
            let refused = sent.failed().iter().filter(|entry| is_permanent(entry));
            let refused = refused.map(|entry| (entry.id(), Err(Declined::Permanent(told(entry)))));
            for (id, answer) in taken.chain(refused) {
                let place = id.parse().ok().and_then(|at: usize| answers.get_mut(at));
                place.map(|place| place.replace(answer));
            }
            if answers.iter().all(Option::is_some) {
                return Ok(());
            }
            why = sent.failed().first().map(told).unwrap_or_default();
        }
        Err(Declined::Retryable(format!("offered {OFFERS} times: {why}")))
    }

    fn url(&self, queue: Queue) -> Result<&str, Declined> {
        let mut queues = self.queues.iter();
        let found = queues.find(|(one, _)| *one == queue).map(|(_, url)| url.as_str());
        found.ok_or_else(|| {
            Declined::Retryable("this function sends nothing to that queue".to_owned())
        })
    }
}

#[async_trait]
impl Outbox for AwsOutbox {
    async fn dispatch(&self, orders: Vec<Order>) -> Vec<NotTaken> {
        let plan = Plan::of(orders, self.clock.now());
        let timers = async {
            match &self.timers {
                Some(timers) => {
                    timers.carry_out(&plan.schedules, &plan.cancels, &*self.clock).await
                }
                None => timers::not_set_here(&plan.schedules, &plan.cancels),
            }
        };
        let (sent, set) = join(self.send_all(plan.batches), timers).await;
        [plan.not_taken, sent, set].into_iter().flatten().collect()
    }

    fn sets_timers(&self) -> bool {
        self.timers.is_some()
    }
}

/// Whether a message of a batch would be refused every time (Amazon SQS API Reference,
/// `BatchResultErrorEntry`, `SenderFault`:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_BatchResultErrorEntry.html>).
fn is_permanent(entry: &BatchResultErrorEntry) -> bool {
    entry.sender_fault() && !PASSING.iter().any(|passing| entry.code().contains(passing))
}

fn told(entry: &BatchResultErrorEntry) -> String {
    match entry.message() {
        Some(message) => format!("{}: {message}", entry.code()),
        None => entry.code().to_owned(),
    }
}

/// The meaning of a batch of which nothing was accepted (Amazon SQS API Reference,
/// `SendMessageBatch`, *Errors*:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>):
/// errors in the messages are permanent.
fn of_a_batch(error: &SendMessageBatchError) -> Declined {
    let words = said("none of a batch was taken", error);
    match error.code() {
        Some("BatchRequestTooLong" | "InvalidMessageContents") => Declined::Permanent(words),
        _ => Declined::Retryable(words),
    }
}

/// The service's text for it, without what was sent.
fn said(what: &str, error: &(dyn std::error::Error + 'static)) -> String {
    format!("{what}: {}", crate::error_text::text_of(error))
}

#[cfg(test)]
mod tests;

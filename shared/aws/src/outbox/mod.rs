//! Timers on EventBridge Scheduler, queues on SQS.
//!
//! A timer is a schedule of its name in the stack's group that sends its message to the timers
//! queue and then deletes itself. It is set a minute early, because the Scheduler keeps minutes
//! only; whoever takes the message waits for the instant itself. What is due within two minutes
//! goes straight to the queue.
//!
//! Everything may be done again: a schedule that is there already is brought up to date, one that
//! is gone needs no deletion, and a message that comes twice changes nothing.
//!
//! The two are different services, and neither waits for the other: queues and timers are served
//! side by side, each within a time. What is not taken is answered, with whether it is worth
//! another try.

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
use crate::settings::OutboxSettings;
use plan::{Outgoing, Plan};
use timers::SchedulerTimers;

/// How many requests are under way at once, to each of the two.
const AT_ONCE: usize = 16;

/// How often what a queue has not taken of a batch is offered again.
const OFFERS: usize = 3;

/// How long a batch may take, with all that is offered again.
const DEADLINE: Duration = Duration::from_secs(10);

/// Refusals that are told as faults of the sender and pass nevertheless, or are mended by whoever
/// runs the stack: what their codes hold.
const PASSING: [&str; 5] = ["Throttl", "OverLimit", "AccessDenied", "Kms", "NonExistentQueue"];

/// Timers and queues.
pub struct AwsOutbox {
    timers: SchedulerTimers,
    sqs: LazyClient<aws_sdk_sqs::Client>,
    settings: OutboxSettings,
    clock: Arc<dyn Clock>,
}

impl AwsOutbox {
    /// The queues and timers that the settings name: those of
    /// [`Function::orders`](crate::settings::Function::orders).
    pub fn new(
        sqs: LazyClient<aws_sdk_sqs::Client>,
        scheduler: LazyClient<aws_sdk_scheduler::Client>,
        settings: OutboxSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let timers = SchedulerTimers::new(scheduler, settings.schedules.clone());
        Self { timers, sqs, settings, clock }
    }

    /// Sends batches. Answers what was not taken.
    async fn send_all(&self, batches: Vec<(Queue, Vec<Outgoing>)>) -> Vec<NotTaken> {
        let each: Vec<_> =
            batches.into_iter().map(|(queue, batch)| self.send(queue, batch).boxed()).collect();
        let sent: Vec<Vec<NotTaken>> = stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
        sent.into_iter().flatten().collect()
    }

    async fn send(&self, queue: Queue, batch: Vec<Outgoing>) -> Vec<NotTaken> {
        let mut answers = vec![None; batch.len()];
        let offered = tokio::time::timeout(DEADLINE, self.offer(queue, &batch, &mut answers));
        let others = match offered.await {
            Ok(offered) => offered,
            Err(_) => Err(Declined::ForNow(format!("no answer within {DEADLINE:?}"))),
        };
        let answers = answers.into_iter().map(|answer| answer.unwrap_or_else(|| others.clone()));
        let answered = batch.into_iter().zip(answers);
        answered
            .filter_map(|(one, answer)| Some(NotTaken { order: one.order, why: answer.err()? }))
            .collect()
    }

    /// Offers a batch, and again what of it was not taken. Notes what is answered of each message;
    /// what is answered here holds of the others.
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
                let entry = entry.map_err(|error| Declined::ForGood(said("no message", &error)))?;
                request = request.entries(entry);
            }
            let sent = request.send().await;
            let sent = sent.map_err(|error| of_a_batch(&error.into_service_error()))?;
            let taken = sent.successful().iter().map(|entry| (entry.id(), Ok(())));
            let refused = sent.failed().iter().filter(|entry| is_for_good(entry));
            let refused = refused.map(|entry| (entry.id(), Err(Declined::ForGood(told(entry)))));
            for (id, answer) in taken.chain(refused) {
                let place = id.parse().ok().and_then(|at: usize| answers.get_mut(at));
                place.map(|place| place.replace(answer));
            }
            if answers.iter().all(Option::is_some) {
                return Ok(());
            }
            why = sent.failed().first().map(told).unwrap_or_default();
        }
        Err(Declined::ForNow(format!("offered {OFFERS} times: {why}")))
    }

    fn url(&self, queue: Queue) -> Result<&str, Declined> {
        let mut queues = self.settings.queues.iter();
        let found = queues.find(|(one, _)| *one == queue).map(|(_, url)| url.as_str());
        found
            .ok_or_else(|| Declined::ForNow("this function sends nothing to that queue".to_owned()))
    }
}

#[async_trait]
impl Outbox for AwsOutbox {
    async fn dispatch(&self, orders: Vec<Order>) -> Vec<NotTaken> {
        let plan = Plan::of(orders, self.clock.now());
        let timers = self.timers.carry_out(&plan.schedules, &plan.cancels, &*self.clock);
        let (sent, set) = join(self.send_all(plan.batches), timers).await;
        [plan.not_taken, sent, set].into_iter().flatten().collect()
    }
}

/// Whether a message of a batch would be refused every time (Amazon SQS API Reference,
/// `BatchResultErrorEntry`, `SenderFault`:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_BatchResultErrorEntry.html>).
fn is_for_good(entry: &BatchResultErrorEntry) -> bool {
    entry.sender_fault() && !PASSING.iter().any(|passing| entry.code().contains(passing))
}

fn told(entry: &BatchResultErrorEntry) -> String {
    match entry.message() {
        Some(message) => format!("{}: {message}", entry.code()),
        None => entry.code().to_owned(),
    }
}

/// What it means that none of a batch was taken (Amazon SQS API Reference, `SendMessageBatch`,
/// *Errors*:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>):
/// what is wrong with the messages does not pass.
fn of_a_batch(error: &SendMessageBatchError) -> Declined {
    let words = said("none of a batch was taken", error);
    match error.code() {
        Some("BatchRequestTooLong" | "InvalidMessageContents") => Declined::ForGood(words),
        _ => Declined::ForNow(words),
    }
}

/// A service's own words for it, without what was sent.
fn said(what: &str, error: &(dyn std::error::Error + 'static)) -> String {
    format!("{what}: {}", crate::error_text::text_of(error))
}

#[cfg(test)]
mod tests;

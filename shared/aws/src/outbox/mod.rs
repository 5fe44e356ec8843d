//! Timers on EventBridge Scheduler, queues on SQS.
//!
//! A timer is a schedule of its name in the stack's group that sends its message to the timers queue and then deletes
//! itself. It is set a minute early, because the Scheduler keeps minutes only; whoever takes the message waits for the
//! instant itself. What is due within two minutes goes straight to the queue.
//!
//! Everything may be done again: a schedule that is there already is brought up to date, one that is gone needs no
//! deletion, and a message that comes twice changes nothing. What is not taken is an error, and the caller does all
//! of it again.

mod plan;
mod timers;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use dacapo_platform::ports::{Clock, Order, Outbox, Queue, Unavailable};
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, StreamExt as _};

use crate::clients::Later;
use crate::settings::OutboxSettings;
use plan::{NewSchedule, Outgoing, Plan};
use timers::SchedulerTimers;

/// How many requests are under way at once.
const AT_ONCE: usize = 16;

/// How often what a queue has not taken of a batch is offered again.
const OFFERS: usize = 3;

/// Timers and queues.
pub struct AwsOutbox {
    timers: SchedulerTimers,
    sqs: Later<aws_sdk_sqs::Client>,
    settings: OutboxSettings,
    clock: Arc<dyn Clock>,
}

/// One thing to do.
enum Deed<'a> {
    Schedule(&'a NewSchedule),
    Cancel(&'a str),
    Send(Queue, &'a [Outgoing]),
}

impl AwsOutbox {
    /// The queues and timers that the settings name: those of [`Function::orders`](crate::settings::Function::orders).
    pub fn new(
        sqs: Later<aws_sdk_sqs::Client>,
        scheduler: Later<aws_sdk_scheduler::Client>,
        settings: OutboxSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let schedules = settings.schedules.clone();
        Self { timers: SchedulerTimers { client: scheduler, schedules }, sqs, settings, clock }
    }

    async fn perform(&self, deed: Deed<'_>) -> Result<(), Unavailable> {
        match deed {
            Deed::Schedule(schedule) => self.timers.set(schedule).await,
            Deed::Cancel(name) => self.timers.cancel(name).await,
            Deed::Send(queue, batch) => self.send(queue, batch).await,
        }
    }

    /// Sends a batch; what of it the queue did not take is offered again.
    async fn send(&self, queue: Queue, batch: &[Outgoing]) -> Result<(), Unavailable> {
        let url = self.url(queue)?;
        let mut open: Vec<usize> = (0..batch.len()).collect();
        let mut why = String::new();
        for _ in 0..OFFERS {
            let mut request = self.sqs.send_message_batch().queue_url(url);
            for index in &open {
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(&batch[*index].body)
                    .delay_seconds(batch[*index].delay)
                    .build();
                request = request.entries(entry.map_err(|error| failed("no message", &error))?);
            }
            let sent = request
                .send()
                .await
                .map_err(|error| failed("a queue took no messages", &error.into_service_error()))?;
            let refused = sent.failed();
            if refused.is_empty() {
                return Ok(());
            }
            why = refused.first().map(|entry| entry.code().to_owned()).unwrap_or_default();
            open = refused.iter().filter_map(|entry| entry.id().parse().ok()).collect();
        }
        Err(Unavailable(format!("the queue {} refused messages: {why}", queue.name())))
    }

    fn url(&self, queue: Queue) -> Result<&str, Unavailable> {
        let mut queues = self.settings.queues.iter();
        let found = queues.find(|(one, _)| *one == queue).map(|(_, url)| url.as_str());
        found.ok_or_else(|| {
            Unavailable(format!("this function sends nothing to the queue {}", queue.name()))
        })
    }
}

#[async_trait]
impl Outbox for AwsOutbox {
    async fn dispatch(&self, orders: Vec<Order>) -> Result<(), Unavailable> {
        let plan = Plan::of(orders, self.clock.now())?;
        let schedules = plan.schedules.iter().map(Deed::Schedule);
        let cancels = plan.cancels.iter().map(|name| Deed::Cancel(name));
        let sends = plan.batches.iter().map(|(queue, batch)| Deed::Send(*queue, batch));
        let deeds: Vec<BoxFuture<'_, _>> =
            schedules.chain(cancels).chain(sends).map(|deed| self.perform(deed).boxed()).collect();
        // All are tried, so that one that fails keeps as little as possible from being done.
        let mut under_way = stream::iter(deeds).buffer_unordered(AT_ONCE);
        let mut answer = Ok(());
        while let Some(done) = under_way.next().await {
            answer = answer.and(done);
        }
        answer
    }
}

/// A service's own words for it, without what was sent.
fn failed(what: &str, error: &(dyn std::error::Error + 'static)) -> Unavailable {
    Unavailable(format!("{what}: {}", crate::words::words_of(error)))
}

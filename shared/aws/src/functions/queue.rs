//! The queues: due timers, mail, webhooks, job steps.
//!
//! Messages of one contact are processed in order, those of different contacts concurrently. What
//! is not due yet stays in its queue, hidden until then: no function sends to its own queue for
//! that. The Scheduler is set a minute early, so most timers come early once. They are hidden
//! first, without reading the table.
//!
//! A message waits here for its slot (`MessageService::send_slot`) before anything is read for it.
//! A busy function leaves the rest in the queue: waiting costs nothing and does not count as a
//! receive. What has no slot soon is hidden.
//!
//! A batch ends before its function is ended, however long other servers take. Work that may take
//! longer than the time that is left is not begun; it comes again in a moment, and no try is
//! counted. Otherwise Lambda would end the function in the middle (*Configure Lambda function
//! timeout*, <https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html>), the whole
//! batch would come again (*Handling errors for an SQS event source in Lambda*,
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>), and it would
//! not be known whether its mail was sent.

mod hiding;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use dacapo_engine::campaign::channel::Channel;
use dacapo_engine::campaign::format::Purpose;
use dacapo_platform::Instant;
use dacapo_platform::error::Error;
use dacapo_platform::handlers::Done;
use dacapo_platform::mail_backoff;
use dacapo_platform::metrics::Metric;
use dacapo_platform::platform::Platform;
use dacapo_platform::ports::QueueMessage;
use futures_util::future::{join, join_all};
use serde_json::Value;

use super::start::Started;
use super::{FunctionError, WorkOutcome, answer, is_from_rule, keep_dead_letter, outcome, records};
use crate::caller::TIMEOUT;
use crate::clients::MAIL;
use crate::settings::Function;
pub use hiding::{Hidden, Hide, SqsHide};

/// How long work is hidden for which there was no time: at least, and how much longer at most.
const SHORT_HIDE: (TimeDelta, TimeDelta) = (TimeDelta::seconds(2), TimeDelta::seconds(4));

/// The longest time that work is hidden which has to come after what the stream will deliver.
const LONGEST_SOON: TimeDelta = TimeDelta::minutes(10);

/// How long a mail may take from its beginning, with all reads and writes, also those that the
/// table takes only when they are made again; and how long a call.
const MAIL_TAKES: TimeDelta = takes(MAIL, 8);
const CALL_TAKES: TimeDelta = takes(TIMEOUT, 2);

/// How long mail waits for its slot at most, counted from the arrival of its batch, and only while
/// there is time to send it.
const LONGEST_WAIT_FOR_SLOT: TimeDelta = TimeDelta::seconds(20);

/// The longest time that a message is hidden after it failed.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(5);

/// How long a webhook may wait in its queue before its first try. A longer wait is a trouble: no
/// alarm watches the age of that queue.
const CALLED_WITHIN: TimeDelta = TimeDelta::minutes(15);

/// The work for a message.
trait Handler: AsyncFn(&Platform, &QueueMessage) -> Result<Done, Error> {}

impl<H: AsyncFn(&Platform, &QueueMessage) -> Result<Done, Error>> Handler for H {}

/// A function that consumes queues.
pub struct QueueFunction<'a> {
    /// The platform.
    pub platform: &'a Platform,
    /// How messages are hidden.
    pub hide: &'a dyn Hide,
    /// The function.
    pub function: Function,
}

/// A message as it came.
struct Received<'a> {
    id: String,
    receipt: String,
    queue: String,
    /// How often it was received, this time included.
    attempt: u32,
    /// When it was put into the queue.
    sent: Option<Instant>,
    raw: &'a Value,
    message: Result<QueueMessage, String>,
}

/// The slot of a message.
enum SendSlot {
    Now,
    /// Now, after waiting for it.
    Waited,
    /// Not while its batch is processed.
    After(TimeDelta),
}

/// The result for a message.
enum MessageFate {
    Gone,
    /// It comes again; until then it is hidden as this says, else for the queue's own time.
    Stays(Option<Hidden>),
    /// The same, but it was not begun, since there was no time for it.
    Late(Hidden),
}

/// When a batch came, and until when it has to be answered, if that is known.
#[derive(Clone, Copy)]
struct Times {
    came: Instant,
    until: Option<Instant>,
}

impl Times {
    /// How long may be waited before work is begun that takes so long; negative if it is too late
    /// for it.
    fn left_before(self, takes: TimeDelta, now: Instant) -> TimeDelta {
        self.until.map_or(TimeDelta::MAX, |until| until - now - takes)
    }
}

impl<'a> QueueFunction<'a> {
    /// The queues of a function that has started, and how it hides their messages.
    pub fn of(started: &'a Started, hide: &'a dyn Hide) -> Self {
        Self { platform: &started.platform, hide, function: started.function }
    }

    /// Processes a batch of timers. Answers the messages that stay in the queue; the other batches
    /// do the same.
    ///
    /// # Errors
    ///
    /// If the event is no batch of a queue.
    pub async fn timers(&self, event: &Value) -> Result<Value, FunctionError> {
        let handler = async |platform: &Platform, message: &QueueMessage| {
            platform.queues.handle_timers(message).await
        };
        self.process_batch(event, None, &handler).await
    }

    /// Processes a batch of mail or webhooks, until the instant at which the function is ended, if
    /// it is known.
    ///
    /// # Errors
    ///
    /// If the event is no batch of a queue.
    pub async fn deliveries(
        &self,
        event: &Value,
        until: Option<Instant>,
    ) -> Result<Value, FunctionError> {
        let handler = async |platform: &Platform, message: &QueueMessage| {
            platform.queues.handle_deliveries(message).await
        };
        self.process_batch(event, until, &handler).await
    }

    /// Processes job steps. It is also called by a rule every few minutes, to order the jobs that
    /// were committed but not ordered, to end the pauses whose timers were lost, and to have
    /// objects looked through that may have been kept long enough.
    ///
    /// # Errors
    ///
    /// If the event is neither, or the order could not be given.
    pub async fn job_steps(&self, event: &Value) -> Result<Value, FunctionError> {
        if is_from_rule(event) {
            // The catalog is read for all of them.
            let platform = self.platform.at_work();
            let ended = platform.campaigns.end_pauses().await;
            let pending = ended.and(platform.jobs.dispatch_pending().await);
            let pending = pending.and(platform.expiry.look().await);
            return pending.map(|()| answer([])).map_err(|error| FunctionError(error.to_string()));
        }
        let handler = async |platform: &Platform, message: &QueueMessage| {
            platform.queues.handle_jobs(message).await
        };
        self.process_batch(event, None, &handler).await
    }

    async fn process_batch(
        &self,
        event: &Value,
        until: Option<Instant>,
        handler: &impl Handler,
    ) -> Result<Value, FunctionError> {
        let now = self.platform.store.now();
        let times = Times { came: now, until };
        let mut early = Vec::new();
        let mut by_key: BTreeMap<Option<String>, Vec<Received<'_>>> = BTreeMap::new();
        let mut stay = Vec::new();
        for record in records(event)? {
            let received = Received::of(record);
            let message = received.message.as_ref().ok();
            match message.and_then(due).filter(|due| *due > now) {
                Some(due) => {
                    early.push(received.hidden(due - now));
                    stay.push(received.id);
                }
                None => {
                    let ordering_key = message.and_then(QueueMessage::ordering_key);
                    by_key.entry(ordering_key).or_default().push(received);
                }
            }
        }
        let worked = self.process_lists(by_key.into_values().collect(), times, handler);
        let ((), worked) = join(self.hide(early), worked).await;
        let (mut hidden, mut late) = (Vec::new(), 0);
        for (id, fate) in worked? {
            match fate {
                MessageFate::Gone => continue,
                MessageFate::Stays(hide) => hidden.extend(hide),
                MessageFate::Late(hide) => {
                    late += 1;
                    hidden.push(hide);
                }
            }
            stay.push(id);
        }
        if late > 0 {
            tracing::warn!(
                function = self.function.name(),
                messages = late,
                "no time is left; messages come again"
            );
        }
        self.hide(hidden).await;
        Ok(answer(stay))
    }

    /// Processes messages: each list in order, the lists concurrently. The first of each list is
    /// begun however little time there is. Otherwise a function with less time than a message may
    /// take would never begin any.
    async fn process_lists(
        &self,
        lists: Vec<Vec<Received<'_>>>,
        times: Times,
        handler: &impl Handler,
    ) -> Result<Vec<(String, MessageFate)>, FunctionError> {
        if lists.is_empty() {
            return Ok(Vec::new());
        }
        let platform = &self.platform.at_work();
        let worked = join_all(lists.into_iter().map(|messages| async move {
            let (mut fates, mut late) = (Vec::new(), false);
            for received in messages {
                late |= !fates.is_empty() && self.is_late(&received, times);
                let fate = if late {
                    MessageFate::Late(received.hidden(self.soon()))
                } else {
                    self.handle_message(platform, &received, times, handler).await
                };
                fates.push((received.id, fate));
            }
            fates
        }));
        Ok(worked.await.into_iter().flatten().collect())
    }

    async fn handle_message(
        &self,
        platform: &Platform,
        received: &Received<'_>,
        times: Times,
        handler: &impl Handler,
    ) -> MessageFate {
        let message = match &received.message {
            Ok(message) => message,
            Err(why) => return self.put_in_dead_letters(received, why).await,
        };
        let now = || self.platform.store.now();
        self.count_if_called_late(message, received);
        let later;
        let platform = match self.slot(message, received, times).await {
            SendSlot::Now => platform,
            // What was read before the wait may have changed.
            SendSlot::Waited => {
                later = platform.at_work();
                &later
            }
            SendSlot::After(wait) => {
                return MessageFate::Stays(Some(received.hidden(wait + self.part_of(wait / 4))));
            }
        };
        match outcome(handler(platform, message)).await {
            WorkOutcome::Done(Done::Yes) => MessageFate::Gone,
            WorkOutcome::Done(Done::Soon) => {
                let wait = soon(received.attempt);
                MessageFate::Stays(Some(received.hidden(wait + self.part_of(wait))))
            }
            WorkOutcome::Done(Done::NotBefore(at) | Done::NotTried(at)) => {
                // Messages that wait for the same thing should not all come back in the same
                // second.
                let wait = at - now();
                let jitter = match due(message) {
                    Some(_) => TimeDelta::zero(),
                    None => self.part_of(wait / 4),
                };
                MessageFate::Stays(Some(received.hidden(wait + jitter)))
            }
            WorkOutcome::Again(error) => {
                let (id, attempt) = (received.id.as_str(), received.attempt);
                tracing::warn!(%error, function = self.function.name(), message.id = id, message.attempt = attempt,
                    "a message comes again");
                let pause = pause(attempt);
                MessageFate::Stays(Some(received.hidden(pause + self.part_of(pause))))
            }
            WorkOutcome::Never(why) => self.put_in_dead_letters(received, &why).await,
        }
    }

    /// Counts a webhook that waited for too long before its first try. Its later tries are late on
    /// purpose.
    fn count_if_called_late(&self, message: &QueueMessage, received: &Received<'_>) {
        let waited =
            received.sent.map_or(TimeDelta::zero(), |sent| self.platform.store.now() - sent);
        if matches!(message, QueueMessage::Call(_)) && is_called_late(received.attempt, waited) {
            let (id, minutes) = (received.id.as_str(), waited.num_minutes());
            tracing::warn!(message.id = id, minutes, "a webhook has waited in its queue");
            Metric::WebhooksLate.emit(1);
        }
    }

    /// Whether less time is left than a message may take.
    fn is_late(&self, received: &Received<'_>, times: Times) -> bool {
        let takes = received.message.as_ref().map_or(TimeDelta::zero(), longest);
        times.left_before(takes, self.platform.store.now()) < TimeDelta::zero()
    }

    /// Waits for the slot of a message, if it is to leave.
    async fn slot(&self, queued: &QueueMessage, received: &Received<'_>, times: Times) -> SendSlot {
        let Some((channel, purpose)) = leaves(queued) else { return SendSlot::Now };
        let now = self.platform.store.now();
        let waited = received.sent.map_or(TimeDelta::zero(), |sent| now - sent);
        // Mail that has waited for so long goes before other marketing mail, but not faster than
        // SES takes mail: with a backlog all of it is that old. After the longest wait
        // it is sent without a slot.
        let purpose = match waited {
            _ if waited >= mail_backoff::LONGEST_FOR_SLOT + mail_backoff::LONGEST_WAIT => {
                return SendSlot::Now;
            }
            _ if waited >= mail_backoff::LONGEST_FOR_SLOT => Purpose::Transactional,
            _ => purpose,
        };
        let within =
            (LONGEST_WAIT_FOR_SLOT - (now - times.came)).min(times.left_before(MAIL_TAKES, now));
        let within = within.to_std().unwrap_or_default();
        match self.platform.delivery.channels.service(channel).send_slot(purpose, within).await {
            Ok(Duration::ZERO) => SendSlot::Now,
            Ok(_) => SendSlot::Waited,
            Err(slot) => SendSlot::After(mail_backoff::for_slot(slot, waited)),
        }
    }

    async fn put_in_dead_letters(&self, received: &Received<'_>, why: &str) -> MessageFate {
        let (function, id) = (self.function, &received.id);
        if keep_dead_letter(self.platform, function, id, why, received.raw).await {
            MessageFate::Gone
        } else {
            MessageFate::Stays(None)
        }
    }

    /// Hides messages. Those that cannot be hidden come back after the queue's own time: late, but
    /// not lost.
    async fn hide(&self, hidden: Vec<Hidden>) {
        if hidden.is_empty() {
            return;
        }
        let messages = hidden.len();
        if let Err(error) = self.hide.hide(hidden).await {
            tracing::warn!(
                %error, function = self.function.name(), messages, "messages were not hidden"
            );
        }
    }

    /// How long work is hidden for which there was no time.
    fn soon(&self) -> TimeDelta {
        let (least, more) = SHORT_HIDE;
        least + self.part_of(more)
    }

    /// A random part of a span.
    fn part_of(&self, span: TimeDelta) -> TimeDelta {
        let mut drawn = [0; 2];
        self.platform.store.entropy.fill(&mut drawn);
        span.max(TimeDelta::zero()) * i32::from(u16::from_le_bytes(drawn)) / i32::from(u16::MAX)
    }
}

/// How long a message is hidden at least after this many failures; at most for twice as long.
pub fn pause(attempt: u32) -> TimeDelta {
    TimeDelta::seconds(1 << attempt.min(9)).min(LONGEST_PAUSE)
}

/// How long work is hidden at least that has to come after what the stream will deliver; at most
/// for twice as long. The stream is mostly a moment behind, and may be behind for most of a day: so
/// it grows with the number of receives, of which a queue has so many.
pub fn soon(attempt: u32) -> TimeDelta {
    TimeDelta::seconds(1 << attempt.clamp(1, 10)).min(LONGEST_SOON)
}

/// The instant before which a message has no effect.
fn due(message: &QueueMessage) -> Option<Instant> {
    match message {
        QueueMessage::EnrollmentEvent(event) => event.event.due(),
        QueueMessage::PausesEnd { at } => Some(*at),
        QueueMessage::Call(_)
        | QueueMessage::JobStep(_)
        | QueueMessage::Erase(_)
        | QueueMessage::Timer(_)
        | QueueMessage::ExpireObjects(_)
        | QueueMessage::TestMail(_)
        | QueueMessage::Redrive(_) => None,
    }
}

/// Whether a webhook waited for too long before its first try.
fn is_called_late(attempt: u32, waited: TimeDelta) -> bool {
    attempt <= 1 && waited > CALLED_WITHIN
}

/// How long a message may take whose duration depends on another server.
fn longest(message: &QueueMessage) -> TimeDelta {
    match (leaves(message), matches!(message, QueueMessage::Call(_))) {
        (Some(_), _) => MAIL_TAKES,
        (None, true) => CALL_TAKES,
        (None, false) => TimeDelta::zero(),
    }
}

const fn takes(outside: Duration, table: i64) -> TimeDelta {
    TimeDelta::seconds(outside.as_secs().cast_signed() + table)
}

/// The channel and the purpose of what is to leave. What was queued without a purpose goes first.
fn leaves(message: &QueueMessage) -> Option<(Channel, Purpose)> {
    match message {
        QueueMessage::EnrollmentEvent(event) if event.is_delivery() => {
            Some((event.channel, event.purpose.unwrap_or(Purpose::Transactional)))
        }
        // Somebody waits for it.
        QueueMessage::TestMail(_) => Some((Channel::Email, Purpose::Transactional)),
        QueueMessage::EnrollmentEvent(_)
        | QueueMessage::Call(_)
        | QueueMessage::JobStep(_)
        | QueueMessage::Erase(_)
        | QueueMessage::Timer(_)
        | QueueMessage::PausesEnd { .. }
        | QueueMessage::ExpireObjects(_)
        | QueueMessage::Redrive(_) => None,
    }
}

/// The content of a record of a queue.
pub(super) fn message_in(record: &Value) -> Result<QueueMessage, String> {
    let body = record.get("body").and_then(Value::as_str).ok_or("it has no `body`")?;
    serde_json::from_str(body).map_err(|error| error.to_string())
}

impl<'a> Received<'a> {
    fn of(raw: &'a Value) -> Self {
        let text = |name: &str| raw.get(name).and_then(Value::as_str).unwrap_or_default();
        let attribute =
            |name: &str| raw.get("attributes")?.get(name)?.as_str()?.parse::<i64>().ok();
        let attempt = attribute("ApproximateReceiveCount").and_then(|count| count.try_into().ok());
        Self {
            id: text("messageId").to_owned(),
            receipt: text("receiptHandle").to_owned(),
            queue: text("eventSourceARN").to_owned(),
            attempt: attempt.unwrap_or(1),
            sent: attribute("SentTimestamp").and_then(Instant::from_timestamp_millis),
            raw,
            message: message_in(raw),
        }
    }

    fn hidden(&self, wait: TimeDelta) -> Hidden {
        Hidden::new(&self.queue, &self.receipt, wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_late_that_was_not_tried_for_a_quarter_of_an_hour() {
        let (in_time, late) = (CALLED_WITHIN, CALLED_WITHIN + TimeDelta::milliseconds(1));
        assert!(!is_called_late(1, in_time));
        assert!(is_called_late(1, late));
        assert!(!is_called_late(2, late), "its later tries are late on purpose");
    }
}

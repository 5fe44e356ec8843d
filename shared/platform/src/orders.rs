//! Orders are given to timers and queues. An order that is not accepted does not delay other
//! orders.
//!
//! | not accepted | for now | permanently |
//! |---|---|---|
//! | a message for a queue | the caller tries again | it becomes a dead letter, for a user |
//! | a timer | it waits in a queue until it is set; later orders go on | the same |
//! | the cancelling of a timer | none needed: its event is ignored | none needed |
//!
//! A timer may be set late, again, and in any order with others: its name says what it is about,
//! and its event is ignored if the enrollment no longer waits for it.

use std::sync::Arc;

use chrono::TimeDelta;
use dacapo_engine::decide::{Effect, Event};
use dacapo_engine::hash::stable;
use dacapo_engine::ids::{CampaignId, ContactId};

use crate::Instant;
use crate::error::Error;
use crate::metrics::Metric;
use crate::ports::{
    Declined, Done, EnrollmentEvent, LONGEST_DELAY, NotTaken, Order, Outbox, PendingTimer, Queue,
    QueueMessage, Unavailable, WebhookCall,
};
use crate::store::Store;

/// After how long a timer that was not accepted is tried again for the first time.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(30);

/// Gives orders to timers and queues.
pub struct Orders {
    pub(crate) store: Arc<Store>,
    /// Timers and queues.
    pub outbox: Arc<dyn Outbox>,
}

impl Orders {
    /// Gives orders; none at all if one of them is for a queue that does not take its message.
    ///
    /// # Errors
    ///
    /// [`Error::Misdirected`]; [`Error::Unavailable`] and [`Error::Refused`] for messages that were
    /// not taken, and timers that no queue took either. All other orders have been carried out
    /// then.
    pub(crate) async fn give(&self, orders: Vec<Order>) -> Result<(), Error> {
        let is_taken = |order: &Order| match order {
            Order::Schedule { message, .. } => Queue::Timers.takes(message),
            Order::Send { queue, message, .. } => queue.takes(message),
            Order::Cancel { .. } => true,
        };
        if !orders.iter().all(is_taken) {
            return Err(Error::Misdirected);
        }
        let orders = if self.outbox.sets_timers() { orders } else { self.handed_over(orders) };
        let mut failed = Failed::default();
        let (mut pending, mut uncancelled) = (Vec::new(), Vec::new());
        for NotTaken { order, why } in self.outbox.dispatch(orders).await {
            match (order, why) {
                (Order::Cancel { name }, Declined::Retryable(why) | Declined::Permanent(why)) => {
                    uncancelled.push((name, why));
                }
                (Order::Schedule { name, at, message }, Declined::Retryable(why)) => {
                    pending.push((PendingTimer { name, at, message: Box::new(message) }, why));
                }
                (order, why) => failed.note(&order, why),
            }
        }
        if let Some((timer, why)) = uncancelled.first() {
            let timers = uncancelled.len();
            tracing::warn!(timers, timer, why, "timers were not cancelled; they will be ignored");
        }
        self.leave_pending(pending, &mut failed).await;
        failed.answer()
    }

    /// The orders of a function that sets no timers: a queue has those set. None are cancelled, for
    /// their events are ignored.
    fn handed_over(&self, orders: Vec<Order>) -> Vec<Order> {
        let now = self.store.now();
        let handed_over = orders.into_iter().filter_map(|order| match order {
            Order::Schedule { name, at, message } => {
                let message = Box::new(message);
                Some(queued(PendingTimer { name, at, message }, now, now))
            }
            Order::Cancel { .. } => None,
            Order::Send { .. } => Some(order),
        });
        handed_over.collect()
    }

    /// Puts timers that were not accepted into a queue.
    async fn leave_pending(&self, pending: Vec<(PendingTimer, String)>, failed: &mut Failed) {
        let Some((first, why)) = pending.first() else { return };
        let (contact, campaign) = first.message.about();
        tracing::warn!(
            timers = pending.len(),
            timer = first.name,
            contact = contact.map(|contact| contact.as_str()),
            campaign = campaign.map(|campaign| campaign.as_str()),
            why,
            "timers wait to be set"
        );
        let now = self.store.now();
        let orders =
            pending.into_iter().map(|(timer, _)| queued(timer, now, now + FIRST_PAUSE)).collect();
        for NotTaken { order, why } in self.outbox.dispatch(orders).await {
            failed.note(&order, why);
        }
    }

    /// Sets a pending timer. One that is due soon does not need the timer service.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] as long as it is not accepted; [`Error::Refused`] if it never will
    /// be.
    pub(crate) async fn set_pending(&self, timer: &PendingTimer) -> Result<Done, Error> {
        let PendingTimer { name, at, message } = timer.clone();
        let order = Order::Schedule { name, at, message: *message };
        let Some(NotTaken { order, why }) = self.outbox.dispatch(vec![order]).await.pop() else {
            return Ok(Done::Yes);
        };
        let mut failed = Failed::default();
        match why {
            Declined::Retryable(_) if timer.at - self.store.now() <= LONGEST_DELAY => {
                let now = self.store.now();
                self.give(vec![queued(timer.clone(), now, now)]).await?;
            }
            Declined::Retryable(_) => {
                Metric::TimersPending.emit(1);
                failed.note(&order, why);
            }
            Declined::Permanent(_) => failed.note(&order, why),
        }
        failed.answer().map(|()| Done::Yes)
    }

    /// The order for an effect that consists of one order: timers and messages. It names what it is
    /// about, so giving it again is idempotent.
    pub(crate) fn order_of(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
        effect: &Effect,
    ) -> Option<Order> {
        let event_of = |event| EnrollmentEvent::new(contact.clone(), campaign.clone(), event);
        let name = |kind, run, step, due| timer_name(contact, campaign, kind, run, step, due);
        match effect {
            Effect::Schedule { run, step, due } => {
                let event = event_of(Event::TimerDue { run: *run, step: *step, due: *due });
                let message = QueueMessage::EnrollmentEvent(event);
                Some(Order::Schedule { name: name("t", *run, *step, *due), at: *due, message })
            }
            Effect::Cancel { run, step, due } => {
                Some(Order::Cancel { name: name("t", *run, *step, *due) })
            }
            Effect::Recheck { run, due } => {
                let event = event_of(Event::RecheckDue { run: *run, due: *due });
                let message = QueueMessage::EnrollmentEvent(event);
                Some(Order::Schedule { name: name("k", *run, 0, *due), at: *due, message })
            }
            Effect::Deliver { run, step, channel, purpose } => {
                let event = EnrollmentEvent {
                    channel: *channel,
                    purpose: Some(*purpose),
                    ..event_of(Event::DeliveryDue { run: *run, step: *step })
                };
                let message = QueueMessage::EnrollmentEvent(event);
                Some(Order::Send { queue: message.queue(), at: self.store.now(), message })
            }
            Effect::RecordMessage { .. }
            | Effect::Call { .. }
            | Effect::Command { .. }
            | Effect::StatusChanged { .. } => None,
        }
    }

    /// The order to make a call.
    pub(crate) fn call_order(&self, call: WebhookCall) -> Order {
        Order::Send { queue: Queue::Calls, at: self.store.now(), message: QueueMessage::Call(call) }
    }
}

/// The order that puts a timer into a queue: into that of timers, if the delay is short enough, or
/// into that where it is set from an instant on.
fn queued(timer: PendingTimer, now: Instant, set_from: Instant) -> Order {
    if timer.at - now <= LONGEST_DELAY {
        Order::Send { queue: Queue::Timers, at: timer.at, message: *timer.message }
    } else {
        let message = QueueMessage::Timer(timer);
        Order::Send { queue: Queue::Jobs, at: set_from, message }
    }
}

/// The orders that were not accepted.
#[derive(Default)]
struct Failed {
    first: Option<Error>,
    others: usize,
}

impl Failed {
    fn note(&mut self, order: &Order, why: Declined) {
        let error = match why {
            Declined::Retryable(why) => {
                Unavailable(format!("{order}, was not taken: {why}")).into()
            }
            Declined::Permanent(why) => Error::Refused(format!("{order}, was refused: {why}")),
        };
        self.others += usize::from(self.first.is_some());
        self.first = Some(error.after(self.first.take()));
    }

    fn answer(self) -> Result<(), Error> {
        match (self.first, self.others) {
            (None, _) => Ok(()),
            (Some(error), 0) => Err(error),
            (Some(Error::Refused(why)), others) => {
                Err(Error::Refused(format!("{why}; and {others} other orders were not taken")))
            }
            (Some(error), _) => Err(error),
        }
    }
}

/// The timer that brings the end of pauses (R26). Its name is the instant: all campaigns that are
/// paused until then share it.
pub(crate) fn pause_end_order(at: Instant) -> Order {
    let name = format!("pause-{}", at.timestamp_millis());
    Order::Schedule { name, at, message: QueueMessage::PausesEnd { at } }
}

/// How many letters of a contact's id begin a timer's name: the second in which the contact was
/// made.
const BEGINNING: usize = 8;

/// The name of a timer: the same for the same contact, campaign, run, step and instant, and at most
/// 64 characters. Timers of contacts that were made together are close where timers are kept in
/// order of their names.
pub fn timer_name(
    contact: &ContactId,
    campaign: &CampaignId,
    kind: &str,
    run: u32,
    step: u32,
    due: Instant,
) -> String {
    let made = contact.as_str().get(..BEGINNING).unwrap_or(contact.as_str());
    let who = stable(&[contact.as_str(), campaign.as_str()]);
    format!("{kind}-{made}{who:016x}-{run}-{step}-{}", due.timestamp_millis())
}

//! Timers and queues: something is due for one enrollment.

use std::sync::Arc;

use dacapo_engine::decide::{Event, Ignored};

use super::Done;
use super::delivery::{Ledger, MessageDelivery};
use super::quarantine::Quarantine;
use crate::enrollments::{Decisions, EventOutcome};
use crate::error::Error;
use crate::messages::MessageLedger;
use crate::metrics;
use crate::ports::EnrollmentEvent;
use crate::store::Store;

/// The handler of what is due for one enrollment.
pub struct EnrollmentEvents {
    pub(crate) store: Arc<Store>,
    pub(crate) messages: Arc<MessageLedger>,
    pub(crate) decisions: Arc<Decisions>,
    pub(crate) quarantine: Arc<Quarantine>,
    pub(crate) delivery: Arc<MessageDelivery>,
}

impl EnrollmentEvents {
    /// Something is due for one enrollment. Idempotent.
    ///
    /// # Errors
    ///
    /// Retryable errors.
    pub async fn handle(&self, event: &EnrollmentEvent) -> Result<Done, Error> {
        let Event::DeliveryDue { run, step } = event.event else {
            return self.timer_due(event).await;
        };
        let done = self.delivery_due(event, run, step).await;
        // What the message's decision deferred waits until the message is settled, but not longer
        // than its first try.
        if let Ok(Done::NotBefore(_) | Done::NotTried(_)) | Err(_) = &done {
            let recorded = self.decisions.record_deferred(&event.contact, &event.campaign).await;
            return done.and_then(|done| recorded.map(|()| done));
        }
        done
    }

    /// A timer, or anything else that is due, except messages; then what is to happen after it. If
    /// that has to wait, all of it comes again, and what was done is not done again.
    pub(crate) async fn timer_due(&self, due: &EnrollmentEvent) -> Result<Done, Error> {
        for event in std::iter::once(&due.event).chain(&due.then) {
            match self.apply(due, event).await? {
                Done::Yes => {}
                waits @ (Done::Soon | Done::NotBefore(_) | Done::NotTried(_)) => return Ok(waits),
            }
        }
        Ok(Done::Yes)
    }

    async fn apply(&self, due: &EnrollmentEvent, event: &Event) -> Result<Done, Error> {
        match self.decisions.apply_event(&due.contact, &due.campaign, event).await {
            Ok(EventOutcome::Ignored(Ignored::Early)) => {
                Ok(event.due().map_or(Done::Yes, Done::NotBefore))
            }
            Ok(EventOutcome::Committed(_)) => {
                if let Some(due) = event.due() {
                    metrics::timer_fired(due, self.store.now());
                }
                Ok(Done::Yes)
            }
            other => self.quarantine.done(&due.contact, &due.campaign, other).await,
        }
    }

    /// A message.
    async fn delivery_due(
        &self,
        event: &EnrollmentEvent,
        run: u32,
        step: u32,
    ) -> Result<Done, Error> {
        // If it may leave, its claim checks the ledger: mostly no worker has claimed it. For every
        // other outcome the ledger is read first.
        match self.decisions.may_leave(&event.contact, &event.campaign, &event.event).await {
            Ok(Some((delivery, latest))) => {
                let latest = Some(&latest);
                match self
                    .delivery
                    .deliver(&event.contact, &event.campaign, &delivery, None, latest)
                    .await?
                {
                    Done::Soon => {}
                    done @ (Done::Yes | Done::NotBefore(_) | Done::NotTried(_)) => return Ok(done),
                }
            }
            Ok(None) | Err(Error::Behind) => {}
            Err(error) => return Err(error),
        }
        let record =
            match self.delivery.ledger_first(&event.contact, &event.campaign, run, step).await? {
                Ledger::Done(done) => return Ok(done),
                Ledger::Open(before) => before.map(|before| *before),
            };
        match self.decisions.apply_event(&event.contact, &event.campaign, &event.event).await {
            Ok(EventOutcome::Deliver(delivery)) => {
                self.delivery
                    .deliver(&event.contact, &event.campaign, &delivery, record, None)
                    .await
            }
            Ok(EventOutcome::Ignored(ignored)) => {
                if ignored == Ignored::Paused {
                    self.decisions.record_deferred(&event.contact, &event.campaign).await?;
                }
                if let (
                    Some(record),
                    Ignored::StaleRun | Ignored::LeftStep | Ignored::Quarantined,
                ) = (record, ignored)
                {
                    self.messages.drop_message(&event.contact, record).await?;
                }
                self.quarantine
                    .done(&event.contact, &event.campaign, Ok(EventOutcome::Ignored(ignored)))
                    .await
            }
            other => self.quarantine.done(&event.contact, &event.campaign, other).await,
        }
    }
}

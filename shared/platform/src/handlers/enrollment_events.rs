//! Timers and queues: something is due for one enrollment.

use std::sync::Arc;

use dacapo_engine::decide::{Event, Ignored};

use super::Done;
use super::delivery::{Ledger, MailDelivery};
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
    pub(crate) delivery: Arc<MailDelivery>,
}

impl EnrollmentEvents {
    /// Something is due for one enrollment. Idempotent.
    ///
    /// # Errors
    ///
    /// Retryable errors.
    pub async fn handle(&self, wake: &EnrollmentEvent) -> Result<Done, Error> {
        let Event::DeliveryDue { run, step } = wake.event else {
            return self.timer_due(wake).await;
        };
        let done = self.delivery_due(wake, run, step).await;
        // What the message's decision deferred waits until the message is settled, but not longer
        // than its first try.
        if let Ok(Done::NotBefore(_) | Done::NotTried(_)) | Err(_) = &done {
            let recorded = self.decisions.record_deferred(&wake.contact, &wake.campaign).await;
            return done.and_then(|done| recorded.map(|()| done));
        }
        done
    }

    /// A timer, or anything else that is due, except messages.
    pub(crate) async fn timer_due(&self, wake: &EnrollmentEvent) -> Result<Done, Error> {
        match self.decisions.apply_event(&wake.contact, &wake.campaign, &wake.event).await {
            Ok(EventOutcome::Ignored(Ignored::Early)) => {
                Ok(wake.event.due().map_or(Done::Yes, Done::NotBefore))
            }
            Ok(EventOutcome::Committed(_)) => {
                if let Some(due) = wake.event.due() {
                    metrics::timer_fired(due, self.store.now());
                }
                Ok(Done::Yes)
            }
            other => self.seen_to(wake, other).await,
        }
    }

    /// A message.
    async fn delivery_due(
        &self,
        wake: &EnrollmentEvent,
        run: u32,
        step: u32,
    ) -> Result<Done, Error> {
        // If it may leave, its claim checks the ledger: mostly no worker has claimed it. For every
        // other outcome the ledger is read first.
        match self.decisions.may_leave(&wake.contact, &wake.campaign, &wake.event).await {
            Ok(Some((delivery, latest))) => {
                let latest = Some(&latest);
                match self
                    .delivery
                    .deliver(&wake.contact, &wake.campaign, &delivery, None, latest)
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
            match self.delivery.ledger_first(&wake.contact, &wake.campaign, run, step).await? {
                Ledger::Done(done) => return Ok(done),
                Ledger::Open(before) => before.map(|before| *before),
            };
        match self.decisions.apply_event(&wake.contact, &wake.campaign, &wake.event).await {
            Ok(EventOutcome::Deliver(delivery)) => {
                self.delivery.deliver(&wake.contact, &wake.campaign, &delivery, record, None).await
            }
            Ok(EventOutcome::Ignored(ignored)) => {
                if ignored == Ignored::Paused {
                    self.decisions.record_deferred(&wake.contact, &wake.campaign).await?;
                }
                if let (
                    Some(record),
                    Ignored::StaleRun | Ignored::LeftStep | Ignored::Quarantined,
                ) = (record, ignored)
                {
                    self.messages.drop_message(&wake.contact, record).await?;
                }
                self.seen_to(wake, Ok(EventOutcome::Ignored(ignored))).await
            }
            other => self.seen_to(wake, other).await,
        }
    }

    /// The outcome, where that is the same for timers and messages.
    async fn seen_to(
        &self,
        wake: &EnrollmentEvent,
        outcome: Result<EventOutcome, Error>,
    ) -> Result<Done, Error> {
        match outcome {
            Ok(EventOutcome::Ignored(ignored)) => {
                tracing::debug!(?ignored, contact = wake.contact.as_str(), "ignored");
                Ok(Done::Yes)
            }
            Ok(EventOutcome::Committed(_) | EventOutcome::Deliver(_)) => Ok(Done::Yes),
            Ok(EventOutcome::Undecidable(why)) => {
                self.quarantine.hold_undecided(&wake.contact, &wake.campaign, &why).await?;
                Ok(Done::Yes)
            }
            Err(Error::Behind) => Ok(Done::Soon),
            Err(error) => Err(error),
        }
    }
}

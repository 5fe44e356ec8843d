//! Timers and queues: something is due for one enrollment.

use dacapo_engine::decide::{Event, Ignored};

use super::Done;
use super::delivery::Ledger;
use crate::enrollments::Came;
use crate::error::Error;
use crate::metrics;
use crate::platform::Platform;
use crate::ports::Wake;

impl Platform {
    /// Something is due for one enrollment. A repeat changes nothing.
    ///
    /// # Errors
    ///
    /// What is worth another try.
    pub async fn woken(&self, wake: &Wake) -> Result<Done, Error> {
        let done = self.looked_after(wake).await;
        // What the message's decision left waits for it to be settled, but not longer than its first try.
        if let (Event::DeliveryDue { .. }, Ok(Done::NotBefore(_)) | Err(_)) = (&wake.event, &done) {
            let recorded = self.record_left(&wake.contact, &wake.campaign).await;
            return done.and_then(|done| recorded.map(|()| done));
        }
        done
    }

    async fn looked_after(&self, wake: &Wake) -> Result<Done, Error> {
        let mut record = None;
        if let Event::DeliveryDue { run, step } = wake.event {
            // If it may leave, its claim asks the ledger: nobody has claimed it, mostly. Whatever else comes of it is for the
            // ledger to say first.
            match self.may_leave(&wake.contact, &wake.campaign, &wake.event).await {
                Ok(Some((delivery, latest))) => {
                    let latest = Some(&latest);
                    match self
                        .deliver(&wake.contact, &wake.campaign, &delivery, None, latest)
                        .await?
                    {
                        Done::Soon => {}
                        done @ (Done::Yes | Done::NotBefore(_)) => return Ok(done),
                    }
                }
                Ok(None) | Err(Error::Behind) => {}
                Err(error) => return Err(error),
            }
            match self.ledger_first(&wake.contact, &wake.campaign, run, step).await? {
                Ledger::Done(done) => return Ok(done),
                Ledger::Open(before) => record = before.map(|before| *before),
            }
        }
        match self.happen(&wake.contact, &wake.campaign, &wake.event).await {
            Ok(Came::Deliver(delivery)) => {
                self.deliver(&wake.contact, &wake.campaign, &delivery, record, None).await
            }
            Ok(Came::Ignored(Ignored::Early)) => Ok(match wake.event.due() {
                Some(due) => Done::NotBefore(due),
                None => Done::Yes,
            }),
            Ok(Came::Ignored(ignored)) => {
                tracing::debug!(?ignored, contact = wake.contact.as_str(), "ignored");
                if let (Event::DeliveryDue { .. }, Ignored::Paused) = (&wake.event, ignored) {
                    self.record_left(&wake.contact, &wake.campaign).await?;
                }
                if let (Some(record), Ignored::StaleRun | Ignored::LeftStep) = (record, ignored) {
                    self.drop_message(&wake.contact, record).await?;
                }
                Ok(Done::Yes)
            }
            Ok(Came::Committed(_)) => {
                if let Some(due) = wake.event.due() {
                    metrics::timer_fired(due, self.now());
                }
                Ok(Done::Yes)
            }
            Ok(Came::Undecidable(why)) => {
                self.hold_undecided(&wake.contact, &wake.campaign, &why).await?;
                Ok(Done::Yes)
            }
            Err(Error::Behind) => Ok(Done::Soon),
            Err(error) => Err(error),
        }
    }
}

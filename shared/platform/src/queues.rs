//! The handler of the queues: each message goes to the part that does its work, and a dead letter
//! to the part that does its kind of work.

use std::future::Future;
use std::sync::Arc;

use crate::campaigns::Campaigns;
use crate::erasure::Erasure;
use crate::error::Error;
use crate::expiry::Expiry;
use crate::handlers::{
    ContactChanges, EffectHandler, EnrollmentEvents, Feedback, MessageDelivery, Webhooks,
};
use crate::jobs::JobWorker;
use crate::orders::Orders;
use crate::ports::{Done, Queue, QueueMessage, Redrive};
use crate::redriving::{DeadLetterWork, Redriving};

/// The handler of messages from queues.
pub struct QueueHandler {
    pub(crate) orders: Arc<Orders>,
    pub(crate) webhooks: Arc<Webhooks>,
    pub(crate) effects: Arc<EffectHandler>,
    pub(crate) enrollment_events: Arc<EnrollmentEvents>,
    pub(crate) delivery: Arc<MessageDelivery>,
    pub(crate) feedback: Arc<Feedback>,
    pub(crate) contact_changes: Arc<ContactChanges>,
    pub(crate) erasure: Arc<Erasure>,
    pub(crate) expiry: Arc<Expiry>,
    pub(crate) campaigns: Arc<Campaigns>,
    pub(crate) job_worker: Arc<JobWorker>,
    pub(crate) redriving: Arc<Redriving>,
}

impl QueueHandler {
    /// A message of a queue is due. Idempotent.
    ///
    /// A process that works off only some of the queues has its own method below, so that it does
    /// not need the code of the others.
    ///
    /// # Errors
    ///
    /// Retryable errors, and permanent ones.
    pub async fn handle(&self, message: &QueueMessage) -> Result<Done, Error> {
        let QueueMessage::Redrive(redrive) = message else {
            return self.handle_message(message).await;
        };
        // A dead letter whose message belongs to another queue is led on to that queue,
        // once.
        let here = |queue| matches!(queue, Queue::Timers | Queue::Jobs);
        self.redriven(redrive, here, async |message| self.handle_message(&message).await).await
    }

    /// The same for [`Queue::Timers`].
    ///
    /// # Errors
    ///
    /// As [`Self::handle`]; [`Error::Misdirected`].
    pub async fn handle_timers(&self, message: &QueueMessage) -> Result<Done, Error> {
        let QueueMessage::Redrive(redrive) = message else {
            return self.handle_timer_message(message).await;
        };
        self.message_redriven(redrive, async |message| self.handle_timer_message(&message).await)
            .await
    }

    /// The same for mail and webhooks.
    ///
    /// # Errors
    ///
    /// As [`Self::handle`]; [`Error::Misdirected`].
    pub async fn handle_deliveries(&self, message: &QueueMessage) -> Result<Done, Error> {
        let QueueMessage::Redrive(redrive) = message else {
            return self.handle_delivery_message(message).await;
        };
        self.message_redriven(redrive, async |message| self.handle_delivery_message(&message).await)
            .await
    }

    /// The same for [`Queue::Jobs`].
    ///
    /// # Errors
    ///
    /// As [`Self::handle`]; [`Error::Misdirected`].
    pub async fn handle_jobs(&self, message: &QueueMessage) -> Result<Done, Error> {
        let QueueMessage::Redrive(redrive) = message else {
            return self.handle_job_message(message).await;
        };
        let here = |queue| matches!(queue, Queue::Jobs);
        self.redriven(redrive, here, async |message| self.handle_job_message(&message).await).await
    }

    async fn handle_message(&self, message: &QueueMessage) -> Result<Done, Error> {
        match message {
            QueueMessage::EnrollmentEvent(event) => self.enrollment_events.handle(event).await,
            QueueMessage::Call(call) => self.webhooks.call(call).await,
            QueueMessage::TestMail(id) => self.delivery.deliver_test(id).await,
            QueueMessage::PausesEnd { at } => self.campaigns.pauses_end(*at).await,
            QueueMessage::JobStep(_)
            | QueueMessage::Erase(_)
            | QueueMessage::Timer(_)
            | QueueMessage::ExpireObjects(_)
            | QueueMessage::Redrive(_) => self.handle_job_message(message).await,
        }
    }

    async fn handle_timer_message(&self, message: &QueueMessage) -> Result<Done, Error> {
        match message {
            QueueMessage::EnrollmentEvent(event) if !event.is_delivery() => {
                self.enrollment_events.timer_due(event).await
            }
            QueueMessage::Erase(contact) => self.erasure.erase_remains(contact).await,
            QueueMessage::PausesEnd { at } => self.campaigns.pauses_end(*at).await,
            QueueMessage::EnrollmentEvent(_)
            | QueueMessage::Call(_)
            | QueueMessage::TestMail(_)
            | QueueMessage::JobStep(_)
            | QueueMessage::Timer(_)
            | QueueMessage::ExpireObjects(_)
            | QueueMessage::Redrive(_) => Err(Error::Misdirected),
        }
    }

    async fn handle_delivery_message(&self, message: &QueueMessage) -> Result<Done, Error> {
        match message {
            QueueMessage::EnrollmentEvent(event) if event.is_delivery() => {
                self.enrollment_events.handle(event).await
            }
            QueueMessage::Call(call) => self.webhooks.call(call).await,
            QueueMessage::TestMail(id) => self.delivery.deliver_test(id).await,
            QueueMessage::EnrollmentEvent(_)
            | QueueMessage::JobStep(_)
            | QueueMessage::Erase(_)
            | QueueMessage::Timer(_)
            | QueueMessage::PausesEnd { .. }
            | QueueMessage::ExpireObjects(_)
            | QueueMessage::Redrive(_) => Err(Error::Misdirected),
        }
    }

    async fn handle_job_message(&self, message: &QueueMessage) -> Result<Done, Error> {
        match message {
            QueueMessage::JobStep(job_step) => self.job_worker.step(job_step).await,
            QueueMessage::Erase(contact) => self.erasure.erase_remains(contact).await,
            QueueMessage::Timer(timer) => self.orders.set_pending(timer).await,
            QueueMessage::ExpireObjects(step) => self.expiry.step(step).await,
            QueueMessage::EnrollmentEvent(_)
            | QueueMessage::Call(_)
            | QueueMessage::TestMail(_)
            | QueueMessage::PausesEnd { .. }
            | QueueMessage::Redrive(_) => Err(Error::Misdirected),
        }
    }

    /// A dead letter is done again, of any kind; a message only if its queue is worked off `here`.
    async fn redriven<F>(
        &self,
        redrive: &Redrive,
        here: impl Fn(Queue) -> bool,
        work: impl FnOnce(QueueMessage) -> F,
    ) -> Result<Done, Error>
    where
        F: Future<Output = Result<Done, Error>>,
    {
        let Some(dead_letter) = self.redriving.requested(redrive).await? else {
            return Ok(Done::Yes);
        };
        match self.redriving.work_of(&dead_letter.body) {
            Err(why) => self.redriving.keep_failed_again(dead_letter, &why).await,
            Ok(DeadLetterWork::Change(image)) => {
                let work = async { self.contact_changes.handle(&image).await.map(|()| Done::Yes) };
                self.redriving.do_again(dead_letter, work).await
            }
            Ok(DeadLetterWork::Decision(image)) => {
                let images = [image];
                let work = async { self.effects.perform_all(&images).await.map(|()| Done::Yes) };
                self.redriving.do_again(dead_letter, work).await
            }
            Ok(DeadLetterWork::Reports(reports)) => {
                let work = async {
                    for report in &reports {
                        self.feedback.handle(report).await?;
                    }
                    Ok(Done::Yes)
                };
                self.redriving.do_again(dead_letter, work).await
            }
            Ok(DeadLetterWork::Message(message)) => {
                if self.redriving.send_to_own_queue(redrive, &message, here).await? {
                    return Ok(Done::Yes);
                }
                self.redriving.do_again(dead_letter, work(message)).await
            }
        }
    }

    /// A dead letter that is a message is done again, by the worker of its queue.
    async fn message_redriven<F>(
        &self,
        redrive: &Redrive,
        work: impl FnOnce(QueueMessage) -> F,
    ) -> Result<Done, Error>
    where
        F: Future<Output = Result<Done, Error>>,
    {
        let Some(dead_letter) = self.redriving.requested(redrive).await? else {
            return Ok(Done::Yes);
        };
        match self.redriving.message_of(&dead_letter.body) {
            Err(why) => self.redriving.keep_failed_again(dead_letter, &why).await,
            Ok(message) => self.redriving.do_again(dead_letter, work(message)).await,
        }
    }
}

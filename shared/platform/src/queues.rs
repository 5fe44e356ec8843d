//! The handler of the queues: each message goes to the part that does its work, and a dead letter
//! to the part that does its kind of work.

use std::future::Future;
use std::sync::Arc;

use crate::campaigns::Campaigns;
use crate::erasure::Erasure;
use crate::error::Error;
use crate::handlers::{ContactChanges, Effects, EnrollmentEvents, Feedback, Webhooks};
use crate::jobs::JobWorker;
use crate::orders::Orders;
use crate::ports::{Done, Message, Queue, Redrive};
use crate::redriving::{Redriving, Work};

/// The handler of messages from queues.
pub struct Queues {
    pub(crate) orders: Arc<Orders>,
    pub(crate) webhooks: Arc<Webhooks>,
    pub(crate) effects: Arc<Effects>,
    pub(crate) enrollment_events: Arc<EnrollmentEvents>,
    pub(crate) feedback: Arc<Feedback>,
    pub(crate) contact_changes: Arc<ContactChanges>,
    pub(crate) erasure: Arc<Erasure>,
    pub(crate) campaigns: Arc<Campaigns>,
    pub(crate) job_worker: Arc<JobWorker>,
    pub(crate) redriving: Arc<Redriving>,
}

impl Queues {
    /// A message of a queue is due. Idempotent.
    ///
    /// A process that works off only some of the queues has its own method below, so that it does
    /// not need the code of the others.
    ///
    /// # Errors
    ///
    /// Retryable errors, and permanent ones.
    pub async fn handle(&self, message: &Message) -> Result<Done, Error> {
        match message {
            Message::Redrive(redrive) => {
                // A dead letter whose message belongs to another queue is led on to that queue,
                // once.
                let here = |queue| matches!(queue, Queue::Timers | Queue::Jobs);
                self.redriven(redrive, here, async |message| self.any(&message).await).await
            }
            Message::EnrollmentEvent(_)
            | Message::Call(_)
            | Message::JobStep(_)
            | Message::Erase(_)
            | Message::Timer(_)
            | Message::PausesEnd { .. } => self.any(message).await,
        }
    }

    /// The same for [`Queue::Timers`].
    ///
    /// # Errors
    ///
    /// As [`Self::handle`]; [`Error::Misdirected`].
    pub async fn handle_timers(&self, message: &Message) -> Result<Done, Error> {
        match message {
            Message::Redrive(redrive) => {
                self.message_redriven(redrive, async |message| self.timer(&message).await).await
            }
            Message::EnrollmentEvent(_)
            | Message::Call(_)
            | Message::JobStep(_)
            | Message::Erase(_)
            | Message::Timer(_)
            | Message::PausesEnd { .. } => self.timer(message).await,
        }
    }

    /// The same for mail and webhooks.
    ///
    /// # Errors
    ///
    /// As [`Self::handle`]; [`Error::Misdirected`].
    pub async fn handle_deliveries(&self, message: &Message) -> Result<Done, Error> {
        match message {
            Message::Redrive(redrive) => {
                self.message_redriven(redrive, async |message| self.delivery(&message).await).await
            }
            Message::EnrollmentEvent(_)
            | Message::Call(_)
            | Message::JobStep(_)
            | Message::Erase(_)
            | Message::Timer(_)
            | Message::PausesEnd { .. } => self.delivery(message).await,
        }
    }

    /// The same for [`Queue::Jobs`].
    ///
    /// # Errors
    ///
    /// As [`Self::handle`]; [`Error::Misdirected`].
    pub async fn handle_jobs(&self, message: &Message) -> Result<Done, Error> {
        match message {
            Message::Redrive(redrive) => {
                let here = |queue| matches!(queue, Queue::Jobs);
                self.redriven(redrive, here, async |message| self.many(&message).await).await
            }
            Message::EnrollmentEvent(_)
            | Message::Call(_)
            | Message::JobStep(_)
            | Message::Erase(_)
            | Message::Timer(_)
            | Message::PausesEnd { .. } => self.many(message).await,
        }
    }

    async fn any(&self, message: &Message) -> Result<Done, Error> {
        match message {
            Message::EnrollmentEvent(wake) => self.enrollment_events.handle(wake).await,
            Message::Call(call) => self.webhooks.call(call).await,
            Message::PausesEnd { at } => self.campaigns.pauses_end(*at).await,
            Message::JobStep(_) | Message::Erase(_) | Message::Timer(_) | Message::Redrive(_) => {
                self.many(message).await
            }
        }
    }

    async fn timer(&self, message: &Message) -> Result<Done, Error> {
        match message {
            Message::EnrollmentEvent(wake) if !wake.is_delivery() => {
                self.enrollment_events.timer_due(wake).await
            }
            Message::Erase(contact) => self.erasure.erase_remains(contact).await,
            Message::PausesEnd { at } => self.campaigns.pauses_end(*at).await,
            Message::EnrollmentEvent(_)
            | Message::Call(_)
            | Message::JobStep(_)
            | Message::Timer(_)
            | Message::Redrive(_) => Err(Error::Misdirected),
        }
    }

    async fn delivery(&self, message: &Message) -> Result<Done, Error> {
        match message {
            Message::EnrollmentEvent(wake) if wake.is_delivery() => {
                self.enrollment_events.handle(wake).await
            }
            Message::Call(call) => self.webhooks.call(call).await,
            Message::EnrollmentEvent(_)
            | Message::JobStep(_)
            | Message::Erase(_)
            | Message::Timer(_)
            | Message::PausesEnd { .. }
            | Message::Redrive(_) => Err(Error::Misdirected),
        }
    }

    async fn many(&self, message: &Message) -> Result<Done, Error> {
        match message {
            Message::JobStep(job_step) => self.job_worker.step(job_step).await,
            Message::Erase(contact) => self.erasure.erase_remains(contact).await,
            Message::Timer(timer) => self.orders.set_pending(timer).await,
            Message::EnrollmentEvent(_)
            | Message::Call(_)
            | Message::PausesEnd { .. }
            | Message::Redrive(_) => Err(Error::Misdirected),
        }
    }

    /// A dead letter is done again, of any kind; a message only if its queue is worked off `here`.
    async fn redriven<F>(
        &self,
        redrive: &Redrive,
        here: impl Fn(Queue) -> bool,
        work: impl FnOnce(Message) -> F,
    ) -> Result<Done, Error>
    where
        F: Future<Output = Result<Done, Error>>,
    {
        let Some(letter) = self.redriving.letter_to_do(redrive).await? else {
            return Ok(Done::Yes);
        };
        match self.redriving.work_of(&letter.body) {
            Err(why) => self.redriving.not_done_either(letter, &why).await,
            Ok(Work::Change(image)) => {
                let work = async { self.contact_changes.handle(&image).await.map(|()| Done::Yes) };
                self.redriving.do_again(letter, work).await
            }
            Ok(Work::Decision(image)) => {
                let images = [image];
                let work = async { self.effects.perform_all(&images).await.map(|()| Done::Yes) };
                self.redriving.do_again(letter, work).await
            }
            Ok(Work::Reports(reports)) => {
                let work = async {
                    for report in &reports {
                        self.feedback.handle(report).await?;
                    }
                    Ok(Done::Yes)
                };
                self.redriving.do_again(letter, work).await
            }
            Ok(Work::Message(message)) => {
                if self.redriving.led_on(redrive, &message, here).await? {
                    return Ok(Done::Yes);
                }
                self.redriving.do_again(letter, work(message)).await
            }
        }
    }

    /// A dead letter that is a message is done again, by the worker of its queue.
    async fn message_redriven<F>(
        &self,
        redrive: &Redrive,
        work: impl FnOnce(Message) -> F,
    ) -> Result<Done, Error>
    where
        F: Future<Output = Result<Done, Error>>,
    {
        let Some(letter) = self.redriving.letter_to_do(redrive).await? else {
            return Ok(Done::Yes);
        };
        match self.redriving.message_of(&letter.body) {
            Err(why) => self.redriving.not_done_either(letter, &why).await,
            Ok(message) => self.redriving.do_again(letter, work(message)).await,
        }
    }
}

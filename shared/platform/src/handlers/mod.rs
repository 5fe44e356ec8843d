//! What stands behind every function: the change feed, the queues, the timers.
//!
//! Every handler takes one piece of work and answers whether it is done, to be tried again later,
//! or cannot be done. None of them sleeps; whoever calls decides how to wait.

mod calls;
mod contact_changed;
mod delivery;
mod enrollment_committed;
mod enrollment_events;
mod feedback;
mod ordering;
mod quarantine;
mod recording;
mod trace;

use std::future::Future;

use crate::Instant;
use crate::error::Error;
use crate::platform::Platform;
use crate::ports::{Message, Queue, Redrive};
use crate::redriving::Work;

pub use contact_changed::ContactImage;
pub(crate) use contact_changed::{KnownTags, StoredTag};
pub(crate) use enrollment_committed::Performed;
pub use enrollment_committed::{EnrollmentImage, timer_name};
pub use feedback::Report;
pub use quarantine::was_not_held;
pub use recording::StoredHistory;
pub(crate) use recording::{HISTORY_KEPT, in_campaign};
pub use trace::StoredTrace;

/// What came of a piece of work from a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It is done; the message can go.
    Yes,
    /// It has to come after what the feed, or another worker, is about to do: try again soon.
    Soon,
    /// Not before this instant.
    NotBefore(Instant),
    /// It was not tried at all: the same again, not before this instant.
    NotTried(Instant),
}

impl Platform {
    /// What was put into a queue is due. A repeat changes nothing.
    ///
    /// Who works off some of the queues only has a handler of its own below, and is not weighed
    /// down by the others.
    ///
    /// # Errors
    ///
    /// What is worth another try, and what nobody can do.
    pub async fn handle(&self, message: &Message) -> Result<Done, Error> {
        match message {
            Message::Redrive(redrive) => {
                // What waits for others is not done here, unless it came from where that is done.
                let here = |queue| matches!(queue, Queue::Timers | Queue::Jobs);
                self.redriven(redrive, here, async |message| self.any(&message).await).await
            }
            Message::EnrollmentEvent(_)
            | Message::Call(_)
            | Message::JobStep(_)
            | Message::Erase(_)
            | Message::Timer(_) => self.any(message).await,
        }
    }

    /// The same for [`Queue::Timers`].
    ///
    /// # Errors
    ///
    /// As [`Self::handle`]; [`Error::Misdirected`].
    pub async fn handle_timer_queue(&self, message: &Message) -> Result<Done, Error> {
        match message {
            Message::Redrive(redrive) => {
                self.message_redriven(redrive, async |message| self.timer(&message).await).await
            }
            Message::EnrollmentEvent(_)
            | Message::Call(_)
            | Message::JobStep(_)
            | Message::Erase(_)
            | Message::Timer(_) => self.timer(message).await,
        }
    }

    /// The same for mail and webhooks.
    ///
    /// # Errors
    ///
    /// As [`Self::handle`]; [`Error::Misdirected`].
    pub async fn handle_delivery_queue(&self, message: &Message) -> Result<Done, Error> {
        match message {
            Message::Redrive(redrive) => {
                self.message_redriven(redrive, async |message| self.delivery(&message).await).await
            }
            Message::EnrollmentEvent(_)
            | Message::Call(_)
            | Message::JobStep(_)
            | Message::Erase(_)
            | Message::Timer(_) => self.delivery(message).await,
        }
    }

    /// The same for [`Queue::Jobs`].
    ///
    /// # Errors
    ///
    /// As [`Self::handle`]; [`Error::Misdirected`].
    pub async fn handle_job_queue(&self, message: &Message) -> Result<Done, Error> {
        match message {
            Message::Redrive(redrive) => {
                let here = |queue| matches!(queue, Queue::Jobs);
                self.redriven(redrive, here, async |message| self.many(&message).await).await
            }
            Message::EnrollmentEvent(_)
            | Message::Call(_)
            | Message::JobStep(_)
            | Message::Erase(_)
            | Message::Timer(_) => self.many(message).await,
        }
    }

    async fn any(&self, message: &Message) -> Result<Done, Error> {
        match message {
            Message::EnrollmentEvent(wake) => self.handle_enrollment_event(wake).await,
            Message::Call(call) => self.call(call).await,
            Message::JobStep(_) | Message::Erase(_) | Message::Timer(_) | Message::Redrive(_) => {
                self.many(message).await
            }
        }
    }

    async fn timer(&self, message: &Message) -> Result<Done, Error> {
        match message {
            Message::EnrollmentEvent(wake) if !wake.is_delivery() => self.timer_due(wake).await,
            Message::Erase(contact) => self.erase_remains(contact).await,
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
                self.handle_enrollment_event(wake).await
            }
            Message::Call(call) => self.call(call).await,
            Message::EnrollmentEvent(_)
            | Message::JobStep(_)
            | Message::Erase(_)
            | Message::Timer(_)
            | Message::Redrive(_) => Err(Error::Misdirected),
        }
    }

    async fn many(&self, message: &Message) -> Result<Done, Error> {
        match message {
            Message::JobStep(job_step) => self.job_step(job_step).await,
            Message::Erase(contact) => self.erase_remains(contact).await,
            Message::Timer(timer) => self.set_pending(timer).await,
            Message::EnrollmentEvent(_) | Message::Call(_) | Message::Redrive(_) => {
                Err(Error::Misdirected)
            }
        }
    }

    /// A dead letter is done again, whatever it says; a message only by whoever works `here`.
    async fn redriven<F>(
        &self,
        redrive: &Redrive,
        here: impl Fn(Queue) -> bool,
        work: impl FnOnce(Message) -> F,
    ) -> Result<Done, Error>
    where
        F: Future<Output = Result<Done, Error>>,
    {
        let Some(letter) = self.letter_to_do(redrive).await? else { return Ok(Done::Yes) };
        match self.work_of(&letter.body) {
            Err(why) => self.not_done_either(letter, &why).await,
            Ok(Work::Change(image)) => {
                let work = async { self.contact_changed(&image).await.map(|()| Done::Yes) };
                self.do_again(letter, work).await
            }
            Ok(Work::Decision(image)) => {
                let images = [image];
                let work = async { self.enrollments_committed(&images).await.map(|()| Done::Yes) };
                self.do_again(letter, work).await
            }
            Ok(Work::Reports(reports)) => {
                let work = async {
                    for report in &reports {
                        self.handle_feedback(report).await?;
                    }
                    Ok(Done::Yes)
                };
                self.do_again(letter, work).await
            }
            Ok(Work::Message(message)) => {
                if self.led_on(redrive, &message, here).await? {
                    return Ok(Done::Yes);
                }
                self.do_again(letter, work(message)).await
            }
        }
    }

    /// A dead letter that is a message is done again, by whoever works its queue off.
    async fn message_redriven<F>(
        &self,
        redrive: &Redrive,
        work: impl FnOnce(Message) -> F,
    ) -> Result<Done, Error>
    where
        F: Future<Output = Result<Done, Error>>,
    {
        let Some(letter) = self.letter_to_do(redrive).await? else { return Ok(Done::Yes) };
        match self.message_of(&letter.body) {
            Err(why) => self.not_done_either(letter, &why).await,
            Ok(message) => self.do_again(letter, work(message)).await,
        }
    }
}

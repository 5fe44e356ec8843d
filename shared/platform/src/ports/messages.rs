//! What is put into queues: an event of an enrollment, a webhook, a step of a job, and what waits
//! for others. Each message goes into the queue that [`QueueMessage::queue`] names, in order for
//! its [`QueueMessage::ordering_key`], and may come more than once.

use dacapo_engine::campaign::channel::Channel;
use dacapo_engine::campaign::format::Purpose;
use dacapo_engine::decide::Event;
use dacapo_engine::ids::{CampaignId, ContactId, ObjectType};
use serde::{Deserialize, Serialize};

use crate::Instant;

/// Something that is to happen to one enrollment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnrollmentEvent {
    /// The contact.
    #[serde(rename = "c")]
    pub contact: ContactId,
    /// The campaign.
    #[serde(rename = "p")]
    pub campaign: CampaignId,
    /// The event.
    #[serde(rename = "e")]
    pub event: Event,
    /// Of a message that is to leave: by which channel.
    #[serde(rename = "h", default, skip_serializing_if = "Channel::is_email")]
    pub channel: Channel,
    /// Of a message that is to leave: what it is for. It says which message goes first.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// Events that are to happen after it, in order: commands that were sent after one that had to
    /// wait (R11).
    #[serde(rename = "t", default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<Event>,
}

impl EnrollmentEvent {
    /// An event after which nothing else is to happen.
    pub fn new(contact: ContactId, campaign: CampaignId, event: Event) -> Self {
        Self { contact, campaign, event, channel: Channel::Email, purpose: None, then: Vec::new() }
    }

    /// Whether a message is to leave.
    pub fn is_delivery(&self) -> bool {
        matches!(self.event, Event::DeliveryDue { .. })
    }
}

/// A webhook that is to be called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookCall {
    /// The contact.
    #[serde(rename = "c")]
    pub contact: ContactId,
    /// The campaign.
    #[serde(rename = "p")]
    pub campaign: CampaignId,
    /// The run.
    #[serde(rename = "n")]
    pub run: u32,
    /// The step.
    #[serde(rename = "s")]
    pub step: u32,
    /// The version that the element belongs to.
    #[serde(rename = "v")]
    pub version: u32,
    /// The element.
    #[serde(rename = "e")]
    pub element: dacapo_engine::ids::ElementId,
}

/// A step of a job: some pages of one of its shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStep {
    /// The job's sequence number.
    #[serde(rename = "j")]
    pub job: u64,
    /// The shard.
    #[serde(rename = "l")]
    pub shard: u32,
    /// The number of the step: one that the shard has taken is not taken again.
    #[serde(rename = "t")]
    pub number: u32,
    /// Whether the lists showed everything that the job is about when the shard was put into
    /// the queue.
    #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
    pub shown: bool,
}

/// A step through the lists of objects, for those that have been kept long enough (R74).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiryStep {
    /// The type whose list comes next.
    #[serde(rename = "k")]
    pub kind: ObjectType,
    /// The shard of the list.
    #[serde(rename = "l")]
    pub shard: u32,
    /// The id behind which it goes on; none at the beginning.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// When the first of the objects that were looked at so far, and stay, is due.
    #[serde(
        rename = "d",
        default,
        skip_serializing_if = "Option::is_none",
        with = "chrono::serde::ts_milliseconds_option"
    )]
    pub due: Option<Instant>,
}

/// A dead letter that is to be done again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redrive {
    /// The dead letter's id.
    #[serde(rename = "l")]
    pub letter: String,
    /// The contact that it is about, if it names one.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactId>,
    /// Whether it is in the queue that the dead letter's own message belongs into.
    #[serde(rename = "t", default, skip_serializing_if = "std::ops::Not::not")]
    pub in_own_queue: bool,
}

/// What is put into a queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueMessage {
    /// For [`Queue::Timers`] and the two mail queues.
    #[serde(rename = "wake")]
    EnrollmentEvent(EnrollmentEvent),
    /// For [`Queue::Calls`].
    Call(WebhookCall),
    /// For [`Queue::Jobs`].
    #[serde(rename = "sweep")]
    JobStep(JobStep),
    /// For [`Queue::Jobs`] and [`Queue::Timers`]: the erasure of what was written meanwhile about a
    /// contact.
    Erase(ContactId),
    /// For [`Queue::Jobs`]: a timer that is still to be set.
    Timer(PendingTimer),
    /// For [`Queue::Jobs`] first, then for the queue that the dead letter came from.
    Redrive(Redrive),
    /// For [`Queue::Timers`]: pauses of campaigns end by themselves (R26).
    PausesEnd {
        /// When. Those that end then are in the catalog.
        #[serde(rename = "a", with = "chrono::serde::ts_milliseconds")]
        at: Instant,
    },
    /// For [`Queue::Jobs`]: objects that have been kept long enough go (R74).
    ExpireObjects(ExpiryStep),
    /// For [`Queue::Transactional`], since somebody waits for it: a test mail, by its id.
    TestMail(String),
}

/// A timer that the timer service has not accepted for now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingTimer {
    /// Its name.
    #[serde(rename = "n")]
    pub name: String,
    /// When it is due.
    #[serde(rename = "a", with = "chrono::serde::ts_milliseconds")]
    pub at: Instant,
    /// What it puts into [`Queue::Timers`] then.
    #[serde(rename = "m")]
    pub message: Box<QueueMessage>,
}

impl QueueMessage {
    /// What it is about, a contact or a shard of a job: its messages go in order.
    pub fn ordering_key(&self) -> Option<String> {
        match self {
            Self::EnrollmentEvent(event) => Some(event.contact.to_string()),
            Self::Call(call) => Some(call.contact.to_string()),
            Self::Erase(contact) => Some(contact.to_string()),
            Self::JobStep(job_step) => Some(format!("{}/{}", job_step.job, job_step.shard)),
            Self::Timer(timer) => timer.message.ordering_key(),
            Self::Redrive(redrive) => redrive.contact.as_ref().map(ToString::to_string),
            Self::PausesEnd { .. } => Some("pauses".to_owned()),
            Self::ExpireObjects(_) => Some("expiry".to_owned()),
            Self::TestMail(id) => Some(format!("test/{id}")),
        }
    }

    /// The contact and the campaign that it is about, if it is about one.
    pub fn about(&self) -> (Option<&ContactId>, Option<&CampaignId>) {
        match self {
            Self::EnrollmentEvent(event) => (Some(&event.contact), Some(&event.campaign)),
            Self::Call(call) => (Some(&call.contact), Some(&call.campaign)),
            Self::Erase(contact) => (Some(contact), None),
            Self::JobStep(_)
            | Self::PausesEnd { .. }
            | Self::ExpireObjects(_)
            | Self::TestMail(_) => (None, None),
            Self::Timer(timer) => timer.message.about(),
            Self::Redrive(redrive) => (redrive.contact.as_ref(), None),
        }
    }

    /// The queue that it belongs into. A message that was queued before queues said what for goes
    /// with the first.
    pub fn queue(&self) -> Queue {
        match self {
            Self::EnrollmentEvent(event) if !event.is_delivery() => Queue::Timers,
            Self::EnrollmentEvent(event) => match event.purpose.unwrap_or(Purpose::Transactional) {
                Purpose::Transactional => Queue::Transactional,
                Purpose::Marketing => Queue::Marketing,
            },
            Self::PausesEnd { .. } => Queue::Timers,
            Self::TestMail(_) => Queue::Transactional,
            Self::Call(_) => Queue::Calls,
            Self::JobStep(_)
            | Self::Erase(_)
            | Self::Timer(_)
            | Self::Redrive(_)
            | Self::ExpireObjects(_) => Queue::Jobs,
        }
    }
}

/// The queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Timers that are due, and whatever else is to happen to an enrollment.
    Timers,
    /// Transactional messages, and test mails.
    Transactional,
    /// Marketing messages.
    Marketing,
    /// Webhooks.
    Calls,
    /// Work on many contacts, and timers that are still to be set.
    Jobs,
}

impl Queue {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Timers, Self::Transactional, Self::Marketing, Self::Calls, Self::Jobs];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timers => "timers",
            Self::Transactional => "transactional",
            Self::Marketing => "marketing",
            Self::Calls => "calls",
            Self::Jobs => "sweeps",
        }
    }

    /// Whether the handler of this queue can process a message. Orders are checked against it when
    /// they are given, and the handlers of the queues refuse the rest.
    pub fn takes(self, message: &QueueMessage) -> bool {
        match (self, message) {
            (Self::Timers, QueueMessage::EnrollmentEvent(event)) => !event.is_delivery(),
            (Self::Transactional | Self::Marketing, QueueMessage::EnrollmentEvent(event)) => {
                event.is_delivery()
            }
            (Self::Transactional, QueueMessage::TestMail(_))
            | (Self::Calls, QueueMessage::Call(_))
            | (Self::Jobs, QueueMessage::JobStep(_) | QueueMessage::ExpireObjects(_)) => true,
            // A timer brings the last erasure of what remains.
            (Self::Timers | Self::Jobs, QueueMessage::Erase(_))
            | (Self::Timers, QueueMessage::PausesEnd { .. }) => true,
            (Self::Jobs, QueueMessage::Timer(timer)) => Self::Timers.takes(&timer.message),
            // A dead letter may have come from any of them.
            (
                Self::Timers | Self::Transactional | Self::Marketing | Self::Calls | Self::Jobs,
                QueueMessage::Redrive(_),
            ) => true,
            (
                Self::Timers | Self::Transactional | Self::Marketing | Self::Calls | Self::Jobs,
                QueueMessage::EnrollmentEvent(_)
                | QueueMessage::Call(_)
                | QueueMessage::JobStep(_)
                | QueueMessage::Erase(_)
                | QueueMessage::Timer(_)
                | QueueMessage::PausesEnd { .. }
                | QueueMessage::ExpireObjects(_)
                | QueueMessage::TestMail(_),
            ) => false,
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages that were queued before channels were named are e-mail.
    #[test]
    fn r30_a_queued_email_names_no_channel() {
        let stored = r#"{"wake":{"c":"c1","p":"hello","e":{"DeliveryDue":{"run":1,"step":2}},"u":"marketing"}}"#;
        let (contact, campaign) =
            (ContactId::new("c1").unwrap(), CampaignId::new("hello").unwrap());
        let event = EnrollmentEvent {
            purpose: Some(Purpose::Marketing),
            ..EnrollmentEvent::new(contact, campaign, Event::DeliveryDue { run: 1, step: 2 })
        };
        let message = QueueMessage::EnrollmentEvent(event);
        assert_eq!(serde_json::to_string(&message).unwrap(), stored);
        assert_eq!(serde_json::from_str::<QueueMessage>(stored).unwrap(), message);
    }
}

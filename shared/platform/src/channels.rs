//! How a message of each channel is made and handed to its service.
//!
//! The delivery (`handlers::delivery`) keeps the promises of a message, whichever channel it goes
//! by: it is claimed in the ledger, sent once and settled (R30). What it asks of a channel is here:
//! the service that sends, and a message that is ready to leave, or why there is none.

mod email;

use std::sync::Arc;

use async_trait::async_trait;
use dacapo_engine::campaign::channel::Channel;
use dacapo_engine::campaign::graph::Graph;
use dacapo_engine::contact::Contact;
use dacapo_engine::decide::Delivery;
use dacapo_engine::template::MergeValues;

use crate::catalog::Loaded;
use crate::error::Error;
use crate::messages::MessageRecord;
use crate::ports::{MessageService, SendError, SendMode, Trouble};

pub(crate) use email::EmailChannel;

/// What a message is made from.
pub(crate) struct MessageSources<'a> {
    /// The account.
    pub(crate) loaded: &'a Loaded,
    /// The version that the element belongs to.
    pub(crate) graph: &'a Graph,
    /// Which message it is.
    pub(crate) delivery: &'a Delivery,
    /// The subject that the campaign is about, as it is now (R3).
    pub(crate) contact: &'a Contact,
    /// Its contact, if it is an object (R72).
    pub(crate) person: Option<&'a Contact>,
}

impl MessageSources<'_> {
    /// Who gets the message: the contact, or the one that the object belongs to.
    pub(crate) fn recipient(&self) -> &Contact {
        self.person.unwrap_or(self.contact)
    }
}

/// What came of making a message.
pub(crate) struct PreparedMessage {
    /// Where it goes, as the ledger's record names it.
    pub(crate) to: Option<String>,
    /// The values that it was made with.
    pub(crate) values: Option<MergeValues>,
    /// The message; else why there is none, as text.
    pub(crate) message: Result<Box<dyn ReadyMessage>, String>,
}

impl PreparedMessage {
    /// No message could be made.
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self { to: None, values: None, message: Err(reason.into()) }
    }
}

/// What a message said.
#[derive(Default)]
pub(crate) struct RenderedMessage {
    pub(crate) subject: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
}

/// A message with all that its service needs.
#[async_trait]
pub(crate) trait ReadyMessage: Send + Sync {
    /// Hands it to the service, within two minutes: a claim in the ledger holds no longer. Answers
    /// the service's id for it. Of the recipient, the reason of an error may hold an e-mail address
    /// and nothing else: addresses are left out of logs.
    async fn send(&self) -> Result<String, SendError>;
}

/// A channel, as the delivery sees it.
#[async_trait]
pub(crate) trait MessageChannel: Send + Sync {
    /// The service that sends.
    fn service(&self) -> &dyn MessageService;

    /// Makes a message.
    async fn prepare(&self, sources: &MessageSources<'_>) -> PreparedMessage;

    /// What a message said, rendered again from its record; empty if no values of it are kept.
    ///
    /// # Errors
    ///
    /// What the table answers.
    async fn rendered(&self, record: &MessageRecord) -> Result<RenderedMessage, Error>;
}

/// The channels.
pub struct Channels {
    pub(crate) email: Arc<EmailChannel>,
}

impl Channels {
    /// A channel.
    pub(crate) fn of(&self, channel: Channel) -> &dyn MessageChannel {
        match channel {
            Channel::Email => &*self.email,
        }
    }

    /// The service that sends the messages of a channel.
    pub fn service(&self, channel: Channel) -> &dyn MessageService {
        self.of(channel).service()
    }

    /// Whether any of them calls a service.
    pub fn any_calls_a_service(&self) -> bool {
        self.all().iter().any(|channel| channel.service().mode() == SendMode::Sent)
    }

    /// What is wrong with the services for now.
    pub fn troubles(&self) -> impl Iterator<Item = Trouble> {
        self.all().into_iter().filter_map(|channel| channel.service().trouble())
    }

    fn all(&self) -> [&dyn MessageChannel; 1] {
        let Self { email } = self;
        [&**email]
    }
}

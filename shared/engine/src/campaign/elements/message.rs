//! What an element that sends says about its message, and by which channel it goes.

use serde::{Deserialize, Serialize};

use super::window::Window;
use crate::ids::ElementId;

/// The means by which a message reaches a contact. In what is stored, the name of the channel is
/// left out if it is e-mail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// E-mail.
    #[default]
    Email,
}

impl Channel {
    /// Whether it is e-mail, whose name is left out in what is stored.
    pub fn is_email(&self) -> bool {
        *self == Self::Email
    }
}

/// What an element that sends says about its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementMessage<'a> {
    /// The channel.
    pub channel: Channel,
    /// The key in the document under which stands what it says; for e-mail a key of `emails`.
    pub content_key: &'a str,
    /// When it may leave, if the element says so itself (R25).
    pub window: Option<Window>,
    /// Where the token goes once the message is settled.
    pub next: Option<&'a ElementId>,
}

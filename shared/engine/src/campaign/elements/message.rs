//! What an element that sends says about its message, and by which channel it goes.

use serde::{Deserialize, Serialize};

use super::window::Window;
use crate::ids::ElementId;

/// By what a message reaches a contact. What is stored names no channel if it is e-mail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// E-mail.
    #[default]
    Email,
}

impl Channel {
    /// Whether it is e-mail, which is not stored.
    pub fn is_email(&self) -> bool {
        *self == Self::Email
    }
}

/// What an element that sends says about its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementMessage<'a> {
    /// The channel.
    pub channel: Channel,
    /// The key of what the message says, in the document; for e-mail it is one of `emails`.
    pub content: &'a str,
    /// When it may leave, if the element says so itself (R25).
    pub window: Option<Window>,
    /// Where the token goes once the message is settled.
    pub next: Option<&'a ElementId>,
}

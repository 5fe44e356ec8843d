//! Channels: the means by which a message reaches a contact. E-mail is the only one.
//!
//! A decision asks a channel what a message is for and whether a contact can be reached by it; it
//! asks nothing about what a message says. So the rules of messages (R25, R30 to R34, R43) hold for
//! every channel.

use super::format::{Document, Otherwise, Purpose};
use super::graph::Graph;
use crate::address;
use crate::contact::{Consent, Contact, Suppression};
use crate::ids::ElementId;
use crate::time::Hours;

pub use super::elements::{Channel, ElementMessage};

impl Channel {
    /// What the messages under this key are for; `None` if the document has no such key.
    pub fn purpose(self, document: &Document, content_key: &str) -> Option<Purpose> {
        match self {
            Self::Email => document.emails.get(content_key).map(|email| email.purpose),
        }
    }

    /// Why a person gets no message of this purpose now (R31, R32); `None` if it may leave.
    pub fn refusal(self, person: &Contact, purpose: Purpose) -> Option<&'static str> {
        match self {
            Self::Email => refusal_of_email(person, purpose),
        }
    }
}

impl ElementMessage<'_> {
    /// The hours at which it may leave, and what becomes of it outside of them (R25): the element's
    /// own, else those that the campaign has for marketing by this channel.
    pub fn hours(&self, document: &Document) -> Option<(Hours, Otherwise)> {
        if let Some(window) = &self.window {
            return Some((window.hours(), window.otherwise));
        }
        let of_campaign = match self.channel {
            Channel::Email => document.settings.email_time.as_ref()?.hours(),
        };
        match self.channel.purpose(document, self.content_key)? {
            Purpose::Marketing => Some((of_campaign, Otherwise::Later)),
            Purpose::Transactional => None,
        }
    }

    /// What it is for; marketing where that is unknown.
    pub fn purpose(&self, document: &Document) -> Purpose {
        self.channel.purpose(document, self.content_key).unwrap_or(Purpose::Marketing)
    }
}

impl Graph {
    /// The message of an element; `None` if there is no such element, or if it sends none.
    pub fn message(&self, element: &ElementId) -> Option<ElementMessage<'_>> {
        self.element(element)?.1.message()
    }
}

fn refusal_of_email(person: &Contact, purpose: Purpose) -> Option<&'static str> {
    match person.suppressed {
        Some(Suppression::Bounced) => return Some("the address bounced"),
        Some(Suppression::Complained) => return Some("the recipient complained"),
        Some(Suppression::Manual) => return Some("the address is suppressed"),
        None => {}
    }
    match (purpose, person.consent) {
        (Purpose::Marketing, Consent::Unsubscribed) => return Some("the contact unsubscribed"),
        (Purpose::Marketing, Consent::None) => return Some("the contact gave no consent"),
        (Purpose::Marketing, Consent::Subscribed) | (Purpose::Transactional, _) => {}
    }
    match person.address() {
        Some(address) if address::is_plausible(address) => None,
        Some(_) => Some("the address is not one that mail can be sent to"),
        None => Some("the contact has no address"),
    }
}

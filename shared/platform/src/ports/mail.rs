//! A mail as the mail service is given it.

use dacapo_engine::campaign::format::Sender;
use dacapo_engine::ids::{CampaignId, ContactId};

/// A mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Who it comes from.
    pub from: Sender,
    /// The address it goes to.
    pub to: String,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// The subject, one line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML, if there is any.
    pub html: Option<String>,
    /// Where one click unsubscribes (RFC 8058), for marketing mail.
    pub unsubscribe_url: Option<String>,
    /// Which message it is: the same for every attempt.
    pub message: MessageName,
}

/// What names a message, and the record of it in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageName {
    /// The contact.
    pub contact: ContactId,
    /// The campaign.
    pub campaign: CampaignId,
    /// The run.
    pub run: u32,
    /// The step.
    pub step: u32,
}

impl std::fmt::Display for MessageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}.{}", self.contact, self.campaign, self.run, self.step)
    }
}

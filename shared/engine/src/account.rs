//! The account, as far as decisions depend on it.
//!
//! It is a value that the caller has read. Everything else about an account is the platform's.

use crate::contact::Contact;
use crate::time::{Instant, Zone};

/// The settings of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The zone of its calendar days, and of contacts that have none.
    pub zone: Zone,
    /// The language of contacts that have none, as a BCP 47 tag.
    pub locale: String,
    /// Set after a restore: what was due up to this instant is taken to have happened then, and its
    /// messages to have left (R30). What the restored table says about it is older.
    pub sent_until: Option<Instant>,
}

impl Account {
    /// *The zone*: the contact's, else the account's.
    pub fn zone_of(&self, contact: &Contact) -> Zone {
        contact.zone().unwrap_or(self.zone)
    }
}

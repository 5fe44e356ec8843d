//! The keys of test mails.

use super::Keys;
use crate::table::Key;

impl Keys {
    /// The partition of the test mails.
    pub fn test_mails(&self) -> String {
        format!("A#{}#TEST", self.account)
    }

    /// A test mail.
    pub fn test_mail(&self, id: &str) -> Key {
        Key::new(self.test_mails(), format!("MAIL#{id}"))
    }

    /// How many test mails there were on the last day that had any.
    pub fn test_mails_of_day(&self) -> Key {
        Key::new(self.test_mails(), "DAY")
    }
}

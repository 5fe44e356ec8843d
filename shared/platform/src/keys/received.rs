//! The keys of connections, their URLs, and the calls that they received.

use chrono::NaiveDate;
use dacapo_engine::ids::{ConnectionId, ContactId};
use dacapo_engine::time::Instant;

use super::Keys;
use crate::table::Key;

impl Keys {
    /// The partition of the connections.
    pub fn connections(&self) -> String {
        format!("A#{}#IN", self.account)
    }

    /// A connection.
    pub fn connection(&self, connection: &ConnectionId) -> Key {
        Key::new(self.connections(), format!("{}{connection}", Self::RECEIVED))
    }

    /// The partition of what came in through a connection; in the index, the list of it.
    pub fn received_calls(&self, connection: &ConnectionId) -> String {
        format!("A#{}#IN#{connection}", self.account)
    }

    /// A received call.
    pub fn received_call(&self, connection: &ConnectionId, id: &str) -> Key {
        Key::new(self.received_calls(connection), format!("CALL#{id}"))
    }

    /// The place of a received call in the index: the oldest first.
    pub fn received_listed(&self, connection: &ConnectionId, at: Instant, id: &str) -> Key {
        let at = at.timestamp_millis();
        Key::new(self.received_calls(connection), format!("{at:015}#{id}"))
    }

    /// The body of a received call.
    pub fn received_body(&self, connection: &ConnectionId, id: &str) -> Key {
        Key::new(self.received_calls(connection), format!("BODY#{id}"))
    }

    /// The number of calls that a connection received on a day.
    pub fn received_on(&self, connection: &ConnectionId, day: NaiveDate) -> Key {
        Key::new(self.received_calls(connection), format!("DAY#{day}"))
    }

    /// The prefix of the sort keys of received calls in a contact's partition.
    pub const RECEIVED: &str = "IN#";

    /// A received call of a contact: it points to the call.
    pub fn received_of(&self, contact: &ContactId, connection: &ConnectionId, id: &str) -> Key {
        let sk = format!("{}{connection}#{id}", Self::RECEIVED);
        Key::new(self.contact_partition(contact), sk)
    }

    /// The prefix of the sort keys of bookings whose date is the contact's.
    pub const BOOKINGS: &str = "TOLD#";

    /// What was last told of a booking whose date is the contact's, by the hash of its key.
    pub fn booking_told(&self, contact: &ContactId, hash: &str) -> Key {
        Key::new(self.contact_partition(contact), format!("{}{hash}", Self::BOOKINGS))
    }

    /// The partition of the received calls that name an address, by its keyed hash.
    pub fn received_naming(&self, address: &str) -> String {
        format!("A#{}#IN@#{address}", self.account)
    }

    /// A received call that names an address: it points to the call.
    pub fn received_that_names(&self, address: &str, connection: &ConnectionId, id: &str) -> Key {
        Key::new(self.received_naming(address), format!("{connection}#{id}"))
    }
}

/// The URL of a connection, found by the hash of its token.
pub fn connection_url(hash: &str) -> Key {
    Key::new(format!("IN#{hash}"), "URL")
}

/// The connection and the id of the received call that an item points to, if it is such a pointer.
pub fn received_in(key: &Key) -> Option<(ConnectionId, &str)> {
    let pointed = match key.pk.contains("#IN@#") {
        true => key.sk.as_str(),
        false => key.sk.strip_prefix(Keys::RECEIVED)?,
    };
    let (connection, id) = pointed.split_once('#')?;
    Some((ConnectionId::new(connection).ok()?, id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::is_fed;
    use dacapo_engine::ids::AccountId;

    #[test]
    fn a_pointer_leads_to_its_received_call_and_nothing_else_does() {
        let keys = Keys::of(AccountId::new("main").unwrap());
        let (ann, forms) = (ContactId::new("c1").unwrap(), ConnectionId::new("a.b-c").unwrap());
        let led = |key: &Key| received_in(key).map(|(connection, id)| format!("{connection} {id}"));
        for pointer in
            [keys.received_of(&ann, &forms, "f00"), keys.received_that_names("beef", &forms, "f00")]
        {
            assert_eq!(led(&pointer).as_deref(), Some("a.b-c f00"), "{pointer}");
        }
        for other in [keys.contact(&ann), keys.connection(&forms), keys.tombstone(&ann)] {
            assert_eq!(led(&other), None, "{other}");
            assert!(!is_fed(&keys.connection(&ConnectionId::new("CONTACT").unwrap())));
        }
    }
}

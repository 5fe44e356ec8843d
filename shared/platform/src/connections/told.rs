//! What was last told of a booking that is no object: the contact itself has its date. An object
//! keeps that itself.

use dacapo_engine::contact::ToldAt;
use dacapo_engine::ids::ContactId;
use serde::{Deserialize, Serialize};

use crate::connections::store::Connections;
use crate::connections::stored::CALLS_KEPT;
use crate::error::Error;
use crate::keys::sha256;
use crate::store::{item, read};
use crate::table::{Condition, Item, Write};

/// When it was told how a booking stands.
#[derive(Debug, Serialize, Deserialize)]
struct StoredTold {
    #[serde(rename = "s")]
    status: ToldAt,
}

/// What is known of a booking, as it was read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KnownBooking {
    told: Option<ToldAt>,
    rev: u64,
}

impl KnownBooking {
    /// Whether something later is known than what is told now.
    pub(crate) fn is_later_than(&self, status: ToldAt) -> bool {
        self.told.is_some_and(|told| status < told)
    }
}

impl Connections {
    /// What is known of a contact's booking.
    pub(crate) async fn known_booking(
        &self,
        contact: &ContactId,
        booking: &str,
    ) -> Result<KnownBooking, Error> {
        let key = self.store.keys.booking_told(contact, &sha256(booking));
        let Some(stored) = self.store.get(&key).await? else { return Ok(KnownBooking::default()) };
        let told: StoredTold = read(&stored)?;
        Ok(KnownBooking { told: Some(told.status), rev: stored.rev.unwrap_or(0) })
    }

    /// Notes what is told of a booking, on condition that nothing else has been noted since.
    pub(crate) fn note_booking(
        &self,
        contact: &ContactId,
        booking: &str,
        status: ToldAt,
        known: KnownBooking,
    ) -> Result<Write, Error> {
        Ok(Write::next(self.booking(contact, booking, status, known.rev + 1)?))
    }

    /// Notes that another booking has taken the place of this one: what is told of it now is late.
    pub(crate) fn end_booking(&self, contact: &ContactId, booking: &str) -> Result<Write, Error> {
        let ended = self.booking(contact, booking, ToldAt::END, 1)?;
        Ok(Write::put(ended, Condition::Always))
    }

    fn booking(
        &self,
        contact: &ContactId,
        booking: &str,
        status: ToldAt,
        rev: u64,
    ) -> Result<Item, Error> {
        let key = self.store.keys.booking_told(contact, &sha256(booking));
        // A tool gives up within days, and what is kept of a call is replayed for 14.
        let until = self.store.now() + CALLS_KEPT + CALLS_KEPT;
        Ok(item(key, &StoredTold { status })?.rev(rev).expires(until))
    }
}

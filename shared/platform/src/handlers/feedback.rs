//! What the mail service reports later: that a message left after all, that an address does not
//! exist, that a recipient complained (R30, R32).
//!
//! | report | effect |
//! |---|---|
//! | it left | a record that is `unknown`, or has no outcome yet, becomes `sent` |
//! | it bounced permanently | the contact that has the address now is suppressed as `bounced` |
//! | the recipient complained | the same as `complained` |
//! | one of the last two, and no contact has the address | the refusal is stored (`refusals`) |
//!
//! Suppressing is an ordinary change of the contact. Everything here is idempotent, and reports may
//! come in any order.

use std::sync::Arc;

use dacapo_engine::address::folded;
use dacapo_engine::contact::{Author, Contact, Patch, Suppression};
use dacapo_engine::decide::message_left_after_all;
use dacapo_engine::statistics::Outcome;

use crate::contacts::{Contacts, WriteError, alone};
use crate::enrollments::{Decisions, StoredEnrollment};
use crate::error::Error;
use crate::messages::{MessageLedger, MessageRecord, MessageStatus};
use crate::ports::MessageName;
use crate::refusals::Refusals;
use crate::store::{Store, TRIES, read};
use crate::table::{Consistency, Key, TableError};

/// Whether the outcome of a message was counted as unknown. `None` if it is settled otherwise.
fn left_open(status: MessageStatus) -> Option<bool> {
    match status {
        MessageStatus::Settled(Outcome::Unknown) => Some(true),
        // Its worker, or the one that gets the message again, finds it settled.
        MessageStatus::Claimed | MessageStatus::Released => Some(false),
        MessageStatus::Settled(Outcome::Sent | Outcome::Suppressed | Outcome::Failed) => None,
    }
}

/// What the mail service reports about a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It has left, or has even arrived.
    Left {
        /// Which message it was.
        message: MessageName,
        /// The mail service's id for it.
        receipt: String,
    },
    /// It bounced permanently.
    Bounced {
        /// Which message it was, where the report says so.
        message: Option<MessageName>,
        /// The address that does not exist.
        address: String,
    },
    /// The recipient marked it as spam.
    Complained {
        /// Which message it was, where the report says so.
        message: Option<MessageName>,
        /// The recipient's address.
        address: String,
    },
}

/// The handler of what the mail service reports.
pub struct Feedback {
    pub(crate) store: Arc<Store>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) contacts: Arc<Contacts>,
    pub(crate) messages: Arc<MessageLedger>,
    pub(crate) decisions: Arc<Decisions>,
}

impl Feedback {
    /// Handles a report of the mail service. Idempotent.
    ///
    /// # Errors
    ///
    /// Retryable errors.
    pub async fn handle(&self, report: &Report) -> Result<(), Error> {
        match report {
            Report::Left { message, receipt } => self.confirm(message, receipt).await,
            Report::Bounced { message, address } => {
                self.suppress(message.as_ref(), address, Suppression::Bounced).await
            }
            Report::Complained { message, address } => {
                self.suppress(message.as_ref(), address, Suppression::Complained).await
            }
        }
    }

    /// The message has left, whatever outcome its worker has recorded.
    async fn confirm(&self, message: &MessageName, receipt: &str) -> Result<(), Error> {
        let MessageName { contact, campaign, run, step } = message;
        let key = self.store.keys.message(contact, campaign, *run, *step);
        // The worker has already recorded the outcome of nearly every mail, and what is settled
        // stays. An eventual read, at half the price, is enough to see that.
        let eventual = self.store.table.get(&key, Consistency::Eventual).await?;
        let eventual = eventual.as_ref().map(read::<MessageRecord>).transpose()?;
        if eventual.is_some_and(|record| left_open(record.status).is_none()) {
            return Ok(());
        }
        for _ in 0..TRIES {
            let Some(record) = self.messages.get(&key).await? else { return Ok(()) };
            let Some(was_unknown) = left_open(record.status) else { return Ok(()) };
            if self.settle_as_sent(message, &key, &record, receipt, was_unknown).await? {
                return Ok(());
            }
        }
        Err(Error::Contended(TRIES))
    }

    /// `true` if it was written; `false` if another writer committed first.
    async fn settle_as_sent(
        &self,
        message: &MessageName,
        key: &Key,
        record: &MessageRecord,
        receipt: &str,
        was_unknown: bool,
    ) -> Result<bool, Error> {
        let next = MessageRecord {
            status: MessageStatus::Settled(Outcome::Sent),
            reason: None,
            lease: None,
            receipt: Some(receipt.to_owned()),
            at: self.store.now(),
            ..record.clone()
        };
        // What was counted as unknown is corrected together with the record.
        let mut together = Vec::new();
        if was_unknown {
            let before = self.decisions.enrollment(&message.contact, &message.campaign).await?;
            if let Some((before, next)) = before.and_then(|before| {
                let next = self.put_right(&before, record)?;
                Some((before, next))
            }) {
                let (contact, campaign) = (&message.contact, &message.campaign);
                let state = Some(&before.enrollment);
                together.push(self.decisions.enrollment_write(contact, campaign, state, &next)?);
            }
        }
        match self.messages.write(key, Some(record), next, together).await {
            Ok(written) => Ok(written.is_some()),
            Err(Error::Table(TableError::Conflict { .. } | TableError::Contended)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The enrollment with one unknown message less and one sent message more; `None` if it no
    /// longer counts any unknown one.
    fn put_right(
        &self,
        before: &StoredEnrollment,
        record: &MessageRecord,
    ) -> Option<StoredEnrollment> {
        let advance = message_left_after_all(
            &before.enrollment,
            record.run,
            &record.element,
            self.store.now(),
        )?;
        let w = self.store.new_write_id();
        let put_right = StoredEnrollment { w, ..StoredEnrollment::of_advance(advance) };
        Some(put_right.with_deferred(before.deferred.clone()))
    }

    /// Suppresses the address: no mail to it any more.
    async fn suppress(
        &self,
        message: Option<&MessageName>,
        address: &str,
        why: Suppression,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            if self.suppress_once(message, address, why).await? {
                return Ok(());
            }
        }
        Err(Error::Contended(TRIES))
    }

    /// `true` if it is done; `false` if the address moved to another contact meanwhile.
    async fn suppress_once(
        &self,
        message: Option<&MessageName>,
        address: &str,
        why: Suppression,
    ) -> Result<bool, Error> {
        let its = |contact: &Contact| contact.address().map(folded) == Some(folded(address));
        let meant = match message {
            // An object has no address: the report is about the person.
            Some(message) => self.contacts.get(&message.contact.person()).await?.filter(its),
            None => None,
        };
        // The contact has been erased since, or has another address: the report is about the
        // contact that has the address now.
        let meant = match meant {
            Some(meant) => Some(meant),
            None => match self.contacts.id_of(address).await? {
                Some(id) => self.contacts.get(&id).await?.filter(its),
                None => None,
            },
        };
        let Some(contact) = meant else {
            // No contact has it. The refusal is stored if mail was sent to this address.
            return match message {
                Some(_) => self.refusals.remember_suppressed(address, why).await,
                None => Ok(true),
            };
        };
        let id = contact.id.clone();
        let weaker = match (contact.suppressed, why) {
            (None, _) | (Some(Suppression::Bounced), Suppression::Complained) => true,
            (Some(Suppression::Bounced | Suppression::Complained | Suppression::Manual), _) => {
                false
            }
        };
        if !weaker {
            return Ok(true);
        }
        let patch = Patch { suppressed: Some(Some(why)), ..Patch::default() };
        match self.contacts.change(&id, &patch, &Author::MailService, &alone).await {
            Ok(_) | Err(WriteError::Erasing) => Ok(true),
            // The contact has been erased just now: then the refusal is stored for the address.
            Err(WriteError::NoSuchContact) => Ok(false),
            Err(WriteError::Failed(error)) => Err(error),
            Err(
                refused @ (WriteError::AddressTaken(_)
                | WriteError::TooManyTags
                | WriteError::TooLarge { .. }
                | WriteError::Refused(..)),
            ) => {
                unreachable!("nothing goes together with a suppression: {refused}")
            }
        }
    }
}

//! The ledger of messages: written before the mail service is called, and the log of what was sent
//! (R30).
//!
//! | status | means |
//! |---|---|
//! | `claimed` | a worker is sending it, until its lease ends |
//! | `released` | it was definitely not sent, and is tried again |
//! | `sent`, `suppressed`, `failed` | settled |
//! | `unknown` | a worker claimed it and recorded no outcome: it may have been sent (R30) |
//!
//! A record keeps the merge values that the e-mail reads, never the bodies: to show a message, the
//! immutable version is rendered again.

use std::sync::Arc;

use chrono::TimeDelta;
use chrono::serde::ts_milliseconds_option;
use dacapo_engine::campaign::channel::Channel;
use dacapo_engine::campaign::format::{Email, Sender};
use dacapo_engine::decide::Delivery;
use dacapo_engine::ids::{CampaignId, ContactId, ElementId};
use dacapo_engine::statistics::Outcome;
use dacapo_engine::template::MergeValues;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::error::Error;
use crate::rate_limited_log::without_addresses;
use crate::store::{Store, item, read};
use crate::table::{Item, Key, TableError, Write};

/// Why a message was not sent whose contact left the step first: by a stop, a reset, a goal or an
/// event (R31).
const DROPPED: &str = "dropped before it left";

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// A worker is sending it.
    Claimed,
    /// It is tried again.
    Released,
    /// It was settled.
    #[serde(untagged)]
    Settled(Outcome),
}

impl MessageStatus {
    /// The word for it, as programs outside read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Released => "released",
            Self::Settled(outcome) => outcome.word(),
        }
    }
}

/// What a test mail is made of: a draft may change before it leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestContent {
    /// The e-mail, with the mark in its subject.
    pub email: Email,
    /// Whom it comes from.
    pub sender: Sender,
    /// The contact whose values it shows; `None` of an invented one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactId>,
}

/// How long a test mail is kept: longer than mail waits that cannot leave.
pub(crate) const TEST_KEPT: TimeDelta = TimeDelta::days(7);

/// A message in the ledger, or a test mail, which is kept elsewhere and has no run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageRecord {
    /// The campaign.
    pub campaign: CampaignId,
    /// The run.
    pub run: u32,
    /// The step.
    pub step: u32,
    /// The element.
    pub element: ElementId,
    /// The version that the element belongs to; 0 if it was never rendered.
    #[serde(default)]
    pub version: u32,
    /// The channel.
    #[serde(default, skip_serializing_if = "Channel::is_email")]
    pub channel: Channel,
    /// The key under which stands what it says; for e-mail a key of `emails`.
    #[serde(rename = "email")]
    pub content_key: String,
    /// How far it is.
    pub status: MessageStatus,
    /// Why it was not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The address it went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// When its status was reached.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub at: Instant,
    /// What the templates read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<MergeValues>,
    /// What a test mail is made of, until it is settled; `None` for a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Box<TestContent>>,
    /// How often it was tried.
    #[serde(default)]
    pub attempt: u32,
    /// How often it was delayed because the mail service took none; these are no tries.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub stops: u32,
    /// Since when it is delayed for that reason.
    #[serde(
        rename = "held_since",
        default,
        skip_serializing_if = "Option::is_none",
        with = "ts_milliseconds_option"
    )]
    pub put_off_since: Option<Instant>,
    /// Until when a claim holds.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ts_milliseconds_option")]
    pub lease: Option<Instant>,
    /// The mail service's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The number of writes.
    pub n: u64,
    /// The identity of the last write.
    #[serde(default)]
    pub w: String,
}

impl MessageRecord {
    /// The record of a message that was not tried yet.
    pub(crate) fn of(
        campaign: &CampaignId,
        delivery: &Delivery,
        status: MessageStatus,
        at: Instant,
    ) -> Self {
        Self {
            campaign: campaign.clone(),
            run: delivery.run,
            step: delivery.step,
            element: delivery.element.clone(),
            version: delivery.version,
            channel: delivery.channel,
            content_key: delivery.content_key.clone(),
            status,
            reason: None,
            to: None,
            at,
            values: None,
            test: None,
            attempt: 0,
            stops: 0,
            put_off_since: None,
            lease: None,
            receipt: None,
            n: 0,
            w: String::new(),
        }
    }

    /// Whether it is of a test mail, which is no message of the ledger: runs begin at 1.
    pub fn is_of_test(&self) -> bool {
        self.run == 0
    }

    /// The same without what it says and to whom, if it is of a test mail: that is over.
    pub(crate) fn without_test(self) -> Self {
        if !self.is_of_test() {
            return self;
        }
        let reason = self.reason.as_deref().map(without_addresses);
        Self { reason, to: None, values: None, test: None, ..self }
    }
}

/// The ledger of messages: what became of each.
pub struct MessageLedger {
    pub(crate) store: Arc<Store>,
}

impl MessageLedger {
    /// A message's record.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn get(&self, key: &Key) -> Result<Option<MessageRecord>, Error> {
        self.store.get(key).await?.map(|item| read(&item)).transpose()
    }

    pub(crate) fn item(&self, key: Key, record: &MessageRecord) -> Result<Item, Error> {
        let item = item(key, record)?.rev(record.n);
        Ok(if record.is_of_test() { item.expires(record.at + TEST_KEPT) } else { item })
    }

    /// Writes the first or the next state of a record. `None` if another writer committed first.
    pub(crate) async fn write(
        &self,
        key: &Key,
        before: Option<&MessageRecord>,
        next: MessageRecord,
        together: Vec<Write>,
    ) -> Result<Option<MessageRecord>, Error> {
        let next = self.follows(before, next);
        self.write_numbered(key, &next, together).await.map(|won| won.then_some(next))
    }

    /// The next state of a record with its number and an identity of its own.
    pub(crate) fn follows(
        &self,
        before: Option<&MessageRecord>,
        next: MessageRecord,
    ) -> MessageRecord {
        let (n, w) = (before.map_or(1, |before| before.n + 1), self.store.new_write_id());
        MessageRecord { n, w, ..next }
    }

    /// Writes a state that [`Self::follows`] made. `false` if another writer committed first.
    /// Idempotent: the same state again is recognised by its identity.
    pub(crate) async fn write_numbered(
        &self,
        key: &Key,
        next: &MessageRecord,
        together: Vec<Write>,
    ) -> Result<bool, Error> {
        let mut writes = vec![Write::next(self.item(key.clone(), next)?)];
        writes.extend(together);
        match self.store.write(writes).await {
            Ok(()) => Ok(true),
            Err(TableError::Conflict { which: 0, current }) => {
                Ok(crate::store::is_own(current.as_deref(), &next.w))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Records a message that was settled without having been sent. A message that was settled
    /// before stays so; one that was to be tried again is not tried any more.
    pub(crate) async fn record(
        &self,
        contact: &ContactId,
        record: MessageRecord,
    ) -> Result<(), Error> {
        let key = self.store.keys.message(contact, &record.campaign, record.run, record.step);
        if self.write(&key, None, record.clone(), Vec::new()).await?.is_some() {
            return Ok(());
        }
        match self.get(&key).await? {
            Some(released) if released.status == MessageStatus::Released => {
                let (values, to) = (released.values.clone(), released.to.clone());
                let record = MessageRecord { values, to, ..record };
                self.write(&key, Some(&released), record, Vec::new()).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Notes that a message is not tried again, because its contact has left the step. If another
    /// writer committed first, its outcome stays.
    pub(crate) async fn drop_message(
        &self,
        contact: &ContactId,
        released: MessageRecord,
    ) -> Result<(), Error> {
        let key = self.store.keys.message(contact, &released.campaign, released.run, released.step);
        let next = MessageRecord {
            status: MessageStatus::Settled(Outcome::Suppressed),
            reason: Some(DROPPED.to_owned()),
            lease: None,
            at: self.store.now(),
            ..released.clone()
        };
        self.write(&key, Some(&released), next, Vec::new()).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records that were written before channels were named are of e-mail.
    #[test]
    fn r30_the_record_of_an_email_names_no_channel() {
        let delivery = Delivery {
            version: 3,
            run: 1,
            step: 2,
            element: ElementId::new("mail").unwrap(),
            channel: Channel::Email,
            content_key: "offer".to_owned(),
        };
        let (campaign, at) = (CampaignId::new("hello").unwrap(), Instant::UNIX_EPOCH);
        let record = MessageRecord::of(&campaign, &delivery, MessageStatus::Claimed, at);
        let stored = r#"{"campaign":"hello","run":1,"step":2,"element":"mail","version":3,"email":"offer","status":"claimed","at":0,"attempt":0,"n":0,"w":""}"#;
        assert_eq!(serde_json::to_string(&record).unwrap(), stored);
        assert_eq!(serde_json::from_str::<MessageRecord>(stored).unwrap(), record);
    }
}

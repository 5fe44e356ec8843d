//! A message leaves: claimed in the ledger, made by its channel, sent once, settled (R30, R31). If
//! the service takes none for now, that is no try, and the message is released until later.
//!
//! A claim that stays in the ledger without an outcome becomes `unknown`, and its message is never
//! sent. So what the service has answered is written again until the table takes it, as long as
//! there is time: a table that throttles loses no message. The same state has the same number and
//! the same identity, so writing it twice is harmless.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use dacapo_engine::campaign::graph::Graph;
use dacapo_engine::contact::Contact;
use dacapo_engine::decide::{Delivery, Event};
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_engine::statistics::Outcome;

use super::Done;
use super::quarantine::Quarantine;
use crate::Instant;
use crate::catalog::CatalogStore;
use crate::channels::{Channels, MessageSources, PreparedMessage, ReadyMessage};
use crate::contacts::Contacts;
use crate::enrollments::Decisions;
use crate::error::{Error, Retryability};
use crate::mail_backoff;
use crate::messages::{MessageLedger, MessageRecord, MessageStatus, TEST_KEPT};
use crate::metrics::Metric;
use crate::ports::{PutOff, SendError, SendMode};
use crate::rate_limited_log::{RateLimitedLog, without_addresses};
use crate::store::{Store, item};
use crate::table::{Condition, Key, TableError, Write};

/// How long a claim holds: longer than a worker may take for a message.
const LEASE: TimeDelta = TimeDelta::seconds(120);

/// How often a message is tried before it has failed.
const ATTEMPTS: u32 = 12;

/// Why the outcome of a message is unknown whose claim has ended.
pub(super) const NOT_HEARD_OF: &str = "the worker that was sending it was not heard of again";

/// The pauses after which the ledger is written again: three seconds in all.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1_600),
];

/// Sends the messages of campaigns.
pub struct MessageDelivery {
    pub(crate) store: Arc<Store>,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) contacts: Arc<Contacts>,
    pub(crate) messages: Arc<MessageLedger>,
    /// How they leave.
    pub channels: Channels,
    pub(crate) decisions: Arc<Decisions>,
    pub(crate) quarantine: Arc<Quarantine>,
    pub(crate) warned: Arc<RateLimitedLog>,
}

impl MessageDelivery {
    /// What the ledger says before anything is decided: what was settled stays settled, and a
    /// message that another worker has claimed is left to it, whatever has changed since.
    pub(super) async fn ledger_first(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
        run: u32,
        step: u32,
    ) -> Result<Ledger, Error> {
        let key = self.store.keys.message(contact, campaign, run, step);
        let now = self.store.now();
        let Some(record) = self.messages.get(&key).await? else { return Ok(Ledger::Open(None)) };
        let settled = match (record.status, record.lease) {
            (MessageStatus::Settled(outcome), _) => (outcome, record.reason),
            (MessageStatus::Claimed | MessageStatus::Released, Some(until)) if now < until => {
                return Ok(Ledger::Done(Done::NotBefore(until)));
            }
            (MessageStatus::Released, _) => return Ok(Ledger::Open(Some(Box::new(record)))),
            (MessageStatus::Claimed, _) => {
                let reason = NOT_HEARD_OF.to_owned();
                self.settle(&key, &record, Outcome::Unknown, Some(reason)).await?
            }
        };
        self.tell_settled(contact, campaign, (run, step), settled).await.map(Ledger::Done)
    }

    /// Sends a message that may leave by the decision; `latest` is the contact on which that was
    /// just decided. At most once, in spite of repeats and crashes.
    pub(super) async fn deliver(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
        delivery: &Delivery,
        before: Option<MessageRecord>,
        latest: Option<&Contact>,
    ) -> Result<Done, Error> {
        let key = self.store.keys.message(contact, campaign, delivery.run, delivery.step);
        match self.attempt(contact, campaign, delivery, &key, before, latest).await? {
            Attempt::Settled(outcome, reason) => {
                let step = (delivery.run, delivery.step);
                self.tell_settled(contact, campaign, step, (outcome, reason)).await
            }
            Attempt::NotBefore(at) => Ok(Done::NotBefore(at)),
            Attempt::Lost => Ok(Done::Soon),
        }
    }

    /// The token goes on.
    async fn tell_settled(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
        (run, step): (u32, u32),
        (outcome, reason): (Outcome, Option<String>),
    ) -> Result<Done, Error> {
        let event = Event::Settled { run, step, outcome, reason };
        let outcome = self.decisions.apply_event(contact, campaign, &event).await;
        self.quarantine.done(contact, campaign, outcome).await
    }

    async fn attempt(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
        delivery: &Delivery,
        key: &Key,
        before: Option<MessageRecord>,
        latest: Option<&Contact>,
    ) -> Result<Attempt, Error> {
        let graph = self.catalog.version(campaign, delivery.version).await?;
        let channel = delivery.channel;
        let mut record = MessageRecord {
            attempt: before.as_ref().map_or(1, |before| before.attempt + 1),
            stops: before.as_ref().map_or(0, |before| before.stops),
            put_off_since: before.as_ref().and_then(|before| before.put_off_since),
            ..MessageRecord::of(campaign, delivery, MessageStatus::Claimed, self.store.now())
        };
        let purpose = channel.purpose(&graph.document, &delivery.content_key);
        let put_off = |purpose| self.channels.service(channel).puts_off(purpose);
        if let Some((put_off, reason)) = purpose.and_then(put_off) {
            self.warn_of(&SendError::PutOff(put_off, reason.clone()));
            // It was not rendered: the values of the last try stay.
            if let Some(before) = &before {
                (record.to, record.values) = (before.to.clone(), before.values.clone());
            }
            return self.put_off_untried(key, before.as_ref(), record, put_off, reason).await;
        }
        let prepared = self.prepare(&graph, (contact, latest), delivery).await?;
        (record.to, record.values) = (prepared.to, prepared.values);
        match prepared.message {
            Ok(message) => self.leave(key, before.as_ref(), record, &*message).await,
            Err(reason) => {
                record.status = MessageStatus::Settled(Outcome::Failed);
                record.reason = Some(reason);
                self.first_to_settle(key, before.as_ref(), record, Vec::new()).await
            }
        }
    }

    /// A message leaves: it is captured, or claimed and sent.
    pub(super) async fn leave(
        &self,
        key: &Key,
        before: Option<&MessageRecord>,
        mut record: MessageRecord,
        message: &dyn ReadyMessage,
    ) -> Result<Attempt, Error> {
        let service = self.channels.service(record.channel);
        match service.mode() {
            SendMode::Captured => {
                // The record is the message: both are one transaction.
                record.status = MessageStatus::Settled(Outcome::Sent);
                let pointer = serde_json::json!({ "pk": key.pk, "sk": key.sk });
                let mut captured = item(self.store.keys.captured_mail(record.at, key), &pointer)?;
                if record.is_of_test() {
                    captured = captured.expires(record.at + TEST_KEPT);
                }
                let together = vec![Write::put(captured, Condition::Always)];
                self.first_to_settle(key, before, record, together).await
            }
            SendMode::Sent => {
                record.lease = Some(self.store.now() + LEASE);
                let claimed = self.claimed(key, before, record).await?;
                match claimed {
                    Some(claimed) => self.send(key, claimed, message).await,
                    None => Ok(Attempt::Lost),
                }
            }
        }
    }

    /// Claims a message. `None` if another writer committed first.
    ///
    /// If the answer to the write is lost, the same write again says whether it was made: nothing
    /// has been sent, and a claim that no worker knows of would lose the message.
    async fn claimed(
        &self,
        key: &Key,
        before: Option<&MessageRecord>,
        record: MessageRecord,
    ) -> Result<Option<MessageRecord>, Error> {
        let next = self.messages.follows(before, record);
        let is_unknown = |error: &Error| {
            matches!(
                error,
                Error::Table(TableError::Unknown(_) | TableError::Disk { unknown: true, .. })
            )
        };
        let won = match self.messages.write_numbered(key, &next, Vec::new()).await {
            Err(error) if is_unknown(&error) => self.write_again(key, &next, error).await?,
            other => other?,
        };
        Ok(won.then_some(next))
    }

    /// Writes what the service has answered, and again if the table does not take it.
    async fn write_outcome(
        &self,
        key: &Key,
        claimed: &MessageRecord,
        next: MessageRecord,
    ) -> Result<Option<MessageRecord>, Error> {
        let next = self.messages.follows(Some(claimed), next);
        let won = match self.messages.write_numbered(key, &next, Vec::new()).await {
            Err(error) => self.write_again(key, &next, error).await?,
            Ok(won) => won,
        };
        Ok(won.then_some(next))
    }

    /// Writes the same state after each of the pauses, until it is known whether it was written.
    async fn write_again(
        &self,
        key: &Key,
        next: &MessageRecord,
        mut error: Error,
    ) -> Result<bool, Error> {
        for pause in PAUSES {
            if error.retryability() == Retryability::Permanent {
                return Err(error);
            }
            self.channels.service(next.channel).pause(pause).await;
            match self.messages.write_numbered(key, next, Vec::new()).await {
                Ok(won) => return Ok(won),
                Err(again) => error = again,
            }
        }
        Err(error)
    }

    async fn send(
        &self,
        key: &Key,
        claimed: MessageRecord,
        message: &dyn ReadyMessage,
    ) -> Result<Attempt, Error> {
        let mut next = MessageRecord { lease: None, at: self.store.now(), ..claimed.clone() };
        let sent = message.send().await;
        if let Err(error) = &sent {
            self.warn_of(error);
        }
        let settled = match sent {
            Ok(receipt) => {
                next.receipt = Some(receipt);
                (Outcome::Sent, None)
            }
            Err(SendError::Refused(reason)) => (Outcome::Failed, Some(reason)),
            Err(SendError::Unknown(reason)) => (Outcome::Unknown, Some(reason)),
            Err(SendError::NotNow(reason)) if claimed.attempt >= ATTEMPTS => {
                (Outcome::Failed, Some(format!("given up after {ATTEMPTS} tries: {reason}")))
            }
            Err(SendError::NotNow(reason)) => {
                // Doubling from two seconds on: twelve tries take a good hour.
                let wait = TimeDelta::seconds(1 << claimed.attempt.min(12));
                return self.put_off(key, Some(&claimed), next, reason, wait).await;
            }
            // The message is as good as before.
            Err(SendError::PutOff(put_off, reason)) => {
                return self.put_off_untried(key, Some(&claimed), next, put_off, reason).await;
            }
        };
        next.status = MessageStatus::Settled(settled.0);
        next.reason.clone_from(&settled.1);
        self.write_outcome(key, &claimed, next.without_test()).await?;
        Ok(Attempt::Settled(settled.0, settled.1))
    }

    /// The service takes it only later: this does not count as a try. After days of that it has
    /// failed.
    pub(super) async fn put_off_untried(
        &self,
        key: &Key,
        before: Option<&MessageRecord>,
        mut next: MessageRecord,
        put_off: PutOff,
        reason: String,
    ) -> Result<Attempt, Error> {
        let now = self.store.now();
        let since = *next.put_off_since.get_or_insert(now);
        next.attempt = next.attempt.saturating_sub(1);
        next.stops = next.stops.saturating_add(1);
        let Some(wait) = mail_backoff::next(put_off, now - since) else {
            let days = mail_backoff::LONGEST_WAIT.num_days();
            next.status = MessageStatus::Settled(Outcome::Failed);
            next.reason = Some(format!("given up after {days} days of waiting: {reason}"));
            let (outcome, reason) = (Outcome::Failed, next.reason.clone());
            let written = self.write_known(key, before, next.without_test()).await?;
            return Ok(written.map_or(Attempt::Lost, |_| Attempt::Settled(outcome, reason)));
        };
        let attempt = self.put_off(key, before, next, reason, wait).await?;
        if let (Attempt::NotBefore(_), PutOff::Quota | PutOff::Stopped) = (&attempt, put_off) {
            Metric::MessagesHeld.emit(1);
        }
        Ok(attempt)
    }

    /// It was definitely not sent, and is looked at again after a while.
    async fn put_off(
        &self,
        key: &Key,
        before: Option<&MessageRecord>,
        next: MessageRecord,
        reason: String,
        wait: TimeDelta,
    ) -> Result<Attempt, Error> {
        let (until, status) = (self.store.now() + wait, MessageStatus::Released);
        let next = MessageRecord { status, reason: Some(reason), lease: Some(until), ..next };
        let written = self.write_known(key, before, next).await?;
        Ok(written.map_or(Attempt::Lost, |_| Attempt::NotBefore(until)))
    }

    /// Writes what is known of a message. After its own claim that must not be lost; before it,
    /// the message comes again as if nothing had been done.
    async fn write_known(
        &self,
        key: &Key,
        before: Option<&MessageRecord>,
        next: MessageRecord,
    ) -> Result<Option<MessageRecord>, Error> {
        match before {
            Some(claimed) if claimed.status == MessageStatus::Claimed => {
                self.write_outcome(key, claimed, next).await
            }
            Some(_) | None => self.messages.write(key, before, next, Vec::new()).await,
        }
    }

    /// One line a minute, not one for every message: a server that is down fails all of them.
    pub(super) fn warn_of(&self, error: &SendError) {
        if let Some(others) = self.warned.due(self.store.now()) {
            let error = without_addresses(&error.to_string());
            tracing::warn!(error, others, "mail was not sent");
        }
    }

    /// Settles the first or a released record. `None` if another writer committed first.
    pub(super) async fn first_to_settle(
        &self,
        key: &Key,
        before: Option<&MessageRecord>,
        record: MessageRecord,
        together: Vec<Write>,
    ) -> Result<Attempt, Error> {
        let written = self.messages.write(key, before, record, together).await?;
        Ok(written.map_or(Attempt::Lost, |record| match record.status {
            MessageStatus::Settled(outcome) => Attempt::Settled(outcome, record.reason),
            MessageStatus::Claimed | MessageStatus::Released => Attempt::Lost,
        }))
    }

    pub(super) async fn settle(
        &self,
        key: &Key,
        record: &MessageRecord,
        outcome: Outcome,
        reason: Option<String>,
    ) -> Result<(Outcome, Option<String>), Error> {
        let next = MessageRecord {
            status: MessageStatus::Settled(outcome),
            reason: reason.clone(),
            lease: None,
            at: self.store.now(),
            ..record.clone()
        };
        match self.messages.write(key, Some(record), next.without_test(), Vec::new()).await? {
            Some(_) => Ok((outcome, reason)),
            None => Err(Error::Contended(1)),
        }
    }

    /// Makes the message from the latest contact (R3).
    async fn prepare(
        &self,
        graph: &Graph,
        (contact, latest): (&ContactId, Option<&Contact>),
        delivery: &Delivery,
    ) -> Result<PreparedMessage, Error> {
        let contact = match latest {
            Some(latest) => Some(Cow::Borrowed(latest)),
            None => self.contacts.get(contact).await?.map(Cow::Owned),
        };
        // Where it goes, the language and the consent are the person's (R72).
        let person = match &contact {
            Some(contact) if contact.id.is_object() => {
                self.contacts.get(&contact.id.person()).await?
            }
            Some(_) | None => None,
        };
        let Some(contact) = contact.filter(|it| !it.id.is_object() || person.is_some()) else {
            return Ok(PreparedMessage::failed("the contact was erased"));
        };
        let loaded = self.catalog.current().await?;
        let sources = MessageSources {
            loaded: &loaded,
            graph,
            delivery,
            contact: &contact,
            person: person.as_ref(),
        };
        Ok(self.channels.of(delivery.channel).prepare(&sources).await)
    }
}

/// What the ledger says of a message that is due.
pub(super) enum Ledger {
    /// It has been handled: nothing is to be done.
    Done(Done),
    /// It may be sent; with the record of a try that definitely failed, if there was one.
    Open(Option<Box<MessageRecord>>),
}

/// The outcome of an attempt.
pub(super) enum Attempt {
    Settled(Outcome, Option<String>),
    NotBefore(Instant),
    /// Another worker committed first.
    Lost,
}

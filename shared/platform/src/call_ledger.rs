//! The ledger of webhook calls: written before a call is queued, so that the table alone knows
//! which queued calls are not over.
//!
//! It promises less than the ledger of messages: if a worker crashes during a call, the call is
//! made again, with the same `Idempotency-Key`. But two workers never make it at once, and a call
//! that is over is not made again, however late a repeat comes. Failures are counted here: the
//! number of deliveries by a queue says nothing about calls, since it also counts deliveries
//! without a try.

use std::sync::Arc;

use chrono::serde::ts_milliseconds_option;
use dacapo_engine::ids::{CampaignId, ElementId};
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::error::Error;
use crate::ports::{Done, Outbox, WebhookCall};
use crate::store::{Store, item, read};
use crate::table::{Key, TableError, Write};

/// How long a call stays in the ledger: longer than a queue or the change feed could bring it
/// again.
const CALLS_KEPT: chrono::TimeDelta = chrono::TimeDelta::days(30);

/// How long a claim holds: longer than a worker may take for a call.
const LEASE: chrono::TimeDelta = chrono::TimeDelta::seconds(60);

/// A call in the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CallRecord {
    /// The campaign.
    pub campaign: CampaignId,
    /// The run.
    pub run: u32,
    /// The step.
    pub step: u32,
    /// The version that the element belongs to.
    pub version: u32,
    /// The element.
    pub element: ElementId,
    /// When its contact reached the element.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub at: Instant,
    /// Since when it is over: it was made, refused or given up.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ts_milliseconds_option")]
    pub over: Option<Instant>,
    /// The end of a worker's claim.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ts_milliseconds_option")]
    pub lease: Option<Instant>,
    /// How often it failed.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub failures: u32,
    /// The reason of the last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// It is not made again before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ts_milliseconds_option")]
    pub again: Option<Instant>,
    /// The number of writes.
    pub n: u64,
}

/// Whether a call may be made now.
pub(crate) enum MayCall {
    /// Yes. With its record; one that is not in the ledger yet was queued before there was one.
    Yes(Box<CallRecord>),
    /// It is over, or another worker claimed it first.
    No(Done),
}

impl CallRecord {
    fn of(call: &WebhookCall, at: Instant) -> Self {
        Self {
            campaign: call.campaign.clone(),
            run: call.run,
            step: call.step,
            version: call.version,
            element: call.element.clone(),
            at,
            over: None,
            lease: None,
            failures: 0,
            reason: None,
            again: None,
            n: 1,
        }
    }
}

/// The ledger of webhook calls.
pub(crate) struct CallLedger {
    pub(crate) store: Arc<Store>,
    pub(crate) outbox: Arc<dyn Outbox>,
}

impl CallLedger {
    fn key(&self, call: &WebhookCall) -> Key {
        self.store.keys.call(&call.contact, &call.campaign, call.run, call.step)
    }

    fn write_of(&self, call: &WebhookCall, record: &CallRecord) -> Result<Write, Error> {
        let stored = item(self.key(call), record)?.rev(record.n);
        Ok(Write::next(stored.expires(record.at + CALLS_KEPT)))
    }

    /// Notes that a call is to be queued, or that it is over from the beginning. `false` if it is
    /// over: nothing is to be done.
    pub(crate) async fn note(
        &self,
        call: &WebhookCall,
        at: Instant,
        over: bool,
    ) -> Result<bool, Error> {
        let over = over.then(|| self.store.now());
        let record = CallRecord { over, ..CallRecord::of(call, at) };
        let write = self.write_of(call, &record)?;
        match self.store.write(vec![write]).await {
            Ok(()) => Ok(over.is_none()),
            Err(TableError::Conflict { current: Some(current), .. }) => {
                Ok(read::<CallRecord>(&current)?.over.is_none())
            }
            Err(TableError::Conflict { current: None, .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a call may be made now. Claims it, where a message may be with two workers at once.
    pub(crate) async fn claim(&self, call: &WebhookCall) -> Result<MayCall, Error> {
        let now = self.store.now();
        let record = match self.store.get(&self.key(call)).await? {
            Some(stored) => read(&stored)?,
            None => CallRecord { n: 0, ..CallRecord::of(call, now) },
        };
        if record.over.is_some() {
            return Ok(MayCall::No(Done::Yes));
        }
        if let Some(again) = record.again.filter(|again| now < *again) {
            return Ok(MayCall::No(Done::NotBefore(again)));
        }
        if self.outbox.delivers_exclusively() {
            return Ok(MayCall::Yes(Box::new(record)));
        }
        if let Some(until) = record.lease.filter(|until| now < *until) {
            return Ok(MayCall::No(Done::NotTried(until)));
        }
        let next = CallRecord { lease: Some(now + LEASE), ..record };
        Ok(match self.write_next(call, next, Vec::new()).await? {
            Some(claimed) => MayCall::Yes(Box::new(claimed)),
            None => MayCall::No(Done::Soon),
        })
    }

    /// Notes that a call is over, or that it was not made and no worker has claimed it.
    pub(crate) async fn went(
        &self,
        call: &WebhookCall,
        record: CallRecord,
        over: bool,
    ) -> Result<(), Error> {
        if !over && record.lease.is_none() {
            return Ok(());
        }
        let over = over.then(|| self.store.now());
        self.write_next(call, CallRecord { over, lease: None, ..record }, Vec::new())
            .await
            .map(drop)
    }

    /// Writes the next state of a record, with the writes that belong to it. No effect if another
    /// writer committed first, or the contact was erased.
    pub(crate) async fn write_next(
        &self,
        call: &WebhookCall,
        mut next: CallRecord,
        together: Vec<Write>,
    ) -> Result<Option<CallRecord>, Error> {
        next.n += 1;
        let mut writes = vec![self.write_of(call, &next)?];
        writes.extend(together);
        // It may be this very write, whose answer was lost, that was first: then the claim ends by
        // itself.
        Ok(self.store.write_if_first(writes).await?.then_some(next))
    }
}

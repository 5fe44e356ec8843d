//! The ledger of webhook calls: written before a call is queued, so that the table alone knows what was queued and is not
//! over.
//!
//! It promises less than the ledger of messages: a call is made again if a worker dies between the answer and its note, and
//! carries the same `Idempotency-Key` then. But what is over is not made again, however late a repeat comes.

use dacapo_engine::ids::{CampaignId, ElementId};
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::error::Error;
use crate::platform::{Platform, item, read};
use crate::ports::Call;
use crate::table::{Condition, Key, TableError, Write};

/// How long a call stays in the ledger: longer than a queue or the change feed could bring it again.
const KEPT: chrono::TimeDelta = chrono::TimeDelta::days(30);

/// A call in the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CallRecord {
    /// From which campaign.
    pub campaign: CampaignId,
    /// In which run.
    pub run: u32,
    /// At which step.
    pub step: u32,
    /// The version that the element belongs to.
    pub version: u32,
    /// The element.
    pub element: ElementId,
    /// When it was queued.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub at: Instant,
    /// Since when nothing more is to be done: it was made, refused or given up.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "chrono::serde::ts_milliseconds_option"
    )]
    pub over: Option<Instant>,
}

impl CallRecord {
    fn of(call: &Call, at: Instant) -> Self {
        Self {
            campaign: call.campaign.clone(),
            run: call.run,
            step: call.step,
            version: call.version,
            element: call.element.clone(),
            at,
            over: None,
        }
    }
}

impl Platform {
    fn call_key(&self, call: &Call) -> Key {
        self.keys.call(&call.contact, &call.campaign, call.run, call.step)
    }

    /// Notes that a call is to be queued. `false` if it is over already: this is a repeat, and nothing is to be done.
    pub(crate) async fn note_call(&self, call: &Call) -> Result<bool, Error> {
        let now = self.now();
        let record = CallRecord::of(call, now);
        let write = item(self.call_key(call), &record)?.expires(now + KEPT);
        match self.write(vec![Write::put(write, Condition::Absent)]).await {
            Ok(()) => Ok(true),
            Err(TableError::Conflict { current: Some(current), .. }) => {
                Ok(read::<CallRecord>(&current)?.over.is_none())
            }
            Err(TableError::Conflict { current: None, .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a call is over. One that is not in the ledger was queued before there was one.
    pub(crate) async fn call_is_over(&self, call: &Call) -> Result<bool, Error> {
        let stored = self.get(&self.call_key(call)).await?;
        let record: Option<CallRecord> = stored.map(|item| read(&item)).transpose()?;
        Ok(record.is_some_and(|record| record.over.is_some()))
    }

    /// Notes that a call is over. Of an erased contact nothing is noted.
    pub(crate) async fn end_call(&self, call: &Call) -> Result<(), Error> {
        let now = self.now();
        let record = CallRecord { over: Some(now), ..CallRecord::of(call, now) };
        let write = item(self.call_key(call), &record)?.expires(now + KEPT);
        match self.write(vec![Write::put(write, Condition::Present)]).await {
            Ok(()) | Err(TableError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

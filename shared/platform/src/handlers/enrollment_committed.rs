//! The change feed, enrollment items: what decisions asked for is performed.
//!
//! History and statistics of a batch are one transaction, and the history item, written once, makes the counting
//! idempotent. Every other effect bears a repeat by its name.

use std::collections::BTreeMap;

use dacapo_engine::campaign::format::Purpose;
use dacapo_engine::decide::{Effect, Event, Source};
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::hash::stable;
use dacapo_engine::history::Record;
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_engine::statistics::{Gauge, Tally};
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::enrollments::{Came, StoredEnrollment, read_state};
use crate::error::Error;
use crate::keys::{SHARDS, fed};
use crate::messages::{MessageRecord, MessageStatus};
use crate::platform::{Platform, item, read};
use crate::ports::{Call, Message, Order, Queue, Wake};
use crate::table::{Condition, Item, Key, TableError, Write};

/// How many decisions one transaction takes: an item of history each, and at most as many counters.
const DECISIONS_A_TRANSACTION: usize = crate::table::MOST_WRITES / 2;

/// How long history is kept.
const KEPT: chrono::TimeDelta = chrono::TimeDelta::days(2 * 365);

/// An enrollment in the change feed, before and after a decision.
#[derive(Debug, Clone)]
pub struct EnrollmentImage {
    /// Its key.
    pub key: Key,
    /// Before; nothing if it is new.
    pub old: Option<Item>,
    /// After; nothing if it was erased.
    pub new: Option<Item>,
}

/// What one decision left in the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredHistory {
    /// In which campaign.
    pub campaign: CampaignId,
    /// The version whose elements are named.
    pub version: u32,
    /// What happened.
    pub records: Vec<Record>,
    /// What it added to the statistics.
    #[serde(default, skip_serializing_if = "Tally::is_empty")]
    pub delta: Tally,
}

/// A decision to perform.
struct Committed {
    contact: ContactId,
    campaign: CampaignId,
    stored: StoredEnrollment,
    before: Option<Enrollment>,
}

impl Platform {
    /// Performs what the decisions of a batch asked for. A repeat changes nothing.
    ///
    /// # Errors
    ///
    /// What is worth another try.
    pub async fn enrollments_committed(&self, images: &[EnrollmentImage]) -> Result<(), Error> {
        let mut decisions = Vec::new();
        for image in images {
            let (Some((contact, Some(campaign))), Some(new)) = (fed(&image.key), &image.new) else {
                continue;
            };
            let stored: StoredEnrollment = read(new)?;
            if Some(stored.stamp) == new.rev {
                let before = image.old.as_ref().map(read_state).transpose()?;
                decisions.push(Committed { contact, campaign, stored, before });
            }
        }
        let recorded = decisions.chunks(DECISIONS_A_TRANSACTION).map(|chunk| self.record(chunk));
        futures_util::future::try_join_all(recorded).await?;
        let mut orders = Vec::new();
        for decision in &decisions {
            for (index, effect) in (0..).zip(&decision.stored.effects) {
                orders.extend(self.perform(decision, index, effect).await?);
            }
        }
        if !orders.is_empty() {
            self.ports.outbox.dispatch(orders).await?;
        }
        Ok(())
    }

    /// History and statistics, together or not at all.
    async fn record(&self, decisions: &[Committed]) -> Result<(), Error> {
        let mut open: Vec<(&Committed, Item, Tally)> = Vec::new();
        for decision in decisions {
            let at = decision.stored.records.first().map_or_else(|| self.now(), |record| record.at);
            let (contact, campaign) = (&decision.contact, &decision.campaign);
            let key = self.keys.history(contact, at, campaign, decision.stored.stamp);
            let mut delta = decision.stored.delta.clone();
            let after = &decision.stored.enrollment;
            delta.add(&Gauge::between(decision.before.as_ref(), Some(after)));
            let counted = delta.clone();
            let history = StoredHistory {
                campaign: campaign.clone(),
                version: decision.stored.enrollment.version,
                records: decision.stored.records.clone(),
                delta,
            };
            open.push((decision, item(key, &history)?.expires(at + KEPT), counted));
        }
        while !open.is_empty() {
            let mut counters: BTreeMap<&CampaignId, Tally> = BTreeMap::new();
            let mut writes = Vec::new();
            for (decision, history, counted) in &open {
                counters.entry(&decision.campaign).or_default().add(counted);
                writes.push(Write::put(history.clone(), Condition::Absent));
            }
            // Any shard will do, since they are summed; different batches meet in different ones.
            let first = &open[0].0.contact;
            let shard = u32::try_from(stable(&[first.as_str()]) % u64::from(SHARDS)).unwrap_or(0);
            for (campaign, tally) in counters {
                if !tally.is_empty() {
                    let key = self.keys.statistics(campaign, shard);
                    let counters = tally.counters().clone();
                    writes.push(Write::Add { key, index: None, counters });
                }
            }
            match self.write(writes).await {
                Ok(()) => return Ok(()),
                // It was recorded before, with what it counted.
                Err(TableError::Conflict { which, .. }) if which < open.len() => {
                    open.remove(which);
                }
                Err(TableError::Contended) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Performs an effect, or answers the orders that perform it.
    async fn perform(
        &self,
        decision: &Committed,
        index: u32,
        effect: &Effect,
    ) -> Result<Option<Order>, Error> {
        let wake = |event| {
            Message::Wake(Wake {
                contact: decision.contact.clone(),
                campaign: decision.campaign.clone(),
                event,
            })
        };
        let name = |kind, run, step, due| {
            timer_name(&decision.contact, &decision.campaign, kind, run, step, due)
        };
        let source =
            || Source { campaign: decision.campaign.clone(), rev: decision.stored.stamp, index };
        Ok(match effect {
            Effect::Schedule { run, step, due } => Some(Order::Schedule {
                name: name("t", *run, *step, *due),
                at: *due,
                message: wake(Event::TimerDue { run: *run, step: *step, due: *due }),
            }),
            Effect::Cancel { run, step, due } => {
                Some(Order::Cancel { name: name("t", *run, *step, *due) })
            }
            Effect::Recheck { run, due } => Some(Order::Schedule {
                name: name("k", *run, 0, *due),
                at: *due,
                message: wake(Event::RecheckDue { run: *run, due: *due }),
            }),
            Effect::Deliver { run, step, purpose } => Some(Order::Send {
                queue: match purpose {
                    Purpose::Transactional => Queue::Transactional,
                    Purpose::Marketing => Queue::Marketing,
                },
                at: self.now(),
                message: wake(Event::DeliveryDue { run: *run, step: *step }),
            }),
            Effect::RecordMessage { run, step, element, email, outcome, reason } => {
                let record = MessageRecord {
                    campaign: decision.campaign.clone(),
                    run: *run,
                    step: *step,
                    element: element.clone(),
                    version: decision.stored.enrollment.version,
                    email: email.clone(),
                    status: MessageStatus::Settled(*outcome),
                    reason: Some(reason.clone()),
                    to: None,
                    at: self.now(),
                    values: None,
                    attempt: 0,
                    lease: None,
                    receipt: None,
                    n: 1,
                    w: String::new(),
                };
                self.record_message(&decision.contact, record).await?;
                None
            }
            Effect::Call { run, step, version, element } => Some(Order::Send {
                queue: Queue::Calls,
                at: self.now(),
                message: Message::Call(Call {
                    contact: decision.contact.clone(),
                    campaign: decision.campaign.clone(),
                    run: *run,
                    step: *step,
                    version: *version,
                    element: element.clone(),
                }),
            }),
            Effect::Command { campaign, order, causality } => {
                let event =
                    Event::Commanded { from: source(), order: *order, causality: *causality };
                self.tell(&decision.contact, campaign, event).await?
            }
            Effect::StatusChanged { causality } => {
                let loaded = self.catalog().await?;
                let mut orders = None;
                for (reader, campaign) in &loaded.campaigns {
                    let asks = campaign
                        .versions
                        .values()
                        .any(|graph| graph.reads().campaigns.contains(&decision.campaign));
                    if asks && *reader != decision.campaign {
                        let event = Event::StatusChanged { from: source(), causality: *causality };
                        orders = self.tell(&decision.contact, reader, event).await?.or(orders);
                    }
                }
                orders
            }
        })
    }

    /// Tells another campaign at once; if it has to wait for the feed, by a message.
    async fn tell(
        &self,
        contact: &ContactId,
        campaign: &CampaignId,
        event: Event,
    ) -> Result<Option<Order>, Error> {
        match self.happen(contact, campaign, &event).await {
            Ok(Came::Undecidable(why)) => {
                self.hold_undecided(contact, campaign, &why).await?;
                Ok(None)
            }
            Ok(Came::Committed(_) | Came::Deliver(_) | Came::Ignored(_)) => Ok(None),
            Err(Error::Behind) => {
                let wake = Wake { contact: contact.clone(), campaign: campaign.clone(), event };
                let message = Message::Wake(wake);
                Ok(Some(Order::Send { queue: Queue::Timers, at: self.now(), message }))
            }
            Err(error) => Err(error),
        }
    }
}

/// The name of a timer: the same for the same contact, campaign, run, step and instant, and at most 64 characters.
pub fn timer_name(
    contact: &ContactId,
    campaign: &CampaignId,
    kind: &str,
    run: u32,
    step: u32,
    due: Instant,
) -> String {
    let who = stable(&[contact.as_str(), campaign.as_str()]);
    format!("{kind}-{who:016x}-{run}-{step}-{}", due.timestamp_millis())
}

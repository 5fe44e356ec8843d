//! History and statistics of decisions, together or not at all.
//!
//! A decision's history item holds what the decision counted, and is written once: that makes the counting idempotent.
//! What is counted is counted twice, over all time and by day. *Reset statistics* (R16) takes both off: the first from the
//! enrollment's tally, the days from the history items since the last reset.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::hash::stable;
use dacapo_engine::history::{Happened, Record};
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_engine::statistics::{Gauge, Tally};
use serde::{Deserialize, Serialize};

use super::enrollment_committed::Committed;
use crate::Instant;
use crate::error::Error;
use crate::keys::{Keys, SHARDS, revision_of_history};
use crate::platform::{Platform, item, read};
use crate::table::{Condition, Item, MOST_WRITES, Query, TableError, Write};

/// How long history is kept.
const KEPT: chrono::TimeDelta = chrono::TimeDelta::days(2 * 365);

/// The most days that one item takes off: with it they are one transaction.
const DAYS_AT_ONCE: usize = MOST_WRITES - 2;

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
    /// The day on which that was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<NaiveDate>,
    /// Whether it took off what had been counted before.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reset: bool,
}

/// The part of a history item that says what was counted.
#[derive(Deserialize)]
struct Counted {
    campaign: CampaignId,
    #[serde(default)]
    delta: Tally,
    #[serde(default)]
    day: Option<NaiveDate>,
    #[serde(default)]
    reset: bool,
}

/// A counter of a campaign: over all time, or of a day.
type Counter<'a> = (&'a CampaignId, Option<NaiveDate>);

/// An item that is written once, and what is counted with it.
struct Entry<'a> {
    contact: &'a ContactId,
    history: Item,
    counts: Vec<(Counter<'a>, Tally)>,
}

impl Platform {
    /// Writes history and statistics of decisions. A repeat changes nothing.
    pub(super) async fn record(&self, decisions: &[Committed]) -> Result<(), Error> {
        if decisions.is_empty() {
            return Ok(());
        }
        let mut entries = Vec::new();
        for decision in decisions {
            entries.extend(self.entries(decision, decisions).await?);
        }
        let together = in_transactions(entries);
        let written = together.into_iter().map(|entries| self.write_entries(entries));
        futures_util::future::try_join_all(written).await?;
        Ok(())
    }

    /// What is to be written about a decision.
    async fn entries<'a>(
        &self,
        decision: &'a Committed,
        batch: &[Committed],
    ) -> Result<Vec<Entry<'a>>, Error> {
        let (contact, campaign) = (&decision.contact, &decision.campaign);
        let stored = &decision.stored;
        let before = decision.before.as_ref();
        let mut delta = stored.delta.clone();
        delta.add(&Gauge::between(before, Some(&stored.enrollment)));
        if stored.records.is_empty() && delta.is_empty() {
            return Ok(Vec::new());
        }
        let at = instant_of(decision);
        let reset = is_reset(&stored.records);
        let (mut days, day) = if reset {
            (self.days_to_take_off(decision, before, batch).await?, None)
        } else {
            let counted = delta.of_a_day();
            let day = stored.day;
            (day.map(|day| (day, counted)).into_iter().collect(), day)
        };
        let total = ((campaign, None), delta.clone());
        let history = StoredHistory {
            campaign: campaign.clone(),
            version: stored.enrollment.version,
            records: stored.records.clone(),
            delta,
            day,
            reset,
        };
        let mut entries = Vec::new();
        for part in 0.. {
            let rest = days.split_off(days.len().min(DAYS_AT_ONCE));
            let key = self.keys.history(contact, at, campaign, stored.stamp, part);
            let (history, first) = if part == 0 {
                (item(key, &history)?, Some(total.clone()))
            } else {
                // Nothing but that these days have been counted.
                let empty = StoredHistory {
                    records: Vec::new(),
                    delta: Tally::default(),
                    ..history.clone()
                };
                (item(key, &empty)?, None)
            };
            let counted = days.into_iter().map(|(day, tally)| ((campaign, Some(day)), tally));
            let counts = first.into_iter().chain(counted);
            let counts = counts.filter(|(_, tally)| !tally.is_empty()).collect();
            entries.push(Entry { contact, history: history.expires(at + KEPT), counts });
            days = rest;
            if days.is_empty() {
                break;
            }
        }
        Ok(entries)
    }

    /// What the contact contributed to each day since the last time that its contributions were taken off, negative. It
    /// stands in the history; what the batch has before this decision may not be there yet.
    async fn days_to_take_off(
        &self,
        decision: &Committed,
        before: Option<&Enrollment>,
        batch: &[Committed],
    ) -> Result<Vec<(NaiveDate, Tally)>, Error> {
        if before.is_none_or(|before| before.tally.of_a_day().is_empty()) {
            return Ok(Vec::new());
        }
        let mut since: BTreeMap<u64, (NaiveDate, Tally)> = BTreeMap::new();
        let mut last_reset = 0;
        let earlier = |rev: u64| rev < decision.stored.stamp;
        let partition = self.keys.contact_partition(&decision.contact);
        let mut cursor = None;
        loop {
            let query = Query::of(&partition).prefix(Keys::HISTORY).after(cursor).strong();
            let page = self.ports.table.query(query).await?;
            for stored in &page.items {
                let Some(rev) = revision_of_history(&stored.key).filter(|rev| earlier(*rev)) else {
                    continue;
                };
                let counted: Counted = read(stored)?;
                if counted.campaign != decision.campaign {
                    continue;
                }
                match counted.day {
                    _ if counted.reset => last_reset = last_reset.max(rev),
                    Some(day) => {
                        since.insert(rev, (day, counted.delta.of_a_day()));
                    }
                    None => {}
                }
            }
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        let same = |other: &&Committed| {
            other.contact == decision.contact && other.campaign == decision.campaign
        };
        for other in batch.iter().filter(same).filter(|other| earlier(other.stored.stamp)) {
            let rev = other.stored.stamp;
            if is_reset(&other.stored.records) {
                last_reset = last_reset.max(rev);
            } else if let Some(day) = other.stored.day {
                since.entry(rev).or_insert_with(|| (day, other.stored.delta.of_a_day()));
            }
        }
        let mut days: BTreeMap<NaiveDate, Tally> = BTreeMap::new();
        for (_, (day, tally)) in since.into_iter().filter(|(rev, _)| *rev > last_reset) {
            days.entry(day).or_default().add(&tally.negative());
        }
        days.retain(|_, tally| !tally.is_empty());
        Ok(days.into_iter().collect())
    }

    async fn write_entries(&self, mut open: Vec<Entry<'_>>) -> Result<(), Error> {
        // Any shard will do, since they are summed; different batches meet in different ones.
        let first = open.first().map_or("", |entry| entry.contact.as_str());
        let shard = u32::try_from(stable(&[first]) % u64::from(SHARDS)).unwrap_or(0);
        while !open.is_empty() {
            let mut sums: BTreeMap<Counter<'_>, Tally> = BTreeMap::new();
            let mut writes = Vec::new();
            for entry in &open {
                writes.push(Write::put(entry.history.clone(), Condition::Absent));
                for (counter, tally) in &entry.counts {
                    sums.entry(*counter).or_default().add(tally);
                }
            }
            for ((campaign, day), tally) in sums {
                let key = match day {
                    Some(day) => self.keys.statistics_of(campaign, shard, day),
                    None => self.keys.statistics(campaign, shard),
                };
                if !tally.is_empty() {
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
}

/// Entries by transaction: as many as fit with what they count.
fn in_transactions(entries: Vec<Entry<'_>>) -> Vec<Vec<Entry<'_>>> {
    let mut all = Vec::new();
    let mut open = Vec::new();
    let mut counters: BTreeSet<Counter<'_>> = BTreeSet::new();
    for entry in entries {
        let counted = entry.counts.iter().map(|(counter, _)| *counter);
        let with: BTreeSet<_> = counters.iter().copied().chain(counted.clone()).collect();
        if open.len() + 1 + with.len() > MOST_WRITES {
            all.push(std::mem::take(&mut open));
            counters = counted.collect();
        } else {
            counters = with;
        }
        open.push(entry);
    }
    if !open.is_empty() {
        all.push(open);
    }
    all
}

/// The instant under which a decision stands in the history.
fn instant_of(decision: &Committed) -> Instant {
    crate::enrollments::instant_of(&decision.stored.records, &decision.stored.enrollment)
}

fn is_reset(records: &[Record]) -> bool {
    let lines = records.iter().flat_map(|record| &record.lines);
    lines.into_iter().any(|line| line.what == Happened::StatisticsReset)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(truth: &bool) -> bool {
    !*truth
}

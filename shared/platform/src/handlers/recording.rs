//! History and statistics of decisions, together or not at all.
//!
//! A decision's history item holds what the decision counted, and is written once: that makes the
//! counting idempotent. If anything in a decision is counted by day, all counts of the decision go
//! to the day's counters; otherwise to the campaign's counters of no day. All of them together are
//! the sum over all time. *Reset statistics* (R16) subtracts the enrollment's tally: from the days
//! what the history items since the last reset counted there, the rest from the counters of no day.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use dacapo_engine::compact::CollectCompactly as _;
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::hash::stable;
use dacapo_engine::history::Record;
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_engine::statistics::{Gauge, Tally};
use serde::{Deserialize, Serialize};

use crate::enrollments::{
    Deferred, StoredEnrollment, instant_of, instant_of_deferred, resets_statistics,
};
use crate::error::Error;
use crate::keys::{Keys, SHARDS, revision_of_history, subject_in};
pub(crate) use crate::store::HISTORY_KEPT;
use crate::store::{Store, TRIES, item, read};
use crate::table::{Condition, Item, MOST_WRITES, Query, TableError, Unwritable, Write};

/// The most days from which one item subtracts: all are one transaction with it.
const DAYS_AT_ONCE: usize = MOST_WRITES - 2;

/// A decision to perform.
pub(super) struct Committed {
    pub(super) contact: ContactId,
    pub(super) campaign: CampaignId,
    pub(super) stored: StoredEnrollment,
    pub(super) before: Option<Enrollment>,
}

/// What one decision wrote to the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredHistory {
    /// The campaign.
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
    /// Whether it subtracted what had been counted before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
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

/// Replaces the campaign's id for what happened to the contact in no campaign.
const NO_CAMPAIGN: &str = "-";

impl StoredHistory {
    /// What happened to the contact in no campaign: nothing is counted.
    pub(crate) fn of_no_campaign(records: Vec<Record>) -> Result<Self, Error> {
        let campaign =
            CampaignId::new(NO_CAMPAIGN).map_err(|why| Unwritable::Json(why.to_string()))?;
        Ok(Self::uncounted(campaign, 0, records))
    }

    /// What happened in a campaign and is counted nowhere.
    pub(crate) fn uncounted(campaign: CampaignId, version: u32, records: Vec<Record>) -> Self {
        let (delta, day) = (Tally::default(), None);
        Self { campaign, version, records, delta, day, reset: false }
    }
}

/// The campaign in which something happened, if it was in one.
pub(crate) fn in_campaign(campaign: &CampaignId) -> Option<&CampaignId> {
    (campaign.as_str() != NO_CAMPAIGN).then_some(campaign)
}

/// Counters of a campaign: of a day, or of none.
type Counter<'a> = (&'a CampaignId, Option<NaiveDate>);

/// The decisions of a batch, by enrollment; in their order.
type Batch<'a> = BTreeMap<(&'a ContactId, &'a CampaignId), Vec<&'a Committed>>;

/// An item that is written once, and what is counted with it.
struct Entry<'a> {
    contact: &'a ContactId,
    history: Item,
    counts: Vec<(Counter<'a>, Tally)>,
}

/// Writes history and statistics of decisions.
pub struct History {
    pub(crate) store: Arc<Store>,
}

impl History {
    /// Writes history and statistics of decisions. Idempotent.
    pub(super) async fn record(&self, decisions: &[Committed]) -> Result<(), Error> {
        if decisions.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for decision in decisions {
            batch.entry((&decision.contact, &decision.campaign)).or_default().push(decision);
        }
        let entries = decisions.iter().map(|decision| self.entries(decision, &batch));
        let entries = futures_util::future::try_join_all(entries).await?;
        let together = in_transactions(entries.into_iter().flatten());
        let written = together.into_iter().map(|entries| self.write_entries(entries));
        futures_util::future::try_join_all(written).await?;
        Ok(())
    }

    /// What is to be written about a decision.
    async fn entries<'a>(
        &self,
        decision: &'a Committed,
        batch: &Batch<'_>,
    ) -> Result<Vec<Entry<'a>>, Error> {
        let (contact, campaign) = (&decision.contact, &decision.campaign);
        let stored = &decision.stored;
        if stored.deferred.is_some() {
            // It is deferred to the next decision.
            return Ok(Vec::new());
        }
        let before = decision.before.as_ref();
        let mut entries = Vec::new();
        if let Some(deferred) = &stored.earlier {
            entries.push(self.entry_of(decision, deferred)?);
        }
        let mut delta = stored.delta.clone();
        delta.add(&Gauge::between(before, Some(&stored.enrollment)));
        if stored.records.is_empty() && delta.is_empty() {
            return Ok(entries);
        }
        let at = instant_of(&stored.records, &stored.enrollment);
        let reset = resets_statistics(&stored.records);
        let (mut days, mut rest) = match stored.day {
            _ if reset => (self.days_to_take_off(decision, before, batch).await?, delta.clone()),
            Some(day) => (vec![(day, delta.clone())], Tally::default()),
            None => (Vec::new(), delta.clone()),
        };
        if reset {
            days.iter().for_each(|(_, off)| rest.add(&off.negative()));
        }
        let day = stored.day.filter(|_| !reset);
        let of_no_day = ((campaign, None), rest);
        let history = StoredHistory {
            campaign: campaign.clone(),
            version: stored.enrollment.version,
            records: stored.records.clone(),
            delta,
            day,
            reset,
        };
        for part in 0.. {
            let rest = days.split_off(days.len().min(DAYS_AT_ONCE));
            let key = self.store.keys.history(contact, at, campaign, stored.recorded_as(), part);
            let (history, first) = if part == 0 {
                (item(key, &history)?, Some(of_no_day.clone()))
            } else {
                // Only the note that these days have been counted.
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
            entries.push(Entry { contact, history: history.expires(at + HISTORY_KEPT), counts });
            days = rest;
            if days.is_empty() {
                break;
            }
        }
        Ok(entries)
    }

    /// What is to be written about an earlier decision that was deferred to this one.
    fn entry_of<'a>(
        &self,
        decision: &'a Committed,
        deferred: &'a Deferred,
    ) -> Result<Entry<'a>, Error> {
        let (contact, campaign) = (&decision.contact, &decision.campaign);
        let at = instant_of_deferred(deferred, &decision.stored.enrollment);
        let history = StoredHistory {
            campaign: campaign.clone(),
            version: deferred.version,
            records: deferred.records.clone(),
            delta: deferred.delta.clone(),
            day: deferred.day,
            reset: false,
        };
        let key = self.store.keys.history(contact, at, campaign, deferred.stamp, 0);
        let counts = vec![((campaign, deferred.day), deferred.delta.clone())];
        Ok(Entry { contact, history: item(key, &history)?.expires(at + HISTORY_KEPT), counts })
    }

    /// What the contact contributed to each day since its contributions were last subtracted, as
    /// negative numbers. It is read from the history; earlier decisions of the same batch may not
    /// be there yet.
    async fn days_to_take_off(
        &self,
        decision: &Committed,
        before: Option<&Enrollment>,
        batch: &Batch<'_>,
    ) -> Result<Vec<(NaiveDate, Tally)>, Error> {
        if before.is_none_or(|before| before.tally.of_a_day().is_empty()) {
            return Ok(Vec::new());
        }
        let mut since: BTreeMap<u64, (NaiveDate, Tally)> = BTreeMap::new();
        let mut last_reset = 0;
        let earlier = |rev: u64| rev < decision.stored.stamp;
        let partition = self.store.keys.contact_partition(&decision.contact);
        let query = Query::of(&partition).prefix(Keys::HISTORY).strong();
        let mut pages = self.store.pages(query);
        while let Some(page) = pages.next_page().await? {
            for stored in &page {
                let Some(rev) = revision_of_history(&stored.key).filter(|rev| earlier(*rev)) else {
                    continue;
                };
                if subject_in(&stored.key).as_ref() != Some(&decision.contact) {
                    continue;
                }
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
        }
        let same = &batch[&(&decision.contact, &decision.campaign)];
        let lefts = same.iter().filter_map(|other| other.stored.earlier.as_ref());
        for deferred in lefts.filter(|deferred| earlier(deferred.stamp)) {
            if let Some(day) = deferred.day {
                since.entry(deferred.stamp).or_insert_with(|| (day, deferred.delta.of_a_day()));
            }
        }
        for other in same.iter().filter(|other| earlier(other.stored.stamp)) {
            let rev = other.stored.recorded_as();
            if resets_statistics(&other.stored.records) {
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
        let first = open.first().map_or("", |entry| entry.contact.as_str());
        let mut lost = 0_u32;
        while !open.is_empty() {
            // Any shard will do, since they are summed: different batches mostly use different
            // ones, and after a lost race another one is taken.
            let shard = stable(&[first, &lost.to_string()]) % u64::from(SHARDS);
            let shard = u32::try_from(shard).unwrap_or(0);
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
                    Some(day) => self.store.keys.statistics_of(campaign, shard, day),
                    None => self.store.keys.statistics(campaign, shard),
                };
                if !tally.is_empty() {
                    let counters = tally.counters().clone();
                    writes.push(Write::Add { key, index: None, counters });
                }
            }
            match self.store.write(writes).await {
                Ok(()) => return Ok(()),
                // It was recorded before, with what it counted.
                Err(TableError::Conflict { which, .. }) if which < open.len() => {
                    open.remove(which);
                }
                Err(TableError::Contended) if lost < TRIES => lost += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Entries grouped by transaction: as many as fit, together with what they count.
fn in_transactions<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Vec<Vec<Entry<'a>>> {
    let mut all = Vec::new();
    let mut open = Vec::new();
    let mut counters: BTreeSet<Counter<'a>> = BTreeSet::new();
    for entry in entries {
        let counted = entry.counts.iter().map(|(counter, _)| *counter);
        let with: BTreeSet<_> = counters.iter().copied().chain(counted.clone()).collect_compactly();
        if open.len() + 1 + with.len() > MOST_WRITES {
            all.push(std::mem::take(&mut open));
            counters = counted.collect_compactly();
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

//! The statistics of a campaign (R53): the sums of its shards.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use dacapo_engine::enrollment::Status;
use dacapo_engine::ids::{CampaignId, ElementId};
use dacapo_engine::statistics::{Counter, Outcome, Tally};
use serde::Serialize;
use utoipa::ToSchema;

use super::{CampaignError, Campaigns, there};
use crate::contact_json::instant_text;
use crate::error::Error;
use crate::keys::{SHARDS, day_of_statistics};
use crate::store::read;
use crate::table::{Item, Query};

/// What happened in a campaign, and where its contacts are now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Statistics {
    /// Runs in which a start or event fired.
    pub entered: u64,
    /// Runs that completed.
    pub completed: u64,
    /// Resets and restarts.
    pub restarted: u64,
    /// Contacts on their way, now.
    pub active: u64,
    /// Contacts that were stopped.
    pub stopped: u64,
    /// Contacts that are held.
    pub held: u64,
    /// Contacts that wait for a restart.
    pub awaiting_restart: u64,
    /// Every element of the newest version, and those of older ones that something was counted at.
    #[schema(value_type = BTreeMap<String, ElementStatistics>)]
    pub elements: BTreeMap<ElementId, ElementStatistics>,
    /// Messages by outcome.
    pub messages: MessageStatistics,
    /// When the campaign's pause ends by itself, if it is paused and does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub paused_until: Option<String>,
    /// The days on which something was counted, oldest first, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<Vec<DayStatistics>>,
}

/// What was counted on a calendar day of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct DayStatistics {
    /// The day.
    #[schema(value_type = String, format = Date)]
    pub day: NaiveDate,
    /// Runs in which a start or event first fired.
    pub entered: u64,
    /// Runs that completed.
    pub completed: u64,
    /// Resets and restarts.
    pub restarted: u64,
    /// Messages by outcome.
    pub messages: MessageStatistics,
}

/// What was counted at an element.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ElementStatistics {
    /// How often it was reached.
    pub entered: u64,
    /// How often it was left, or a run ended there.
    pub left: u64,
    /// How many tokens rest there now.
    pub at: u64,
}

/// Messages by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageStatistics {
    /// Those that left.
    pub sent: u64,
    /// Those that were not sent, on purpose.
    pub suppressed: u64,
    /// Those that could not be sent.
    pub failed: u64,
    /// Those of which it is not known.
    pub unknown: u64,
}

impl Campaigns {
    /// The statistics of a campaign: nothing but zeros before it is published.
    ///
    /// # Errors
    ///
    /// [`CampaignError::NoSuchCampaign`], and what the table answers.
    pub async fn statistics(&self, id: &CampaignId) -> Result<Statistics, CampaignError> {
        let loaded = self.catalog.current().await?;
        let head = there(&loaded.catalog, id)?;
        let standing = head.standing();
        let mut tally = Tally::default();
        let shards = (0..SHARDS).map(|shard| self.counted_in(id, shard, None));
        for counters in futures_util::future::try_join_all(shards).await? {
            counters.iter().for_each(|(_, counted)| tally.add(counted));
        }
        let mut elements: BTreeMap<ElementId, ElementStatistics> = BTreeMap::new();
        if let Some(standing) = standing {
            let newest = self.catalog.version(id, standing.version).await?;
            elements.extend(newest.elements().map(|(_, id, _)| (id.clone(), Default::default())));
        }
        for (element, (entered, at)) in tally.elements() {
            if let Ok(element) = ElementId::new(element) {
                let (entered, at) = (counted(entered), counted(at));
                let left = entered.saturating_sub(at);
                elements.insert(element, ElementStatistics { entered, left, at });
            }
        }
        let sum = |counter: Counter<'_>| counted(tally.get(&counter));
        let now = |status: Status| counted(tally.now(status));
        Ok(Statistics {
            entered: sum(Counter::Entered),
            completed: sum(Counter::Completed),
            restarted: sum(Counter::NextRuns),
            active: now(Status::Active),
            stopped: now(Status::Stopped),
            held: now(Status::Held),
            awaiting_restart: now(Status::AwaitingRestart),
            elements,
            messages: MessageStatistics::of(&tally),
            paused_until: head.paused_until().map(instant_text),
            days: None,
        })
    }

    /// What was counted in a campaign on the days from the first to the second, both included; days
    /// on which nothing was counted are left out.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn statistics_by_day(
        &self,
        id: &CampaignId,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<Vec<DayStatistics>, Error> {
        let mut days: BTreeMap<NaiveDate, Tally> = BTreeMap::new();
        let shards = (0..SHARDS).map(|shard| self.counted_in(id, shard, Some((from, to))));
        for (day, counted) in futures_util::future::try_join_all(shards).await?.concat() {
            if let Some(day) = day {
                days.entry(day).or_default().add(&counted.of_a_day());
            }
        }
        days.retain(|_, tally| !tally.is_empty());
        let statistics = |(day, tally): (&NaiveDate, &Tally)| DayStatistics {
            day: *day,
            entered: counted(tally.get(&Counter::Entered)),
            completed: counted(tally.get(&Counter::Completed)),
            restarted: counted(tally.get(&Counter::NextRuns)),
            messages: MessageStatistics::of(tally),
        };
        Ok(days.iter().map(statistics).collect())
    }

    /// The counters in a shard: of these days, or all counters, including those of no day.
    async fn counted_in(
        &self,
        id: &CampaignId,
        shard: u32,
        days: Option<(NaiveDate, NaiveDate)>,
    ) -> Result<Vec<(Option<NaiveDate>, Tally)>, Error> {
        let whole = self.store.keys.statistics(id, shard);
        let range = days.map(|(from, to)| {
            [from, to].map(|day| self.store.keys.statistics_of(id, shard, day).sk)
        });
        let query = match &range {
            Some([first, last]) => Query::of(&whole.pk).between(first, last),
            None => Query::of(&whole.pk),
        };
        let stored = self.store.all(query.strong()).await?;
        let counted = |stored: &Item| Ok((day_of_statistics(&stored.key), read(stored)?));
        stored.iter().map(counted).collect()
    }
}

impl MessageStatistics {
    fn of(tally: &Tally) -> Self {
        let sum = |outcome| counted(tally.get(&Counter::Messages(outcome)));
        Self {
            sent: sum(Outcome::Sent),
            suppressed: sum(Outcome::Suppressed),
            failed: sum(Outcome::Failed),
            unknown: sum(Outcome::Unknown),
        }
    }
}

/// The shards are read one by one while other writers add to them, so a sum may be below zero for a
/// moment.
fn counted(sum: i64) -> u64 {
    u64::try_from(sum).unwrap_or(0)
}

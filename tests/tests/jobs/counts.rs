//! Compares the counters with the stored items.

use std::collections::{BTreeMap, BTreeSet};

use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::history::{Cause, Happened};
use dacapo_engine::ids::{CampaignId, ContactId};
use dacapo_engine::statistics::{Gauge, Tally};
use dacapo_platform::handlers::StoredHistory;
use dacapo_platform::keys::{Keys, SHARDS, is_trace};
use dacapo_platform::table::{Query, Table as _};

use crate::cloud::Cloud;

/// All counters of a campaign: in total, and by day.
pub(crate) async fn counted(cloud: &Cloud, campaign: &CampaignId) -> (Tally, Tally) {
    let (mut whole, mut days) = (Tally::default(), Tally::default());
    for shard in 0..SHARDS {
        let partition = cloud.bench.platform.store.keys.statistics(campaign, shard).pk;
        let page = cloud.store.query(Query::of(&partition).strong()).await.unwrap();
        assert!(page.cursor.is_none());
        for item in &page.items {
            let tally: Tally = item.body.read().unwrap();
            whole.add(&tally);
            if item.key.sk.starts_with(Keys::DAYS) {
                days.add(&tally.of_a_day());
            }
        }
    }
    (whole, days)
}

/// The counts of every single day are contributions: none is below zero.
pub(crate) async fn no_day_is_below_zero(cloud: &Cloud, campaign: &CampaignId) {
    let mut days: BTreeMap<String, Tally> = BTreeMap::new();
    for shard in 0..SHARDS {
        let partition = cloud.bench.platform.store.keys.statistics(campaign, shard).pk;
        let query = Query::of(&partition).prefix(Keys::DAYS).strong();
        for item in cloud.store.query(query).await.unwrap().items {
            let counted: Tally = item.body.read().unwrap();
            days.entry(item.key.sk).or_default().add(&counted.of_a_day());
        }
    }
    for (day, tally) in days {
        assert!(tally.counters().values().all(|sum| *sum >= 0), "{campaign} {day}: {tally:?}");
    }
}

/// The counters agree with the enrollments.
pub(crate) async fn counters_are_exact(
    cloud: &Cloud,
    campaign: &CampaignId,
    enrollments: &BTreeMap<ContactId, Enrollment>,
) {
    let (mut whole, mut days) = (Tally::default(), Tally::default());
    for (contact, enrollment) in enrollments {
        whole.add(&enrollment.tally);
        whole.add(&Gauge::between(None, Some(enrollment)));
        days.add(&enrollment.tally.of_a_day());
        // What was deferred to the next decision is counted with that one.
        let stored = cloud.bench.platform.decisions.enrollment(contact, campaign).await.unwrap();
        if let Some(deferred) = stored.and_then(|stored| stored.deferred) {
            whole.add(&deferred.delta.negative());
            days.add(&deferred.delta.of_a_day().negative());
        }
    }
    let (counted, by_day) = counted(cloud, campaign).await;
    let nonzero = |tally: &Tally| {
        let counters = tally.counters().iter().filter(|(_, sum)| **sum != 0);
        counters.map(|(name, sum)| (name.clone(), *sum)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(nonzero(&counted), nonzero(&whole), "{campaign}");
    assert_eq!(nonzero(&by_day), nonzero(&days), "{campaign} by day");
    no_day_is_below_zero(cloud, campaign).await;
}

/// The contacts that are enrolled in a campaign.
pub(crate) async fn enrolled(
    cloud: &Cloud,
    contacts: &BTreeSet<ContactId>,
    campaign: &CampaignId,
) -> BTreeMap<ContactId, Enrollment> {
    let mut all = BTreeMap::new();
    for contact in contacts {
        if let Some(stored) =
            cloud.bench.platform.decisions.enrollment(contact, campaign).await.unwrap()
        {
            all.insert(contact.clone(), stored.enrollment);
        }
    }
    all
}

/// The pairs whose history names a job: what it did, each time.
pub(crate) async fn done_by(
    cloud: &Cloud,
    contacts: &BTreeSet<ContactId>,
    job: &str,
) -> BTreeMap<(ContactId, CampaignId), usize> {
    let mut pairs: BTreeMap<(ContactId, CampaignId), usize> = BTreeMap::new();
    for contact in contacts {
        let items = cloud.items_of(contact, Keys::HISTORY).await;
        for item in items.iter().filter(|item| !is_trace(&item.key)) {
            let history: StoredHistory = item.body.read().unwrap();
            for record in &history.records {
                let names = record.because == Cause::Job(job.to_owned());
                let ends = |what: &Happened| {
                    matches!(what, Happened::Stopped | Happened::Reset | Happened::Released)
                };
                if names && record.lines.iter().any(|line| ends(&line.what)) {
                    let pair = (contact.clone(), history.campaign.clone());
                    *pairs.entry(pair).or_default() += 1;
                }
            }
        }
    }
    pairs
}

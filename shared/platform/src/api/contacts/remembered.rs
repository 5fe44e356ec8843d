//! The history of a subject as it is stored, with what its last decision has not recorded yet.

use std::collections::BTreeSet;

use dacapo_engine::compact::SortCompactly as _;
use dacapo_engine::history::{Record, Trace};
use dacapo_engine::ids::{CampaignId, ContactId};

use crate::enrollments::StoredEnrollment;
use crate::error::Error;
use crate::handlers::{StoredHistory, StoredTrace};
use crate::keys::{Keys, is_trace, revision_of_history, subject_in};
use crate::store::{Store, read};

/// A piece of the history.
#[derive(Debug, Clone)]
pub(in crate::api) enum Piece {
    /// What a campaign did.
    Decided(CampaignId, Record),
    /// What nothing followed from.
    Nothing(Trace),
}

/// The newest history, newest first, and whether that is all there is: so many stored pieces of the
/// contact are read. What the last decision in the campaign did is in the enrollment until it is
/// recorded.
pub(in crate::api) async fn remembered(
    store: &Store,
    subject: &ContactId,
    campaign: &CampaignId,
    stored: Option<&StoredEnrollment>,
    most: usize,
) -> Result<(Vec<Piece>, bool), Error> {
    let partition = store.keys.contact_partition(subject);
    let query = crate::table::Query::of(&partition).prefix(Keys::HISTORY).descending();
    let page = store.table.query(query.limit(most).strong()).await?;
    let (mut history, mut recorded) = (Vec::new(), BTreeSet::new());
    for item in &page.items {
        if subject_in(&item.key).as_ref() != Some(subject) {
            continue;
        }
        if is_trace(&item.key) {
            let StoredTrace { trace, .. } = read(item)?;
            history.push(Piece::Nothing(trace));
            continue;
        }
        let StoredHistory { campaign: of, records, .. } = read(item)?;
        if of == *campaign {
            recorded.extend(revision_of_history(&item.key));
        }
        let records = records.into_iter().rev();
        history.extend(records.map(|record| Piece::Decided(of.clone(), record)));
    }
    if let Some(stored) = stored {
        // What was deferred to it is recorded with it, under the revision of the first of both.
        let last = (stored.first.unwrap_or(stored.stamp), &stored.records);
        let deferred = stored.deferred.iter().map(|deferred| (deferred.stamp, &deferred.records));
        let earlier = stored.earlier.iter().map(|earlier| (earlier.stamp, &earlier.records));
        let mut newest: Vec<_> = deferred.chain([last]).chain(earlier).collect();
        newest.retain(|(stamp, _)| !recorded.contains(stamp));
        newest.sort_compactly_by_key(|(stamp, _)| std::cmp::Reverse(*stamp));
        let records = newest.into_iter().flat_map(|(_, records)| records.iter().rev());
        let records = records.map(|record| Piece::Decided(campaign.clone(), record.clone()));
        history = records.chain(history).collect();
    }
    Ok((history, page.cursor.is_none()))
}

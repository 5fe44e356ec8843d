//! The table's stream: contact items for `tag-change`, enrollment items for `effects`.
//!
//! The records of one contact go in order, those of different contacts side by side. The answer names the records that
//! have to come again; the mapping goes on from the first of them.

mod record;

use std::collections::BTreeMap;
use std::future::Future;

use dacapo_platform::handlers::{ContactImage, EnrollmentImage};
use dacapo_platform::keys::fed;
use dacapo_platform::platform::Platform;
use futures_util::future::join_all;
use serde_json::Value;

use super::{Failure, Outcome, answer, outcome, put_aside, records};
use record::{Change, Record};

const TAG_CHANGE: &str = "tag-change";
const EFFECTS: &str = "effects";

/// Contacts changed: every campaign that is concerned decides.
///
/// # Errors
///
/// If it is no batch of a stream.
pub async fn tag_change(platform: &Platform, event: &Value) -> Result<Value, Failure> {
    let records = read(event)?;
    let platform = &platform.at_work();
    let mut contacts: BTreeMap<String, Vec<Record<'_>>> = BTreeMap::new();
    for record in records {
        contacts.entry(record.lane()).or_default().push(record);
    }
    let failed = join_all(contacts.into_values().map(|records| {
        in_order(platform, TAG_CHANGE, records, async |change: Change| {
            let is_contact = fed(&change.key).is_some_and(|(_, campaign)| campaign.is_none());
            if !is_contact {
                return Ok(());
            }
            let image = ContactImage { old: change.old, new: change.new };
            platform.contact_changed(&image).await
        })
    }))
    .await;
    Ok(answer(failed.into_iter().flatten()))
}

/// Decisions were committed: what they asked for is performed.
///
/// # Errors
///
/// If it is no batch of a stream.
pub async fn effects(platform: &Platform, event: &Value) -> Result<Value, Failure> {
    let records = read(event)?;
    let platform = &platform.at_work();
    let images: Vec<EnrollmentImage> =
        records.iter().filter_map(|record| image(record.change.as_ref().ok()?)).collect();
    // All at once is cheapest; if one of them cannot be performed, each is for itself.
    let readable = records.iter().all(|record| record.change.is_ok());
    let why = if readable {
        match outcome(platform.enrollments_committed(&images)).await {
            Outcome::Done(()) => return Ok(answer([])),
            Outcome::Again(error) => {
                tracing::warn!(%error, batch.records = records.len(), "effects come again");
                return Ok(answer(records.iter().filter_map(|record| record.id.clone())));
            }
            Outcome::Never(why) => why,
        }
    } else {
        "a record cannot be read".to_owned()
    };
    tracing::warn!(why, batch.records = records.len(), "effects are performed one by one");
    let failed =
        in_order(platform, EFFECTS, records, async |change: Change| match image(&change) {
            Some(image) => platform.enrollments_committed(std::slice::from_ref(&image)).await,
            None => Ok(()),
        })
        .await;
    Ok(answer(failed))
}

/// Works records off in order, up to the first that has to come again. Answers that one and all behind it.
async fn in_order<F>(
    platform: &Platform,
    by: &str,
    records: Vec<Record<'_>>,
    work: impl Fn(Change) -> F,
) -> Vec<String>
where
    F: Future<Output = Result<(), dacapo_platform::error::Error>>,
{
    let mut records = records.into_iter();
    for record in records.by_ref() {
        let why = match record.change {
            Ok(change) => match outcome(work(change)).await {
                Outcome::Done(()) => continue,
                Outcome::Again(error) => {
                    tracing::warn!(%error, function = by, "a record comes again");
                    None
                }
                Outcome::Never(why) => Some(why),
            },
            Err(why) => Some(why),
        };
        // A record without a number cannot be answered as failed.
        let name = format!("{by}/{}", record.id.as_deref().unwrap_or("unnumbered"));
        let kept = match &why {
            Some(why) => put_aside(platform, &name, by, why, record.raw).await,
            None => false,
        };
        if !kept {
            let behind = records.filter_map(|record| record.id);
            return record.id.into_iter().chain(behind).collect();
        }
    }
    Vec::new()
}

fn read(event: &Value) -> Result<Vec<Record<'_>>, Failure> {
    Ok(records(event)?.iter().map(Record::of).collect())
}

fn image(change: &Change) -> Option<EnrollmentImage> {
    let (_, campaign) = fed(&change.key)?;
    campaign?;
    let Change { key, old, new } = change.clone();
    Some(EnrollmentImage { key, old, new })
}

/// The change of a contact that a record tells of, for a letter that is read anew.
pub(super) fn contact_in(record: &Value) -> Result<ContactImage, String> {
    let Change { old, new, .. } = Record::of(record).change?;
    Ok(ContactImage { old, new })
}

/// The same of a decision.
pub(super) fn decision_in(record: &Value) -> Result<EnrollmentImage, String> {
    image(&Record::of(record).change?).ok_or_else(|| "it is not about an enrollment".to_owned())
}

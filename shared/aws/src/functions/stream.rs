//! The table's stream: contact items for `tag-change`, enrollment items for `effects`.
//!
//! The records of one contact are processed in order, those of different contacts concurrently or
//! one by one. A record that fails blocks the later ones of the same contact, and nothing else. The
//! answer names the records that have to come again.
//!
//! Lambda goes on from the lowest of them, with everything after it, and brings nothing new of that
//! part of the shard until they are done (*Configuring partial batch response with DynamoDB and
//! Lambda*,
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>). So
//! records that are done come again, as long as one fails. They are idempotent, and `effects`
//! remembers them.

mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dacapo_engine::compact::CollectCompactly as _;
use dacapo_platform::error::Error;
use dacapo_platform::handlers::{ContactImage, EnrollmentImage};
use dacapo_platform::keys::fed;
use dacapo_platform::platform::Platform;
use futures_util::future::join_all;
use serde_json::Value;

use super::{FunctionError, WorkOutcome, answer, keep_dead_letter, outcome, records};
use crate::settings::Function;
use record::{ItemImages, Record};

/// How long `effects` works on a batch: less than the function's timeout, after which none of it
/// would count.
pub const LONGEST_WAIT: Duration = Duration::from_secs(25);

/// How many records are remembered as done. A batch has a hundred.
const REMEMBERED: usize = 1_000;

/// Contacts changed: every campaign that is concerned decides.
///
/// # Errors
///
/// If it is no batch of a stream.
pub async fn tag_change(platform: &Platform, event: &Value) -> Result<Value, FunctionError> {
    let records = read(event)?;
    let platform = &platform.at_work();
    let mut contacts: BTreeMap<String, Vec<Record<'_>>> = BTreeMap::new();
    for record in records {
        contacts.entry(record.ordering_key()).or_default().push(record);
    }
    let failed = join_all(contacts.into_values().map(|records| {
        in_order(platform, records, async |change: ItemImages| {
            let is_contact = fed(&change.key).is_some_and(|(_, campaign)| campaign.is_none());
            if !is_contact {
                return Ok(());
            }
            let image = ContactImage { old: change.old, new: change.new };
            platform.contact_changes.handle(&image).await
        })
    }))
    .await;
    Ok(answer(failed.into_iter().flatten()))
}

/// Processes the records of a contact in order, up to the first that has to come again. Answers
/// that one and all after it.
async fn in_order<F>(
    platform: &Platform,
    records: Vec<Record<'_>>,
    work: impl Fn(ItemImages) -> F,
) -> Vec<String>
where
    F: Future<Output = Result<(), Error>>,
{
    let mut records = records.into_iter();
    for record in records.by_ref() {
        if worked(platform, Function::TagChange, &record, &work).await == Worked::ComesAgain {
            return std::iter::once(record).chain(records).map(Record::number).collect();
        }
    }
    Vec::new()
}

/// The result for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worked {
    Done,
    /// It failed permanently: it is a dead letter, which a user may redrive.
    PutAside,
    ComesAgain,
}

/// Processes one record, or makes it a dead letter if it fails permanently.
async fn worked<F>(
    platform: &Platform,
    by: Function,
    record: &Record<'_>,
    work: impl Fn(ItemImages) -> F,
) -> Worked
where
    F: Future<Output = Result<(), Error>>,
{
    let why = match &record.change {
        Ok(change) => match outcome(work(change.clone())).await {
            WorkOutcome::Done(()) => return Worked::Done,
            WorkOutcome::Again(error) => {
                let whose = fed(&change.key);
                let contact = whose.as_ref().map(|(contact, _)| contact.as_str());
                let campaign = whose.as_ref().and_then(|(_, campaign)| campaign.as_ref());
                let campaign = campaign.map(|campaign| campaign.as_str());
                tracing::warn!(
                    %error, function = by.name(), contact, campaign, "a record comes again"
                );
                return Worked::ComesAgain;
            }
            WorkOutcome::Never(why) => why,
        },
        Err(why) => why.clone(),
    };
    let id = record.id.as_deref().unwrap_or("unnumbered");
    match keep_dead_letter(platform, by, id, &why, record.raw).await {
        true => Worked::PutAside,
        false => Worked::ComesAgain,
    }
}

/// Decisions were committed: their effects are performed.
pub struct EffectsFunction<'a> {
    platform: &'a Platform,
    /// Records that are done and come again, because one before them failed. Dead letters are not
    /// among them: they may be redriven.
    done: Mutex<BTreeSet<String>>,
}

impl<'a> EffectsFunction<'a> {
    /// Those of a function, as long as its process runs.
    pub fn of(platform: &'a Platform) -> Self {
        Self { platform, done: Mutex::default() }
    }

    /// Processes a batch: all at once, which is cheapest; if any of it fails, each record by
    /// itself.
    ///
    /// # Errors
    ///
    /// If it is no batch of a stream.
    pub async fn perform(&self, event: &Value) -> Result<Value, FunctionError> {
        let records = read(event)?;
        let mut came = self.known(&records);
        let in_time = tokio::time::timeout(LONGEST_WAIT, self.work(&records, &mut came)).await;
        if in_time.is_err() {
            tracing::warn!(batch.records = records.len(), "effects took too long and come again");
        }
        self.remember(&records, &came);
        let again = records.into_iter().zip(came).filter(|(_, came)| *came == Worked::ComesAgain);
        Ok(answer(again.map(|(record, _)| record.number())))
    }

    /// Processes what is not done yet, and notes the results.
    async fn work(&self, records: &[Record<'_>], came: &mut [Worked]) {
        let platform = &self.platform.at_work();
        let mut open: Vec<(&Record<'_>, &mut Worked)> =
            records.iter().zip(came).filter(|(_, came)| **came == Worked::ComesAgain).collect();
        let images: Result<Vec<_>, _> =
            open.iter().map(|(record, _)| record.change.as_ref().map(image)).collect();
        let why = match images {
            Ok(images) => {
                let images: Vec<EnrollmentImage> = images.into_iter().flatten().collect();
                match outcome(platform.effects.perform_all(&images)).await {
                    WorkOutcome::Done(()) => {
                        open.into_iter().for_each(|(_, came)| *came = Worked::Done);
                        return;
                    }
                    WorkOutcome::Again(error) => error.to_string(),
                    WorkOutcome::Never(why) => why,
                }
            }
            Err(why) => format!("a record cannot be read: {why}"),
        };
        tracing::warn!(why, batch.records = open.len(), "effects are performed one by one");
        // Later records of the same contact must not overtake one that has to come again.
        let mut held = BTreeSet::new();
        for (record, came) in &mut open {
            if held.contains(&record.ordering_key()) {
                continue;
            }
            let work = async |change: ItemImages| match image(&change) {
                Some(image) => platform.effects.perform_all(std::slice::from_ref(&image)).await,
                None => Ok(()),
            };
            **came = worked(platform, Function::Effects, record, work).await;
            if **came == Worked::ComesAgain {
                held.insert(record.ordering_key());
            }
        }
    }

    /// Which of them are done already.
    fn known(&self, records: &[Record<'_>]) -> Vec<Worked> {
        let known = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let is_done = |record: &Record<'_>| record.name().is_some_and(|name| known.contains(&name));
        let came = |done| if done { Worked::Done } else { Worked::ComesAgain };
        records.iter().map(|record| came(is_done(record))).collect()
    }

    /// Remembers those that are done and come again: those after the first that is not done.
    fn remember(&self, records: &[Record<'_>], came: &[Worked]) {
        let mut known = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        for name in records.iter().filter_map(Record::name) {
            known.remove(&name);
        }
        if known.len() > REMEMBERED {
            known.clear();
        }
        let come = records.iter().zip(came).skip_while(|(_, came)| **came != Worked::ComesAgain);
        let done = come.filter(|(_, came)| **came == Worked::Done);
        known.extend(done.filter_map(|(record, _)| record.name()));
    }
}

fn read(event: &Value) -> Result<Vec<Record<'_>>, FunctionError> {
    Ok(records(event)?.iter().map(Record::of).collect())
}

fn image(change: &ItemImages) -> Option<EnrollmentImage> {
    let (_, campaign) = fed(&change.key)?;
    campaign?;
    let ItemImages { key, old, new } = change.clone();
    Some(EnrollmentImage { key, old, new })
}

/// A record as text, smaller each time, for a dead letter that cannot hold all of it: a contact
/// without its old image, of which only the revision counts; at last only key and revision.
pub(super) fn smaller(record: &Value) -> Vec<String> {
    let mut smaller = Vec::new();
    let Some(change) = record.get("dynamodb") else { return smaller };
    let is_contact = Record::of(record).change.is_ok_and(|change| {
        change.new.is_some() && fed(&change.key).is_some_and(|(_, campaign)| campaign.is_none())
    });
    if let (true, Some(old)) = (is_contact, change.get("OldImage")) {
        let mut slim = record.clone();
        let kept = ["PK", "SK", "rev"].map(|name| (name, old.get(name)));
        let kept = kept.into_iter().filter_map(|(name, it)| Some((name.to_owned(), it?.clone())));
        slim["dynamodb"]["OldImage"] = Value::Object(kept.collect_compactly());
        smaller.push(slim.to_string());
    }
    let rev = change.pointer("/NewImage/rev/N").or_else(|| change.pointer("/OldImage/rev/N"));
    let stub = serde_json::json!({
        "eventID": record.get("eventID"),
        "dynamodb": {
            "Keys": change.get("Keys"),
            "SequenceNumber": change.get("SequenceNumber"),
            "TooLarge": { "rev": rev },
        },
    });
    smaller.push(stub.to_string());
    smaller
}

/// The change of a contact in a record, for a dead letter that is read again.
pub(super) fn contact_in(record: &Value) -> Result<ContactImage, String> {
    let ItemImages { old, new, .. } = Record::of(record).change?;
    Ok(ContactImage { old, new })
}

/// The same for a decision.
pub(super) fn decision_in(record: &Value) -> Result<EnrollmentImage, String> {
    image(&Record::of(record).change?).ok_or_else(|| "it is not about an enrollment".to_owned())
}

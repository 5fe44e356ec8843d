//! What is recorded of a subject, as something that can happen once more.
//!
//! A contact carries its last few changes exactly. Of earlier ones the history holds who made them,
//! when, and the names of what changed, but no values: a field that was set then has the value that
//! it has now. What no line names was always as it is now.

use std::collections::BTreeMap;

use dacapo_engine::compact::{CollectCompactly as _, SortCompactly as _};
use dacapo_engine::contact::{Author, Change, Contact, Patch};
use dacapo_engine::history::{Cause, Changed, Command, Happened, Record, Trace};
use dacapo_engine::ids::{CampaignId, Tag};
use dacapo_engine::time::Instant;

/// What is recorded of a subject: everything that is kept, if `is_all` says so.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a> {
    /// What its campaigns did, oldest first.
    pub records: &'a [(CampaignId, Record)],
    /// What nothing followed from, oldest first.
    pub traces: &'a [Trace],
    /// Whether that is all there is.
    pub is_all: bool,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub(super) enum RecordedAction {
    Write(Patch, Author),
    ByHand(Command, Author),
    Release(Author),
    EnrollExisting,
}

/// A change that is known by name.
struct NamedChange<'a> {
    at: Instant,
    by: &'a Author,
    what: &'a [Changed],
}

/// The subject as it was before what is recorded, and what happened, in order.
pub(super) fn recorded(
    subject: &Contact,
    campaign: &CampaignId,
    recorded: &Recorded<'_>,
    first: &Record,
) -> (Contact, Vec<(Instant, RecordedAction)>) {
    let mut told: BTreeMap<u64, NamedChange<'_>> = BTreeMap::new();
    let causes = recorded.records.iter().map(|(_, record)| (record.at, &record.because));
    let traces = recorded.traces.iter().map(|trace| (trace.at, &trace.because));
    for (at, because) in causes.chain(traces) {
        if let Cause::Change { rev, what, by } = because {
            told.entry(*rev).or_insert(NamedChange { at, by, what });
        }
    }
    for change in &subject.recent {
        let exact = NamedChange { at: change.at, by: &change.by, what: &[] };
        told.insert(change.rev, exact);
    }
    let since = match &first.because {
        Cause::Change { rev, .. } => *rev,
        _ => told.iter().find(|(_, told)| told.at >= first.at).map_or(u64::MAX, |(rev, _)| *rev),
    };
    let mut base = subject.clone();
    let mut deeds = Vec::new();
    for (rev, told) in told.range(since..).rev() {
        let patch = match base.as_of(rev - 1) {
            Some(before) => {
                let patch = base.recent.last().map(|change| patch_of(change, &base));
                base = before;
                patch.unwrap_or_default()
            }
            None => taken_back(told, first.at, &mut base),
        };
        // What the campaign itself wrote it writes again.
        if !matches!(told.by, Author::Element(own, _) if own == campaign) {
            deeds.push((told.at, RecordedAction::Write(patch, told.by.clone())));
        }
    }
    deeds.reverse();
    base.recent.clear();
    base.rev = since.saturating_sub(1).min(subject.rev);
    base.updated_at = base.created_at.min(first.at);
    let own = recorded.records.iter().filter(|(id, _)| id == campaign).map(|(_, record)| record);
    deeds.extend(own.filter_map(|record| Some((record.at, action_of(record)?))));
    deeds.sort_compactly_by_key(|(at, _)| *at);
    (base, deeds)
}

/// What a change wrote, from the subject as it left it.
fn patch_of(change: &Change, after: &Contact) -> Patch {
    let field = |key: &dacapo_engine::ids::FieldKey| (key.clone(), after.fields.get(key).cloned());
    Patch {
        add: change.added.iter().chain(change.refreshed.keys()).cloned().collect(),
        remove: change.removed.keys().cloned().collect(),
        fields: change.fields.keys().map(field).collect_compactly(),
        consent: change.consent.map(|_| after.consent),
        resubscribe: true,
        suppressed: change.suppressed.map(|_| after.suppressed),
        event: change.event.clone(),
    }
}

/// Takes a change back that is known by name, and answers what it wrote as far as that is known.
fn taken_back(told: &NamedChange<'_>, began: Instant, base: &mut Contact) -> Patch {
    let mut patch = Patch::default();
    for what in told.what {
        match what {
            Changed::TagAdded(tag) => {
                if let Ok(tag) = Tag::kept(tag) {
                    base.tags.remove(&tag);
                    patch.add.push(tag);
                }
            }
            Changed::TagRefreshed(tag) => patch.add.extend(Tag::kept(tag)),
            Changed::TagRemoved(tag) => {
                if let Ok(tag) = Tag::kept(tag) {
                    base.tags.insert(tag.clone(), began);
                    patch.remove.push(tag);
                }
            }
            Changed::FieldSet(key) => {
                patch
                    .fields
                    .extend(base.fields.remove(key).map(|value| (key.clone(), Some(value))));
            }
            Changed::Event(name) => patch.event = Some(name.clone()),
            Changed::FieldChanged(_)
            | Changed::FieldCleared(_)
            | Changed::Consent
            | Changed::Resubscribed
            | Changed::FieldAsBefore(_)
            | Changed::TagNotThere(_)
            | Changed::OfContact(_)
            | Changed::More(_) => {}
        }
    }
    patch
}

/// What somebody asked for, if the record is not about a change, a timer or a message.
fn action_of(record: &Record) -> Option<RecordedAction> {
    let did = |is: fn(&Happened) -> bool| record.lines.iter().any(|line| is(&line.what));
    let stops = did(|what| matches!(what, Happened::Stopped));
    let resets = did(|what| matches!(what, Happened::Reset));
    let command = match (stops, resets) {
        (true, _) => Command::Stop,
        (false, true) => Command::Reset,
        (false, false) => Command::Start,
    };
    match &record.because {
        Cause::ByHand(by) => Some(RecordedAction::ByHand(command, by.clone())),
        Cause::Campaign(id) => {
            Some(RecordedAction::ByHand(command, Author::ApiKey(id.to_string())))
        }
        Cause::Job(name) => Some(RecordedAction::ByHand(command, Author::ApiKey(name.clone()))),
        Cause::Released(by) => Some(RecordedAction::Release(by.clone())),
        Cause::Published(_) if did(|what| matches!(what, Happened::Entered)) => {
            Some(RecordedAction::EnrollExisting)
        }
        Cause::Change { .. }
        | Cause::Timer
        | Cause::Recheck(_)
        | Cause::Message
        | Cause::MessageDue
        | Cause::Call
        | Cause::StatusIn(_)
        | Cause::Published(_)
        | Cause::Resumed
        | Cause::ResumedBy { .. }
        | Cause::Posted(_)
        | Cause::Defect => None,
    }
}

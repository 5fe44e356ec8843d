//! The last changes of the subject, what each did in the campaign, or why it did nothing.

use dacapo_engine::compact::SortCompactly as _;
use dacapo_engine::contact::{Author, Change};
use dacapo_engine::decide::{Situation, why_no_effect};
use dacapo_engine::history::{Cause, NoEffect, Record, Trace};
use dacapo_engine::time::Instant;

use super::{ChangeTold, Explaining, MOST_MESSAGES_OR_CHANGES, Remembered};

/// Said of a change that nothing in the campaign is about.
const NOT_READ: &str = "nothing in this campaign reacted to it";

impl Explaining<'_> {
    /// Newest first.
    pub(super) fn changes(&self) -> Vec<ChangeTold> {
        let mut all: Vec<(u64, ChangeTold)> = Vec::new();
        for one in self.known.history {
            match one {
                Remembered::Decided(record) => self.decided(record, &mut all),
                Remembered::Nothing(trace) => all.extend(self.traced(trace)),
            }
        }
        all.extend(self.not_in_the_history(&all));
        all.sort_compactly_by(|(rev, one), (other_rev, other)| {
            (other.at, other_rev).cmp(&(one.at, rev))
        });
        all.into_iter().map(|(_, told)| told).take(MOST_MESSAGES_OR_CHANGES).collect()
    }

    /// What a decision did about a change.
    fn decided(&self, record: &Record, all: &mut Vec<(u64, ChangeTold)>) {
        let Cause::Change { rev, .. } = &record.because else { return };
        let lines = record.lines.iter().map(|line| {
            let words = line.what.words(&self.reader, &record.because);
            line.element.as_ref().map_or_else(|| words.clone(), |id| format!("`{id}` {words}"))
        });
        let effect = lines.collect::<Vec<_>>().join("; ");
        match all.iter_mut().find(|(known, _)| known == rev) {
            // The history is read from the newest on.
            Some((_, told)) => {
                let later = told.effect.take();
                told.effect = Some(later.map_or(effect.clone(), |it| format!("{effect}; {it}")));
            }
            None => {
                let told = ChangeTold {
                    at: record.at,
                    text: what_and_by_whom(&record.because),
                    effect: Some(effect),
                    why_not: None,
                };
                all.push((*rev, told));
            }
        }
    }

    fn traced(&self, trace: &Trace) -> Option<(u64, ChangeTold)> {
        let Cause::Change { rev, .. } = &trace.because else { return None };
        Some((*rev, self.did_nothing(trace.at, &trace.because, &trace.no_effect)))
    }

    fn did_nothing(&self, at: Instant, because: &Cause, no_effect: &[NoEffect]) -> ChangeTold {
        let here = no_effect.iter().filter(|one| one.campaign == self.known.situation.campaign.id);
        let each: Vec<String> =
            here.map(|one| format!("`{}` {}", one.element, one.why.words(one.run))).collect();
        let why_not = if each.is_empty() { NOT_READ.to_owned() } else { each.join("; ") };
        ChangeTold { at, text: what_and_by_whom(because), effect: None, why_not: Some(why_not) }
    }

    /// Changes that the contact still carries and the history says nothing of: something followed
    /// in another campaign, and nothing here. Why is known if nothing has happened here since.
    fn not_in_the_history(&self, known: &[(u64, ChangeTold)]) -> Vec<(u64, ChangeTold)> {
        let Situation { contact, .. } = self.known.situation;
        let newest = self.records().map(|record| record.at).max();
        let is_open = |change: &&Change| {
            !matches!(change.by, Author::Element(..))
                && newest.is_none_or(|newest| newest < change.at)
                && known.iter().all(|(rev, _)| *rev != change.rev)
        };
        let mut told = Vec::new();
        for change in contact.recent.iter().filter(is_open) {
            let Some(left) = contact.as_of(change.rev) else { continue };
            let situation = Situation { contact: &left, now: change.at, ..self.known.situation };
            let no_effect = why_no_effect(&situation, change, false);
            let because = Cause::of(change, |key| left.fields.get(key).cloned(), |_| true);
            told.push((change.rev, self.did_nothing(change.at, &because, &no_effect)));
        }
        told
    }
}

/// What changed, and who changed it.
fn what_and_by_whom(because: &Cause) -> String {
    let words = because.words();
    words.strip_prefix("because ").unwrap_or(&words).to_owned()
}

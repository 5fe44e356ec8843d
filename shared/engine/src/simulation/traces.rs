//! Writes that changed nothing have a line in the history (R60).
//!
//! The same write again says nothing new as long as nothing else has happened to the contact, as on
//! the platform.

use super::{Observed, World};
use crate::contact::{Author, Contact, Patch};
use crate::decide::nothing_changed;
use crate::history::{Cause, Trace};
use crate::ids::{CampaignId, ContactId};

/// What identifies such a write: who was written to, what was sent, at which `rev` of the contact,
/// and the `rev` of each enrollment that looked at it.
pub(super) type Identity = (ContactId, Cause, Vec<(CampaignId, u64)>);

impl World {
    /// A write that changed nothing, although it was about something that campaigns read.
    pub(super) fn nothing_changed(&mut self, contact: &Contact, patch: &Patch, by: Author) {
        let asked: Vec<_> = self
            .campaigns_about(&contact.id)
            .into_iter()
            .map(|id| (id.clone(), self.enrollment(&contact.id, &id).cloned()))
            .collect();
        let mut read_of_it = patch.clone();
        read_of_it.fields.retain(|key, _| self.reads(|reads| reads.fields.contains(key)));
        read_of_it.remove.retain(|tag| self.reads(|reads| reads.tags.contains(tag)));
        let (what, change) = nothing_changed(contact, &read_of_it, by, self.now);
        let no_effect = self.why_no_effect(contact, &change, &asked, true);
        if no_effect.is_empty() {
            return;
        }
        let because = Cause::Change { rev: contact.rev, what, by: change.by };
        let stands = no_effect.iter().map(|one| {
            let enrollment = self.enrollment(&contact.id, &one.campaign);
            (one.campaign.clone(), enrollment.map_or(0, |enrollment| enrollment.rev))
        });
        let identity = (contact.id.clone(), because.clone(), stands.collect());
        if !self.without_change.contains(&identity) {
            self.without_change.push(identity);
            let trace = Trace { at: self.now, because, unchanged: true, no_effect };
            self.observed.push(Observed::Nothing(contact.id.clone(), trace));
        }
    }
}

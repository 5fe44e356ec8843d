//! What an enrollment has not seen is applied first, in order: changes of the contact and
//! milestones of the campaign (R3, R50, R51).

use std::borrow::Cow;

use super::Source;
use super::builder::DecisionBuilder;
use super::occasion::Occasion;
use crate::contact::{Author, Change, Contact};
use crate::history::Cause;

impl DecisionBuilder<'_> {
    /// Applies, in order, the changes and milestones that the enrollment has not seen (R3). Returns
    /// whether there were any. A milestone that was applied came before every change that was not.
    /// So a change is judged by the campaign's state after what was applied, and never by its
    /// instant alone.
    pub(super) fn catch_up(&mut self) -> bool {
        let situation = self.situation;
        let timeline = &situation.campaign.timeline;
        let changes = situation.contact.changes_after(situation.baseline).unwrap_or(&[]);
        let mut before = situation.baseline;
        for change in changes {
            self.reach(timeline.before(change), Some(before));
            self.recheck_before(change, before);
            self.asked_before(change, before);
            let done = self.count_added();
            self.change(change);
            if self.count_added() == done && change.person.is_none() {
                self.note_no_effect(change);
            }
            before = change.rev;
        }
        // After an image there may be changes that came before the next milestone: a decision on
        // the latest contact applies it.
        let reached = !situation.is_image && self.reach(timeline.count(), None);
        self.next.seen = self.next.seen.max(situation.contact.rev);
        self.keep_chain(self.occasion.cause().clone());
        reached || !changes.is_empty()
    }

    /// Applies the milestones up to this number, on the contact as the change with the `rev` left
    /// it, or on the latest. Returns whether one concerned the enrollment.
    fn reach(&mut self, number: u32, rev: Option<u64>) -> bool {
        let situation = self.situation;
        let mut concerned = false;
        let unseen = situation.campaign.timeline.after(self.next.milestones);
        for (nth, milestone) in unseen.take_while(|(nth, _)| *nth <= number) {
            self.next.milestones = nth;
            let contact = match rev {
                Some(rev) => self.contact_as_of(rev),
                None => self.latest.clone(),
            };
            concerned |= self.milestone(milestone, contact);
        }
        self.next.milestones = self.next.milestones.max(number);
        self.reached |= concerned;
        concerned
    }

    /// A recheck that is overdue comes before a later change, on the contact as it was before
    /// (R14).
    fn recheck_before(&mut self, change: &Change, before: u64) {
        let is_overdue = self.next.parked.is_some()
            && self.next.eligible_at.is_some_and(|eligible_at| eligible_at <= change.at);
        if is_overdue && self.standing().is_ok_and(|standing| !standing.paused) {
            self.recheck(change.at, self.contact_as_of(before));
            self.move_tokens();
        }
    }

    /// What the path that made the change asked of this campaign before comes first, on the contact
    /// as it was before (R11). It may also arrive by itself later, and is a repeat then.
    fn asked_before(&mut self, change: &Change, before: u64) {
        let Author::Element(campaign, _) = &change.by else { return };
        let situation = self.situation;
        let this = &situation.campaign.id;
        for asked in change.asked_before.iter().filter(|asked| asked.campaign == *this) {
            let cause = Cause::Campaign(campaign.clone());
            let contact = self.contact_as_of(before);
            let occasion = Occasion::new(change.at, cause, asked.causality, contact);
            let from = Source {
                campaign: campaign.clone(),
                object: asked.object.clone(),
                rev: asked.rev,
                index: asked.index,
            };
            // A repeat has no effect, nor has a stop of a contact that was never in the campaign.
            self.commanded(&from, asked.command, occasion).ok();
        }
    }

    /// The contact as the change left it, without what this decision has written: an edge is one of
    /// the change alone.
    pub(super) fn contact_after(&self, change: &Change) -> Cow<'_, Contact> {
        if self.writes.is_empty() {
            return Cow::Borrowed(self.occasion.contact());
        }
        let contact = self.situation.contact;
        contact.as_of(change.rev).map_or(Cow::Borrowed(contact), Cow::Owned)
    }

    fn change(&mut self, change: &Change) {
        let Ok(standing) = self.standing() else { return };
        let contact = self.contact_as_of(change.rev);
        let reads = self.graph.reads();
        let cause =
            Cause::of(change, |key| contact.fields.get(key).cloned(), |what| what.is_in(reads));
        self.look_at(Occasion::new(change.at, cause, change.causality, contact));
        self.choose_version(standing);
        if standing.paused {
            self.changed_in_pause(change);
        } else {
            self.changed(change);
        }
    }
}

//! What a campaign writes to the subject, or to the contact of an object (R72): seen at once by the
//! path that wrote it, committed with the enrollment (R3, R42).
//!
//! A write carries what its path asked of other campaigns before. So they receive both in the order
//! of the path, whichever of contact and enrollment the change feed delivers first (R11).

use super::builder::DecisionBuilder;
use super::{ContactWrite, DEEPEST, Effect};
use crate::campaign::format::Of;
use crate::contact::{AskedCommand, Author, Causality, Patch};
use crate::history::{Cause, Command, Happened};
use crate::ids::{CampaignId, ElementId};

/// How many commands to other campaigns an enrollment keeps for its next write. Most of them have
/// been done long before.
const COMMANDS_KEPT: usize = 4;

impl DecisionBuilder<'_> {
    /// Writes to the subject, or in a campaign about objects to the person (R72). Committed with
    /// the enrollment; seen at once by this path (R3). A write that is too deep in its chain is not
    /// made (R42), nor one that would assign more tags than fit.
    pub(super) fn write(
        &mut self,
        element: &ElementId,
        of: Option<Of>,
        patch: Patch,
        causality: Causality,
    ) {
        if causality.depth >= DEEPEST {
            self.line(Some(element), Happened::TooDeep);
            return;
        }
        let is_of_person = of == Some(Of::Contact) && self.person.is_some();
        let has_room = match self.person.as_ref().filter(|_| is_of_person) {
            Some(person) => person.has_room_for(&patch),
            None => {
                [self.occasion.contact(), &self.latest].iter().all(|it| it.has_room_for(&patch))
            }
        };
        if !has_room {
            self.line(Some(element), Happened::TagsFull);
            return;
        }
        let (now, causality) = (self.occasion.now(), causality.deeper());
        let by = Author::Element(self.situation.campaign.id.clone(), element.clone());
        let contact = match self.person.as_mut().filter(|_| is_of_person) {
            Some(person) => person.to_mut(),
            None => {
                self.latest.to_mut().apply(&patch, by.clone(), Some(causality), now, 0);
                self.occasion.contact_mut()
            }
        };
        let wrote = contact.apply(&patch, by.clone(), Some(causality), now, 0).map(|change| {
            Cause::of(change, |key| patch.fields.get(key).cloned().flatten(), |_| false)
        });
        if let Some(Cause::Change { what, .. }) = wrote {
            self.line(Some(element), Happened::Wrote { what, of_contact: is_of_person });
        }
        let (writes, commands_sent) = match is_of_person {
            true => (&mut self.person_writes, &mut self.next.person_commands_sent),
            false => (&mut self.writes, &mut self.next.commands_sent),
        };
        let asked_before = std::mem::take(commands_sent);
        writes.push(ContactWrite { patch, by, causality, asked_before });
    }

    /// Asks something of another campaign (R11, R16, R52). That is as deep in its chain as a write
    /// (R42).
    pub(super) fn send_command(
        &mut self,
        element: &ElementId,
        campaign: CampaignId,
        command: Command,
        causality: Causality,
    ) {
        if causality.depth >= DEEPEST {
            self.line(Some(element), Happened::TooDeep);
            return;
        }
        self.line(Some(element), Happened::Commanded { campaign: campaign.clone(), command });
        let causality = causality.deeper();
        let asked = AskedCommand {
            campaign: campaign.clone(),
            command,
            object: self.object().cloned(),
            // The decision's, and the effect's that follows.
            rev: self.next.rev + 1,
            index: u32::try_from(self.effects.len()).unwrap_or(u32::MAX),
            causality,
        };
        // Which of the two the campaign is about, the next write to either says.
        if asked.object.is_some() {
            self.next.person_commands_sent.push(asked.clone());
        }
        self.next.commands_sent.push(asked);
        self.effects.push(Effect::Command { campaign, command, causality });
    }

    /// What the next decision's first write is to carry.
    pub(super) fn keep_last_commands(&mut self) {
        for sent in [&mut self.next.commands_sent, &mut self.next.person_commands_sent] {
            let over = sent.len().saturating_sub(COMMANDS_KEPT);
            sent.drain(..over);
        }
    }
}

//! What was applied last from other campaigns and from jobs.
//!
//! It promises that what comes again, or comes after something later of the same sender, is not
//! applied; of the commands of objects this holds for the last [`OBJECTS_KEPT`].

use super::builder::DecisionBuilder;
use super::{Ignored, Source};
use crate::enrollment::Enrollment;
use crate::ids::ContactId;

/// How many pairs of a campaign and an object an enrollment remembers, each with the last command
/// of it.
const OBJECTS_KEPT: usize = 16;

impl DecisionBuilder<'_> {
    /// What comes from another campaign is applied once, in the order of that campaign's decisions.
    /// Commands are noted apart from changed statuses: a command may come with a contact's change
    /// (`asked_before`), before a status that the same campaign decided earlier.
    pub(super) fn apply_once(&mut self, from: &Source, is_command: bool) -> Result<(), Ignored> {
        if self.was_applied(from, is_command) {
            return Err(Ignored::AlreadyApplied);
        }
        let (campaign, this) = (from.campaign.clone(), (from.rev, from.index));
        match self.asking_object(from, is_command).cloned() {
            Some(object) => {
                let all = &mut self.next.commands_of_objects;
                all.retain(|(of, by, ..)| (of, by) != (&campaign, &object));
                all.push((campaign, object, this.0, this.1));
                let over = all.len().saturating_sub(OBJECTS_KEPT);
                all.drain(..over);
            }
            None if is_command => {
                self.next.commands.insert(campaign, this);
            }
            None => {
                self.next.applied.insert(campaign, this);
            }
        }
        Ok(())
    }

    /// Whether this, or something later, of the other campaign was applied.
    pub(super) fn was_applied(&self, from: &Source, is_command: bool) -> bool {
        let Enrollment { commands, applied, commands_of_objects, .. } = &self.next;
        let last = match self.asking_object(from, is_command) {
            Some(object) => commands_of_objects
                .iter()
                .find(|(of, by, ..)| (of, by) == (&from.campaign, object))
                .map(|(_, _, rev, index)| (*rev, *index)),
            None if is_command => commands.get(&from.campaign).copied(),
            None => applied.get(&from.campaign).copied(),
        };
        last.is_some_and(|last| last >= (from.rev, from.index))
    }

    /// The object whose path sent the command, if that is not the subject itself (R71).
    fn asking_object<'s>(&self, from: &'s Source, is_command: bool) -> Option<&'s ContactId> {
        from.object.as_ref().filter(|id| is_command && **id != self.situation.contact.id)
    }

    /// A job is applied once; a lower number is a repeat of an older job.
    pub(super) fn apply_job(&mut self, job: u64) -> Result<(), Ignored> {
        if self.next.job >= job {
            return Err(Ignored::AlreadyApplied);
        }
        self.next.job = job;
        self.next.idle = false;
        Ok(())
    }
}

//! A write that a decision makes to a contact.
//!
//! It promises that a write is applied as a change of its own, in the order of the path that asked
//! for it, and that what was asked of other campaigns before a write is told with it (R11).

use crate::contact::{AskedCommand, Author, Causality, Contact, Patch};
use crate::time::Instant;

/// A write to the contact.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactWrite {
    /// What it asks for.
    pub patch: Patch,
    /// The element that asks.
    pub by: Author,
    /// Its place in the chain.
    pub causality: Causality,
    /// What was asked of other campaigns before it, and after the write before it.
    pub asked_before: Vec<AskedCommand>,
}

impl ContactWrite {
    /// Applies the writes of a decision, in order, each as a change of its own (R1). Returns
    /// whether there was any change: if a write changes nothing, what was asked before it is
    /// carried by the next one.
    pub fn apply_all(writes: &[Self], contact: &mut Contact, at: Instant) -> bool {
        let mut fresh = 0;
        let mut asked_before: Vec<AskedCommand> = Vec::new();
        for write in writes {
            asked_before.extend(write.asked_before.iter().cloned());
            // Tags may have been added since the decision; then these do not fit any more.
            if !contact.has_room_for(&write.patch) {
                continue;
            }
            let (by, causality) = (write.by.clone(), Some(write.causality));
            if contact.apply(&write.patch, by, causality, at, fresh).is_some() {
                fresh += 1;
                if let Some(change) = contact.recent.last_mut() {
                    change.asked_before = std::mem::take(&mut asked_before);
                }
            }
        }
        fresh > 0
    }
}

//! What can happen to an enrollment: one enum, with the identity that makes a repeat recognisable.
//!
//! The events are stored in queues and timers, so the names here are part of the stored format.

use serde::{Deserialize, Serialize};

use crate::contact::{Author, Causality};
use crate::history::Command;
use crate::ids::{CampaignId, ContactId};
use crate::statistics::Outcome;
use crate::time::Instant;

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The contact changed, or the campaign reached a milestone: only what has not been seen is
    /// applied.
    Changed,
    /// A timer of a token came due.
    TimerDue {
        /// The token's run.
        run: u32,
        /// The token's step.
        step: u32,
        /// The instant for which the timer was set.
        due: Instant,
    },
    /// A parked trigger is to be rechecked (R14).
    RecheckDue {
        /// The run in which it was parked.
        run: u32,
        /// The instant for which the recheck was set.
        due: Instant,
    },
    /// A message is about to leave (R31).
    DeliveryDue {
        /// The token's run.
        run: u32,
        /// The token's step.
        step: u32,
    },
    /// A message was settled (R31).
    Settled {
        /// The token's run.
        run: u32,
        /// The token's step.
        step: u32,
        /// The outcome.
        outcome: Outcome,
        /// Why it was not sent.
        reason: Option<String>,
    },
    /// Another campaign asks for something (R11, R16, R52).
    Commanded {
        /// Who asks.
        from: Source,
        /// What it asks for. Stored under its older name.
        #[serde(rename = "order")]
        command: Command,
        /// The asking token's place in its chain.
        causality: Causality,
    },
    /// The contact's status in another campaign changed (R6).
    StatusChanged {
        /// The decision that changed it.
        from: Source,
        /// The place of what changed it in its chain.
        causality: Causality,
    },
    /// A version was published, or the campaign resumed, with `enroll_existing` (R6).
    EnrollExisting {
        /// The job that does it.
        job: u64,
    },
    /// A job stops the campaign for the contact (R16).
    MassStop {
        /// The job's sequence number.
        job: u64,
        /// The job's name in the history.
        name: String,
        /// Whether the contact may enter again.
        reset_contacts: bool,
        /// Whether its contributions to the statistics are taken off.
        reset_statistics: bool,
    },
    /// A user asks for something, for this contact alone: as R52, R16.
    ByHand {
        /// What it asks for. Stored under its older name.
        #[serde(rename = "order")]
        command: Command,
        /// The author.
        by: Author,
        /// What identifies the call, if its repeats are to be recognised.
        call: Option<u64>,
    },
    /// A user releases the held enrollment (R40).
    Released {
        /// The author.
        by: Author,
        /// What identifies the call, if its repeats are to be recognised.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<u64>,
    },
    /// A job releases held enrollments (R40).
    MassRelease {
        /// The job's sequence number.
        job: u64,
        /// The job's name in the history.
        name: String,
    },
}

impl Event {
    /// The instant before which it has no effect.
    pub fn due(&self) -> Option<Instant> {
        self.timer().map(|(_, _, due)| due)
    }

    /// The run and step that a timer belongs to, 0 for what belongs to none. What is due at the
    /// same instant is ordered by contact, campaign, run, step.
    pub fn run_and_step(&self) -> (u32, u32) {
        self.timer().map_or((0, 0), |(run, step, _)| (run, step))
    }

    /// Whether it releases a held enrollment (R40).
    pub(super) fn is_release(&self) -> bool {
        matches!(self, Self::Released { .. } | Self::MassRelease { .. })
    }

    /// Run, step and instant of the timer that brings it; `None` if no timer does.
    fn timer(&self) -> Option<(u32, u32, Instant)> {
        match self {
            Self::TimerDue { run, step, due } => Some((*run, *step, *due)),
            Self::RecheckDue { run, due } => Some((*run, 0, *due)),
            Self::Changed
            | Self::DeliveryDue { .. }
            | Self::Settled { .. }
            | Self::Commanded { .. }
            | Self::StatusChanged { .. }
            | Self::EnrollExisting { .. }
            | Self::MassStop { .. }
            | Self::ByHand { .. }
            | Self::Released { .. }
            | Self::MassRelease { .. } => None,
        }
    }
}

/// A decision of another campaign, as the cause of an event. It identifies the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The campaign.
    pub campaign: CampaignId,
    /// The object that is in it, if the subject there is an object (R71).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ContactId>,
    /// Its enrollment's `rev` after the decision.
    pub rev: u64,
    /// Which of the decision's effects it is.
    pub index: u32,
}

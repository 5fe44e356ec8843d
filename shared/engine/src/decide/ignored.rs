//! Why an event changes nothing: late and repeated events are ordinary outcomes with names. Each
//! reason has its own variant, so a caller can tell an event that is over from one that has to come
//! again.

/// Why an event changes nothing. These are ordinary outcomes, not errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ignored {
    /// The change, or the event, has been applied already.
    AlreadyApplied,
    /// It does not concern anything in the campaign.
    NothingConcerned,
    /// The contact was never in the campaign.
    NeverEnrolled,
    /// The campaign was not published.
    NotPublished,
    /// The campaign is paused: tokens do not move, and what came due waits for the resume (R51).
    Paused,
    /// The event belongs to an earlier run (R18).
    StaleRun,
    /// No token rests at that step any more (R18).
    LeftStep,
    /// The timer was set for another instant than the token waits for (R21).
    Replanned,
    /// It is too early: ask again at the due instant (R23).
    Early,
    /// There is no parked trigger, or it is rechecked at another instant.
    NotParked,
    /// The enrollment is not held.
    NotHeld,
    /// The enrollment is in quarantine: nothing happens to it until it is released.
    Quarantined,
    /// Older changes of the contact have to be applied first and are no longer carried by it: wait
    /// for the feed.
    Behind,
    /// The campaign's version was not loaded.
    NoVersion,
    /// A requested start does not happen (R52).
    NotStarted(NotStarted),
}

/// Why a requested start does not happen (R52).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotStarted {
    /// The contact is stopped.
    Stopped,
    /// The contact is held.
    Held,
    /// The campaign has no start.
    NoStart,
    /// The first start has fired in this run.
    Used,
}

impl NotStarted {
    /// In words, as history has them.
    pub fn words(self) -> &'static str {
        match self {
            Self::Stopped => "the contact is stopped in this campaign",
            Self::Held => "the contact is held in this campaign",
            Self::NoStart => "the campaign has no start",
            Self::Used => "this run has used the first start",
        }
    }
}

//! `decide`: what an event does to an enrollment.
//!
//! It is a pure function. It first applies, in order, what the enrollment has not seen yet: changes of the
//! contact, each judged on the contact as that change left it, and milestones of the campaign. Then it looks at
//! the event. It answers with the next state and with everything that the outside world is to do, for one
//! conditional write; performing it needs no judgement. Late and repeated events are answers, not errors.
//!
//! | file | rules |
//! |---|---|
//! | `passage`, `moving` | the state while a decision is made: tokens, lines, effects (R3, R18, R41) |
//! | `catching_up` | changes and milestones that were not seen yet, in order (R3, R50, R51) |
//! | `entries` | goals, events, starts and their order (R5 to R10, R13 to R15, R52) |
//! | `steps` | what every element does (R10, R41, R42) |
//! | `dates` | waits and date timers (R20 to R22) |
//! | `again` | reset, restart, stop, held (R11, R12, R16, R17, R40) |
//! | `messages` | the last look before a message leaves, and what follows it (R31, R34, R43) |
//! | `milestones` | publishing, pause and resume (R50, R51) |
//! | `writing` | what a campaign writes to the contact, and what it asked of others before (R3, R11, R42) |
//! | `pausing` | what comes while the campaign is paused, and its answer on the resume (R51, R52) |
//! | `outstanding` | what an enrollment at rest waits for from outside |
//! | `quiet` | why nothing followed from a change (R60) |
//! | `ignored` | why an event changes nothing |

mod again;
mod catching_up;
mod dates;
mod entries;
mod ignored;
mod messages;
mod milestones;
mod moving;
mod outstanding;
mod passage;
mod pausing;
mod quiet;
mod steps;
mod writing;

use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::campaign::Campaign;
use crate::campaign::format::Purpose;
use crate::contact::{Author, Causality, Contact};
use crate::enrollment::{Enrollment, Status};
use crate::history::{Order, Record};
use crate::ids::{CampaignId, ElementId};
use crate::statistics::{Outcome, Tally};
use crate::time::Instant;
pub use ignored::{Ignored, NotStarted};
pub use outstanding::{outstanding, purpose};
use passage::Passage;
pub use quiet::{looked, nothing_changed};
pub use writing::ContactWrite;

/// The most writes of campaigns that may lead to each other (R42).
pub const DEEPEST: u8 = 20;

/// The most elements that one event moves a token over (R41).
pub const MOST_MOVES: u32 = 100;

/// Everything that a decision depends on.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// The account.
    pub account: &'a Account,
    /// The campaign, with the versions it needs.
    pub campaign: &'a Campaign,
    /// The contact as it was read.
    pub contact: &'a Contact,
    /// The contact's `rev` up to which changes have been applied, or are known not to matter: the enrollment's `seen`,
    /// or for the change feed the `rev` before the image.
    pub baseline: u64,
    /// The enrollment, if there is one.
    pub enrollment: Option<&'a Enrollment>,
    /// The contact's status in other campaigns.
    pub statuses: &'a (dyn Fn(&CampaignId) -> Option<Status> + Sync),
    /// Whether the contact is an image of the change feed: it may have been changed since, so that the campaign's
    /// milestones after its last change are left to whoever looks at the latest contact.
    pub is_image: bool,
    /// The instant of deciding.
    pub now: Instant,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The contact changed, or the campaign reached a milestone: nothing but what has not been seen.
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
        /// How.
        outcome: Outcome,
        /// Why it was not sent.
        reason: Option<String>,
    },
    /// Another campaign asks for something (R11, R16, R52).
    Commanded {
        /// Who asks.
        from: Source,
        /// What for.
        order: Order,
        /// The asking token's place in its chain.
        causality: Causality,
    },
    /// The contact's status in another campaign changed (R6).
    StatusChanged {
        /// Where.
        from: Source,
        /// The place of what changed it in its chain.
        causality: Causality,
    },
    /// A version was published that enrolls existing contacts (R6).
    EnrollExisting {
        /// The job that does it.
        job: u64,
    },
    /// The mass action *Stop campaign* (R16).
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
    /// Somebody asks for something, for this contact alone: as R52, R16.
    ByHand {
        /// What for.
        order: Order,
        /// Who.
        by: Author,
        /// What identifies the call, if it is to be told from its repeats.
        call: Option<u64>,
    },
    /// Somebody releases the held enrollment (R40).
    Released {
        /// Who.
        by: Author,
    },
    /// The mass action that releases held enrollments (R40).
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
        match self {
            Self::TimerDue { due, .. } | Self::RecheckDue { due, .. } => Some(*due),
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

    /// The run and step that a timer belongs to, 0 for what belongs to none: what is due at the same instant goes by
    /// contact, campaign, visit.
    pub fn visit(&self) -> (u32, u32) {
        match self {
            Self::TimerDue { run, step, .. } => (*run, *step),
            Self::RecheckDue { run, .. } => (*run, 0),
            Self::Changed
            | Self::DeliveryDue { .. }
            | Self::Settled { .. }
            | Self::Commanded { .. }
            | Self::StatusChanged { .. }
            | Self::EnrollExisting { .. }
            | Self::MassStop { .. }
            | Self::ByHand { .. }
            | Self::Released { .. }
            | Self::MassRelease { .. } => (0, 0),
        }
    }
}

/// A decision of another campaign, as the cause of an event. It identifies the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The campaign.
    pub campaign: CampaignId,
    /// Its enrollment's `rev` after the decision.
    pub rev: u64,
    /// Which of the decision's effects it is.
    pub index: u32,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The next state and all that follows from it, to be committed.
    Advance(Box<Advance>),
    /// The message may leave now; nothing changes until it is settled.
    Deliver(Delivery),
    /// Nothing happened, but more has been seen; committing it is a matter of tidiness.
    Seen(Box<Enrollment>),
    /// Nothing is to be done.
    Ignore(Ignored),
}

/// See [`Decision::Advance`].
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    /// The next state.
    pub enrollment: Enrollment,
    /// What the campaign writes to the contact, in order; committed with the enrollment.
    pub writes: Vec<ContactWrite>,
    /// What the outside world is to do.
    pub effects: Vec<Effect>,
    /// What goes into the history.
    pub records: Vec<Record>,
    /// What is added to the statistics, the gauges not included.
    pub delta: Tally,
    /// Whether the event itself was ignored, although something unseen was applied.
    pub ignored: Option<Ignored>,
    /// Whether the event has not been looked at yet, because unseen changes came first: ask again once this is committed.
    pub ask_again: bool,
}

/// A message that may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The version that the element belongs to.
    pub version: u32,
    /// The run.
    pub run: u32,
    /// The step.
    pub step: u32,
    /// The element.
    pub element: ElementId,
    /// The key of the e-mail.
    pub email: String,
}

/// What a decision asks the outside world to do. Each names its run and step, and bears a repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Send [`Event::TimerDue`] at the instant.
    #[serde(rename = "t")]
    Schedule {
        /// The run.
        #[serde(rename = "n")]
        run: u32,
        /// The step.
        #[serde(rename = "s")]
        step: u32,
        /// The instant.
        #[serde(rename = "d", with = "chrono::serde::ts_milliseconds")]
        due: Instant,
    },
    /// The timer is no longer needed.
    #[serde(rename = "x")]
    Cancel {
        /// The run.
        #[serde(rename = "n")]
        run: u32,
        /// The step.
        #[serde(rename = "s")]
        step: u32,
        /// The instant for which it was set.
        #[serde(rename = "d", with = "chrono::serde::ts_milliseconds")]
        due: Instant,
    },
    /// Send [`Event::RecheckDue`] at the instant.
    #[serde(rename = "k")]
    Recheck {
        /// The run.
        #[serde(rename = "n")]
        run: u32,
        /// The instant.
        #[serde(rename = "d", with = "chrono::serde::ts_milliseconds")]
        due: Instant,
    },
    /// Queue a message: [`Event::DeliveryDue`].
    #[serde(rename = "m")]
    Deliver {
        /// The run.
        #[serde(rename = "n")]
        run: u32,
        /// The step.
        #[serde(rename = "s")]
        step: u32,
        /// Which queue.
        #[serde(rename = "p")]
        purpose: Purpose,
    },
    /// Record a message that was settled without having been queued or sent.
    #[serde(rename = "r")]
    RecordMessage {
        /// The run.
        #[serde(rename = "n")]
        run: u32,
        /// The step.
        #[serde(rename = "s")]
        step: u32,
        /// The element.
        #[serde(rename = "e")]
        element: ElementId,
        /// The key of the e-mail.
        #[serde(rename = "m")]
        email: String,
        /// How it was settled.
        #[serde(rename = "o")]
        outcome: Outcome,
        /// Why.
        #[serde(rename = "y")]
        reason: String,
    },
    /// Call a webhook.
    #[serde(rename = "h")]
    Call {
        /// The run.
        #[serde(rename = "n")]
        run: u32,
        /// The step.
        #[serde(rename = "s")]
        step: u32,
        /// The version that the element belongs to.
        #[serde(rename = "v")]
        version: u32,
        /// The element.
        #[serde(rename = "e")]
        element: ElementId,
    },
    /// Tell another campaign: [`Event::Commanded`].
    #[serde(rename = "o")]
    Command {
        /// Which campaign.
        #[serde(rename = "p")]
        campaign: CampaignId,
        /// What.
        #[serde(rename = "w")]
        order: Order,
        /// The asking token's place in its chain.
        #[serde(rename = "c")]
        causality: Causality,
    },
    /// Tell the campaigns that read it: [`Event::StatusChanged`].
    #[serde(rename = "u")]
    StatusChanged {
        /// The place of what changed it in its chain.
        #[serde(rename = "c")]
        causality: Causality,
    },
}

/// Decides.
pub fn decide(situation: &Situation<'_>, event: &Event) -> Decision {
    let mut passage = match Passage::begin(situation) {
        Ok(passage) => passage,
        Err(ignored) => return Decision::Ignore(ignored),
    };
    // What waits in quarantine is decided in order after the release, image by image.
    if passage.is_quarantined() {
        return match event {
            Event::Released { by } => {
                let ignored = passage.released(by).err();
                passage.finish(ignored)
            }
            Event::MassRelease { job, name } => {
                let ignored = passage.mass_release(*job, name).err();
                passage.finish(ignored)
            }
            Event::Changed
            | Event::TimerDue { .. }
            | Event::RecheckDue { .. }
            | Event::DeliveryDue { .. }
            | Event::Settled { .. }
            | Event::Commanded { .. }
            | Event::StatusChanged { .. }
            | Event::EnrollExisting { .. }
            | Event::ByHand { .. }
            | Event::MassStop { .. } => Decision::Ignore(Ignored::Quarantined),
        };
    }
    let applied = passage.catch_up();
    let ignored = match event {
        Event::Changed if applied => None,
        Event::Changed => Some(Ignored::AlreadyApplied),
        Event::DeliveryDue { .. } if passage.is_material() => return passage.ask_again(),
        Event::DeliveryDue { run, step } => match passage.delivery_due(*run, *step) {
            messages::LastLook::Leaves(delivery) => return Decision::Deliver(delivery),
            messages::LastLook::Decided => None,
            messages::LastLook::OthersFirst => return passage.ask_again(),
            messages::LastLook::Ignored(ignored) => Some(ignored),
        },
        Event::TimerDue { run, step, due } => passage.timer_due(*run, *step, *due).err(),
        Event::RecheckDue { run, due } => passage.recheck_due(*run, *due).err(),
        Event::Settled { run, step, outcome, reason } => {
            passage.settled(*run, *step, *outcome, reason.clone()).err()
        }
        Event::Commanded { from, order, causality } => {
            passage.commanded(from, *order, *causality).err()
        }
        Event::StatusChanged { from, causality } => passage.status_changed(from, *causality).err(),
        Event::EnrollExisting { job } => passage.enroll_existing(*job).err(),
        Event::MassStop { job, name, reset_contacts, reset_statistics } => {
            passage.mass_stop(*job, name, *reset_contacts, *reset_statistics).err()
        }
        Event::ByHand { order, by, call } => passage.by_hand(*order, by, *call).err(),
        Event::Released { by } => passage.released(by).err(),
        Event::MassRelease { job, name } => passage.mass_release(*job, name).err(),
    };
    passage.finish(ignored)
}

//! `decide`: what an event does to an enrollment.
//!
//! What is called a contact here is the subject: a contact, or an object whose contact is then the
//! *person* (R71, R72).
//!
//! It is a pure function of a [`Situation`] and an [`Event`]. First it applies, in order, what the
//! enrollment has not seen yet: changes of the contact, each judged on the contact as that change
//! left it, and milestones of the campaign. Then it handles the event. The [`Decision`] holds the
//! next state and everything that the outside world is to do ([`Effect`]), for one conditional
//! write. Late and repeated events are outcomes ([`Ignored`]), not errors.
//!
//! # Order of calls
//!
//! ```text
//! decide(situation, event)
//!   begin                  the state as it is; Ignored if it cannot be decided
//!   is_quarantined         then only a release is handled, and nothing is caught up
//!   catch_up               what was not seen yet, in order; each is an Occasion
//!     for each change of the contact:
//!       reach                milestones that came before it (R50, R51)
//!       recheck_before       a parked trigger whose recheck is overdue (R14)
//!       asked_before         what its path asked of this campaign before it (R11)
//!       change               changed: date timers, goals, events, starts, move_tokens (R10)
//!                            while paused changed_in_pause: parked (R51)
//!                            first may_concern: a person's change concerns only an object that
//!                            had tokens before it (R72)
//!       note_no_effect       if nothing followed, and it is the subject's own change (R60)
//!     reach                milestones after the last change; not on an image of the change feed
//!   ask_again              DeliveryDue only: what was caught up is to be committed first
//!   the event              timer_due, recheck_due, delivery_due, settled, commanded, ...
//!     move_tokens          until no token is in flight; first place in the document first:
//!       goals                before each step (R8)
//!       step                 what the element does: send_on, rest, write, send_command, ...
//!       complete             at the end: no token is left: completed (R53), or restarted (R17)
//!   ask_again              DeliveryDue only: a goal has taken a token on another path (R8)
//!   Deliver                DeliveryDue only: the message may leave; nothing is committed
//!   finish                 Advance, or Seen, or Ignore; with the first token of an object the
//!                          person's `rev` is noted, from which may_concern counts (R72)
//! ```
//!
//! # States of a token
//!
//! Between decisions every token rests ([`Rest`](crate::enrollment::Rest)); in a decision it may be
//! in flight. The table says what takes a token from one rest to the next. "Goes on" means: it is
//! in flight, from the edge `next` unless another is named. "Suppressed" means: its message is not
//! sent, and recorded with the reason.
//!
//! ```text
//! rest              what happens                        what the token does
//! ----------------  ----------------------------------  ----------------------------------------
//! (in flight)       arrives at an e-mail                Message(Queued) in the send window,
//!                                                       else Message(Window)
//!                   ... over the messages of a day      suppressed; all tokens end, held (R43)
//!                   ... outside a window that skips     goes on, suppressed (R25)
//!                   ... after a resume with `skip`      goes on, suppressed, up to the next wait,
//!                                                       date timer, event or goal (R51)
//!                   arrives at a wait                   Wait
//!                   arrives at a date timer             Date(Until) if its moment lies ahead,
//!                                                       else as `past` says; as `empty` says
//!                                                       without a date (R21, R22)
//!                   arrives at an event                 Event; ends if it has fired (R7)
//!                   arrives at a goal                   as `unmet` says; ends if it has fired (R8)
//!                   arrives at any other element        goes on, or ends
//!                   has moved over too many elements    all tokens end, held (R41)
//! Message(Window)   TimerDue                            Message(Queued); over the messages of a
//!                                                       day as on arrival (R43)
//!                   Settled                             as with Message(Queued)
//!                   resumed, overdue                    as on TimerDue; with `skip` goes on,
//!                                                       suppressed (R51)
//! Message(Queued)   DeliveryDue, message may leave      stays: Decision::Deliver
//!                   DeliveryDue, reason not to send     goes on, suppressed (R31)
//!                   DeliveryDue, outside the window     Message(Window); if that skips, goes on,
//!                                                       suppressed (R25)
//!                   DeliveryDue, from before a restore  goes on, message unknown (R30)
//!                   Settled                             goes on (R31)
//!                   Settled while paused                Message(Settled)
//!                   resumed                             stays, queued again; with `skip` goes on,
//!                                                       suppressed (R51)
//! Message(Settled)  resumed                             goes on
//! Wait              TimerDue                            goes on (R20)
//!                   resumed, overdue                    goes on, also with `skip` (R51)
//! Date(NoDate)      the field gets a date               as on arrival
//! Date(Until)       TimerDue within `grace`             goes on (R21)
//!                   TimerDue later, or date moved past  as `past` says (R22)
//!                   TimerDue outside its window         as `past` says (R25)
//!                   TimerDue, fired for this time by    Date(Until) for the next time, or
//!                   another token                       Date(NoDate) (R24)
//!                   date moved ahead                    Date(Until) with the new moment
//!                   field cleared                       Date(NoDate)
//!                   resumed, overdue                    as on TimerDue, whatever `grace` says;
//!                                                       with `skip` as `past: missed` (R51)
//! Date(Following)   TimerDue, or resumed and overdue    ends: the date has passed (R22)
//!                   date moved, field cleared           as with Date(Until)
//! Event, Goal       the event fires, the goal holds     ends; one token goes on from there
//! any               event or goal downstream fires      ends; one token goes on from there (R9)
//!                   reset, restart, stop, held          ends (R11, R12, R16, R40, R41, R43)
//!                   migrated, its element is gone       ends (R50)
//!                   TimerDue or DeliveryDue in a pause  stays (R51)
//! ```
//!
//! As `past` says (R22): `continue` goes on, `end` ends, `missed` goes on from the edge `missed`.
//! Without that edge a token whose date comes again is Date(Until) for the next time, or
//! Date(NoDate) if there is none (R24); another one is Date(Following) while the date itself lies
//! ahead, and else ends.
//!
//! # Files
//!
//! | file | holds |
//! |---|---|
//! | `situation`, `event` | what comes in |
//! | `decision`, `effect`, `contact_write`, `ignored` | what goes out |
//! | `builder` | the decision while it is made: begin, finish, lines, counts (R40, R72) |
//! | `occasion` | what is looked at now: instant, cause, chain, contact, as one value (R3, R42) |
//! | `tokens`, `in_flight_token` | where tokens rest, how they leave and end (R9, R18, R41) |
//! | `hold` | how tokens end and enrollments are held, also by a defect (R18, R40, R41, R43) |
//! | `correction` | what is put right without an event (R30) |
//! | `catching_up` | changes and milestones that were not seen yet, in order (R3, R50, R51) |
//! | `edges` | whether a change is the edge that an event reacts to (R7, R72, R73) |
//! | `entries` | goals, events, starts and their order (R5 to R10, R13 to R15, R52) |
//! | `steps` | what every element does (R10, R41, R42) |
//! | `dates` | waits and date timers (R20 to R25) |
//! | `plans` | what a date timer's date results in: repeated, in its window (R24, R25) |
//! | `repeats` | what was applied last from other campaigns and jobs (R11, R71) |
//! | `runs` | reset, restart, stop, release (R11, R12, R16, R17, R40) |
//! | `messages` | the last look before a message leaves, and what follows it (R31, R34, R43) |
//! | `milestones` | publishing, pause and resume (R50, R51) |
//! | `writing` | what a campaign writes to the contact and asks of others (R3, R11, R42) |
//! | `pausing` | what comes while the campaign is paused, handled on the resume (R51, R52) |
//! | `outstanding` | what an enrollment at rest waits for from outside |
//! | `no_effect` | why nothing followed from a change (R60) |

mod builder;
mod catching_up;
mod contact_write;
mod correction;
mod dates;
mod decision;
mod edges;
mod effect;
mod entries;
mod event;
mod hold;
mod ignored;
mod in_flight_token;
mod messages;
mod milestones;
mod no_effect;
mod occasion;
mod outstanding;
mod pausing;
mod plans;
mod repeats;
mod runs;
mod situation;
mod steps;
#[cfg(test)]
mod tests;
mod tokens;
mod writing;

use builder::DecisionBuilder;
pub use contact_write::ContactWrite;
pub use correction::{message_left_after_all, missing_changes_seen, written_again};
pub use decision::{Advance, Decision, Delivery};
pub use effect::Effect;
pub use event::{Event, Source};
pub use hold::{hold_undecided, quarantine_is_empty};
pub use ignored::{Ignored, NotStarted};
use messages::FinalCheck;
pub use no_effect::{nothing_changed, why_no_effect};
pub use outstanding::outstanding;
pub use situation::Situation;

use crate::history::Cause;

/// The most writes of campaigns that may lead to each other (R42).
pub const DEEPEST: u8 = 20;

/// The most elements that a token moves over without a rest; less than an hour at an e-mail is none
/// (R41).
const MOST_MOVES: u32 = 100;

/// Decides.
pub fn decide(situation: &Situation<'_>, event: &Event) -> Decision {
    let mut builder = match DecisionBuilder::begin(situation) {
        Ok(builder) => builder,
        Err(ignored) => return Decision::Ignore(ignored),
    };
    // What is in quarantine is decided in order after the release, image by image.
    let is_quarantined = builder.is_quarantined();
    if is_quarantined && !event.is_release() {
        return Decision::Ignore(Ignored::Quarantined);
    }
    let applied = !is_quarantined && builder.catch_up();
    let ignored = match event {
        Event::Changed if applied => None,
        Event::Changed => Some(Ignored::AlreadyApplied),
        Event::DeliveryDue { .. } if builder.must_be_committed() => return builder.ask_again(),
        Event::DeliveryDue { run, step } => match builder.delivery_due(*run, *step) {
            FinalCheck::Leaves(delivery) => return Decision::Deliver(delivery),
            FinalCheck::Decided => None,
            FinalCheck::CommitFirst => return builder.ask_again(),
            FinalCheck::Ignored(ignored) => Some(ignored),
        },
        Event::TimerDue { run, step, due } => builder.timer_due(*run, *step, *due).err(),
        Event::RecheckDue { run, due } => builder.recheck_due(*run, *due).err(),
        Event::Settled { run, step, outcome, reason } => {
            builder.settled(*run, *step, *outcome, reason.clone()).err()
        }
        Event::Commanded { from, command, causality } => {
            let cause = Cause::Campaign(from.campaign.clone());
            let occasion = builder.happening_now(cause, *causality);
            builder.commanded(from, *command, occasion).err()
        }
        Event::StatusChanged { from, causality } => builder.status_changed(from, *causality).err(),
        Event::EnrollExisting { job } => builder.enroll_existing(*job).err(),
        Event::MassStop { job, name, reset_contacts, reset_statistics } => {
            builder.mass_stop(*job, name, *reset_contacts, *reset_statistics).err()
        }
        Event::ByHand { command, by, call } => builder.by_hand(*command, by, *call).err(),
        Event::Released { by, call } => builder.released(by, *call).err(),
        Event::MassRelease { job, name } => builder.mass_release(*job, name).err(),
    };
    builder.finish(ignored)
}

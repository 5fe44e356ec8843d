//! The history of a subject: what happened in a campaign, when, in which run, and why (R60).
//!
//! A decision leaves one [`Record`] with a [`Line`] for everything that it did. Lines are stored as
//! short values and put into words when they are read, so that the words can be mended later.

mod trace;
mod words;

use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::compact::SortCompactly as _;
use crate::contact::{Author, Change, Consent, Contact};
use crate::field::FieldValue;
use crate::ids::{CampaignId, ElementId, FieldKey, Tag};
use crate::language::{Language, moment};
use crate::reads::Reads;
use crate::status::Guard;
use crate::tally::Outcome;
use crate::time::{Instant, Zone};

pub use crate::causality::Command;
pub use trace::{MOST_NO_EFFECTS, NoEffect, Trace, WhyNot};

/// How instants are written in a contact's history: in one zone, which is named, as the reader's
/// language writes dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    /// The contact's zone, else the account's.
    pub zone: Zone,
    /// The account's language: it is its people who read.
    pub language: Language,
}

impl Reader {
    /// Who reads this contact's history.
    pub fn of(account: &Account, contact: &Contact) -> Self {
        Self { zone: account.zone_of(contact), language: Language::of(&account.locale) }
    }

    /// An instant as the reader writes it, the zone's name included.
    pub fn moment(&self, at: Instant) -> String {
        moment(at, self.zone, self.language)
    }
}

/// What one decision did, for the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The instant.
    #[serde(rename = "t", with = "chrono::serde::ts_milliseconds")]
    pub at: Instant,
    /// The cause.
    #[serde(rename = "b")]
    pub because: Cause,
    /// What happened, in order.
    #[serde(rename = "l")]
    pub lines: Vec<Line>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The run in which it happened.
    #[serde(rename = "n")]
    pub run: u32,
    /// The element at which it happened.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub element: Option<ElementId>,
    /// What happened.
    #[serde(flatten)]
    pub what: Happened,
}

/// Why something happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Cause {
    /// The contact changed.
    #[serde(rename = "c")]
    Change {
        /// The contact's `rev` after the change.
        #[serde(rename = "r")]
        rev: u64,
        /// What changed, at most [`MOST_NAMED_CHANGES`] things.
        #[serde(rename = "w")]
        what: Vec<Changed>,
        /// Who changed it.
        #[serde(rename = "y")]
        by: Author,
    },
    /// A timer came due.
    #[serde(rename = "t")]
    Timer,
    /// A parked trigger was rechecked.
    #[serde(rename = "k")]
    Recheck(Box<Cause>),
    /// A message was settled; or, as it was written before the two were told apart, was about to
    /// leave.
    #[serde(rename = "m")]
    Message,
    /// A message was about to leave, and was checked once more (R31).
    #[serde(rename = "d")]
    MessageDue,
    /// A webhook was about to be called.
    #[serde(rename = "l")]
    Call,
    /// Another campaign asked for it.
    #[serde(rename = "o")]
    Campaign(CampaignId),
    /// The contact's status in another campaign changed.
    #[serde(rename = "s")]
    StatusIn(CampaignId),
    /// A version was published.
    #[serde(rename = "p")]
    Published(u32),
    /// The campaign was resumed; so it was written before it was known by whom.
    #[serde(rename = "u")]
    Resumed,
    /// The campaign was resumed (R51).
    #[serde(rename = "v")]
    ResumedBy {
        /// The name of the API key that did it, if that is known.
        #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Why that was parked which is handled now.
        #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
        parked: Option<Box<Cause>>,
    },
    /// A job.
    #[serde(rename = "j")]
    Job(String),
    /// Somebody released the held enrollment.
    #[serde(rename = "h")]
    Released(Author),
    /// Somebody asked for it, for this contact alone.
    #[serde(rename = "a")]
    ByHand(Author),
    /// Somebody posted something.
    #[serde(rename = "w")]
    Posted(Author),
    /// A defect of ours.
    #[serde(rename = "x")]
    Defect,
}

/// How many changed things a cause names; how many more there are is said behind them.
pub const MOST_NAMED_CHANGES: usize = 3;

/// One thing that a change changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Changed {
    /// A tag was added.
    #[serde(rename = "a")]
    TagAdded(String),
    /// A tag was assigned again.
    #[serde(rename = "f")]
    TagRefreshed(String),
    /// A tag was removed.
    #[serde(rename = "x")]
    TagRemoved(String),
    /// A field that had no value was set; or, as it was written before the two were told apart, was
    /// changed.
    #[serde(rename = "s")]
    FieldSet(FieldKey),
    /// A field that had a value has another one.
    #[serde(rename = "g")]
    FieldChanged(FieldKey),
    /// A field was cleared.
    #[serde(rename = "z")]
    FieldCleared(FieldKey),
    /// A custom event was posted.
    #[serde(rename = "e")]
    Event(String),
    /// Consent or suppression.
    #[serde(rename = "o")]
    Consent,
    /// Consent, of a contact that had unsubscribed.
    #[serde(rename = "rb")]
    Resubscribed,
    /// A field was sent as it already was.
    #[serde(rename = "q")]
    FieldAsBefore(FieldKey),
    /// A tag was to be removed that was not there.
    #[serde(rename = "n")]
    TagNotThere(String),
    /// It was changed of the contact whose object this is (R72).
    #[serde(rename = "c")]
    OfContact(Box<Changed>),
    /// So many things more.
    #[serde(rename = "m")]
    More(u32),
}

/// The kinds of lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "k")]
pub enum Happened {
    /// A start fired.
    #[serde(rename = "en")]
    Entered,
    /// An event fired.
    #[serde(rename = "ev")]
    EventFired,
    /// A start or event was used up: what its sequence is for has happened (R10).
    #[serde(rename = "uu")]
    UsedUp,
    /// A goal took a token (R8).
    #[serde(rename = "go")]
    GoalReached,
    /// A token rests at an event or a goal.
    #[serde(rename = "re")]
    Rests,
    /// A token ended at an event or goal that has fired, or that it need not wait for.
    #[serde(rename = "te")]
    TokenEnded,
    /// A wait began.
    #[serde(rename = "wa")]
    Waits {
        /// The instant until which it waits.
        #[serde(rename = "d", with = "chrono::serde::ts_milliseconds")]
        until: Instant,
    },
    /// A date timer was set, or follows a moved date (R21).
    #[serde(rename = "dp")]
    DatePlanned {
        /// When it fires.
        #[serde(rename = "d", with = "chrono::serde::ts_milliseconds")]
        due: Instant,
        /// Whether it was re-planned in place.
        #[serde(rename = "v", default, skip_serializing_if = "std::ops::Not::not")]
        moved: bool,
    },
    /// A date timer has no date to wait for.
    #[serde(rename = "dn")]
    NoDate,
    /// A date timer's moment has passed (R22).
    #[serde(rename = "dm")]
    Missed,
    /// A date timer's moment lies outside of its window, and is skipped (R25).
    #[serde(rename = "dw")]
    OutsideWindow,
    /// A wait or a date timer came due.
    #[serde(rename = "tf")]
    TimerFired,
    /// A message was queued.
    #[serde(rename = "mq")]
    MessageQueued,
    /// A message waits for the send window (R25).
    #[serde(rename = "mw")]
    MessageWaits {
        /// The instant until which it waits.
        #[serde(rename = "d", with = "chrono::serde::ts_milliseconds")]
        until: Instant,
    },
    /// A message was settled.
    #[serde(rename = "ms")]
    MessageSettled {
        /// The outcome.
        #[serde(rename = "o")]
        outcome: Outcome,
        /// Why it was not sent.
        #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A message that had not left was dropped (R18).
    #[serde(rename = "md")]
    MessageDropped,
    /// A branch or a split was taken.
    #[serde(rename = "br")]
    Branched {
        /// The key of the edge.
        #[serde(rename = "w")]
        way: String,
    },
    /// The campaign wrote to the contact.
    #[serde(rename = "wr")]
    Wrote {
        /// What it asked for.
        #[serde(rename = "w")]
        what: Vec<Changed>,
        /// Whether it is of the contact whose object this is (R72).
        #[serde(rename = "c", default, skip_serializing_if = "std::ops::Not::not")]
        of_contact: bool,
    },
    /// A field could not be set.
    #[serde(rename = "fr")]
    FieldRefused {
        /// The field.
        #[serde(rename = "f")]
        field: FieldKey,
        /// The reason.
        #[serde(rename = "y")]
        reason: String,
    },
    /// A write was not made: too many campaigns' writes led to it (R42).
    #[serde(rename = "dd")]
    TooDeep,
    /// Tags were not assigned: the contact has as many as it may have.
    #[serde(rename = "tb")]
    TagsFull,
    /// It was reset: the number of the run went up (R11, R16).
    #[serde(rename = "rs")]
    Reset,
    /// The element that reset the campaign is gone from the newest version (R50).
    #[serde(rename = "eg")]
    ElementGone,
    /// The campaign waits to be restarted (R12).
    #[serde(rename = "rr")]
    Restarted {
        /// No start fires before.
        #[serde(rename = "d", with = "chrono::serde::ts_milliseconds")]
        eligible_at: Instant,
    },
    /// A trigger came too early (R14).
    #[serde(rename = "pa")]
    Parked {
        /// When it is rechecked.
        #[serde(rename = "d", with = "chrono::serde::ts_milliseconds")]
        until: Instant,
    },
    /// Something came while the campaign was paused (R51).
    #[serde(rename = "pz")]
    ParkedUntilResumed {
        /// The end of the restart delay, if what came is a trigger that is not handled before
        /// (R14).
        #[serde(
            rename = "d",
            default,
            skip_serializing_if = "Option::is_none",
            with = "chrono::serde::ts_milliseconds_option"
        )]
        not_before: Option<Instant>,
    },
    /// What was parked is discarded (R14, R51): because of a reset, a stop, a release, a guard, a
    /// defect, or a restart in the chain of the parked trigger; or the version that applies has no
    /// start.
    #[serde(rename = "pf")]
    ParkedDiscarded,
    /// What was parked was looked at on the resume and does not fire (R51).
    #[serde(rename = "px")]
    NotFired {
        /// The reason.
        #[serde(rename = "y")]
        reason: String,
    },
    /// A parked trigger was rechecked (R14).
    #[serde(rename = "pr")]
    Rechecked,
    /// No start fired (R15).
    #[serde(rename = "ns")]
    NotStarted {
        /// What was missing.
        #[serde(rename = "y")]
        missing: Vec<String>,
    },
    /// The contact was stopped (R16).
    #[serde(rename = "st")]
    Stopped,
    /// A guard stopped the contact.
    #[serde(rename = "he")]
    Held {
        /// The guard.
        #[serde(rename = "y")]
        guard: Guard,
    },
    /// A held enrollment was released.
    #[serde(rename = "rl")]
    Released,
    /// The run's paths have run out.
    #[serde(rename = "co")]
    Completed,
    /// Another campaign was asked to do something.
    #[serde(rename = "cm")]
    Commanded {
        /// The campaign.
        #[serde(rename = "p")]
        campaign: CampaignId,
        /// The command.
        #[serde(rename = "w")]
        command: Command,
    },
    /// A request to start could not be followed (R52).
    #[serde(rename = "ni")]
    StartIgnored {
        /// The reason.
        #[serde(rename = "y")]
        reason: String,
    },
    /// A webhook was called.
    #[serde(rename = "wh")]
    Called,
    /// A webhook call failed: it was refused, given up, or could not be made.
    #[serde(rename = "wf")]
    CallFailed {
        /// The reason.
        #[serde(rename = "y")]
        reason: String,
    },
    /// Tokens moved to another version (R50).
    #[serde(rename = "mi")]
    Migrated {
        /// The version.
        #[serde(rename = "v")]
        version: u32,
    },
    /// The paused campaign was resumed (R51).
    #[serde(rename = "su")]
    Resumed,
    /// Values that were sent could not be read, and were left out.
    #[serde(rename = "lo")]
    LeftOut {
        /// Where each stood, and what was wrong with it.
        #[serde(rename = "w")]
        what: Vec<(String, String)>,
    },
    /// The contact's contributions to the statistics were taken off (R16).
    #[serde(rename = "sr")]
    StatisticsReset,
}

impl Changed {
    /// Whether it is about something that is read there.
    pub fn is_in(&self, reads: &Reads) -> bool {
        match self {
            Self::TagAdded(tag)
            | Self::TagRefreshed(tag)
            | Self::TagRemoved(tag)
            | Self::TagNotThere(tag) => Tag::kept(tag).is_ok_and(|tag| reads.tags.contains(&tag)),
            Self::FieldSet(key)
            | Self::FieldChanged(key)
            | Self::FieldCleared(key)
            | Self::FieldAsBefore(key) => reads.fields.contains(key),
            // A custom event is posted for those who react to it.
            Self::Event(_) => true,
            Self::OfContact(_) => true,
            Self::Consent | Self::Resubscribed | Self::More(_) => false,
        }
    }
}

impl Cause {
    /// The cause that a change is: what campaigns read comes first, and how much more there is,
    /// last.
    pub fn of(
        change: &Change,
        after: impl Fn(&FieldKey) -> Option<FieldValue>,
        is_read: impl Fn(&Changed) -> bool,
    ) -> Self {
        let mut what: Vec<Changed> = Self::changed(change, after).collect();
        if let Some(person) = &change.person {
            let of_contact = |changed| Changed::OfContact(Box::new(changed));
            let after = |key: &FieldKey| person.values.get(key).cloned();
            what.extend(Self::changed(&person.as_change(change), after).map(of_contact));
        }
        if what.len() > MOST_NAMED_CHANGES {
            what.sort_compactly_by_key(|changed| !is_read(changed));
            let more = what.split_off(MOST_NAMED_CHANGES).len();
            what.push(Changed::More(u32::try_from(more).unwrap_or(u32::MAX)));
        }
        Self::Change { rev: change.rev, what, by: change.by.clone() }
    }

    fn changed<'a>(
        change: &'a Change,
        after: impl Fn(&FieldKey) -> Option<FieldValue> + 'a,
    ) -> impl Iterator<Item = Changed> + 'a {
        (change.consent == Some(Consent::Unsubscribed))
            .then_some(Changed::Resubscribed)
            .into_iter()
            .chain(change.added.iter().map(|tag| Changed::TagAdded(tag.to_string())))
            .chain(change.removed.keys().map(|tag| Changed::TagRemoved(tag.to_string())))
            .chain(change.fields.iter().map(move |(key, before)| match (before, after(key)) {
                (None, Some(_)) => Changed::FieldSet(key.clone()),
                (Some(_), Some(_)) => Changed::FieldChanged(key.clone()),
                (_, None) => Changed::FieldCleared(key.clone()),
            }))
            .chain(change.event.iter().map(|name| Changed::Event(name.clone())))
            .chain(change.refreshed.keys().map(|tag| Changed::TagRefreshed(tag.to_string())))
            .chain(
                (change.consent.is_some_and(|before| before != Consent::Unsubscribed)
                    || change.suppressed.is_some())
                .then_some(Changed::Consent),
            )
    }
}

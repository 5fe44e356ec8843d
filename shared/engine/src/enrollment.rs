//! One subject, a contact or an object, in one campaign: its run, status, tokens, fired entries and
//! goals.
//!
//! An enrollment is a value. Only `crate::decide` makes the next one, and code outside of this
//! crate cannot construct one from its fields. It is stored as one small item with short names,
//! usually at most 1,024 bytes.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::causality::{AskedCommand, Causality, Chain};
use crate::contact::is_zero;
use crate::history::Cause;
use crate::ids::{CampaignId, ContactId, ElementId};
use crate::tally::Tally;
use crate::time::Instant;

pub use crate::status::{Guard, Status};

/// The state of one contact in one campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enrollment {
    /// One passage through the campaign: 1, 2, 3 … It never falls.
    #[serde(rename = "n")]
    pub run: u32,
    /// Where the contact stands.
    #[serde(rename = "st")]
    pub status: Status,
    /// The version whose elements, entries and goals apply while there are tokens (R50).
    #[serde(rename = "v")]
    pub version: u32,
    /// Where the contact is.
    #[serde(rename = "tk", default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<Token>,
    /// The entries and goals that have fired in this run.
    #[serde(rename = "fi", default, skip_serializing_if = "Vec::is_empty")]
    pub fired: Vec<ElementId>,
    /// The arrivals of tokens in this run; the last one's number is the last step.
    #[serde(rename = "ar", default, skip_serializing_if = "is_zero")]
    pub arrivals: u32,
    /// Whether this run has had its first token, and so counts (R40).
    #[serde(rename = "be", default, skip_serializing_if = "std::ops::Not::not")]
    pub begun: bool,
    /// Whether an entry has fired in this run (R53).
    #[serde(rename = "en", default, skip_serializing_if = "std::ops::Not::not")]
    pub entered: bool,
    /// Whether this run has been counted as completed (R53).
    #[serde(rename = "co", default, skip_serializing_if = "std::ops::Not::not")]
    pub completed: bool,
    /// The moments for which waits and date timers have fired in this run, of those at which
    /// another token may still arrive (R20).
    #[serde(
        rename = "lg",
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        with = "crate::time::stored_by"
    )]
    pub fired_at: BTreeMap<ElementId, Instant>,
    /// The last day of those on which a date that comes again came, for which its date timer has
    /// fired, whichever run it was in (R24).
    #[serde(rename = "yl", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub yearly: BTreeMap<ElementId, NaiveDate>,
    /// Until then no start fires (R14).
    #[serde(
        rename = "el",
        default,
        skip_serializing_if = "Option::is_none",
        with = "chrono::serde::ts_milliseconds_option"
    )]
    pub eligible_at: Option<Instant>,
    /// The chain in which the restart happened; its changes are no triggers (R13).
    #[serde(rename = "rc", default, skip_serializing_if = "Option::is_none")]
    pub restart_chain: Option<Chain>,
    /// A trigger that came too early and is rechecked at `eligible_at` (R14).
    #[serde(rename = "pk", default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Parked>,
    /// What has come while the campaign is paused, in order of arrival, each entry once (R51).
    #[serde(rename = "pe", default, skip_serializing_if = "Vec::is_empty")]
    pub parked_entries: Vec<ParkedEntry>,
    /// Runs begun on a day (R40).
    #[serde(rename = "rd", default, skip_serializing_if = "Option::is_none")]
    pub runs_on: Option<DayCount>,
    /// Messages of a day that were sent, are unknown or are on their way (R43).
    #[serde(rename = "md", default, skip_serializing_if = "Option::is_none")]
    pub messages_on: Option<DayCount>,
    /// Whether a user began this run, or reset the contact for it, by hand: such a run does not
    /// count (R40).
    #[serde(rename = "bh", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) by_hand: bool,
    /// The identity of the last call by which a user did something by hand: a repeat of it has no
    /// effect.
    #[serde(rename = "hc", default, skip_serializing_if = "Option::is_none")]
    pub(crate) hand_call: Option<u64>,
    /// Why it is held.
    #[serde(rename = "hd", default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Guard>,
    /// Whether changes are in quarantine and come first: also after a release, until they have been
    /// decided, whatever the contact goes through meanwhile.
    #[serde(rename = "qc", default, skip_serializing_if = "std::ops::Not::not")]
    pub quarantined_changes: bool,
    /// The contact's `rev` up to which changes have been applied.
    #[serde(rename = "se")]
    pub seen: u64,
    /// Of the last changes up to `seen`, those that had no effect here, although something else was
    /// committed: the contact's `rev` after each (R60).
    #[serde(rename = "qu", default, skip_serializing_if = "Vec::is_empty")]
    pub no_effect: Vec<u64>,
    /// How many of the campaign's milestones have been applied.
    #[serde(rename = "ms", default, skip_serializing_if = "is_zero")]
    pub milestones: u32,
    /// The last thing applied from each other campaign: its enrollment's `rev`, and which of that
    /// decision's.
    #[serde(rename = "ap", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub applied: BTreeMap<CampaignId, (u64, u32)>,
    /// The same for what other campaigns have asked for, which may be known before what they did
    /// earlier.
    #[serde(rename = "ac", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) commands: BTreeMap<CampaignId, (u64, u32)>,
    /// The same for what paths of objects have asked for, of which each object's campaigns have
    /// decisions of their own (R71): the last ones, the newest last.
    #[serde(rename = "ao", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) commands_of_objects: Vec<(CampaignId, ContactId, u64, u32)>,
    /// The last things that were asked of other campaigns since the last write to the contact; the
    /// next write carries them (R11).
    #[serde(rename = "td", default, skip_serializing_if = "Vec::is_empty")]
    pub commands_sent: Vec<AskedCommand>,
    /// The same since the last write to the person whose object the subject is (R72).
    #[serde(rename = "tp", default, skip_serializing_if = "Vec::is_empty")]
    pub person_commands_sent: Vec<AskedCommand>,
    /// The `rev` of the person whose object the subject is when the enrollment last got tokens
    /// after it had none: what changed of the person before does not concern it (R72).
    #[serde(rename = "ps", default, skip_serializing_if = "is_zero")]
    pub(crate) person_seen: u64,
    /// The sequence number of the last job applied.
    #[serde(rename = "jb", default, skip_serializing_if = "is_zero")]
    pub job: u64,
    /// Whether that job found nothing to do here.
    #[serde(rename = "ji", default, skip_serializing_if = "std::ops::Not::not")]
    pub idle: bool,
    /// When the contact was first enrolled: the instant of what enrolled it, however late the
    /// decision was made.
    #[serde(
        rename = "cr",
        default,
        skip_serializing_if = "Option::is_none",
        with = "chrono::serde::ts_milliseconds_option"
    )]
    pub created: Option<Instant>,
    /// What this enrollment has contributed to the statistics.
    #[serde(rename = "ta", default, skip_serializing_if = "Tally::is_empty")]
    pub tally: Tally,
    /// The number of decisions committed.
    #[serde(rename = "rv")]
    pub rev: u64,
}

/// A place in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Where it rests.
    #[serde(rename = "e")]
    pub element: ElementId,
    /// The number of its arrival there, counted over the run.
    #[serde(rename = "s")]
    pub step: u32,
    /// When it arrived: after a timer, the timer's due instant.
    #[serde(rename = "t", with = "chrono::serde::ts_milliseconds")]
    pub since: Instant,
    /// What it rests for.
    #[serde(rename = "w")]
    pub rest: Rest,
    /// The chain of causes that brought it here.
    #[serde(rename = "c")]
    pub causality: Causality,
    /// The date after which a message reached from here is too late (R34).
    #[serde(
        rename = "l",
        default,
        skip_serializing_if = "Option::is_none",
        with = "chrono::serde::ts_milliseconds_option"
    )]
    pub not_after: Option<Instant>,
    /// The elements that it has moved over since it last rested at something other than an e-mail
    /// (R41).
    #[serde(rename = "mv", default, skip_serializing_if = "is_zero")]
    pub moves: u32,
    /// The day of the account on which its message counts, if that is not the day of its arrival
    /// (R43).
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub queued_on: Option<NaiveDate>,
}

impl Token {
    /// The instant at which a timer moves it, if one does.
    pub fn due(&self) -> Option<Instant> {
        match self.rest {
            Rest::Message(MessageRest::Window(due)) | Rest::Wait(due) => Some(due),
            Rest::Date(date) => date.due(),
            Rest::Message(MessageRest::Queued | MessageRest::Settled)
            | Rest::Event
            | Rest::Goal => None,
        }
    }
}

/// What a token rests for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rest {
    /// An e-mail, until its message is settled (R31).
    #[serde(rename = "m")]
    Message(MessageRest),
    /// A wait, until it is due (R20).
    #[serde(rename = "w", with = "chrono::serde::ts_milliseconds")]
    Wait(Instant),
    /// A date timer (R21).
    #[serde(rename = "d")]
    Date(DateRest),
    /// An event.
    #[serde(rename = "e")]
    Event,
    /// A goal with `unmet: wait`.
    #[serde(rename = "g")]
    Goal,
}

/// The state of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageRest {
    /// It waits for the send window: the element's own, or the campaign's `email_time` (R25).
    #[serde(rename = "w", with = "chrono::serde::ts_milliseconds")]
    Window(Instant),
    /// It has been handed to the delivery queue.
    #[serde(rename = "q")]
    Queued,
    /// It was settled while the campaign is paused; the token goes on when it is resumed (R51).
    #[serde(rename = "s")]
    Settled,
}

/// The state of a date timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DateRest {
    /// The field is empty.
    #[serde(rename = "n")]
    NoDate,
    /// It fires at the moment.
    #[serde(rename = "a")]
    Until(DatePlan),
    /// The moment has passed and there is no edge `missed`: it follows the field until the date
    /// itself has passed (R22).
    #[serde(rename = "f")]
    Following(DatePlan),
}

impl DateRest {
    /// The instant at which a timer ends the rest.
    pub fn due(self) -> Option<Instant> {
        match self {
            Self::NoDate => None,
            Self::Until(plan) => Some(plan.moment),
            Self::Following(plan) => Some(plan.date),
        }
    }

    /// The plan it was made from; `None` without a date.
    pub fn plan(self) -> Option<DatePlan> {
        match self {
            Self::NoDate => None,
            Self::Until(plan) | Self::Following(plan) => Some(plan),
        }
    }
}

/// What a date timer computes from its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatePlan {
    /// When the timer fires.
    #[serde(rename = "m", with = "chrono::serde::ts_milliseconds")]
    pub moment: Instant,
    /// When the date itself has passed.
    #[serde(rename = "d", with = "chrono::serde::ts_milliseconds")]
    pub date: Instant,
    /// The day on which the date comes this time, if it comes again (R24).
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub occurrence: Option<NaiveDate>,
}

/// A trigger that came before `eligible_at`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parked {
    /// The cause.
    #[serde(rename = "b")]
    pub because: Cause,
    /// Whether the first start is entered, condition or not (R52).
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    pub regardless: bool,
    /// The trigger's place in its chain.
    #[serde(rename = "c")]
    pub causality: Causality,
}

/// A start that is to be checked, or an event that is to fire, when the campaign is resumed (R51).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParkedEntry {
    /// The start or the event.
    #[serde(rename = "e")]
    pub element: ElementId,
    /// Which of the two it was when parked: an id whose type has changed is gone (R50).
    #[serde(rename = "v", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_event: bool,
    /// The cause.
    #[serde(rename = "b")]
    pub because: Cause,
    /// Whether the start is entered, condition or not (R52).
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    pub regardless: bool,
    /// The place in its chain of what came.
    #[serde(rename = "c")]
    pub causality: Causality,
}

/// A count on a calendar day of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCount {
    /// The day.
    #[serde(rename = "d")]
    pub day: NaiveDate,
    /// The number.
    #[serde(rename = "n")]
    pub count: u32,
}

impl DayCount {
    /// How many there have been on the day.
    pub fn on(this: Option<Self>, day: NaiveDate) -> u32 {
        this.filter(|count| count.day == day).map_or(0, |count| count.count)
    }
}

impl Enrollment {
    /// Whether the person's change with this `rev` concerns the enrollment of an object of that
    /// person: it has tokens, and had them before (R72).
    pub fn is_concerned_by_person(&self, rev: u64) -> bool {
        !self.tokens.is_empty() && rev > self.person_seen
    }

    /// An enrollment before anything has happened in it.
    pub fn new(version: u32, seen: u64, milestones: u32) -> Self {
        Self {
            run: 1,
            status: Status::Ready,
            version,
            tokens: Vec::new(),
            fired: Vec::new(),
            arrivals: 0,
            begun: false,
            entered: false,
            completed: false,
            fired_at: BTreeMap::new(),
            yearly: BTreeMap::new(),
            eligible_at: None,
            restart_chain: None,
            parked: None,
            parked_entries: Vec::new(),
            runs_on: None,
            messages_on: None,
            by_hand: false,
            hand_call: None,
            held: None,
            quarantined_changes: false,
            seen,
            no_effect: Vec::new(),
            milestones,
            applied: BTreeMap::new(),
            commands: BTreeMap::new(),
            commands_of_objects: Vec::new(),
            commands_sent: Vec::new(),
            person_commands_sent: Vec::new(),
            person_seen: 0,
            job: 0,
            idle: false,
            created: None,
            tally: Tally::default(),
            rev: 0,
        }
    }

    /// The token at a step of the current run.
    pub fn token(&self, step: u32) -> Option<&Token> {
        self.tokens.iter().find(|token| token.step == step)
    }

    /// Whether it has tokens, or something parked, that a milestone not yet applied may concern.
    pub fn is_behind(&self, milestones: u32) -> bool {
        self.milestones < milestones && (!self.tokens.is_empty() || self.waits_for_resume())
    }

    /// Whether a change could not be decided, and waits with those after it until it is released.
    pub fn is_quarantined(&self) -> bool {
        self.status == Status::Held && self.held == Some(Guard::Undecided)
    }

    /// Whether changes are in quarantine, whatever the status. Earlier versions stored only that it
    /// is held for them.
    pub fn has_quarantined_changes(&self) -> bool {
        self.quarantined_changes || self.held == Some(Guard::Undecided)
    }

    /// Whether something has come while the campaign was paused and is handled when it is resumed
    /// (R51).
    pub fn waits_for_resume(&self) -> bool {
        !self.parked_entries.is_empty() || self.parked.is_some()
    }

    /// Whether something is still to happen to it: a token rests, something is parked, or changes
    /// wait in quarantine. An object with such an enrollment is kept (R74).
    pub fn waits(&self) -> bool {
        !self.tokens.is_empty() || self.waits_for_resume() || self.has_quarantined_changes()
    }

    /// Whether the entry or goal has fired in this run.
    pub fn has_fired(&self, element: &ElementId) -> bool {
        self.fired.contains(element)
    }
}

//! The contact's history: what happened in a campaign, when, in which run, and why (R60).
//!
//! A decision leaves one [`Record`] with a [`Line`] for everything that it did. Lines are stored as short
//! values and put into words when they are read, so that the words can be mended later.

use serde::{Deserialize, Serialize};

use crate::contact::{Author, Change};
use crate::enrollment::Guard;
use crate::field::FieldValue;
use crate::ids::{CampaignId, ElementId, FieldKey};
use crate::statistics::Outcome;
use crate::time::{Instant, Zone};

/// What one decision did, for the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    #[serde(rename = "t", with = "chrono::serde::ts_milliseconds")]
    pub at: Instant,
    /// Why.
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
    /// What.
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
        /// What changed, at most [`NAMED`] things.
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
    /// A message was about to leave, or was settled.
    #[serde(rename = "m")]
    Message,
    /// Another campaign asked for it.
    #[serde(rename = "o")]
    Campaign(CampaignId),
    /// The contact's status in another campaign changed.
    #[serde(rename = "s")]
    StatusIn(CampaignId),
    /// A version was published.
    #[serde(rename = "p")]
    Published(u32),
    /// The campaign was resumed.
    #[serde(rename = "u")]
    Resumed,
    /// A mass action.
    #[serde(rename = "j")]
    Job(String),
    /// Somebody released the held enrollment.
    #[serde(rename = "h")]
    Released(Author),
    /// A defect of ours.
    #[serde(rename = "x")]
    Defect,
}

/// How many changed things a cause names.
pub const NAMED: usize = 3;

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
    /// A field was set or changed.
    #[serde(rename = "s")]
    FieldSet(FieldKey),
    /// A field was cleared.
    #[serde(rename = "z")]
    FieldCleared(FieldKey),
    /// A custom event was posted.
    #[serde(rename = "e")]
    Event(String),
    /// Consent or suppression.
    #[serde(rename = "o")]
    Consent,
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
        /// Until when.
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
        #[serde(rename = "v", default, skip_serializing_if = "is_false")]
        moved: bool,
    },
    /// A date timer has no date to wait for.
    #[serde(rename = "dn")]
    NoDate,
    /// A date timer's moment has passed (R22).
    #[serde(rename = "dm")]
    Missed,
    /// A wait or a date timer came due.
    #[serde(rename = "tf")]
    TimerFired,
    /// A message was queued.
    #[serde(rename = "mq")]
    MessageQueued,
    /// A message waits for the e-mail time.
    #[serde(rename = "mw")]
    MessageWaits {
        /// Until when.
        #[serde(rename = "d", with = "chrono::serde::ts_milliseconds")]
        until: Instant,
    },
    /// A message was settled.
    #[serde(rename = "ms")]
    MessageSettled {
        /// How.
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
    },
    /// A field could not be set.
    #[serde(rename = "fr")]
    FieldRefused {
        /// Which.
        #[serde(rename = "f")]
        field: FieldKey,
        /// Why.
        #[serde(rename = "y")]
        reason: String,
    },
    /// A write was not made: too many campaigns' writes led to it (R42).
    #[serde(rename = "dd")]
    TooDeep,
    /// A new run began (R11).
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
        /// Which.
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
        /// Which campaign.
        #[serde(rename = "p")]
        campaign: CampaignId,
        /// What.
        #[serde(rename = "w")]
        order: Order,
    },
    /// A request to start could not be followed (R52).
    #[serde(rename = "ni")]
    StartIgnored {
        /// Why.
        #[serde(rename = "y")]
        reason: String,
    },
    /// A webhook was called.
    #[serde(rename = "wh")]
    Called,
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
    /// The contact's contributions to the statistics were taken off (R16).
    #[serde(rename = "sr")]
    StatisticsReset,
}

/// What one campaign asks of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// R52.
    #[serde(rename = "s")]
    Start,
    /// R11.
    #[serde(rename = "r")]
    Reset,
    /// R16.
    #[serde(rename = "x")]
    Stop,
    /// R16, with *reset contacts*.
    #[serde(rename = "y")]
    StopAndReset,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(truth: &bool) -> bool {
    !*truth
}

impl Cause {
    /// The cause that a change is.
    pub fn of(change: &Change, after: impl Fn(&FieldKey) -> Option<FieldValue>) -> Self {
        let what = change
            .added
            .iter()
            .map(|tag| Changed::TagAdded(tag.to_string()))
            .chain(change.removed.keys().map(|tag| Changed::TagRemoved(tag.to_string())))
            .chain(change.fields.keys().map(|key| match after(key) {
                Some(_) => Changed::FieldSet(key.clone()),
                None => Changed::FieldCleared(key.clone()),
            }))
            .chain(change.event.iter().map(|name| Changed::Event(name.clone())))
            .chain(change.refreshed.keys().map(|tag| Changed::TagRefreshed(tag.to_string())))
            .chain(
                (change.consent.is_some() || change.suppressed.is_some())
                    .then_some(Changed::Consent),
            )
            .take(NAMED)
            .collect();
        Self::Change { rev: change.rev, what, by: change.by.clone() }
    }

    /// The cause in words, beginning with "because".
    pub fn words(&self) -> String {
        match self {
            Self::Change { what, by, .. } => {
                format!("because {} by {}", list(what, Changed::happened), author(by))
            }
            Self::Timer => "because the timer came due".to_owned(),
            Self::Recheck(parked) => format!("rechecked, {}", parked.words()),
            Self::Message => "because the message was due".to_owned(),
            Self::Campaign(campaign) => format!("because campaign {campaign} asked for it"),
            Self::StatusIn(campaign) => {
                format!("because the status in campaign {campaign} changed")
            }
            Self::Published(version) => format!("because version {version} was published"),
            Self::Resumed => "because the campaign was resumed".to_owned(),
            Self::Job(job) => format!("because of mass action {job}"),
            Self::Released(by) => format!("because {} released it", author(by)),
            Self::Defect => "because of a defect".to_owned(),
        }
    }
}

fn author(by: &Author) -> String {
    match by {
        Author::ApiKey(name) => format!("API key {name}"),
        Author::Element(campaign, element) => format!("campaign {campaign} at {element}"),
        Author::Contact => "the contact".to_owned(),
        Author::MailService => "the mail service".to_owned(),
    }
}

fn list<T>(many: &[T], words: impl Fn(&T) -> String) -> String {
    many.iter().map(words).collect::<Vec<_>>().join(", ")
}

impl Changed {
    fn happened(&self) -> String {
        match self {
            Self::TagAdded(tag) => format!("tag {tag} was added"),
            Self::TagRefreshed(tag) => format!("tag {tag} was assigned again"),
            Self::TagRemoved(tag) => format!("tag {tag} was removed"),
            Self::FieldSet(field) => format!("field {field} was set"),
            Self::FieldCleared(field) => format!("field {field} was cleared"),
            Self::Event(name) => format!("event {name} was posted"),
            Self::Consent => "consent was changed".to_owned(),
        }
    }

    fn asked(&self) -> String {
        match self {
            Self::TagAdded(tag) | Self::TagRefreshed(tag) => format!("added tag {tag}"),
            Self::TagRemoved(tag) => format!("removed tag {tag}"),
            Self::FieldSet(field) => format!("set field {field}"),
            Self::FieldCleared(field) => format!("cleared field {field}"),
            Self::Event(name) => format!("posted event {name}"),
            Self::Consent => "changed consent".to_owned(),
        }
    }
}

impl Happened {
    /// The stable word for the kind, as programs outside read it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Entered => "entered",
            Self::EventFired => "event",
            Self::UsedUp => "used_up",
            Self::GoalReached => "goal",
            Self::Rests => "rests",
            Self::TokenEnded => "ended",
            Self::Waits { .. } => "wait",
            Self::DatePlanned { moved: false, .. } => "timer",
            Self::DatePlanned { moved: true, .. } => "timer_moved",
            Self::NoDate => "timer_without_date",
            Self::Missed => "timer_missed",
            Self::TimerFired => "timer_fired",
            Self::MessageQueued => "message",
            Self::MessageWaits { .. } => "message_waits",
            Self::MessageSettled { outcome, .. } => match outcome {
                Outcome::Sent => "message_sent",
                Outcome::Suppressed => "message_suppressed",
                Outcome::Failed => "message_failed",
                Outcome::Unknown => "message_unknown",
            },
            Self::MessageDropped => "message_dropped",
            Self::Branched { .. } => "branch",
            Self::Wrote { .. } => "wrote",
            Self::FieldRefused { .. } => "field_refused",
            Self::TooDeep => "too_deep",
            Self::Reset => "reset",
            Self::ElementGone => "element_gone",
            Self::Restarted { .. } => "restart",
            Self::Parked { .. } => "parked",
            Self::Rechecked => "recheck",
            Self::NotStarted { .. } => "not_started",
            Self::Stopped => "stopped",
            Self::Held { .. } => "held",
            Self::Released => "released",
            Self::Completed => "completed",
            Self::Commanded { .. } => "commanded",
            Self::StartIgnored { .. } => "start_ignored",
            Self::Called => "webhook",
            Self::Migrated { .. } => "migrated",
            Self::Resumed => "resumed",
            Self::StatisticsReset => "statistics_reset",
        }
    }

    /// The line in words; instants are shown in the zone.
    pub fn words(&self, zone: Zone, because: &Cause) -> String {
        let at = |instant: &Instant| {
            instant.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string()
        };
        match self {
            Self::Entered => "entered the campaign".to_owned(),
            Self::EventFired => "the event happened".to_owned(),
            Self::UsedUp => "used up: what it leads to has happened".to_owned(),
            Self::GoalReached => "the goal was reached".to_owned(),
            Self::Rests => "waits here".to_owned(),
            Self::TokenEnded => "the path ends here".to_owned(),
            Self::Waits { until } => format!("waits until {}", at(until)),
            Self::DatePlanned { due, moved: false } => format!("timer set for {}", at(due)),
            Self::DatePlanned { due, moved: true } => format!("timer moved to {}", at(due)),
            Self::NoDate => "no date, waits for one".to_owned(),
            Self::Missed => "the moment has passed".to_owned(),
            Self::TimerFired => "its time has come".to_owned(),
            Self::MessageQueued => "message on its way".to_owned(),
            Self::MessageWaits { until } => {
                format!("message waits for the e-mail time, {}", at(until))
            }
            Self::MessageSettled { outcome, reason } => match reason {
                Some(reason) => format!("message {}: {reason}", outcome.word()),
                None => format!("message {}", outcome.word()),
            },
            Self::MessageDropped => "message dropped before it left".to_owned(),
            Self::Branched { way } => format!("took the way {way}"),
            Self::Wrote { what } => list(what, Changed::asked),
            Self::FieldRefused { field, reason } => format!("field {field} was not set: {reason}"),
            Self::TooDeep => {
                "not written: campaigns have answered each other's writes too often".to_owned()
            }
            Self::Reset => "campaign reset".to_owned(),
            Self::ElementGone => "the path ends: the newest version has no such element".to_owned(),
            Self::Restarted { eligible_at } => {
                format!("campaign restarted, a trigger from {} on starts it", at(eligible_at))
            }
            Self::Parked { until } => {
                format!("waiting for restart, parked until {}, {}", at(until), because.words())
            }
            Self::Rechecked => "start conditions rechecked".to_owned(),
            Self::NotStarted { missing } => format!("not started, missing: {}", missing.join(", ")),
            Self::Stopped => "campaign stopped".to_owned(),
            Self::Held { guard } => format!("held: {}", guard.words()),
            Self::Released => "released".to_owned(),
            Self::Completed => "campaign completed".to_owned(),
            Self::Commanded { campaign, order } => match order {
                Order::Start => format!("asked campaign {campaign} to start"),
                Order::Reset => format!("reset campaign {campaign}"),
                Order::Stop => format!("stopped campaign {campaign}"),
                Order::StopAndReset => format!("stopped and reset campaign {campaign}"),
            },
            Self::StartIgnored { reason } => format!("not started: {reason}"),
            Self::Called => "webhook called".to_owned(),
            Self::Migrated { version } => format!("moved to version {version}"),
            Self::Resumed => "goes on after the pause".to_owned(),
            Self::StatisticsReset => "statistics reset".to_owned(),
        }
    }
}

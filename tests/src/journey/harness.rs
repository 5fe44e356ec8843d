//! What a script is played on.

use std::collections::BTreeSet;

use dacapo_engine::statistics::Outcome;
use dacapo_engine::time::Instant;

use super::script::{Deed, Script};

/// What scripts are played on. It answers in words, so callers do not depend on its types.
pub trait Harness {
    /// The missing features that the script needs; empty if it can be played.
    fn unsupported(&self, script: &Script) -> BTreeSet<Unsupported>;

    /// An account, before anything happens in it.
    ///
    /// # Errors
    ///
    /// Why it could not be made; so for the others.
    fn begin(&mut self, script: &Script, at: Instant) -> Result<(), String>;

    /// Makes something happen. Returns whether it changed anything.
    ///
    /// # Errors
    ///
    /// Why it could not happen.
    fn apply(&mut self, deed: &Deed) -> Result<bool, String>;

    /// Waits until everything of this instant is done.
    ///
    /// # Errors
    ///
    /// Why it could not be waited for.
    fn settle(&mut self) -> Result<(), String>;

    /// The results since the last call: each contact's history of a campaign in order.
    ///
    /// # Errors
    ///
    /// Why it cannot be said.
    fn observations(&mut self) -> Result<Vec<Observation>, String>;

    /// Where a contact is, in order of campaign.
    ///
    /// # Errors
    ///
    /// Why it cannot be said.
    fn enrollment_states(&mut self, contact: &str) -> Result<Vec<EnrollmentState>, String>;

    /// The whole history of a contact, oldest first.
    ///
    /// # Errors
    ///
    /// Why it cannot be said.
    fn history(&mut self, contact: &str) -> Result<Vec<HistoryLine>, String>;

    /// A campaign's statistics.
    ///
    /// # Errors
    ///
    /// Why it cannot be said.
    fn statistics(&mut self, campaign: &str) -> Result<Counts, String>;
}

/// Why a harness cannot play a script. There are no other reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unsupported {
    /// Lines joined by `&`: the system cannot be delayed from outside.
    HoldingBack,
    /// `down until`: it cannot be stopped and started again.
    Stopping,
    /// `stop`: it is not played by a mass action there.
    MassActions,
    /// `mail service`: its answers cannot be controlled.
    MailService,
    /// `bounces`, `complains`: only the mail service reports these, no call does.
    Feedback,
    /// `show ignored`: ignored events are not recorded.
    Ignored,
    /// A webhook element: no server answers.
    Webhooks,
    /// A split depends on the contact's id, which the system makes.
    ChosenIds,
    /// A custom event and something else in one change, which no call makes.
    EventWithMore,
    /// `erase`: nothing more is told of who is erased.
    Erasing,
    /// `resume … enroll existing`: contacts enter later, when the lists show all of them.
    ListsAtOnce,
}

impl Unsupported {
    /// All reasons.
    pub const ALL: [Self; 11] = [
        Self::HoldingBack,
        Self::Stopping,
        Self::MassActions,
        Self::MailService,
        Self::Feedback,
        Self::Ignored,
        Self::Webhooks,
        Self::ChosenIds,
        Self::EventWithMore,
        Self::Erasing,
        Self::ListsAtOnce,
    ];

    /// The reason in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::HoldingBack => "`&`: nobody outside can hold the system back",
            Self::Stopping => "`down until`: it cannot be stopped and started again",
            Self::MassActions => "`stop`: it is not played by a mass action there",
            Self::MailService => "`mail service`: what that says is in nobody's hand",
            Self::Feedback => "`bounces`, `complains`: the mail service says so, no call does",
            Self::Ignored => "`show ignored`: what was ignored is nowhere written down",
            Self::Webhooks => "a webhook: nobody is there who answers",
            Self::ChosenIds => "a split draws by the contact's id, which the system makes",
            Self::EventWithMore => "an event and something else in one change: no call makes it",
            Self::Erasing => "`erase`: nothing more is told of who is erased",
            Self::ListsAtOnce => "`resume … enroll existing`: lists follow two minutes later there",
        }
    }
}

/// A result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// A message was settled.
    Mail(Mail),
    /// A line of history.
    History(HistoryLine),
    /// A trace.
    NoEffect(NoEffect),
    /// A webhook was called: contact, campaign, element.
    Called(String, String, String),
    /// Something was ignored, in words.
    Ignored(String),
}

/// A message that was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// To whom.
    pub contact: String,
    /// From which element.
    pub element: String,
    /// In which run.
    pub run: u32,
    /// When.
    pub at: Instant,
    /// How.
    pub outcome: Outcome,
    /// Why it was not sent.
    pub reason: String,
    /// The subject, if it was sent.
    pub subject: String,
}

/// A line of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    /// Whose.
    pub contact: String,
    /// In which campaign.
    pub campaign: String,
    /// In which run.
    pub run: u32,
    /// At which element.
    pub element: Option<String>,
    /// When.
    pub at: Instant,
    /// What happened, in words; instants are in the contact's zone.
    pub text: String,
    /// Why, in words.
    pub cause: String,
}

/// A trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoEffect {
    /// Whose.
    pub contact: String,
    /// When it was sent.
    pub at: Instant,
    /// What was sent, and which campaigns evaluated it, in words.
    pub text: String,
    /// By whom, in words.
    pub cause: String,
}

/// Where a contact is in a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentState {
    /// Which campaign.
    pub campaign: String,
    /// In which run.
    pub run: u32,
    /// The status, as programs read it.
    pub status: String,
    /// Where tokens rest, each with the instant of its timer.
    pub tokens: Vec<(String, Option<Instant>)>,
    /// Until when a trigger is parked.
    pub parked: Option<Instant>,
    /// The entries that are handled when the campaign is resumed.
    pub parked_entries: Vec<String>,
}

/// A campaign's statistics: words and numbers, in the order in which they are shown.
pub type Counts = Vec<(String, i64)>;

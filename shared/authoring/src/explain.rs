//! Why a contact is where it is in a campaign, what comes next, and why nothing happened (R61).
//!
//! [`explain`] is a pure function of what was read: the situation as a decision has it, the newest
//! lines of the history and the newest messages. It gives an [`Explanation`]: a few sentences, and
//! the same as data. It decides nothing and knows no more than it is given: what is older than
//! the lines that were read is left out.

mod changes;
mod next;
mod places;
mod summary;
#[cfg(test)]
mod tests;
mod words;

use dacapo_engine::campaign::format::Element;
use dacapo_engine::campaign::graph::Graph;
use dacapo_engine::condition::{Judged, View};
use dacapo_engine::decide::Situation;
use dacapo_engine::enrollment::{Enrollment, Status};
use dacapo_engine::history::{Happened, Line, Reader, Record, Trace};
use dacapo_engine::ids::ElementId;
use dacapo_engine::time::{Instant, Zone};

/// How many of the last messages and of the last changes are told.
pub const MOST_MESSAGES_OR_CHANGES: usize = 10;

/// How many things are said at most that can come next.
pub const MOST_NEXT: usize = 20;

/// What was read.
#[derive(Clone, Copy)]
pub struct ExplanationInput<'a> {
    /// Account, campaign, subject and enrollment, with the version that the tokens are on.
    pub situation: Situation<'a>,
    /// When the pause ends by itself, if the campaign is paused and that was said.
    pub paused_until: Option<Instant>,
    /// The subject's newest history in this campaign, newest first, and what nothing followed from
    /// in any.
    pub history: &'a [Remembered],
    /// The subject's newest messages of this campaign, newest first.
    pub messages: &'a [ExplainedMessage],
}

/// A piece of history.
#[derive(Debug, Clone, PartialEq)]
pub enum Remembered {
    /// What a decision did.
    Decided(Record),
    /// What nothing followed from.
    Nothing(Trace),
}

/// A message, as far as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedMessage {
    /// When the status was reached.
    pub at: Instant,
    /// The run.
    pub run: u32,
    /// The element.
    pub element: ElementId,
    /// `claimed`, `released`, `sent`, `suppressed`, `failed` or `unknown`.
    pub status: &'static str,
    /// Which check stopped it, or what went wrong.
    pub reason: Option<String>,
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Everything in a few sentences.
    pub summary: String,
    /// The contact's zone, in which the sentences tell instants.
    pub time_zone: Zone,
    /// Where the enrollment stands; `None` if it was never in the campaign.
    pub status: Option<Status>,
    /// Its run.
    pub run: Option<u32>,
    /// Since when it stands so, if the history that was read knows it.
    pub since: Option<Instant>,
    /// Why it stands so, in words, if the history that was read knows it.
    pub why: Option<String>,
    /// The version that applies to it; `None` if nothing was published.
    pub version: Option<u32>,
    /// Since when the campaign is paused.
    pub paused_since: Option<Instant>,
    /// When the pause ends by itself.
    pub paused_until: Option<Instant>,
    /// Where its paths are.
    pub places: Vec<TokenPlace>,
    /// What can come next: what has an instant first, in order of time.
    pub next: Vec<NextStep>,
    /// If nothing is running: the starts that could fire, and what of their conditions holds.
    pub starts: Vec<StartJudged>,
    /// What came too early, and waits to be looked at.
    pub parked: Vec<ExplainedParked>,
    /// The last messages, newest first.
    pub last_messages: Vec<ExplainedMessage>,
    /// The last changes that concern the campaign, newest first, and what came of each.
    pub last_changes: Vec<ChangeTold>,
}

/// Where a path is.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenPlace {
    /// The element.
    pub element: ElementId,
    /// When it arrived.
    pub since: Instant,
    /// When a timer moves it.
    pub due: Option<Instant>,
    /// What it does there.
    pub text: String,
    /// Why it arrived, if the history that was read knows it.
    pub why: Option<String>,
}

/// Something that can come next.
#[derive(Debug, Clone, PartialEq)]
pub struct NextStep {
    /// When; `None` if no clock decides it.
    pub at: Option<Instant>,
    /// At which element.
    pub element: Option<ElementId>,
    /// What.
    pub text: String,
}

/// A start, and what of its condition holds.
#[derive(Debug, Clone, PartialEq)]
pub struct StartJudged {
    /// The start.
    pub element: ElementId,
    /// Its condition.
    pub condition: Judged,
}

/// What came too early.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedParked {
    /// The start or event, if it is about one; a trigger is about all starts.
    pub element: Option<ElementId>,
    /// Until when; `None` if until the campaign is resumed.
    pub until: Option<Instant>,
    /// By which trigger, in words.
    pub because: String,
}

/// A change, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeTold {
    /// When.
    pub at: Instant,
    /// What changed, and by whom.
    pub text: String,
    /// What it did in the campaign; `None` if nothing.
    pub effect: Option<String>,
    /// Why it did nothing; `None` if it did something.
    pub why_not: Option<String>,
}

/// Explains where the subject is in the campaign.
pub fn explain(known: &ExplanationInput<'_>) -> Explanation {
    let explaining = Explaining::of(known);
    let mut explanation = Explanation {
        summary: String::new(),
        time_zone: explaining.zone,
        status: explaining.enrollment().map(|enrollment| enrollment.status),
        run: explaining.enrollment().map(|enrollment| enrollment.run),
        since: None,
        why: None,
        version: explaining.graph.map(|graph| graph.version),
        paused_since: known.situation.campaign.timeline.paused_since(),
        paused_until: known.paused_until,
        places: explaining.places(),
        next: explaining.next(),
        starts: explaining.starts(),
        parked: explaining.parked(),
        last_messages: known.messages.iter().take(MOST_MESSAGES_OR_CHANGES).cloned().collect(),
        last_changes: explaining.changes(),
    };
    if let Some((at, because)) = explaining.standing_since() {
        (explanation.since, explanation.why) = (Some(at), Some(because));
    }
    explanation.summary = explaining.summary(&explanation);
    explanation
}

/// Why an enrollment stands as this line made it. Of a reset it is told that it was one: its cause
/// alone, such as a message that was settled, says nothing of it.
fn why_so(record: &Record, line: &Line) -> String {
    let because = record.because.words();
    match (&line.what, &line.element) {
        (Happened::Reset, Some(element)) => {
            format!("because it was reset at `{element}` ({because})")
        }
        (Happened::Reset, None) => format!("because it was reset ({because})"),
        _ => because,
    }
}

/// An explanation in the making.
struct Explaining<'a> {
    known: &'a ExplanationInput<'a>,
    /// The version that applies to the enrollment.
    graph: Option<&'a Graph>,
    reader: Reader,
    zone: Zone,
}

impl<'a> Explaining<'a> {
    fn of(known: &'a ExplanationInput<'a>) -> Self {
        let Situation { account, campaign, contact, person, enrollment, .. } = known.situation;
        let newest = campaign.timeline.standing().map(|standing| standing.version);
        let version = match enrollment {
            Some(enrollment) if !enrollment.tokens.is_empty() => Some(enrollment.version),
            Some(_) | None => newest,
        };
        let graph = version.and_then(|version| campaign.versions.get(&version));
        let reader = Reader::of(account, person.unwrap_or(contact));
        Self { known, graph: graph.map(AsRef::as_ref), reader, zone: reader.zone }
    }

    fn enrollment(&self) -> Option<&'a Enrollment> {
        self.known.situation.enrollment
    }

    fn status(&self) -> Option<Status> {
        self.enrollment().map(|enrollment| enrollment.status)
    }

    fn is_paused(&self) -> bool {
        self.known.situation.campaign.timeline.paused_since().is_some()
    }

    fn moment(&self, at: Instant) -> String {
        self.reader.moment(at)
    }

    fn view(&self) -> View<'a> {
        let Situation { contact, person, statuses, now, .. } = self.known.situation;
        View { contact, person: person.unwrap_or(contact), statuses, now, zone: self.zone }
    }

    /// What decisions did, newest first.
    fn records(&self) -> impl Iterator<Item = &'a Record> {
        self.known.history.iter().filter_map(|one| match one {
            Remembered::Decided(record) => Some(record),
            Remembered::Nothing(_) => None,
        })
    }

    /// The lines of the enrollment's run, newest first.
    fn lines(&self) -> impl Iterator<Item = (&'a Record, &'a Line)> {
        let run = self.enrollment().map(|enrollment| enrollment.run);
        self.records()
            .flat_map(|record| record.lines.iter().rev().map(move |line| (record, line)))
            .filter(move |(_, line)| Some(line.run) == run)
    }

    /// Since when the enrollment stands as it does, and why.
    fn standing_since(&self) -> Option<(Instant, String)> {
        let status = self.status()?;
        let made_it_so = |line: &Line| match status {
            Status::Active => {
                matches!(line.what, Happened::Entered | Happened::EventFired)
                    || self.goes_on_after_reset(line)
            }
            Status::Completed => matches!(line.what, Happened::Completed),
            Status::Ready => matches!(line.what, Happened::Reset | Happened::Released),
            Status::AwaitingRestart => matches!(line.what, Happened::Restarted { .. }),
            Status::Stopped => matches!(line.what, Happened::Stopped),
            Status::Held => matches!(line.what, Happened::Held { .. }),
        };
        let mut all = self.lines().filter(|(_, line)| made_it_so(line));
        // A run is active since its first entry.
        let found = if status == Status::Active { all.last() } else { all.next() };
        found.map(|(record, line)| (record.at, why_so(record, line)))
    }

    /// Whether the run began with this reset: the path goes on behind the element (R11).
    fn goes_on_after_reset(&self, line: &Line) -> bool {
        let element = line.element.as_ref().and_then(|id| self.graph?.element(id));
        matches!(element, Some((_, Element::Reset(reset))) if reset.next.is_some())
            && line.what == Happened::Reset
    }

    /// The starts that could fire now, and what of their conditions holds; none while something is
    /// running, or if nobody may enter.
    fn starts(&self) -> Vec<StartJudged> {
        let (Some(graph), false) = (self.graph, self.may_not_enter()) else { return Vec::new() };
        if self.enrollment().is_some_and(|enrollment| !enrollment.tokens.is_empty()) {
            return Vec::new();
        }
        let view = self.view();
        let starts = graph.elements().filter(|(_, id, _)| !self.has_fired(id));
        starts
            .filter_map(|(_, id, element)| match element {
                Element::Start(start) => {
                    Some(StartJudged { element: id.clone(), condition: start.when.judged(&view) })
                }
                _ => None,
            })
            .collect()
    }

    fn may_not_enter(&self) -> bool {
        matches!(self.status(), Some(Status::Stopped | Status::Held))
    }

    fn has_fired(&self, id: &ElementId) -> bool {
        self.enrollment().is_some_and(|enrollment| enrollment.has_fired(id))
    }

    fn parked(&self) -> Vec<ExplainedParked> {
        let Some(enrollment) = self.enrollment() else { return Vec::new() };
        let until = enrollment.eligible_at.filter(|_| !self.is_paused());
        let trigger = enrollment.parked.iter().map(|parked| ExplainedParked {
            element: None,
            until,
            because: parked.because.words(),
        });
        let entries = enrollment.parked_entries.iter().map(|entry| ExplainedParked {
            element: Some(entry.element.clone()),
            until: None,
            because: entry.because.words(),
        });
        trigger.chain(entries).collect()
    }
}

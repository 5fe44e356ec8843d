//! How publishing is asked for, and what it would do, as the API shows it: as data, and in lines
//! for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dacapo_authoring::difference::{Difference, DifferentKey, DifferentPart};
use dacapo_authoring::foresight::{Compared, MOST_NAMED, PlayedRun, Unplayed};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::calls::Finding;
use crate::api::contacts::object_names::ObjectName;

/// How many parts are told of what changes.
pub(super) const MOST_CHANGES: usize = 200;

/// How many examples are shown.
const EXAMPLES: usize = 3;

/// How to publish.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HowToPublish {
    /// Whether contacts that are there already may enter.
    pub(super) enroll_existing: bool,
    /// What becomes of contacts on their way.
    pub(super) in_flight: InFlight,
    /// With `dry_run`, a document that is looked at instead of the draft, YAML or JSON.
    pub(super) source: Option<String>,
}

/// What becomes of contacts on their way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum InFlight {
    /// They go on in the version that they are in.
    #[default]
    Stay,
    /// They move to the new version, each to the element of the same id.
    Migrate,
}

/// What publishing would do. Nothing is written.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Foreseen {
    /// Always `true`.
    dry_run: bool,
    /// The version that it would be.
    pub(super) version: u32,
    /// The version that is published; `null` if none is.
    pub(super) published: Option<u32>,
    /// All of this in lines for people.
    pub(super) text: String,
    /// What the lints find in it: worth a look, and no more than 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) problems: Vec<Finding>,
    /// What is different from the published version, part by part; 200 parts at most.
    pub(super) changes: Vec<DifferentPartShape>,
    /// How many more parts are different.
    pub(super) changes_left_out: usize,
    /// How many wait where now, in all versions, as the statistics count them: in the order of the
    /// published version.
    pub(super) waiting: Vec<WaitingShape>,
    pub(super) in_flight: InFlightShape,
}

/// A part of the document that is different.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DifferentPartShape {
    /// The key of the document that it is under: `name`, `settings`, `elements`, `emails` …
    part: String,
    /// Which element, e-mail, field or type of objects; left out in parts that hold one thing.
    #[schema(required = false, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// `added`, `removed` or `changed`.
    kind: &'static str,
    /// The keys that are different; `order` if an element is in another place.
    keys: Vec<DifferentKeyShape>,
}

/// A key that is different.
#[derive(Debug, Serialize, ToSchema)]
struct DifferentKeyShape {
    key: String,
    /// On one line, and short: of a long text, from a little before the first difference on. `null`
    /// if it was not written.
    before: Option<String>,
    after: Option<String>,
}

/// How many wait at an element.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WaitingShape {
    pub(super) element: String,
    pub(super) contacts: u64,
    /// Whether the new version has it, as an element of the same type. If not, a path that rests
    /// there ends when it migrates.
    pub(super) remains: bool,
}

/// What becomes of those in flight.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InFlightShape {
    /// What was asked: `stay` or `migrate`.
    pub(super) mode: InFlight,
    /// How many are in flight, as the statistics count them: contacts, or objects.
    pub(super) contacts: u64,
    /// How many of them were looked at: 200 at most, for as long as there is time.
    pub(super) looked_at: usize,
    /// How many of those go elsewhere by this publishing: with `migrate` as `ahead` says, with
    /// `stay` none.
    pub(super) elsewhere: usize,
    /// From where they are on, if they migrate: what comes next as if nobody did anything any more.
    pub(super) ahead: PlayedShape,
    /// What is recorded of the run that they are in, played again: as if the new version had been
    /// published right before it.
    pub(super) again: PlayedShape,
}

/// What was played on the published version and on the new one.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct PlayedShape {
    /// How many could be played.
    played: usize,
    /// How many of those come to another place, by another way, or get another message; in `again`
    /// a way alone does not count.
    pub(super) elsewhere: usize,
    /// Who could not be played, by reason; nothing is said about them.
    not_played: Vec<NotPlayedShape>,
    /// Three of those that go elsewhere.
    examples: Vec<ExampleShape>,
}

/// Some who could not be played.
#[derive(Debug, Serialize, ToSchema)]
struct NotPlayedShape {
    /// `too_much`, `long_history`, `long_timeline` or `came_out_otherwise`.
    reason: &'static str,
    /// In words.
    text: &'static str,
    contacts: usize,
}

/// Somebody who goes elsewhere.
#[derive(Debug, Serialize, ToSchema)]
struct ExampleShape {
    contact_id: String,
    /// The object that is in it, if the campaign is about objects.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<ObjectName>,
    /// The run that it is in.
    run: u32,
    was: CourseShape,
    would_be: CourseShape,
    /// Both in words.
    text: String,
}

/// A way, and where it leads.
#[derive(Debug, Serialize, ToSchema)]
struct CourseShape {
    /// The first 50 elements that are passed, in order.
    passed: Vec<String>,
    /// The first 50 elements whose messages are sent, in order.
    sent: Vec<String>,
    /// Where its paths rest in the end.
    rests: Vec<String>,
    /// The run in the end.
    run: u32,
    /// The status in the end; `null` if it is not in the campaign.
    status: Option<&'static str>,
}

/// Who somebody is in an answer.
pub(super) struct Who {
    pub(super) contact_id: String,
    pub(super) object: Option<ObjectName>,
    pub(super) run: u32,
}

impl Foreseen {
    /// Everything but the text.
    pub(super) fn new(version: u32, difference: &Difference, in_flight: InFlightShape) -> Self {
        let parts = difference.parts.iter();
        Self {
            dry_run: true,
            version,
            published: None,
            text: String::new(),
            problems: Vec::new(),
            changes: parts.take(MOST_CHANGES).map(DifferentPartShape::of).collect(),
            changes_left_out: difference.parts.len().saturating_sub(MOST_CHANGES),
            waiting: Vec::new(),
            in_flight,
        }
    }

    /// All of it in lines for people.
    pub(super) fn told(&self, difference: &Difference) -> String {
        let mut text = match self.published {
            Some(published) => {
                format!("Publishing makes version {} of version {published}.\n", self.version)
            }
            None => format!("Publishing makes version {}; none is published now.\n", self.version),
        };
        if self.published.is_some() && difference.is_empty() {
            text.push_str("Nothing is different.\n");
        }
        let shown =
            Difference { parts: difference.parts.iter().take(MOST_CHANGES).cloned().collect() };
        if self.published.is_some() {
            text.push_str(&shown.text());
            if self.changes_left_out > 0 {
                let _ = writeln!(text, "… and {} more parts", self.changes_left_out);
            }
        }
        if !self.waiting.is_empty() {
            text.push_str("\nNow waiting:\n");
        }
        for WaitingShape { element, contacts, remains } in &self.waiting {
            let gone = if *remains { "" } else { ", which the new version does not have" };
            let _ = writeln!(text, "    {contacts} at {element}{gone}");
        }
        text + &self.in_flight.told()
    }
}

impl InFlightShape {
    fn told(&self) -> String {
        let Self { mode, contacts, looked_at, ahead, again, .. } = self;
        if *looked_at == 0 {
            return String::new();
        }
        let mut text = format!("\nIn flight: {contacts}, of which {looked_at} were looked at.\n");
        let (elsewhere, played) = (ahead.elsewhere, ahead.played);
        let _ = match mode {
            InFlight::Stay => writeln!(
                text,
                "They stay on the version that they are on: nobody goes elsewhere by this.\nIf \
                 they migrated, {elsewhere} of {played} would go elsewhere from now on."
            ),
            InFlight::Migrate => {
                writeln!(text, "They migrate: {elsewhere} of {played} go elsewhere from now on.")
            }
        };
        ahead.add_to(&mut text);
        let _ = writeln!(
            text,
            "If this version had been there before their runs, {} of {} would be elsewhere now, or \
             would have got other messages.",
            again.elsewhere, again.played
        );
        again.add_to(&mut text);
        text
    }
}

impl PlayedShape {
    /// Adds what came of somebody. `who` is asked for an example.
    pub(super) fn add(&mut self, compared: &Result<Compared, Unplayed>, who: impl Fn() -> Who) {
        match compared {
            Ok(compared) => {
                self.played += 1;
                if compared.is_elsewhere {
                    self.elsewhere += 1;
                    if self.examples.len() < EXAMPLES {
                        self.examples.push(ExampleShape::of(compared, who()));
                    }
                }
            }
            Err(why) => {
                let word = why.word();
                match self.not_played.iter_mut().find(|known| known.reason == word) {
                    Some(known) => known.contacts += 1,
                    None => {
                        let (reason, text) = (word, why.words());
                        self.not_played.push(NotPlayedShape { reason, text, contacts: 1 });
                    }
                }
            }
        }
    }

    fn add_to(&self, text: &mut String) {
        for ExampleShape { contact_id, object, run, text: way, .. } in &self.examples {
            let object = object.as_ref().map(|object| format!(", {object}")).unwrap_or_default();
            let _ = writeln!(text, "    {contact_id}{object}, run {run}: {way}");
        }
        for NotPlayedShape { text: why, contacts, .. } in &self.not_played {
            let _ = writeln!(text, "    {contacts} could not be played: {why}");
        }
    }
}

impl ExampleShape {
    fn of(compared: &Compared, who: Who) -> Self {
        let Who { contact_id, object, run } = who;
        let (was, would_be) = (&compared.was, &compared.would_be);
        let text = compared.text();
        let (was, would_be) = (CourseShape::of(was), CourseShape::of(would_be));
        Self { contact_id, object, run, was, would_be, text }
    }
}

impl CourseShape {
    fn of(played: &PlayedRun) -> Self {
        let ids = |all: &[dacapo_engine::ids::ElementId]| -> Vec<String> {
            all.iter().take(MOST_NAMED).map(ToString::to_string).collect()
        };
        Self {
            passed: ids(&played.passed),
            sent: ids(&played.sent),
            rests: ids(&played.rests),
            run: played.run,
            status: played.status.map(dacapo_engine::enrollment::Status::word),
        }
    }
}

impl DifferentPartShape {
    fn of(part: &DifferentPart) -> Self {
        let key = |key: &DifferentKey| DifferentKeyShape {
            key: key.key.clone(),
            before: key.before.clone(),
            after: key.after.clone(),
        };
        Self {
            part: part.part.clone(),
            id: part.id.clone(),
            kind: part.kind.word(),
            keys: part.keys.iter().map(key).collect(),
        }
    }
}

/// Where somebody waits, in the order of the published version; `remains` says of an element
/// whether the new version has it.
pub(super) fn waiting(
    mut at: BTreeMap<String, u64>,
    order: impl Iterator<Item = String>,
    remains: impl Fn(&str) -> bool,
) -> Vec<WaitingShape> {
    let known: Vec<(String, u64)> = order.filter_map(|id| at.remove_entry(&id)).collect();
    let all = known.into_iter().chain(at).filter(|(_, contacts)| *contacts > 0);
    all.map(|(element, contacts)| WaitingShape { remains: remains(&element), element, contacts })
        .collect()
}

//! Lints: mistakes that can be published and work as written, but not as meant.
//!
//! A lint looks at the campaigns that are given together. It promises to be precise rather than
//! loud: it speaks only where it can say what will happen to a contact, and it says so with a
//! scenario for this very campaign, which the simulator can play. Codes and names never change.
//!
//! Each family is a file, with its tests beside it; a lint's own example trips it and its mended
//! example does not, which the tests hold for every lint, as they play every proof.

mod across;
mod again;
mod allowed;
mod birthday;
mod content;
mod expected;
mod facts;
mod firing;
mod lacking;
mod mail;
mod markup;
mod names;
mod page;
mod pages;
mod reasoning;
mod story;
mod timing;
mod twice;
mod waiting;
mod words;

#[cfg(test)]
mod tests;

use dacapo_engine::campaign::format::Document;
use dacapo_engine::campaign::reader::{KeyPath, LocatedDocument, Place};
use dacapo_engine::compact::SortCompactly as _;
use dacapo_engine::ids::{FieldKey, ObjectType};

use crate::expectation::differences;
use crate::finding::{Finding, Proof, Severity};
use crate::simulate::{Bounds, Surroundings, simulate};
use facts::{AllFacts, Facts};

pub use markup::GMAIL_SHOWS;
pub use page::LintPage;
pub use pages::{index, page, page_of};

/// A lint: its names, and how it is found. Its [`LintPage`] says what it is.
pub struct Lint {
    /// Stable, such as `D101`; the first digit is its family.
    pub code: &'static str,
    /// Stable, in words.
    pub name: &'static str,
    /// How much its findings matter.
    pub severity: Severity,
    check: Check,
}

/// Adds what is found in the campaign of the facts.
type Check = fn(&Facts<'_>, &AllFacts<'_>, &mut LintFindings<'_>);

/// A lint whose findings are most likely mistakes.
const fn warning(code: &'static str, name: &'static str, check: Check) -> Lint {
    Lint { code, name, severity: Severity::Warning, check }
}

/// A lint whose findings may well be meant.
const fn advice(code: &'static str, name: &'static str, check: Check) -> Lint {
    Lint { code, name, severity: Severity::Advice, check }
}

/// All lints, in order of their codes.
pub static LINTS: [Lint; 25] = [
    advice("D101", "reset-nobody-leads-to", again::reset_nobody_leads_to),
    warning("D102", "restart-no-change-can-follow", again::restart_no_change_can_follow),
    warning("D103", "restart-start-still-holds", again::restart_start_still_holds),
    warning("D104", "fires-once-only", twice::fires_once_only),
    warning("D105", "second-time-does-not-fire", twice::second_time_does_not_fire),
    warning("D106", "second-booking-does-nothing", twice::second_booking_does_nothing),
    warning("D201", "passed-only-once", firing::passed_only_once),
    warning("D202", "never-fires", firing::never_fires),
    warning("D203", "goal-true-at-the-start", firing::goal_true_at_the_start),
    warning("D204", "goal-waits-for-time", waiting::goal_waits_for_time),
    warning("D205", "goal-holds-before-its-tag", waiting::goal_holds_before_its_tag),
    warning("D301", "date-nothing-sets", timing::date_nothing_sets),
    warning("D302", "timer-always-late", timing::timer_always_late),
    warning("D303", "plain-timer-on-a-birthday", birthday::plain_timer_on_a_birthday),
    advice("D304", "reminder-without-confirmation", timing::reminder_without_confirmation),
    warning("D401", "sent-twice-in-a-run", mail::sent_twice_in_a_run),
    warning("D402", "reminder-is-marketing", mail::reminder_is_marketing),
    warning("D403", "placeholder-can-be-empty", content::placeholder_can_be_empty),
    warning("D404", "link-without-urlencode", content::link_without_urlencode),
    warning("D405", "html-is-clipped", markup::html_is_clipped),
    advice("D406", "image-without-alt", markup::image_without_alt),
    warning("D501", "name-nearly-known", names::name_nearly_known),
    warning("D502", "tag-ping-pong", across::tag_ping_pong),
    advice("D503", "sent-by-two-campaigns", across::sent_by_two_campaigns),
    warning("D504", "field-nearly-known", names::field_nearly_known),
];

/// The lint of a code or a name; letter case does not matter.
pub fn named(name: &str) -> Option<&'static Lint> {
    let is_it = |known: &str| known.eq_ignore_ascii_case(name.trim());
    LINTS.iter().find(|lint| is_it(lint.code) || is_it(lint.name))
}

/// A campaign to look at: its text, and what was read from it.
#[derive(Clone, Copy)]
pub struct LintedCampaign<'a> {
    /// The text, from which edits are made.
    pub text: &'a str,
    /// What was read.
    pub source: &'a LocatedDocument,
}

/// What the lints find in each of the campaigns, given together, in order of place. What is allowed
/// in a document is not among it; an `allow` that silences nothing is.
pub fn check(given: &[LintedCampaign<'_>]) -> Vec<Vec<Finding>> {
    check_beside(given, &[])
}

/// The same beside other campaigns, of which it is known what they do: what concerns both is told
/// in those that are given, and nothing else is said about the others.
pub fn check_beside(given: &[LintedCampaign<'_>], others: &[&Document]) -> Vec<Vec<Finding>> {
    let documents = given.iter().map(|given| &given.source.document);
    let all = AllFacts::of(given.len(), documents.chain(others.iter().copied()));
    let per_campaign = given.iter().zip(all.looked_at()).map(|(given, facts)| {
        let mut findings = Vec::new();
        for lint in &LINTS {
            let mut found = LintFindings { lint, given: *given, findings: &mut findings };
            (lint.check)(facts, &all, &mut found);
        }
        let mut findings = allowed::apply(given, findings);
        findings.sort_compactly_by_key(|finding| (finding.line, finding.column, finding.code));
        findings
    });
    per_campaign.collect()
}

/// How many proofs are played for a campaign: who mends what they show finds the others then.
pub const MOST_PLAYED: usize = 20;

/// Plays the proofs with all campaigns that are given together, and takes away those that do not
/// show what they say, since other campaigns may be in between, and those beyond [`MOST_PLAYED`].
pub fn prove(given: &[LintedCampaign<'_>], findings: &mut [Finding]) {
    let mut played = 0;
    for finding in findings {
        let proof = finding.proof.take();
        let proof = proof.filter(|_| played < MOST_PLAYED);
        played += usize::from(proof.is_some());
        finding.proof = proof.filter(|proof| is_met(given, proof));
    }
}

/// Whether what the proof expects comes of its scenario.
fn is_met(given: &[LintedCampaign<'_>], proof: &Proof) -> bool {
    let documents: Vec<Document> =
        given.iter().map(|given| given.source.document.clone()).collect();
    let played =
        simulate(&documents, &proof.scenario, &Surroundings::default(), &Bounds::default());
    played.is_ok_and(|journey| differences(&proof.scenario, &journey, None).is_empty())
}

/// What a lint has found in a campaign so far.
struct LintFindings<'a> {
    lint: &'static Lint,
    given: LintedCampaign<'a>,
    findings: &'a mut Vec<Finding>,
}

/// Where a finding is, and with it the element, or the e-mail, that it is about.
#[derive(Clone, Copy)]
enum At<'a> {
    /// The id of an element.
    Element(usize),
    /// A key of an element.
    Key(usize, &'a str),
    /// The value of a key of an element.
    Value(usize, &'a str),
    /// The declaration of a field, of contacts or of a type of objects.
    Field(Option<&'a ObjectType>, &'a FieldKey),
    /// The key of an e-mail.
    Email(&'a str),
    /// The key of a part of an e-mail.
    Part(&'a str, &'a str),
    /// A byte of the text of a part of an e-mail.
    Byte(&'a str, &'a str, &'a str, usize),
}

impl LintFindings<'_> {
    /// Adds a finding; what else it has, such as a proof, the caller adds to it.
    fn add(
        &mut self,
        at: At<'_>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> &mut Finding {
        let LocatedDocument { document, places, .. } = self.given.source;
        let path = match at {
            At::Element(at) => path_of(document, at),
            At::Key(at, key) | At::Value(at, key) => path_of(document, at).key(key),
            At::Field(None, key) => KeyPath::root().key("fields").key(key.as_str()),
            At::Field(Some(kind), key) => {
                let object = KeyPath::root().key("objects").key(kind.as_str());
                object.key("fields").key(key.as_str())
            }
            At::Email(key) => path_of_email(key),
            At::Part(key, part) | At::Byte(key, part, ..) => path_of_email(key).key(part),
        };
        let place = match at {
            At::Element(_) | At::Key(..) | At::Field(..) | At::Email(_) | At::Part(..) => {
                places.of_key(&path)
            }
            At::Value(..) => places.of_value(&path),
            At::Byte(_, _, text, byte) => {
                let (line, column) = words::line_and_column(text, byte);
                let place = places.in_text(&path, line, column);
                place.unwrap_or_else(|| places.of_value(&path))
            }
        };
        let element = match at {
            At::Element(at) | At::Key(at, _) | At::Value(at, _) => {
                document.elements.get(at).map(|(id, _)| id.to_string())
            }
            At::Field(..) => None,
            At::Email(key) | At::Part(key, _) | At::Byte(key, ..) => Some(key.to_owned()),
        };
        let name = (self.lint.severity, self.lint.code, self.lint.name);
        self.findings.push(Finding {
            element,
            ..finding_without_element(name, &path, place, message, remedy)
        });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }
}

/// A finding of this severity, code and name, without an element, an edit and a proof.
fn finding_without_element(
    (severity, code, name): (Severity, &'static str, &'static str),
    path: &KeyPath,
    place: Place,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding {
        severity,
        code,
        name: Some(name),
        element: None,
        path: path.to_string(),
        line: Some(place.line),
        column: Some(place.column),
        message: message.into(),
        remedy: remedy.into(),
        edit: None,
        proof: None,
    }
}

/// The path of an element.
fn path_of(document: &Document, element: usize) -> KeyPath {
    let elements = KeyPath::root().key("elements");
    match document.elements.get(element) {
        Some((id, _)) => elements.key(id.as_str()),
        None => elements,
    }
}

/// The path of an e-mail.
fn path_of_email(key: &str) -> KeyPath {
    KeyPath::root().key("emails").key(key)
}

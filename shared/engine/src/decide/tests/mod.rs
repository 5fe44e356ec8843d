//! `decide` as a function: a situation and an event in, the next state and the effects out.
//!
//! A [`Story`] holds one campaign, one contact and the contact's enrollment. A test changes the
//! contact or the campaign, lets an event happen, and compares the decision as text. What the
//! decision says is taken over, so that the next event meets it. In the text, `2.5` is step 5 of
//! run 2.
//!
//! There is a file for each file of `decide` that decides anything; each test names its rule.
//! `UPDATE_EXPECT=1` writes what is expected anew, with `--test-threads=1`: two tests at once would
//! write into one file.

mod builder;
mod catching_up;
mod correction;
mod dates;
mod edges;
mod entries;
mod hold;
mod messages;
mod milestones;
mod no_effect;
mod occasion;
mod outstanding;
mod pausing;
mod plans;
mod repeats;
mod runs;
mod steps;
mod tokens;
mod writing;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use chrono::NaiveDateTime;
use expect_test::Expect;

use super::{Advance, ContactWrite, Decision, Effect, Event, Situation, Source, decide};
use crate::account::Account;
use crate::campaign::graph::Graph;
use crate::campaign::reader::read;
use crate::campaign::{Campaign, Reached, Timeline};
use crate::contact::{Author, Causality, Chain, Change, Consent, Contact, Patch};
use crate::enrollment::{DateRest, Enrollment, MessageRest, Rest, Status};
use crate::field::FieldType;
use crate::history::{Command, Reader, Record};
use crate::ids::{CampaignId, ContactId, ElementId, FieldKey, Tag};
use crate::statistics::Outcome;
use crate::time::{Instant, Zone};

/// What comes after the elements in every campaign: fields, and an e-mail of each purpose.
const AROUND: &str = "
fields:
  visit: { type: datetime }
  points: { type: number }
emails:
  offer: { purpose: marketing, subject: Offer, text: Text }
  notice: { purpose: transactional, subject: Notice, text: Text }
";

/// One contact in one campaign. The zone is UTC; it begins on Tuesday, 1 December 2026, at 9.
struct Story {
    account: Account,
    campaign: Campaign,
    contact: Contact,
    enrollment: Option<Enrollment>,
    statuses: BTreeMap<CampaignId, Status>,
    /// The contact's `rev` up to which changes were looked at.
    baseline: u64,
    now: Instant,
}

impl Story {
    /// The campaign `test` with these elements, one a line, published; and Lena, who is subscribed.
    fn of(elements: &str) -> Self {
        Self::with_settings("{}", elements)
    }

    fn with_settings(settings: &str, elements: &str) -> Self {
        let now = instant("2026-12-01 09:00");
        let mut contact =
            Contact::new(ContactId::new("lena").expect("an id"), Consent::Subscribed, now);
        let email = FieldType::Text.read(&"lena@example.org".into(), Zone::UTC).expect("a text");
        contact.fields.extend(email.map(|email| (key("email"), email)));
        let mut story = Self {
            account: Account { zone: Zone::UTC, locale: "en".to_owned(), sent_until: None },
            campaign: Campaign {
                id: campaign("test"),
                timeline: Timeline::default(),
                versions: BTreeMap::new(),
            },
            contact,
            enrollment: None,
            statuses: BTreeMap::new(),
            baseline: 0,
            now,
        };
        story.publish(settings, elements, false);
        story
    }

    fn publish(&mut self, settings: &str, elements: &str, migrate: bool) -> &mut Self {
        let elements: String = elements
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .fold(String::new(), |lines, line| lines + "  " + line + "\n");
        let text = format!("id: test\nsettings: {settings}\nelements:\n{elements}{AROUND}");
        let source = read(&text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
        let version = self.campaign.versions.keys().last().map_or(1, |last| last + 1);
        let graph = Graph::new(version, source.document, &BTreeMap::new(), &BTreeMap::new());
        self.campaign.versions.insert(version, Arc::new(graph));
        self.reach(Reached::Published { version, migrate })
    }

    fn reach(&mut self, what: Reached) -> &mut Self {
        self.campaign.timeline.reach(self.now, what);
        self
    }

    fn pause(&mut self) -> &mut Self {
        self.reach(Reached::Paused {})
    }

    fn resume(&mut self, skip: bool) -> &mut Self {
        self.reach(Reached::Resumed { skip, by: Some("desk".to_owned()) })
    }

    fn at(&mut self, local: &str) -> &mut Self {
        self.now = instant(local);
        self
    }

    fn write(&mut self, patch: &Patch) -> &mut Self {
        self.contact.apply(patch, desk(), None, self.now, 0);
        self
    }

    fn add(&mut self, name: &str) -> &mut Self {
        self.write(&Patch { add: vec![tag(name)], ..Patch::default() })
    }

    fn remove(&mut self, name: &str) -> &mut Self {
        self.write(&Patch { remove: vec![tag(name)], ..Patch::default() })
    }

    /// Sets the field `visit`; an empty text clears it.
    fn visit(&mut self, local: &str) -> &mut Self {
        let value = FieldType::Datetime.read(&local.into(), Zone::UTC).expect("a date");
        self.write(&Patch { fields: BTreeMap::from([(key("visit"), value)]), ..Patch::default() })
    }

    fn consent(&mut self, consent: Consent) -> &mut Self {
        self.write(&Patch { consent: Some(consent), ..Patch::default() })
    }

    /// The same campaign and contact, ready to be decided.
    fn situation<T>(&self, ask: impl FnOnce(&Situation<'_>) -> T) -> T {
        ask(&Situation {
            account: &self.account,
            campaign: &self.campaign,
            contact: &self.contact,
            person: None,
            baseline: self.enrollment.as_ref().map_or(self.baseline, |it| it.seen),
            enrollment: self.enrollment.as_ref(),
            statuses: &|campaign| self.statuses.get(campaign).copied(),
            is_image: false,
            now: self.now,
        })
    }

    /// Lets an event happen, takes over what was decided, and compares it.
    fn check(&mut self, event: &Event, expected: &Expect) -> &mut Self {
        let decision = self.situation(|situation| decide(situation, event));
        expected.assert_eq(&self.shown(&decision));
        self.take_over(decision);
        self
    }

    /// The same where the decision is not what the test is about.
    fn happens(&mut self, event: &Event) -> &mut Self {
        let decision = self.situation(|situation| decide(situation, event));
        self.take_over(decision);
        self
    }

    fn take_over(&mut self, decision: Decision) {
        self.baseline = self.contact.rev;
        match decision {
            Decision::Advance(advance) => {
                ContactWrite::apply_all(&advance.writes, &mut self.contact, self.now);
                self.enrollment = Some(advance.enrollment);
            }
            Decision::Seen(enrollment) => self.enrollment = Some(*enrollment),
            Decision::Deliver(_) | Decision::Ignore(_) => {}
        }
    }

    fn change(&self) -> &Change {
        self.contact.recent.last().expect("a change")
    }

    fn shown(&self, decision: &Decision) -> String {
        match decision {
            Decision::Advance(advance) => self.shown_advance(advance),
            Decision::Deliver(delivery) => {
                format!("deliver {} of step {}\n", delivery.element, delivery.step)
            }
            Decision::Seen(enrollment) => {
                format!("seen up to {}, rev {}\n", enrollment.seen, enrollment.rev)
            }
            Decision::Ignore(ignored) => format!("ignored: {ignored:?}\n"),
        }
    }

    fn shown_advance(&self, advance: &Advance) -> String {
        let Advance {
            enrollment,
            writes,
            person_writes: _,
            effects,
            records,
            delta: _,
            ignored,
            ask_again,
        } = advance;
        let mut text = state(enrollment);
        for write in writes {
            let added = write.patch.add.iter().map(|tag| format!(" +{tag}"));
            let removed = write.patch.remove.iter().map(|tag| format!(" -{tag}"));
            let fields = write.patch.fields.iter().map(|(key, value)| format!(" {key}={value:?}"));
            let all: String = added.chain(removed).chain(fields).collect();
            writeln!(text, "write{all} (depth {})", write.causality.depth).unwrap();
        }
        for effect in effects {
            writeln!(text, "effect: {}", shown_effect(effect)).unwrap();
        }
        for record in records {
            self.show_record(&mut text, record);
        }
        if let Some(ignored) = ignored {
            writeln!(text, "ignored: {ignored:?}").unwrap();
        }
        if *ask_again {
            writeln!(text, "ask again").unwrap();
        }
        text
    }

    fn show_record(&self, text: &mut String, record: &Record) {
        let reader = Reader::of(&self.account, &self.contact);
        writeln!(text, "{} {}:", short(record.at), record.because.words()).unwrap();
        for line in &record.lines {
            let element = line.element.as_ref().map_or("-", ElementId::as_str);
            let words = line.what.words(&reader, &record.because);
            writeln!(text, "  run {} {element}: {words}", line.run).unwrap();
        }
    }
}

/// What a decision left, as far as it is not as in the beginning.
fn state(enrollment: &Enrollment) -> String {
    let mut text = format!("run {} {}\n", enrollment.run, enrollment.status.word());
    for token in &enrollment.tokens {
        writeln!(text, "token {} at {}: {}", token.step, token.element, shown_rest(token.rest))
            .unwrap();
    }
    let fired: Vec<_> = enrollment.fired.iter().map(ElementId::as_str).collect();
    if !fired.is_empty() {
        writeln!(text, "fired {}", fired.join(", ")).unwrap();
    }
    if let Some(at) = enrollment.eligible_at {
        writeln!(text, "eligible at {}", short(at)).unwrap();
    }
    if enrollment.parked.is_some() {
        writeln!(text, "parked trigger").unwrap();
    }
    for entry in &enrollment.parked_entries {
        writeln!(text, "parked {}", entry.element).unwrap();
    }
    if let Some(guard) = enrollment.held {
        writeln!(text, "held {guard:?}").unwrap();
    }
    if enrollment.quarantined_changes {
        writeln!(text, "changes in quarantine").unwrap();
    }
    text
}

fn shown_rest(rest: Rest) -> String {
    match rest {
        Rest::Message(MessageRest::Window(due)) => format!("message, window from {}", short(due)),
        Rest::Message(MessageRest::Queued) => "message, queued".to_owned(),
        Rest::Message(MessageRest::Settled) => "message, settled".to_owned(),
        Rest::Wait(due) => format!("wait until {}", short(due)),
        Rest::Date(DateRest::NoDate) => "no date".to_owned(),
        Rest::Date(DateRest::Until(plan)) => format!("until {}", short(plan.moment)),
        Rest::Date(DateRest::Following(plan)) => format!("following {}", short(plan.date)),
        Rest::Event => "event".to_owned(),
        Rest::Goal => "goal".to_owned(),
    }
}

fn shown_effect(effect: &Effect) -> String {
    let chain = |causality: &Causality| {
        let Causality { chain: Chain(chain), depth } = causality;
        format!("chain {chain}, depth {depth}")
    };
    match effect {
        Effect::Schedule { run, step, due } => format!("schedule {run}.{step} at {}", short(*due)),
        Effect::Cancel { run, step, due } => format!("cancel {run}.{step} at {}", short(*due)),
        Effect::Recheck { run, due } => format!("recheck {run} at {}", short(*due)),
        Effect::Deliver { run, step, purpose, .. } => {
            format!("deliver {run}.{step}, {purpose:?}")
        }
        Effect::RecordMessage { run, step, element, content_key, outcome, reason, .. } => {
            let outcome = outcome.word();
            format!("record {run}.{step} at {element}, {content_key} is {outcome}: {reason}")
        }
        Effect::Call { run, step, version, element } => {
            format!("call {run}.{step} at {element} of version {version}")
        }
        Effect::Command { campaign, command, causality } => {
            format!("command {campaign} to {command:?}, {}", chain(causality))
        }
        Effect::StatusChanged { causality } => format!("status changed, {}", chain(causality)),
    }
}

fn short(at: Instant) -> String {
    at.format("%m-%d %H:%M").to_string()
}

fn instant(local: &str) -> Instant {
    NaiveDateTime::parse_from_str(local, "%Y-%m-%d %H:%M").expect("an instant").and_utc()
}

fn desk() -> Author {
    Author::ApiKey("desk".to_owned())
}

fn tag(name: &str) -> Tag {
    Tag::new(name).expect("a tag")
}

fn key(name: &str) -> FieldKey {
    FieldKey::new(name).expect("a key")
}

fn campaign(id: &str) -> CampaignId {
    CampaignId::new(id).expect("an id")
}

fn timer(run: u32, step: u32, due: &str) -> Event {
    Event::TimerDue { run, step, due: instant(due) }
}

fn recheck(run: u32, due: &str) -> Event {
    Event::RecheckDue { run, due: instant(due) }
}

fn delivery(run: u32, step: u32) -> Event {
    Event::DeliveryDue { run, step }
}

fn settled(run: u32, step: u32) -> Event {
    Event::Settled { run, step, outcome: Outcome::Sent, reason: None }
}

/// What the campaign `other` asks for with its decision `rev`.
fn commanded(rev: u64, command: Command) -> Event {
    let from = Source { campaign: campaign("other"), object: None, rev, index: 0 };
    Event::Commanded { from, command, causality: elsewhere() }
}

fn by_hand(command: Command, call: u64) -> Event {
    Event::ByHand { command, by: desk(), call: Some(call) }
}

/// The place in a chain of what happened in another campaign.
fn elsewhere() -> Causality {
    Causality { chain: Chain(77), depth: 1 }
}

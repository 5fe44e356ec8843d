//! Stories: scenarios that bring a contact along a way of a campaign.
//!
//! A story promises that each step is one that people or programs can do: tags, fields, events and
//! time. It does what the elements of the way ask for and remembers what the contact has by then.
//! Where it does not know how, there is no story, and the finding has no proof.

mod clock;
mod making;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use dacapo_engine::campaign::format::{DateTimer, Edge, Element, Unmet};
use dacapo_engine::compact::SortCompactly as _;
use dacapo_engine::condition::Condition;
use dacapo_engine::ids::{FieldKey, Tag};
use dacapo_engine::time::Zone;
use serde_json::{Value, json};

use self::making::ChangeOfBoth;
use super::facts::{ElementPath, Facts};
use super::reasoning::{Atom, necessary};
use crate::finding::Proof;
use crate::scenario::{Expectation, Moment, ObjectPost, Post, Scenario, ScenarioStep, Until};

/// The key of the object in stories about objects.
const OBJECT: &str = "a1";

/// See the module.
#[derive(Clone)]
pub(super) struct Story<'a> {
    facts: &'a Facts<'a>,
    now: NaiveDateTime,
    steps: Vec<ScenarioStep>,
    subject: PlannedContact,
    person: PlannedContact,
}

/// What somebody has by now.
#[derive(Clone, Default)]
struct PlannedContact {
    tags: BTreeSet<Tag>,
    fields: BTreeMap<FieldKey, Value>,
}

/// One change.
#[derive(Clone, Default)]
pub(super) struct Change {
    pub(super) add: Vec<Tag>,
    pub(super) remove: Vec<Tag>,
    pub(super) fields: BTreeMap<FieldKey, Value>,
    event: Option<String>,
}

impl Change {
    pub(super) fn tag(tag: Tag) -> Self {
        Self { add: vec![tag], ..Self::default() }
    }

    pub(super) fn field(key: FieldKey, value: Value) -> Self {
        Self { fields: BTreeMap::from([(key, value)]), ..Self::default() }
    }

    fn is_nothing(&self) -> bool {
        let Self { add, remove, fields, event } = self;
        add.is_empty() && remove.is_empty() && fields.is_empty() && event.is_none()
    }
}

impl<'a> Story<'a> {
    /// Ann is there, and it is the first of December, nine o'clock.
    pub(super) fn new(facts: &'a Facts<'a>) -> Self {
        let begin = NaiveDate::from_ymd_opt(2026, 12, 1).and_then(|day| day.and_hms_opt(9, 0, 0));
        Self {
            facts,
            now: begin.unwrap_or_default(),
            steps: Vec::new(),
            subject: PlannedContact::default(),
            person: PlannedContact::default(),
        }
    }

    /// Goes the way from an entry: lets the contact in, and does what the elements ask for, until
    /// it arrives at the last one.
    pub(super) fn go(&mut self, way: &ElementPath) -> Option<()> {
        for (nth, (element, edge)) in way.iter().enumerate() {
            let is_last = nth + 1 == way.len();
            let is_first = nth == 0;
            if is_last && !(is_first && self.facts.is_entry(*element)) {
                return Some(());
            }
            self.pass(*element, edge)?;
        }
        Some(())
    }

    /// Comes in by an entry.
    pub(super) fn enter(&mut self, entry: usize) -> Option<()> {
        self.go(&vec![(entry, "")])
    }

    /// The shortest way to an element from any entry, and going it.
    pub(super) fn to(&mut self, element: usize) -> Option<ElementPath> {
        let facts = self.facts;
        let mut ways: Vec<ElementPath> = facts
            .entries()
            .filter_map(|entry| {
                if entry == element {
                    return Some(vec![(entry, "")]);
                }
                facts.way(entry, element, |at| !facts.begins_next_run(at))
            })
            .collect();
        ways.sort_compactly_by_key(Vec::len);
        for way in ways.into_iter().take(8) {
            let mut story = self.clone();
            if story.go(&way).is_some() {
                *self = story;
                return Some(way);
            }
        }
        None
    }

    /// Does what makes a token at the element leave by the edge.
    fn pass(&mut self, element: usize, edge: &str) -> Option<()> {
        match self.facts.element(element) {
            Element::Start(start) => {
                let change = self.making(&start.when, true)?;
                // It holds already: another change of what it reads makes it be looked at.
                if change.subject.is_nothing() && change.person.is_nothing() {
                    return None;
                }
                self.both(change);
            }
            Element::Event(event) => self.fire(&event.on)?,
            // It lets pass whoever has not reached it.
            Element::Goal(goal) if goal.unmet == Unmet::Continue => {}
            Element::Goal(goal) => {
                let change = self.making(&goal.when, true)?;
                self.both(change);
            }
            sends @ Element::Email(_) => {
                let message = sends.message();
                let hours = message.and_then(|message| message.hours(self.facts.document));
                self.outside(hours.map(|(hours, _)| hours.weekdays));
            }
            Element::Wait(wait) => self.wait(wait),
            Element::DateTimer(timer) => match edge {
                "next" => self.reach_date(timer)?,
                _ => self.miss_date(timer)?,
            },
            Element::Condition(branch) => {
                let change = self.making(&branch.when, edge == "then")?;
                self.before(change)?;
            }
            // Which branch a contact takes follows from its id.
            Element::Split(_) => return None,
            Element::Tag(tags) => {
                let known = if tags.of.is_some() { &mut self.person } else { &mut self.subject };
                for tag in &tags.remove {
                    known.tags.remove(tag);
                }
                known.tags.extend(tags.add.iter().cloned());
            }
            Element::SetField(set) => {
                let known = if set.of.is_some() { &mut self.person } else { &mut self.subject };
                for (key, value) in &set.fields {
                    known.fields.insert(key.clone(), value.clone());
                }
            }
            Element::Reset(_)
            | Element::Restart(_)
            | Element::StopCampaign(_)
            | Element::StartCampaign(_)
            | Element::Webhook(_)
            | Element::End(_) => {}
        }
        Some(())
    }

    /// Makes the edge happen.
    pub(super) fn fire(&mut self, edge: &Edge) -> Option<()> {
        self.fire_on(edge, self.facts.document.per.is_none())
    }

    fn fire_on(&mut self, edge: &Edge, of_person: bool) -> Option<()> {
        let mut change = Change::default();
        let known = self.known(of_person).clone();
        match edge {
            Edge::TagAdded(tags) => {
                let fresh = tags.as_slice().iter().find(|tag| !known.tags.contains(*tag))?;
                change.add.push(fresh.clone());
            }
            Edge::TagAssigned(tags) => change.add.push(tags.as_slice().first()?.clone()),
            Edge::TagRemoved(tags) => {
                let tag = tags.as_slice().first()?.clone();
                if !known.tags.contains(&tag) {
                    self.change_of(Change::tag(tag.clone()), of_person);
                }
                change.remove.push(tag);
            }
            Edge::FieldSet(key) => {
                if known.fields.get(key).is_some_and(|value| !value.is_null()) {
                    return None;
                }
                change.fields.insert(key.clone(), self.sample(key, of_person, 0)?);
            }
            Edge::FieldChanged(key) => {
                if known.fields.get(key).is_none_or(Value::is_null) {
                    let fields = BTreeMap::from([(key.clone(), self.sample(key, of_person, 0)?)]);
                    self.change_of(Change { fields, ..Change::default() }, of_person);
                }
                change.fields.insert(key.clone(), self.sample(key, of_person, 1)?);
            }
            Edge::FieldCleared(key) => {
                if known.fields.get(key).is_none_or(Value::is_null) {
                    let fields = BTreeMap::from([(key.clone(), self.sample(key, of_person, 0)?)]);
                    self.change_of(Change { fields, ..Change::default() }, of_person);
                }
                change.fields.insert(key.clone(), Value::Null);
            }
            Edge::Custom(name) => change.event = Some(name.clone()),
            Edge::Becomes(condition) => {
                let un = self.making(condition, false)?;
                self.both(un);
                let made = self.making(condition, true)?;
                if made.subject.is_nothing() && made.person.is_nothing() {
                    return None;
                }
                self.both(made);
                return Some(());
            }
            Edge::Contact(edge) => return self.fire_on(edge, true),
        }
        self.change_of(change, of_person);
        Some(())
    }

    /// What lets the contact in happens once more, as it would from outside: the tags are assigned
    /// again, dates are new ones.
    pub(super) fn again(&mut self, entry: usize) -> Option<()> {
        let of_person = self.facts.document.per.is_none();
        let mut change = Change::default();
        match self.facts.element(entry) {
            Element::Start(start) => {
                for (atom, holds) in necessary(&start.when) {
                    match atom {
                        Atom::Tag { of_person: false, tag } if holds => change.add.push(tag),
                        Atom::Field { of_person: false, key, test } if holds => {
                            let value = self.value_for(&key, &test, true, of_person)?;
                            change.fields.insert(key, value);
                        }
                        _ => {}
                    }
                }
            }
            Element::Event(event) => match &event.on {
                Edge::TagAdded(tags) | Edge::TagAssigned(tags) => {
                    change.add.push(tags.as_slice().first()?.clone());
                }
                Edge::FieldSet(key) | Edge::FieldChanged(key) => {
                    change.fields.insert(key.clone(), self.sample(key, of_person, 1)?);
                }
                Edge::Custom(name) => change.event = Some(name.clone()),
                _ => return None,
            },
            _ => return None,
        }
        if change.is_nothing() {
            return None;
        }
        self.change(change);
        Some(())
    }

    /// Makes the condition hold, by a change of its own.
    pub(super) fn make_hold(&mut self, condition: &Condition) -> Option<()> {
        let change = self.making(condition, true)?;
        self.both(change);
        Some(())
    }

    /// Comes to a date timer with a date of decades ago.
    pub(super) fn born(&mut self, timer: usize) -> Option<()> {
        let Element::DateTimer(DateTimer { field: Some(field), .. }) = self.facts.element(timer)
        else {
            return None;
        };
        let fields = BTreeMap::from([(field.clone(), json!("1990-05-17"))]);
        self.change(Change { fields, ..Change::default() });
        let facts = self.facts;
        let mut ways =
            facts.entries().filter_map(|it| facts.way(it, timer, |at| !facts.begins_next_run(at)));
        let way = ways.next()?;
        let (entry, _) = *way.first()?;
        // The date itself may have let her in.
        let is_in = facts.reads(entry).fields.contains(field);
        if is_in { Some(()) } else { self.go(&way) }
    }

    fn known(&self, of_person: bool) -> &PlannedContact {
        if of_person && self.facts.document.per.is_some() { &self.person } else { &self.subject }
    }

    /// A change of the subject, an hour after what came before.
    pub(super) fn change(&mut self, change: Change) {
        self.change_of(change, self.facts.document.per.is_none());
    }

    fn change_of(&mut self, change: Change, of_person: bool) {
        if change.is_nothing() {
            return;
        }
        if !self.steps.is_empty() {
            self.now += TimeDelta::hours(1);
        }
        let step = self.step(change, of_person);
        self.steps.push(step);
    }

    fn both(&mut self, both: ChangeOfBoth) {
        let is_about_contacts = self.facts.document.per.is_none();
        self.change_of(both.person, true);
        self.change_of(both.subject, is_about_contacts);
    }

    /// A change that is made before the last step, so that it is there when the token goes on.
    fn before(&mut self, both: ChangeOfBoth) -> Option<()> {
        let is_about_contacts = self.facts.document.per.is_none();
        for (change, of_person) in [(both.person, true), (both.subject, is_about_contacts)] {
            if change.is_nothing() {
                continue;
            }
            let mut step = self.step(change, of_person);
            let last = self.steps.pop()?;
            step.at = last.at;
            self.steps.push(step);
            self.steps.push(last);
        }
        Some(())
    }

    fn step(&mut self, change: Change, of_person: bool) -> ScenarioStep {
        let kind = self.facts.document.per.clone().filter(|_| !of_person);
        let known = match &kind {
            None if self.facts.document.per.is_some() => &mut self.person,
            _ => &mut self.subject,
        };
        for tag in &change.remove {
            known.tags.remove(tag);
        }
        known.tags.extend(change.add.iter().cloned());
        known.fields.extend(change.fields.iter().map(|(key, value)| (key.clone(), value.clone())));
        let at = Some(Moment::Local(self.now));
        let Change { add, remove, fields, event } = change;
        if let Some(kind) = kind {
            let object = ObjectPost {
                kind,
                key: OBJECT.to_owned(),
                replaces: None,
                fields,
                tags: add,
                remove_tags: remove,
                event,
            };
            return ScenarioStep { at, object: Some(object), ..ScenarioStep::default() };
        }
        if event.is_some() {
            return ScenarioStep { at, event, ..ScenarioStep::default() };
        }
        let mut post = Post::new();
        if !add.is_empty() {
            post = post.tags(add.iter().map(Tag::as_str));
        }
        if !remove.is_empty() {
            post = post.remove_tags(remove.iter().map(Tag::as_str));
        }
        for (key, value) in fields {
            post = post.with(key.as_str(), value);
        }
        ScenarioStep { at, post: Some(post), ..ScenarioStep::default() }
    }

    /// Lets time pass.
    pub(super) fn later(&mut self, by: TimeDelta) {
        self.now = self.now.checked_add_signed(by).unwrap_or(self.now);
    }

    /// Lets the restart delay of the campaign pass.
    pub(super) fn restart_delay(&mut self) {
        self.pass_span(self.facts.document.settings.restart_delay());
    }

    /// Lets a span pass.
    fn pass_span(&mut self, span: dacapo_engine::time::Span) {
        self.now = span.after(self.now.and_utc(), Zone::UTC).naive_utc();
    }

    /// The contact has no value in this field, and the field is one that a contact may lack.
    pub(super) fn lacks(&self, key: &FieldKey, of_person: bool) -> bool {
        self.known(of_person).fields.get(key).is_none_or(Value::is_null)
    }

    /// Whether the subject has the tag by now.
    pub(super) fn has(&self, tag: &Tag) -> bool {
        self.subject.tags.contains(tag)
    }

    /// The time by now.
    pub(super) fn now(&self) -> NaiveDateTime {
        self.now
    }

    /// How many steps there are so far.
    pub(super) fn steps(&self) -> usize {
        self.steps.len()
    }

    /// The proof: played until an hour after the last step, the expectation is met.
    pub(super) fn shows(self, shows: impl Into<String>, expect: Expectation) -> Proof {
        let until = self.now + TimeDelta::hours(1);
        self.shows_until(until, shows, expect)
    }

    /// The proof: played until this time, the expectation is met.
    pub(super) fn shows_until(
        self,
        until: NaiveDateTime,
        shows: impl Into<String>,
        mut expect: Expectation,
    ) -> Proof {
        let shows = shows.into();
        // Played together with others, this campaign is meant.
        let this = || Some(self.facts.document.id.clone());
        for enrollment in &mut expect.enrollments {
            enrollment.about = self.facts.document.per.as_ref().map(|_| OBJECT.to_owned());
            enrollment.campaign = enrollment.campaign.take().or_else(this);
        }
        let messages = expect.sent.iter_mut().chain(&mut expect.not_sent);
        for message in messages.chain(expect.messages.iter_mut().flatten()) {
            message.campaign = message.campaign.take().or_else(this);
        }
        let contact =
            Post::new().with("email", json!("ann@example.com")).with("first_name", json!("Ann"));
        let scenario = Scenario {
            name: Some(shows.clone()),
            contact: Some(contact),
            then: self.steps,
            until: Some(Until::At(Moment::Local(until))),
            expect: Some(expect),
            ..Scenario::default()
        };
        Proof { shows, scenario }
    }
}

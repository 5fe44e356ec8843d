//! What can happen to a contact that a campaign reacts to.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use dacapo_engine::campaign::format::{Document, Edge, Element};
use dacapo_engine::condition::{Condition, Test};
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::field::{FieldType, FieldValue};
use dacapo_engine::ids::{ContactId, FieldKey, Tag};
use dacapo_engine::simulation::{ObjectKey, World};
use dacapo_engine::time::Instant;
use serde_json::Value;

use super::DAYS_AHEAD;

/// How many triggers are tried at most.
const MOST_TRIGGERS: usize = 40;

/// Who is explored.
#[derive(Debug, Clone)]
pub(super) struct ExploredSubject {
    pub(super) person: ContactId,
    pub(super) object: Option<ObjectKey>,
}

/// To whom something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TriggerTarget {
    Person,
    Object,
}

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TriggeredChange {
    Add(Tag),
    Remove(Tag),
    Set(FieldKey, FieldValue),
    /// A date, so far from now.
    Date(FieldKey, FieldType, TimeDelta),
    Clear(FieldKey),
    Event(String),
}

/// Something that happens to somebody.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trigger {
    pub(super) whom: TriggerTarget,
    pub(super) what: TriggeredChange,
}

impl Trigger {
    /// In words, as scripts write it.
    pub(super) fn words(&self) -> String {
        let of = match self.whom {
            TriggerTarget::Person => "",
            TriggerTarget::Object => "object ",
        };
        match &self.what {
            TriggeredChange::Add(tag) => format!("{of}+{tag}"),
            TriggeredChange::Remove(tag) => format!("{of}-{tag}"),
            TriggeredChange::Set(key, value) => {
                format!("{of}{key} = {}", crate::journey::shown(value))
            }
            TriggeredChange::Date(key, _, ahead) if ahead.num_seconds() < 0 => {
                format!("{of}{key} = {} ago", super::lasting(-*ahead))
            }
            TriggeredChange::Date(key, _, ahead) => {
                format!("{of}{key} = in {}", super::lasting(*ahead))
            }
            TriggeredChange::Clear(key) => format!("{of}{key} cleared"),
            TriggeredChange::Event(name) => format!("{of}event {name}"),
        }
    }

    /// Makes it happen.
    pub(super) fn happens(&self, world: &mut World, explored: &ExploredSubject) {
        let mut patch = Patch::default();
        match &self.what {
            TriggeredChange::Add(tag) => patch.add.push(tag.clone()),
            TriggeredChange::Remove(tag) => patch.remove.push(tag.clone()),
            TriggeredChange::Set(key, value) => {
                patch.fields.insert(key.clone(), Some(value.clone()));
            }
            TriggeredChange::Date(key, kind, ahead) => {
                let at: Instant = world.now() + *ahead;
                let value = match kind {
                    FieldType::Date => FieldValue::Date(at.date_naive()),
                    _ => FieldValue::Datetime(at),
                };
                patch.fields.insert(key.clone(), Some(value));
            }
            TriggeredChange::Clear(key) => {
                patch.fields.insert(key.clone(), None);
            }
            TriggeredChange::Event(name) => patch.event = Some(name.clone()),
        }
        let by = Author::ApiKey("explorer".to_owned());
        match (self.whom, &explored.object) {
            (TriggerTarget::Object, Some(object)) => {
                world.write_object(object, &patch, by);
            }
            (TriggerTarget::Person | TriggerTarget::Object, _) => {
                world.write(&explored.person, &patch, by);
            }
        }
    }
}

/// Whether the campaigns are about an object, which is then made.
pub(super) fn object_of(documents: &[Document], person: &ContactId) -> Option<ObjectKey> {
    let kind = documents.iter().find_map(|document| document.per.clone())?;
    Some(ObjectKey { person: person.clone(), kind, key: "o1".to_owned(), replaces: None })
}

/// All triggers, each once.
pub(super) fn triggers(documents: &[Document], world: &World) -> Vec<Trigger> {
    let mut alphabet =
        Alphabet { world, object: None, triggers: Vec::new(), seen: BTreeSet::new() };
    for document in documents {
        alphabet.object.clone_from(&document.per);
        let own =
            if document.per.is_some() { TriggerTarget::Object } else { TriggerTarget::Person };
        for (_, element) in &document.elements {
            if let Some(condition) = element.condition() {
                alphabet.condition(own, condition, true);
            }
            match element {
                Element::Event(event) => alphabet.edge(own, &event.on),
                Element::DateTimer(timer) => {
                    if let Some(key) = &timer.field {
                        alphabet.date(own, key, TimeDelta::days(DAYS_AHEAD));
                        if timer.missed.is_some() {
                            alphabet.date(own, key, TimeDelta::days(-1));
                        }
                    }
                }
                _ => {}
            }
        }
    }
    alphabet.triggers.truncate(MOST_TRIGGERS);
    alphabet.triggers
}

struct Alphabet<'a> {
    world: &'a World,
    /// The type of objects that the campaign is about.
    object: Option<dacapo_engine::ids::ObjectType>,
    triggers: Vec<Trigger>,
    seen: BTreeSet<String>,
}

impl Alphabet<'_> {
    fn add(&mut self, whom: TriggerTarget, what: TriggeredChange) {
        let trigger = Trigger { whom, what };
        if self.seen.insert(trigger.words()) {
            self.triggers.push(trigger);
        }
    }

    fn kind(&self, whom: TriggerTarget, key: &FieldKey) -> Option<FieldType> {
        match (whom, &self.object) {
            (TriggerTarget::Object, Some(kind)) => {
                Some(self.world.object_types().get(kind)?.fields.get(key)?.kind)
            }
            (TriggerTarget::Person | TriggerTarget::Object, _) => {
                dacapo_engine::field::built_in(key.as_str())
                    .or_else(|| self.world.fields().get(key).copied())
            }
        }
    }

    fn date(&mut self, whom: TriggerTarget, key: &FieldKey, ahead: TimeDelta) {
        if let Some(kind @ (FieldType::Date | FieldType::Datetime)) = self.kind(whom, key) {
            self.add(whom, TriggeredChange::Date(key.clone(), kind, ahead));
        }
    }

    /// Some value of the field.
    fn some(&mut self, whom: TriggerTarget, key: &FieldKey, nth: i64) {
        let value = match self.kind(whom, key) {
            Some(FieldType::Date | FieldType::Datetime) => {
                return self.date(whom, key, TimeDelta::days(DAYS_AHEAD + nth));
            }
            Some(FieldType::Text) => FieldValue::Text(["one", "two"][usize::from(nth > 0)].into()),
            Some(FieldType::Number) => FieldValue::Number(if nth > 0 { 2.0 } else { 1.0 }),
            Some(FieldType::Boolean) => FieldValue::Boolean(nth == 0),
            None => return,
        };
        self.add(whom, TriggeredChange::Set(key.clone(), value));
    }

    fn edge(&mut self, whom: TriggerTarget, edge: &Edge) {
        match edge {
            Edge::TagAdded(tags) | Edge::TagAssigned(tags) => {
                tags.as_slice()
                    .iter()
                    .for_each(|tag| self.add(whom, TriggeredChange::Add(tag.clone())));
            }
            Edge::TagRemoved(tags) => {
                for tag in tags.as_slice() {
                    self.add(whom, TriggeredChange::Add(tag.clone()));
                    self.add(whom, TriggeredChange::Remove(tag.clone()));
                }
            }
            Edge::FieldSet(key) => self.some(whom, key, 0),
            Edge::FieldChanged(key) => {
                self.some(whom, key, 0);
                self.some(whom, key, 2);
            }
            Edge::FieldCleared(key) => {
                self.some(whom, key, 0);
                self.add(whom, TriggeredChange::Clear(key.clone()));
            }
            Edge::Custom(name) => self.add(whom, TriggeredChange::Event(name.clone())),
            Edge::Becomes(condition) => {
                self.condition(whom, condition, true);
                self.condition(whom, condition, false);
            }
            Edge::Contact(edge) => self.edge(TriggerTarget::Person, edge),
        }
    }

    /// What makes a condition hold, or not.
    fn condition(&mut self, whom: TriggerTarget, condition: &Condition, wanted: bool) {
        match condition {
            Condition::Tag(tag) if wanted => self.add(whom, TriggeredChange::Add(tag.clone())),
            Condition::Tag(tag) => self.add(whom, TriggeredChange::Remove(tag.clone())),
            Condition::Field(key, test) => self.test(whom, key, test, wanted),
            Condition::Campaign(..) => {}
            Condition::All(all) | Condition::Any(all) => {
                all.iter().for_each(|one| self.condition(whom, one, wanted));
            }
            Condition::Not(not) => {
                self.condition(whom, not, true);
                self.condition(whom, not, !wanted);
            }
            Condition::Contact(of) => self.condition(TriggerTarget::Person, of, wanted),
        }
    }

    fn test(&mut self, whom: TriggerTarget, key: &FieldKey, test: &Test, wanted: bool) {
        match test {
            Test::Set if wanted => self.some(whom, key, 0),
            Test::Empty if wanted => self.add(whom, TriggeredChange::Clear(key.clone())),
            Test::Empty => self.some(whom, key, 0),
            Test::Set => self.add(whom, TriggeredChange::Clear(key.clone())),
            Test::Past => self.date(whom, key, TimeDelta::days(-1)),
            Test::Future | Test::Time(_) | Test::Weekdays(_) => {
                self.date(whom, key, TimeDelta::days(DAYS_AHEAD));
            }
            Test::Within(span) => {
                let zone = self.world.account.zone;
                let now = self.world.now();
                let ahead = span.after(now, zone) - now;
                self.date(whom, key, ahead / 2);
            }
            Test::Contains(text) => {
                self.add(whom, TriggeredChange::Set(key.clone(), FieldValue::Text(text.clone())));
            }
            Test::Equals(value) => {
                self.near(whom, key, value, 0.0);
                self.some(whom, key, 2);
            }
            Test::Greater(value) => {
                self.near(whom, key, value, 1.0);
                self.near(whom, key, value, -1.0);
            }
            Test::Less(value) => {
                self.near(whom, key, value, -1.0);
                self.near(whom, key, value, 1.0);
            }
        }
    }

    /// A value, or what is a little more or less.
    fn near(&mut self, whom: TriggerTarget, key: &FieldKey, value: &Value, by: f64) {
        let Some(kind) = self.kind(whom, key) else { return };
        let read = kind.read(value, self.world.account.zone).ok().flatten();
        let value = match read {
            Some(FieldValue::Number(number)) => FieldValue::Number(number + by),
            Some(FieldValue::Date(date)) => {
                let days = TimeDelta::days(if by > 0.0 { 1 } else { -i64::from(by < 0.0) });
                FieldValue::Date(date.checked_add_signed(days).unwrap_or(date))
            }
            Some(FieldValue::Datetime(at)) => {
                let days = TimeDelta::days(if by > 0.0 { 1 } else { -i64::from(by < 0.0) });
                FieldValue::Datetime(at.checked_add_signed(days).unwrap_or(at))
            }
            Some(other @ (FieldValue::Text(_) | FieldValue::Boolean(_))) => other,
            None => return,
        };
        self.add(whom, TriggeredChange::Set(key.clone(), value));
    }
}

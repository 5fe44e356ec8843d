//! What has to be changed for a condition to hold, and values that fields can have.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use dacapo_engine::condition::{Condition, StatusAsked, Test};
use dacapo_engine::field::FieldType;
use dacapo_engine::ids::FieldKey;
use dacapo_engine::time::Zone;
use serde_json::{Number, Value, json};

use super::{Change, Story};

impl Story<'_> {
    pub(super) fn date_value(&self, field: &FieldKey, at: NaiveDateTime) -> Option<Value> {
        dated(self.facts.field_type(field)?, at)
    }

    /// A value of the field; the second of them is another one.
    pub(in super::super) fn sample(
        &self,
        key: &FieldKey,
        of_person: bool,
        nth: i64,
    ) -> Option<Value> {
        let kind = self.facts.type_of(of_person, key)?;
        let at = self.now + TimeDelta::days(90 + nth);
        Some(match kind {
            FieldType::Text if key.as_str() == "time_zone" => return None,
            FieldType::Text if key.as_str() == "email" => return None,
            FieldType::Text if key.as_str() == "locale" => {
                json!(["en", "de"][usize::from(nth > 0)])
            }
            FieldType::Text => json!(["some", "other"][usize::from(nth > 0)]),
            FieldType::Number => json!(1 + nth),
            FieldType::Boolean => json!(nth == 0),
            FieldType::Date | FieldType::Datetime => dated(kind, at)?,
        })
    }

    /// What has to be changed for the condition to hold, or not.
    pub(super) fn making(&self, condition: &Condition, holds: bool) -> Option<ChangeOfBoth> {
        let mut both = ChangeOfBoth::default();
        self.make(condition, holds, self.facts.document.per.is_none(), &mut both)?;
        Some(both)
    }

    fn make(
        &self,
        condition: &Condition,
        holds: bool,
        of_person: bool,
        both: &mut ChangeOfBoth,
    ) -> Option<()> {
        let is_about_contacts = self.facts.document.per.is_none();
        match condition {
            Condition::Tag(tag) => {
                let has = self.known(of_person).tags.contains(tag);
                let change = both.of(of_person && !is_about_contacts);
                let is_against = if holds { &change.remove } else { &change.add };
                if is_against.contains(tag) {
                    return None;
                }
                let list = if holds { &mut change.add } else { &mut change.remove };
                if has != holds && !list.contains(tag) {
                    list.push(tag.clone());
                }
                Some(())
            }
            Condition::Field(key, test) => {
                let value = self.value_for(key, test, holds, of_person)?;
                let known = self.known(of_person).fields.get(key).unwrap_or(&Value::Null);
                let change = both.of(of_person && !is_about_contacts);
                match change.fields.get(key) {
                    // `set` adds nothing to a test that needs a value.
                    Some(before) if !before.is_null() && matches!(test, Test::Set) => Some(()),
                    Some(before) if *before == value => Some(()),
                    Some(_) => None,
                    None if *known == value => Some(()),
                    None if matches!(test, Test::Set) && holds && !known.is_null() => Some(()),
                    None if matches!(test, Test::Future | Test::Past) && holds => {
                        let is_right = read_date(known)
                            .is_some_and(|at| (at > self.now) == matches!(test, Test::Future));
                        if !is_right {
                            change.fields.insert(key.clone(), value);
                        }
                        Some(())
                    }
                    None => {
                        change.fields.insert(key.clone(), value);
                        Some(())
                    }
                }
            }
            Condition::Campaign(_, asked) => {
                (asked.contains(&StatusAsked::None) == holds).then_some(())
            }
            Condition::Not(not) => self.make(not, !holds, of_person, both),
            Condition::Contact(of) => self.make(of, holds, true, both),
            Condition::All(many) | Condition::Any(many) => {
                let is_every = matches!(condition, Condition::All(_)) == holds;
                if is_every {
                    // Tests with a value come first: `set` is content with any.
                    let is_set = |one: &&Condition| matches!(one, Condition::Field(_, Test::Set));
                    let ordered = many.iter().filter(|one| !is_set(one));
                    let ordered = ordered.chain(many.iter().filter(is_set));
                    return ordered.map(|one| self.make(one, holds, of_person, both)).collect();
                }
                for one in many {
                    let mut tried = both.clone();
                    if self.make(one, holds, of_person, &mut tried).is_some() {
                        *both = tried;
                        return Some(());
                    }
                }
                None
            }
        }
    }

    pub(super) fn value_for(
        &self,
        key: &FieldKey,
        test: &Test,
        holds: bool,
        of_person: bool,
    ) -> Option<Value> {
        if !holds {
            return match test {
                Test::Empty => self.sample(key, of_person, 0),
                _ => Some(Value::Null),
            };
        }
        let kind = self.facts.type_of(of_person, key)?;
        let date = |at| dated(kind, at);
        let beside =
            |value: &Value, by: f64| Some(Value::Number(Number::from_f64(value.as_f64()? + by)?));
        match test {
            Test::Set => self.sample(key, of_person, 0),
            Test::Empty => Some(Value::Null),
            Test::Past => date(self.now - TimeDelta::days(30)),
            Test::Future => date(self.now + TimeDelta::days(90)),
            Test::Equals(value) => Some(value.clone()),
            Test::Contains(part) => Some(json!(part)),
            Test::Greater(value) => beside(value, 1.0),
            Test::Less(value) => beside(value, -1.0),
            Test::Within(span) => {
                let end = span.after(self.now.and_utc(), Zone::UTC).naive_utc();
                date(self.now + (end - self.now) / 2)
            }
            Test::Time(_) | Test::Weekdays(_) => None,
        }
    }
}

/// A change of the subject, and one of the person whose object it is.
#[derive(Clone, Default)]
pub(super) struct ChangeOfBoth {
    pub(super) subject: Change,
    pub(super) person: Change,
}

impl ChangeOfBoth {
    fn of(&mut self, person: bool) -> &mut Change {
        if person { &mut self.person } else { &mut self.subject }
    }
}

/// A time as a field of a type for dates has it.
fn dated(kind: FieldType, at: NaiveDateTime) -> Option<Value> {
    match kind {
        FieldType::Date => Some(json!(at.format("%Y-%m-%d").to_string())),
        FieldType::Datetime => Some(json!(at.format("%Y-%m-%d %H:%M").to_string())),
        FieldType::Text | FieldType::Number | FieldType::Boolean => None,
    }
}

pub(super) fn read_date(value: &Value) -> Option<NaiveDateTime> {
    let text = value.as_str()?;
    let timed = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").ok();
    timed.or_else(|| {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(9, 0, 0))
    })
}

//! Conditions on a subject: levels, not edges. Starts, goals and branches hold one each.
//!
//! A condition is a value; it is judged against a [`View`], which is the subject, its person, the
//! statuses in other campaigns, an instant and a zone. Judging reads nothing else.

mod judged;
mod written;

use std::fmt;

use chrono::{Datelike, NaiveDate, NaiveTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contact::Contact;
use crate::field::{FieldType, FieldValue};
use crate::ids::{CampaignId, FieldKey, Tag};
use crate::status::Status;
use crate::text::folded;
use crate::time::{Daytime, Instant, Span, Weekdays, Zone};

pub use crate::reads::{PersonReads, Reads};
pub use judged::Judged;
pub use written::UnreadableCondition;
pub(crate) use written::WrittenCondition;

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenCondition", into = "WrittenCondition")]
pub enum Condition {
    /// The contact has the tag.
    Tag(Tag),
    /// Something about a field.
    Field(FieldKey, Test),
    /// The contact's status in another campaign is one of these.
    Campaign(CampaignId, Vec<StatusAsked>),
    /// All of them hold.
    All(Vec<Condition>),
    /// At least one of them holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// It holds for the person whose object the subject is (R72).
    Contact(Box<Condition>),
}

/// What is tested on a field. Texts are compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// It has a value.
    Set,
    /// It has none.
    Empty,
    /// Its date has passed.
    Past,
    /// Its date has not passed.
    Future,
    /// It has this value.
    Equals(Value),
    /// Its text contains this text.
    Contains(String),
    /// Its value is greater, or later.
    Greater(Value),
    /// Its value is less, or earlier.
    Less(Value),
    /// Its date lies between now and now plus the span, which may be negative.
    Within(Span),
    /// Its time of day, in the zone, lies in a part of the day (R25).
    Time(Daytime),
    /// Its day, in the zone, is one of these weekdays (R25).
    Weekdays(Weekdays),
}

/// A status as a condition may ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatusAsked {
    /// Never enrolled.
    None,
    /// It has tokens.
    Active,
    /// Its paths have run out.
    Completed,
    /// It was reset or released, and nothing is running; or it was never in, and something is
    /// parked for it (R51).
    Ready,
    /// It reached a restart and waits for a trigger (R13).
    AwaitingRestart,
    /// It was stopped: it may not enter (R16).
    Stopped,
    /// A guard stopped it (R40, R41, R43), or a defect in Dacapo.
    Held,
}

impl From<Option<Status>> for StatusAsked {
    fn from(status: Option<Status>) -> Self {
        match status {
            None => Self::None,
            Some(Status::Active) => Self::Active,
            Some(Status::Completed) => Self::Completed,
            Some(Status::Ready) => Self::Ready,
            Some(Status::AwaitingRestart) => Self::AwaitingRestart,
            Some(Status::Stopped) => Self::Stopped,
            Some(Status::Held) => Self::Held,
        }
    }
}

/// What a condition is evaluated against.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The subject: a contact, or an object of one.
    pub contact: &'a Contact,
    /// The person: the subject itself, or the one whose object it is (R72).
    pub person: &'a Contact,
    /// The contact's status in another campaign.
    pub statuses: &'a dyn Fn(&CampaignId) -> Option<Status>,
    /// The instant of the occasion.
    pub now: Instant,
    /// The contact's zone, else the account's.
    pub zone: Zone,
}

impl View<'_> {
    /// The same, with the person in the place of the subject.
    fn of_person(&self) -> Self {
        Self { contact: self.person, ..*self }
    }
}

impl Condition {
    /// Whether it holds.
    pub fn holds(&self, view: &View<'_>) -> bool {
        match self {
            Self::Tag(tag) => view.contact.tags.contains_key(tag),
            Self::Field(key, test) => test.holds(view.contact.fields.get(key), view),
            Self::Campaign(campaign, asked) => {
                asked.contains(&StatusAsked::from((view.statuses)(campaign)))
            }
            Self::All(all) => all.iter().all(|one| one.holds(view)),
            Self::Any(any) => any.iter().any(|one| one.holds(view)),
            Self::Not(not) => !not.holds(view),
            Self::Contact(of) => of.holds(&view.of_person()),
        }
    }

    /// What is missing for it to hold, each in words; empty if it holds (R15, R61).
    pub fn missing(&self, view: &View<'_>) -> Vec<String> {
        if self.holds(view) {
            return Vec::new();
        }
        match self {
            Self::All(all) => all.iter().flat_map(|one| one.missing(view)).collect(),
            Self::Tag(_)
            | Self::Field(..)
            | Self::Campaign(..)
            | Self::Any(_)
            | Self::Not(_)
            | Self::Contact(_) => vec![self.to_string()],
        }
    }

    /// What it reads.
    pub fn reads(&self) -> Reads {
        let mut reads = Reads::default();
        self.add_reads(&mut reads);
        reads
    }

    /// The same, added to `reads`.
    pub fn add_reads(&self, reads: &mut Reads) {
        match self {
            Self::Tag(tag) => {
                reads.tags.insert(tag.clone());
            }
            Self::Field(key, test) => {
                reads.fields.insert(key.clone());
                if test.depends_on_the_zone() {
                    reads.fields.extend(FieldKey::new("time_zone"));
                }
            }
            Self::Campaign(campaign, _) => {
                reads.campaigns.insert(campaign.clone());
            }
            Self::All(many) | Self::Any(many) => many.iter().for_each(|one| one.add_reads(reads)),
            Self::Not(not) => not.add_reads(reads),
            Self::Contact(of) => reads.of_person(of.reads()),
        }
    }

    /// The first test in it that the passing of time alone makes hold or not: `past`, `future` or
    /// `within`.
    pub fn reads_time(&self) -> Option<&'static str> {
        match self {
            Self::Tag(_) | Self::Campaign(..) => None,
            Self::Field(_, test) => test.reads_time(),
            Self::All(many) | Self::Any(many) => many.iter().find_map(Self::reads_time),
            Self::Not(of) | Self::Contact(of) => of.reads_time(),
        }
    }
}

impl Test {
    fn reads_time(&self) -> Option<&'static str> {
        match self {
            Self::Past => Some("past"),
            Self::Future => Some("future"),
            Self::Within(_) => Some("within"),
            Self::Set
            | Self::Empty
            | Self::Equals(_)
            | Self::Contains(_)
            | Self::Greater(_)
            | Self::Less(_)
            | Self::Time(_)
            | Self::Weekdays(_) => None,
        }
    }

    /// Whether another zone can make it hold: it looks at the local time of a moment, or compares
    /// with a moment that is written without an offset. `past`, `future` and `within` are about the
    /// instant of the occasion and make no occasion of their own (R6).
    fn depends_on_the_zone(&self) -> bool {
        match self {
            Self::Time(_) | Self::Weekdays(_) => true,
            Self::Equals(than) | Self::Greater(than) | Self::Less(than) => {
                let read = |zone| FieldType::Datetime.read(than, zone).ok().flatten();
                let in_utc = read(Zone::UTC);
                in_utc.is_some() && in_utc != read(chrono_tz::Asia::Tokyo)
            }
            Self::Set
            | Self::Empty
            | Self::Past
            | Self::Future
            | Self::Contains(_)
            | Self::Within(_) => false,
        }
    }

    fn holds(&self, value: Option<&FieldValue>, view: &View<'_>) -> bool {
        let Some(value) = value else {
            return matches!(self, Self::Empty);
        };
        let passes = || value.passes_at(view.zone);
        match self {
            Self::Set => true,
            Self::Empty => false,
            Self::Past => passes().is_some_and(|at| at <= view.now),
            Self::Future => passes().is_some_and(|at| at > view.now),
            Self::Equals(wanted) => {
                compare(value, wanted, view.zone) == Some(std::cmp::Ordering::Equal)
            }
            Self::Contains(part) => {
                value.as_text().is_some_and(|text| folded(text).contains(&folded(part)))
            }
            Self::Greater(than) => {
                compare(value, than, view.zone) == Some(std::cmp::Ordering::Greater)
            }
            Self::Less(than) => compare(value, than, view.zone) == Some(std::cmp::Ordering::Less),
            Self::Within(span) => passes().is_some_and(|at| {
                let other = span.after(view.now, view.zone);
                view.now.min(other) <= at && at <= view.now.max(other)
            }),
            Self::Time(daytime) => local(value, view.zone)
                .and_then(|(_, time)| time)
                .is_some_and(|time| daytime.contains(time)),
            Self::Weekdays(weekdays) => {
                local(value, view.zone).is_some_and(|(day, _)| weekdays.contains(day.weekday()))
            }
        }
    }
}

/// The day of a date in a zone, and its time if it has one; `None` for values that are no dates.
fn local(value: &FieldValue, zone: Zone) -> Option<(NaiveDate, Option<NaiveTime>)> {
    match value {
        FieldValue::Date(day) => Some((*day, None)),
        FieldValue::Datetime(at) => {
            let local = at.with_timezone(&zone).naive_local();
            Some((local.date(), Some(local.time())))
        }
        FieldValue::Text(_) | FieldValue::Number(_) | FieldValue::Boolean(_) => None,
    }
}

fn compare(value: &FieldValue, wanted: &Value, zone: Zone) -> Option<std::cmp::Ordering> {
    let wanted = value.kind().read(wanted, zone).ok()??;
    match (value, &wanted) {
        (FieldValue::Text(a), FieldValue::Text(b)) => Some(folded(a).cmp(&folded(b))),
        (FieldValue::Number(a), FieldValue::Number(b)) => a.partial_cmp(b),
        (FieldValue::Boolean(a), FieldValue::Boolean(b)) => Some(a.cmp(b)),
        (FieldValue::Date(a), FieldValue::Date(b)) => Some(a.cmp(b)),
        (FieldValue::Datetime(a), FieldValue::Datetime(b)) => Some(a.cmp(b)),
        (
            FieldValue::Text(_)
            | FieldValue::Number(_)
            | FieldValue::Boolean(_)
            | FieldValue::Date(_)
            | FieldValue::Datetime(_),
            _,
        ) => None,
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list(f: &mut fmt::Formatter<'_>, many: &[Condition], between: &str) -> fmt::Result {
            for (i, one) in many.iter().enumerate() {
                if i > 0 {
                    f.write_str(between)?;
                }
                match one {
                    Condition::All(_) | Condition::Any(_) => write!(f, "({one})")?,
                    Condition::Tag(_)
                    | Condition::Field(..)
                    | Condition::Campaign(..)
                    | Condition::Not(_)
                    | Condition::Contact(_) => write!(f, "{one}")?,
                }
            }
            Ok(())
        }
        match self {
            Self::Tag(tag) => write!(f, "the tag {tag}"),
            Self::Field(key, test) => write!(f, "{key} {test}"),
            Self::Campaign(campaign, asked) => {
                let words: Vec<String> = asked
                    .iter()
                    .filter_map(|one| serde_json::to_value(one).ok()?.as_str().map(str::to_owned))
                    .collect();
                write!(f, "status {} in {campaign}", words.join(" or "))
            }
            Self::All(all) => list(f, all, " and "),
            Self::Any(any) => list(f, any, " or "),
            Self::Not(not) => match not.as_ref() {
                Self::Tag(tag) => write!(f, "no tag {tag}"),
                other => write!(f, "not ({other})"),
            },
            Self::Contact(of) => match of.as_ref() {
                Self::Tag(tag) => write!(f, "the contact's tag {tag}"),
                Self::Field(key, test) => write!(f, "the contact's {key} {test}"),
                other => write!(f, "of the contact ({other})"),
            },
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match self {
            Self::Set => f.write_str("is set"),
            Self::Empty => f.write_str("is empty"),
            Self::Past => f.write_str("is past"),
            Self::Future => f.write_str("is in the future"),
            Self::Equals(value) => write!(f, "equals {}", plain(value)),
            Self::Contains(part) => write!(f, "contains {part}"),
            Self::Greater(than) => write!(f, "is greater than {}", plain(than)),
            Self::Less(than) => write!(f, "is less than {}", plain(than)),
            Self::Within(span) => write!(f, "is within {span}"),
            Self::Time(Daytime { from, to }) => write!(f, "is between {from} and {to}"),
            Self::Weekdays(weekdays) => write!(f, "is on {weekdays}"),
        }
    }
}

//! A condition as people write it: read with what is wrong about it, and written again. Exactly one
//! shape is taken; any other combination of keys is refused with the keys that go together. What is
//! written is read again as the same condition.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Condition, StatusAsked, Test};
use crate::ids::{CampaignId, FieldKey, Tag};
use crate::one_or_many::OneOrMany;
use crate::time::{Daytime, Span, Weekdays};

/// A condition as people write it: exactly one of these shapes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenCondition {
    /// The contact has this tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<Tag>,
    /// A field, with one of the tests below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<FieldKey>,
    /// The field has a value or none, or its date is past or ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is: Option<Is>,
    /// The field has this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    equals: Option<Value>,
    /// The field has this text in it, without regard to case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contains: Option<String>,
    /// The field is greater than this number, or later than this date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    greater: Option<Value>,
    /// The field is less than this number, or earlier than this date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    less: Option<Value>,
    /// The date of the field lies between now and now plus this; `-2 days` looks back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    within: Option<Span>,
    /// The time of day of the field, in the zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<Daytime>,
    /// The weekday of the field, in the zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weekdays: Option<Weekdays>,
    /// A campaign, with the `status` that the contact has in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    campaign: Option<CampaignId>,
    /// The status in `campaign`: one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<OneOrMany<StatusAsked>>,
    /// All of these hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    all: Option<Vec<Condition>>,
    /// At least one of these holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    any: Option<Vec<Condition>>,
    /// This does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not: Option<Box<Condition>>,
    /// This holds for the contact whose object the subject is (R72).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contact: Option<Box<Condition>>,
}

/// What is asked about a field without a value to compare it with.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Is {
    /// It has a value.
    Set,
    /// It has none.
    Empty,
    /// Its date has passed.
    Past,
    /// Its date lies ahead.
    Future,
}

/// Why a condition could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableCondition {
    /// None of the shapes, or several at once.
    #[error(
        "a condition has exactly one of `tag`, `field`, `campaign`, `all`, `any`, `not`, `contact`"
    )]
    Shape,
    /// A field with no test, or with several.
    #[error(
        "a condition on a field has exactly one of `is`, `equals`, `contains`, `greater`, `less`, \
         `within`, `time`, `weekdays`"
    )]
    FieldTest,
    /// A test without a field.
    #[error(
        "`is`, `equals`, `contains`, `greater`, `less`, `within`, `time` and `weekdays` need a \
         `field`"
    )]
    TestWithoutField,
    /// A campaign without a status, or a status without a campaign.
    #[error("`campaign` and `status` go together")]
    Status,
}

impl JsonSchema for Condition {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        WrittenCondition::json_schema(generator)
    }
}

impl TryFrom<WrittenCondition> for Condition {
    type Error = UnreadableCondition;

    fn try_from(written: WrittenCondition) -> Result<Self, UnreadableCondition> {
        let WrittenCondition {
            tag,
            field,
            is,
            equals,
            contains,
            greater,
            less,
            within,
            time,
            weekdays,
            campaign,
            status,
            all,
            any,
            not,
            contact,
        } = written;
        let mut tests: Vec<Test> = Vec::new();
        tests.extend(is.map(|is| match is {
            Is::Set => Test::Set,
            Is::Empty => Test::Empty,
            Is::Past => Test::Past,
            Is::Future => Test::Future,
        }));
        tests.extend(equals.map(Test::Equals));
        tests.extend(contains.map(Test::Contains));
        tests.extend(greater.map(Test::Greater));
        tests.extend(less.map(Test::Less));
        tests.extend(within.map(Test::Within));
        tests.extend(time.map(Test::Time));
        tests.extend(weekdays.map(Test::Weekdays));
        if field.is_none() && !tests.is_empty() {
            return Err(UnreadableCondition::TestWithoutField);
        }
        if campaign.is_some() != status.is_some() {
            return Err(UnreadableCondition::Status);
        }
        let mut shapes: Vec<Self> = Vec::new();
        shapes.extend(tag.map(Self::Tag));
        if let Some(key) = field {
            let test = tests.pop().ok_or(UnreadableCondition::FieldTest)?;
            if !tests.is_empty() {
                return Err(UnreadableCondition::FieldTest);
            }
            shapes.push(Self::Field(key, test));
        }
        if let (Some(campaign), Some(status)) = (campaign, status) {
            shapes.push(Self::Campaign(campaign, status.as_slice().to_vec()));
        }
        shapes.extend(all.map(Self::All));
        shapes.extend(any.map(Self::Any));
        shapes.extend(not.map(Self::Not));
        shapes.extend(contact.map(Self::Contact));
        let shape = shapes.pop().ok_or(UnreadableCondition::Shape)?;
        if shapes.is_empty() { Ok(shape) } else { Err(UnreadableCondition::Shape) }
    }
}

impl From<Condition> for WrittenCondition {
    fn from(condition: Condition) -> Self {
        let mut written = Self::default();
        match condition {
            Condition::Tag(tag) => written.tag = Some(tag),
            Condition::Field(key, test) => {
                written.field = Some(key);
                match test {
                    Test::Set => written.is = Some(Is::Set),
                    Test::Empty => written.is = Some(Is::Empty),
                    Test::Past => written.is = Some(Is::Past),
                    Test::Future => written.is = Some(Is::Future),
                    Test::Equals(value) => written.equals = Some(value),
                    Test::Contains(part) => written.contains = Some(part),
                    Test::Greater(than) => written.greater = Some(than),
                    Test::Less(than) => written.less = Some(than),
                    Test::Within(span) => written.within = Some(span),
                    Test::Time(daytime) => written.time = Some(daytime),
                    Test::Weekdays(weekdays) => written.weekdays = Some(weekdays),
                }
            }
            Condition::Campaign(campaign, status) => {
                written.campaign = Some(campaign);
                written.status = Some(OneOrMany::Many(status));
            }
            Condition::All(all) => written.all = Some(all),
            Condition::Any(any) => written.any = Some(any),
            Condition::Not(not) => written.not = Some(not),
            Condition::Contact(of) => written.contact = Some(of),
        }
        written
    }
}

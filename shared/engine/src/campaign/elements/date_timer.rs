//! `date_timer`: follows a date of the contact (R21, R22).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EdgeKey, ElementType, WhenMissed};
use crate::campaign::checks::{At, Findings, Surroundings, Template};
use crate::campaign::node::Path;
use crate::condition::{Condition, Reads};
use crate::field::FieldType;
use crate::ids::{CampaignId, ElementId, FieldKey};
use crate::time::{Span, TimeOfDay};

/// A date timer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DateTimer {
    /// A `date` or `datetime` field.
    pub field: FieldKey,
    /// Before (negative) or after the date; none unless given.
    #[serde(default)]
    pub offset: Span,
    /// The time of day, for a `date`; 09:00 unless given.
    #[serde(default = "nine", skip_serializing_if = "is_nine")]
    pub at: TimeOfDay,
    /// When the moment has passed.
    #[serde(default)]
    pub past: Past,
    /// When there is no date on arrival.
    #[serde(default)]
    pub empty: Empty,
    /// How late it may be delivered; 30 minutes unless given.
    #[serde(default = "half_an_hour")]
    pub grace: Span,
    /// Where the token goes when the moment has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<ElementId>,
    /// Where the token goes at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// What happens to a date timer whose moment has passed (R22).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Past {
    /// Takes the edge `missed`; without one, stays until the date has passed.
    #[default]
    Missed,
    /// Goes on as if it had fired.
    Continue,
    /// Ends.
    End,
}

/// What happens to a date timer whose field is empty on arrival (R22).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Empty {
    /// Rests until there is a date.
    #[default]
    Wait,
    /// Goes on.
    Continue,
    /// Ends.
    End,
}

impl ElementType for DateTimer {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        EdgeKey::edges([("next", self.next.as_ref()), ("missed", self.missed.as_ref())])
    }

    fn condition(&self) -> Option<&Condition> {
        None
    }

    fn reads(&self, reads: &mut Reads) {
        reads.fields.insert(self.field.clone());
        reads.fields.extend(FieldKey::new("time_zone"));
    }

    fn is_rest(&self) -> bool {
        true
    }

    fn begins_next_run(&self, _: &CampaignId) -> bool {
        false
    }

    fn ends_path(&self, _: &CampaignId) -> bool {
        false
    }

    fn when_missed(&self) -> WhenMissed {
        WhenMissed::IsLost
    }

    fn templates(&self, _: &Path) -> Vec<Template<'_>> {
        Vec::new()
    }

    fn check(&self, path: &Path, around: &Surroundings<'_>, findings: &mut Findings<'_>) {
        let at_field = path.key("field");
        match around.fields.named(&self.field, &At::Value(&at_field), findings) {
            Some(FieldType::Datetime) => {
                if findings.is_written(&path.key("at")) {
                    findings.warning(
                        "key_without_effect",
                        &At::Key(&path.key("at")),
                        format!("`{}` has a time of its own; `at` is for dates", self.field),
                        "remove `at`",
                    );
                }
            }
            Some(FieldType::Date) | None => {}
            Some(kind @ (FieldType::Text | FieldType::Number | FieldType::Boolean)) => findings
                .error(
                    "field_is_no_date",
                    &At::Value(&at_field),
                    format!(
                        "a date timer follows a date, but `{}` is a {}",
                        self.field,
                        kind.word()
                    ),
                    "use a field of type `date` or `datetime`",
                ),
        }
        let takes_missed = match self.past {
            Past::Missed => true,
            Past::Continue | Past::End => false,
        };
        if self.missed.is_some() && !takes_missed {
            findings.warning(
                "key_without_effect",
                &At::Key(&path.key("missed")),
                "the edge `missed` is taken with `past: missed` only",
                "remove `past`, or `missed`",
            );
        }
        if self.grace.is_negative() {
            findings.error(
                "invalid_duration",
                &At::Value(&path.key("grace")),
                "a timer cannot be late by less than nothing",
                format!("write a duration such as `{}`", Span::minutes(30)),
            );
        }
    }
}

fn nine() -> TimeOfDay {
    TimeOfDay::new(9, 0).unwrap_or_default()
}

fn is_nine(at: &TimeOfDay) -> bool {
    *at == nine()
}

fn half_an_hour() -> Span {
    Span::minutes(30)
}

//! `date_timer`: follows a date of the subject, or waits for a fixed one (R21, R22, R24, R25).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arrival, EdgeKey, ElementType, Otherwise, WhenMissed, Window};
use crate::campaign::checks::{At, Findings, Surroundings};
use crate::campaign::node::Path;
use crate::condition::Reads;
use crate::contact::Contact;
use crate::field::{FieldType, FieldValue};
use crate::ids::{CampaignId, ElementId, FieldKey};
use crate::time::{FixedDate, Span, TimeOfDay, Zone};

/// A date timer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DateTimer {
    /// A `date` or `datetime` field; this or `date`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<FieldKey>,
    /// A fixed date, with or without a time, in the place of `field` (R24).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<FixedDate>,
    #[doc = "`yearly`: the next time that the date comes round, once each year (R24); 29 February \
             is 28 February in other years."]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// Before (negative) or after the date; none unless given.
    #[serde(default)]
    pub offset: Span,
    /// The time of day, for a `date`; 09:00 unless given.
    #[serde(default = "nine", skip_serializing_if = "is_nine")]
    pub at: TimeOfDay,
    /// The hours in which it fires (R25).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
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

/// How often the date comes (R24).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Repeat {
    /// On the same day of every year, from the date itself on.
    Yearly,
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

impl DateTimer {
    /// The date that it waits for, before it is repeated; `None` without one.
    pub fn value(&self, contact: &Contact, zone: Zone) -> Option<FieldValue> {
        match (&self.date, &self.field) {
            (Some(date), _) => match date.day() {
                Some(day) => Some(FieldValue::Date(day)),
                None => date.instant(zone).map(FieldValue::Datetime),
            },
            (None, Some(field)) => contact.fields.get(field).cloned(),
            (None, None) => None,
        }
    }
}

impl ElementType for DateTimer {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        EdgeKey::edges([("next", self.next.as_ref()), ("missed", self.missed.as_ref())])
    }

    fn add_reads(&self, reads: &mut Reads) {
        reads.fields.extend(self.field.clone());
        reads.fields.extend(FieldKey::new("time_zone"));
    }

    fn arrival(&self, _: &CampaignId) -> Arrival {
        Arrival::Rests
    }

    fn when_missed(&self) -> WhenMissed {
        WhenMissed::IsLost
    }

    fn check(&self, path: &Path, around: &Surroundings<'_>, findings: &mut Findings<'_>) {
        self.check_date(path, around, findings);
        self.check_window(path, findings);
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

impl DateTimer {
    /// It has a field or a date, and `at` and `empty` where they have an effect.
    fn check_date(&self, path: &Path, around: &Surroundings<'_>, findings: &mut Findings<'_>) {
        let has_time = match (&self.field, &self.date) {
            (Some(field), None) => self.check_field(field, path, around, findings),
            (None, Some(date)) => {
                if findings.is_written(&path.key("empty")) {
                    findings.warning(
                        "key_without_effect",
                        &At::Key(&path.key("empty")),
                        "a fixed `date` is never empty",
                        "remove `empty`",
                    );
                }
                date.day().is_none().then(|| date.to_string())
            }
            (Some(field), Some(date)) => {
                findings.error(
                    "field_and_date",
                    &At::Key(&path.key("date")),
                    format!(
                        "a date timer follows a field or waits for a fixed date, but this one has \
                         both: the field `{field}` and the date `{date}`"
                    ),
                    "remove `field` or `date`",
                );
                None
            }
            (None, None) => {
                findings.error(
                    "missing_key",
                    &At::Key(path),
                    "the date timer has neither `field` nor `date`",
                    "add `field` with a field of type `date` or `datetime`, or `date` with a date \
                     such as `2026-12-24`",
                );
                None
            }
        };
        if let Some(timed) = has_time
            && findings.is_written(&path.key("at"))
        {
            findings.warning(
                "key_without_effect",
                &At::Key(&path.key("at")),
                format!("`{timed}` has a time of its own; `at` is for dates"),
                "remove `at`",
            );
        }
    }

    /// The field is a date. Answers its name if it has a time of its own.
    fn check_field(
        &self,
        field: &FieldKey,
        path: &Path,
        around: &Surroundings<'_>,
        findings: &mut Findings<'_>,
    ) -> Option<String> {
        let at_field = path.key("field");
        match around.fields.named(field, &At::Value(&at_field), findings) {
            Some(FieldType::Datetime) => return Some(field.to_string()),
            Some(FieldType::Date) | None => {}
            Some(kind @ (FieldType::Text | FieldType::Number | FieldType::Boolean)) => findings
                .error(
                    "field_is_no_date",
                    &At::Value(&at_field),
                    format!("a date timer follows a date, but `{field}` is a {}", kind.word()),
                    "use a field of type `date` or `datetime`",
                ),
        }
        None
    }

    fn check_window(&self, path: &Path, findings: &mut Findings<'_>) {
        if self.past == Past::Continue
            && self.window.is_some_and(|window| window.otherwise == Otherwise::Skip)
        {
            findings.warning(
                "key_without_effect",
                &At::Value(&path.key("window").key("else")),
                "with `past: continue` what is skipped goes on as if there were no window",
                "write `later` or `earlier`, or remove `past`",
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

//! `wait`: a duration, a time of day, weekdays (R20). One that does not say how long is refused by
//! the check.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arrival, EdgeKey, ElementType, WhenMissed};
use crate::campaign::checks::{At, Findings, Surroundings};
use crate::campaign::node::Path;
use crate::ids::{CampaignId, ElementId};
use crate::time::{Span, TimeOfDay, Weekdays};

/// A wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// How long.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
    /// Until when, after the duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// Where the token goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ElementId>,
}

/// A time of day and weekdays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// The time of day; without one, the beginning of the first such day, or now if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeOfDay>,
    /// On these days; every day unless given.
    #[serde(default)]
    pub weekdays: Weekdays,
}

impl ElementType for Wait {
    fn edges(&self) -> Vec<(EdgeKey, &ElementId)> {
        EdgeKey::edges([("next", self.next.as_ref())])
    }

    fn arrival(&self, _: &CampaignId) -> Arrival {
        Arrival::Rests
    }

    fn when_missed(&self) -> WhenMissed {
        WhenMissed::IsLost
    }

    fn check(&self, path: &Path, _: &Surroundings<'_>, findings: &mut Findings<'_>) {
        if let Some(duration) = self.duration
            && (duration.is_negative() || duration.is_zero())
        {
            findings.error(
                "invalid_duration",
                &At::Value(&path.key("for")),
                "a wait takes some time",
                "write a duration such as `2 days` or `90 minutes`",
            );
        }
        let is_until = match &self.until {
            Some(Until { time, weekdays }) => time.is_some() || *weekdays != Weekdays::EVERY_DAY,
            None => false,
        };
        if self.duration.is_none() && !is_until {
            findings.error(
                "endless_or_empty_wait",
                &At::Key(path),
                "the wait does not say how long",
                "add `for`, or `until` with a time or weekdays",
            );
        }
    }
}

//! `window` of a date timer and of an e-mail: the hours in which they act (R25).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::{Daytime, Hours, TimeOfDay, Weekdays};

/// The hours in which an element acts, in the zone, and what becomes of it outside of them (R25).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// From this time of day, inclusive.
    pub from: TimeOfDay,
    /// To this time of day, exclusive; earlier than `from` means that of the next day.
    pub to: TimeOfDay,
    /// On these days; every day unless given.
    #[serde(default)]
    pub weekdays: Weekdays,
    /// What is done outside of the hours.
    #[serde(default, rename = "else")]
    pub otherwise: Otherwise,
}

/// What is done outside of the hours of a window (R25).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Otherwise {
    /// When the window opens next.
    #[default]
    Later,
    /// In the last minute of the window before; for date timers only.
    Earlier,
    /// A message is not sent; a date timer's moment counts as passed (R22).
    Skip,
}

impl Window {
    /// The hours.
    pub fn hours(&self) -> Hours {
        Hours { daytime: Daytime { from: self.from, to: self.to }, weekdays: self.weekdays }
    }
}

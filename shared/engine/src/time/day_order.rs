//! Dates such as `03/12/2026`: which of the two numbers is the day. What has two meanings is
//! refused unless an order is known.

use serde::{Deserialize, Serialize};

/// Which of two numbers with a slash or a dash between is the day. With dots the day is always
/// first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// `03/12/2026` is the third of December.
    DayFirst,
    /// `03/12/2026` is the twelfth of March.
    MonthFirst,
}

impl DateOrder {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::DayFirst, Self::MonthFirst];

    /// The word, as it is written in settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::DayFirst => "day_first",
            Self::MonthFirst => "month_first",
        }
    }
}

/// How dates such as `03/12/2026` are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlashDates {
    /// In this order.
    In(DateOrder),
    /// Not at all: a sender who is understood on the thirteenth would not be on the twelfth.
    Refused,
    /// Where only one order makes a date: in documents, which somebody reads over before they are
    /// published.
    WhereClear,
}

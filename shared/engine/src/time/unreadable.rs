//! Why a text could not be read as a date; every message names the text and forms that can be read.

/// Why a text could not be read as a date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableDate {
    /// Day and month could be either way round.
    #[error(
        "{text:?} is ambiguous: nobody says whether the day or the month comes first, and the \
         account has no `date_order` (PATCH /v1/account); write 2026-12-01, 2026-12-01 14:30, \
         01.12.2026 14:30, 1 December 2026 14:30 or December 1, 2026 2:30 PM"
    )]
    Ambiguous {
        /// What was written.
        text: String,
    },
    /// Day and month can be told here, but not in every date of this sender.
    #[error(
        "{text:?} is not read: which number is the day can be told here, and not in the sender's \
         next date, and the account has no `date_order` (PATCH /v1/account); set it, or write \
         2026-12-01, 2026-12-01 14:30, 01.12.2026 14:30, 1 December 2026 14:30 or December 1, 2026 \
         2:30 PM"
    )]
    NoOrder {
        /// What was written.
        text: String,
    },
    /// Not a form that is known.
    #[error(
        "{text:?} is not a date that can be read; write 2026-12-01, 2026-12-01 14:30, \
         2026-12-01T14:30:00+01:00, 01.12.2026 14:30, 1 December 2026 14:30 or December 1, 2026 \
         2:30 PM"
    )]
    Unknown {
        /// What was written.
        text: String,
    },
    /// The form is known, but the calendar or the clock has no such day or time.
    #[error("{text:?} names a day or a time that does not exist; write it like 2026-12-01 14:30")]
    NoSuchDay {
        /// What was written.
        text: String,
    },
    /// The weekday is not that of the date.
    #[error("{text:?} names a weekday that its date does not fall on; leave the weekday out")]
    OtherWeekday {
        /// What was written.
        text: String,
    },
    /// The year has two digits.
    #[error(
        "{text:?} has a year of two digits, so which number is the year cannot be told; write four \
         of them, like 2026-12-01 14:30"
    )]
    ShortYear {
        /// What was written.
        text: String,
    },
    /// A spreadsheet's number of days.
    #[error(
        "{text:?} is a spreadsheet's number for a date, not a date; format the cells as text like \
         2026-12-01 14:30"
    )]
    SheetNumber {
        /// What was written.
        text: String,
    },
    /// Before 1900 or after 9999.
    #[error(
        "{text:?} is outside the years 1900 to 9999; write a year of four digits like 2026-12-01"
    )]
    OutOfRange {
        /// What was written.
        text: String,
    },
}

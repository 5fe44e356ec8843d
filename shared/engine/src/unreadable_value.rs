//! Why a value that was sent cannot be read: each reason says what to write instead.
//!
//! What is ambiguous is such a value, too: nothing is guessed.

use crate::text::UnwelcomeCharacter;
use crate::time::UnreadableDate;

/// The longest text value, in bytes.
pub const LONGEST_TEXT_BYTES: usize = 4_096;

/// Why a sent value was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum UnreadableValue {
    /// A list or an object.
    #[error("{sent} is no {wanted}; send a single value")]
    Shape {
        /// What was sent.
        sent: String,
        /// The type that is wanted.
        wanted: &'static str,
    },
    /// Longer than [`LONGEST_TEXT_BYTES`].
    #[error(
        "the text {begins:?}… has {bytes} bytes; at most {LONGEST_TEXT_BYTES} are kept, so shorten \
         it"
    )]
    TooLong {
        /// How it begins.
        begins: String,
        /// How long it is.
        bytes: usize,
    },
    /// Not a number.
    #[error("{0:?} is not a number; write it like 12.5")]
    Number(String),
    /// A number of JSON with more digits than are kept.
    #[error("{0} has more digits than a number keeps; send it as a text, between quotation marks")]
    Digits(String),
    /// It could also mean another number, a thousand times as large or small.
    #[error(
        "{text:?} is ambiguous: the mark could stand before decimals or between thousands; write \
         {thousands}, or two decimals"
    )]
    AmbiguousNumber {
        /// What was written.
        text: String,
        /// The number if the mark separates thousands.
        thousands: String,
    },
    /// Not true or false.
    #[error("{text:?} is neither true nor false; write true, false, yes, no, 1, 0{words}")]
    Boolean {
        /// What was written.
        text: String,
        /// More words that are read.
        words: String,
    },
    /// A character that no value may hold.
    #[error(transparent)]
    Character(#[from] UnwelcomeCharacter),
    /// Not a date.
    #[error(transparent)]
    Date(#[from] UnreadableDate),
}

//! How long an answer may be.
//!
//! The API may run on AWS Lambda. An answer is then a JSON text with the body as a string in it,
//! and that text may have 6 MB at most (*Lambda quotas*: invocation payload,
//! <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>; *Invoke*,
//! <https://docs.aws.amazon.com/lambda/latest/dg/API_Invoke.html>). So a body counts as it is
//! written into such a string: a quotation mark in a value is four bytes of a JSON answer. A list
//! ends before that, on every transport, and its cursor continues it: so one process and functions
//! answer the same way.

use dacapo_engine::text::shortened;
use serde::{Serialize, Serializer};

use crate::error::Error;
use crate::table::Unwritable;

/// The longest answer, in bytes: a body in a JSON string, with status and headers. AWS says 6 MB,
/// without saying which; this is the smaller one.
pub const LARGEST_ANSWER: usize = 6_000_000;

/// What is reserved for status, headers, and what surrounds the items of a list, in bytes.
const AROUND: usize = 100_000;

/// Says that an answer is sent in one piece, of [`LARGEST_ANSWER`] at most: the transport puts it
/// among the request's extensions. Without it a file may have any length.
#[derive(Debug, Clone, Copy)]
pub struct InOnePiece;

/// How many bytes a body takes in a JSON string.
pub fn carried(body: &[u8]) -> usize {
    let bytes = body.iter().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        // The others are written as `\u0000`.
        0..0x20 => 6,
        0x20.. => 1,
    });
    bytes.sum()
}

/// What is left of the length of an answer.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct Room {
    left: usize,
}

impl Room {
    /// That of an empty answer.
    pub(in crate::api) const WHOLE: Self = Self { left: LARGEST_ANSWER - AROUND };

    /// Takes what a part of the body needs; `false` if there is not so much left.
    pub(in crate::api) fn holds(&mut self, part: &[u8]) -> bool {
        let left = self.left.checked_sub(carried(part));
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// The same for an item of a list, as JSON.
    pub(in crate::api) fn holds_item<T: Serialize>(&mut self, item: &T) -> Result<bool, Error> {
        Ok(self.holds((json_text(item)? + ",").as_bytes()))
    }
}

/// The longest place in an answer, in characters.
const LONGEST_PATH: usize = 300;

/// The longest sentence in an answer, in characters. Sentences quote what was sent.
const LONGEST_SENTENCE: usize = 2_000;

/// Serializes a place, shortened if it is too long.
pub(in crate::api) fn place<S: Serializer>(path: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&shortened(path, LONGEST_PATH))
}

/// Serializes a sentence, shortened likewise.
pub(in crate::api) fn sentence<S: Serializer>(
    text: &str,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&shortened(text, LONGEST_SENTENCE))
}

/// The same for a sentence that may be missing.
pub(in crate::api) fn maybe_sentence<S: Serializer>(
    text: &Option<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => serializer.serialize_some(&shortened(text, LONGEST_SENTENCE)),
        None => serializer.serialize_none(),
    }
}

/// A value as a JSON text.
pub(in crate::api) fn json_text<T: Serialize>(value: &T) -> Result<String, Error> {
    Ok(serde_json::to_string(value).map_err(|error| Unwritable::Json(error.to_string()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_counts_as_it_is_written_into_a_string() {
        for c in ('\0'..='\u{2ff}').chain(['€', '𝄞', '\u{2028}', '\u{ffff}']) {
            let text = format!("a{c}b");
            let written = serde_json::to_string(&text).unwrap();
            assert_eq!(carried(text.as_bytes()), written.len() - 2, "{c:?}");
        }
    }

    #[test]
    fn room_is_used_up() {
        let mut room = Room { left: 10 };
        assert!(!room.holds_item(&"\"\"").unwrap(), "a text of two is twelve, and a comma");
        assert!(room.holds_item(&"\"").unwrap(), "what did not fit has taken nothing");
        assert!(room.holds(b"a") && !room.holds(b"a"));
    }
}

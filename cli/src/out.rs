//! Printing to standard output. The reader may close it (`dacapo demo | head`): then the command
//! ends, without a failure. Nothing else in this crate writes to standard output.
//!
//! What is printed may hold text from outside, such as the content of a dead letter. Control
//! characters, which a terminal would obey, are printed as JSON escapes them (`\u001b`):
//! [`visible`].

use std::error::Error;
use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

/// Prints a text and a line end, at once.
///
/// # Errors
///
/// That standard output is closed, or what else prevents writing.
pub(crate) fn line(text: impl Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", visible(text))?;
    out.flush()
}

/// Prints an error to standard error; if that is closed too, it is dropped.
pub(crate) fn complain(error: impl Display) {
    let _ = writeln!(std::io::stderr(), "dacapo: {}", visible(error));
}

/// The text with control characters, and characters that change the direction of text, escaped as
/// in JSON. Line ends and tabs stay; JSON stays the same JSON.
pub(crate) fn visible(text: impl Display) -> String {
    let mut shown = String::new();
    for character in text.to_string().chars() {
        let turns_direction =
            matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if (character.is_control() && !matches!(character, '\n' | '\t')) || turns_direction {
            shown.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether a command ended because standard output was closed.
pub(crate) fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn what_a_terminal_would_obey_is_shown_and_json_stays_the_same() {
        let text = "a\u{1b}[2J\tb\r\nc\u{9b}31m\u{202e}d";
        assert_eq!(visible(text), "a\\u001b[2J\tb\\u000d\nc\\u009b31m\\u202ed");
        let value = serde_json::json!({ "raw": text });
        let printed = visible(&value);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
        assert!(!printed.chars().any(char::is_control));
    }
}

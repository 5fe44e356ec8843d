//! What the commands print. Whoever reads may stop reading (`dacapo demo | head`): then the command
//! ends, and that is no failure. Nothing else in this crate writes to standard output.
//!
//! What is printed may hold text from outside, such as what a dead letter says. Characters that a
//! terminal obeys instead of showing are printed as JSON writes them (`\u001b`): [`visible`].

use std::error::Error;
use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

/// Prints a text and a line end, at once.
///
/// # Errors
///
/// That nobody reads any more, or what else keeps it from being written.
pub(crate) fn line(text: impl Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", visible(text))?;
    out.flush()
}

/// Says on standard error what went wrong; if nobody reads that either, nobody is told.
pub(crate) fn complain(error: impl Display) {
    let _ = writeln!(std::io::stderr(), "dacapo: {}", visible(error));
}

/// A text in which every character that a terminal obeys, or that turns the direction of what
/// follows, is written as JSON escapes it. Line ends and tabs stay; JSON stays the same JSON.
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

/// Whether a command ended because nobody reads any more what it prints.
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

//! Texts: which two are the same, which characters are invisible, and how one is shortened.
//!
//! All of it is defined only here. Two texts are the same if their folded forms are: Unicode's
//! canonical caseless matching, so that `Straße` is `STRASSE`, and a letter with an accent is the
//! same however it is composed. ASCII texts, which are most, cost no more than lower-casing.

use std::borrow::Cow;
use std::fmt;

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};

/// The character that marks a lossy decoding. It is never stored.
pub const REPLACEMENT: char = '\u{fffd}';

/// The text with every letter composed (NFC): how texts are stored.
pub fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    ComposingNormalizer::new_nfc().normalize(text)
}

/// The text with every letter decomposed (NFD).
pub(crate) fn decomposed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    DecomposingNormalizer::new_nfd().normalize(text)
}

/// The form in which texts are compared: without regard to case and to how letters are composed.
pub fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let folded = CaseMapper::new().fold_string(&decomposed(text)).into_owned();
    composed(&folded).into_owned()
}

/// The letters and digits of a name, folded: case, spaces and punctuation do not count.
pub fn letters(name: &str) -> String {
    folded(name).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// A text of so many characters at most, and a mark if there were more.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// Whether the character is invisible, so that the text looks the same without it: format
/// characters (Unicode's Cf), fillers that are drawn as nothing, control characters, line
/// separators, and the mark of a lossy decoding.
pub fn is_unseen(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffd}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'
            | '\u{e0020}'..='\u{e007f}')
}

/// Whether the character changes the direction of the text after it: a text with one can look like
/// another text.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a value may not hold the character: a control character that is no white space, one that
/// changes the direction, or the mark of a lossy decoding. Other invisible ones are legitimate in
/// names and sentences, such as the joiners of emoji and of Persian.
fn is_no_part_of_a_value(c: char) -> bool {
    (c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{b}' | '\u{c}'))
        || turns_direction(c)
        || matches!(c, REPLACEMENT | '\u{fff9}'..='\u{fffb}')
}

/// A value as written by a person: composed, and trimmed of white space and of direction marks
/// around it, which telephones put around numbers.
///
/// # Errors
///
/// The character that no value may hold.
pub fn value(written: &str) -> Result<Cow<'_, str>, UnwelcomeCharacter> {
    let around = |c: char| c.is_whitespace() || turns_direction(c) || c == '\u{feff}';
    let written = written.trim_matches(around);
    match written.chars().find(|c| is_no_part_of_a_value(*c)) {
        Some(c) => Err(UnwelcomeCharacter(c)),
        None => Ok(composed(written)),
    }
}

/// A character that is not allowed where it was found. It is shown by its code and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it contains {}; {}", NamedCharacter(*.0), remedy(*.0))]
pub struct UnwelcomeCharacter(pub char);

fn remedy(c: char) -> &'static str {
    match c {
        REPLACEMENT => {
            "a letter was lost before it came here: send the text in UTF-8, or say its charset"
        }
        _ => "nobody can see it, so remove it",
    }
}

/// A character as people can look it up: `U+200B (ZERO WIDTH SPACE)`.
pub struct NamedCharacter(pub char);

impl fmt::Display for NamedCharacter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U+{:04X}", u32::from(self.0))?;
        match name(self.0) {
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

/// Unicode's names of invisible characters, the common ones.
fn name(c: char) -> Option<&'static str> {
    Some(match c {
        '\0' => "NULL",
        '\t' => "TAB",
        '\n' => "LINE FEED",
        '\r' => "CARRIAGE RETURN",
        '\u{1b}' => "ESCAPE",
        '\u{7f}' => "DELETE",
        '\u{a0}' => "NO-BREAK SPACE",
        '\u{ad}' => "SOFT HYPHEN",
        '\u{34f}' => "COMBINING GRAPHEME JOINER",
        '\u{61c}' => "ARABIC LETTER MARK",
        '\u{115f}' => "HANGUL CHOSEONG FILLER",
        '\u{1160}' => "HANGUL JUNGSEONG FILLER",
        '\u{180e}' => "MONGOLIAN VOWEL SEPARATOR",
        '\u{200b}' => "ZERO WIDTH SPACE",
        '\u{200c}' => "ZERO WIDTH NON-JOINER",
        '\u{200d}' => "ZERO WIDTH JOINER",
        '\u{200e}' => "LEFT-TO-RIGHT MARK",
        '\u{200f}' => "RIGHT-TO-LEFT MARK",
        '\u{2028}' => "LINE SEPARATOR",
        '\u{2029}' => "PARAGRAPH SEPARATOR",
        '\u{202a}' => "LEFT-TO-RIGHT EMBEDDING",
        '\u{202b}' => "RIGHT-TO-LEFT EMBEDDING",
        '\u{202c}' => "POP DIRECTIONAL FORMATTING",
        '\u{202d}' => "LEFT-TO-RIGHT OVERRIDE",
        '\u{202e}' => "RIGHT-TO-LEFT OVERRIDE",
        '\u{2060}' => "WORD JOINER",
        '\u{2061}' => "FUNCTION APPLICATION",
        '\u{2062}' => "INVISIBLE TIMES",
        '\u{2063}' => "INVISIBLE SEPARATOR",
        '\u{2064}' => "INVISIBLE PLUS",
        '\u{2066}' => "LEFT-TO-RIGHT ISOLATE",
        '\u{2067}' => "RIGHT-TO-LEFT ISOLATE",
        '\u{2068}' => "FIRST STRONG ISOLATE",
        '\u{2069}' => "POP DIRECTIONAL ISOLATE",
        '\u{3164}' => "HANGUL FILLER",
        '\u{feff}' => "ZERO WIDTH NO-BREAK SPACE",
        '\u{ffa0}' => "HALFWIDTH HANGUL FILLER",
        REPLACEMENT => "REPLACEMENT CHARACTER",
        c if c.is_control() => "a control character",
        '\u{e0020}'..='\u{e007f}' => "a TAG character",
        c if is_unseen(c) => "a format character",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_identity_folding_follows_unicode() {
        for (one, other) in [
            ("Straße", "STRASSE"),
            ("STRAẞE", "strasse"),
            ("Mu\u{308}ller", "MÜLLER"),
            ("ΟΔΟΣ", "οδος"),
            ("Ångström", "A\u{30a}NGSTRO\u{308}M"),
            ("Lead", "LEAD"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        assert_ne!(folded("Lead"), folded("Lead\u{200b}"));
        assert_ne!(folded("ı"), folded("i"), "a letter of its own");
    }

    #[test]
    fn one_identity_values_keep_what_is_legitimate_and_name_what_is_not() {
        for kept in ["👩\u{200d}💻", "می\u{200c}خواهم", "two\nlines", "❤\u{fe0f}", "a\u{b}b"]
        {
            assert_eq!(value(kept).as_deref(), Ok(kept));
        }
        assert_eq!(value("\u{202a}+49 30 1\u{202c} ").as_deref(), Ok("+49 30 1"));
        assert_eq!(value("Mu\u{308}ller").as_deref(), Ok("Müller"));
        for (refused, named) in [
            ("inv\u{202e}fdp.exe", "U+202E (RIGHT-TO-LEFT OVERRIDE)"),
            ("J\u{fffd}rg", "U+FFFD (REPLACEMENT CHARACTER)"),
            ("a\0b", "U+0000 (NULL)"),
        ] {
            let message = value(refused).unwrap_err().to_string();
            assert!(message.contains(named), "{message}");
        }
    }
}

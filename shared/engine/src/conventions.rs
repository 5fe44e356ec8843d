//! How the sender writes values: the zone of dates, the order of day and month, the decimal
//! separator, the words for yes and no.
//!
//! It reads only what is unambiguous. `49,90` is a number where it is written so. `1.234` is 1,234
//! where the decimal separator is a comma; elsewhere it would be less than two, so it is refused
//! there.

use crate::text;
use crate::time::Zone;
use crate::unreadable_value::UnreadableValue;

pub use crate::time::{DateOrder, SlashDates};

/// How numbers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbers {
    /// `1234.5`, as programs write them.
    Plain,
    /// The decimal separator is a point: `1,234.5`.
    Point,
    /// The decimal separator is a comma: `1.234,5`.
    Comma,
}

/// How the sender writes values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conventions {
    /// The zone in which dates without an offset are read (R4).
    pub zone: Zone,
    /// How dates with slashes or dashes are read.
    pub slashes: SlashDates,
    numbers: Numbers,
    /// Words for yes and for no in addition to the English ones.
    words: &'static [(&'static str, bool)],
}

impl Conventions {
    /// Those of campaigns and of what they write: the formats of programs, in English.
    pub fn of_documents(zone: Zone) -> Self {
        Self { zone, slashes: SlashDates::WhereClear, numbers: Numbers::Plain, words: &[] }
    }

    /// Those of an account that writes this language (a BCP 47 tag).
    pub fn of_senders(zone: Zone, locale: &str, order: Option<DateOrder>) -> Self {
        let slashes = order.map_or(SlashDates::Refused, SlashDates::In);
        let language = locale.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let numbers =
            if has_decimal_comma(&language, locale) { Numbers::Comma } else { Numbers::Point };
        Self { zone, slashes, numbers, words: yes_and_no(&language) }
    }

    /// The same in another zone.
    pub fn in_zone(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }

    /// Reads a number.
    pub(crate) fn number(&self, text: &str) -> Result<f64, UnreadableValue> {
        let unreadable = || UnreadableValue::Number(text.to_owned());
        let finite = |plain: &str| plain.parse::<f64>().ok().filter(|n| n.is_finite());
        if self.numbers == Numbers::Plain {
            return finite(text).ok_or_else(unreadable);
        }
        let written = self.plain(text).ok_or_else(unreadable)?;
        match written {
            NumberReading::Plain(plain) => finite(&plain).ok_or_else(unreadable),
            NumberReading::Ambiguous => {
                let thousands = text.replace(['.', ','], "");
                Err(UnreadableValue::AmbiguousNumber { text: text.to_owned(), thousands })
            }
        }
    }

    /// The number as programs write it; `None` if it is not a number.
    fn plain(&self, text: &str) -> Option<NumberReading> {
        // Spaces and apostrophes can only separate thousands.
        let spaced = |c: char| matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\'' | '’');
        let minus = text.replace('\u{2212}', "-");
        let text = match minus.split(spaced).collect::<Vec<_>>().as_slice() {
            [_] => minus.clone(),
            [first, rest @ ..] if are_thousands(first, rest) => minus.replace(spaced, ""),
            _ => return None,
        };
        let count = |mark: char| text.matches(mark).count();
        let (points, commas) = (count('.'), count(','));
        let decimal = match (points, commas) {
            (0, 0) => return Some(NumberReading::Plain(text)),
            (0, 1) | (1, 0) => {
                let mark = if points == 1 { '.' } else { ',' };
                let own = if self.numbers == Numbers::Comma { ',' } else { '.' };
                let (whole, decimals) = text.split_once(mark)?;
                if mark != own && are_thousands(whole, &[decimals]) {
                    return Some(NumberReading::Ambiguous);
                }
                mark
            }
            // The last mark is the decimal separator, and occurs once.
            (_, 1) if text.rfind(',') > text.rfind('.') => ',',
            (1, _) if text.rfind('.') > text.rfind(',') => '.',
            (_, 0) | (0, _) => {
                let mark = if commas == 0 { '.' } else { ',' };
                let parts: Vec<&str> = text.split(mark).collect();
                let (first, rest) = parts.split_first()?;
                return are_thousands(first, rest)
                    .then(|| NumberReading::Plain(text.replace(mark, "")));
            }
            _ => return None,
        };
        let (whole, decimals) = text.rsplit_once(decimal)?;
        let other = if decimal == '.' { ',' } else { '.' };
        let parts: Vec<&str> = whole.split(other).collect();
        let (first, rest) = parts.split_first()?;
        if !rest.is_empty() && !are_thousands(first, rest) {
            return None;
        }
        Some(NumberReading::Plain(format!("{}.{decimals}", whole.replace(other, ""))))
    }

    /// Reads yes or no.
    pub(crate) fn boolean(&self, text: &str) -> Result<bool, UnreadableValue> {
        let word = text::folded(text);
        match word.as_str() {
            "true" | "yes" | "1" | "on" => return Ok(true),
            "false" | "no" | "0" | "off" => return Ok(false),
            _ => {}
        }
        let known = self.words.iter().find(|(known, _)| *known == word);
        known.map(|(_, truth)| *truth).ok_or_else(|| UnreadableValue::Boolean {
            text: text.to_owned(),
            words: self.words.iter().map(|(word, _)| format!(", {word}")).collect(),
        })
    }
}

enum NumberReading {
    Plain(String),
    Ambiguous,
}

/// Whether these are the digits of one number with thousands separators.
fn are_thousands(first: &str, rest: &[&str]) -> bool {
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let first = first.strip_prefix(['-', '+']).unwrap_or(first);
    let last = rest.len().saturating_sub(1);
    (1..=3).contains(&first.len())
        && digits(first)
        && !first.starts_with('0')
        && rest.iter().enumerate().all(|(at, part)| {
            // After the last three digits decimals may follow.
            let whole =
                if at == last { part.split(['.', ',']).next().unwrap_or(part) } else { part };
            whole.len() == 3 && digits(whole)
        })
}

/// Whether the decimal separator is a comma, by CLDR's number symbols.
fn has_decimal_comma(language: &str, locale: &str) -> bool {
    let region = locale.split(['-', '_']).skip(1).find(|part| part.len() == 2);
    let region = region.map(str::to_ascii_uppercase).unwrap_or_default();
    match (language, region.as_str()) {
        ("de" | "it", "CH" | "LI") => false,
        (
            "es",
            "MX" | "US" | "PR" | "GT" | "HN" | "NI" | "PA" | "PE" | "SV" | "DO" | "CU" | "BZ",
        ) => false,
        ("en", "AT" | "BE" | "DE" | "DK" | "FI" | "NL" | "SE" | "SI" | "ZA") => true,
        _ => matches!(
            language,
            "af" | "az"
                | "be"
                | "bg"
                | "bs"
                | "ca"
                | "cs"
                | "da"
                | "de"
                | "el"
                | "es"
                | "et"
                | "eu"
                | "fi"
                | "fo"
                | "fr"
                | "gl"
                | "hr"
                | "hu"
                | "hy"
                | "id"
                | "is"
                | "it"
                | "ka"
                | "kk"
                | "lb"
                | "lt"
                | "lv"
                | "mk"
                | "nb"
                | "nl"
                | "nn"
                | "no"
                | "pl"
                | "pt"
                | "ro"
                | "ru"
                | "sk"
                | "sl"
                | "sq"
                | "sr"
                | "sv"
                | "tr"
                | "uk"
                | "uz"
                | "vi"
        ),
    }
}

/// The words for yes and no of a language, in folded form.
fn yes_and_no(language: &str) -> &'static [(&'static str, bool)] {
    match language {
        "de" => &[
            ("ja", true),
            ("nein", false),
            ("wahr", true),
            ("falsch", false),
            ("an", true),
            ("aus", false),
        ],
        "fr" => &[("oui", true), ("non", false), ("vrai", true), ("faux", false)],
        "es" => &[("sí", true), ("si", true), ("verdadero", true), ("falso", false)],
        "it" => &[("sì", true), ("si", true), ("vero", true), ("falso", false)],
        "pt" => &[("sim", true), ("não", false), ("verdadeiro", true), ("falso", false)],
        "nl" => &[("ja", true), ("nee", false), ("waar", true), ("onwaar", false)],
        "da" | "nb" | "no" => &[("ja", true), ("nej", false), ("nei", false)],
        "sv" => &[("ja", true), ("nej", false), ("sant", true), ("falskt", false)],
        "pl" => &[("tak", true), ("nie", false), ("prawda", true), ("fałsz", false)],
        "cs" => &[("ano", true), ("ne", false)],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn senders(locale: &str) -> Conventions {
        Conventions::of_senders(Zone::UTC, locale, None)
    }

    #[test]
    fn a_bad_optional_value_numbers_are_read_by_the_language() {
        let everywhere = [
            ("12", 12.0),
            ("-12.5", -12.5),
            ("49,90", 49.9),
            ("1.234,56", 1_234.56),
            ("1,234.56", 1_234.56),
            ("1.234.567", 1_234_567.0),
            ("1,234,567.5", 1_234_567.5),
            ("1 234,5", 1_234.5),
            ("1'234.50", 1_234.5),
            ("1\u{202f}234\u{a0}567", 1_234_567.0),
            ("0.123", 0.123),
            ("0,123", 0.123),
            ("1e3", 1_000.0),
            ("\u{2212}3", -3.0),
            (".5", 0.5),
            ("1234,567", 1_234.567),
        ];
        for locale in ["de", "en", "de-AT", "fr", "de-CH"] {
            for (text, number) in everywhere {
                assert_eq!(senders(locale).number(text), Ok(number), "{locale} {text}");
            }
        }
        for (locale, text, number) in
            [("de", "1,234", 1.234), ("en", "1.234", 1.234), ("de-CH", "1.234", 1.234)]
        {
            assert_eq!(senders(locale).number(text), Ok(number), "{locale} {text}");
        }
        for (locale, text) in
            [("de", "1.234"), ("fr", "-12.345"), ("en", "1,234"), ("en-US", "123,456")]
        {
            let refused = senders(locale).number(text).unwrap_err().to_string();
            assert!(refused.contains(text) && refused.contains("ambiguous"), "{locale} {refused}");
        }
        for text in
            ["", "many", "1,2,3", "1.2.3", "12 34", "1.23,4,5", "49,90 €", "NaN", "inf", "1,23.45"]
        {
            let refused = senders("de").number(text).unwrap_err().to_string();
            assert!(refused.contains(&format!("{text:?}")), "{refused}");
        }
        assert_eq!(Conventions::of_documents(Zone::UTC).number("1.234"), Ok(1.234));
    }

    #[test]
    fn a_bad_optional_value_yes_and_no_are_read_by_the_language() {
        for (locale, text, truth) in [
            ("de", "Ja", true),
            ("de-AT", "NEIN", false),
            ("de", "yes", true),
            ("fr", "Oui", true),
            ("es", "SÍ", true),
            ("en", "On", true),
        ] {
            assert_eq!(senders(locale).boolean(text), Ok(truth), "{locale} {text}");
        }
        let refused = senders("de").boolean("vielleicht").unwrap_err().to_string();
        assert!(refused.contains("\"vielleicht\"") && refused.contains("nein"), "{refused}");
        assert!(senders("en").boolean("ja").is_err());
    }
}

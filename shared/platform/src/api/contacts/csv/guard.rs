//! Cells that a spreadsheet would read as a formula.
//!
//! A cell that begins with `=`, `+`, `-`, `@`, a tab or a line break is written with an apostrophe
//! before it. So is one that begins with apostrophes and then one of these, so that reading removes
//! exactly what writing has added. OWASP's page on CSV injection names these characters, and their
//! full-width forms.

use std::borrow::Cow;

const DANGEROUS: [char; 11] =
    ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// The cell as it is written.
pub(in crate::api) fn guarded(cell: &str) -> Cow<'_, str> {
    if cell.trim_start_matches('\'').starts_with(DANGEROUS) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

/// The original text of a cell that is read.
pub(in crate::api) fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.trim_start_matches('\'').starts_with(DANGEROUS) => rest,
        Some(_) | None => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All texts of up to so many of these characters.
    fn texts(longest: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..longest {
            let longer = |text: &String| {
                let text = text.clone();
                "'=+-@\t\r\na1 \u{ff1d}\"".chars().map(move |c| format!("{text}{c}"))
            };
            last = last.iter().flat_map(longer).collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    #[test]
    fn no_cell_begins_like_a_formula_and_reading_takes_off_what_writing_put_there() {
        for text in texts(4) {
            let written = guarded(&text);
            assert!(!written.starts_with(DANGEROUS), "{text:?}");
            assert_eq!(unguarded(&written), text);
        }
        assert_eq!(guarded("-5"), "'-5");
        assert_eq!(guarded("+49 431 1234"), "'+49 431 1234");
        assert_eq!(guarded("O'Neil"), "O'Neil");
        assert_eq!(unguarded("'tis"), "'tis");
    }
}

//! Applying edits to a text: comments and layout stay, since nothing else is touched.

use dacapo_engine::campaign::reader::Place;
use dacapo_engine::compact::SortCompactly as _;

use crate::finding::{Edit, Finding};

/// The text with the safe edits of the findings, and how many there were. Of edits that overlap the
/// first is applied; another run finds the rest.
pub fn apply(text: &str, findings: &[Finding]) -> (String, usize) {
    apply_edits(text, safe(findings))
}

/// The findings whose edits [`apply`] makes, in their order.
pub fn applied<'f>(text: &str, findings: &'f [Finding]) -> Vec<&'f Finding> {
    let chosen = chosen(text, safe(findings));
    let is_chosen = |edit: &Edit| chosen.iter().any(|(_, _, one)| std::ptr::eq(*one, edit));
    findings.iter().filter(|finding| finding.edit.as_ref().is_some_and(is_chosen)).collect()
}

fn safe(findings: &[Finding]) -> impl Iterator<Item = &Edit> {
    findings.iter().filter_map(|finding| finding.edit.as_ref()).filter(|edit| edit.safe)
}

/// The text with these edits, and how many were applied.
pub fn apply_edits<'a>(text: &str, edits: impl Iterator<Item = &'a Edit>) -> (String, usize) {
    let chosen = chosen(text, edits);
    let (mut mended, mut done) = (String::with_capacity(text.len()), 0);
    for (from, to, edit) in &chosen {
        mended.push_str(&text[done..*from]);
        mended.push_str(&edit.text);
        done = *to;
    }
    mended.push_str(&text[done..]);
    (mended, chosen.len())
}

/// The edits that are made together, in order of place, each with the bytes that it replaces.
fn chosen<'a>(text: &str, edits: impl Iterator<Item = &'a Edit>) -> Vec<(usize, usize, &'a Edit)> {
    let mut at: Vec<(usize, usize, &Edit)> = edits
        .filter_map(|edit| {
            let (from, to) = (offset(text, edit.from)?, offset(text, edit.to)?);
            (from <= to).then_some((from, to, edit))
        })
        .collect();
    at.sort_compactly_by_key(|(from, to, _)| (*from, *to));
    let mut chosen: Vec<(usize, usize, &Edit)> = Vec::new();
    for (from, to, edit) in at {
        // What begins inside of the one before is left for the next run.
        if chosen.last().is_none_or(|(_, done, _)| from > *done) {
            chosen.push((from, to, edit));
        }
    }
    chosen
}

/// The byte at a place; the end of the line for a column behind it. `None` behind the last line.
pub(crate) fn offset(text: &str, place: Place) -> Option<usize> {
    // The reader does not count a byte order mark.
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut begins = mark;
    for _ in 1..place.line {
        begins += text.get(begins..)?.find('\n')? + 1;
    }
    let line = text.get(begins..)?.split('\n').next().unwrap_or_default();
    let column = usize::try_from(place.column).unwrap_or(usize::MAX).saturating_sub(1);
    Some(begins + line.char_indices().nth(column).map_or(line.len(), |(at, _)| at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(line: u32, from: u32, to: u32, text: &str) -> Edit {
        let at = |column| Place { line, column };
        let (from, to) = (at(from), at(to));
        Edit { label: String::new(), safe: true, from, to, text: text.to_owned() }
    }

    #[test]
    fn columns_count_characters_and_the_rest_stays() {
        let text = "a: ä # x\nb: [ü, c]\n";
        let edits = [edit(2, 5, 5, "ö, "), edit(1, 4, 5, "e")];
        let (mended, applied) = apply_edits(text, edits.iter());
        assert_eq!(mended, "a: e # x\nb: [ö, ü, c]\n");
        assert_eq!(applied, 2);
    }

    #[test]
    fn of_edits_that_overlap_the_first_is_applied() {
        let edits = [edit(1, 1, 4, "x"), edit(1, 2, 3, "y")];
        assert_eq!(apply_edits("abcd", edits.iter()), ("xd".to_owned(), 1));
    }

    #[test]
    fn what_is_applied_is_told_by_its_finding() {
        let finding = |line, edit: Option<Edit>| Finding {
            severity: crate::finding::Severity::Warning,
            code: "D104",
            name: None,
            element: None,
            path: String::new(),
            line: Some(line),
            column: Some(1),
            message: String::new(),
            remedy: String::new(),
            edit,
            proof: None,
        };
        let unsafe_edit = Edit { safe: false, ..edit(1, 1, 2, "x") };
        let findings = [
            finding(1, Some(unsafe_edit)),
            finding(2, Some(edit(2, 1, 2, "y"))),
            finding(3, Some(edit(2, 1, 2, "z"))),
            finding(4, None),
        ];
        let lines: Vec<_> = applied("a\nb\n", &findings).iter().map(|it| it.line).collect();
        assert_eq!(lines, [Some(2)], "the third overlaps the second");
    }

    #[test]
    fn a_byte_order_mark_and_a_place_behind_the_end_do_no_harm() {
        let edits = [edit(1, 1, 2, "x"), edit(9, 1, 1, "y")];
        assert_eq!(apply_edits("\u{feff}ab", edits.iter()), ("\u{feff}xb".to_owned(), 1));
    }
}

//! Hostile and mutilated texts: never a panic, never more than bounded work, always a place.

use super::seeds::{APPOINTMENT, WEBINAR};
use super::{found_in, with_account};
use crate::campaign::reader::{LONGEST_DOCUMENT_BYTES, read};
use crate::campaign::validate::validate;

/// The same numbers on every run.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).expect("small")).expect("small")
    }
}

const PIECES: [&str; 28] = [
    "{", "}", "[", "]", ":", ": ", "\n", "\n  ", "- ", "\"", "'", "#", "&a ", "*a", "!x ", "|\n",
    ">\n", "\t", "{{", "%}", "\u{0}", "é", "😀", "\\u", "? ", "---\n", "next: ", "~",
];

#[test]
fn no_mutilated_document_makes_the_reader_panic() {
    let mut random = Xorshift(0x9E37_79B9_7F4A_7C15);
    let json = |text: &str| {
        let source = read(text).expect("a seed can be read");
        serde_json::to_string_pretty(&source.document).expect("a document can be written")
    };
    let seeds = [APPOINTMENT.to_owned(), WEBINAR.to_owned(), json(APPOINTMENT), json(WEBINAR)];
    for round in 0..3_000 {
        let mut text: Vec<char> = seeds[round % seeds.len()].chars().collect();
        for _ in 0..=random.below(6) {
            let at = random.below(text.len());
            match random.below(4) {
                0 => drop(text.drain(at..(at + random.below(20)).min(text.len()))),
                1 => text.truncate(at.max(1)),
                _ => {
                    let piece = PIECES[random.below(PIECES.len())];
                    text.splice(at..at, piece.chars());
                }
            }
        }
        let text: String = text.into_iter().collect();
        match read(&text) {
            Ok(source) => drop(with_account(|account| validate(&source, account))),
            Err(problems) => {
                assert!(!problems.is_empty(), "refused without a reason:\n{text}");
                for problem in problems {
                    assert!(problem.line.is_some() && problem.column.is_some(), "{problem:?}");
                    assert!(
                        !problem.message.is_empty() && !problem.remedy.is_empty(),
                        "{problem:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn no_noise_makes_the_reader_panic() {
    let mut random = Xorshift(42);
    for _ in 0..3_000 {
        let pieces = random.below(40);
        let text: String = (0..pieces).map(|_| PIECES[random.below(PIECES.len())]).collect();
        drop(read(&text));
    }
}

fn codes(text: &str) -> Vec<&'static str> {
    match read(text) {
        Ok(source) => with_account(|account| validate(&source, account)),
        Err(problems) => problems,
    }
    .iter()
    .map(|problem| problem.code)
    .collect()
}

#[test]
fn more_than_a_megabyte_is_refused() {
    let text = format!("id: test\nname: {}\n", "x".repeat(LONGEST_DOCUMENT_BYTES));
    assert_eq!(codes(&text), ["too_large"]);
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    assert_eq!(codes(&"[".repeat(100_000)), ["too_deep"]);
    assert_eq!(codes(&"{a: ".repeat(10_000)), ["too_deep"]);
    assert_eq!(codes(&"- ".repeat(10_000)), ["too_deep"]);
}

#[test]
fn aliases_that_explode_are_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..20 {
        let before = i - 1;
        text.push_str(&format!("a{i}: &a{i} [*a{before}, *a{before}, *a{before}, *a{before}]\n"));
    }
    assert_eq!(codes(&text), ["too_many_aliases"]);
    assert_eq!(codes("id: test\nelements: &a { x: *a }\n"), ["syntax"]);
}

#[test]
fn the_list_of_problems_is_bounded() {
    let mut text =
        String::from("id: test\nelements:\n  a: { type: start, when: { tag: A }, next: b }\n");
    text.push_str("  b: { type: split, branches: [ ");
    for i in 0..20_000 {
        text.push_str(&format!("{{ weight: 0, next: nowhere_{i} }}, "));
    }
    text.push_str("] }\n");
    assert_eq!(codes(&text).len(), 200);
    let unknown: String = (0..5_000).map(|i| format!("k{i}: 1\n")).collect();
    assert_eq!(codes(&unknown).len(), 200);
}

#[test]
fn a_large_document_takes_bounded_work() {
    let mut text =
        String::from("id: test\nelements:\n  a: { type: start, when: { tag: A }, next: b }\n");
    text.push_str("  b: { type: split, branches: [ ");
    for _ in 0..25_000 {
        text.push_str("{ weight: 1, next: c }, ");
    }
    text.push_str("] }\n  c: { type: webhook, url: \"https://x.example\", body: \"");
    for i in 0..3_500 {
        text.push_str(&format!("{{{{ contact.x{i} }}}}"));
    }
    text.push_str("\" }\n");
    assert_eq!(codes(&text).len(), 200);
}

#[test]
fn counts_are_bounded() {
    let mut text =
        String::from("id: test\nelements:\n  s: { type: start, when: { tag: A }, next: e0 }\n");
    for i in 0..500 {
        text.push_str(&format!("  e{i}: {{ type: wait, for: 1 day, next: e{} }}\n", i + 1));
    }
    text.push_str("  e500: { type: end }\nemails:\n");
    for i in 0..201 {
        text.push_str(&format!("  m{i}: {{ subject: x, text: {} }}\n", "y".repeat(3_000)));
    }
    let found = found_in(&text);
    for code in ["too_many_elements", "too_many_emails", "templates_too_large"] {
        assert!(found.contains(code), "{code}");
    }
}

//! Names in a template: filters, tests and tags that exist, and the placeholder that was empty.
//!
//! The template language looks filters up only when they run; a misspelt one in a rare branch would
//! be found only when a contact gets there. The check here finds it when the campaign is published.

use minijinja::{Error, ErrorKind};

use super::{FILTERS, MergeValues, RenderError, TESTS, TemplateProblem, placeholders, remedy};

/// Finds filters and tests that do not exist.
pub(super) fn check(source: &str) -> Result<(), TemplateProblem> {
    for (start, code, is_tag) in code_blocks(source) {
        let words = words(code);
        for (place, word) in words.iter().enumerate() {
            let mut next = words[place + 1..].iter().map(|word| (word.text, word.at));
            let (kind, offered, named) = match word.text {
                "|" => ("filter", FILTERS, next.next()),
                "filter" if is_tag && place == 0 => ("filter", FILTERS, next.next()),
                "is" => ("test", TESTS, next.find(|(text, _)| *text != "not")),
                _ => continue,
            };
            if let Some((name, offset)) = named
                && name.starts_with(char::is_alphabetic)
                && !offered.contains(&name)
            {
                let message = format!("there is no {kind} `{name}`");
                return Err(at(source, start + offset, message));
            }
        }
    }
    Ok(())
}

/// The error for a value that was empty, if that is why the rendering failed.
pub(super) fn empty_placeholder(
    error: &Error,
    source: &str,
    values: &MergeValues,
) -> Option<RenderError> {
    // The language names the expression that had no value at the end of its detail, if it knows it.
    let told = error.detail().and_then(|detail| {
        let (before, after) = detail.rsplit_once("` is undefined")?;
        (!after.contains('`')).then_some(before.rsplit('`').next()?)
    });
    if told.is_none() && error.kind() != ErrorKind::UndefinedError {
        return None;
    }
    let placeholder = told
        // A lookup by a variable is not reported correctly: a guard is in between.
        .filter(|told| !told.contains("[...]"))
        .filter(|told| told.contains('.') || values.is_empty(told))
        .map(str::to_owned)
        .or_else(|| first_empty(error.range()?.start, source, values))
        .or_else(|| told.map(str::to_owned))
        .unwrap_or_else(|| "a placeholder".to_owned());
    Some(RenderError::Empty { remedy: remedy(&placeholder), placeholder })
}

/// The first path without a value that the expression around an offset reads.
fn first_empty(offset: usize, source: &str, values: &MergeValues) -> Option<String> {
    let (_, code, _) = code_blocks(source)
        .into_iter()
        .find(|(start, code, _)| (*start..=start + code.len()).contains(&offset))?;
    let code = code.trim_matches(['-', '+']);
    let read = placeholders(&format!("{{{{ {code} }}}}")).ok()?;
    read.into_iter().find(|path| values.is_empty(path))
}

/// The contents of `{{ }}` and `{% %}` with their place in the source; comments and raw parts are
/// left out.
fn code_blocks(source: &str) -> Vec<(usize, &str, bool)> {
    let mut found = Vec::new();
    let mut raw = false;
    let mut at = 0;
    while let Some(open) = source[at..].find('{').map(|n| at + n) {
        let (close, is_tag) = match source.as_bytes().get(open + 1) {
            Some(b'{') => ("}}", false),
            Some(b'%') => ("%}", true),
            Some(b'#') => ("#}", false),
            _ => {
                at = open + 1;
                continue;
            }
        };
        let start = open + 2;
        let comment = close == "#}";
        let length = if comment || raw {
            source[start..].find(close).unwrap_or(source.len() - start)
        } else {
            length_of_code(&source[start..], close)
        };
        let code = &source[start..start + length];
        let tag = code.trim_matches(['-', '+']).trim();
        if raw {
            raw = !(is_tag && tag == "endraw");
            at = if raw { open + 1 } else { start + length };
            continue;
        }
        raw = is_tag && tag == "raw";
        if !comment {
            found.push((start, code, is_tag));
        }
        at = (start + length + 2).min(source.len());
    }
    found
}

/// The length of the code up to its closing mark; a mark inside a text in quotes does not close.
fn length_of_code(code: &str, close: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in code.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(mark) if c == mark => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if code[at..].starts_with(close) => return at,
            None => {}
        }
    }
    code.len()
}

/// A word or a mark of the code and its place in it.
struct Word<'a> {
    text: &'a str,
    at: usize,
}

/// The words of the code: identifiers and single marks, texts in quotes as their opening quote.
fn words(code: &str) -> Vec<Word<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = code[at..].chars().next() {
        let rest = &code[at..];
        let length = match c {
            '"' | '\'' => {
                let inside = length_of_text(&rest[1..], c);
                found.push(Word { text: &rest[..1], at });
                (inside + 2).min(rest.len())
            }
            c if c.is_alphanumeric() || c == '_' => {
                let length =
                    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                found.push(Word { text: &rest[..length], at });
                length
            }
            // Marks that trim white space belong to the braces.
            '-' | '+' if at == 0 => 1,
            c => {
                if !c.is_whitespace() {
                    found.push(Word { text: &rest[..c.len_utf8()], at });
                }
                c.len_utf8()
            }
        };
        at += length;
    }
    found
}

fn length_of_text(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at;
        }
    }
    text.len()
}

pub(super) fn at(source: &str, offset: usize, message: String) -> TemplateProblem {
    let before = source.get(..offset).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    TemplateProblem { message, line, column: Some(column) }
}

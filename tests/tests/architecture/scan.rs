//! Separates a Rust file's code from its comments and strings, well enough for rules about code.

/// The code of a file with blanks in place of comments and strings, with the same lines, and the
/// strings.
pub(super) fn scanned(source: &str) -> (String, Vec<(usize, String)>) {
    let (mut code, mut texts) = (String::new(), Vec::new());
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let (length, quoted) = piece(rest, code.chars().next_back());
        let (taken, after) = rest.split_at(length.max(first.len_utf8()));
        if let Some((start, end)) = quoted {
            texts.push((line, taken[start..end].to_owned()));
        }
        if length == 0 {
            code.push(first);
        } else {
            code.push(' ');
            code.extend(taken.chars().filter(|c| *c == '\n'));
        }
        line += taken.matches('\n').count();
        rest = after;
    }
    (code, texts)
}

/// The length of the comment, string or character that begins here, 0 for code; for a string also
/// the range of its content.
fn piece(rest: &str, before: Option<char>) -> (usize, Option<(usize, usize)>) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (comment(rest), None);
    }
    let hashes = rest.bytes().take_while(|byte| *byte == b'#').count();
    if before == Some('r') && rest[hashes..].starts_with('"') {
        let start = hashes + 1;
        let close = format!("\"{}", "#".repeat(hashes));
        let end = start + rest[start..].find(&close).expect("a raw text ends");
        return (end + close.len(), Some((start, end)));
    }
    if let Some(after) = rest.strip_prefix('"') {
        let end = 1 + closing(after, '"');
        return (end + 1, Some((1, end)));
    }
    if let Some(after) = rest.strip_prefix('\'') {
        let mut chars = after.chars();
        return match (chars.next(), chars.next()) {
            (Some('\\'), _) => (2 + closing(after, '\''), None),
            (Some(one), Some('\'')) => (2 + one.len_utf8(), None),
            // A lifetime.
            _ => (0, None),
        };
    }
    (0, None)
}

/// Where the string ends.
fn closing(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    rest.find(|c| {
        let closes = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    })
    .expect("a quotation ends")
}

/// The length of a comment; comments nest.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += rest[at..].chars().next().expect("a comment ends").len_utf8();
        }
        if depth == 0 {
            return at;
        }
    }
}

#[test]
fn the_scanner_tells_code_from_comments_and_texts() {
    let source = r####"a(); // b /* "c
/* d /* e */ f */ g('"', '\'', b'"'); h("i\" // j", r##"k"# l"##, r"\"); fn m<'n>(o: &'n str) {}"####;
    let (code, texts) = scanned(source);
    let squeezed: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed, r#"a(); g( , , b ); h( , r , r ); fn m<'n>(o: &'n str) {}"#);
    assert_eq!(code.lines().count(), 2);
    assert_eq!(
        texts,
        [(2, "i\\\" // j".to_owned()), (2, "k\"# l".to_owned()), (2, "\\".to_owned())]
    );
}

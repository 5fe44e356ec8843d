//! The tokens of a written date: numbers, words and marks, each knowing whether a space stood
//! before it.

/// A piece of a written date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) piece: Piece,
    /// No space before it: this distinguishes the offset in `14:30 -05` from the dash in `2:30pm -
    /// Tuesday`.
    pub(super) glued: bool,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// ASCII digits as written: how many there are matters.
    Number(String),
    /// Letters in lower case.
    Word(String),
    /// Any other character; dashes and minus signs are all `-`.
    Mark(char),
}

/// The tokens of a text, in order.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    let mut glued = false;
    for c in text.chars() {
        if c.is_whitespace() {
            glued = false;
            continue;
        }
        let last = found.last_mut().filter(|_| glued).map(|token| &mut token.piece);
        match last {
            Some(Piece::Number(digits)) if c.is_ascii_digit() => digits.push(c),
            Some(Piece::Word(letters)) if c.is_alphabetic() => letters.extend(c.to_lowercase()),
            _ => found.push(Token { piece: piece_from(c), glued }),
        }
        glued = true;
    }
    found
}

fn piece_from(c: char) -> Piece {
    if c.is_ascii_digit() {
        Piece::Number(c.to_string())
    } else if c.is_alphabetic() {
        Piece::Word(c.to_lowercase().collect())
    } else if matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}') {
        Piece::Mark('-')
    } else {
        Piece::Mark(c)
    }
}

//! How long, how deep and how complex a template may be, checked before it is compiled.
//!
//! The compiler of the template language is recursive for what is nested and for what is chained
//! (`a.b.c`, `a ~ b ~ c`, `elif`), and evaluates constants. Here the tokens of the template are
//! read one after the other, without recursion. It promises that what passes compiles on a small
//! stack, in little memory.

use minijinja::machinery::{Span, Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::{LONGEST_SOURCE_BYTES, TemplateProblem};

/// How deep a template may be: each open tag, `elif`, bracket and operator counts as one.
pub const DEEPEST: usize = 200;

/// How many tags and brackets may be open at a time.
pub const MOST_OPEN: usize = 24;

/// How many words, numbers, texts and marks there may be within `{{ }}` and `{% %}` together.
pub const MOST_WORDS: usize = 20_000;

/// The most bytes that a constant text may have that is made by repetition.
const LONGEST_REPEATED_BYTES: usize = 16 * 1024;

/// Tags that stay open until their end.
const OPENING: [&str; 7] = ["for", "if", "with", "filter", "macro", "call", "autoescape"];

/// Tags about other templates and their blocks: here a template stands alone.
const OF_OTHER_TEMPLATES: [&str; 6] = ["block", "extends", "from", "import", "include", "super"];

/// Checks whether a template is within the bounds.
pub(super) fn check(source: &str) -> Result<(), TemplateProblem> {
    if source.len() > LONGEST_SOURCE_BYTES {
        let message = format!("the template is longer than {} KiB", LONGEST_SOURCE_BYTES / 1024);
        return Err(TemplateProblem { message, line: 1, column: None });
    }
    let mut walk = Walk::default();
    for next in tokenize(source, false, SyntaxConfig::default()) {
        // The compiler finds what is unreadable too, and has the better message.
        let Ok((token, span)) = next else { return Ok(()) };
        walk.step(&token).map_err(|message| problem(message, span, source))?;
    }
    Ok(())
}

fn problem(message: String, span: Span, source: &str) -> TemplateProblem {
    let at = usize::try_from(span.start_offset).unwrap_or(usize::MAX);
    super::names::at(source, at, message)
}

/// The state while the tokens of a template are read.
#[derive(Default)]
struct Walk<'a> {
    words: usize,
    /// For each open tag, how often it had an `elif`.
    tags: Vec<usize>,
    /// For the expression and each open bracket in it, the number of operators since the last
    /// comma.
    levels: Vec<usize>,
    /// The name of the tag that is read, and whether it assigns anything.
    tag: Option<(&'a str, bool)>,
    /// Whether the next word names a tag.
    names_tag: bool,
    /// The expression so far, as needed for checking `*`.
    parts: Vec<Part>,
}

impl<'a> Walk<'a> {
    fn step(&mut self, token: &Token<'a>) -> Result<(), String> {
        match token {
            Token::TemplateData(_) => return Ok(()),
            Token::VariableStart | Token::BlockStart => {
                self.levels = vec![0];
                self.parts.clear();
                self.names_tag = matches!(token, Token::BlockStart);
                self.tag = None;
            }
            Token::VariableEnd => repeats(&self.parts)?,
            Token::BlockEnd => {
                repeats(&self.parts)?;
                if let Some((name, assigns)) = self.tag.take() {
                    self.end_of_tag(name, assigns);
                }
            }
            Token::Ident(name) if self.names_tag && OF_OTHER_TEMPLATES.contains(name) => {
                return Err(format!("the tag `{name}` is not available: a template stands alone"));
            }
            _ => self.word(token),
        }
        self.words += 1;
        let open = self.tags.len() + self.levels.len().saturating_sub(1);
        let operators: usize = self.levels.iter().chain(&self.tags).sum();
        if self.words > MOST_WORDS {
            return Err(format!("the template has more than {MOST_WORDS} words and marks"));
        }
        if open > MOST_OPEN {
            return Err(format!("more than {MOST_OPEN} tags and brackets are open here"));
        }
        if open + operators > DEEPEST {
            let message = "more than {} operators, tags and brackets depend on each other here; \
                           put parts into variables with {% set %}";
            return Err(message.replacen("{}", &DEEPEST.to_string(), 1));
        }
        Ok(())
    }

    fn end_of_tag(&mut self, name: &str, assigns: bool) {
        if OPENING.contains(&name) || (name == "set" && !assigns) {
            self.tags.push(0);
        } else if name == "elif" {
            if let Some(open) = self.tags.last_mut() {
                *open += 1;
            }
        } else if name.starts_with("end") {
            self.tags.pop();
        }
        self.levels.clear();
    }

    fn word(&mut self, token: &Token<'a>) {
        if std::mem::take(&mut self.names_tag)
            && let Token::Ident(name) = token
        {
            self.tag = Some((*name, false));
            return;
        }
        self.parts.push(Part::of(token));
        let Some(level) = self.levels.last_mut() else { return };
        match token {
            Token::BracketOpen | Token::ParenOpen | Token::BraceOpen => {
                *level += 1;
                self.levels.push(0);
            }
            Token::BracketClose | Token::ParenClose | Token::BraceClose => {
                if self.levels.len() > 1 {
                    self.levels.pop();
                }
            }
            Token::Comma | Token::Colon => *level = 0,
            Token::Assign => {
                *level = 0;
                if self.levels.len() == 1
                    && let Some((_, assigns)) = &mut self.tag
                {
                    *assigns = true;
                }
            }
            Token::Ident("not" | "and" | "or" | "in" | "is" | "if" | "else") => *level += 1,
            Token::Ident(_)
            | Token::Str(_)
            | Token::String(_)
            | Token::Int(_)
            | Token::Int128(_)
            | Token::Float(_) => {}
            _ => *level += 1,
        }
    }
}

/// The meaning of a token for checking `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A constant text of this many bytes.
    Text(usize),
    /// A constant whole number.
    Number(u64),
    Open,
    /// As [`Part::Open`], of a list.
    OpenList,
    Close,
    Times,
    /// Operators with the precedence of `*`, or a higher one.
    Power,
    /// `~` and commas, which make texts and lists of numbers.
    Joins,
    /// What is known only when the template is rendered.
    Name,
    Other,
}

impl Part {
    fn of(token: &Token<'_>) -> Self {
        match token {
            Token::Str(text) => Self::Text(text.len()),
            Token::String(text) => Self::Text(text.len()),
            Token::Int(number) => Self::Number(*number),
            Token::ParenOpen | Token::BraceOpen => Self::Open,
            Token::BracketOpen => Self::OpenList,
            Token::ParenClose | Token::BraceClose | Token::BracketClose => Self::Close,
            Token::Mul => Self::Times,
            Token::Pow | Token::Div | Token::FloorDiv | Token::Mod => Self::Power,
            Token::Tilde | Token::Comma => Self::Joins,
            Token::Ident("not" | "and" | "or" | "in" | "is" | "if" | "else") => Self::Other,
            Token::Ident("true" | "True" | "false" | "False" | "none" | "None") => Self::Other,
            Token::Ident(_) => Self::Name,
            _ => Self::Other,
        }
    }
}

/// One side of `*`.
enum Side {
    /// A constant text or list, of at least this many bytes.
    Repeatable(usize),
    /// A constant number that stands by itself.
    Number(u64),
    /// A constant that only the compiler can evaluate.
    Constant,
    Unknown,
}

/// The compiler evaluates constants, `'x' * 1000000000` too; here that is refused if it is long.
fn repeats(parts: &[Part]) -> Result<(), String> {
    for (at, _) in parts.iter().enumerate().filter(|(_, part)| **part == Part::Times) {
        let sides = (left_of(&parts[..at]), right_of(&parts[at + 1..]));
        let fits = match sides {
            (Side::Repeatable(bytes), Side::Number(count))
            | (Side::Number(count), Side::Repeatable(bytes)) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                bytes.saturating_mul(count) <= LONGEST_REPEATED_BYTES
            }
            (Side::Repeatable(_), Side::Constant) | (Side::Constant, Side::Repeatable(_)) => false,
            (Side::Unknown, _) | (_, Side::Unknown) => true,
            (Side::Repeatable(_), Side::Repeatable(_)) => true,
            (Side::Number(_) | Side::Constant, Side::Number(_) | Side::Constant) => true,
        };
        if !fits {
            let most = LONGEST_REPEATED_BYTES / 1024;
            return Err(format!("a text repeated with `*` has at most {most} KiB"));
        }
    }
    Ok(())
}

fn left_of(before: &[Part]) -> Side {
    let Some((last, rest)) = before.split_last() else { return Side::Unknown };
    match last {
        Part::Text(_) => Side::Repeatable(texts(before.iter().rev())),
        Part::Number(number) => {
            let of_more = matches!(rest.last(), Some(Part::Times | Part::Power));
            if of_more { Side::Constant } else { Side::Number(*number) }
        }
        Part::Name => Side::Unknown,
        Part::Close => {
            let parts = before.iter().enumerate().rev();
            let Some(begin) = end_of_group(parts) else { return Side::Unknown };
            // Arguments of a call, or of an index: no constant.
            let belongs = before[..begin].last().is_some_and(|part| {
                matches!(part, Part::Name | Part::Close | Part::Text(_) | Part::Number(_))
            });
            if belongs { Side::Unknown } else { group(&before[begin..]) }
        }
        // Nothing is repeated: `*` expands the arguments of a call.
        Part::Open | Part::OpenList | Part::Joins => Side::Unknown,
        Part::Times | Part::Power | Part::Other => Side::Constant,
    }
}

fn right_of(after: &[Part]) -> Side {
    let Some((first, rest)) = after.split_first() else { return Side::Unknown };
    match first {
        Part::Text(_) => Side::Repeatable(texts(after.iter())),
        Part::Number(number) => {
            let of_more = matches!(rest.first(), Some(Part::Times | Part::Power));
            if of_more { Side::Constant } else { Side::Number(*number) }
        }
        Part::Name => Side::Unknown,
        Part::Open | Part::OpenList => match end_of_group(after.iter().enumerate()) {
            Some(end) => group(&after[..=end]),
            None => Side::Unknown,
        },
        Part::Close | Part::Times | Part::Power | Part::Joins | Part::Other => Side::Constant,
    }
}

/// Where the bracket ends that the first of these parts begins. They are read in either direction.
fn end_of_group<'a>(mut parts: impl Iterator<Item = (usize, &'a Part)>) -> Option<usize> {
    let mut open = 0_isize;
    let end = parts.find(|(_, part)| {
        open += match part {
            Part::Open | Part::OpenList => 1,
            Part::Close => -1,
            Part::Text(_)
            | Part::Number(_)
            | Part::Times
            | Part::Power
            | Part::Joins
            | Part::Name
            | Part::Other => 0,
        };
        open == 0
    });
    end.map(|(at, _)| at)
}

/// Texts that follow each other are one.
fn texts<'a>(parts: impl Iterator<Item = &'a Part>) -> usize {
    let bytes = parts.map_while(|part| if let Part::Text(n) = part { Some(*n) } else { None });
    bytes.sum::<usize>().max(1)
}

/// What stands in brackets.
fn group(parts: &[Part]) -> Side {
    let has = |wanted: &[Part]| parts.iter().any(|part| wanted.contains(part));
    if has(&[Part::Name]) {
        return Side::Unknown;
    }
    let bytes: usize =
        parts.iter().map(|part| if let Part::Text(n) = part { *n } else { 16 }).sum();
    let is_text = parts.iter().any(|part| matches!(part, Part::Text(_)));
    match is_text || has(&[Part::Joins, Part::OpenList]) {
        true if has(&[Part::Times, Part::Power]) => Side::Repeatable(LONGEST_REPEATED_BYTES + 1),
        true => Side::Repeatable(bytes),
        false => Side::Constant,
    }
}

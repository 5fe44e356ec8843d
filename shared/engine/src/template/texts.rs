//! Filters on texts that the template language lacks, and how much some others make.
//!
//! They have the arguments and the results of Jinja's.

#![allow(clippy::needless_pass_by_value, reason = "the template language hands arguments over")]

use std::borrow::Cow;

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};

use super::budget::LARGEST_VALUE;

/// The default length of the lines of `wordwrap`, in characters.
const LINE_CHARACTERS: usize = 79;

/// The widest field of `format`, in characters.
const WIDEST_FIELD: usize = 1_000;

/// `truncate(length=255, killwords=false, end="...", leeway=5)`.
pub(super) fn truncate(
    text: Cow<'_, str>,
    length: Option<usize>,
    killwords: Option<bool>,
    end: Option<&str>,
    named: Kwargs,
) -> Result<String, Error> {
    let length = length.map_or_else(|| named.get::<Option<usize>>("length"), |n| Ok(Some(n)))?;
    let length = length.unwrap_or(255);
    let killwords =
        killwords.map_or_else(|| named.get::<Option<bool>>("killwords"), |yes| Ok(Some(yes)))?;
    let end = end.map_or_else(|| named.get::<Option<&str>>("end"), |end| Ok(Some(end)))?;
    let end = end.unwrap_or("...");
    let leeway = named.get::<Option<usize>>("leeway")?.unwrap_or(5);
    named.assert_all_used()?;
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text.into_owned());
    }
    let Some(kept) = length.checked_sub(end.chars().count()) else {
        let message = format!("`truncate` to {length} leaves no room for `{end}`");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    };
    let mut kept: String = text.chars().take(kept).collect();
    if killwords != Some(true)
        && let Some(space) = kept.rfind(' ')
    {
        kept.truncate(space);
    }
    kept.push_str(end);
    Ok(kept)
}

/// The text without HTML: tags and comments removed, white space as single spaces, entities
/// decoded.
pub(super) fn striptags(text: Cow<'_, str>) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(open) = rest.find('<') {
        kept.push_str(&rest[..open]);
        rest = &rest[open..];
        let (end, length) = match rest.strip_prefix("<!--") {
            Some(_) => (rest.find("-->"), 3),
            None => (rest.find('>'), 1),
        };
        let Some(end) = end else { break };
        rest = &rest[end + length..];
    }
    kept.push_str(rest);
    let words: Vec<&str> = kept.split_whitespace().collect();
    unescaped(&words.join(" "))
}

/// Entities, decoded.
fn unescaped(text: &str) -> String {
    /// Longer ones are not known here.
    const LONGEST_ENTITY_BYTES: usize = 10;
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        plain.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.bytes().take(LONGEST_ENTITY_BYTES).position(|byte| byte == b';');
        let meant = end.and_then(|end| Some((entity(&rest[1..end])?, end)));
        match meant {
            Some((letter, end)) => {
                plain.push(letter);
                rest = &rest[end + 1..];
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "euro" => '€',
        "hellip" => '…',
        "mdash" => '—',
        "ndash" => '–',
        "shy" => '\u{ad}',
        "copy" => '©',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|letter| !letter.is_control())?
        }
    })
}

/// How many words the text has.
pub(super) fn wordcount(text: Cow<'_, str>) -> usize {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).count()
}

/// `wordwrap(width=79, break_long_words=true, wrapstring="\n")`: lines of at most this many
/// characters.
pub(super) fn wordwrap(
    text: Cow<'_, str>,
    width: Option<usize>,
    break_long_words: Option<bool>,
    wrapstring: Option<&str>,
    named: Kwargs,
) -> Result<String, Error> {
    let width = width.map_or_else(|| named.get::<Option<usize>>("width"), |n| Ok(Some(n)))?;
    let width = width.filter(|width| *width > 0).unwrap_or(LINE_CHARACTERS);
    let breaks = match break_long_words {
        Some(breaks) => Some(breaks),
        None => named.get::<Option<bool>>("break_long_words")?,
    };
    let between = match wrapstring {
        Some(between) => Some(between),
        None => named.get::<Option<&str>>("wrapstring")?,
    };
    named.assert_all_used()?;
    let lines = text.lines().map(|line| wrapped(line, width, breaks != Some(false)));
    Ok(lines.flatten().collect::<Vec<_>>().join(between.unwrap_or("\n")))
}

/// One line as several.
fn wrapped(line: &str, width: usize, breaks: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut current, mut length) = (String::new(), 0);
    for word in line.split_whitespace() {
        let mut word: &str = word;
        let mut letters = word.chars().count();
        if length > 0 && length + 1 + letters <= width {
            current.push(' ');
            length += 1;
        } else if length > 0 {
            lines.push(std::mem::take(&mut current));
            length = 0;
        }
        while breaks && length == 0 && letters > width {
            let cut = word.char_indices().nth(width).map_or(word.len(), |(at, _)| at);
            lines.push(word[..cut].to_owned());
            word = &word[cut..];
            letters -= width;
        }
        current.push_str(word);
        length += letters;
    }
    lines.push(current);
    lines
}

/// `center(width=80)`: the text between equally many spaces.
pub(super) fn center(
    text: Cow<'_, str>,
    width: Option<usize>,
    named: Kwargs,
) -> Result<String, Error> {
    let width = width.map_or_else(|| named.get::<Option<usize>>("width"), |n| Ok(Some(n)))?;
    named.assert_all_used()?;
    let spaces = width.unwrap_or(80).saturating_sub(text.chars().count());
    let before = spaces / 2;
    Ok(format!("{}{text}{}", " ".repeat(before), " ".repeat(spaces - before)))
}

/// `filesizeformat(binary=false)`: `13 kB`, `4.1 MB`.
pub(super) fn filesizeformat(
    bytes: f64,
    binary: Option<bool>,
    named: Kwargs,
) -> Result<String, Error> {
    let binary = match binary {
        Some(binary) => binary,
        None => named.get::<Option<bool>>("binary")?.unwrap_or(false),
    };
    named.assert_all_used()?;
    let (base, units) = if binary {
        (1024.0, ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
    } else {
        (1000.0, ["kB", "MB", "GB", "TB", "PB", "EB"])
    };
    if bytes.abs() < base {
        let rounded = bytes.trunc();
        return Ok(if rounded == 1.0 { "1 Byte".to_owned() } else { format!("{rounded} Bytes") });
    }
    let mut scaled = bytes / base;
    let mut unit = units[0];
    for &larger in &units[1..] {
        if scaled.abs() < base {
            break;
        }
        scaled /= base;
        unit = larger;
    }
    Ok(format!("{scaled:.1} {unit}"))
}

/// Escapes what was escaped or is safe already, too.
pub(super) fn forceescape(text: Cow<'_, str>) -> Value {
    Value::from_safe_string(super::printing::html(&text))
}

/// An argument by place or by name; undefined if it is not given.
fn argument(arguments: &[Value], place: usize, name: &str) -> Value {
    let by_place = arguments.get(place).filter(|value| !value.is_kwargs()).cloned();
    let by_name = || arguments.last().filter(|last| last.is_kwargs())?.get_attr(name).ok();
    by_place.or_else(by_name).unwrap_or_default()
}

/// An argument as a number; 0 if it is none.
fn number(arguments: &[Value], place: usize, name: &str) -> usize {
    match i128::try_from(argument(arguments, place, name)) {
        Ok(number) => usize::try_from(number.max(0)).unwrap_or(usize::MAX),
        Err(_) => 0,
    }
}

/// An argument as text.
fn text(arguments: &[Value], place: usize) -> Cow<'_, str> {
    match arguments.get(place) {
        Some(value) => match value.as_str() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(value.to_string()),
        },
        None => Cow::Borrowed(""),
    }
}

/// The size that `replace` makes.
pub(super) fn of_replace(arguments: &[Value], given: usize) -> usize {
    let (from, to) = (text(arguments, 1), text(arguments, 2));
    let found = text(arguments, 0).matches(&*from).count();
    found.saturating_mul(to.len().saturating_sub(from.len())).saturating_add(given)
}

/// The size that `indent` makes.
pub(super) fn of_indent(arguments: &[Value], given: usize) -> usize {
    let lines = text(arguments, 0).lines().count() + 1;
    lines.saturating_mul(number(arguments, 1, "width")).saturating_add(given)
}

/// The size that `center` makes.
pub(super) fn of_width(arguments: &[Value], given: usize) -> usize {
    number(arguments, 1, "width").saturating_add(given)
}

/// The size that `wordwrap` makes: every word may begin a line, and long ones are broken.
pub(super) fn of_wordwrap(arguments: &[Value], given: usize) -> usize {
    let text = text(arguments, 0);
    let width = match number(arguments, 1, "width") {
        0 => LINE_CHARACTERS,
        width => width,
    };
    let lines = text.len() / width + text.lines().count() + text.split_whitespace().count();
    let between = argument(arguments, 3, "wrapstring").as_str().map_or(1, str::len);
    lines.saturating_mul(between).saturating_add(given)
}

/// The size that `join` makes.
pub(super) fn of_join(arguments: &[Value], given: usize) -> usize {
    let items = arguments.first().and_then(Value::len).unwrap_or_default();
    items.saturating_mul(text(arguments, 1).len()).saturating_add(given)
}

/// The size that `batch` makes: the last row is filled up.
pub(super) fn of_batch(arguments: &[Value], given: usize) -> usize {
    let fills = arguments.len() > 2;
    if fills {
        number(arguments, 1, "count").saturating_mul(32).saturating_add(given)
    } else {
        given
    }
}

/// The size that `slice` makes.
pub(super) fn of_slice(arguments: &[Value], given: usize) -> usize {
    number(arguments, 1, "count").saturating_mul(64).saturating_add(given)
}

/// The size that `tojson` makes: each item on a line of its own. Characters that are written with
/// six are paid for afterwards.
pub(super) fn of_json(arguments: &[Value], given: usize) -> usize {
    let indent = number(arguments, 1, "indent").max(2);
    given.saturating_add(
        (given / 32).saturating_mul(indent).saturating_mul(super::DEEPEST_VALUE / 8),
    )
}

/// The size that `format` makes: each field is as wide as it says, or as long as all of the input.
pub(super) fn of_format(arguments: &[Value], given: usize) -> usize {
    let format = text(arguments, 0);
    let mut widest = 0;
    let mut fields = 0_usize;
    let mut rest: &str = &format;
    while let Some(at) = rest.find('%') {
        rest = &rest[at + 1..];
        fields += 1;
        let width =
            rest.split(|c: char| !"#0123456789-+ .*".contains(c)).next().unwrap_or_default();
        let numbers = width.split(|c: char| !c.is_ascii_digit());
        let numbers =
            numbers.map(|number| number.trim_start_matches('0').parse().unwrap_or(0_usize));
        widest = widest.max(numbers.max().unwrap_or(0));
        // A width of many digits never fits, and a width among the values is not known here.
        if width.contains('*') || width.len() > 12 || widest > WIDEST_FIELD {
            return LARGEST_VALUE + 1;
        }
    }
    let named = format.contains("%(");
    let each = if named { widest + given } else { widest };
    fields.saturating_mul(each).saturating_add(given)
}

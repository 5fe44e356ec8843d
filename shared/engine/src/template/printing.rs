//! How values are printed, and the filters that deal with empty ones. An empty value is never
//! printed as nothing by accident: it is refused, unless the template says what to print instead.

use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Error, ErrorKind, Output, State, Value};

use super::budget::{settle, settled, spend};

/// Prints a value: numbers without a trailing `.0`, lists with commas, escaped for HTML if needed.
/// An undefined value is refused before it comes here. One that does come is the missing `else` of
/// an inline `if`, and prints nothing. What is printed is paid for.
pub(super) fn print(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let escapes = match state.auto_escape() {
        AutoEscape::None => false,
        AutoEscape::Html => !value.is_safe(),
        _ => {
            let message = "only `html` and `none` are there to escape for";
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
    };
    let made;
    let text = match value.kind() {
        ValueKind::Undefined => return Ok(()),
        ValueKind::None => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::String => value.as_str().unwrap_or_default(),
        ValueKind::Bool => {
            if value.is_true() {
                "true"
            } else {
                "false"
            }
        }
        ValueKind::Number => {
            made = value.to_string();
            made.strip_suffix(".0").unwrap_or(&made)
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let (value, _) = settled(state, value.clone())?;
            let items: Vec<String> = value.try_iter()?.map(|item| item.to_string()).collect();
            if items.is_empty() {
                return Err(Error::from(ErrorKind::UndefinedError));
            }
            made = items.join(", ");
            &made
        }
        ValueKind::Map => {
            let message = "a group of values cannot be printed; name one of them";
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
        _ => {
            settle(state, value.clone())?;
            made = value.to_string();
            &made
        }
    };
    spend(state, text.len())?;
    let written = if escapes { out.write_str(&html(text)) } else { out.write_str(text) };
    written.map_err(Error::from)
}

/// The filter `default(other)`: the other value for an empty one. Without an argument the text is
/// left empty on purpose.
pub(super) fn default(value: &Value, other: Option<Value>) -> Value {
    if is_empty(value) { other.unwrap_or_else(|| Value::from("")) } else { value.clone() }
}

/// The filter `join(between)`: the items of a list; an empty list stays empty, so that `default`
/// may follow and printing it is refused.
pub(super) fn join(
    state: &mut State,
    value: &Value,
    between: Option<&str>,
) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let items: Vec<Value> = value.try_iter()?.collect();
    if items.is_empty() {
        return Ok(Value::UNDEFINED);
    }
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        texts.push(state.format(item)?);
    }
    let between = between.unwrap_or_default();
    // The items have been escaped one by one; the separator is the author's own.
    Ok(match state.auto_escape() {
        AutoEscape::None => Value::from(texts.join(between)),
        _ => Value::from_safe_string(texts.join(&html(between))),
    })
}

fn is_empty(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => true,
        ValueKind::String => value.as_str().is_some_and(|text| text.trim().is_empty()),
        ValueKind::Seq => value.len() == Some(0),
        _ => false,
    }
}

/// The text for HTML, in element text and in quoted attributes. Slashes are not escaped, or every
/// address in a link would be unreadable.
pub(super) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

//! The faults that serde finds in a body or a parameter, in the words of the API: where, what came,
//! and what to write instead.
//!
//! serde's messages are texts; those of its derived code are recognised by how they begin. Any
//! other is passed on unchanged.

use std::fmt::Display;

use dacapo_engine::campaign::nearest::remedy;

use crate::api::call::problem::Fault;

/// What follows a name that stands twice among its members, with different values.
pub(in crate::api) const TWICE: &str = "` stands there twice, with different values";

/// The fault at a place, as `serde_path_to_error` writes it; with this code where nothing more
/// specific is known.
pub(in crate::api) fn fault(path: &str, code: &str, error: &impl Display) -> Fault {
    let path = dotted(path);
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    if let Some((name, known)) = quoted_after(text, "unknown field ") {
        let message = format!("there is no `{name}` here; {}", remedy(name, known));
        return Fault::new(within(&path, name), "unknown_member", message);
    }
    if let Some((name, _)) = quoted_after(text, "missing field ") {
        return Fault::new(within(&path, name), "required", format!("send `{name}`"));
    }
    if let Some((name, _)) = quoted_after(text, "duplicate field ") {
        let message = format!("`{name}` stands there twice; send one of the two");
        return Fault::new(within(&path, name), "twice", message);
    }
    if let Some((name, _)) = text.strip_prefix('`').and_then(|text| text.split_once(TWICE)) {
        return Fault::new(beneath(&path, name), "twice", text);
    }
    if let Some((word, known)) = quoted_after(text, "unknown variant ") {
        let message = format!("`{word}` is not known here; {}", remedy(word, known));
        return Fault::new(path, code, message);
    }
    let wrong =
        text.strip_prefix("invalid type: ").or_else(|| text.strip_prefix("invalid value: "));
    match wrong.and_then(|wrong| wrong.split_once(", expected ")) {
        Some((came, wanted)) => Fault::new(
            path,
            code,
            format!("write {}, not {}", wanted_words(wanted), came_words(came)),
        ),
        None => Fault::new(path, code, text),
    }
}

/// A place as it is written everywhere: names and indices joined by dots.
fn dotted(path: &str) -> String {
    path.replace('[', ".").replace(']', "").trim_matches('.').to_owned()
}

/// The place of a member of an object at a place.
fn beneath(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The place of a member of the value at a place, which may be named by it already.
fn within(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        path => beneath(path, name),
    }
}

/// The name in backticks after these words, and all that follow it in backticks.
fn quoted_after<'a>(text: &'a str, words: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let mut quoted = text.strip_prefix(words)?.split('`').skip(1).step_by(2);
    Some((quoted.next()?, quoted.collect()))
}

fn wanted_words(wanted: &str) -> &str {
    match wanted {
        "a sequence" => "a list",
        "a map" => "an object",
        "a string" | "string" => "a text",
        "a boolean" | "boolean" => "true or false",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        wanted if wanted.starts_with("struct ") => "an object",
        wanted => wanted,
    }
}

fn came_words(came: &str) -> String {
    match came.split_once(' ') {
        Some(("string", text)) => text.to_owned(),
        Some(("integer" | "boolean", value)) => value.replace('`', ""),
        Some(("floating", value)) => value.replace("point ", "").replace('`', ""),
        Some(_) | None => match came {
            "sequence" => "a list".to_owned(),
            "map" => "an object".to_owned(),
            came => came.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn said(path: &str, error: &str, expected: (&str, &str, &str)) {
        let fault = fault(path, "value", &error);
        assert_eq!((&*fault.path, &*fault.code, &*fault.message), expected);
    }

    #[test]
    fn what_serde_says_is_said_in_the_words_of_the_api() {
        said(
            ".",
            "unknown field `scope`, expected `name` or `scopes` at line 1 column 20",
            ("scope", "unknown_member", "there is no `scope` here; did you mean `scopes`?"),
        );
        said(
            ".",
            "`email` stands there twice, with different values; send one of the two at line 1",
            (
                "email",
                "twice",
                "`email` stands there twice, with different values; send one of the two",
            ),
        );
        said(
            ".",
            "duplicate field `name` at line 1 column 9",
            ("name", "twice", "`name` stands there twice; send one of the two"),
        );
        said(".", "missing field `name` at line 1 column 2", ("name", "required", "send `name`"));
        said(
            "scopes[0]",
            "unknown variant `root`, expected one of `webhook`, `read` at line 1 column 9",
            ("scopes.0", "value", "`root` is not known here; choose one of `webhook`, `read`"),
        );
        said(
            "scopes",
            "invalid type: string \"read\", expected a sequence",
            ("scopes", "value", "write a list, not \"read\""),
        );
        said(
            "a.b",
            "invalid type: integer `5`, expected a string",
            ("a.b", "value", "write a text, not 5"),
        );
        said(
            "limit",
            "invalid digit found in string",
            ("limit", "value", "invalid digit found in string"),
        );
    }
}

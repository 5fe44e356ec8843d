//! Reasons without the data that they are about: they go into logs and answers, and name no person.

/// The words before a value that an error of serde quotes between backticks.
const BEFORE_VALUES: [&str; 5] =
    ["unknown variant ", "integer ", "floating point ", "boolean ", "character "];

/// A reason why data cannot be read, without the values that it quotes. Names of members stay.
pub(crate) fn without_values(reason: &str) -> String {
    let mut said = String::with_capacity(reason.len());
    let mut rest = reason;
    while let Some(at) = rest.find(['"', '`']) {
        let (before, quoted) = rest.split_at(at);
        said.push_str(before);
        let mark = if quoted.starts_with('"') { '"' } else { '`' };
        let (inside, behind) = between(&quoted[1..], mark);
        let is_value = mark == '"' || BEFORE_VALUES.iter().any(|word| before.ends_with(word));
        said.push(mark);
        said.push_str(if is_value { "…" } else { inside });
        said.push(mark);
        rest = behind;
    }
    said.push_str(rest);
    said
}

/// Splits a text at the mark; a mark after a backslash belongs to the text.
fn between(text: &str, mark: char) -> (&str, &str) {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        if character == mark && !escaped {
            return (&text[..at], &text[at + 1..]);
        }
        escaped = character == '\\' && !escaped;
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_quotes_nothing_of_what_could_not_be_read() {
        for (reason, said) in [
            (
                r#"invalid type: string "ann@example.com", expected u64 at line 1 column 9"#,
                r#"invalid type: string "…", expected u64 at line 1 column 9"#,
            ),
            (
                r#"invalid value: string "a \"b\" c", expected"#,
                r#"invalid value: string "…", expected"#,
            ),
            (
                "unknown variant `ann`, expected `x` or `y`",
                "unknown variant `…`, expected `x` or `y`",
            ),
            (
                "invalid type: integer `1970`, expected a string",
                "invalid type: integer `…`, expected a string",
            ),
            ("missing field `rev` at line 1", "missing field `rev` at line 1"),
            (r#"cut off: "ann"#, r#"cut off: "…""#),
            ("", ""),
        ] {
            assert_eq!(without_values(reason), said);
        }
    }

    #[test]
    fn what_serde_says_of_a_value_is_known() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Word {
            One,
        }
        let secret = "ann@example.com";
        let text = serde_json::json!(secret).to_string();
        for reason in [
            serde_json::from_str::<u64>(&text).unwrap_err().to_string(),
            serde_json::from_str::<Word>(&text).unwrap_err().to_string(),
            serde_json::from_str::<char>(&text).unwrap_err().to_string(),
        ] {
            assert!(reason.contains(secret), "{reason}");
            assert!(!without_values(&reason).contains(secret), "{reason}");
        }
        for (number, reason) in [
            ("1970", serde_json::from_str::<String>("1970").unwrap_err().to_string()),
            ("0.25", serde_json::from_str::<String>("0.25").unwrap_err().to_string()),
        ] {
            assert!(reason.contains(number), "{reason}");
            assert!(!without_values(&reason).contains(number), "{reason}");
        }
        assert!(matches!(serde_json::from_str(r#""one""#), Ok(Word::One)));
    }
}

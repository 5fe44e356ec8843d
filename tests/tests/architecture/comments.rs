//! Comments are wrapped, which rustfmt does not do for us.

use super::{Source, expect_none, root, rust_in, text};

/// The longest line of a comment, in characters.
const LONGEST_COMMENT: usize = 100;

/// Rows of tables, code and links are as long as they are.
#[test]
fn no_comment_has_a_long_line() {
    let mut wrong = Vec::new();
    for Source { path, .. } in rust_in(&["shared", "functions", "cli", "tests"]) {
        let is_long = |line: &&str| line.chars().count() > LONGEST_COMMENT;
        for line in text(&root().join(&path)).lines().filter(is_long) {
            let comment = line
                .trim_start()
                .strip_prefix("//")
                .map(|rest| rest.trim_start_matches(['/', '!']));
            let words = comment.map(|comment| comment.trim_start().trim_start_matches("- "));
            if words.is_some_and(|words| !words.starts_with('|') && words.contains(' ')) {
                wrong.push(format!("{path}: {line}"));
            }
        }
    }
    expect_none(&wrong, &format!("wrap these comments at {LONGEST_COMMENT} characters"));
}

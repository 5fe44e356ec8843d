//! Templates, as elements say which of their texts are. Each has its path, for problems in it, and
//! the budget that its rendering may use up.

use crate::campaign::node::Path;
use crate::template::Budget;

/// A template and the path it is written at.
pub(in crate::campaign) struct Template<'a> {
    pub(in crate::campaign) path: Path,
    pub(in crate::campaign) source: &'a str,
    /// What rendering it may use up.
    pub(in crate::campaign) budget: Budget,
}

impl<'a> Template<'a> {
    /// A text that is rendered for an e-mail or a webhook.
    pub(in crate::campaign) fn full(path: Path, source: &'a str) -> Self {
        Self { path, source, budget: Budget::Full }
    }

    /// A text that is rendered while a decision is made.
    pub(in crate::campaign) fn small(path: Path, source: &'a str) -> Self {
        Self { path, source, budget: Budget::Small }
    }
}

/// Whether a text has anything in it that is filled in.
pub(in crate::campaign) fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

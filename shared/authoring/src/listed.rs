//! Lists of names in sentences.

/// The names with commas between them.
pub(crate) fn listed(names: impl IntoIterator<Item = impl ToString>) -> String {
    names.into_iter().map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

//! The known name that somebody most likely meant. Every answer is a remedy that can be shown as it
//! is: one name, a bounded list of names, or that there is none.

/// How many known names a remedy lists.
const MOST_LISTED: usize = 20;

/// What to write instead of an unknown name: the nearest of the known ones, else what there is.
pub fn remedy<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(written, &known) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "there is none to choose from".to_owned(),
        None => format!("choose one of {}", list(&known)),
    }
}

/// The names in a sentence, shortened if there are many.
pub(crate) fn list(known: &[&str]) -> String {
    let listed: Vec<String> =
        known.iter().take(MOST_LISTED).map(|name| format!("`{name}`")).collect();
    let more = known.len().saturating_sub(MOST_LISTED);
    match more {
        0 => listed.join(", "),
        _ => format!("{} and {more} more", listed.join(", ")),
    }
}

fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let folded = written.to_lowercase();
    let length = folded.chars().count();
    // A quarter may differ, so that short names are not taken for one another.
    let most = (length / 4).clamp(1, 4);
    known
        .iter()
        .filter(|name| name.chars().count().abs_diff(length) <= most)
        .map(|name| (strsim::osa_distance(&folded, &name.to_lowercase()), *name))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

//! Whole names, split into first and last name where that is possible.
//!
//! Titles are left out, particles belong to the last name, and a comma reverses the order. Where it
//! is not clear, nothing is split: the whole name is the first name, so that a salutation says what
//! the person wrote.

/// The parts of a whole name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::api) struct Parts {
    /// The given name.
    pub(in crate::api) first: Option<String>,
    /// The family name.
    pub(in crate::api) last: Option<String>,
    /// Whether it was not clear: the whole name is the first name.
    pub(in crate::api) whole: bool,
}

/// The most words of a name that is split.
const MOST_WORDS: usize = 4;

/// Titles and forms of address, in lower case and without dots.
const TITLES: &[&str] = &[
    "dr",
    "drs",
    "prof",
    "professor",
    "herr",
    "herrn",
    "frau",
    "fräulein",
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "sir",
    "dame",
    "lord",
    "lady",
    "rev",
    "reverend",
    "mag",
    "magister",
    "ing",
    "dipl-ing",
    "dipl-kfm",
    "dipl-kffr",
    "dipl-inf",
    "dipl-phys",
    "dipl-psych",
    "dipl-vw",
    "dr-ing",
    "med",
    "jur",
    "phil",
    "rer",
    "nat",
    "habil",
    "hc",
    "pd",
    "priv-doz",
    "mme",
    "mlle",
    "monsieur",
    "madame",
    "dott",
    "dottssa",
    "señor",
    "señora",
    "sra",
    "senhor",
    "senhora",
    "mevr",
    "dhr",
];

/// Degrees and generations after a name, likewise.
const SUFFIXES: &[&str] = &[
    "phd", "md", "mba", "msc", "bsc", "ma", "ba", "llm", "esq", "dds", "cpa", "mag", "dipl-ing",
    "dr", "jr", "sr", "jun", "sen", "ii", "iii", "iv",
];

/// Those of them that belong to the last name.
const GENERATIONS: &[&str] = &["jr", "sr", "jun", "sen", "ii", "iii", "iv"];

/// Particles that begin a last name however they are written.
const PARTICLES: &[&str] = &[
    "von", "vom", "van", "zu", "zum", "zur", "de", "del", "della", "di", "dos", "bin", "ibn",
    "bint", "ter", "ten", "vander",
];

/// Particles that begin one in lower case only.
const SMALL_PARTICLES: &[&str] =
    &["da", "das", "do", "du", "der", "den", "la", "le", "el", "al", "af", "av", "y", "e", "te"];

/// Words that are no person's name.
const NO_PERSON: &[&str] = &[
    "und", "and", "et", "familie", "family", "fam", "firma", "gmbh", "ag", "kg", "ug", "gbr",
    "ohg", "ltd", "inc", "llc", "ev", "team", "company", "corp",
];

fn bare(word: &str) -> String {
    word.to_lowercase().chars().filter(|c| !matches!(c, '.' | ',')).collect()
}

fn is_one_of(word: &str, of: &[&str]) -> bool {
    of.contains(&bare(word).as_str())
}

fn is_particle(word: &str) -> bool {
    is_one_of(word, PARTICLES) || SMALL_PARTICLES.contains(&word)
}

/// Splits a whole name.
pub(in crate::api) fn split(name: &str) -> Parts {
    let words: Vec<&str> = name.split_whitespace().collect();
    let name = words.join(" ");
    if name.is_empty() {
        return Parts::default();
    }
    tell(&name).unwrap_or(Parts { first: Some(name), last: None, whole: true })
}

/// The parts; `None` if they are not clear.
fn tell(name: &str) -> Option<Parts> {
    let odd = |c: char| c.is_numeric() || "@&/+()\"|;:<>_#*=".contains(c) || is_of_east_asia(c);
    let is_no_person = name.split(' ').any(|word| is_one_of(word, NO_PERSON));
    if is_no_person || (name.contains(odd) && name.contains(' ')) {
        return None;
    }
    let mut sides: Vec<Vec<&str>> =
        name.split(',').map(|side| side.split_whitespace().collect()).collect();
    // `Ann Lee, PhD`.
    while sides.len() > 1 && sides.last()?.iter().all(|word| is_one_of(word, SUFFIXES)) {
        sides.pop();
    }
    match sides.as_slice() {
        [words] => in_order(words),
        [last, first] => turned(last, first),
        _ => None,
    }
}

/// `Dr. Katharina von Meier`.
fn in_order(words: &[&str]) -> Option<Parts> {
    let titles = words.iter().take_while(|word| is_one_of(word, TITLES)).count();
    let mut words = words[titles..].to_vec();
    let mut generation = None;
    while words.len() > 1 && words.last().is_some_and(|word| is_one_of(word, SUFFIXES)) {
        generation = words.pop().filter(|word| is_one_of(word, GENERATIONS)).or(generation);
    }
    let last_name = |words: &[&str]| {
        Some(words.iter().copied().chain(generation).collect::<Vec<_>>().join(" "))
    };
    match words.as_slice() {
        // A title alone is no name.
        [] => None,
        // `Herr Meier`.
        [only] if titles > 0 => Some(Parts { last: last_name(&[*only]), ..Parts::default() }),
        [only] => Some(Parts { first: Some((*only).to_owned()), ..Parts::default() }),
        words => {
            let particle = (1..words.len() - 1).find(|at| is_particle(words[*at]));
            let at = particle.unwrap_or(words.len() - 1);
            // `Herr von Meier`.
            if titles > 0 && is_particle(words[0]) {
                return Some(Parts { last: last_name(words), ..Parts::default() });
            }
            let (first, last) = words.split_at(at);
            if first.len() >= MOST_WORDS || last.len() > MOST_WORDS {
                return None;
            }
            Some(Parts { first: Some(first.join(" ")), last: last_name(last), whole: false })
        }
    }
}

/// `Meier, Dr. Katharina`; `Goethe, Johann Wolfgang von`.
fn turned(last: &[&str], first: &[&str]) -> Option<Parts> {
    let first: Vec<&str> =
        first.iter().copied().skip_while(|word| is_one_of(word, TITLES)).collect();
    let given = first.iter().take_while(|word| !is_particle(word)).count();
    let (first, particles) = first.split_at(given);
    let last: Vec<&str> = particles.iter().chain(last).copied().collect();
    if first.is_empty()
        || last.len() == particles.len()
        || first.len() >= MOST_WORDS
        || last.len() > MOST_WORDS
    {
        return None;
    }
    Some(Parts { first: Some(first.join(" ")), last: Some(last.join(" ")), whole: false })
}

/// Whether the character is of a script in which the family name comes first.
fn is_of_east_asia(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_name_is_split_where_one_can_tell() {
        for (name, first, last) in [
            ("Ann Lindqvist", "Ann", "Lindqvist"),
            ("Ann Marie Lee", "Ann Marie", "Lee"),
            ("  Ann   Lindqvist ", "Ann", "Lindqvist"),
            ("Meier, Katharina", "Katharina", "Meier"),
            ("Meier, Dr. Katharina Maria", "Katharina Maria", "Meier"),
            ("Goethe, Johann Wolfgang von", "Johann Wolfgang", "von Goethe"),
            ("Dr. Anna Schmidt", "Anna", "Schmidt"),
            ("Prof. Dr. med. Anna Schmidt", "Anna", "Schmidt"),
            ("Frau Dipl.-Ing. Eva Müller-Lüdenscheidt", "Eva", "Müller-Lüdenscheidt"),
            ("Ludwig van Beethoven", "Ludwig", "van Beethoven"),
            ("Vincent van der Berg", "Vincent", "van der Berg"),
            ("JAN VAN DAMME", "JAN", "VAN DAMME"),
            ("Ursula von der Leyen", "Ursula", "von der Leyen"),
            ("Maria de la Cruz", "Maria", "de la Cruz"),
            ("Van Morrison", "Van", "Morrison"),
            ("Martin Luther King Jr.", "Martin Luther", "King Jr."),
            ("Ann Lee, PhD", "Ann", "Lee"),
            ("J. R. Smith", "J. R.", "Smith"),
            ("Herr Meier", "", "Meier"),
            ("Herr von Meier", "", "von Meier"),
            ("Ann", "Ann", ""),
            ("Müller & Söhne GmbH", "Müller & Söhne GmbH", ""),
            ("Ann und Bob Lee", "Ann und Bob Lee", ""),
            ("Familie Müller", "Familie Müller", ""),
            ("山田 太郎", "山田 太郎", ""),
            ("ann@example.com", "ann@example.com", ""),
            ("Lee, Ann, Bob", "Lee, Ann, Bob", ""),
            ("One Two Three Four Five Six", "One Two Three Four Five Six", ""),
            ("Dr.", "Dr.", ""),
            (" ", "", ""),
            (",", ",", ""),
        ] {
            let parts = split(name);
            let words = |part: Option<String>| part.unwrap_or_default();
            assert_eq!(
                (words(parts.first).as_str(), words(parts.last).as_str()),
                (first, last),
                "{name}"
            );
        }
    }
}

//! D501: names that are nearly those of others.

use dacapo_engine::campaign::format::{Edge, Element, EventElement};
use dacapo_engine::ids::{ObjectType, Tag};

use super::expected::status;
use super::facts::{All, Facts};
use super::story::{Change, Story};
use super::{At, Found, Lint};
use crate::finding::{Proof, Severity};
use crate::scenario::ExpectedStatus;

pub(super) static NAME_NEARLY_KNOWN: Lint = Lint {
    code: "D501",
    name: "name-nearly-known",
    severity: Severity::Warning,
    what: "A tag that is read in one place only and assigned nowhere, while another tag of the \
           campaigns differs from it by a slip: a letter, a hyphen, a plural.",
    why: "Tags need no declaration, so a slip makes a new tag that nobody ever gets, and what reacts to \
          it never happens.",
    example: r#"
id: loop
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: booked }
  booked: { type: tag, add: [Appointment made], next: wait }
  wait: { type: wait, for: 1 day }
  made: { type: event, on: { tag_added: Apointment made }, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { subject: Hello, text: Nice to meet you. }
"#,
    mended: r#"
id: loop
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: booked }
  booked: { type: tag, add: [Appointment made], next: wait }
  wait: { type: wait, for: 1 day }
  made: { type: event, on: { tag_added: Appointment made }, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { subject: Hello, text: Nice to meet you. }
"#,
    limits: "Names that differ in a number, a short word or the first letter of a word are taken for \
             different things: `Step 1` and `Step 2`, `Webinar A` and `Webinar B`. Fields have to be \
             declared, so the validator knows their slips.",
    check: name_nearly_known,
};

fn name_nearly_known(facts: &Facts<'_>, all: &All<'_>, found: &mut Found<'_>) {
    for at in 0..facts.len() {
        let reads = facts.reads(at);
        let own = reads.tags.iter().map(|tag| (facts.kind(), tag));
        let of_person = reads.person.tags.iter().map(|tag| (None, tag));
        for (kind, tag) in own.chain(of_person) {
            let Some(known) = meant(all, kind.as_ref(), tag) else { continue };
            let message = format!(
                "`{}` reads the tag `{tag}`, which nothing else names; there is a tag `{known}`",
                facts.id(at)
            );
            let remedy = format!("write `{known}`, if that is meant");
            found.add(At::Value(at, facts.asks_in(at)), message, remedy).proof =
                known_comes(facts, at, tag, known);
        }
    }
}

/// The other tag that is probably meant.
fn meant<'a>(all: &'a All<'_>, kind: Option<&ObjectType>, tag: &Tag) -> Option<&'a Tag> {
    let whose = (kind.cloned(), tag.clone());
    let is_lonely = all.reading(&whose).len() == 1
        && all.adding(&whose).is_empty()
        && all.removing(&whose).is_empty();
    if !is_lonely {
        return None;
    }
    let tags = all.tags(kind);
    tags.into_iter().find(|other| *other != tag && is_slip(tag.folded(), other.folded()))
}

/// Whether two names most likely mean the same.
fn is_slip(one: &str, other: &str) -> bool {
    let letters = |name: &str| name.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    if letters(one) == letters(other) {
        return true;
    }
    let words = |name: &str| -> Vec<String> {
        name.split(|c: char| !c.is_alphanumeric())
            .filter(|it| !it.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (one, other) = (words(one), words(other));
    if one.len() != other.len() {
        return false;
    }
    let mut differing = one.iter().zip(&other).filter(|(one, other)| one != other);
    let Some((one, other)) = differing.next() else { return false };
    differing.next().is_none() && is_slip_of_a_word(one, other)
}

fn is_slip_of_a_word(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let shorter = one.len().min(other.len());
    let is_word = |word: &[char]| word.iter().all(|c| c.is_alphabetic());
    if shorter < 4 || one.first() != other.first() || !is_word(&one) || !is_word(&other) {
        return false;
    }
    let is_plural = |short: &[char], long: &[char]| {
        long.len() == short.len() + 1 && long.starts_with(short) && long.last() == Some(&'s')
    };
    if is_plural(&one, &other) || is_plural(&other, &one) {
        return true;
    }
    // One slip in a word of six letters or more: a letter too many, too few, another, or swapped.
    shorter >= 6 && one_slip(&one, &other)
}

fn one_slip(one: &[char], other: &[char]) -> bool {
    let same_begin = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let (one, other) = (&one[same_begin..], &other[same_begin..]);
    match (one.len(), other.len()) {
        (a, b) if a == b => {
            let another = a > 0 && one[1..] == other[1..];
            let swapped =
                a > 1 && one[0] == other[1] && one[1] == other[0] && one[2..] == other[2..];
            // Another letter may make another word (booked, cooked): swapped ones do not.
            swapped || (another && a > 1)
        }
        (a, b) if a == b + 1 => one[1..] == *other,
        (a, b) if a + 1 == b => *one == other[1..],
        _ => false,
    }
}

/// The other tag is assigned: nothing happens at the element.
fn known_comes(facts: &Facts<'_>, at: usize, tag: &Tag, known: &Tag) -> Option<Proof> {
    let is_event_on_it = match facts.element(at) {
        Element::Event(EventElement { on: Edge::TagAdded(tags), .. }) => {
            tags.as_slice().contains(tag)
        }
        Element::Start(_) => true,
        _ => false,
    };
    let reads_known = (0..facts.len()).any(|it| it != at && facts.reads(it).tags.contains(known));
    if !is_event_on_it || reads_known {
        return None;
    }
    let mut story = Story::new(facts);
    story.change(Change::tag(known.clone()));
    let shows = format!("`{known}` is assigned, and nothing happens.");
    Some(story.shows(shows, status(ExpectedStatus::None)))
}

#[cfg(test)]
mod tests {
    use super::is_slip;

    #[test]
    fn slips_are_told_from_other_names() {
        for (one, other, expected) in [
            ("appointment made", "apointment made", true),
            ("no-show", "no show", true),
            ("noshow", "no show", true),
            ("leads", "lead", true),
            ("appointmnet made", "appointment made", true),
            ("attended", "attendet", false),
            ("step 1", "step 2", false),
            ("webinar a", "webinar b", false),
            ("subscribed", "unsubscribed", false),
            ("reached", "not reached", false),
            ("berlin", "merlin", false),
            ("trial", "trail", false),
            ("customer", "cutsomer", true),
            ("event 2026", "event 2027", false),
            ("", "", true),
        ] {
            assert_eq!(is_slip(one, other), expected, "{one}, {other}");
            assert_eq!(is_slip(other, one), expected, "{other}, {one}");
        }
    }
}

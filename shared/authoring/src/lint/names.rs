//! D501 and D504: names that are nearly those of others.

use dacapo_engine::campaign::format::{Edge, Element, EventElement};
use dacapo_engine::field::BUILT_IN;
use dacapo_engine::ids::{FieldKey, ObjectType, Tag};

use super::expected::status;
use super::facts::{AllFacts, Facts};
use super::story::{Change, Story};
use super::{At, LintFindings, LintPage};
use crate::finding::Proof;
use crate::scenario::ExpectedStatus;

pub(super) static NAME_NEARLY_KNOWN_PAGE: LintPage = LintPage {
    code: "D501",
    what: "A tag that is read in one place only and assigned nowhere, while another tag of the \
           campaigns differs from it by a slip: a letter, a hyphen, a plural.",
    why: "Tags need no declaration, so a slip makes a new tag that nobody ever gets, and what \
          reacts to it never happens.",
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
    limits: "Names that differ in a number, a short word or the first letter of a word are taken \
             for different things: `Step 1` and `Step 2`, `Webinar A` and `Webinar B`. Fields have \
             to be declared, so the validator knows their slips; across campaigns they are of \
             D504.",
};

pub(super) fn name_nearly_known(
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
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
fn meant<'a>(all: &'a AllFacts<'_>, kind: Option<&ObjectType>, tag: &Tag) -> Option<&'a Tag> {
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

pub(super) static FIELD_NEARLY_KNOWN_PAGE: LintPage = LintPage {
    code: "D504",
    what: "A field that one campaign declares and reads, that no campaign sets, and that no other \
           campaign names, while another campaign, or Dacapo itself, has a field of the same type \
           whose name differs from it by a slip: a letter, an underscore, a plural.",
    why: "Whoever declares a field makes it, so two spellings are two fields. A form fills one of \
          them, and the campaign that reads the other waits for a value that never comes.",
    example: r#"
id: confirmations
sender: { address: hello@studio-nord.example }
fields: { appointment: { type: datetime } }
elements:
  booked: { type: event, on: { field_set: appointment }, next: confirm }
  confirm: { type: email, email: confirm }
emails:
  confirm: { purpose: transactional, subject: See you, text: You have an appointment. }
---
id: sales
fields: { apointment: { type: datetime } }
elements:
  booked: { type: event, on: { field_set: apointment }, next: hot }
  hot: { type: tag, add: [Hot] }
"#,
    mended: r#"
id: confirmations
sender: { address: hello@studio-nord.example }
fields: { appointment: { type: datetime } }
elements:
  booked: { type: event, on: { field_set: appointment }, next: confirm }
  confirm: { type: email, email: confirm }
emails:
  confirm: { purpose: transactional, subject: See you, text: You have an appointment. }
---
id: sales
fields: { appointment: { type: datetime } }
elements:
  booked: { type: event, on: { field_set: appointment }, next: hot }
  hot: { type: tag, add: [Hot] }
"#,
    limits: "Names are compared as those of tags are (D501). A campaign that names both fields \
             means both. Of two campaigns that name their field equally often the later is told; \
             fields that the account declares and no campaign does are not known.",
};

pub(super) fn field_nearly_known(
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    let of_contacts = facts.document.fields.iter().map(|(key, of)| (None, key, of.kind));
    let of_objects = facts.document.objects.iter().flat_map(|(kind, object)| {
        object.fields.iter().map(move |(key, of)| (Some(kind), key, of.kind))
    });
    for (kind, key, of) in of_contacts.chain(of_objects) {
        let whose = (kind.cloned(), key.clone());
        let reader = (0..facts.len()).find(|at| facts.reads_field(*at, kind, key));
        let is_set = !all.setting(&whose).is_empty();
        let Some(reader) = reader.filter(|_| !is_set) else { continue };
        let others = || all.campaigns.iter().filter(|other| other.nth != facts.nth);
        let is_near = |name: &str| name != key.as_str() && is_slip(key.as_str(), name);
        let declared = others().flat_map(|other| {
            let keys =
                other.declares(kind).filter(|(it, kind)| *kind == of && is_near(it.as_str()));
            keys.map(move |(it, _)| (it.as_str(), Some(other)))
        });
        let built_in = BUILT_IN.iter().filter(|(_, it)| kind.is_none() && *it == of);
        let built_in = built_in.filter(|(name, _)| is_near(name)).map(|(name, _)| (*name, None));
        let known = declared.chain(built_in).find(|(name, other)| {
            let Ok(it) = FieldKey::new(*name) else { return false };
            // The one that is named more often, or first, is taken for right.
            let is_right = other.is_none_or(|other: &Facts<'_>| {
                let (own, theirs) = (facts.names_field(kind, key), other.names_field(kind, &it));
                theirs > own || (theirs == own && all.tells(facts, other))
            });
            is_right && facts.names_field(kind, &it) == 0
        });
        let Some((known, _)) = known else { continue };
        let names_it = |other: &Facts<'_>| {
            other.declares(kind).any(|(it, _)| it == key) || other.names_field(kind, key) > 0
        };
        if others().any(names_it) {
            continue;
        }
        let message = format!(
            "nothing sets the field `{key}`, and no other campaign names it; there is a field \
             `{known}`"
        );
        let finding =
            found.add(At::Field(kind, key), message, format!("write `{known}`, if that is meant"));
        finding.element = Some(facts.id(reader).to_string());
        finding.proof = known_is_set(facts, key, known);
    }
}

/// The other field is set: nobody comes in.
fn known_is_set(facts: &Facts<'_>, key: &FieldKey, known: &str) -> Option<Proof> {
    let is_waited_for = facts.entries().any(|at| facts.reads(at).fields.contains(key));
    let mut story = Story::new(facts);
    let value = story.sample(key, facts.document.per.is_none(), 0).filter(|_| is_waited_for)?;
    story.change(Change::field(FieldKey::new(known).ok()?, value));
    let shows = format!("`{known}` is set, and nothing happens.");
    Some(story.shows(shows, status(ExpectedStatus::None)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{silent, trips};
    use super::is_slip;

    #[test]
    fn d504_a_field_that_something_else_knows_is_left_alone() {
        let campaigns = super::FIELD_NEARLY_KNOWN_PAGE.example;
        trips("D504", campaigns, &["booked"]);
        let (first, second) = campaigns.split_once("\n---\n").expect("two campaigns");
        silent("D504", second);
        trips("D504", &format!("{second}\n---\n{first}"), &["booked"]);
        // A campaign sets it, it is of another type, or both are named.
        let clearing = |key: &str, behind: &str| {
            format!("{behind}, next: s }}\n  s: {{ type: set_field, fields: {{ {key}: null }} }}")
        };
        let set = campaigns
            .replace("add: [Hot] }", &clearing("apointment", "add: [Hot]"))
            .replace("email: confirm }", &clearing("appointment", "email: confirm"));
        silent("D504", &set);
        silent(
            "D504",
            &campaigns.replace("apointment: { type: datetime }", "apointment: { type: date }"),
        );
        silent(
            "D504",
            &campaigns.replace("fields: { apointment: {", "fields: { appointment: { type: datetime }, apointment: {")
                .replace("next: hot }", "next: c }\n  c: { type: condition, when: { field: appointment, is: set }, then: hot }"),
        );
        silent("D504", &campaigns.replace("apointment", "deadline"));
    }

    #[test]
    fn d504_dacapos_own_fields_are_known_too() {
        let campaign = |key: &str| {
            format!(
                "id: a\nfields: {{ {key}: {{ type: text }} }}\nelements:\n  \
                 s: {{ type: start, when: {{ field: {key}, is: set }}, next: t }}\n  \
                 t: {{ type: tag, add: [Known] }}\n"
            )
        };
        trips("D504", &campaign("firstname"), &["s"]);
        silent("D504", &campaign("nickname"));
    }

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

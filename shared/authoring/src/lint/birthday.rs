//! D303: dates that come again every year.

use chrono::TimeDelta;
use dacapo_engine::campaign::format::{Element, Repeat};
use dacapo_engine::field::FieldType;
use dacapo_engine::ids::FieldKey;

use super::facts::{All, Facts};
use super::story::Story;
use super::{At, Found, Lint, Said, path_of};
use crate::finding::{Edit, Severity};
use crate::scenario::{Expectation, ExpectedMessage};

pub(super) static PLAIN_TIMER_ON_A_BIRTHDAY: Lint = Lint {
    code: "D303",
    name: "plain-timer-on-a-birthday",
    severity: Severity::Warning,
    what: "A date timer without `repeat: yearly` on a field that is called a birthday or an \
           anniversary.",
    why: "A birthday lies decades ago: its moment has passed for everybody, and the wishes never leave.",
    example: r#"
id: birthday
sender: { address: hello@studio-nord.example }
fields: { birthday: { type: date } }
elements:
  known: { type: start, when: { field: birthday, is: set }, next: birthday }
  birthday: { type: date_timer, field: birthday, next: wishes }
  wishes: { type: email, email: wishes }
emails:
  wishes: { subject: Happy birthday, text: All the best. }
"#,
    mended: r#"
id: birthday
sender: { address: hello@studio-nord.example }
fields: { birthday: { type: date } }
elements:
  known: { type: start, when: { field: birthday, is: set }, next: birthday }
  birthday: { type: date_timer, field: birthday, repeat: yearly, next: wishes }
  wishes: { type: email, email: wishes }
emails:
  wishes: { subject: Happy birthday, text: All the best. }
"#,
    limits: "It is known by the field's key or label, in English and German. The edit is not applied \
             by `--fix`, since it makes mail leave.",
    check: plain_timer_on_a_birthday,
};

fn plain_timer_on_a_birthday(facts: &Facts<'_>, _: &All<'_>, found: &mut Found<'_>) {
    for (at, timer) in facts.timers() {
        let Some(field) = timer.field.as_ref().filter(|field| holds_a_birthday(facts, field))
        else {
            continue;
        };
        if timer.repeat.is_some() {
            continue;
        }
        let id = facts.id(at);
        let path = path_of(facts.document, at);
        let place = facts.given.source.places.of_key(&path.key("field"));
        let mut story = Story::new(facts);
        let proof = story.born(at);
        let message = timer.next.as_ref().and_then(|next| facts.place(next));
        let proof = proof.zip(message).and_then(|((), message)| {
            let Element::Email(_) = facts.element(message) else { return None };
            let expect = Expectation {
                not_sent: vec![ExpectedMessage {
                    element: Some(facts.id(message).clone()),
                    ..ExpectedMessage::default()
                }],
                ..Expectation::default()
            };
            let end = story.now() + TimeDelta::days(380);
            Some(story.shows_until(end, "A year has passed, and no wishes were sent.", expect))
        });
        found.add(
            &At::Value(&path.key("field")),
            Said {
                element: Some(id.to_string()),
                message: format!(
                    "`{field}` lies decades ago, so `{id}` has passed for everybody and never fires"
                ),
                remedy: "add `repeat: yearly`".to_owned(),
                edit: Some(Edit {
                    label: "repeat it every year".to_owned(),
                    safe: false,
                    from: place,
                    to: place,
                    text: beside(facts, place, &format!("repeat: {}", word(Repeat::Yearly))),
                }),
                proof,
            },
        );
    }
}

/// Whether the field is a date that is called a birthday or an anniversary.
pub(super) fn holds_a_birthday(facts: &Facts<'_>, field: &FieldKey) -> bool {
    let label = facts.document.fields.get(field).and_then(|it| it.label.as_deref());
    facts.field_type(field) == Some(FieldType::Date)
        && [Some(field.as_str()), label].into_iter().flatten().any(is_birthday)
}

fn word(repeat: Repeat) -> &'static str {
    match repeat {
        Repeat::Yearly => "yearly",
    }
}

/// A key and its value, as it is written before the key at this place.
fn beside(
    facts: &Facts<'_>,
    place: dacapo_engine::campaign::reader::Place,
    written: &str,
) -> String {
    let line = usize::try_from(place.line).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(place.column).unwrap_or(1).saturating_sub(1);
    let line = facts.given.text.lines().nth(line).unwrap_or_default();
    let before: String = line.chars().take(column).collect();
    if before.trim().is_empty() { format!("{written}\n{before}") } else { format!("{written}, ") }
}

fn is_birthday(name: &str) -> bool {
    let name = name.to_lowercase();
    let parts: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
    let is_part = |part: &&str| {
        let words = [
            "birthday",
            "birthdate",
            "birth",
            "dob",
            "bday",
            "anniversary",
            "geburtstag",
            "geburtsdatum",
        ];
        words.contains(part)
    };
    parts.iter().any(is_part)
}

#[cfg(test)]
mod tests {
    use super::is_birthday;
    use crate::lint::tests::{findings, silent};

    #[test]
    fn r24_d303_knows_birthdays_by_whole_words_and_repeats_them() {
        for (name, expected) in [
            ("birthday", true),
            ("date_of_birth", true),
            ("dob", true),
            ("Geburtstag", true),
            ("rebirthing_course", false),
            ("appointment", false),
        ] {
            assert_eq!(is_birthday(name), expected, "{name}");
        }
        let campaign = super::PLAIN_TIMER_ON_A_BIRTHDAY.example;
        let found = findings(campaign);
        let edits = found.iter().filter_map(|finding| finding.edit.as_ref());
        let (mended, _) = crate::fix::apply_edits(campaign, edits);
        silent("D303", &mended);
        assert!(mended.contains("repeat: yearly, field: birthday"), "{mended}");
    }
}

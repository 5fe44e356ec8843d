//! D303: dates that come again every year.

use chrono::TimeDelta;
use dacapo_engine::field::FieldType;
use dacapo_engine::ids::FieldKey;

use super::expected::{message, not_sent};
use super::facts::{AllFacts, Facts};
use super::story::Story;
use super::words::beside;
use super::{At, LintFindings, LintPage, path_of};

pub(super) static PLAIN_TIMER_ON_A_BIRTHDAY_PAGE: LintPage = LintPage {
    code: "D303",
    what: "A date timer without `repeat: yearly` on a field that is called a birthday or an \
           anniversary.",
    why: "A birthday lies decades ago: its moment has passed for everybody, and the wishes never \
          leave.",
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
    limits: "It is known by the field's key or label, in English and German. The edit is not \
             applied by `--fix`, since it makes mail leave.",
};

pub(super) fn plain_timer_on_a_birthday(
    facts: &Facts<'_>,
    _: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    for (at, timer) in facts.timers() {
        let Some(field) = timer.field.as_ref().filter(|field| holds_a_birthday(facts, field))
        else {
            continue;
        };
        if timer.repeat.is_some() {
            continue;
        }
        let mut story = Story::new(facts);
        let proof = story.born(at).zip(facts.message_behind(at)).map(|((), mail)| {
            let end = story.now() + TimeDelta::days(380);
            let expect = not_sent(message(facts.id(mail)));
            story.shows_until(end, "A year has passed, and no wishes were sent.", expect)
        });
        let said = format!(
            "`{field}` lies decades ago, so `{}` has passed for everybody and never fires",
            facts.id(at)
        );
        let path = path_of(facts.document, at).key("field");
        let (text, place) = (found.given.text, found.given.source.places.of_key(&path));
        let finding = found.add(At::Value(at, "field"), said, "add `repeat: yearly`");
        finding.edit = Some(beside(text, place, "repeat it every year", "repeat: yearly"));
        finding.proof = proof;
    }
}

/// Whether the field is a date that is called a birthday or an anniversary.
pub(super) fn holds_a_birthday(facts: &Facts<'_>, field: &FieldKey) -> bool {
    let label = facts.document.fields.get(field).and_then(|it| it.label.as_deref());
    facts.field_type(field) == Some(FieldType::Date)
        && [Some(field.as_str()), label].into_iter().flatten().any(is_birthday)
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
        let campaign = super::PLAIN_TIMER_ON_A_BIRTHDAY_PAGE.example;
        let found = findings(campaign);
        let edits = found.iter().filter_map(|finding| finding.edit.as_ref());
        let (mended, _) = crate::fix::apply_edits(campaign, edits);
        silent("D303", &mended);
        assert!(mended.contains("repeat: yearly, field: birthday"), "{mended}");
    }
}

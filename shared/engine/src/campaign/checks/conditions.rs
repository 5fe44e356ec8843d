//! Conditions: the fields they name, and whether what is asked of a field makes sense for its type.
//! What is wrong in a nested condition is reported at its own place.

use serde_json::Value;

use super::findings::{At, Findings};
use super::{Subjects, Surroundings};
use crate::campaign::node::Path;
use crate::condition::{Condition, Test};
use crate::field::FieldType;
use crate::ids::{CampaignId, Tag};
use crate::text::NamedCharacter;
use crate::time::Zone;

/// Checks a condition that is written at the path.
pub(in crate::campaign) fn check(
    condition: &Condition,
    path: &Path,
    around: &Surroundings<'_>,
    findings: &mut Findings<'_>,
) {
    let mut many = |key: &str, conditions: &[Condition]| {
        let path = path.key(key);
        if conditions.is_empty() {
            let always = if key == "all" { "always" } else { "never" };
            findings.warning(
                "empty_condition",
                &At::Value(&path),
                format!("an empty `{key}` {always} holds"),
                "write conditions in it",
            );
        }
        for (i, one) in conditions.iter().enumerate() {
            check(one, &path.index(i), around, findings);
        }
    };
    match condition {
        Condition::Tag(tag) => seen(tag, &path.key("tag"), findings),
        Condition::All(all) => many("all", all),
        Condition::Any(any) => many("any", any),
        Condition::Not(not) => check(not, &path.key("not"), around, findings),
        Condition::Contact(of) => {
            let path = path.key("contact");
            if let Some(around) = around.of_person(&path, findings) {
                check(of, &path, &around, findings);
            }
        }
        Condition::Field(key, test) => {
            if let Some(kind) = around.fields.named(key, &At::Value(&path.key("field")), findings) {
                field_test(test, kind, path, findings);
            }
        }
        Condition::Campaign(campaign, asked) => {
            other_campaign(campaign, &path.key("campaign"), around, findings);
            if asked.is_empty() {
                findings.warning(
                    "empty_condition",
                    &At::Value(&path.key("status")),
                    "a condition on no status never holds",
                    "name at least one status",
                );
            }
        }
    }
}

/// A tag with a character that nobody sees is another than the one that it looks like, and no
/// contact gets it.
pub(in crate::campaign) fn seen(tag: &Tag, path: &Path, findings: &mut Findings<'_>) {
    if let Some(unseen) = tag.unseen() {
        let (tag, unseen) = (tag.as_str(), NamedCharacter(unseen));
        let message = format!("the tag {tag:?} contains {unseen}, which nobody can see");
        findings.error("unseen_character", &At::Value(path), message, "write the tag anew");
    }
}

/// A campaign that is not there may be published later, so this is a warning. One that is about
/// other things has no subject that could be meant (R71).
pub(in crate::campaign) fn other_campaign(
    campaign: &CampaignId,
    path: &Path,
    around: &Surroundings<'_>,
    findings: &mut Findings<'_>,
) {
    if let Some(of) = (around.subjects)(campaign)
        && of.per().is_some_and(|kind| Some(kind) != around.per)
    {
        let this = Subjects::of(around.per);
        findings.error(
            "other_subject",
            &At::Value(path),
            format!("`{campaign}` is about {of}, but what is meant here is about {this}"),
            match this {
                Subjects::Contacts => "name a campaign about contacts".to_owned(),
                Subjects::Objects(_) => format!("name a campaign about {this}, or about contacts"),
            },
        );
    }
    if !(around.campaigns)(campaign) {
        findings.warning(
            "unknown_campaign",
            &At::Value(path),
            format!("there is no campaign `{campaign}` yet"),
            "check the id, or publish that campaign too",
        );
    }
}

fn field_test(test: &Test, kind: FieldType, path: &Path, findings: &mut Findings<'_>) {
    let is_date = matches!(kind, FieldType::Date | FieldType::Datetime);
    let word = kind.word();
    let mut needs_date = |key: &str, what: &str| {
        if !is_date {
            findings.error(
                "test_of_wrong_type",
                &At::Value(&path.key(key)),
                format!("`{what}` asks for a date, but the field is a {word}"),
                "use a field of type `date` or `datetime`, or another test",
            );
        }
    };
    match test {
        Test::Set | Test::Empty => {}
        Test::Past => needs_date("is", "past"),
        Test::Future => needs_date("is", "future"),
        Test::Within(_) => needs_date("within", "within"),
        Test::Weekdays(_) => needs_date("weekdays", "weekdays"),
        Test::Time(_) if kind == FieldType::Date => findings.error(
            "test_of_wrong_type",
            &At::Key(&path.key("time")),
            "`time` asks for a time of day, but the field is a date without one",
            "use a field of type `datetime`, or `weekdays`",
        ),
        Test::Time(_) => needs_date("time", "time"),
        Test::Contains(_) => {
            if kind != FieldType::Text {
                findings.error(
                    "test_of_wrong_type",
                    &At::Key(&path.key("contains")),
                    format!("`contains` asks for a text, but the field is a {word}"),
                    "use `equals`, `greater` or `less`",
                );
            }
        }
        Test::Equals(value) => literal(value, kind, &path.key("equals"), findings),
        Test::Greater(value) => literal(value, kind, &path.key("greater"), findings),
        Test::Less(value) => literal(value, kind, &path.key("less"), findings),
    }
}

fn literal(value: &Value, kind: FieldType, path: &Path, findings: &mut Findings<'_>) {
    match kind.read(value, Zone::UTC) {
        Ok(Some(_)) => {}
        Ok(None) => findings.error(
            "invalid_value",
            &At::Value(path),
            "no value ever compares to an empty one",
            "write `is: empty` to ask for an empty field",
        ),
        Err(why) => unreadable(&why.to_string(), kind, path, findings),
    }
}

/// A literal that its field could not hold. The types say what to write instead after a semicolon.
pub(in crate::campaign) fn unreadable(
    why: &str,
    kind: FieldType,
    path: &Path,
    findings: &mut Findings<'_>,
) {
    let word = kind.word();
    match why.rsplit_once("; ") {
        Some((why, remedy)) => findings.error("invalid_value", &At::Value(path), why, remedy),
        None => findings.error("invalid_value", &At::Value(path), why, format!("write a {word}")),
    }
}

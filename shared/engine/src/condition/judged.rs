//! A condition as a tree of what holds and what does not, and since when, for people who ask why
//! nothing happens (R61). Nothing is decided by it.
//!
//! Since when is known from the last changes that the subject carries, and of a tag from the
//! instant of its assignment. What was so before is not known, and is left out.

use super::{Condition, Test, View};
use crate::contact::Contact;
use crate::ids::{FieldKey, Tag};
use crate::time::Instant;

/// A condition, or a part of one, as it is at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// `tag`, `field`, `campaign`, `all`, `any`, `not` or `contact`.
    pub kind: &'static str,
    /// The condition in words.
    pub text: String,
    /// Whether it holds.
    pub holds: bool,
    /// Since when it has been so; `None` if that is not known.
    pub since: Option<Instant>,
    /// What it consists of, in the order of writing.
    pub parts: Vec<Judged>,
}

impl Judged {
    /// The parts that keep it from holding; itself, if it has no such parts; nothing if it holds.
    pub fn missing(&self) -> Vec<&Self> {
        match (self.holds, self.kind) {
            (true, _) => Vec::new(),
            (false, "all") => self.parts.iter().flat_map(Self::missing).collect(),
            (false, _) => vec![self],
        }
    }
}

impl Condition {
    /// The condition as a tree, judged in this view.
    pub fn judged(&self, view: &View<'_>) -> Judged {
        let parts = |many: &[Self]| many.iter().map(|one| one.judged(view)).collect();
        let (kind, parts): (_, Vec<Judged>) = match self {
            Self::Tag(_) => ("tag", Vec::new()),
            Self::Field(..) => ("field", Vec::new()),
            Self::Campaign(..) => ("campaign", Vec::new()),
            Self::All(all) => ("all", parts(all)),
            Self::Any(any) => ("any", parts(any)),
            Self::Not(not) => ("not", vec![not.judged(view)]),
            Self::Contact(of) => ("contact", vec![of.judged(&view.of_person())]),
        };
        let holds = self.holds(view);
        let since = match self {
            Self::Tag(tag) => tag_since(view.contact, tag),
            Self::Field(key, test) => field_since(view, key, test),
            Self::Campaign(..) => None,
            // It has been so since the last of its parts, if all of them are as it is.
            Self::All(_) if holds => latest(&parts),
            Self::Any(_) if !holds => latest(&parts),
            Self::All(_) | Self::Any(_) => only(&parts, holds),
            Self::Not(_) | Self::Contact(_) => parts.first().and_then(|part| part.since),
        };
        Judged { kind, text: self.to_string(), holds, since, parts }
    }
}

/// The latest of all, if all are known.
fn latest(parts: &[Judged]) -> Option<Instant> {
    let all: Option<Vec<Instant>> = parts.iter().map(|part| part.since).collect();
    all?.into_iter().max()
}

/// A condition with one part is as that part is.
fn only(parts: &[Judged], holds: bool) -> Option<Instant> {
    match parts {
        [one] if one.holds == holds => one.since,
        _ => None,
    }
}

/// Since when the contact has, or lacks, the tag.
fn tag_since(contact: &Contact, tag: &Tag) -> Option<Instant> {
    let has = contact.tags.get(tag);
    let mut since = has.copied();
    for change in contact.recent.iter().rev() {
        if has.is_some() {
            if change.added.contains(tag) {
                return Some(change.at);
            }
            since = change.refreshed.get(tag).copied().or(since);
        } else if change.removed.contains_key(tag) {
            return Some(change.at);
        }
    }
    since
}

/// Since when the test has come out as it does now.
fn field_since(view: &View<'_>, key: &FieldKey, test: &Test) -> Option<Instant> {
    let value = view.contact.fields.get(key);
    let holds = test.holds(value, view);
    let mut changed = None;
    for change in view.contact.recent.iter().rev() {
        let Some(before) = change.fields.get(key) else { continue };
        if test.holds(before.as_ref(), view) != holds || test.reads_time().is_some() {
            changed = Some(change.at);
            break;
        }
    }
    // The moment at which the date passed may be later than the change that set it.
    let passed = value.and_then(|value| value.passes_at(view.zone)).filter(|at| *at <= view.now);
    match (test, passed) {
        (Test::Past, Some(passed)) | (Test::Future, Some(passed)) => {
            changed.map(|changed| changed.max(passed))
        }
        (Test::Within(_), _) => None,
        _ => changed,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::TimeZone as _;

    use super::*;
    use crate::contact::{Author, Consent, Patch};
    use crate::field::FieldValue;
    use crate::ids::ContactId;

    fn at(day: u32) -> Instant {
        chrono::Utc.with_ymd_and_hms(2026, 12, day, 8, 0, 0).unwrap()
    }

    fn tag(name: &str) -> Tag {
        Tag::new(name).unwrap()
    }

    fn write_lines(judged: &Judged, depth: usize, lines: &mut String) {
        let since =
            judged.since.map_or_else(String::new, |at| format!(" since {}", at.date_naive()));
        let mark = if judged.holds { "+" } else { "-" };
        lines.push_str(&format!("{}{mark} {}{since}\n", "  ".repeat(depth), judged.text));
        judged.parts.iter().for_each(|part| write_lines(part, depth + 1, lines));
    }

    #[test]
    fn r61_a_condition_says_what_holds_what_does_not_and_since_when() {
        let id = ContactId::new("c1").unwrap();
        let mut contact = Contact::new(id, Consent::Subscribed, at(1));
        let by = || Author::ApiKey("zapier".to_owned());
        let set = |contact: &mut Contact, day, patch: Patch| {
            contact.apply(&patch, by(), None, at(day), 1);
        };
        let add = |names: &[&str]| Patch {
            add: names.iter().map(|name| tag(name)).collect(),
            ..Patch::default()
        };
        let city = FieldKey::new("city").unwrap();
        let lives = |text: &str| Patch {
            fields: BTreeMap::from([(city.clone(), Some(FieldValue::Text(text.to_owned())))]),
            ..Patch::default()
        };
        set(&mut contact, 2, add(&["Lead", "Old"]));
        set(&mut contact, 3, lives("Rom"));
        set(&mut contact, 4, lives("Oslo"));
        set(&mut contact, 5, Patch { remove: vec![tag("Old")], ..add(&["Lead"]) });
        let condition: Condition = serde_json::from_str(
            r#"{"all": [{"tag": "Lead"}, {"tag": "Old"}, {"not": {"tag": "Never"}},
                {"field": "city", "equals": "Bergen"},
                {"any": [{"field": "city", "is": "set"}, {"tag": "Vip"}]}]}"#,
        )
        .unwrap();
        let view = View {
            contact: &contact,
            person: &contact,
            statuses: &|_| None,
            now: at(9),
            zone: crate::time::Zone::UTC,
        };
        let judged = condition.judged(&view);
        let mut lines = String::new();
        write_lines(&judged, 0, &mut lines);
        expect_test::expect![[r#"
            - the tag Lead and the tag Old and no tag Never and city equals Bergen and (city is set or the tag Vip)
              + the tag Lead since 2026-12-02
              - the tag Old since 2026-12-05
              + no tag Never
                - the tag Never
              - city equals Bergen
              + city is set or the tag Vip
                + city is set since 2026-12-03
                - the tag Vip
        "#]].assert_eq(&lines);
        let missing: Vec<&str> = judged.missing().iter().map(|it| it.text.as_str()).collect();
        assert_eq!(missing, ["the tag Old", "city equals Bergen"]);
    }
}

//! What a scenario expects, compared with the journey.

use std::fmt::Write as _;

use dacapo_engine::compact::SortCompactly as _;
use dacapo_engine::conventions::Conventions;
use dacapo_engine::field::FieldType;
use dacapo_engine::ids::CampaignId;
use serde::Serialize;
use serde_json::Value;

use crate::journey::{Journey, Mail, Standing};
use crate::listed::listed;
use crate::scenario::{
    Expectation, ExpectedContact, ExpectedEnrollment, ExpectedMessage, ExpectedStatus, Scenario,
};

/// Something that came out differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where it is expected, in the scenario: `expect.messages`.
    pub path: String,
    /// What is expected and what came, in lines.
    pub text: String,
}

/// What came out differently than the scenario expects; nothing if it expects nothing.
/// `first` is the campaign that is meant where none is named.
pub fn differences(
    scenario: &Scenario,
    journey: &Journey,
    first: Option<&CampaignId>,
) -> Vec<Difference> {
    let Some(expect) = &scenario.expect else { return Vec::new() };
    let mut found = Vec::new();
    if let Some(messages) = &expect.messages {
        all_messages(messages, journey, &mut found);
    }
    some_messages(expect, journey, &mut found);
    if expect.status.is_some() || expect.run.is_some() {
        let expected = ExpectedEnrollment {
            status: expect.status,
            run: expect.run,
            ..ExpectedEnrollment::default()
        };
        enrollment("expect", &expected, journey, first, &mut found);
    }
    for (nth, expected) in expect.enrollments.iter().enumerate() {
        enrollment(&format!("expect.enrollments[{nth}]"), expected, journey, first, &mut found);
    }
    for (name, expected) in &expect.contacts {
        contact(name, expected, journey, &mut found);
    }
    found
}

/// Compares the messages that were sent with a list of all of them.
fn all_messages(expected: &[ExpectedMessage], journey: &Journey, found: &mut Vec<Difference>) {
    let sent: Vec<&Mail> = journey.sent().collect();
    let wanted: Vec<&ExpectedMessage> = expected
        .iter()
        .flat_map(|one| std::iter::repeat_n(one, one.times.unwrap_or(1).min(1_000) as usize))
        .collect();
    let pairs = aligned(&wanted, &sent, |one, mail| is_like(one, mail, journey));
    if pairs.iter().all(|pair| matches!(pair, (Some(_), Some(_)))) {
        return;
    }
    let mut text = String::from("the messages that are sent differ (- expected, + sent):");
    for pair in pairs {
        let _ = match pair {
            (Some(_), Some(mail)) => write!(text, "\n    {}", said(mail)),
            (Some(one), None) => write!(text, "\n  - {}", described(one)),
            (None, Some(mail)) => write!(text, "\n  + {}", said(mail)),
            (None, None) => Ok(()),
        };
    }
    found.push(Difference { path: "expect.messages".to_owned(), text });
}

/// Messages that are among those that were sent, or are not.
fn some_messages(expect: &Expectation, journey: &Journey, found: &mut Vec<Difference>) {
    for (nth, one) in expect.sent.iter().enumerate() {
        let like: Vec<&Mail> = journey.sent().filter(|mail| is_like(one, mail, journey)).collect();
        let is_right = one.times.map_or(!like.is_empty(), |times| like.len() == times as usize);
        if !is_right {
            let times = one.times.map(|times| format!("{times} times ")).unwrap_or_default();
            let mut text =
                format!("expected {times}{}, and it is sent {} times", described(one), like.len());
            let instead: Vec<&Mail> = if like.is_empty() { journey.sent().collect() } else { like };
            text.push_str(if instead.is_empty() { "; nothing is sent" } else { "; sent:" });
            for mail in instead.into_iter().take(20) {
                let _ = write!(text, "\n  + {}", said(mail));
            }
            found.push(Difference { path: format!("expect.sent[{nth}]"), text });
        }
    }
    for (nth, one) in expect.not_sent.iter().enumerate() {
        let like: Vec<&Mail> = journey.sent().filter(|mail| is_like(one, mail, journey)).collect();
        if !like.is_empty() {
            let mut text = format!("not expected {}, and it is sent:", described(one));
            for mail in like.into_iter().take(20) {
                let _ = write!(text, "\n  + {}", said(mail));
            }
            found.push(Difference { path: format!("expect.not_sent[{nth}]"), text });
        }
    }
}

fn enrollment(
    path: &str,
    expected: &ExpectedEnrollment,
    journey: &Journey,
    first: Option<&CampaignId>,
    found: &mut Vec<Difference>,
) {
    let mut differs = |text: String| found.push(Difference { path: path.to_owned(), text });
    let contact = match (&expected.contact, journey.contacts.len()) {
        (Some(name), _) => name,
        (None, 1) => match journey.contacts.keys().next() {
            Some(name) => name,
            None => return,
        },
        (None, _) => {
            differs(format!(
                "it does not say which contact; add `contact`, one of {}",
                listed(journey.contacts.keys())
            ));
            return;
        }
    };
    if !journey.contacts.contains_key(contact) {
        differs(format!(
            "there is no contact `{contact}`; choose one of {}",
            listed(journey.contacts.keys())
        ));
        return;
    }
    let Some(campaign) = expected.campaign.as_ref().or(first) else { return };
    if !journey.campaigns.contains(campaign) {
        differs(format!(
            "there is no campaign `{campaign}`; choose one of {}",
            listed(&journey.campaigns)
        ));
        return;
    }
    let about = expected.about.as_deref();
    let standing = journey.enrollments.iter().find(|it| {
        it.contact == *contact
            && it.campaign == *campaign
            && it.about.as_ref().map(|about| about.key.as_str()) == about
    });
    let who = match about {
        Some(key) => format!("{contact}'s {key} in {campaign}"),
        None => format!("{contact} in {campaign}"),
    };
    let status = standing.map(|it| it.status);
    if let Some(wanted) = expected.status
        && wanted.status() != status
    {
        let word = status.map_or("not in it", |status| status.word());
        differs(format!("{who}: expected {}, and is {word}", status_word(wanted)));
    }
    let run = standing.map(|it| it.run);
    if let Some(wanted) = expected.run
        && run != Some(wanted)
    {
        let is = run.map_or("there is none".to_owned(), |run| format!("it is run {run}"));
        differs(format!("{who}: expected run {wanted}, and {is}"));
    }
    if let Some(wanted) = &expected.waits_at {
        let mut wanted: Vec<&str> = wanted.iter().map(|id| id.as_str()).collect();
        let mut waits = standing.map(waits_at).unwrap_or_default();
        wanted.sort_compactly();
        waits.sort_compactly();
        if wanted != waits {
            differs(format!(
                "{who}: expected to wait at {}, and waits at {}",
                or_nowhere(&wanted),
                or_nowhere(&waits)
            ));
        }
    }
}

fn waits_at(standing: &Standing) -> Vec<&str> {
    standing.waits.iter().map(|waiting| waiting.element.as_str()).collect()
}

fn or_nowhere(names: &[&str]) -> String {
    if names.is_empty() { "no element".to_owned() } else { listed(names) }
}

fn contact(name: &str, expected: &ExpectedContact, journey: &Journey, found: &mut Vec<Difference>) {
    let path = format!("expect.contacts.{name}");
    let mut differs = |text: String| found.push(Difference { path: path.clone(), text });
    let Some(person) = journey.contacts.get(name) else {
        differs(format!(
            "there is no contact `{name}`; choose one of {}",
            listed(journey.contacts.keys())
        ));
        return;
    };
    let has = |tag: &dacapo_engine::ids::Tag| {
        person
            .tags
            .iter()
            .any(|own| dacapo_engine::ids::Tag::kept(own).is_ok_and(|own| own == *tag))
    };
    let tags = if person.tags.is_empty() { "none".to_owned() } else { listed(&person.tags) };
    for tag in expected.tags.iter().filter(|tag| !has(tag)) {
        differs(format!("{name}: expected with the tag {tag}, and has {tags}"));
    }
    for tag in expected.without_tags.iter().filter(|tag| has(tag)) {
        differs(format!("{name}: expected without the tag {tag}, and has {tags}"));
    }
    for (key, wanted) in &expected.fields {
        let value = person.fields.get(key).unwrap_or(&Value::Null);
        if !is_same(wanted, value, person.time_zone) {
            differs(format!("{name}: expected {key} = {wanted}, and it is {value}"));
        }
    }
}

/// Whether what was written means the value.
fn is_same(wanted: &Value, value: &Value, zone: dacapo_engine::time::Zone) -> bool {
    let conventions = Conventions::of_documents(zone);
    wanted == value
        || [FieldType::Datetime, FieldType::Date, FieldType::Number, FieldType::Boolean]
            .into_iter()
            .any(|kind| {
                let read = |value: &Value| kind.read_sent(value, &conventions).ok().flatten();
                read(wanted).is_some() && read(wanted) == read(value)
            })
}

fn is_like(one: &ExpectedMessage, mail: &Mail, journey: &Journey) -> bool {
    let zone = journey.contacts.get(&mail.to).map_or(journey.time_zone, |it| it.time_zone);
    let ExpectedMessage { element, to, about, campaign, run, at, subject, text, times: _ } = one;
    element.as_ref().is_none_or(|it| *it == mail.element)
        && to.as_ref().is_none_or(|it| *it == mail.to)
        && about.as_deref().is_none_or(|it| mail.about.as_ref().is_some_and(|of| of.key == it))
        && campaign.as_ref().is_none_or(|it| *it == mail.campaign)
        && run.is_none_or(|it| it == mail.run)
        && at.is_none_or(|it| it.instant(zone) == mail.at)
        && subject.as_ref().is_none_or(|it| *it == mail.subject)
        && text.as_ref().is_none_or(|it| mail.text.contains(it.as_str()))
}

/// A message that was sent, in a line.
fn said(mail: &Mail) -> String {
    let minute = mail.local.get(..16).unwrap_or(&mail.local);
    format!(
        "{minute} to {}, {} at {}, run {}: \"{}\"",
        mail.to, mail.campaign, mail.element, mail.run, mail.subject
    )
}

/// A message as it is expected, in a line.
fn described(one: &ExpectedMessage) -> String {
    let ExpectedMessage { element, to, about, campaign, run, at, subject, text, times: _ } = one;
    let mut words = vec!["a message".to_owned()];
    words.extend(at.map(|at| format!("at {at}")));
    words.extend(to.as_ref().map(|to| format!("to {to}")));
    words.extend(about.as_ref().map(|key| format!("about {key}")));
    words.extend(campaign.as_ref().map(|campaign| format!("of {campaign}")));
    words.extend(element.as_ref().map(|element| format!("at {element}")));
    words.extend(run.map(|run| format!("in run {run}")));
    words.extend(subject.as_ref().map(|subject| format!("with the subject {subject:?}")));
    words.extend(text.as_ref().map(|text| format!("with {text:?} in its text")));
    words.join(" ")
}

fn status_word(status: ExpectedStatus) -> &'static str {
    status.status().map_or("not to be in it", |status| status.word())
}

/// The longest common course of both lists, and what is left of each in between.
fn aligned<'a, A, B>(
    ones: &[&'a A],
    others: &[&'a B],
    is_like: impl Fn(&A, &B) -> bool,
) -> Vec<(Option<&'a A>, Option<&'a B>)> {
    let (n, m) = (ones.len(), others.len());
    let mut longest = vec![vec![0_usize; m + 1]; n + 1];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            longest[i][j] = if is_like(ones[i], others[j]) {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < n || j < m {
        if i < n
            && j < m
            && is_like(ones[i], others[j])
            && longest[i][j] == longest[i + 1][j + 1] + 1
        {
            pairs.push((Some(ones[i]), Some(others[j])));
            (i, j) = (i + 1, j + 1);
        } else if i < n && (j == m || longest[i + 1][j] >= longest[i][j + 1]) {
            pairs.push((Some(ones[i]), None));
            i += 1;
        } else {
            pairs.push((None, Some(others[j])));
            j += 1;
        }
    }
    pairs
}

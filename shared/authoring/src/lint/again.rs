//! D101 to D103: resets and restarts that do not do what they are there for.

use chrono::TimeDelta;
use dacapo_engine::campaign::format::{Element, EventElement, Goal, Unmet};
use dacapo_engine::condition::{Condition, Reads};
use dacapo_engine::ids::Tag;

use super::expected::{run, stands, status};
use super::facts::{AllFacts, Facts};
use super::reasoning::{Atom, necessary};
use super::story::{Change, Story};
use super::words::listed;
use super::{At, LintFindings, LintPage};
use crate::finding::Proof;
use crate::scenario::{ExpectedEnrollment, ExpectedStatus};

pub(super) static RESET_NOBODY_LEADS_TO_PAGE: LintPage = LintPage {
    code: "D101",
    what: "A reset of the campaign itself that every contact comes to by the passing of time \
           alone: no event, no goal and no date timer leads to it.",
    why: "A reset is for something that happened: an appointment that was missed, a cancellation. \
          Without an event before it every contact begins anew, again and again, until the guard \
          of runs per day or somebody stops it.",
    example: r#"
id: invitations
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: invite }
  invite: { type: email, email: invite, next: two_days }
  two_days: { type: wait, for: 2 days, next: again }
  again: { type: reset, next: invite }
emails:
  invite: { subject: "Let's meet", text: "Choose a time that suits you." }
"#,
    mended: r#"
id: invitations
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: invite }
  invite: { type: email, email: invite }
  not_reached: { type: event, on: { tag_added: Not reached }, next: again }
  again: { type: reset, next: withdraw }
  withdraw: { type: tag, remove: [Not reached], next: invite }
emails:
  invite: { subject: "Let's meet", text: "Choose a time that suits you." }
"#,
    limits: "A reset behind a yearly date timer is a way to count years in runs, and is not found; \
             nor is one of another campaign, or one that a condition or a split leads to for some.",
};

pub(super) fn reset_nobody_leads_to(
    facts: &Facts<'_>,
    _: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    for reset in facts.beginnings() {
        if !matches!(facts.element(reset), Element::Reset(_)) {
            continue;
        }
        let before: Vec<usize> =
            (0..facts.len()).filter(|before| facts.leads_to(*before, reset)).collect();
        let is_reason = |at: &usize| {
            matches!(
                facts.element(*at),
                Element::Event(_)
                    | Element::Goal(_)
                    | Element::DateTimer(_)
                    | Element::Condition(_)
                    | Element::Split(_)
            )
        };
        if before.is_empty() || before.iter().any(is_reason) {
            continue;
        }
        let mut story = Story::new(facts);
        let proof = story.to(reset).map(|_| {
            let end = story.now() + TimeDelta::minutes(1);
            story.shows_until(end, "She has done nothing and is in her second run.", run(2))
        });
        let message = format!(
            "no event leads to the reset `{}`: every contact comes to it by the passing of time \
             and begins anew",
            facts.id(reset)
        );
        let remedy = "lead to it from an event, such as `on: { tag_added: Not reached }`, or end \
                      the path here";
        found.add(At::Element(reset), message, remedy).proof = proof;
    }
}

pub(super) static RESTART_NO_CHANGE_CAN_FOLLOW_PAGE: LintPage = LintPage {
    code: "D102",
    what: "A restart after which no start can let the contact in: the campaign has none, or each \
           of them asks for the absence of the tag that the restart itself assigns, and nothing \
           withdraws that tag.",
    why: "A restart waits for a change upon which a start lets the contact in (R12, R13). Without \
          such a start the contact waits for ever, and the history says so each time.",
    example: r#"
id: webinar
sender: { address: hello@studio-nord.example }
elements:
  booked: { type: event, on: { custom: booked }, next: welcome }
  welcome: { type: email, email: welcome, next: again }
  again: { type: restart }
emails:
  welcome: { purpose: transactional, subject: Welcome, text: You are registered. }
"#,
    mended: r#"
id: webinar
sender: { address: hello@studio-nord.example }
elements:
  booked: { type: start, when: { tag: Booked }, next: welcome }
  welcome: { type: email, email: welcome, next: withdraw }
  withdraw: { type: tag, remove: [Booked], next: again }
  again: { type: restart }
emails:
  welcome: { purpose: transactional, subject: Welcome, text: You are registered. }
"#,
    limits: "Events fire while a contact waits for a restart; a campaign whose entries are events \
             is better served by a `reset`. That somebody withdraws the tag by hand is not known.",
};

pub(super) fn restart_no_change_can_follow(
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    for (at, element) in facts.elements() {
        let Element::Restart(restart) = element else { continue };
        let barred = restart.tag.as_ref().filter(|tag| {
            let needs_absence = |when: &Condition| {
                let absent = Atom::Tag { of_person: false, tag: (*tag).clone() };
                necessary(when).contains(&(absent, false))
            };
            let mut starts = facts.starts();
            starts.all(|(_, start)| needs_absence(&start.when))
                && all.removing(&(facts.kind(), (*tag).clone())).is_empty()
        });
        let has_start = facts.starts().next().is_some();
        if has_start && barred.is_none() {
            continue;
        }
        let id = facts.id(at);
        let mut story = Story::new(facts);
        let proof = story.to(at).and_then(|_| {
            story.restart_delay();
            story.later(TimeDelta::days(1));
            story.change(Change::tag(Tag::new("Anything else").ok()?));
            let waits = status(ExpectedStatus::AwaitingRestart);
            Some(story.shows("A day later something changes, and she still waits.", waits))
        });
        let (message, remedy) = match barred.filter(|_| has_start) {
            None => (
                format!(
                    "the restart `{id}` waits for a change upon which a start lets the contact in, \
                     but the campaign has no start"
                ),
                "write `type: reset` without `name` and `tag`, after which events fire again, or \
                 make an event a start"
                    .to_owned(),
            ),
            Some(tag) => (
                format!(
                    "after the restart `{id}` no start can hold: each asks for no tag `{tag}`, \
                     which the restart assigns and nothing withdraws"
                ),
                format!("assign another tag, or withdraw `{tag}` somewhere"),
            ),
        };
        found.add(At::Element(at), message, remedy).proof = proof;
    }
}

pub(super) static RESTART_START_STILL_HOLDS_PAGE: LintPage = LintPage {
    code: "D103",
    what: "A restart at which the condition of the start that led there still holds, because \
           nothing on the way changes what it reads.",
    why: "After a restart any change of tags or fields is a trigger (R13): a corrected telephone \
          number lets the contact in again, and the next change once more.",
    example: r#"
id: webinar
sender: { address: hello@studio-nord.example }
elements:
  registered: { type: start, when: { tag: Registered }, next: welcome }
  welcome: { type: email, email: welcome, next: again }
  again: { type: restart }
emails:
  welcome: { purpose: transactional, subject: Welcome, text: You are registered. }
"#,
    mended: r#"
id: webinar
sender: { address: hello@studio-nord.example }
elements:
  registered: { type: start, when: { tag: Registered }, next: welcome }
  welcome: { type: email, email: welcome, next: withdraw }
  withdraw: { type: tag, remove: [Registered], next: again }
  again: { type: restart }
emails:
  welcome: { purpose: transactional, subject: Welcome, text: You are registered. }
"#,
    limits: "Conditions on time (`past`, `future`, `within`) and on the status in another campaign \
             may change by themselves and are not judged; nor is a start of which something on the \
             way asks again.",
};

pub(super) fn restart_start_still_holds(
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    for (at, element) in facts.elements() {
        let Element::Restart(restart) = element else { continue };
        for (entry, start) in facts.starts() {
            let reads = start.when.reads();
            let may_change_by_itself =
                start.when.reads_time().is_some() || !reads.campaigns.is_empty();
            if may_change_by_itself
                || !facts.leads_to(entry, at)
                || restart.tag.as_ref().is_some_and(|tag| reads.tags.contains(tag))
                || is_touched(facts, all, &reads, entry, at)
            {
                continue;
            }
            let id = facts.id(at);
            let message = format!(
                "at the restart `{id}` the start `{}` still holds ({}): any later change of a tag \
                 or a field starts again, and again",
                facts.id(entry),
                start.when,
            );
            let remedy = match reads.tags.first() {
                Some(tag) => format!(
                    "withdraw `{tag}` before the restart: \
                     `{{ type: tag, remove: [{tag}], next: {id} }}`"
                ),
                None => format!(
                    "change {} before the restart",
                    listed(reads.fields.iter().map(|key| key.as_str()))
                ),
            };
            found.add(At::Element(at), message, remedy).proof = starts_again(facts, entry, at);
        }
    }
}

/// Whether anything between the start and the restart, or in another campaign, changes or asks for
/// what the start reads.
fn is_touched(
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    reads: &Reads,
    entry: usize,
    at: usize,
) -> bool {
    let between =
        (0..facts.len()).filter(|it| facts.leads_to(entry, *it) && facts.leads_to(*it, at));
    let mut own = between.clone().chain([at]);
    let asked = own.any(|it| {
        let asks = match facts.element(it) {
            Element::Event(EventElement { .. })
            | Element::Goal(Goal { unmet: Unmet::Wait | Unmet::Continue | Unmet::End, .. })
            | Element::Condition(_) => facts.reads(it),
            _ => Reads::default(),
        };
        let writes_tag = |tag: &Tag| {
            facts.removes(it).iter().chain(&facts.adds(it)).any(|(other, _)| *other == tag)
        };
        reads.tags.iter().any(|tag| asks.tags.contains(tag) || writes_tag(tag))
            || reads.person.tags.iter().any(|tag| asks.person.tags.contains(tag) || writes_tag(tag))
            || reads.fields.iter().any(|key| {
                asks.fields.contains(key) || facts.sets(it).iter().any(|(other, _)| *other == key)
            })
            || reads.person.fields.iter().any(|key| {
                asks.person.fields.contains(key)
                    || facts.sets(it).iter().any(|(other, _)| *other == key)
            })
    });
    let of_others =
        |uses: &[super::facts::ElementIndex]| uses.iter().any(|it| it.campaign != facts.nth);
    let kind = facts.kind();
    asked
        || reads.tags.iter().any(|tag| of_others(all.removing(&(kind.clone(), tag.clone()))))
        || reads.fields.iter().any(|key| of_others(all.setting(&(kind.clone(), key.clone()))))
}

/// Something else changes after the restart: the next run begins.
fn starts_again(facts: &Facts<'_>, entry: usize, at: usize) -> Option<Proof> {
    let way = facts.way(entry, at, |it| !facts.begins_next_run(it))?;
    let mut story = Story::new(facts);
    story.go(&way)?;
    story.restart_delay();
    story.later(TimeDelta::hours(1));
    story.change(Change::tag(Tag::new("Something else").ok()?));
    let rests = way.iter().any(|(it, _)| facts.is_rest(*it));
    let (status, run) =
        if rests { (ExpectedStatus::Active, 2) } else { (ExpectedStatus::AwaitingRestart, 3) };
    let expect = stands(ExpectedEnrollment {
        status: Some(status),
        run: Some(run),
        ..ExpectedEnrollment::default()
    });
    let end = story.now() + TimeDelta::seconds(30);
    let shows = "Another tag is assigned, and she goes through it once more.";
    Some(story.shows_until(end, shows, expect))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{silent, trips};

    #[test]
    fn d101_is_silent_where_something_has_to_happen_first() {
        for before in [
            "{ type: goal, when: { tag: Paid }, next: again }",
            "{ type: condition, when: { tag: Paid }, then: again }",
            "{ type: date_timer, field: birthday, repeat: yearly, next: again }",
        ] {
            silent(
                "D101",
                &format!(
                    "id: a\nfields: {{ birthday: {{ type: date }} }}\nelements:\n  \
                     s: {{ type: start, when: {{ tag: Lead }}, next: b }}\n  b: {before}\n  \
                     again: {{ type: reset }}\n"
                ),
            );
        }
    }

    #[test]
    fn r12_d102_the_restarts_own_tag_may_bar_every_start() {
        let campaign = |mended: &str| {
            format!(
                "id: a\nelements:\n  s: {{ type: start, when: {{ not: {{ tag: Done }} }}, next: w }}\n  \
                 w: {{ type: wait, for: 1 day, next: again }}\n  \
                 again: {{ type: restart, tag: Done }}\n{mended}"
            )
        };
        trips("D102", &campaign(""), &["again"]);
        silent(
            "D102",
            &campaign(
                "  e: { type: event, on: { custom: back }, next: t }\n  t: { type: tag, remove: [Done] }\n",
            ),
        );
    }

    #[test]
    fn r13_d103_is_silent_where_time_or_a_goal_changes_what_the_start_reads() {
        for (when, before) in [
            ("{ field: date, is: future }", "{ type: wait, for: 1 day, next: again }"),
            ("{ tag: Lead }", "{ type: goal, when: { not: { tag: Lead } }, next: again }"),
            ("{ tag: Lead }", "{ type: event, on: { tag_removed: Lead }, next: again }"),
            (
                "{ field: date, is: set }",
                "{ type: set_field, fields: { date: null }, next: again }",
            ),
        ] {
            silent(
                "D103",
                &format!(
                    "id: a\nfields: {{ date: {{ type: datetime }} }}\nelements:\n  \
                     s: {{ type: start, when: {when}, next: b }}\n  b: {before}\n  \
                     again: {{ type: restart }}\n"
                ),
            );
        }
    }

    #[test]
    fn r13_d103_is_silent_where_another_campaign_withdraws_the_tag() {
        silent(
            "D103",
            "id: a\nelements:\n  s: { type: start, when: { tag: Lead }, next: b }\n  \
             b: { type: wait, for: 1 day, next: again }\n  again: { type: restart }\n---\n\
             id: b\nelements:\n  s: { type: start, when: { tag: Lead }, next: t }\n  \
             t: { type: tag, remove: [Lead] }\n",
        );
    }
}

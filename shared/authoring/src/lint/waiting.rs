//! D204 and D205: goals that do not wait for what they look like.

use chrono::TimeDelta;
use dacapo_engine::campaign::format::{Element, Goal, Unmet};
use dacapo_engine::condition::{Condition, Test};
use dacapo_engine::ids::{FieldKey, Tag};

use super::expected::{message, not_sent, waits_at};
use super::facts::{AllFacts, ElementIndex, Facts};
use super::reasoning::{Atom, holds, necessary};
use super::story::Story;
use super::{At, LintFindings, LintPage};
use crate::finding::Proof;

pub(super) static GOAL_WAITS_FOR_TIME_PAGE: LintPage = LintPage {
    code: "D204",
    what: "A goal that waits until a date has passed, where a way leads to it on which the date is \
           still to come.",
    why: "A goal is looked at when something changes, when a path arrives, and before a path goes \
          on (R8), but not because time has passed. Who arrives before the date waits there until \
          something else of the contact happens to change, perhaps for ever.",
    example: r#"
id: webinar
sender: { address: hello@studio-nord.example }
fields: { webinar: { type: datetime } }
elements:
  registered: { type: start, when: { field: webinar, is: future }, next: welcome }
  welcome: { type: email, email: welcome, next: over }
  over: { type: goal, when: { field: webinar, is: past }, next: thanks }
  thanks: { type: email, email: thanks }
emails:
  welcome: { purpose: transactional, subject: Welcome, text: You are registered. }
  thanks: { purpose: transactional, subject: Thank you, text: It was nice to have you. }
"#,
    mended: r#"
id: webinar
sender: { address: hello@studio-nord.example }
fields: { webinar: { type: datetime } }
elements:
  registered: { type: start, when: { field: webinar, is: future }, next: welcome }
  welcome: { type: email, email: welcome, next: over }
  over: { type: date_timer, field: webinar, next: thanks }
  thanks: { type: email, email: thanks }
emails:
  welcome: { purpose: transactional, subject: Welcome, text: You are registered. }
  thanks: { purpose: transactional, subject: Thank you, text: It was nice to have you. }
"#,
    limits: "Only goals that ask for nothing but one date are looked at, and only where a \
             condition or a date timer on the way says that the date is still to come: a date that \
             a tool sets when something has happened is past at once, and such a goal works.",
};

/// The goals at which paths wait.
fn waiting_goals<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (usize, &'a Goal)> + use<'a> {
    facts.elements().filter_map(|(at, element)| match element {
        Element::Goal(goal) if goal.unmet == Unmet::Wait => Some((at, goal)),
        _ => None,
    })
}

pub(super) fn goal_waits_for_time(
    facts: &Facts<'_>,
    _: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    for (at, goal) in waiting_goals(facts) {
        let Some(field) = waits_for_date(&goal.when) else { continue };
        // A timer behind the date lets go of those only for whom it has passed.
        let is_before = |it: usize| {
            let is_after = matches!(facts.element(it), Element::DateTimer(timer)
                if timer.field.as_ref() == Some(&field) && !timer.offset.is_negative());
            !is_after && !facts.begins_next_run(it)
        };
        let mut ways = facts.entries().filter_map(|entry| facts.way(entry, at, is_before));
        let Some(way) = ways.find(|way| way.iter().any(|it| is_to_come(facts, *it, &field))) else {
            continue;
        };
        let id = facts.id(at);
        let mut story = Story::new(facts);
        let proof = story.go(&way).map(|()| {
            let end = story.now() + TimeDelta::days(300);
            let shows = format!("Three hundred days later she waits at `{id}`.");
            story.shows_until(end, shows, waits_at(id))
        });
        let message = format!(
            "`{id}` waits until `{field}` has passed, but no goal is looked at because time \
             passes: who arrives before waits until something else changes"
        );
        let remedy = format!(
            "put a date timer in its place: `{id}: {{ type: date_timer, field: {field}, next: … }}`"
        );
        found.add(At::Value(at, "when"), message, remedy).proof = proof;
    }
}

/// The date whose passing makes a condition hold, which asks for nothing else.
fn waits_for_date(condition: &Condition) -> Option<FieldKey> {
    let reads = condition.reads();
    let is_about_one =
        reads.tags.is_empty() && reads.fields.len() == 1 && !reads.more_than_the_subject();
    let passes = |(atom, holds): &(Atom, bool)| {
        matches!((atom, holds), (Atom::Field { test: Test::Past, .. }, true))
            || matches!((atom, holds), (Atom::Field { test: Test::Future, .. }, false))
    };
    let is_needed = necessary(condition).iter().any(passes);
    reads.fields.into_iter().next().filter(|_| is_about_one && is_needed)
}

/// Whether who leaves an element by this edge has a date that is still to come.
fn is_to_come(facts: &Facts<'_>, (at, edge): (usize, &str), field: &FieldKey) -> bool {
    let asks = |condition: &Condition| {
        necessary(condition).iter().any(|(atom, holds)| match atom {
            Atom::Field { of_person: false, key, test } if key == field => {
                matches!((test, holds), (Test::Future, true) | (Test::Past, false))
            }
            _ => false,
        })
    };
    match facts.element(at) {
        Element::Start(start) => asks(&start.when),
        Element::Condition(branch) if edge == "then" => asks(&branch.when),
        Element::DateTimer(timer) => {
            let is_same = timer.field.as_ref() == Some(field) && timer.repeat.is_none();
            is_same && edge == "next" && timer.offset.is_negative()
        }
        _ => false,
    }
}

pub(super) static GOAL_HOLDS_BEFORE_ITS_TAG_PAGE: LintPage = LintPage {
    code: "D205",
    what: "A goal that is to wait until a tag is gone, where only the campaign itself assigns the \
           tag, on the way from a start to the goal.",
    why: "A goal ends what leads up to it as soon as its condition holds (R8), and before the tag \
          is assigned it holds: who enters goes straight to the goal. Nothing in between happens, \
          not even the assigning.",
    example: r#"
id: offer
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: open }
  open: { type: tag, add: [Offer open], next: offer }
  offer: { type: email, email: offer, next: answered }
  answered: { type: goal, when: { not: { tag: Offer open } }, next: thanks }
  replied: { type: event, on: { custom: replied }, next: close }
  close: { type: tag, remove: [Offer open] }
  thanks: { type: email, email: thanks }
emails:
  offer: { subject: An offer, text: Half the price. }
  thanks: { subject: Thank you, text: We have your answer. }
"#,
    mended: r#"
id: offer
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: offer }
  offer: { type: email, email: offer, next: answered }
  answered: { type: goal, when: { tag: Offer answered }, next: thanks }
  replied: { type: event, on: { custom: replied }, next: close }
  close: { type: tag, add: [Offer answered] }
  thanks: { type: email, email: thanks }
emails:
  offer: { subject: An offer, text: Half the price. }
  thanks: { subject: Thank you, text: We have your answer. }
"#,
    limits: "Only starts are looked at. A tag that another campaign assigns, or that a start or an \
             event reacts to, may be there before, and is left alone; that a person or another \
             tool assigns it is not known.",
};

pub(super) fn goal_holds_before_its_tag(
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    for (at, goal) in waiting_goals(facts) {
        if goal.when.reads_time().is_some() {
            continue;
        }
        for (start, when) in facts.starts().filter(|(start, _)| facts.leads_to(*start, at)) {
            let lacks = necessary(&goal.when).into_iter().filter_map(|(atom, so)| match atom {
                Atom::Tag { of_person: false, tag } if !so => Some(tag),
                _ => None,
            });
            let assigned: Vec<(Tag, usize)> = lacks
                .filter_map(|tag| {
                    Some((tag.clone(), assigned_between(facts, all, start, at, &tag)?))
                })
                .collect();
            let Some((tag, assigns)) = assigned.first() else { continue };
            let mut known = necessary(&when.when);
            let absent = |tag: &Tag| Atom::Tag { of_person: false, tag: tag.clone() };
            known.extend(assigned.iter().map(|(tag, _)| (absent(tag), false)));
            if holds(&goal.when, &known) != Some(true) {
                continue;
            }
            let (id, entry) = (facts.id(at), facts.id(start));
            let message = format!(
                "`{id}` holds already when `{entry}` lets somebody in, since `{}` has not assigned \
                 `{tag}` yet: all that is between them is skipped, `{}` too",
                facts.id(*assigns),
                facts.id(*assigns),
            );
            let remedy = "ask for a tag that is assigned when it has happened, instead of for the \
                          absence of one";
            found.add(At::Value(at, "when"), message, remedy).proof = skipped(facts, start, at);
            break;
        }
    }
}

/// The element between a start and a goal that assigns the tag, if nothing but such elements of
/// this campaign does so and nothing reacts to the tag as if it came from outside.
fn assigned_between(
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    start: usize,
    goal: usize,
    tag: &Tag,
) -> Option<usize> {
    let whose = (facts.kind(), tag.clone());
    let assigning = all.adding(&whose);
    let is_between = |it: &ElementIndex| {
        let is_own = it.campaign == facts.nth;
        is_own && facts.leads_to(start, it.element) && facts.leads_to(it.element, goal)
    };
    let comes_from_outside = |it: &ElementIndex| all.campaigns[it.campaign].is_entry(it.element);
    let is_own =
        assigning.iter().all(is_between) && !all.reading(&whose).iter().any(comes_from_outside);
    assigning.first().filter(|_| is_own).map(|it| it.element)
}

/// Who enters is taken by the goal at once: the first e-mail in between is not sent.
fn skipped(facts: &Facts<'_>, start: usize, goal: usize) -> Option<Proof> {
    let way = facts.way(start, goal, |it| !facts.begins_next_run(it))?;
    let (mail, _) = *way.iter().find(|(it, _)| facts.sends(*it))?;
    let mut story = Story::new(facts);
    story.enter(start)?;
    let shows = format!("She has entered, and `{}` has taken her at once.", facts.id(goal));
    Some(story.shows(shows, not_sent(message(facts.id(mail)))))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{silent, trips};

    #[test]
    fn r8_d204_only_a_date_that_is_known_to_be_still_to_come() {
        let campaign = super::GOAL_WAITS_FOR_TIME_PAGE.example;
        trips("D204", campaign, &["over"]);
        trips(
            "D204",
            &campaign.replace("is: past", "is: future").replace(
                "when: { field: webinar, is: future }, next: thanks",
                "when: { not: { field: webinar, is: future } }, next: thanks",
            ),
            &["over"],
        );
        // Paid at: a tool sets it when it has happened.
        silent(
            "D204",
            &campaign.replace(
                "start, when: { field: webinar, is: future }",
                "event, on: { field_set: webinar }",
            ),
        );
        silent("D204", &campaign.replace("is: past }", "is: past }, unmet: continue"));
        // Something else is asked for, and looked at when it changes.
        silent(
            "D204",
            &campaign.replace(
                "when: { field: webinar, is: past }",
                "when: { any: [{ field: webinar, is: past }, { tag: Over }] }",
            ),
        );
        // Who comes from a timer behind the date does not wait.
        silent(
            "D204",
            &campaign.replace("next: over }\n  over:", "next: day }\n  day: { type: date_timer, field: webinar, offset: 1 hour, next: over }\n  over:"),
        );
    }

    #[test]
    fn r8_r10_d205_a_tag_that_may_be_there_before_is_left_alone() {
        let campaign = super::GOAL_HOLDS_BEFORE_ITS_TAG_PAGE.example;
        trips("D205", campaign, &["answered"]);
        let and = |more: &str| campaign.replace("{ not: { tag: Offer open } }", more);
        // What the start asks for holds too; what else has to come does not yet.
        trips(
            "D205",
            &and("{ all: [{ tag: Lead }, { not: { tag: Offer open } }] }"),
            &["answered"],
        );
        silent("D205", &and("{ all: [{ tag: Paid }, { not: { tag: Offer open } }] }"));
        silent("D205", &and("{ any: [{ tag: Paid }, { not: { tag: Offer open } }] }"));
        silent("D205", &and("{ tag: Offer open }"));
        silent("D205", &campaign.replace("next: thanks }", "unmet: continue, next: thanks }"));
        // It may be there before.
        silent("D205", &campaign.replace("when: { tag: Lead }", "when: { tag: Offer open }"));
        silent(
            "D205",
            &campaign.replace("on: { custom: replied }", "on: { tag_removed: Offer open }"),
        );
        let other = "id: b\nelements:\n  s: { type: event, on: { custom: open }, next: t }\n  \
                     t: { type: tag, add: [Offer open] }\n";
        silent("D205", &format!("{campaign}---\n{other}"));
        silent("D205", &campaign.replace("add: [Offer open]", "add: [Offer made]"));
    }
}

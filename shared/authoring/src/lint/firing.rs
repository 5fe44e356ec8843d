//! D201 to D203: events, goals and starts that do not do what they look like.

use chrono::TimeDelta;
use dacapo_engine::campaign::format::{Element, Unmet};
use dacapo_engine::condition::Condition;

use super::expected::{message, not_sent, status};
use super::facts::{AllFacts, ElementPath, Facts};
use super::reasoning::{contradiction, holds, necessary};
use super::story::Story;
use super::{At, LintFindings, LintPage};
use crate::finding::Proof;
use crate::scenario::ExpectedStatus;

pub(super) static PASSED_ONLY_ONCE_PAGE: LintPage = LintPage {
    code: "D201",
    what: "An event or a goal in a circle: a path leads from it back to it in the same run.",
    why: "Events and goals fire once in a run (R5). A path that comes to one that has fired ends \
          there without a word (R7, R8): the circle is gone through once, and the contact does not \
          wait at it the second time.",
    example: r#"
id: tips
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: asks }
  asks: { type: goal, when: { tag: Wants a tip }, next: tip }
  tip: { type: email, email: tip, next: withdraw }
  withdraw: { type: tag, remove: [Wants a tip], next: asks }
emails:
  tip: { subject: A tip, text: Drink water. }
"#,
    mended: r#"
id: tips
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: asks }
  asks: { type: goal, when: { tag: Wants a tip }, next: tip }
  tip: { type: email, email: tip, next: withdraw }
  withdraw: { type: tag, remove: [Wants a tip], next: again }
  again: { type: reset, next: asks }
emails:
  tip: { subject: A tip, text: Drink water. }
"#,
    limits: "A circle through a reset is not found, since each time is a run of its own. A goal \
             with `unmet: continue` or `unmet: end` in a circle is found only if the circle has no \
             other way to go on.",
};

pub(super) fn passed_only_once(facts: &Facts<'_>, _: &AllFacts<'_>, found: &mut LintFindings<'_>) {
    for (at, element) in facts.elements() {
        let word = match element {
            Element::Event(_) => "event",
            Element::Goal(goal) if goal.unmet == Unmet::Wait => "goal",
            _ => continue,
        };
        // Events in a circle of events lead to each other: whichever happens, the rest is over.
        let between = |it: usize| !facts.begins_next_run(it);
        let Some(circle) = facts.way(at, at, between) else { continue };
        let others = circle.iter().filter(|(it, _)| *it != at);
        if others.clone().any(|(it, _)| matches!(facts.element(*it), Element::Event(_))) {
            continue;
        }
        let id = facts.id(at);
        let message = format!(
            "the {word} `{id}` lies in a circle, but fires once in a run: the path that comes back \
             to it ends there"
        );
        let remedy = format!(
            "put a `reset` into the circle before `{id}`, so that each time is a run of its own"
        );
        found.add(At::Element(at), message, remedy).proof = around(facts, at, &circle);
    }
}

/// Round once: back at the element nothing waits.
fn around(facts: &Facts<'_>, at: usize, circle: &ElementPath) -> Option<Proof> {
    let mut story = Story::new(facts);
    story.to(at)?;
    story.go(circle)?;
    story.later(TimeDelta::hours(1));
    let shows = format!("She has been round once and does not wait at `{}` again.", facts.id(at));
    Some(story.shows(shows, status(ExpectedStatus::Completed)))
}

pub(super) static NEVER_FIRES_PAGE: LintPage = LintPage {
    code: "D202",
    what: "A start, a goal, a branch or an event whose condition asks for two things that are \
           never so together; and events that fire only while the contact is active, in a campaign \
           that nothing else lets anybody into.",
    why: "Nothing ever happens there, and nothing says so: the validator knows that each part \
          makes sense.",
    example: r#"
id: welcome
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { all: [{ tag: Lead }, { not: { tag: Lead } }] }, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { subject: Hello, text: Nice to meet you. }
"#,
    mended: r#"
id: welcome
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { all: [{ tag: Lead }, { not: { tag: Customer } }] }, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { subject: Hello, text: Nice to meet you. }
"#,
    limits: "Tags, `set` and `empty`, `past` and `future`, and different words of `equals` are \
             compared; numbers and dates are not.",
};

pub(super) fn never_fires(facts: &Facts<'_>, _: &AllFacts<'_>, found: &mut LintFindings<'_>) {
    for at in 0..facts.len() {
        let Some(condition) = facts.condition(at) else { continue };
        let Some(why) = contradiction(condition) else { continue };
        let message =
            format!("the condition of `{}` never holds: {why} are never so together", facts.id(at));
        let remedy = "take one of them away, or write `any` instead of `all`";
        found.add(At::Value(at, facts.asks_in(at)), message, remedy).proof =
            in_vain(facts, at, condition);
    }
    let entries: Vec<usize> = facts.entries().collect();
    let is_for_active = |at: &usize| match facts.element(*at) {
        Element::Event(event) => event.requires_active,
        _ => false,
    };
    if entries.is_empty() || !entries.iter().all(is_for_active) {
        return;
    }
    for at in entries {
        let message = format!(
            "`{}` fires only while the contact is active, and nothing lets anybody in: every entry \
             of the campaign has `requires_active`",
            facts.id(at)
        );
        let remedy = "take `requires_active` away from the event with which it begins";
        let mut story = Story::new(facts);
        let fired = match facts.element(at) {
            Element::Event(event) => story.fire(&event.on),
            _ => None,
        };
        found.add(At::Key(at, "requires_active"), message, remedy).proof = fired.map(|()| {
            let shows = "It happens, and she is not in the campaign.";
            story.shows(shows, status(ExpectedStatus::None))
        });
    }
}

/// All that the condition asks for, one after the other, where that is possible.
fn in_vain(facts: &Facts<'_>, at: usize, condition: &Condition) -> Option<Proof> {
    let mut story = Story::new(facts);
    for part in parts(condition) {
        let _ = story.make_hold(part);
    }
    if story.steps() == 0 || !facts.is_entry(at) {
        return None;
    }
    let shows = "Each part was so, and nobody was let in.";
    Some(story.shows(shows, status(ExpectedStatus::None)))
}

fn parts(condition: &Condition) -> Vec<&Condition> {
    match condition {
        Condition::All(many) | Condition::Any(many) => many.iter().flat_map(parts).collect(),
        other => vec![other],
    }
}

pub(super) static GOAL_TRUE_AT_THE_START_PAGE: LintPage = LintPage {
    code: "D203",
    what: "A goal whose condition holds for everybody whom a start lets in, because the start asks \
           for the same.",
    why: "A goal ends what leads up to it as soon as its condition holds (R8): everything between \
          the start and the goal is skipped, for every contact.",
    example: r#"
id: offer
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Customer }, next: offer }
  offer: { type: email, email: offer, next: a_week }
  a_week: { type: wait, for: 7 days, next: bought }
  bought: { type: goal, when: { tag: Customer }, next: thanks }
  thanks: { type: email, email: thanks }
emails:
  offer: { subject: An offer, text: Half the price. }
  thanks: { subject: Thank you, text: Nice. }
"#,
    mended: r#"
id: offer
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Customer }, next: offer }
  offer: { type: email, email: offer, next: a_week }
  a_week: { type: wait, for: 7 days, next: bought }
  bought: { type: goal, when: { tag: Took the offer }, next: thanks }
  thanks: { type: email, email: thanks }
emails:
  offer: { subject: An offer, text: Half the price. }
  thanks: { subject: Thank you, text: Nice. }
"#,
    limits: "Only what certainly follows from the start's condition is known, not what contacts \
             usually have.",
};

pub(super) fn goal_true_at_the_start(
    facts: &Facts<'_>,
    _: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    for (goal, element) in facts.elements() {
        let Element::Goal(of) = element else { continue };
        for (start, when) in facts.starts() {
            let is_next = facts.edges(start).iter().any(|(_, next)| *next == goal);
            if is_next
                || !facts.leads_to(start, goal)
                || of.when.reads_time().is_some()
                || holds(&of.when, &necessary(&when.when)) != Some(true)
            {
                continue;
            }
            let (id, entry) = (facts.id(goal), facts.id(start));
            let mut story = Story::new(facts);
            let skipped = facts.message_behind(start);
            let proof = story.enter(start).zip(skipped).map(|((), mail)| {
                let shows = format!("She has entered, and `{id}` has taken her at once.");
                story.shows(shows, not_sent(message(facts.id(mail))))
            });
            let message = format!(
                "the goal `{id}` holds for everybody whom `{entry}` lets in ({}): all that is \
                 between them is skipped",
                when.when,
            );
            let remedy = "ask for something that happens on the way";
            found.add(At::Value(goal, "when"), message, remedy).proof = proof;
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{silent, trips};

    #[test]
    fn r9_d201_a_circle_through_a_reset_or_of_events_is_left_alone() {
        silent(
            "D201",
            "id: a\nelements:\n  s: { type: start, when: { tag: A }, next: b }\n  \
             b: { type: event, on: { tag_added: B }, next: c }\n  \
             c: { type: event, on: { tag_added: C }, next: b }\n",
        );
        trips(
            "D201",
            "id: a\nelements:\n  b: { type: event, on: { custom: b }, next: w }\n  \
             w: { type: wait, for: 1 day, next: b }\n",
            &["b"],
        );
    }

    #[test]
    fn r7_d202_somebody_has_to_be_let_in_first() {
        let campaign = |requires: bool| {
            format!(
                "id: a\nelements:\n  b: {{ type: event, on: {{ custom: b }}, requires_active: true, next: w }}\n  \
                 c: {{ type: event, on: {{ custom: c }}, requires_active: {requires}, next: w }}\n  \
                 w: {{ type: wait, for: 1 day }}\n"
            )
        };
        trips("D202", &campaign(true), &["b", "c"]);
        silent("D202", &campaign(false));
    }

    #[test]
    fn r8_d203_a_goal_that_needs_more_is_left_alone() {
        silent(
            "D203",
            "id: a\nelements:\n  s: { type: start, when: { tag: A }, next: w }\n  \
             w: { type: wait, for: 1 day, next: g }\n  \
             g: { type: goal, when: { all: [{ tag: A }, { tag: B }] } }\n",
        );
    }
}

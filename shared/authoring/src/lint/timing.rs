//! D301, D302 and D304: timers that never fire, always come too late, or come alone.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta};
use dacapo_engine::campaign::format::{DateTimer, Element, Empty, Past};
use dacapo_engine::time::{Span, Zone};

use super::birthday::holds_a_birthday;
use super::expected::{message, not_sent, waits_at};
use super::facts::{AllFacts, Facts};
use super::story::Story;
use super::{At, LintFindings, LintPage, path_of};
use crate::finding::Proof;
use crate::scenario::Expectation;

pub(super) static DATE_NOTHING_SETS_PAGE: LintPage = LintPage {
    code: "D301",
    what: "A date timer on a field that nothing else in the campaigns names: no condition, no \
           event, no `set_field`, no e-mail.",
    why: "Who comes to a date timer without a date waits there until there is one (R22). If a form \
          or another tool never fills the field, every contact waits for ever, and nothing tells.",
    example: r#"
id: trial
sender: { address: hello@studio-nord.example }
fields: { trial_end: { type: date } }
elements:
  lead: { type: start, when: { tag: Trial }, next: before_the_end }
  before_the_end: { type: date_timer, field: trial_end, offset: 3 days, next: ask }
  ask: { type: email, email: ask }
emails:
  ask: { subject: How was it?, text: Tell us. }
"#,
    mended: r#"
id: trial
sender: { address: hello@studio-nord.example }
fields: { trial_end: { type: date } }
elements:
  lead: { type: start, when: { field: trial_end, is: set }, next: before_the_end }
  before_the_end: { type: date_timer, field: trial_end, offset: 3 days, next: ask }
  ask: { type: email, email: ask }
emails:
  ask: { subject: How was it?, text: Tell us. }
"#,
    limits: "Which fields forms and other tools send is not known. `empty: continue`, `empty: \
             end`, or `empty: wait` written out say what is meant, and nothing is found.",
};

pub(super) fn date_nothing_sets(
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    for (at, timer) in facts.timers() {
        let Some(field) = timer.field.as_ref().filter(|_| timer.empty == Empty::Wait) else {
            continue;
        };
        let path = path_of(facts.document, at);
        if found.given.source.places.has(&path.key("empty")) {
            continue;
        }
        let kind = facts.kind();
        let is_named = all.campaigns.iter().any(|other| {
            let is_read = (0..other.len()).any(|it| {
                let is_timer = matches!(other.element(it), Element::DateTimer(_));
                let reads = other.reads(it);
                let fields =
                    if other.kind() == kind { &reads.fields } else { &reads.person.fields };
                !is_timer && fields.contains(field)
            });
            is_read || other.prints(field)
        });
        if is_named || !all.setting(&(kind, field.clone())).is_empty() {
            continue;
        }
        let id = facts.id(at);
        let mut story = Story::new(facts);
        let proof = story.to(at).filter(|_| story.lacks(field, false)).map(|_| {
            let end = story.now() + TimeDelta::days(300);
            let shows = format!("Three hundred days later she waits at `{id}`.");
            story.shows_until(end, shows, waits_at(id))
        });
        let message = format!(
            "nothing here sets `{field}`, asks whether it is set, or shows it: who has no date \
             waits at `{id}` for ever"
        );
        let remedy = format!(
            "ask for it on the way in, such as `when: {{ field: {field}, is: set }}`, or say with \
             `empty` what is to happen without a date"
        );
        found.add(At::Value(at, "field"), message, remedy).proof = proof;
    }
}

pub(super) static TIMER_ALWAYS_LATE_PAGE: LintPage = LintPage {
    code: "D302",
    what: "A date timer behind another one of the same date, whose moment has always passed by \
           then: it is not later, or a wait in between takes longer than what is left.",
    why: "What has passed takes the edge `missed`, or none (R22): this message never leaves.",
    example: r#"
id: webinar
sender: { address: hello@studio-nord.example }
per: seat
objects: { seat: { fields: { webinar: { type: datetime } } } }
elements:
  booked: { type: start, when: { field: webinar, is: future }, next: welcome }
  welcome: { type: email, email: welcome, next: day_before }
  day_before: { type: date_timer, field: webinar, offset: -1 day, missed: hour_before, next: tomorrow }
  tomorrow: { type: email, email: tomorrow, next: two_days }
  two_days: { type: wait, for: 2 days, next: evening_before }
  evening_before: { type: date_timer, field: webinar, offset: -12 hours, next: tonight }
  tonight: { type: email, email: tomorrow }
  hour_before: { type: date_timer, field: webinar, offset: -1 hour, next: soon }
  soon: { type: email, email: tomorrow }
emails:
  welcome: { purpose: transactional, subject: Welcome, text: You are registered. }
  tomorrow: { purpose: transactional, subject: Soon, text: It begins soon. }
"#,
    mended: r#"
id: webinar
sender: { address: hello@studio-nord.example }
per: seat
objects: { seat: { fields: { webinar: { type: datetime } } } }
elements:
  booked: { type: start, when: { field: webinar, is: future }, next: welcome }
  welcome: { type: email, email: welcome, next: day_before }
  day_before: { type: date_timer, field: webinar, offset: -1 day, missed: hour_before, next: tomorrow }
  tomorrow: { type: email, email: tomorrow, next: two_hours }
  two_hours: { type: wait, for: 2 hours, next: evening_before }
  evening_before: { type: date_timer, field: webinar, offset: -12 hours, missed: hour_before, next: tonight }
  tonight: { type: email, email: tomorrow, next: hour_before }
  hour_before: { type: date_timer, field: webinar, offset: -1 hour, next: soon }
  soon: { type: email, email: tomorrow }
emails:
  welcome: { purpose: transactional, subject: Welcome, text: You are registered. }
  tomorrow: { purpose: transactional, subject: Soon, text: It begins soon. }
"#,
    limits: "The timer is looked at only if every way to it leads through the other one; that the \
             date is moved meanwhile is possible and not looked at.",
};

pub(super) fn timer_always_late(facts: &Facts<'_>, _: &AllFacts<'_>, found: &mut LintFindings<'_>) {
    for (late, of) in facts.timers() {
        if of.repeat.is_some() || of.past == Past::Continue || of.window.is_some() {
            continue;
        }
        for (early, before) in facts.timers() {
            let is_same = before.field == of.field && before.field.is_some();
            if early == late
                || !is_same
                || before.repeat.is_some()
                || before.past == Past::Continue
                || before.window.is_some()
                || before.at != of.at
                || !is_always_through(facts, early, late)
            {
                continue;
            }
            let Some(least) = least_between(facts, early, late) else { continue };
            // An hour of tolerance: neither summer time nor the grace of the timer makes up for it.
            let left = seconds(of.offset) - seconds(before.offset);
            let is_not_later = least + 1 > left + seconds(of.grace).max(3_600);
            let is_same_moment = least == 0 && left <= 0 && left > -3_600;
            if !is_not_later || is_same_moment {
                continue;
            }
            let (id, other) = (facts.id(late), facts.id(early));
            let message = format!(
                "`{id}` has always passed: every way to it leads through `{other}` of the same \
                 date, and what is in between takes longer than what is left"
            );
            let remedy = format!("shorten what is between them, or put `{id}` before `{other}`");
            found.add(At::Element(late), message, remedy).proof = comes_late(facts, early, late);
            break;
        }
    }
}

fn seconds(span: Span) -> i64 {
    let epoch = DateTime::UNIX_EPOCH;
    (span.after(epoch, Zone::UTC) - epoch).num_seconds()
}

/// Whether every way to `late` leads through the edge `next` of `early`.
fn is_always_through(facts: &Facts<'_>, early: usize, late: usize) -> bool {
    let Some(next) = facts.edge(early, "next") else { return false };
    let can = next == late || facts.leads_to(next, late);
    let is_entry = |at: &usize| facts.is_entry(*at) || facts.begins_next_run(*at);
    let mut open: Vec<usize> = (0..facts.len()).filter(is_entry).collect();
    let mut reached = vec![false; facts.len()];
    while let Some(at) = open.pop() {
        for (key, to) in facts.edges(at) {
            if at == early && *key == "next" {
                continue;
            }
            if !std::mem::replace(&mut reached[*to], true) {
                open.push(*to);
            }
        }
    }
    can && !reached[late]
}

/// The least time, in seconds, from when `early` fires until `late` is reached.
fn least_between(facts: &Facts<'_>, early: usize, late: usize) -> Option<i64> {
    let mut least: BTreeMap<usize, i64> = BTreeMap::new();
    let mut open = vec![(facts.edge(early, "next")?, 0)];
    while let Some((at, so_far)) = open.pop() {
        if least.get(&at).is_some_and(|known| *known <= so_far) {
            continue;
        }
        least.insert(at, so_far);
        if at == late || facts.begins_next_run(at) {
            continue;
        }
        let takes = match facts.element(at) {
            Element::Wait(wait) => wait.duration.map_or(0, seconds).max(0),
            _ => 0,
        };
        open.extend(facts.edges(at).iter().map(|(_, to)| (*to, so_far + takes)));
    }
    least.get(&late).copied()
}

fn comes_late(facts: &Facts<'_>, early: usize, late: usize) -> Option<Proof> {
    let mail = facts.id(facts.message_behind(late)?);
    let way = Story::new(facts).to(early)?;
    let mut story = Story::new(facts);
    story.go(&facts.on_time(way, late)?)?;
    let end = story.now() + TimeDelta::days(100);
    let shows = format!("The date is over, and `{mail}` was not sent.");
    Some(story.shows_until(end, shows, not_sent(message(mail))))
}

pub(super) static REMINDER_WITHOUT_CONFIRMATION_PAGE: LintPage = LintPage {
    code: "D304",
    what: "A way from an entry to a reminder before a date on which no message is sent: the first \
           that the contact hears is the reminder.",
    why: "Who books expects to hear at once that it has worked, and who booked by mistake can say \
          so. And who books shortly before the date is not reminded any more, and hears nothing at \
          all.",
    example: r#"
id: appointments
sender: { address: hello@studio-nord.example }
fields: { appointment: { type: datetime } }
elements:
  booked: { type: event, on: { field_set: appointment }, next: hour_before }
  hour_before: { type: date_timer, field: appointment, offset: -1 hour, next: remind }
  remind: { type: email, email: remind }
emails:
  remind: { purpose: transactional, subject: "In an hour", text: "We meet soon." }
"#,
    mended: r#"
id: appointments
sender: { address: hello@studio-nord.example }
per: booking
objects: { booking: { fields: { appointment: { type: datetime } } } }
elements:
  booked: { type: event, on: { field_set: appointment }, next: confirm }
  confirm: { type: email, email: confirm, next: hour_before }
  hour_before: { type: date_timer, field: appointment, offset: -1 hour, next: remind }
  remind: { type: email, email: remind }
emails:
  confirm: { purpose: transactional, subject: "See you", text: "You have an appointment." }
  remind: { purpose: transactional, subject: "In an hour", text: "We meet soon." }
"#,
    limits: "That another campaign or the booking tool confirms is not known: say so with `allow`. \
             What leaves more than two weeks before the date, or before a birthday, reminds of \
             nothing.",
};

pub(super) fn reminder_without_confirmation(
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    for (timer, of) in facts.timers() {
        let mail = facts.message_behind(timer).filter(|_| reminds(facts, of));
        let Some(reminder) = mail else { continue };
        for entry in facts.entries() {
            let is_quiet = |it: usize| {
                !facts.begins_next_run(it)
                    && !facts.is_rest(it)
                    // A choice may mean that this one needs no confirmation.
                    && !facts.sends(it)
                    && !matches!(facts.element(it), Element::Condition(_) | Element::Split(_))
            };
            let Some(way) = facts.way(entry, timer, is_quiet) else { continue };
            if is_confirmed_elsewhere(facts, all, entry) {
                continue;
            }
            let (id, remind) = (facts.id(entry), facts.id(reminder));
            let mut story = Story::new(facts);
            let gone = facts.on_time(way, reminder).and_then(|way| story.go(&way));
            let proof = gone.map(|()| {
                let messages = Some(vec![message(remind)]);
                let expect = Expectation { messages, ..Expectation::default() };
                let end = story.now() + TimeDelta::minutes(1);
                story.shows_until(end, format!("The first that she hears is `{remind}`."), expect)
            });
            let message = format!(
                "who comes in by `{id}` is reminded by `{remind}`, but nothing confirms it before"
            );
            let remedy =
                format!("send a transactional e-mail between `{id}` and `{}`", facts.id(timer));
            found.add(At::Element(entry), message, remedy).proof = proof;
        }
    }
}

/// Whether what leaves at the timer reminds of a date: one that the contact keeps, and that is
/// near.
pub(super) fn reminds(facts: &Facts<'_>, timer: &DateTimer) -> bool {
    let two_weeks = TimeDelta::weeks(2).num_seconds();
    timer.offset.is_negative()
        && seconds(timer.offset) >= -two_weeks
        && timer.repeat.is_none()
        && timer.field.as_ref().is_some_and(|field| !holds_a_birthday(facts, field))
}

/// Whether another campaign that is given sends something upon the same.
fn is_confirmed_elsewhere(facts: &Facts<'_>, all: &AllFacts<'_>, entry: usize) -> bool {
    let reads = facts.reads(entry);
    all.campaigns.iter().filter(|other| other.nth != facts.nth).any(|other| {
        other.entries().any(|at| {
            let theirs = other.reads(at);
            let is_same = theirs.tags.intersection(&reads.tags).next().is_some()
                || theirs.fields.intersection(&reads.fields).next().is_some();
            let passes = |it: usize| !other.is_rest(it) || it == at;
            let reached = other.reached(at, passes);
            let sends = |it: usize| reached[it] && other.sends(it);
            is_same && (0..other.len()).any(sends)
        })
    })
}

#[cfg(test)]
mod tests;

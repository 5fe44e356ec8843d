//! D104 to D106: what happens the first time and does nothing the second time.

use chrono::TimeDelta;
use dacapo_engine::campaign::format::{Edge, Element, EventElement, Purpose};
use dacapo_engine::ids::Tag;

use super::expected::{message, not_sent, run, sent};
use super::facts::{AllFacts, Facts};
use super::story::{Change, Story};
use super::words::{as_yaml, before, listed};
use super::{At, LintFindings, LintPage, LintedCampaign, path_of};
use crate::finding::{Edit, Proof};
use crate::fix::offset;
use crate::scenario::ExpectedMessage;

pub(super) static FIRES_ONCE_ONLY_PAGE: LintPage = LintPage {
    code: "D104",
    what: "An event on an added tag that leads to a reset or a restart, where nothing ever \
           withdraws the tag.",
    why: "`tag_added` fires when the contact did not have the tag (R7). After the reset it still \
          has it, so assigning it again fires nothing: the contact loops once and never again.",
    example: r#"
id: appointment-loop
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: invite }
  invite: { type: email, email: invite }
  not_reached: { type: event, on: { tag_added: Not reached }, next: again }
  again: { type: reset, next: sorry }
  sorry: { type: email, email: sorry }
emails:
  invite: { subject: "Let's meet", text: "Choose a time that suits you." }
  sorry: { purpose: transactional, subject: "We missed you", text: "Choose another time." }
"#,
    mended: r#"
id: appointment-loop
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: invite }
  invite: { type: email, email: invite }
  not_reached: { type: event, on: { tag_added: Not reached }, next: again }
  again: { type: reset, next: withdraw }
  withdraw: { type: tag, remove: [Not reached], next: sorry }
  sorry: { type: email, email: sorry }
emails:
  invite: { subject: "Let's meet", text: "Choose a time that suits you." }
  sorry: { purpose: transactional, subject: "We missed you", text: "Choose another time." }
"#,
    limits: "That a person or another tool withdraws the tag is not known: say so with `allow`. \
             `tag_assigned` reacts to a tag that the contact has already, and is not found.",
};

pub(super) fn fires_once_only(facts: &Facts<'_>, all: &AllFacts<'_>, found: &mut LintFindings<'_>) {
    for (at, event) in facts.events() {
        let Some(tags) = added(event) else { continue };
        let beginning = facts.beginnings().find(|it| facts.leads_to(at, *it));
        let Some(beginning) = beginning else { continue };
        let kept = never_withdrawn(facts, all, tags);
        let Some(tag) = kept.first() else { continue };
        let what = facts.id(beginning);
        let message = format!(
            "`{}` leads to `{what}`, so that it can happen again, but nothing withdraws {}: \
             assigned a second time it is not added, and nothing happens",
            facts.id(at),
            listed(kept.iter().map(|tag| tag.as_str())),
        );
        let remedy = match facts.element(beginning) {
            Element::Restart(_) => format!("withdraw `{tag}` before `{what}`"),
            _ => format!("withdraw `{tag}` in a `tag` element behind `{what}`"),
        };
        let edit = withdrawing(found.given, facts, all, [at, beginning], tag);
        let finding = found.add(At::Value(at, "on"), message, remedy);
        finding.edit = edit;
        finding.proof = once_more(facts, at, beginning, tag);
    }
}

/// The tags of an event that reacts to added ones.
fn added(event: &EventElement) -> Option<&[Tag]> {
    match &event.on {
        Edge::TagAdded(tags) => Some(tags.as_slice()),
        _ => None,
    }
}

/// Those that no element withdraws, in any campaign that is given.
fn never_withdrawn<'t>(facts: &Facts<'_>, all: &AllFacts<'_>, tags: &'t [Tag]) -> Vec<&'t Tag> {
    let kept = |tag: &&Tag| all.removing(&(facts.kind(), (*tag).clone())).is_empty();
    tags.iter().filter(kept).collect()
}

/// The tag is assigned, and after the next run has begun once more: the second time does nothing.
fn once_more(facts: &Facts<'_>, at: usize, beginning: usize, tag: &Tag) -> Option<Proof> {
    let mut story = inside(facts, at);
    story.go(&facts.way(at, beginning, |it| !facts.begins_next_run(it))?)?;
    assigned_later(&mut story, facts, beginning, tag)?;
    let shows =
        format!("The second `{tag}` does nothing: she is still in the run that the first began.");
    Some(story.shows(shows, run(2)))
}

/// The contact is in the campaign before, where a start can let it in.
fn inside<'a>(facts: &'a Facts<'a>, but: usize) -> Story<'a> {
    let mut story = Story::new(facts);
    let entry = facts.starts().map(|(entry, _)| entry).find(|entry| *entry != but);
    match entry.and_then(|entry| story.enter(entry)) {
        Some(()) => story,
        None => Story::new(facts),
    }
}

/// Two days after the next run has begun the tag, which is still there, is assigned once more.
fn assigned_later(
    story: &mut Story<'_>,
    facts: &Facts<'_>,
    beginning: usize,
    tag: &Tag,
) -> Option<()> {
    if matches!(facts.element(beginning), Element::Restart(_)) {
        story.restart_delay();
    }
    story.later(TimeDelta::days(2));
    let is_there = story.has(tag);
    is_there.then(|| story.change(Change::tag(tag.clone())))
}

/// Adds the tag to the first list of withdrawn tags behind the reset.
fn withdrawing(
    given: LintedCampaign<'_>,
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    [event, beginning]: [usize; 2],
    tag: &Tag,
) -> Option<Edit> {
    let is_restart = matches!(facts.element(beginning), Element::Restart(_));
    let candidate = (0..facts.len()).find(|it| {
        let Element::Tag(tags) = facts.element(*it) else { return false };
        let is_on_the_way = if is_restart {
            facts.leads_to(event, *it) && facts.leads_to(*it, beginning)
        } else {
            facts.edges(beginning).iter().any(|(_, next)| next == it)
        };
        is_on_the_way && tags.of.is_none() && !tags.remove.is_empty() && !tags.add.contains(tag)
    })?;
    let path = path_of(facts.document, candidate).key("remove").index(0);
    let first = given.source.places.of_value(&path);
    let before = before(given.text, first);
    let written = as_yaml(tag.as_str());
    let (at, text) = if before.contains('[') || before.trim().is_empty() {
        (first, format!("{written}, "))
    } else if before.trim() == "-" {
        (first, format!("{written}\n{before}"))
    } else {
        return None;
    };
    offset(given.text, at)?;
    // No other element looks at the tag: then withdrawing it changes nothing but what is meant.
    let readers = all.reading(&(facts.kind(), tag.clone()));
    let safe = readers.iter().all(|it| it.campaign == facts.nth && it.element == event);
    let label = format!("withdraw `{tag}` in `{}`", facts.id(candidate));
    Some(Edit { label, safe, from: at, to: at, text })
}

pub(super) static SECOND_TIME_DOES_NOT_FIRE_PAGE: LintPage = LintPage {
    code: "D105",
    what: "An event on an added tag at which contacts wait again after a reset or a restart, or \
           that leads to a date timer of such a campaign, where nothing ever withdraws the tag.",
    why: "After the reset the contact still has the tag of its first booking. The second booking \
          assigns it again, which is no `tag_added`: no confirmation, no reminder.",
    example: r#"
id: appointment-loop
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: invite }
  invite: { type: email, email: invite, next: booked }
  booked: { type: event, on: { tag_added: Appointment made }, next: confirm }
  confirm: { type: email, email: confirm }
  not_reached: { type: event, on: { tag_added: Not reached }, next: again }
  again: { type: reset, next: withdraw }
  withdraw: { type: tag, remove: [Not reached], next: invite }
emails:
  invite: { subject: "Let's meet", text: "Choose a time that suits you." }
  confirm: { purpose: transactional, subject: "See you", text: "You have an appointment." }
"#,
    mended: r#"
id: appointment-loop
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: invite }
  invite: { type: email, email: invite, next: booked }
  booked: { type: event, on: { tag_added: Appointment made }, next: confirm }
  confirm: { type: email, email: confirm }
  not_reached: { type: event, on: { tag_added: Not reached }, next: again }
  again: { type: reset, next: withdraw }
  withdraw: { type: tag, remove: [Appointment made, Not reached], next: invite }
emails:
  invite: { subject: "Let's meet", text: "Choose a time that suits you." }
  confirm: { purpose: transactional, subject: "See you", text: "You have an appointment." }
"#,
    limits: "An event that nothing leads to again, and that no date follows, may be meant for once \
             in a lifetime, and is not found.",
};

pub(super) fn second_time_does_not_fire(
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    for (at, event) in facts.events() {
        let Some(tags) = added(event) else { continue };
        // Those that lead to a reset themselves are of D104.
        if facts.beginnings().any(|it| facts.leads_to(at, it)) {
            continue;
        }
        let Some(beginning) = again_before(facts, at) else { continue };
        let kept = never_withdrawn(facts, all, tags);
        let Some(tag) = kept.first() else { continue };
        let what = facts.id(beginning);
        let message = format!(
            "after `{what}` it can be booked again, but nothing withdraws {}: the second time it \
             is not added, and `{}` does not fire",
            listed(kept.iter().map(|tag| tag.as_str())),
            facts.id(at),
        );
        let remedy = format!("withdraw `{tag}` in a `tag` element behind `{what}`");
        let edit = withdrawing(found.given, facts, all, [at, beginning], tag);
        let finding = found.add(At::Value(at, "on"), message, remedy);
        finding.edit = edit;
        finding.proof = booked_twice(facts, at, beginning, tag);
    }
}

/// A reset or a restart after which contacts come to the event again.
fn again_before(facts: &Facts<'_>, event: usize) -> Option<usize> {
    let follows_a_date =
        facts.timers().any(|(timer, it)| it.field.is_some() && facts.leads_to(event, timer));
    facts.beginnings().find(|beginning| match facts.element(*beginning) {
        Element::Restart(_) => {
            follows_a_date || facts.starts().any(|(start, _)| facts.leads_to(start, event))
        }
        _ => follows_a_date || facts.reached(*beginning, |_| true)[event],
    })
}

/// It is booked, the next run begins, it is booked again.
fn booked_twice(facts: &Facts<'_>, event: usize, beginning: usize, tag: &Tag) -> Option<Proof> {
    let mut story = inside(facts, event);
    story.enter(event)?;
    story.later(TimeDelta::hours(1));
    let mut leads = facts.events().map(|(it, _)| it);
    let begins = leads.find(|it| *it != event && facts.leads_to(*it, beginning))?;
    story.go(&facts.way(begins, beginning, |it| !facts.begins_next_run(it))?)?;
    assigned_later(&mut story, facts, beginning, tag)?;
    let mail = facts.id(first_message(facts, event)?);
    let shows = format!("The second `{tag}` does nothing: `{mail}` is not sent again.");
    Some(story.shows(shows, not_sent(ExpectedMessage { run: Some(2), ..message(mail) })))
}

/// The first e-mail behind an element.
fn first_message(facts: &Facts<'_>, from: usize) -> Option<usize> {
    let mut at = from;
    for _ in 0..facts.len() {
        let (_, next) = facts.edges(at).first()?;
        if facts.sends(*next) {
            return Some(*next);
        }
        at = *next;
    }
    None
}

pub(super) static SECOND_BOOKING_DOES_NOTHING_PAGE: LintPage = LintPage {
    code: "D106",
    what: "A booking (an event or a start that leads to a confirmation and a date timer) after \
           whose date the path simply ends: no reset and no restart follows.",
    why: "A contact runs through a campaign once, until it is reset (R5). Who keeps an appointment \
          and books another one half a year later gets no confirmation and no reminder.",
    example: r#"
id: appointments
sender: { address: hello@studio-nord.example }
fields: { appointment: { type: datetime } }
elements:
  booked: { type: event, on: { field_set: appointment }, next: confirm }
  confirm: { type: email, email: confirm, next: hour_before }
  hour_before: { type: date_timer, field: appointment, offset: -1 hour, next: remind }
  remind: { type: email, email: remind }
emails:
  confirm: { purpose: transactional, subject: "See you", text: "You have an appointment." }
  remind: { purpose: transactional, subject: "In an hour", text: "We meet soon." }
"#,
    mended: r#"
id: appointments
sender: { address: hello@studio-nord.example }
fields: { appointment: { type: datetime } }
elements:
  booked: { type: event, on: { field_set: appointment }, next: confirm }
  confirm: { type: email, email: confirm, next: hour_before }
  hour_before: { type: date_timer, field: appointment, offset: -1 hour, next: remind, missed: over }
  remind: { type: email, email: remind, next: over }
  over: { type: date_timer, field: appointment, offset: 1 day, next: clear, missed: clear }
  clear: { type: set_field, fields: { appointment: null }, next: again }
  again: { type: reset }
emails:
  confirm: { purpose: transactional, subject: "See you", text: "You have an appointment." }
  remind: { purpose: transactional, subject: "In an hour", text: "We meet soon." }
"#,
    limits: "A campaign about objects (`per`) has a booking for each of them, and is not found; \
             nor is a fixed date, or one that comes every year. If people book once only, say so \
             with `allow`.",
};

/// Whether an element of any campaign resets this one: the element *reset* of another campaign, or
/// a stop with `reset_contacts`.
fn is_reset_elsewhere(facts: &Facts<'_>, all: &AllFacts<'_>) -> bool {
    let this = &facts.document.id;
    all.campaigns.iter().any(|other| {
        other.elements().any(|(_, element)| match element {
            Element::Reset(reset) => {
                other.nth != facts.nth && reset.campaign.as_ref() == Some(this)
            }
            Element::StopCampaign(stop) => {
                let is_meant = match &stop.campaign {
                    Some(campaign) => campaign == this,
                    None => other.nth == facts.nth,
                };
                stop.reset_contacts && is_meant
            }
            _ => false,
        })
    })
}

pub(super) fn second_booking_does_nothing(
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    if facts.document.per.is_some()
        || facts.document.settings.multiple_send
        || is_reset_elsewhere(facts, all)
    {
        return;
    }
    for entry in facts.entries() {
        let timers = facts.timers().filter(|(at, timer)| {
            timer.repeat.is_none()
                && timer.field.is_some()
                && timer.offset.is_negative()
                && facts.leads_to(entry, *at)
        });
        let Some((timer, of)) = timers.into_iter().next() else { continue };
        let Some(field) = &of.field else { continue };
        // What is confirmed at once is a booking.
        let confirms = first_message(facts, entry).filter(|message| {
            let sent = facts.element(*message).message();
            let is_transactional =
                sent.is_some_and(|it| it.purpose(facts.document) == Purpose::Transactional);
            is_transactional && facts.leads_to(*message, timer)
        });
        let Some(confirmation) = confirms else { continue };
        let is_reset_later = facts.beginnings().any(|it| facts.leads_to(timer, it));
        let goes_round = facts.leads_to(timer, timer);
        if is_reset_later || goes_round {
            continue;
        }
        let message = format!(
            "a booking after one that was kept does nothing: after `{}` the path ends without a \
             reset, so `{}` does not fire again",
            facts.id(timer),
            facts.id(entry),
        );
        let remedy = format!(
            "let a day pass after `{field}` and reset: a `date_timer` with `offset: 1 day`, then a \
             `tag` or `set_field` that withdraws the booking, then a `reset`; or make each booking \
             an object (`per: …`)"
        );
        found.add(At::Element(entry), message, remedy).proof =
            kept_and_booked(facts, entry, timer, confirmation);
    }
}

/// It is booked and kept; later everything of the booking happens once more.
fn kept_and_booked(facts: &Facts<'_>, entry: usize, timer: usize, mail: usize) -> Option<Proof> {
    let mut story = Story::new(facts);
    let way = facts.way(entry, timer, |it| !facts.begins_next_run(it))?;
    story.go(&facts.on_time(way, facts.edge(timer, "next")?)?)?;
    story.later(TimeDelta::days(90));
    story.again(entry)?;
    let mail = facts.id(mail);
    let shows =
        format!("She books again, months later: `{mail}` was sent once, for the first booking.");
    Some(story.shows(shows, sent(ExpectedMessage { times: Some(1), ..message(mail) })))
}

#[cfg(test)]
mod tests;

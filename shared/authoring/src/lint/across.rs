//! D502 and D503: campaigns that answer each other, or speak at the same time.

use chrono::TimeDelta;
use dacapo_engine::campaign::format::{Edge, Element};
use dacapo_engine::ids::Tag;

use super::expected::{self, run};
use super::facts::{AllFacts, ElementIndex, Facts};
use super::story::Story;
use super::words::listed;
use super::{At, LintFindings, LintPage};
use crate::scenario::{Expectation, ExpectedMessage};

pub(super) static TAG_PING_PONG_PAGE: LintPage = LintPage {
    code: "D502",
    what: "Campaigns that set each other off without end: each reacts to a tag, withdraws it, \
           assigns the tag of the other, and is reset.",
    why: "It all happens within a second. The guards end it (R40, R42): the contact is held in one \
          of them, after ten runs and whatever they sent.",
    example: r#"
id: cold
elements:
  cold: { type: event, on: { tag_added: Cold }, next: again }
  again: { type: reset, next: warm_up }
  warm_up: { type: tag, remove: [Cold], add: [Warm] }
---
id: warm
elements:
  warm: { type: event, on: { tag_added: Warm }, next: again }
  again: { type: reset, next: cool_down }
  cool_down: { type: tag, remove: [Warm], add: [Cold] }
"#,
    mended: r#"
id: cold
elements:
  cold: { type: event, on: { tag_added: Cold }, next: again }
  again: { type: reset, next: some_time }
  some_time: { type: wait, for: 30 days, next: warm_up }
  warm_up: { type: tag, remove: [Cold], add: [Warm] }
---
id: warm
elements:
  warm: { type: event, on: { tag_added: Warm }, next: again }
  again: { type: reset, next: cool_down }
  cool_down: { type: tag, remove: [Warm], add: [Cold] }
"#,
    limits: "Events on tags are followed, from campaign to campaign, as long as no path rests. \
             Conditions in between are left alone.",
};

/// An event that assigns a tag at once, so that another one fires.
struct Hop {
    event: ElementIndex,
    reacts_to: Vec<Tag>,
    adds: Vec<Tag>,
    removes: Vec<Tag>,
}

/// What follows at once from each event that begins a new run.
fn hops(all: &AllFacts<'_>) -> Vec<Hop> {
    let mut hops = Vec::new();
    for facts in &all.campaigns {
        for (at, event) in facts.events() {
            let Edge::TagAdded(tags) = &event.on else { continue };
            let is_quick = |it: usize| {
                it == at
                    || (!facts.is_rest(it)
                        && !matches!(
                            facts.element(it),
                            Element::Condition(_) | Element::Split(_) | Element::Goal(_)
                        ))
            };
            let behind = facts.reached(at, is_quick);
            let quick: Vec<usize> = (0..facts.len()).filter(|it| behind[*it]).collect();
            let is_reset = |it: &usize| {
                facts.begins_next_run(*it) && matches!(facts.element(*it), Element::Reset(_))
            };
            if !quick.iter().any(is_reset) {
                continue;
            }
            let of_own = |(tag, kind): (&Tag, _)| (kind == facts.kind()).then(|| tag.clone());
            hops.push(Hop {
                event: ElementIndex { campaign: facts.nth, element: at },
                reacts_to: tags.as_slice().to_vec(),
                adds: quick.iter().flat_map(|it| facts.adds(*it)).filter_map(of_own).collect(),
                removes: quick
                    .iter()
                    .flat_map(|it| facts.removes(*it))
                    .filter_map(of_own)
                    .collect(),
            });
        }
    }
    hops
}

pub(super) fn tag_ping_pong(facts: &Facts<'_>, all: &AllFacts<'_>, found: &mut LintFindings<'_>) {
    let hops = hops(all);
    for hop in hops.iter().filter(|hop| hop.event.campaign == facts.nth) {
        let Some((circle, tag)) = circle(hop, &hops, all) else { continue };
        // One finding a circle, in the first campaign of it.
        let first = circle.iter().map(|hop| (hop.event.campaign, hop.event.element)).min();
        if first != Some((facts.nth, hop.event.element)) {
            continue;
        }
        let at = hop.event.element;
        let names = circle.iter().map(|hop| all.campaigns[hop.event.campaign].document.id.as_str());
        let message = format!(
            "{} set each other off without end: each assigns the tag upon which the next one \
             begins a new run, beginning with `{tag}`",
            listed(names)
        );
        let remedy = "put a wait into one of them, or let a person assign one of the tags";
        let mut story = Story::new(facts);
        let fired = match facts.element(at) {
            Element::Event(event) => story.fire(&event.on),
            _ => None,
        };
        found.add(At::Value(at, "on"), message, remedy).proof = fired.map(|()| {
            story.shows("One tag was assigned, and within a second it was her tenth run.", run(10))
        });
    }
}

/// The shortest circle of hops from one back to it, and the tag that it begins with.
fn circle<'h>(
    from: &'h Hop,
    hops: &'h [Hop],
    all: &AllFacts<'_>,
) -> Option<(Vec<&'h Hop>, &'h Tag)> {
    let mut open: Vec<Vec<&Hop>> = vec![vec![from]];
    while let Some(way) = (!open.is_empty()).then(|| open.remove(0)) {
        let last = way.last()?;
        for next in hops {
            // A campaign on the way has withdrawn the tag, so that it is added again.
            let kind = |hop: &Hop| all.campaigns[hop.event.campaign].kind();
            let is_set_off = kind(next) == kind(last)
                && next
                    .reacts_to
                    .iter()
                    .any(|tag| last.adds.contains(tag) && next.removes.contains(tag));
            if !is_set_off {
                continue;
            }
            if next.event == from.event {
                return Some((way, from.reacts_to.first()?));
            }
            if way.len() < 4 && !way.iter().any(|hop| hop.event == next.event) {
                let mut longer = way.clone();
                longer.push(next);
                open.push(longer);
            }
        }
    }
    None
}

pub(super) static SENT_BY_TWO_CAMPAIGNS_PAGE: LintPage = LintPage {
    code: "D503",
    what: "Two campaigns that begin with the same condition or the same event, and both send an \
           e-mail at once.",
    why: "The contact gets two messages in the same minute, each written as if it were the only \
          one.",
    example: r#"
id: hello
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { subject: Hello, text: Nice to meet you. }
---
id: offer
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: offer }
  offer: { type: email, email: offer }
emails:
  offer: { subject: An offer, text: Half the price. }
"#,
    mended: r#"
id: hello
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { subject: Hello, text: Nice to meet you. }
---
id: offer
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: two_days }
  two_days: { type: wait, for: 2 days, next: offer }
  offer: { type: email, email: offer }
emails:
  offer: { subject: An offer, text: Half the price. }
"#,
    limits: "Only campaigns that are given together are compared, and only what they begin with \
             is: not messages that meet by chance later.",
};

pub(super) fn sent_by_two_campaigns(
    facts: &Facts<'_>,
    all: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    for entry in facts.entries() {
        let Some(message) = sends_at_once(facts, entry) else { continue };
        let others = all.campaigns.iter().filter(|other| all.tells(facts, other));
        let same = others.filter(|other| other.kind() == facts.kind()).find_map(|other| {
            let entry =
                other.entries().find(|at| is_same(facts.element(entry), other.element(*at)))?;
            Some((other, sends_at_once(other, entry)?))
        });
        let Some((other, theirs)) = same else { continue };
        let mut story = Story::new(facts);
        let proof = story.enter(entry).map(|()| {
            let sent = |facts: &Facts<'_>, at: usize| ExpectedMessage {
                campaign: Some(facts.document.id.clone()),
                times: Some(1),
                ..expected::message(facts.id(at))
            };
            let expect = Expectation {
                sent: vec![sent(other, theirs), sent(facts, message)],
                ..Expectation::default()
            };
            let end = story.now() + TimeDelta::minutes(1);
            story.shows_until(end, "Two messages were sent in the same minute.", expect)
        });
        let said = format!(
            "`{}` begins with the same as the campaign `{}`, and both send at once: `{}` and `{}` \
             arrive together",
            facts.id(entry),
            other.document.id,
            other.id(theirs),
            facts.id(message),
        );
        let remedy = "let one of them wait, or make one campaign of them";
        found.add(At::Element(entry), said, remedy).proof = proof;
    }
}

/// The message that an entry leads to without a rest and without a choice in between.
fn sends_at_once(facts: &Facts<'_>, entry: usize) -> Option<usize> {
    let mut at = entry;
    for _ in 0..facts.len() {
        let (_, next) = facts.edges(at).first()?;
        at = *next;
        if let Some(message) = facts.element(at).message() {
            let is_held = message.hours(facts.document).is_some();
            return (!is_held).then_some(at);
        }
        match facts.element(at) {
            Element::Tag(_)
            | Element::SetField(_)
            | Element::Webhook(_)
            | Element::StartCampaign(_) => {}
            _ => return None,
        }
    }
    None
}

fn is_same(one: &Element, other: &Element) -> bool {
    match (one, other) {
        (Element::Start(one), Element::Start(other)) => one.when == other.when,
        (Element::Event(one), Element::Event(other)) => {
            one.on == other.on && one.requires_active == other.requires_active
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{silent, trips};

    #[test]
    fn r42_d502_without_a_withdrawal_or_a_reset_it_ends_by_itself() {
        let campaigns = super::TAG_PING_PONG_PAGE.example;
        trips("D502", campaigns, &["cold"]);
        silent("D502", &campaigns.replace("remove: [Warm], ", ""));
        silent(
            "D502",
            &campaigns.replacen(
                "type: reset, next: warm_up",
                "type: wait, for: 1 hour, next: warm_up",
                1,
            ),
        );
    }

    #[test]
    fn d503_other_conditions_are_left_alone() {
        let campaigns = super::SENT_BY_TWO_CAMPAIGNS_PAGE.example;
        trips("D503", campaigns, &["lead"]);
        let other = campaigns.replacen("{ tag: Lead }", "{ tag: Customer }", 1);
        silent("D503", &other);
    }

    /// The campaign's hours hold for marketing mail: a transactional one leaves at once (R25).
    #[test]
    fn r25_d503_the_hours_of_a_campaign_hold_back_its_marketing_mail_alone() {
        let of = |id: &str, more: &str, purpose: &str| {
            format!(
                "id: {id}\n{more}sender: {{ address: hello@studio-nord.example }}\nelements:\n  \
                 lead: {{ type: start, when: {{ tag: Lead }}, next: {id}_mail }}\n  {id}_mail: {{ \
                 type: email, email: hello }}\nemails:\n  hello: {{ subject: Hello, text: Nice to \
                 meet you., purpose: {purpose} }}\n"
            )
        };
        let hours = "settings: { email_time: { from: \"08:00\", to: \"20:00\" } }\n";
        let both = |more, purpose| {
            format!("{}---\n{}", of("first", more, purpose), of("second", "", purpose))
        };
        trips("D503", &both("", "marketing"), &["lead"]);
        silent("D503", &both(hours, "marketing"));
        trips("D503", &both(hours, "transactional"), &["lead"]);
    }
}

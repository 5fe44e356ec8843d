//! D401 and D402: mail that comes twice, or does not come to those who need it.

use chrono::TimeDelta;
use dacapo_engine::campaign::format::{Element, Purpose};
use serde_json::json;

use super::expected::{message, not_sent, sent};
use super::facts::{AllFacts, Facts};
use super::reasoning::together;
use super::story::Story;
use super::timing::reminds;
use super::words::beside;
use super::{At, LintFindings, LintPage, LintedCampaign, path_of_email};
use crate::finding::Proof;
use crate::scenario::{ExpectedMessage, Post, ScenarioStep};

pub(super) static SENT_TWICE_IN_A_RUN_PAGE: LintPage = LintPage {
    code: "D401",
    what: "An e-mail that two starts lead to, each by itself, where a contact can be let in by \
           both.",
    why: "Several starts may fire in a run (R6), and each begins a path of its own. Who has both \
          tags gets the same message twice, from one campaign.",
    example: r#"
id: welcome
sender: { address: hello@studio-nord.example }
elements:
  lead: { type: start, when: { tag: Lead }, next: hello }
  customer: { type: start, when: { tag: Customer }, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { subject: Hello, text: Nice to meet you. }
"#,
    mended: r#"
id: welcome
sender: { address: hello@studio-nord.example }
elements:
  known: { type: start, when: { any: [{ tag: Lead }, { tag: Customer }] }, next: hello }
  hello: { type: email, email: hello }
emails:
  hello: { subject: Hello, text: Nice to meet you. }
"#,
    limits: "Starts whose conditions exclude each other are left alone, and so is what lies behind \
             an event or a goal, which lets one path through in a run. A circle sends again on \
             purpose.",
};

pub(super) fn sent_twice_in_a_run(
    facts: &Facts<'_>,
    _: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    let starts: Vec<_> = facts.starts().collect();
    let reached: Vec<Vec<bool>> = starts
        .iter()
        .map(|(start, _)| facts.reached(*start, |at| lets_all_through(facts, at)))
        .collect();
    let mut told = Vec::new();
    for (at, element) in facts.elements() {
        if element.message().is_none() {
            continue;
        }
        let ways: Vec<usize> = (0..starts.len()).filter(|nth| reached[*nth][at]).collect();
        let pair = ways.iter().enumerate().find_map(|(nth, one)| {
            let others = ways.iter().skip(nth + 1);
            let mut both =
                others.filter(|other| together(&starts[*one].1.when, &starts[**other].1.when));
            both.next().map(|other| (*one, *other))
        });
        // What follows on the same way comes twice for the same reason.
        let Some(pair) = pair.filter(|pair| !told.contains(pair)) else { continue };
        told.push(pair);
        let (one, other) = (starts[pair.0].0, starts[pair.1].0);
        let message = format!(
            "whom both `{}` and `{}` let in gets `{}` twice in a run",
            facts.id(one),
            facts.id(other),
            facts.id(at),
        );
        let remedy = "make one start of them, with `any`; or put a goal before the e-mail, which \
                      lets one path through";
        found.add(At::Element(at), message, remedy).proof = both_ways(facts, [one, other], at);
    }
}

/// Whether every path goes on from an element in the same run.
fn lets_all_through(facts: &Facts<'_>, at: usize) -> bool {
    !facts.begins_next_run(at) && !matches!(facts.element(at), Element::Event(_) | Element::Goal(_))
}

fn both_ways(facts: &Facts<'_>, entries: [usize; 2], at: usize) -> Option<Proof> {
    let mut story = Story::new(facts);
    for entry in entries {
        story.go(&facts.way(entry, at, |it| lets_all_through(facts, it))?)?;
        story.later(TimeDelta::hours(1));
    }
    let mail = facts.id(at);
    let twice = ExpectedMessage { run: Some(1), times: Some(2), ..message(mail) };
    Some(story.shows(format!("`{mail}` was sent twice."), sent(twice)))
}

pub(super) static REMINDER_IS_MARKETING_PAGE: LintPage = LintPage {
    code: "D402",
    what: "An e-mail that leaves at a date timer before a date, and whose purpose is `marketing`.",
    why: "Marketing mail goes to subscribed contacts only and waits for `email_time` (R32). Who \
          has unsubscribed from a newsletter and has an appointment is not reminded of it.",
    example: r#"
id: seats
sender: { address: hello@studio-nord.example }
per: seat
objects: { seat: { fields: { begins: { type: datetime } } } }
elements:
  booked: { type: start, when: { field: begins, is: future }, next: confirm }
  confirm: { type: email, email: confirm, next: hour_before }
  hour_before: { type: date_timer, field: begins, offset: -1 hour, next: remind }
  remind: { type: email, email: remind }
emails:
  confirm: { purpose: transactional, subject: See you, text: You have a seat. }
  remind: { subject: In an hour, text: It begins soon. }
"#,
    mended: r#"
id: seats
sender: { address: hello@studio-nord.example }
per: seat
objects: { seat: { fields: { begins: { type: datetime } } } }
elements:
  booked: { type: start, when: { field: begins, is: future }, next: confirm }
  confirm: { type: email, email: confirm, next: hour_before }
  hour_before: { type: date_timer, field: begins, offset: -1 hour, next: remind }
  remind: { type: email, email: remind }
emails:
  confirm: { purpose: transactional, subject: See you, text: You have a seat. }
  remind: { purpose: transactional, subject: In an hour, text: It begins soon. }
"#,
    limits: "Only the e-mail directly behind the timer, or behind a condition there, is looked at; \
             no fixed date, since a sale ends for nobody in particular; and nothing before a \
             birthday, or more than two weeks before a date. `purpose: marketing` written out is \
             taken as meant. The edit is not applied by `--fix`: what is transactional is yours to \
             say.",
};

pub(super) fn reminder_is_marketing(
    facts: &Facts<'_>,
    _: &AllFacts<'_>,
    found: &mut LintFindings<'_>,
) {
    for (timer, of) in facts.timers() {
        if !reminds(facts, of) {
            continue;
        }
        let Some(first) = facts.edge(timer, "next") else { continue };
        let passes = |at: usize| matches!(facts.element(at), Element::Condition(_));
        let mut behind = facts.reached(first, passes);
        behind[first] = true;
        for at in (0..facts.len()).filter(|at| behind[*at]) {
            let Element::Email(send) = facts.element(at) else { continue };
            let Some(email) = facts.document.emails.get(&send.email) else { continue };
            let path = path_of_email(&send.email);
            let LintedCampaign { text, source } = found.given;
            let places = &source.places;
            if email.purpose == Purpose::Transactional || places.has(&path.key("purpose")) {
                continue;
            }
            let id = facts.id(at);
            let message = format!(
                "`{id}` reminds of a date, but is marketing: who has unsubscribed is not reminded"
            );
            let remedy = "write `purpose: transactional`, if it is nothing but the reminder";
            let place = places.of_key(&path.key("subject"));
            let finding = found.add(At::Email(&send.email), message, remedy);
            finding.element = Some(id.to_string());
            let written = "purpose: transactional";
            finding.edit = Some(beside(text, place, "make it transactional", written));
            finding.proof = unsubscribed(facts, timer, at);
        }
    }
}

/// Somebody who has unsubscribed comes to the timer.
fn unsubscribed(facts: &Facts<'_>, timer: usize, at: usize) -> Option<Proof> {
    let way = Story::new(facts).to(timer)?;
    let mut story = Story::new(facts);
    story.go(&facts.on_time(way, at)?)?;
    let mail = facts.id(at);
    let shows = format!("She has unsubscribed, and `{mail}` was not sent.");
    let end = story.now() + TimeDelta::days(9);
    let mut proof = story.shows_until(end, shows, not_sent(message(mail)));
    let post = Post::new().with("consent", json!("unsubscribed"));
    let at = proof.scenario.then.first().and_then(|step| step.at);
    proof.scenario.then.insert(0, ScenarioStep { at, post: Some(post), ..ScenarioStep::default() });
    Some(proof)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{findings, silent, trips};

    #[test]
    fn r6_d401_starts_that_exclude_each_other_are_left_alone() {
        let campaign = super::SENT_TWICE_IN_A_RUN_PAGE.example;
        let excluded = campaign
            .replace("{ tag: Customer }", "{ all: [{ tag: Customer }, { not: { tag: Lead } }] }");
        silent("D401", &excluded);
    }

    #[test]
    fn r8_d401_a_goal_lets_one_path_through() {
        silent(
            "D401",
            "id: a\nelements:\n  a: { type: start, when: { tag: A }, next: g }\n  \
             b: { type: start, when: { tag: B }, next: g }\n  \
             g: { type: goal, when: { tag: C }, next: m }\n  m: { type: email, email: m }\n\
             emails: { m: { subject: S, text: T } }\n",
        );
    }

    #[test]
    fn r32_d402_what_leaves_long_before_a_date_or_before_a_birthday_is_no_reminder() {
        let campaign = super::REMINDER_IS_MARKETING_PAGE.example;
        trips("D402", &campaign.replace("-1 hour", "-2 weeks"), &["remind"]);
        silent("D402", &campaign.replace("-1 hour", "-30 weeks"));
        let coupon = |field: &str| {
            format!(
                "id: coupon\nsender: {{ address: a@b.example }}\n\
                 fields: {{ {field}: {{ type: date }} }}\nelements:\n  \
                 known: {{ type: start, when: {{ field: {field}, is: set }}, next: before }}\n  \
                 before: {{ type: date_timer, field: {field}, offset: -1 week, next: m }}\n  \
                 m: {{ type: email, email: m }}\nemails: {{ m: {{ subject: S, text: T }} }}\n"
            )
        };
        trips("D402", &coupon("visit"), &["m"]);
        trips("D304", &coupon("visit"), &["known"]);
        silent("D402", &coupon("birthday"));
        silent("D304", &coupon("birthday"));
    }

    #[test]
    fn r32_d402_marketing_that_is_written_is_meant() {
        let campaign = super::REMINDER_IS_MARKETING_PAGE.example;
        trips("D402", campaign, &["remind"]);
        silent(
            "D402",
            &campaign.replace("remind: { subject", "remind: { purpose: marketing, subject"),
        );
        let found = findings(campaign);
        let edits = found.iter().filter_map(|finding| finding.edit.as_ref());
        let (mended, _) = crate::fix::apply_edits(campaign, edits);
        assert_eq!(mended, super::REMINDER_IS_MARKETING_PAGE.mended);
    }
}

//! What is said of a contact, case by case. The stories are played on the engine's world in memory.
//!
//! `UPDATE_EXPECT=1` writes what is expected anew, with `--test-threads=1`.

mod standing;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dacapo_engine::account::Account;
use dacapo_engine::campaign::reader::read;
use dacapo_engine::condition::Judged;
use dacapo_engine::contact::{Author, Consent, Patch, Suppression};
use dacapo_engine::decide::Situation;
use dacapo_engine::field::FieldType;
use dacapo_engine::history::Command;
use dacapo_engine::ids::{CampaignId, ContactId, FieldKey, Tag};
use dacapo_engine::simulation::{Observed, World};
use dacapo_engine::statistics::Outcome;
use dacapo_engine::time::{Instant, Zone};
use expect_test::{Expect, expect};

use super::{ExplainedMessage, Explanation, ExplanationInput, Remembered, explain};

const LOOP: &str = "
id: meeting
fields: { appointment: { type: datetime } }
settings: { max_runs_per_day: 2 }
elements:
  lead: { type: start, when: { all: [{ tag: Lead }, { not: { tag: Customer } }] }, next: invite }
  invite: { type: email, email: invite, next: two_days }
  two_days: { type: wait, for: 2 days, next: booked }
  booked: { type: event, on: { tag_added: Booked }, next: hour_before }
  hour_before: { type: date_timer, field: appointment, offset: -1 hour, next: remind }
  remind: { type: email, email: remind, next: kept }
  kept: { type: goal, when: { tag: Kept }, next: again }
  again: { type: restart }
emails:
  invite: { purpose: marketing, subject: Meet, text: Meet }
  remind: { purpose: transactional, subject: Remind, text: Remind }
";

struct Story(World);

impl Story {
    fn of(text: &str) -> Self {
        let account = Account { zone: Zone::UTC, locale: "en".to_owned(), sent_until: None };
        let mut world = World::new(account, instant("2026-12-01 09:00"));
        world.publish(read(text).expect("a campaign").document, false, false);
        let mut story = Self(world);
        story.write(&[("email", "ann@example.com")], &[], &[]);
        story
    }

    fn write(&mut self, fields: &[(&str, &str)], add: &[&str], remove: &[&str]) -> &mut Self {
        let tags =
            |names: &[&str]| names.iter().map(|name| Tag::new(name).expect("a tag")).collect();
        let value = |key: &str, text: &str| {
            let kind = if key == "appointment" || key == "starts_at" {
                FieldType::Datetime
            } else {
                FieldType::Text
            };
            let value = kind.read(&text.into(), Zone::UTC).expect("a value");
            (FieldKey::new(key).expect("a key"), value)
        };
        let fields: BTreeMap<_, _> = fields.iter().map(|(key, text)| value(key, text)).collect();
        self.patch(&Patch { add: tags(add), remove: tags(remove), fields, ..Patch::default() })
    }

    fn patch(&mut self, patch: &Patch) -> &mut Self {
        self.0.write(&ann(), patch, zapier());
        self.0.settle();
        self
    }

    fn add(&mut self, tag: &str) -> &mut Self {
        self.write(&[], &[tag], &[])
    }

    fn at(&mut self, local: &str) -> &mut Self {
        self.0.advance_to(instant(local));
        self
    }

    fn by_hand(&mut self, command: Command) -> &mut Self {
        self.0.by_hand(&ann(), &CampaignId::new("meeting").expect("an id"), command, zapier());
        self.0.settle();
        self
    }

    fn explained(&self, subject: &ContactId, campaign: &str) -> Explanation {
        let id = CampaignId::new(campaign).expect("an id");
        let contact = self.0.contact(subject).expect("a contact");
        let enrollment = self.0.enrollment(subject, &id);
        let statuses = |other: &CampaignId| Some(self.0.enrollment(subject, other)?.status);
        let mut history = Vec::new();
        let mut messages = Vec::new();
        for one in self.0.observed.iter().rev() {
            match one {
                Observed::History(who, of, record) if who == subject && *of == id => {
                    history.push(Remembered::Decided(record.clone()));
                }
                Observed::Nothing(who, trace) if who == subject => {
                    history.push(Remembered::Nothing(trace.clone()));
                }
                Observed::Message(sent) if sent.contact == *subject && sent.campaign == id => {
                    messages.push(ExplainedMessage {
                        at: sent.at,
                        run: sent.run,
                        element: sent.element.clone(),
                        status: sent.outcome.word(),
                        reason: sent.reason.clone(),
                    });
                }
                _ => {}
            }
        }
        let person = subject.is_object().then(|| self.0.contact(&subject.person())).flatten();
        explain(&ExplanationInput {
            situation: Situation {
                account: &self.0.account,
                campaign: self.0.campaign(&id).expect("a campaign"),
                contact,
                person,
                baseline: contact.rev,
                enrollment,
                statuses: &statuses,
                is_image: false,
                now: self.0.now(),
            },
            paused_until: None,
            history: &history,
            messages: &messages,
        })
    }

    fn says(&mut self, expected: &Expect) -> &mut Self {
        expected.assert_eq(&as_text(&self.explained(&ann(), "meeting")));
        self
    }
}

fn ann() -> ContactId {
    ContactId::new("ann").expect("an id")
}

fn zapier() -> Author {
    Author::ApiKey("zapier".to_owned())
}

fn instant(local: &str) -> Instant {
    let local = chrono::NaiveDateTime::parse_from_str(local, "%Y-%m-%d %H:%M").expect("a time");
    local.and_utc()
}

fn at(at: Option<Instant>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.format("%m-%d %H:%M").to_string())
}

/// An explanation as text: each sentence a line, then the data.
fn as_text(of: &Explanation) -> String {
    let mut text = of.summary.replace(". ", ".\n") + "\n";
    let status = of.status.map_or("none", |status| status.word());
    let _ = writeln!(text, "-- {status} run {:?} since {}", of.run.unwrap_or(0), at(of.since));
    for place in &of.places {
        let _ = writeln!(
            text,
            "at {} since {} due {}",
            place.element,
            at(Some(place.since)),
            at(place.due)
        );
    }
    for next in &of.next {
        let element = next.element.as_ref().map_or("-", |id| id.as_str());
        let _ = writeln!(text, "next {} {element}: {}", at(next.at), next.text);
    }
    for start in &of.starts {
        let _ = writeln!(text, "start {}", start.element);
        tree(&start.condition, 1, &mut text);
    }
    for parked in &of.parked {
        let element = parked.element.as_ref().map_or("-", |id| id.as_str());
        let _ = writeln!(text, "parked {} {element}: {}", at(parked.until), parked.because);
    }
    for message in &of.last_messages {
        let reason = message.reason.as_deref().unwrap_or("-");
        let when = at(Some(message.at));
        let _ = writeln!(text, "message {when} {} {}: {reason}", message.element, message.status);
    }
    for change in &of.last_changes {
        let (mark, came) = match (&change.effect, &change.why_not) {
            (Some(effect), _) => ("effect", effect.as_str()),
            (None, why_not) => ("nothing", why_not.as_deref().unwrap_or("-")),
        };
        let _ = writeln!(text, "change {} {}\n  {mark}: {came}", at(Some(change.at)), change.text);
    }
    text
}

fn tree(judged: &Judged, depth: usize, text: &mut String) {
    let mark = if judged.holds { "+" } else { "-" };
    let _ =
        writeln!(text, "{}{mark} {} since {}", "  ".repeat(depth), judged.text, at(judged.since));
    judged.parts.iter().for_each(|part| tree(part, depth + 1, text));
}

#[test]
fn r61_who_was_never_in_it_is_told_what_the_start_is_missing() {
    let mut story = Story::of(LOOP);
    story.at("2026-12-02 10:00").write(&[], &["Customer", "Lead"], &[]);
    story.at("2026-12-03 10:00").write(&[], &[], &["Lead"]);
    story.says(&expect![[r#"
        The contact ann@example.com has never been in the campaign meeting.
        `lead` has not started it: missing is the tag Lead (not so since Dec 3, 2026, 10:00 AM (UTC)), and no tag Customer (not so since Dec 2, 2026, 10:00 AM (UTC)).
        The last change did nothing here (tag Lead was removed by API key zapier): `lead` is missing the tag Lead, no tag Customer.
        -- none run 0 since -
        next - lead: it enters once this holds: the tag Lead and no tag Customer
        next - booked: it enters once the tag Booked is added (`tag_added`)
        start lead
          - the tag Lead and no tag Customer since -
            - the tag Lead since 12-03 10:00
            - no tag Customer since 12-02 10:00
              + the tag Customer since 12-02 10:00
        change 12-03 10:00 tag Lead was removed by API key zapier
          nothing: `lead` is missing the tag Lead, no tag Customer
        change 12-02 10:00 tag Customer was added, tag Lead was added by API key zapier
          nothing: `lead` is missing no tag Customer
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
}

#[test]
fn r61_a_start_that_holds_and_was_not_looked_at_is_told_so() {
    let mut story = Story::of("id: other\nelements:\n  a: { type: start, when: { tag: Never } }\n");
    story.add("Lead").at("2026-12-02 10:00");
    story.0.publish(read(LOOP).expect("a campaign").document, false, false);
    story.says(&expect![[r#"
        The contact ann@example.com has never been in the campaign meeting.
        The condition of `lead` holds, but it is looked at only when something that it reads changes: a tag that is assigned again is enough.
        The last change did nothing here (tag Lead was added by API key zapier): nothing in this campaign reacted to it.
        -- none run 0 since -
        next - lead: it enters with the next change of what the start reads, since its condition holds
        next - booked: it enters once the tag Booked is added (`tag_added`)
        start lead
          + the tag Lead and no tag Customer since -
            + the tag Lead since 12-01 09:00
            + no tag Customer since -
              - the tag Customer since -
        change 12-01 09:00 tag Lead was added by API key zapier
          nothing: nothing in this campaign reacted to it
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
}

#[test]
fn r61_where_it_is_since_when_and_why_and_what_comes_next() {
    let mut story = Story::of(LOOP);
    story.add("Lead").says(&expect![[r#"
        The contact ann@example.com is in run 1 of the campaign meeting, since Dec 1, 2026, 9:00 AM (UTC), because tag Lead was added by API key zapier.
        At `two_days` since Dec 1, 2026, 9:00 AM (UTC) (because the message was settled): it waits until Dec 3, 2026, 9:00 AM (UTC).
        Next, Dec 3, 2026, 9:00 AM (UTC): at `two_days` it goes on to `booked`.
        -- active run 1 since 12-01 09:00
        at two_days since 12-01 09:00 due 12-03 09:00
        next 12-03 09:00 two_days: it goes on to `booked`
        next - booked: once the tag Booked is added (`tag_added`), it leaves `two_days` for `booked`
        next - kept: once this holds: the tag Kept, it leaves `two_days` for `kept`
        message 12-01 09:00 invite sent: -
        change 12-01 09:00 tag Lead was added by API key zapier
          effect: `lead` entered the campaign; `invite` message on its way
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
    story.at("2026-12-04 08:00").says(&expect![[r#"
        The contact ann@example.com is in run 1 of the campaign meeting, since Dec 1, 2026, 9:00 AM (UTC), because tag Lead was added by API key zapier.
        At `booked` since Dec 3, 2026, 9:00 AM (UTC) (because the timer came due): it waits until the tag Booked is added (`tag_added`).
        -- active run 1 since 12-01 09:00
        at booked since 12-03 09:00 due -
        next - booked: once the tag Booked is added (`tag_added`), it goes on to `hour_before`
        next - kept: once this holds: the tag Kept, it leaves `booked` for `kept`
        message 12-01 09:00 invite sent: -
        change 12-01 09:00 tag Lead was added by API key zapier
          effect: `lead` entered the campaign; `invite` message on its way
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
    story.write(&[("appointment", "2026-12-09 14:00")], &["Booked"], &[]).says(&expect![[r#"
        The contact ann@example.com is in run 1 of the campaign meeting, since Dec 1, 2026, 9:00 AM (UTC), because tag Lead was added by API key zapier.
        At `hour_before` since Dec 4, 2026, 8:00 AM (UTC) (because tag Booked was added, field appointment was set by API key zapier): it waits until Dec 9, 2026, 1:00 PM (UTC), which follows the date in the field appointment.
        Next, Dec 9, 2026, 1:00 PM (UTC): at `hour_before` it goes on to `remind`.
        -- active run 1 since 12-01 09:00
        at hour_before since 12-04 08:00 due 12-09 13:00
        next 12-09 13:00 hour_before: it goes on to `remind`
        next - kept: once this holds: the tag Kept, it leaves `hour_before` for `kept`
        message 12-01 09:00 invite sent: -
        change 12-04 08:00 tag Booked was added, field appointment was set by API key zapier
          effect: `booked` the event happened; `hour_before` timer set for Dec 9, 2026, 1:00 PM (UTC)
        change 12-01 09:00 tag Lead was added by API key zapier
          effect: `lead` entered the campaign; `invite` message on its way
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
}

#[test]
fn r61_a_change_that_does_nothing_is_told_why() {
    let mut story = Story::of("id: other\nelements:\n  a: { type: start, when: { tag: Never } }\n");
    story.add("Booked").at("2026-12-02 08:00");
    story.0.publish(read(LOOP).expect("a campaign").document, false, false);
    story.at("2026-12-02 09:00").add("Lead");
    // *Booked* was assigned already, and `booked` reacts to `tag_added`.
    story.at("2026-12-03 08:00").add("Booked");
    story.at("2026-12-03 09:00").add("Unread").says(&expect![[r#"
        The contact ann@example.com is in run 1 of the campaign meeting, since Dec 2, 2026, 9:00 AM (UTC), because tag Lead was added by API key zapier.
        At `two_days` since Dec 2, 2026, 9:00 AM (UTC) (because the message was settled): it waits until Dec 4, 2026, 9:00 AM (UTC).
        Next, Dec 4, 2026, 9:00 AM (UTC): at `two_days` it goes on to `booked`.
        The last change did nothing here (tag Unread was added by API key zapier): nothing in this campaign reacted to it.
        -- active run 1 since 12-02 09:00
        at two_days since 12-02 09:00 due 12-04 09:00
        next 12-04 09:00 two_days: it goes on to `booked`
        next - booked: once the tag Booked is added (`tag_added`; Booked is there already, and has to be withdrawn first), it leaves `two_days` for `booked`
        next - kept: once this holds: the tag Kept, it leaves `two_days` for `kept`
        message 12-02 09:00 invite sent: -
        change 12-03 09:00 tag Unread was added by API key zapier
          nothing: nothing in this campaign reacted to it
        change 12-03 08:00 tag Booked was assigned again by API key zapier
          nothing: `booked` reacts to `tag_added`
        change 12-02 09:00 tag Lead was added by API key zapier
          effect: `lead` entered the campaign; `invite` message on its way
        change 12-01 09:00 tag Booked was added by API key zapier
          nothing: nothing in this campaign reacted to it
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
}

#[test]
fn r61_a_change_that_did_something_in_another_campaign_only_is_told_why() {
    let mut story = Story::of(LOOP);
    let other = "id: news\nelements:\n  a: { type: start, when: { tag: Booked }, next: w }\n  \
                 w: { type: wait, for: 1 day }\n";
    story.add("Lead").at("2026-12-02 08:00").add("Booked").at("2026-12-03 08:00");
    story.0.publish(read(other).expect("a campaign").document, false, false);
    story.at("2026-12-03 09:00").add("Booked").says(&expect![[r#"
        The contact ann@example.com is in run 1 of the campaign meeting, since Dec 1, 2026, 9:00 AM (UTC), because tag Lead was added by API key zapier.
        At `hour_before` since Dec 2, 2026, 8:00 AM (UTC) (because tag Booked was added by API key zapier): it waits, since there is no date: it needs the date in the field appointment.
        The last change did nothing here (tag Booked was assigned again by API key zapier): `booked` has fired in run 1.
        -- active run 1 since 12-01 09:00
        at hour_before since 12-02 08:00 due -
        next - hour_before: once there is a date, the timer is set
        next - kept: once this holds: the tag Kept, it leaves `hour_before` for `kept`
        message 12-01 09:00 invite sent: -
        change 12-03 09:00 tag Booked was assigned again by API key zapier
          nothing: `booked` has fired in run 1
        change 12-02 08:00 tag Booked was added by API key zapier
          effect: `booked` the event happened; `hour_before` no date, waits for one
        change 12-01 09:00 tag Lead was added by API key zapier
          effect: `lead` entered the campaign; `invite` message on its way
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
}

#[test]
fn r61_a_message_that_was_not_sent_names_the_check_that_stopped_it() {
    let mut story = Story::of(LOOP);
    story.patch(&Patch { consent: Some(Consent::Unsubscribed), ..Patch::default() });
    story.add("Lead").says(&expect![[r#"
        The contact ann@example.com is in run 1 of the campaign meeting, since Dec 1, 2026, 9:00 AM (UTC), because tag Lead was added by API key zapier.
        At `two_days` since Dec 1, 2026, 9:00 AM (UTC) (because the message was due): it waits until Dec 3, 2026, 9:00 AM (UTC).
        Next, Dec 3, 2026, 9:00 AM (UTC): at `two_days` it goes on to `booked`.
        The last message, at `invite`, was not sent (Dec 1, 2026, 9:00 AM (UTC)): the contact unsubscribed.
        -- active run 1 since 12-01 09:00
        at two_days since 12-01 09:00 due 12-03 09:00
        next 12-03 09:00 two_days: it goes on to `booked`
        next - booked: once the tag Booked is added (`tag_added`), it leaves `two_days` for `booked`
        next - kept: once this holds: the tag Kept, it leaves `two_days` for `kept`
        message 12-01 09:00 invite suppressed: the contact unsubscribed
        change 12-01 09:00 tag Lead was added by API key zapier
          effect: `lead` entered the campaign; `invite` message on its way
        change 12-01 09:00 consent was changed by API key zapier
          nothing: nothing in this campaign reacted to it
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
    let bounced = Some(Some(Suppression::Bounced));
    story.patch(&Patch { suppressed: bounced, ..Patch::default() });
    story.0.mail_service = Outcome::Failed;
    story.write(&[("appointment", "2026-12-09 14:00")], &["Booked"], &[]);
    story.at("2026-12-09 13:30").says(&expect![[r#"
        The contact ann@example.com is in run 1 of the campaign meeting, since Dec 1, 2026, 9:00 AM (UTC), because tag Lead was added by API key zapier.
        At `kept` since Dec 9, 2026, 1:00 PM (UTC) (because the message was due): it waits for the goal, which is missing the tag Kept.
        The last message, at `remind`, was not sent (Dec 9, 2026, 1:00 PM (UTC)): the address bounced.
        -- active run 1 since 12-01 09:00
        at kept since 12-09 13:00 due -
        next - kept: once this holds: the tag Kept, it goes on to `again`
        message 12-09 13:00 remind suppressed: the address bounced
        message 12-01 09:00 invite suppressed: the contact unsubscribed
        change 12-01 09:00 tag Booked was added, field appointment was set by API key zapier
          effect: `booked` the event happened; `hour_before` timer set for Dec 9, 2026, 1:00 PM (UTC)
        change 12-01 09:00 consent was changed by API key zapier
          nothing: nothing in this campaign reacted to it
        change 12-01 09:00 tag Lead was added by API key zapier
          effect: `lead` entered the campaign; `invite` message on its way
        change 12-01 09:00 consent was changed by API key zapier
          nothing: nothing in this campaign reacted to it
        change 12-01 09:00 field email was set by API key zapier
          nothing: nothing in this campaign reacted to it
    "#]]);
}

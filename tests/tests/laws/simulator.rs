//! The simulator plays what really happens: for random campaigns that pass validation, its journey
//! is step by step that of an embedded Dacapo on SQLite, behind its API.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use dacapo_authoring::campaigns::together;
use dacapo_authoring::journey::Journey;
use dacapo_authoring::scenario::{Moment, Post, Scenario, ScenarioStep, Until, ZoneName};
use dacapo_authoring::simulate::{Bounds, Surroundings, simulate};
use dacapo_engine::contact::Consent;
use dacapo_engine::history::Command;
use dacapo_engine::ids::FieldKey;
use dacapo_engine::time::{Instant, Span, Zone};
use dacapo_tests::host::{Call, Host as _, InProcess};
use dacapo_tests::journey::{
    Change, Deed, Harness as _, HttpHarness, Observation, Publish, Script, address,
};
use proptest::prelude::*;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::check_seeded;
use crate::documents::{CUSTOM, Recipe, TAGS, recipes, text_without_webhooks};
use crate::stories::{CONTACTS, campaign_id, dawn, span};

/// How long is looked on after the last act.
const LOOK: i64 = 8;

/// One runtime for all embedded ones.
static RUNTIME: LazyLock<Arc<Runtime>> = LazyLock::new(|| Arc::new(Runtime::new().unwrap()));

/// One thing that happens, so long after the one before.
#[derive(Debug, Clone)]
struct Act {
    after: u8,
    contact: u8,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Change([u8; 4]),
    ByHand(u8, u8),
    Release(u8),
    Pause(u8),
    Resume(u8, bool),
}

#[derive(Debug, Clone)]
struct Case {
    recipes: [Recipe; 2],
    acts: Vec<Act>,
}

fn cases() -> impl Strategy<Value = Case> {
    let what = prop_oneof![
        14 => any::<[u8; 4]>().prop_map(What::Change),
        2 => any::<(u8, u8)>().prop_map(|(command, campaign)| What::ByHand(command, campaign)),
        1 => any::<u8>().prop_map(What::Release),
        1 => any::<u8>().prop_map(What::Pause),
        2 => any::<(u8, bool)>().prop_map(|(campaign, skip)| What::Resume(campaign, skip)),
    ];
    let contact = prop_oneof![4 => Just(0), 1 => Just(1)];
    let act = (any::<u8>(), contact, what).prop_map(|(after, contact, what)| Act {
        after,
        contact,
        what,
    });
    (recipes(), recipes(), prop::collection::vec(act, 1..8))
        .prop_map(|(one, two, acts)| Case { recipes: [one, two], acts })
}

/// R1 to R53, as far as a scenario can say what happens.
fn the_simulator_plays_what_an_embedded_dacapo_does(seed: u64) {
    let compared = Cell::new(0);
    check_seeded(seed, 700, &cases(), |case| {
        compared.set(compared.get() + u32::from(case.is_the_same()));
    });
    assert!(compared.get() >= 500, "only {} of 700 cases could be compared", compared.get());
}

#[test]
fn the_simulator_plays_what_an_embedded_dacapo_does_1() {
    the_simulator_plays_what_an_embedded_dacapo_does(1);
}

#[test]
fn the_simulator_plays_what_an_embedded_dacapo_does_2() {
    the_simulator_plays_what_an_embedded_dacapo_does(2);
}

#[test]
fn the_simulator_plays_what_an_embedded_dacapo_does_3() {
    the_simulator_plays_what_an_embedded_dacapo_does(3);
}

#[test]
fn the_simulator_plays_what_an_embedded_dacapo_does_4() {
    the_simulator_plays_what_an_embedded_dacapo_does(4);
}

impl Case {
    /// Compares both. `false` if several messages of one campaign leave at one instant: they are
    /// sent side by side, and whether a reset behind the first still stops the second is chance.
    fn is_the_same(&self) -> bool {
        let texts: Vec<(String, String)> = (0..)
            .zip(&self.recipes)
            .map(|(nth, recipe)| {
                (campaign_id(nth).to_string(), text_without_webhooks(usize::from(nth), recipe))
            })
            .collect();
        let (real, ids) = self.embedded(&texts);
        let simulated = Told::of_journey(&self.simulated(&texts, &ids), &ids);
        if simulated.has_messages_side_by_side() {
            return false;
        }
        assert_eq!(
            format!("{simulated:#?}"),
            format!("{real:#?}"),
            "left is simulated, right is real: {self:#?}\n{}\n{}",
            texts[0].1,
            texts[1].1
        );
        true
    }

    /// The journey of an embedded Dacapo, and the ids that it has made.
    fn embedded(&self, texts: &[(String, String)]) -> (Told, BTreeMap<String, String>) {
        let host = InProcess::in_memory(Arc::clone(&RUNTIME));
        let mut harness = HttpHarness::on(host, false);
        let script = Script { zone: Zone::Europe__Berlin, fields: Vec::new(), lines: Vec::new() };
        harness.begin(&script, dawn()).unwrap();
        let publishes = (0..).zip(texts).map(|(nth, (_, document))| Publish {
            campaign: campaign_id(nth),
            document: document.clone(),
            migrate: false,
            enroll_existing: false,
        });
        let publishes: Vec<Publish> = publishes.collect();
        // Campaigns that name each other must exist before one of them is published.
        for publish in &publishes {
            let path = format!("/v1/campaigns/{}", publish.campaign);
            let call = Call::post(&path, &publish.document).method("PUT").of("application/yaml");
            let key = harness.host().admin_key().to_owned();
            harness.host().ask(&call.by(&key)).unwrap();
        }
        for publish in publishes {
            harness.apply(&Deed::Publish(publish)).unwrap();
        }
        let mut ids = BTreeMap::new();
        for name in CONTACTS {
            harness.apply(&Deed::Change(name.to_owned(), Change::default())).unwrap();
            harness.settle().unwrap();
            let path = format!("/v1/contacts/email:{}", address(name));
            let key = harness.host().admin_key().to_owned();
            let contact = harness.host().ask(&Call::get(&path).by(&key)).unwrap();
            ids.insert(contact["id"].as_str().unwrap().to_owned(), name.to_owned());
        }
        let mut now = dawn();
        for act in &self.acts {
            now += span(act.after);
            harness.apply(&Deed::ClockTo(now)).unwrap();
            let applied = harness.apply(&act.deed(now));
            // Nobody is released who was never there.
            let nobody = matches!(&applied, Err(error) if error.contains("/release: 404:"));
            assert!(applied.is_ok() || nobody, "{applied:?}");
            harness.settle().unwrap();
        }
        harness.apply(&Deed::ClockTo(Span::days(LOOK).after(now, Zone::Europe__Berlin))).unwrap();
        let mut told = Told::default();
        for observation in harness.observations().unwrap() {
            match observation {
                Observation::History(line) => told.line(
                    (&line.contact, &line.campaign),
                    &format!(
                        "{} run {} at {:?}: {} ({})",
                        line.at, line.run, line.element, line.text, line.cause
                    ),
                ),
                Observation::NoEffect(nothing) => told.nothing(
                    &nothing.contact,
                    &format!("{}: {} ({})", nothing.at, nothing.text, nothing.cause),
                ),
                Observation::Mail(mail) => told.mail(format!(
                    "{} to {} at {} run {}: {:?} {} {}",
                    mail.at,
                    mail.contact,
                    mail.element,
                    mail.run,
                    mail.outcome,
                    mail.reason,
                    mail.subject
                )),
                Observation::Called(..) | Observation::Ignored(_) => {}
            }
        }
        for name in CONTACTS {
            for state in harness.enrollment_states(name).unwrap() {
                told.end.push(format!(
                    "{name} in {}: run {}, {}, at {:?}, parked {:?}, {:?}",
                    state.campaign,
                    state.run,
                    state.status,
                    state.tokens,
                    state.parked,
                    state.parked_entries
                ));
            }
        }
        told.in_order();
        (told, ids)
    }

    /// The journey of the simulator, with the ids of the real contacts: splits draw by them.
    fn simulated(&self, texts: &[(String, String)], ids: &BTreeMap<String, String>) -> Journey {
        let together = together(texts, &Surroundings::default()).unwrap();
        let contacts = ids.iter().map(|(id, name)| {
            let posted = Change::of_somebody_new(name);
            let posted = posted.iter().map(|(key, value)| ((*key).to_owned(), json!(value)));
            (id.clone(), Post(posted.collect()))
        });
        let contacts = contacts.collect();
        let mut now = dawn();
        let then = self.acts.iter().map(|act| {
            now += span(act.after);
            act.step(now, ids)
        });
        let then = then.collect();
        let scenario = Scenario {
            at: Some(Moment::Exact(dawn())),
            time_zone: Some(ZoneName(Zone::Europe__Berlin)),
            contacts,
            then,
            until: Some(Until::For(Span::days(LOOK))),
            ..Scenario::default()
        };
        let bounds = Bounds::default();
        simulate(&together.documents, &scenario, &Surroundings::default(), &bounds).unwrap()
    }
}

impl Act {
    fn name(&self) -> &'static str {
        CONTACTS[usize::from(self.contact) % CONTACTS.len()]
    }

    fn command(command: u8) -> Command {
        [Command::Start, Command::Reset, Command::Stop][usize::from(command) % 3]
    }

    fn deed(&self, now: Instant) -> Deed {
        let name = self.name().to_owned();
        match &self.what {
            What::Change(bytes) => Deed::Change(name, change(now, *bytes)),
            What::ByHand(command, campaign) => {
                Deed::ByHand(Self::command(*command), name, campaign_id(*campaign))
            }
            What::Release(campaign) => Deed::Release(name, campaign_id(*campaign)),
            What::Pause(campaign) => Deed::Pause { campaign: campaign_id(*campaign), until: None },
            What::Resume(campaign, skip) => Deed::Resume {
                campaign: campaign_id(*campaign),
                skip: *skip,
                enroll_existing: false,
            },
        }
    }

    fn step(&self, now: Instant, ids: &BTreeMap<String, String>) -> ScenarioStep {
        let (id, _) = ids.iter().find(|(_, name)| *name == self.name()).unwrap();
        let mut step = ScenarioStep {
            at: Some(Moment::Exact(now)),
            contact: Some(id.clone()),
            ..ScenarioStep::default()
        };
        match self.deed(now) {
            Deed::Change(_, Change { event: Some(event), .. }) => step.event = Some(event),
            Deed::Change(_, change) => {
                let mut post = Post::new()
                    .tags(change.add.iter().map(String::as_str))
                    .remove_tags(change.remove.iter().map(String::as_str));
                for (key, value) in &change.fields {
                    let value = if value.is_empty() { json!(null) } else { json!(value) };
                    post = post.with(key.as_str(), value);
                }
                if let Some(consent) = change.consent {
                    post = post.with("consent", json!(consent));
                    post = post.with("resubscribe", json!(consent == Consent::Subscribed));
                }
                step.post = Some(post);
            }
            Deed::ByHand(Command::Start, _, campaign) => step.start = Some(campaign),
            Deed::ByHand(Command::Stop, _, campaign) => step.stop = Some(campaign),
            Deed::ByHand(_, _, campaign) => step.reset = Some(campaign),
            Deed::Release(_, campaign) => step.release = Some(campaign),
            Deed::Pause { campaign, .. } => step.pause = Some(campaign),
            Deed::Resume { campaign, skip, .. } => {
                step.resume = Some(campaign);
                step.mode = skip.then_some(dacapo_authoring::scenario::ResumeMode::Skip);
            }
            other => panic!("{other:?}"),
        }
        step
    }
}

/// One change, as a call of the API makes it.
fn change(now: Instant, [kind, a, b, c]: [u8; 4]) -> Change {
    let tag = |byte: u8| TAGS[usize::from(byte) % TAGS.len()].to_owned();
    let field = |key: &str, value: String| {
        let value = if b.is_multiple_of(4) { String::new() } else { value };
        vec![(FieldKey::new(key).unwrap(), value)]
    };
    let mut change = Change::default();
    match kind % 13 {
        0..=3 => change.add.push(tag(a)),
        4 => change.remove.push(tag(a)),
        5 => {
            change.add.push(tag(a));
            change.remove.push(tag(b));
        }
        6 | 7 => {
            let to = [-120, 5, 60, 90, 24 * 60, 25 * 60, 50 * 60, 72 * 60][usize::from(a) % 8];
            change.fields = field("due", (now + chrono::TimeDelta::minutes(to)).to_rfc3339());
        }
        8 => {
            let day = now.date_naive() + chrono::TimeDelta::days(i64::from(a % 4) - 1);
            change.fields = field("day", day.to_string());
        }
        9 => change.fields = field("score", (a % 3).to_string()),
        10 => change.fields = field("note", ["yes", "no"][usize::from(a) % 2].to_owned()),
        11 => {
            change.event = Some(CUSTOM.to_owned());
            return change;
        }
        _ if a.is_multiple_of(3) => {
            let zone = ["America/New_York", "Asia/Kolkata"][usize::from(a) % 2];
            change.fields = field("time_zone", zone.to_owned());
        }
        _ => {
            change.consent =
                Some(if b.is_multiple_of(2) { Consent::Unsubscribed } else { Consent::Subscribed });
        }
    }
    if c.is_multiple_of(4) {
        change.add.push(tag(c / 4));
    }
    change
}

/// A journey, as far as it is visible outside and in an order that does not depend on timing.
#[derive(Debug, Default, PartialEq)]
struct Told {
    /// The history of each contact in each campaign, in its order.
    lines: BTreeMap<(String, String), Vec<String>>,
    /// Traces of each contact, in order of time.
    nothing: BTreeMap<String, Vec<String>>,
    mails: Vec<String>,
    end: Vec<String>,
}

impl Told {
    fn of_journey(journey: &Journey, ids: &BTreeMap<String, String>) -> Self {
        let name = |id: &str| ids[id].clone();
        let mut told = Self::default();
        for entry in &journey.entries {
            let (Some(contact), Some(cause)) = (&entry.contact, &entry.cause) else { continue };
            let contact = name(contact);
            if entry.kind.starts_with("nothing_") {
                told.nothing(&contact, &format!("{}: {} ({cause})", entry.at, entry.text));
                continue;
            }
            let (Some(campaign), Some(run)) = (&entry.campaign, entry.run) else { continue };
            let element = entry.element.as_ref().map(ToString::to_string);
            let line = format!("{} run {run} at {element:?}: {} ({cause})", entry.at, entry.text);
            told.line((&contact, campaign.as_str()), &line);
        }
        for mail in &journey.messages {
            told.mail(format!(
                "{} to {} at {} run {}: {:?} {} {}",
                mail.at,
                name(&mail.to),
                mail.element,
                mail.run,
                mail.outcome,
                mail.reason.as_deref().unwrap_or_default(),
                mail.subject
            ));
        }
        for standing in &journey.enrollments {
            let tokens: Vec<_> =
                standing.waits.iter().map(|it| (it.element.to_string(), it.due)).collect();
            let entries: Vec<_> = standing.parked_entries.iter().map(ToString::to_string).collect();
            told.end.push(format!(
                "{} in {}: run {}, {}, at {tokens:?}, parked {:?}, {entries:?}",
                name(&standing.contact),
                standing.campaign,
                standing.run,
                standing.status.word(),
                standing.parked
            ));
        }
        told.in_order();
        told
    }

    fn line(&mut self, (contact, campaign): (&str, &str), line: &str) {
        let of = (contact.to_owned(), campaign.to_owned());
        self.lines.entry(of).or_default().push(by_one_key(line));
    }

    fn nothing(&mut self, contact: &str, line: &str) {
        self.nothing.entry(contact.to_owned()).or_default().push(by_one_key(line));
    }

    fn mail(&mut self, line: String) {
        self.mails.push(line);
    }

    fn in_order(&mut self) {
        self.mails.sort();
        self.end.sort();
        // Those of one instant have no order that is visible outside.
        self.nothing.values_mut().for_each(|lines| lines.sort());
    }

    /// Whether ever two messages of a contact in one campaign wait for their window or are on their
    /// way.
    fn has_messages_side_by_side(&self) -> bool {
        self.lines.values().any(|lines| {
            let (mut waiting, mut on_their_way) = (0_usize, 0_usize);
            lines.iter().any(|line| {
                let Some((_, said)) = line.split_once(": message ") else { return false };
                if said.starts_with("waits") {
                    waiting += 1;
                } else if said.starts_with("on its way") {
                    let has_waited = said.ends_with("(because the timer came due)");
                    waiting = waiting.saturating_sub(usize::from(has_waited));
                    on_their_way += 1;
                } else {
                    on_their_way = on_their_way.saturating_sub(1);
                }
                waiting + on_their_way > 1
            })
        })
    }
}

/// The same as if one API key had done everything.
fn by_one_key(line: &str) -> String {
    ["zapier", "console", "admin"].iter().fold(line.to_owned(), |line, key| {
        line.replace(&format!("API key {key}"), "API key scenario")
    })
}

//! What is foreseen is what then happens; and what cannot be played again is not taken for another
//! way.

use std::collections::BTreeMap;

use dacapo_engine::account::Account;
use dacapo_engine::campaign::format::Document;
use dacapo_engine::campaign::reader::read;
use dacapo_engine::contact::{Author, Patch};
use dacapo_engine::field::{FieldType, FieldValue};
use dacapo_engine::history::{Record, Trace};
use dacapo_engine::ids::{CampaignId, ContactId, FieldKey, Tag};
use dacapo_engine::simulation::{Observed, World};
use dacapo_engine::time::Zone;
use expect_test::{Expect, expect};

use super::{Compared, Recorded, SubjectInFlight, Unplayed, again, ahead};
use crate::simulate::{LONGEST_LOOK, Surroundings};

const LOOP: &str = include_str!("../../../../examples/appointment-loop.yaml");

fn document(text: &str) -> Document {
    read(text).expect("a document").document
}

/// The example after this replacement.
fn example(old: &str, new: &str) -> Document {
    assert!(LOOP.contains(old), "the example has no {old:?}");
    document(&LOOP.replacen(old, new, 1))
}

fn world(document: Document) -> World {
    let account = Account { zone: Zone::UTC, locale: "en".to_owned(), sent_until: None };
    let mut world = World::new(account, "2026-12-01T09:00:00Z".parse().expect("an instant"));
    world.declare(FieldKey::new("email").expect("a key"), FieldType::Text);
    world.publish(document, false, false);
    world
}

fn post(world: &mut World, who: &str, tags: &[&str], fields: &[(&str, FieldValue)]) {
    let id = ContactId::new(who).expect("an id");
    let email = ("email", FieldValue::Text(format!("{who}@example.com")));
    let fields = fields.iter().chain([&email]);
    let patch = Patch {
        add: tags.iter().map(|tag| Tag::new(tag).expect("a tag")).collect(),
        fields: fields
            .map(|(key, value)| (FieldKey::new(*key).expect("a key"), Some(value.clone())))
            .collect(),
        ..Patch::default()
    };
    world.write(&id, &patch, Author::ApiKey("zapier".to_owned()));
    world.settle();
}

fn at(text: &str) -> FieldValue {
    FieldValue::Datetime(text.parse().expect("an instant"))
}

fn goes_on(world: &mut World, hours: i64) {
    world.advance_to(world.now() + chrono::TimeDelta::hours(hours));
}

/// Contacts at several places of the example: ann is invited and waits, ben has booked, cid was not
/// reached and is to book again, dan was reminded and is done.
fn at_several_places() -> World {
    let mut world = world(document(LOOP));
    post(&mut world, "dan", &["Lead"], &[]);
    post(&mut world, "dan", &["Appointment made"], &[("appointment", at("2026-12-01T12:00:00Z"))]);
    post(&mut world, "cid", &["Lead"], &[]);
    post(&mut world, "cid", &["Appointment made"], &[("appointment", at("2026-12-01T14:00:00Z"))]);
    goes_on(&mut world, 6);
    post(&mut world, "cid", &["Not reached"], &[]);
    post(&mut world, "ben", &["Lead"], &[]);
    goes_on(&mut world, 3);
    post(&mut world, "ben", &["Appointment made"], &[("appointment", at("2026-12-09T12:00:00Z"))]);
    post(&mut world, "ann", &["Lead"], &[]);
    goes_on(&mut world, 1);
    world
}

/// Somebody in flight, looked at in both ways.
fn looked_at(
    world: &World,
    who: &ContactId,
    other: &Document,
) -> (Result<Compared, Unplayed>, Result<Compared, Unplayed>) {
    let campaign = world.campaign(&other.id).expect("the campaign");
    let (mut records, mut traces): (Vec<(CampaignId, Record)>, Vec<Trace>) = Default::default();
    for observed in &world.observed {
        match observed {
            Observed::History(of, id, record) if of == who => {
                records.push((id.clone(), record.clone()));
            }
            Observed::Nothing(of, trace) if of == who => traces.push(trace.clone()),
            _ => {}
        }
    }
    let known = SubjectInFlight {
        surroundings: &Surroundings {
            account: world.account.clone(),
            fields: BTreeMap::new(),
            objects: BTreeMap::new(),
        },
        campaign,
        catalog: 1,
        subject: world.contact(who).expect("the contact"),
        person: None,
        enrollment: world.enrollment(who, &other.id).expect("an enrollment"),
        statuses: &BTreeMap::new(),
        now: world.now(),
    };
    let of = Recorded { records: &records, traces: &traces, is_all: true };
    (ahead(&known, other), again(&known, &of, other))
}

/// What is said of each in flight.
fn foreseen(world: &World, other: &Document) -> String {
    let mut lines = String::new();
    for ((who, _), enrollment) in world.enrollments() {
        if enrollment.tokens.is_empty() {
            continue;
        }
        let (ahead, again) = looked_at(world, who, other);
        for (way, compared) in [("ahead", ahead), ("again", again)] {
            let told = match compared {
                Ok(compared) if compared.is_elsewhere => compared.text(),
                Ok(_) => "the same".to_owned(),
                Err(why) => why.word().to_owned(),
            };
            lines.push_str(&format!("{who} {way}: {told}\n"));
        }
    }
    lines
}

/// What really comes of everybody in flight from now on: the messages, and where they end.
fn really(mut world: World) -> BTreeMap<ContactId, Vec<String>> {
    let now = world.now();
    world.advance_to(now + LONGEST_LOOK);
    let mut all: BTreeMap<ContactId, Vec<String>> = BTreeMap::new();
    for message in world.messages().filter(|message| message.at >= now) {
        all.entry(message.contact.clone()).or_default().push(message.element.to_string());
    }
    for ((who, _), enrollment) in world.enrollments() {
        let end = all.entry(who.clone()).or_default();
        end.push(enrollment.status.word().to_owned());
        end.extend(enrollment.tokens.iter().map(|token| token.element.to_string()));
    }
    all
}

fn check(other: &Document, expected: &Expect) {
    let world = at_several_places();
    expected.assert_eq(&foreseen(&world, other));
    // Those of whom it is said are those who then really go elsewhere.
    let mut published = world.clone();
    published.publish(other.clone(), true, false);
    let (stayed, moved) = (really(world.clone()), really(published));
    for ((who, _), enrollment) in world.enrollments() {
        if !enrollment.tokens.is_empty() {
            let said = looked_at(&world, who, other).0.expect("it is played").is_elsewhere;
            assert_eq!(said, stayed[who] != moved[who], "{who}: {stayed:?} and {moved:?}");
        }
    }
}

#[test]
fn r50_what_lies_ahead_of_some_is_changed() {
    check(
        &example(
            "two_days: { type: wait, for: 2 days, next: invite_again }",
            "two_days: { type: wait, for: 2 days, next: booked }",
        ),
        &expect![[r#"
            ann ahead: as it is: by two_days, invite_again, booked, sent invite_again, waits at booked in run 1; as it would be: by two_days, booked, waits at booked in run 1
            ann again: the same
            ben ahead: the same
            ben again: the same
            cid ahead: the same
            cid again: the same
        "#]],
    );
}

#[test]
fn r50_the_element_at_which_somebody_waits_is_gone() {
    let without = LOOP
        .replacen("confirm: { type: email, email: confirmation, next: hour_before }", "confirm: { type: email, email: confirmation }", 1)
        .replacen("  hour_before: { type: date_timer, field: appointment, offset: -1 hour, next: remind }\n", "", 1)
        .replacen("  remind: { type: email, email: reminder }\n", "", 1);
    check(
        &document(&without),
        &expect![[r#"
        ann ahead: the same
        ann again: the same
        ben ahead: as it is: by hour_before, remind, sent remind, completed in run 1; as it would be: completed in run 1
        ben again: as it is: by lead, invite, two_days, booked, confirm, hour_before, sent invite, confirm, waits at hour_before in run 1; as it would be: by lead, invite, two_days, booked, confirm, sent invite, confirm, completed in run 1
        cid ahead: the same
        cid again: the same
    "#]],
    );
}

#[test]
fn r11_what_begins_a_run_is_changed() {
    check(
        &example(
            "remove: [Appointment made, Not reached], next: sorry",
            "remove: [Appointment made, Not reached], next: booked",
        ),
        &expect![[r#"
            ann ahead: the same
            ann again: the same
            ben ahead: the same
            ben again: the same
            cid ahead: the same
            cid again: as it is: by not_reached, again, withdraw, sorry, booked, sent sorry, waits at booked in run 2; as it would be: by not_reached, again, withdraw, booked, waits at booked in run 2
        "#]],
    );
}

#[test]
fn another_time_and_another_wording_are_no_other_way() {
    check(
        &example("offset: -1 hour", "offset: -2 hours"),
        &expect![[r#"
        ann ahead: the same
        ann again: the same
        ben ahead: the same
        ben again: the same
        cid ahead: the same
        cid again: the same
    "#]],
    );
    check(
        &example("subject: \"Still time to meet\"", "subject: Hello"),
        &expect![[r#"
        ann ahead: the same
        ann again: the same
        ben ahead: the same
        ben again: the same
        cid ahead: the same
        cid again: the same
    "#]],
    );
}

#[test]
fn what_cannot_be_played_again_is_not_taken_for_another_way() {
    let text = "
id: plans
fields: { plan: text }
elements:
  gold: { type: start, when: { field: plan, equals: gold }, next: rest }
  rest: { type: wait, for: 9 days, next: over }
  over: { type: end }
";
    let mut world = world(document(text));
    let plan = |word: &str| [("plan", FieldValue::Text(word.to_owned()))];
    post(&mut world, "ann", &[], &plan("gold"));
    post(&mut world, "ann", &[], &plan("silver"));
    let other = document(&text.replace("9 days, next: over", "9 days"));
    let ann = ContactId::new("ann").expect("an id");
    assert!(looked_at(&world, &ann, &other).1.is_ok(), "the last changes are known exactly");
    for tag in ["A", "B", "C", "D"] {
        post(&mut world, "ann", &[tag], &[]);
    }
    let (ahead, again) = looked_at(&world, &ann, &other);
    assert_eq!(again.expect_err("the first value is forgotten"), Unplayed::CameOutOtherwise);
    assert!(!ahead.expect("it is played").is_elsewhere, "where it is needs no history");
}

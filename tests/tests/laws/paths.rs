//! The order of a path's steps and its counts do not depend on the order of the feed.

use chrono::TimeDelta;
use dacapo_engine::account::Account;
use dacapo_engine::campaign::reader;
use dacapo_engine::contact::Patch;
use dacapo_engine::decide::Event;
use dacapo_engine::enrollment::{Enrollment, Status};
use dacapo_engine::ids::{CampaignId, Tag};
use dacapo_engine::simulation::{SimulatedWork, World};
use dacapo_engine::time::Zone;

use crate::stories::{by, contact_id, dawn};

fn id(campaign: &str) -> CampaignId {
    CampaignId::new(campaign).unwrap()
}

/// A world with these campaigns: the id and the elements of each.
fn world(campaigns: &[(&str, &str)]) -> World {
    let account = Account { zone: Zone::Europe__Berlin, locale: "en".to_owned(), sent_until: None };
    let mut world = World::new(account, dawn());
    for (id, elements) in campaigns {
        let text = format!(
            "id: {id}
sender: {{ address: hello@studio-nord.example }}
elements:
{elements}
emails: {{ m: {{ subject: Hello, text: You }} }}
"
        );
        let read = reader::read(&text).unwrap_or_else(|problems| panic!("{problems:?}"));
        world.publish(read.document, false, false);
    }
    world
}

fn add(world: &mut World, tag: &str) {
    let patch = Patch { add: vec![Tag::new(tag).unwrap()], ..Patch::default() };
    world.write(&contact_id(0), &patch, by());
}

fn remove(world: &mut World, tag: &str) {
    let patch = Patch { remove: vec![Tag::new(tag).unwrap()], ..Patch::default() };
    world.write(&contact_id(0), &patch, by());
}

fn enrolled<'a>(world: &'a World, campaign: &str) -> &'a Enrollment {
    world.enrollment(&contact_id(0), &id(campaign)).expect("she is enrolled")
}

/// Decides the changes of contacts; the effects of decisions wait.
fn look(world: &mut World) {
    let is_contact = |work: &SimulatedWork| matches!(work, SimulatedWork::Contact { .. });
    while let Some(nth) = world.waiting().iter().position(is_contact) {
        let work = world.take_waiting(nth);
        world.perform(work);
    }
}

/// The waiting changes of contacts, and all other waiting work.
fn taken(world: &mut World) -> (Vec<SimulatedWork>, Vec<SimulatedWork>) {
    let mut taken = Vec::new();
    while !world.waiting().is_empty() {
        taken.push(world.take_waiting(0));
    }
    taken.into_iter().partition(|work| matches!(work, SimulatedWork::Contact { .. }))
}

/// One part of the feed after the other, then both once more.
fn performed(world: &mut World, parts: [&[SimulatedWork]; 2]) {
    for part in parts.into_iter().chain(parts) {
        for work in part {
            world.perform(work.clone());
        }
        world.settle();
    }
}

#[test]
fn r11_a_reset_and_the_write_after_it_come_in_their_order_whatever_the_feed_brings_first() {
    let mut before = world(&[
        ("one", "  lead: { type: start, when: { tag: T } }"),
        (
            "two",
            "  go: { type: start, when: { tag: Go }, next: anew }
  anew: { type: reset, campaign: one, next: tag }
  tag: { type: tag, add: [T] }",
        ),
    ]);
    add(&mut before, "T");
    before.settle();
    remove(&mut before, "T");
    before.settle();
    add(&mut before, "Go");
    let work = before.take_waiting(0);
    before.perform(work);
    let (contacts, others) = taken(&mut before);
    assert!(!contacts.is_empty() && !others.is_empty());
    for parts in [[&contacts[..], &others[..]], [&others[..], &contacts[..]]] {
        let mut world = before.clone();
        performed(&mut world, parts);
        let one = enrolled(&world, "one");
        assert_eq!((one.run, one.status, one.fired.len()), (2, Status::Completed, 1));
    }
}

#[test]
fn r16_a_stop_of_somebody_who_was_never_in_comes_before_the_write_that_lets_her_in() {
    let mut before = world(&[
        ("one", "  lead: { type: start, when: { tag: T } }"),
        (
            "two",
            "  go: { type: start, when: { tag: Go }, next: halt }
  halt: { type: stop_campaign, campaign: one, next: tag }
  tag: { type: tag, add: [T] }",
        ),
    ]);
    add(&mut before, "Go");
    let work = before.take_waiting(0);
    before.perform(work);
    let (contacts, others) = taken(&mut before);
    for parts in [[&contacts[..], &others[..]], [&others[..], &contacts[..]]] {
        let mut world = before.clone();
        performed(&mut world, parts);
        assert_eq!(enrolled(&world, "one").status, Status::Completed);
    }
}

#[test]
fn r11_what_was_asked_before_an_email_comes_before_the_write_after_it() {
    let mut world = world(&[
        ("one", "  lead: { type: start, when: { tag: T } }"),
        (
            "two",
            "  go: { type: start, when: { tag: Go }, next: anew }
  anew: { type: reset, campaign: one, next: mail }
  mail: { type: email, email: m, next: tag }
  tag: { type: tag, add: [T] }",
        ),
    ]);
    add(&mut world, "T");
    world.settle();
    remove(&mut world, "T");
    world.settle();
    add(&mut world, "Go");
    let work = world.take_waiting(0);
    world.perform(work);
    let effects = world.take_waiting(0);
    world.perform(effects);
    // The reset is delayed; the message leaves, and the path writes.
    let one = id("one");
    let is_asked =
        |work: &SimulatedWork| matches!(work, SimulatedWork::Event(_, asked, _) if *asked == one);
    let asked = world.waiting().iter().position(is_asked).expect("it asks");
    let asked = world.take_waiting(asked);
    world.settle();
    world.perform(asked);
    world.settle();
    let one = enrolled(&world, "one");
    assert_eq!((one.run, one.status, one.fired.len()), (2, Status::Completed, 1));
}

#[test]
fn r53_a_token_that_rested_where_an_entry_or_goal_fires_is_counted_there_once() {
    for rests in [
        "{ type: event, on: { tag_added: B }, next: done }",
        "{ type: goal, when: { tag: B }, next: done }",
    ] {
        let elements = format!(
            "  in: {{ type: start, when: {{ tag: A }}, next: rests }}
  rests: {rests}
  done: {{ type: end }}"
        );
        let mut world = world(&[("one", &elements)]);
        add(&mut world, "A");
        world.settle();
        add(&mut world, "B");
        world.settle();
        let statistics = world.statistics(&id("one"));
        assert_eq!(statistics.elements().get("rests"), Some(&(1, 0)), "{rests}");
        assert_eq!(statistics.elements().get("done"), Some(&(1, 0)), "{rests}");
    }
}

#[test]
fn r43_a_message_is_given_back_to_the_day_on_which_it_was_queued() {
    let mut world = world(&[(
        "one",
        "  first: { type: start, when: { tag: A }, next: one }
  one: { type: email, email: m, next: over }
  over: { type: event, on: { tag_added: C } }
  second: { type: start, when: { tag: B }, next: two }
  two: { type: email, email: m }",
    )]);
    add(&mut world, "A");
    look(&mut world);
    world.jump_to(dawn() + TimeDelta::days(1));
    add(&mut world, "B");
    look(&mut world);
    let today = enrolled(&world, "one").messages_on;
    assert_eq!(today.map(|count| count.count), Some(1));
    // Yesterday's message is dropped today: today's still counts.
    add(&mut world, "C");
    look(&mut world);
    assert_eq!(enrolled(&world, "one").tokens.len(), 1);
    assert_eq!(enrolled(&world, "one").messages_on, today);
}

#[test]
fn r3_what_a_decision_wrote_comes_as_a_change_of_its_own_and_is_not_lost() {
    let mut world = world(&[(
        "one",
        "  first: { type: start, when: { tag: A }, next: mark }
  mark: { type: tag, add: [M] }
  second: { type: start, when: { all: [{ tag: B }, { tag: M }] }, next: rest }
  rest: { type: wait, for: 1 day }",
    )]);
    add(&mut world, "A");
    add(&mut world, "B");
    // One decision handles both changes, before the feed delivers what it writes: B came without M.
    world.perform(SimulatedWork::Event(contact_id(0), id("one"), Event::Changed));
    assert_eq!(enrolled(&world, "one").tokens.len(), 0);
    world.settle();
    assert_eq!(enrolled(&world, "one").tokens.len(), 1);
}

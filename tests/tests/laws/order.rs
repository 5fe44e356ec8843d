//! Laws of order and repeats (R3): where the rules promise the same result, it is the same.
//!
//! Two worlds are compared without their bookkeeping: the number of decisions, and what these had
//! read.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use dacapo_engine::campaign::format::{Document, Element};
use dacapo_engine::contact::{Change, Contact};
use dacapo_engine::decide::Event;
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::history::{Cause, Line};
use dacapo_engine::ids::{CampaignId, FieldKey};
use dacapo_engine::simulation::{Observed, SimulatedWork, World};
use dacapo_engine::statistics::Tally;
use dacapo_engine::time::Instant;
use proptest::prelude::*;

use crate::check;
use crate::drive::{Drive, Key, Performed, Unwatched, Watch, contact_of, ordering_key};
use crate::stories::{Act, Story, act, by, campaigns, contact_id, patch, stories};

/// What is visible outside of a world, for these contacts.
struct Outcome {
    contacts: Vec<Contact>,
    enrollments: BTreeMap<Key, Enrollment>,
    history: BTreeMap<Key, Vec<(Instant, Cause, Line)>>,
    messages: Vec<dacapo_engine::simulation::SimulatedMessage>,
    timers: Vec<(Instant, Key, Event)>,
}

fn outcome(world: &World, of: &[u8]) -> Outcome {
    let of: Vec<_> = of.iter().map(|nth| contact_id(*nth)).collect();
    let mut history: BTreeMap<Key, Vec<(Instant, Cause, Line)>> = BTreeMap::new();
    for one in &world.observed {
        if let Observed::History(contact, campaign, record) = one
            && of.contains(contact)
        {
            let lines = record.lines.iter();
            let lines = lines.map(|line| (record.at, record.because.clone(), line.clone()));
            history.entry((contact.clone(), campaign.clone())).or_default().extend(lines);
        }
    }
    Outcome {
        contacts: of.iter().filter_map(|id| world.contact(id).cloned()).collect(),
        enrollments: world
            .enrollments()
            .filter(|(key, _)| of.contains(&key.0))
            .map(|(key, enrollment)| (key.clone(), but_bookkeeping(enrollment)))
            .collect(),
        history,
        messages: world.messages().filter(|m| of.contains(&m.contact)).cloned().collect(),
        timers: world
            .timers()
            .filter(|due| of.contains(&due.contact))
            .map(|due| (due.at, (due.contact.clone(), due.campaign.clone()), due.event.clone()))
            .collect(),
    }
}

/// The differences of two worlds.
fn assert_same(one: &Outcome, other: &Outcome) {
    assert_eq!(one.contacts, other.contacts);
    assert_eq!(one.messages, other.messages);
    let keys = one.history.keys().chain(other.history.keys());
    for key in keys {
        assert_eq!(one.history.get(key), other.history.get(key), "{key:?}");
    }
    let keys = one.enrollments.keys().chain(other.enrollments.keys());
    for key in keys {
        assert_eq!(one.enrollments.get(key), other.enrollments.get(key), "{key:?}");
    }
    assert_eq!(one.timers, other.timers);
}

fn but_bookkeeping(enrollment: &Enrollment) -> Enrollment {
    let mut kept = enrollment.clone();
    kept.rev = 0;
    kept.seen = 0;
    kept.milestones = 0;
    kept.applied = BTreeMap::new();
    // The number of the decision and the index of its effect identify repeats.
    for asked in &mut kept.commands_sent {
        (asked.rev, asked.index) = (0, 0);
    }
    // Kept only if something else was committed: it records traces for the feed (R60).
    kept.no_effect = Vec::new();
    // Without tokens it is the version that was read last: the next entry takes the newest (R50).
    if kept.tokens.is_empty() {
        kept.version = 0;
    }
    kept
}

fn counted(world: &World) -> Vec<Tally> {
    campaigns().iter().map(|campaign| world.statistics(campaign)).collect()
}

fn stories_with_repeats() -> impl Strategy<Value = Story> {
    let acts = prop_oneof![3 => act(), 1 => any::<u16>().prop_map(Act::Repeat)];
    (stories(4), prop::collection::vec(acts, 5..40))
        .prop_map(|(story, acts)| Story { acts, ..story })
}

/// A person's request is made once; no queue repeats it.
fn is_a_request(work: &SimulatedWork) -> bool {
    matches!(work, SimulatedWork::Event(_, _, Event::Released { .. } | Event::ByHand { .. }))
}

#[test]
fn r3_a_repeat_changes_nothing() {
    check(2_000, &stories_with_repeats(), |story| {
        let (mut once, mut twice) = (story.begin(), story.begin());
        for act in &story.acts {
            if let Act::Repeat(byte) = act {
                repeat(&mut once, &mut twice, usize::from(*byte));
            } else {
                story.act(act, &mut once, &mut Unwatched);
                story.act(act, &mut twice, &mut Unwatched);
            }
            assert_same(&outcome(&once.world, &[0, 1]), &outcome(&twice.world, &[0, 1]));
            assert_eq!(counted(&once.world), counted(&twice.world));
        }
        once.settle(&mut Unwatched);
        twice.settle(&mut Unwatched);
        assert_same(&outcome(&once.world, &[0, 1]), &outcome(&twice.world, &[0, 1]));
        assert_eq!(counted(&once.world), counted(&twice.world));
    });
}

/// Repeats something in the second world. Any event makes an enrollment evaluate the changes that
/// it has not seen yet, so both do that first.
fn repeat(once: &mut Drive, twice: &mut Drive, byte: usize) {
    for drive in [&mut *once, &mut *twice] {
        drive.refresh(&contact_id(0), &campaigns());
        drive.refresh(&contact_id(1), &campaigns());
    }
    twice.fire_late();
    if !twice.done.is_empty() {
        let nth = byte % twice.done.len();
        if !is_a_request(&twice.done[nth]) {
            twice.repeat(nth);
        }
    }
}

/// What happened in a story, to be replayed in part.
enum Step {
    Act(Instant, usize),
    SimulatedWork(Instant, SimulatedWork),
}

#[derive(Default)]
struct Recorder(Vec<Step>);

impl Watch for Recorder {
    fn after(&mut self, done: &Performed<'_>) {
        self.0.push(Step::SimulatedWork(done.now, done.work.clone()));
    }
}

#[test]
fn r3_the_order_between_contacts_changes_nothing() {
    check(1_200, &stories(40), |story| {
        let mut recorder = Recorder::default();
        let mut both = story.begin();
        for (nth, act) in story.acts.iter().enumerate() {
            recorder.0.push(Step::Act(both.world.now(), nth));
            story.act(act, &mut both, &mut recorder);
        }
        both.settle(&mut recorder);
        // The same without Bob.
        let ann = contact_id(0);
        let mut alone = story.begin();
        for step in &recorder.0 {
            match step {
                Step::Act(at, nth) => {
                    alone.world.jump_to(*at);
                    match &story.acts[*nth] {
                        Act::Pass(_)
                        | Act::Advance(_)
                        | Act::Work(_)
                        | Act::Fire(_)
                        | Act::Settle => {}
                        Act::Write { contact, .. } | Act::Release { contact, .. }
                            if contact_id(*contact) != ann => {}
                        act => story.act(act, &mut alone, &mut Unwatched),
                    }
                }
                Step::SimulatedWork(at, work) if *contact_of(work) == ann => {
                    alone.world.jump_to(*at);
                    perform_the_same(&mut alone, work);
                }
                Step::SimulatedWork(..) => {}
            }
        }
        assert_same(&outcome(&both.world, &[0]), &outcome(&alone.world, &[0]));
    });
}

fn perform_the_same(drive: &mut Drive, work: &SimulatedWork) {
    if let Some(place) = drive.queue.iter().position(|queued| queued == work) {
        drive.perform(place, &mut Unwatched);
        return;
    }
    let SimulatedWork::Event(contact, campaign, event) = work else {
        panic!("{work:?} does not wait")
    };
    let due = drive.due();
    let due = due
        .iter()
        .find(|due| due.contact == *contact && due.campaign == *campaign && due.event == *event);
    drive.fire(due.unwrap_or_else(|| panic!("{work:?} is not due")), &mut Unwatched);
}

#[test]
fn r3_the_feed_comes_one_by_one_or_in_one_batch() {
    let writes = prop::collection::vec(any::<(u8, [u8; 4])>(), 2..=4);
    check(1_500, &(stories(25), writes), |(story, writes)| {
        let mut one_by_one = story.run(&mut Unwatched);
        let ann = contact_id(0);
        let first = one_by_one.world.contact(&ann).expect("she is there").rev;
        for (seconds, what) in writes {
            let now = one_by_one.world.now() + TimeDelta::seconds(i64::from(seconds % 90));
            one_by_one.world.jump_to(now);
            one_by_one.world.write(&ann, &patch(now, what), by());
        }
        one_by_one.collect();
        let image = one_by_one.world.contact(&ann).expect("she is there").clone();
        let is_carried = image.changes_after(first).is_some();
        if !is_carried || one_by_one.queue.is_empty() || looks_at_statuses(&one_by_one.world) {
            return;
        }
        if dates_are_replaced(&one_by_one.world, image.changes_after(first).unwrap_or(&[])) {
            return;
        }
        let mut in_one = one_by_one.clone();
        for _ in 0..one_by_one.queue.len() {
            one_by_one.perform(0, &mut Unwatched);
        }
        in_one.queue = vec![SimulatedWork::Contact { before: first, image: Box::new(image) }];
        in_one.perform(0, &mut Unwatched);
        // The effects of both are performed, but not those that follow from them.
        for drive in [&mut one_by_one, &mut in_one] {
            let effects = |work: &SimulatedWork| matches!(work, SimulatedWork::Effects { .. });
            while let Some(place) = drive.queue.iter().position(effects) {
                drive.perform(place, &mut Unwatched);
            }
        }
        // Which of two campaigns writes last is not promised.
        let both_write =
            campaigns().iter().all(|campaign| writes_to_contacts(&one_by_one.world, campaign));
        let outcomes = [&one_by_one, &in_one].map(|drive| Outcome {
            contacts: if both_write { Vec::new() } else { vec![forgetful(&drive.world)] },
            ..outcome(&drive.world, &[0])
        });
        assert_same(&outcomes[0], &outcomes[1]);
        assert_eq!(counted(&one_by_one.world), counted(&in_one.world));
    });
}

fn writes_to_contacts(world: &World, campaign: &CampaignId) -> bool {
    world.campaign(campaign).is_some_and(|campaign| {
        campaign.versions.values().any(|graph| {
            graph.document.elements.iter().any(|(_, element)| {
                matches!(element, Element::Tag(_) | Element::SetField(_) | Element::Restart(_))
            })
        })
    })
}

/// Whether a campaign reads the contact's status in the other. Statuses are read as they are
/// now, not as they were when the change was made.
fn looks_at_statuses(world: &World) -> bool {
    campaigns().iter().filter_map(|campaign| world.campaign(campaign)).any(|campaign| {
        campaign.versions.values().any(|graph| {
            graph
                .document
                .elements
                .iter()
                .filter_map(|(_, element)| element.condition())
                .any(|condition| !condition.reads().campaigns.is_empty())
        })
    })
}

/// Whether a date that a timer follows is set by one of the changes, or by a campaign, or moves
/// with the zone. A timer follows the date as it is now (R21): in one batch it never sees the dates
/// that were replaced meanwhile, one by one it sees each.
fn dates_are_replaced(world: &World, changes: &[Change]) -> bool {
    let campaigns = campaigns().into_iter().filter_map(|id| world.campaign(&id));
    let documents: Vec<&Document> = campaigns
        .flat_map(|campaign| campaign.versions.values().map(|graph| &graph.document))
        .collect();
    let mut followed: BTreeSet<FieldKey> =
        documents.iter().flat_map(|document| document.followed_fields()).collect();
    let mut elements = documents.iter().flat_map(|document| &document.elements);
    if elements.any(|(_, element)| matches!(element, Element::DateTimer(_))) {
        followed.extend(FieldKey::new("time_zone"));
    }
    let set_by_campaigns = documents.iter().flat_map(|document| &document.elements).any(
        |(_, element)| matches!(element, Element::SetField(set) if set.fields.keys().any(|key| followed.contains(key))),
    );
    let set_by_changes =
        changes.iter().flat_map(|change| change.fields.keys()).any(|key| followed.contains(key));
    set_by_campaigns || set_by_changes
}

/// Ann without her last changes.
fn forgetful(world: &World) -> Contact {
    let ann = world.contact(&contact_id(0)).expect("she is there");
    Contact { recent: Vec::new(), ..ann.clone() }
}

#[test]
fn r3_the_order_between_feed_and_timers_at_one_instant_changes_nothing() {
    check(1_500, &(stories(25), any::<[u8; 4]>()), |(story, what)| {
        let mut feed_first = story.run(&mut Unwatched);
        let ann = contact_id(0);
        let due = feed_first.world.timers().find(|due| due.contact == ann).cloned();
        let Some(due) = due else { return };
        feed_first.world.jump_to(due.at);
        feed_first.world.write(&ann, &patch(due.at, what), by());
        feed_first.collect();
        let written = feed_first.world.contact(&ann).expect("she is there").rev;
        let feed = |work: &SimulatedWork| {
            ordering_key(work).is_some() && matches!(work, SimulatedWork::Contact { .. })
        };
        let mut timer_first = feed_first.clone();
        if let Some(place) = feed_first.queue.iter().position(feed) {
            feed_first.perform(place, &mut Unwatched);
        }
        feed_first.fire(&due, &mut Unwatched);
        timer_first.fire(&due, &mut Unwatched);
        if let Some(place) = timer_first.queue.iter().position(feed) {
            timer_first.perform(place, &mut Unwatched);
        }
        // A timer that found changes which the contact no longer keeps has waited for the feed.
        let timer =
            SimulatedWork::Event(due.contact.clone(), due.campaign.clone(), due.event.clone());
        if let Some(place) = timer_first.queue.iter().position(|work| *work == timer) {
            timer_first.perform(place, &mut Unwatched);
        }
        // What a campaign writes is delivered as a change; whether before the timer is not
        // promised.
        let rev = |drive: &Drive| drive.world.contact(&ann).expect("she is there").rev;
        let wrote = rev(&feed_first) != written || rev(&timer_first) != written;
        if wrote || looks_at_statuses(&feed_first.world) {
            return;
        }
        for drive in [&mut feed_first, &mut timer_first] {
            let effects = |work: &SimulatedWork| matches!(work, SimulatedWork::Effects { .. });
            while let Some(place) = drive.queue.iter().position(effects) {
                drive.perform(place, &mut Unwatched);
            }
        }
        assert_same(&outcome(&feed_first.world, &[0]), &outcome(&timer_first.world, &[0]));
        assert_eq!(counted(&feed_first.world), counted(&timer_first.world));
    });
}

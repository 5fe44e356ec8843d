//! Objects of a contact never get in each other's way (R70 to R73).

use std::collections::{BTreeMap, BTreeSet};

use dacapo_engine::account::Account;
use dacapo_engine::contact::Patch;
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::field::FieldValue;
use dacapo_engine::ids::{CampaignId, ContactId, FieldKey, ObjectType};
use dacapo_engine::simulation::{ObjectKey, Observed, SimulatedWork, World};
use dacapo_engine::time::{Instant, Zone};
use proptest::prelude::*;

use crate::check;
use crate::documents::{About, Recipe, document_about, recipes};
use crate::drive::{Drive, Key, Performed, Watch, contact_of};
use crate::stories::{by, campaign_id, contact_id, dawn, patch, span};

/// The objects, all of Ann.
const OBJECTS: [&str; 3] = ["x", "y", "z"];

/// One thing that happens. Bytes choose among the possible ones.
#[derive(Debug, Clone)]
enum Act {
    Object { object: u8, what: [u8; 4] },
    Person { what: [u8; 4] },
    Advance(u8),
    Pause(u8),
    Resume { campaign: u8, skip: bool },
    Publish { campaign: u8, migrate: bool, existing: bool },
}

#[derive(Debug, Clone)]
struct Story {
    recipes: [Recipe; 2],
    later: Recipe,
    acts: Vec<Act>,
    /// In which order the work of different subjects is done.
    order: Vec<u8>,
}

fn stories(acts: usize) -> impl Strategy<Value = Story> {
    let act = prop_oneof![
        10 => any::<(u8, [u8; 4])>().prop_map(|(object, what)| Act::Object { object, what }),
        5 => any::<[u8; 4]>().prop_map(|what| Act::Person { what }),
        6 => any::<u8>().prop_map(Act::Advance),
        1 => any::<u8>().prop_map(Act::Pause),
        2 => any::<(u8, bool)>().prop_map(|(campaign, skip)| Act::Resume { campaign, skip }),
        1 => any::<(u8, bool, bool)>()
            .prop_map(|(campaign, migrate, existing)| Act::Publish { campaign, migrate, existing }),
    ];
    let order = prop::collection::vec(any::<u8>(), 1..50);
    (recipes(), recipes(), recipes(), prop::collection::vec(act, acts / 3..acts), order).prop_map(
        |(one, two, later, acts, order)| Story { recipes: [one, two], later, acts, order },
    )
}

fn object(nth: u8) -> ObjectKey {
    ObjectKey {
        person: contact_id(0),
        kind: ObjectType::new("thing").unwrap(),
        key: OBJECTS[usize::from(nth) % OBJECTS.len()].to_owned(),
        replaces: None,
    }
}

fn object_id(nth: usize) -> ContactId {
    ContactId::new(format!("ann.thing.{}", OBJECTS[nth])).unwrap()
}

impl Story {
    fn begin(&self, about: About) -> World {
        let account =
            Account { zone: Zone::Europe__Berlin, locale: "en".to_owned(), sent_until: None };
        let mut world = World::new(account, dawn());
        let mut patch = Patch::default();
        for (key, value) in [("email", "ann@example.com"), ("first_name", "ann")] {
            let value = FieldValue::Text(value.to_owned());
            patch.fields.insert(FieldKey::new(key).unwrap(), Some(value));
        }
        world.write(&contact_id(0), &patch, by());
        for (nth, recipe) in self.recipes.iter().enumerate() {
            world.publish(document_about(nth, recipe, about), false, false);
        }
        world
    }

    /// Makes something happen; of the objects only to those that are there.
    fn act(&self, act: &Act, world: &mut World, about: About, there: &BTreeSet<&str>) {
        let now = world.now();
        match act {
            Act::Object { object: nth, what } => {
                let object = object(*nth);
                if there.contains(object.key.as_str()) {
                    // Consent and suppression are the contact's.
                    let patch = Patch { consent: None, suppressed: None, ..patch(now, *what) };
                    world.write_object(&object, &patch, by());
                }
            }
            Act::Person { what } => {
                world.write(&contact_id(0), &patch(now, *what), by());
            }
            Act::Advance(_) => {}
            Act::Pause(campaign) => world.pause(&campaign_id(*campaign)),
            Act::Resume { campaign, skip } => {
                world.resume(&campaign_id(*campaign), *skip, "admin");
            }
            Act::Publish { campaign, migrate, existing } => {
                let document = document_about(usize::from(campaign % 2), &self.later, about);
                world.publish(document, *migrate, *existing);
            }
        }
    }

    /// The story with these objects only. The work of each subject is done in order; whose comes
    /// first, the bytes say.
    fn run(&self, there: &BTreeSet<&str>, order: &[u8]) -> World {
        let mut world = self.begin(About::Objects);
        let mut order = order.iter().cycle();
        let mut choose = |many: usize| usize::from(*order.next().unwrap_or(&0)) % many;
        for act in &self.acts {
            if let Act::Advance(byte) = act {
                let to = world.now() + span(*byte);
                while let Some(due) = next_timer(&world).filter(|at| *at <= to) {
                    world.jump_to(due);
                    work(&mut world, &mut choose);
                }
                world.jump_to(to);
            }
            self.act(act, &mut world, About::Objects, there);
            work(&mut world, &mut choose);
        }
        world
    }
}

fn next_timer(world: &World) -> Option<Instant> {
    world.timers().next().map(|due| due.at)
}

/// Does all that waits or is due.
fn work(world: &mut World, choose: &mut impl FnMut(usize) -> usize) {
    for _ in 0..20_000 {
        let waiting: BTreeSet<ContactId> =
            world.waiting().iter().map(contact_of).cloned().collect();
        if let Some(subject) = chosen(&waiting, choose) {
            let nth = world.waiting().iter().position(|work| contact_of(work) == subject).unwrap();
            let work = world.take_waiting(nth);
            world.perform(work);
            continue;
        }
        let now = world.now();
        let due: Vec<_> = world.timers().take_while(|due| due.at <= now).cloned().collect();
        let subjects: BTreeSet<ContactId> = due.iter().map(|due| due.contact.clone()).collect();
        let Some(subject) = chosen(&subjects, choose) else { return };
        let first = due.into_iter().find(|due| due.contact == *subject).unwrap();
        world.take_timer(&first);
        world.perform(SimulatedWork::Event(first.contact, first.campaign, first.event));
    }
    panic!("the world never comes to rest");
}

fn chosen<'a>(
    among: &'a BTreeSet<ContactId>,
    choose: &mut impl FnMut(usize) -> usize,
) -> Option<&'a ContactId> {
    (!among.is_empty()).then(|| among.iter().nth(choose(among.len()))).flatten()
}

/// All that came out for a subject.
fn of(world: &World, subject: &ContactId) -> (Vec<Observed>, BTreeMap<CampaignId, Enrollment>) {
    let is_of = |observed: &&Observed| match observed {
        Observed::Message(message) => message.contact == *subject,
        Observed::History(of, ..) | Observed::Called(of, ..) | Observed::Nothing(of, _) => {
            of == subject
        }
        Observed::Ignored(..) => false,
    };
    let enrollments = world.enrollments().filter(|((of, _), _)| of == subject);
    (
        world.observed.iter().filter(is_of).cloned().collect(),
        enrollments.map(|((_, campaign), it)| (campaign.clone(), it.clone())).collect(),
    )
}

#[test]
fn r71_what_happens_to_an_object_is_what_would_happen_to_it_alone() {
    let messages = std::cell::Cell::new(0);
    check(300, &stories(30), |story| {
        let together = story.run(&OBJECTS.into(), &story.order);
        for (nth, key) in OBJECTS.into_iter().enumerate() {
            let alone = story.run(&BTreeSet::from([key]), &[0]);
            let id = object_id(nth);
            assert_eq!(of(&together, &id), of(&alone, &id), "{key}");
            assert_eq!(together.contact(&id), alone.contact(&id), "{key}");
        }
        let sent = together.messages().filter(|message| message.contact.is_object()).count();
        messages.set(messages.get() + sent);
        assert!(together.enrollments().all(|((of, _), _)| of.is_object()), "a contact is in it");
    });
    assert!(messages.get() > 0, "no story sent anything about an object");
}

/// Whatever is done for a subject changes this subject, and its contact where the campaign writes
/// to it.
struct Apart;

impl Watch for Apart {
    fn after(&mut self, done: &Performed<'_>) {
        let subject = contact_of(done.work);
        let changed = |key: &Key| done.before(key) != done.after(key);
        let all: BTreeSet<&Key> =
            done.before.keys().chain(done.world.enrollments().map(|(key, _)| key)).collect();
        for key in all {
            assert!(key.0 == *subject || !changed(key), "{:?} changed {key:?}", done.work);
        }
        for made in done.made {
            let to = contact_of(made);
            let goes_on = to == subject || subject.is_object() && *to == subject.person();
            let is_passed_on = to.is_object() && to.person() == *subject;
            assert!(goes_on || is_passed_on, "{:?} made {made:?}", done.work);
        }
    }
}

#[test]
fn r71_nothing_of_one_object_acts_on_another_in_any_order() {
    check(300, &stories(40), |story| {
        let about = About::ObjectsAndPerson;
        let there = OBJECTS.into();
        let mut drive = Drive::new(story.begin(about));
        let mut order = story.order.iter().cycle();
        for act in &story.acts {
            if let Act::Advance(byte) = act {
                let to = drive.world.now() + span(*byte);
                drive.advance_to(to, &mut Apart);
            }
            story.act(act, &mut drive.world, about, &there);
            drive.collect();
            for _ in 0..order.next().unwrap_or(&0) % 8 {
                let available = drive.available();
                if !available.is_empty() {
                    let nth = usize::from(*order.next().unwrap_or(&0)) % available.len();
                    drive.perform(available[nth], &mut Apart);
                }
            }
        }
        drive.settle(&mut Apart);
    });
}

#[test]
fn r72_a_persons_changes_reach_an_object_once_and_in_order() {
    check(300, &stories(30), |story| {
        let mut world = story.begin(About::Objects);
        let there = OBJECTS.into();
        let mut images = Vec::new();
        let mut last = BTreeMap::new();
        for act in &story.acts {
            story.act(act, &mut world, About::Objects, &there);
            while !world.waiting().is_empty() {
                let work = world.take_waiting(0);
                if let SimulatedWork::Contact { image, .. } = &work {
                    if image.id.is_object() {
                        let person_rev = last.entry(image.id.clone()).or_insert(0);
                        assert!(image.person_rev >= *person_rev, "out of order: {image:?}");
                        *person_rev = image.person_rev;
                    } else {
                        images.push(work.clone());
                    }
                }
                world.perform(work);
            }
            // The feed delivers the last image of the person once more.
            let before: Vec<_> =
                (0..OBJECTS.len()).map(|nth| world.contact(&object_id(nth)).cloned()).collect();
            if let (Some(image), Act::Object { .. } | Act::Person { .. }) = (images.last(), act) {
                world.perform(image.clone());
                while !world.waiting().is_empty() {
                    let work = world.take_waiting(0);
                    world.perform(work);
                }
                for (nth, before) in before.iter().enumerate() {
                    let after = world.contact(&object_id(nth));
                    let of_person =
                        |of: Option<&dacapo_engine::contact::Contact>| of.map(|of| of.person_rev);
                    assert_eq!(of_person(after), of_person(before.as_ref()));
                }
            }
        }
    });
}

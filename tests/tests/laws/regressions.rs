//! Defects that the laws have found, each as the smallest story that shows it.

use dacapo_engine::account::Account;
use dacapo_engine::campaign::reader;
use dacapo_engine::contact::{Consent, Patch};
use dacapo_engine::decide::Event;
use dacapo_engine::enrollment::{Enrollment, Guard, Status};
use dacapo_engine::field::FieldValue;
use dacapo_engine::ids::{FieldKey, Tag};
use dacapo_engine::simulation::{SimulatedWork, World};
use dacapo_engine::time::Zone;

use crate::drive::{Drive, Unwatched, ordering_key};
use crate::stories::{by, campaign_id, contact_id, dawn};

/// A world with one campaign, and Ann, who has done nothing yet.
fn world(elements: &str) -> Drive {
    let account = Account { zone: Zone::Europe__Berlin, locale: "en".to_owned(), sent_until: None };
    let mut world = World::new(account, dawn());
    world.publish(document(elements), false, false);
    write(&mut world, &Patch { consent: Some(Consent::Unsubscribed), ..Patch::default() });
    let mut drive = Drive::new(world);
    drive.settle(&mut Unwatched);
    drive
}

fn document(elements: &str) -> dacapo_engine::campaign::format::Document {
    let text = format!(
        "id: one
sender: {{ address: hello@studio-nord.example }}
fields: {{ due: {{ type: datetime }} }}
settings: {{ max_runs_per_day: 5000 }}
elements:
{elements}
emails: {{ m: {{ subject: Hello, text: You }} }}
"
    );
    reader::read(&text).unwrap_or_else(|problems| panic!("{problems:?}")).document
}

fn write(world: &mut World, patch: &Patch) {
    world.write(&contact_id(0), patch, by());
}

fn tagged(tag: &str) -> Patch {
    Patch { add: vec![Tag::new(tag).unwrap()], ..Patch::default() }
}

fn ann(drive: &Drive) -> &Enrollment {
    drive.world.enrollment(&contact_id(0), &campaign_id(0)).expect("she is enrolled")
}

#[test]
fn r41_an_email_that_is_not_sent_is_no_rest() {
    let mut drive = world(
        "  in: { type: start, when: { tag: A }, next: date }
  date: { type: date_timer, field: due, past: continue, next: mail }
  mail: { type: email, email: m, next: date }",
    );
    let mut patch = tagged("A");
    let due = FieldValue::Datetime(dawn() - chrono::TimeDelta::hours(1));
    patch.fields.insert(FieldKey::new("due").unwrap(), Some(due));
    write(&mut drive.world, &patch);
    drive.collect();
    // She is unsubscribed: nothing is sent, and the date has passed.
    drive.settle(&mut Unwatched);
    assert_eq!(ann(&drive).held, Some(Guard::Moves));
}

#[test]
fn r41_a_campaign_that_starts_itself_after_a_reset_comes_to_an_end() {
    let mut drive = world(
        "  in: { type: start, when: { tag: A }, next: anew }
  anew: { type: reset, next: self }
  self: { type: start_campaign, campaign: one }",
    );
    write(&mut drive.world, &tagged("A"));
    drive.collect();
    drive.settle(&mut Unwatched);
    assert_eq!(ann(&drive).held, Some(Guard::Moves));
    assert!(ann(&drive).run < 100);
}

#[test]
fn r16_a_stop_that_overtakes_the_feed_stops_whom_it_finds_entering() {
    let mut drive = world(
        "  in: { type: start, when: { tag: A }, next: rest }
  rest: { type: wait, for: 1 hour }",
    );
    write(&mut drive.world, &tagged("A"));
    drive.world.mass_stop(&campaign_id(0), false, false);
    drive.collect();
    let stop = drive.queue.iter().position(|work| !matches!(work, SimulatedWork::Contact { .. }));
    drive.perform(stop.expect("it waits"), &mut Unwatched);
    assert_eq!(ann(&drive).status, Status::Stopped);
    drive.settle(&mut Unwatched);
    assert_eq!(ann(&drive).status, Status::Stopped);
}

#[test]
fn r3_a_repeated_job_does_not_enroll_again_after_a_reset() {
    let mut drive = world(
        "  in: { type: start, when: { tag: B }, next: rest }
  rest: { type: wait, for: 1 hour }",
    );
    write(&mut drive.world, &tagged("A"));
    drive.collect();
    drive.settle(&mut Unwatched);
    let elements = "  in: { type: start, when: { tag: A }, next: rest }
  rest: { type: wait, for: 1 hour }";
    drive.world.publish(document(elements), false, true);
    drive.collect();
    let job = drive.queue.iter().find(|work| ordering_key(work).is_some()).cloned();
    drive.settle(&mut Unwatched);
    assert_eq!(ann(&drive).status, Status::Active);
    drive.world.mass_stop(&campaign_id(0), true, false);
    drive.collect();
    drive.settle(&mut Unwatched);
    assert_eq!(ann(&drive).status, Status::Ready);
    let Some(SimulatedWork::Event(_, _, Event::EnrollExisting { job })) = job else {
        panic!("{job:?}")
    };
    let again = Event::EnrollExisting { job };
    drive.queue.push(SimulatedWork::Event(contact_id(0), campaign_id(0), again));
    drive.settle(&mut Unwatched);
    assert_eq!(ann(&drive).status, Status::Ready);
}

#[test]
fn r50_a_change_that_comes_late_brings_no_older_version_back() {
    let mut drive = world(
        "  in: { type: start, when: { tag: A }, next: rest }
  late: { type: start, when: { tag: B } }
  rest: { type: wait, for: 1 hour }",
    );
    write(&mut drive.world, &tagged("A"));
    drive.collect();
    drive.settle(&mut Unwatched);
    // Two changes are in the feed when a version is published; the image of the first does not
    // contain the second.
    let nothing = Patch { event: Some("called".to_owned()), ..Patch::default() };
    write(&mut drive.world, &nothing);
    write(&mut drive.world, &tagged("B"));
    drive.world.jump_to(dawn() + chrono::TimeDelta::seconds(1));
    drive.world.publish(document("  in: { type: start, when: { tag: A } }"), true, false);
    drive.collect();
    let feed = drive.queue.iter().position(|work| matches!(work, SimulatedWork::Contact { .. }));
    drive.perform(feed.expect("it waits"), &mut Unwatched);
    // An image is decided in the version that applied before its changes; a decision on the latest
    // contact migrates.
    assert_eq!((ann(&drive).version, ann(&drive).status), (1, Status::Active));
    drive.settle(&mut Unwatched);
    assert_eq!((ann(&drive).version, ann(&drive).status), (2, Status::Completed));
}

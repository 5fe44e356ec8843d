//! Stored values read back unchanged, and stay small.

use dacapo_engine::account::Account;
use dacapo_engine::campaign::reader;
use dacapo_engine::contact::Patch;
use dacapo_engine::decide::Effect;
use dacapo_engine::enrollment::Enrollment;
use dacapo_engine::field::FieldValue;
use dacapo_engine::history::Record;
use dacapo_engine::ids::{ContactId, FieldKey, Tag};
use dacapo_engine::simulation::{Observed, SimulatedWork, World};
use dacapo_engine::statistics::Tally;
use dacapo_engine::time::Zone;
use proptest::prelude::*;
use std::cell::Cell;

use crate::check;
use crate::drive::{Drive, Performed, Watch};
use crate::stories::{by, dawn, stories};

struct RoundTrips;

impl Watch for RoundTrips {
    fn after(&mut self, done: &Performed<'_>) {
        for (key, enrollment) in done.world.enrollments() {
            let text = serde_json::to_string(enrollment).unwrap();
            let read: Enrollment = serde_json::from_str(&text).unwrap();
            assert_eq!(&read, enrollment, "{key:?}: {text}");
        }
        for one in done.observed {
            let Observed::History(_, _, record) = one else { continue };
            let text = serde_json::to_string(record).unwrap();
            assert_eq!(&serde_json::from_str::<Record>(&text).unwrap(), record, "{text}");
        }
        for work in done.made {
            let SimulatedWork::Effects { effects, .. } = work else { continue };
            let text = serde_json::to_string(effects).unwrap();
            assert_eq!(&serde_json::from_str::<Vec<Effect>>(&text).unwrap(), effects, "{text}");
        }
    }
}

#[test]
fn an_enrollment_reads_back_as_it_was_stored() {
    check(1_000, &stories(40), |story| {
        story.run(&mut RoundTrips);
    });
}

/// The most bytes of an item: an enrollment with the deferred recording of its last decision.
const LARGEST: usize = 1_024;

#[derive(Default)]
struct Sizes {
    largest: usize,
    of: String,
}

impl Watch for Sizes {
    fn after(&mut self, done: &Performed<'_>) {
        for work in done.made {
            let SimulatedWork::Effects { contact, campaign, effects, .. } = work else { continue };
            let key = (contact.clone(), campaign.clone());
            let enrollment = done.after(&key).expect("it was committed");
            let records: Vec<&Record> = done
                .observed
                .iter()
                .filter_map(|one| match one {
                    Observed::History(_, of, record) if of == campaign => Some(record),
                    _ => None,
                })
                .collect();
            let mut delta: Tally = enrollment.tally.clone();
            if let Some(before) = done.before(&key) {
                delta.add(&before.tally.negative());
            }
            let parts = [
                serde_json::to_string(enrollment).unwrap(),
                serde_json::to_string(effects).unwrap(),
                serde_json::to_string(&records).unwrap(),
                serde_json::to_string(&delta).unwrap(),
            ];
            let size = parts.iter().map(String::len).sum();
            if size > self.largest {
                (self.largest, self.of) = (size, parts.join("\n"));
            }
        }
    }
}

/// What a contact of the examples does, chosen by bytes.
fn write(world: &mut World, contact: &ContactId, byte: u8) {
    let now = world.now();
    let mut patch = Patch::default();
    let tag = |text: &str| Tag::new(text).unwrap();
    let mut field = |key: &str, value: Option<FieldValue>| {
        patch.fields.insert(FieldKey::new(key).unwrap(), value);
    };
    let soon = now + chrono::TimeDelta::hours(50 + i64::from(byte));
    match byte % 7 {
        0 => patch.add.push(tag("Lead")),
        1 => {
            field("appointment", Some(FieldValue::Datetime(soon)));
            patch.add.push(tag("Appointment made"));
        }
        2 => patch.add.push(tag("Not reached")),
        3 => field("appointment", Some(FieldValue::Datetime(soon))),
        4 => field("webinar_date", Some(FieldValue::Datetime(soon))),
        5 => field("webinar_date", None),
        _ => patch.add.push(tag("Attended")),
    }
    world.write(contact, &patch, by());
}

#[test]
fn an_enrollment_of_the_examples_is_stored_in_a_kibibyte() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let documents = ["appointment-loop", "webinar"].map(|name| {
        let path = examples.join(format!("{name}.yaml"));
        reader::read(&std::fs::read_to_string(path).unwrap()).unwrap().document
    });
    let largest = Cell::new(0);
    let acts = prop::collection::vec(any::<(u8, u8)>(), 1..30);
    check(600, &acts, |acts| {
        let account =
            Account { zone: Zone::Europe__Berlin, locale: "en".to_owned(), sent_until: None };
        let mut world = World::new(account, dawn());
        for document in &documents {
            world.publish(document.clone(), false, false);
        }
        // As long as the platform makes them.
        let contact = ContactId::new("01JQ8Z5N3V7W9X2Y4B6D8F0H1K").unwrap();
        let mut sizes = Sizes::default();
        let mut first = Patch::default();
        let email = FieldKey::new("email").unwrap();
        first.fields.insert(email, Some(FieldValue::Text("ann@example.com".to_owned())));
        world.write(&contact, &first, by());
        let mut drive = Drive::new(world);
        for (byte, hours) in acts {
            write(&mut drive.world, &contact, byte);
            drive.collect();
            let to = drive.world.now() + chrono::TimeDelta::hours(i64::from(hours % 60));
            drive.advance_to(to, &mut sizes);
        }
        assert!(sizes.largest <= LARGEST, "{} bytes: {}", sizes.largest, sizes.of);
        largest.set(largest.get().max(sizes.largest));
    });
    println!("the largest enrollment of the examples takes {} bytes", largest.get());
}

//! `serve` killed with `kill -9` at random moments while bookings come with new contacts: an object
//! and its contact are there together or not at all, and each is confirmed exactly once (R70, R30).

use std::time::Duration;

use dacapo_tests::kit::PseudoRandom;
use serde_json::{Value, json};

use crate::support::Serve;

const BEGINS: &str = "2026-12-01T08:00:00Z";
const KILLS: usize = 25;
const BOOKINGS: usize = 100;

fn booking(n: usize) -> Value {
    json!({
        "key": format!("booking/{n}"), "email": format!("contact{n}@example.com"), "first_name": "Ann",
        "status": "booked", "starts_at": "2026-12-02T13:00:00Z",
    })
}

/// Posts a booking; `false` if there was no answer.
fn book(serve: &Serve, n: usize) -> bool {
    let key = format!("booking-{n}");
    let headers = [("Idempotency-Key", key.as_str())];
    let body = booking(n).to_string();
    match serve.try_call("POST", "/v1/hooks/object/appointment", &headers, &body) {
        Some((200, _)) => true,
        Some((503, _)) | None => false,
        Some((status, answer)) => panic!("{status}: {answer:#}"),
    }
}

/// Every contact has its object, and every object its contact.
fn both_or_neither(serve: &Serve, n: usize) -> bool {
    let status = |path: &str| serve.try_call("GET", path, &[], "").expect("an answer").0;
    let contact = status(&format!("/v1/contacts/email:contact{n}@example.com"));
    let object = status(&format!("/v1/objects/appointment/booking%2F{n}"));
    assert_eq!(contact, object, "of booking {n} only one of the two is there");
    contact == 200
}

#[test]
fn r70_killed_between_the_contact_and_the_object_neither_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = PseudoRandom::new(7);
    let serve = Serve::standing(Some(directory.path()), BEGINS);
    serve.publish("appointments");
    let (mut serve, mut next) = (Some(serve), 0);
    for kill in 1..=KILLS {
        let running =
            serve.take().unwrap_or_else(|| Serve::standing(Some(directory.path()), BEGINS));
        // What was answered before the last kill is there, as a whole.
        for n in 0..next {
            assert!(both_or_neither(&running, n), "booking {n} was answered, and is lost");
        }
        if next < BOOKINGS {
            both_or_neither(&running, next);
        }
        let pid = running.pid();
        let delay = Duration::from_micros(random.below(30_000));
        let until = (BOOKINGS * kill / KILLS).min(BOOKINGS);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // Not a wait for something to happen: the moment of the kill is the random input.
                std::thread::sleep(delay);
                let kill =
                    std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
                assert!(kill.unwrap().success());
            });
            while next < until && book(&running, next) {
                next += 1;
            }
        });
        running.kill();
    }
    let running = Serve::standing(Some(directory.path()), BEGINS);
    for n in next..BOOKINGS {
        assert!(book(&running, n));
    }
    let mut to: Vec<String> = running
        .messages()
        .iter()
        .map(|message| message["to"].as_str().unwrap_or_default().to_owned())
        .collect();
    to.sort();
    let mut expected: Vec<String> =
        (0..BOOKINGS).map(|n| format!("contact{n}@example.com")).collect();
    expected.sort();
    assert_eq!(to, expected, "each is confirmed once");
}

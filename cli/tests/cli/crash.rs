//! `serve` killed with `kill -9` at random moments under load, and started again: every contact
//! gets exactly the messages of an undisturbed run (R30), and nothing that was acknowledged is
//! lost.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dacapo_tests::kit::PseudoRandom;
use serde_json::{Value, json};

use crate::support::Serve;

const BEGINS: &str = "2026-12-01T08:00:00Z";
const KILLS: usize = 50;
const CONTACTS: usize = 40;

/// What is done to the server, in order. Every post carries an idempotency key, as Zapier's repeats
/// do.
enum Act {
    Post(String, Value),
    ClockTo(&'static str),
}

fn acts() -> Vec<Act> {
    fn everybody(acts: &mut Vec<Act>, name: &str, says: &Value) {
        for n in 0..CONTACTS {
            let mut body = says.clone();
            body["email"] = json!(format!("contact{n}@example.com"));
            acts.push(Act::Post(format!("{name}-{n}"), body));
        }
    }
    let booked = |at| json!({ "tags": ["Appointment made"], "appointment": at });
    let mut acts = Vec::new();
    // The clock moves when nothing is left to do: a booking that overtook the invitation would
    // rightly drop it.
    everybody(&mut acts, "lead", &json!({ "first_name": "Ann", "tags": ["Lead"] }));
    acts.push(Act::ClockTo("2026-12-01T09:00:00Z"));
    everybody(&mut acts, "booked", &booked("2026-12-02T13:00:00Z"));
    acts.push(Act::ClockTo("2026-12-02T12:30:00Z"));
    acts.push(Act::ClockTo("2026-12-02T14:00:00Z"));
    everybody(&mut acts, "not-reached", &json!({ "tags": ["Not reached"] }));
    acts.push(Act::ClockTo("2026-12-02T15:00:00Z"));
    everybody(&mut acts, "rebooked", &booked("2026-12-04T09:00:00Z"));
    acts.push(Act::ClockTo("2026-12-04T10:00:00Z"));
    acts
}

/// Performs an act again, if needed: `false` if there was no answer.
fn perform(serve: &Serve, act: &Act) -> bool {
    let answer = match act {
        Act::Post(key, body) => serve.try_call(
            "POST",
            "/v1/hooks/contact",
            &[("Idempotency-Key", key)],
            &body.to_string(),
        ),
        Act::ClockTo(to) => {
            let now = serve.try_call("GET", "/dev/clock", &[], "");
            match now {
                // It moved before the kill; what was to be done then may still be in progress.
                Some((200, now)) if now["now"].as_str() >= Some(*to) => {
                    serve.try_call("POST", "/dev/idle", &[], "")
                }
                Some(_) => {
                    serve.try_call("POST", "/dev/clock", &[], &json!({ "to": to }).to_string())
                }
                None => None,
            }
        }
    };
    match answer {
        Some((200, _)) => true,
        Some((503, _)) | None => false,
        Some((status, answer)) => panic!("{status}: {answer:#}"),
    }
}

/// The messages of every contact, and the statistics.
fn outcome(serve: &Serve) -> (Vec<String>, Value) {
    let mut messages: Vec<String> = serve
        .messages()
        .iter()
        .map(|message| {
            format!(
                "{} run {} {} {}",
                message["to"], message["run"], message["element"], message["subject"]
            )
        })
        .collect();
    messages.sort();
    (messages, serve.get("/v1/campaigns/appointment-loop/statistics"))
}

fn undisturbed(directory: &Path) -> (Vec<String>, Value) {
    let serve = Serve::standing(Some(directory), BEGINS);
    serve.publish("appointment-loop");
    for act in acts() {
        assert!(perform(&serve, &act));
    }
    outcome(&serve)
}

#[test]
fn r30_killed_at_random_moments_every_contact_gets_what_it_would_have_got() {
    let calm = tempfile::tempdir().unwrap();
    let (expected, statistics) = undisturbed(calm.path());
    assert_eq!(
        expected.len(),
        6 * CONTACTS,
        "invited, confirmed, reminded, sorry, confirmed, reminded"
    );

    let rough = tempfile::tempdir().unwrap();
    let serve = Serve::standing(Some(rough.path()), BEGINS);
    serve.publish("appointment-loop");
    let mut serve = Some(serve);
    let acts = acts();
    let mut random = PseudoRandom::new(1);
    let mut next = 0;
    let mut kills = 0;
    while next < acts.len() || kills < KILLS {
        let running = serve.take().unwrap_or_else(|| Serve::standing(Some(rough.path()), BEGINS));
        if kills < KILLS {
            let delay = Duration::from_micros(random.below(40_000));
            // The acts are spread over the kills, so that some of each are interrupted.
            let until = (acts.len() * (kills + 1) / KILLS).min(acts.len());
            next = interrupted(running, &acts, next, until, delay);
            kills += 1;
        } else {
            while next < acts.len() {
                assert!(perform(&running, &acts[next]));
                next += 1;
            }
            serve = Some(running);
        }
    }
    let running = serve.take().unwrap_or_else(|| Serve::standing(Some(rough.path()), BEGINS));
    let (messages, counted) = outcome(&running);
    assert_eq!(messages, expected);
    assert_eq!(counted, statistics);
}

/// Performs acts until the server is killed, and answers how far it came: an act without an answer
/// is to be performed again.
fn interrupted(serve: Serve, acts: &[Act], from: usize, until: usize, after: Duration) -> usize {
    let done = Mutex::new(from);
    let killed = AtomicBool::new(false);
    let pid = serve.pid();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = from;
            while !killed.load(Ordering::SeqCst) && next < until {
                if perform(&serve, &acts[next]) {
                    next += 1;
                } else {
                    break;
                }
            }
            *done.lock().unwrap() = next;
        });
        // Not a wait for something to happen: the moment of the kill is the random input of the
        // test.
        std::thread::sleep(after);
        let kill = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
        assert!(kill.unwrap().success());
        killed.store(true, Ordering::SeqCst);
    });
    serve.kill();
    done.into_inner().unwrap()
}

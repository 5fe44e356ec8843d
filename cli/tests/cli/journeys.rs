//! Some journeys through a process of its own and a real socket: they come out as on the pure
//! engine.

use std::path::Path;

use dacapo_tests::journey::{Harness as _, HttpHarness, Script, difference, in_no_order, play};

use crate::support::Stoppable;

#[track_caller]
fn comes_out_as_written(name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = root.join("tests/journeys").join(name).with_extension("journey");
    let written = std::fs::read_to_string(path).unwrap();
    let script = Script::read(&written, &root.join("examples")).unwrap();
    let mut harness = HttpHarness::on(Stoppable::new(), false);
    assert!(harness.unsupported(&script).is_empty(), "{:?}", harness.unsupported(&script));
    let (written, came_out) = (in_no_order(&written), play(&script, &mut harness).unwrap());
    let came_out = in_no_order(&came_out);
    assert!(written == came_out, "{}", difference(&written, &came_out));
}

#[test]
fn the_appointment_loop() {
    comes_out_as_written("01-appointment-loop");
}

#[test]
fn the_webinar() {
    comes_out_as_written("02-webinar");
}

#[test]
fn a_trigger_inside_the_delay_with_its_causes() {
    comes_out_as_written("r14-a-trigger-inside-the-delay-is-parked-not-lost");
}

#[test]
fn what_is_late_because_the_process_was_down() {
    comes_out_as_written("r20-what-follows-a-late-timer-counts-from-its-due-time");
    comes_out_as_written("r21-later-than-the-grace-counts-as-passed");
}

#[test]
fn resumed_with_skip() {
    comes_out_as_written("r51-resume-with-skip");
}

#[test]
fn placeholders_in_zone_and_language() {
    comes_out_as_written("r33-placeholders-in-zone-and-language");
}

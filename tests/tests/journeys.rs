//! Every script under `tests/journeys` has the written result: exactly on the pure engine; through
//! HTTP, the store and the worker apart from order that is not visible outside.
//!
//! `UPDATE_JOURNEYS=1 cargo test -p dacapo-tests --test journeys` writes the real results instead;
//! read the difference before you commit it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use dacapo_tests::host::InProcess;
use dacapo_tests::journey::{
    Deed, EngineHarness, Journey, Played, Player, Script, difference, play,
};
use tokio::runtime::Runtime;

/// The rules of what campaigns mean.
const RULES: [&str; 42] = [
    "R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15",
    "R16", "R17", "R18", "R20", "R21", "R22", "R23", "R30", "R31", "R32", "R33", "R34", "R40",
    "R41", "R42", "R43", "R50", "R51", "R52", "R53", "R60", "R61", "R70", "R71", "R72", "R73",
    "R74",
];

/// The part of a rule that no journey can show, and the test for it: its file and its name.
const ELSEWHERE: [(&str, &str, &str, &str); 9] = [
    (
        "R1",
        "whatever a write carries, `rev` grows by one or not at all",
        "tests/tests/laws/contacts.rs",
        "r1_a_write_that_changes_nothing_does_nothing",
    ),
    (
        "R3",
        "a repeat is a no-op, and contacts never wait for one another",
        "tests/tests/laws/order.rs",
        "r3_a_repeat_changes_nothing",
    ),
    (
        "R4",
        "every form of a datetime is read in the zone, or refused",
        "shared/engine/src/time/tests/reading.rs",
        "r4_every_clear_form_of_a_datetime_is_read",
    ),
    (
        "R18",
        "a late or repeated timer or message of an old run is ignored",
        "tests/tests/laws/runs.rs",
        "r18_nothing_of_an_old_run_acts",
    ),
    (
        "R23",
        "no timer is forgotten",
        "tests/tests/laws/timers.rs",
        "r23_every_scheduled_timer_is_fired_cancelled_or_stale",
    ),
    (
        "R30",
        "one message a step, whatever is redelivered",
        "tests/tests/laws/runs.rs",
        "r30_at_most_one_message_per_step",
    ),
    (
        "R33",
        "an unknown placeholder is a publish error",
        "shared/engine/src/campaign/validate/tests/sense.rs",
        "r33_unknown_placeholders",
    ),
    (
        "R41",
        "a cycle without a rest in it is a publish error",
        "shared/engine/src/campaign/validate/tests/structure.rs",
        "r41_an_email_is_no_rest",
    ),
    (
        "R53",
        "statistics are the sums of what enrollments contributed",
        "tests/tests/laws/statistics.rs",
        "r53_statistics_are_the_sums_of_the_enrollments",
    ),
];

/// At least as many scripts must be played through HTTP; for the others the missing feature is
/// named and counted.
const PLAYED_OVER_HTTP: usize = 100;

#[test]
fn every_journey_comes_out_as_it_is_written() {
    let update = std::env::var_os("UPDATE_JOURNEYS").is_some();
    let journeys = Journey::all();
    let mut wrong = Vec::new();
    for Journey { path, name, written, script } in &journeys {
        match play(script, &mut EngineHarness::default()) {
            Ok(came_out) if came_out == *written => {}
            Ok(came_out) if update => std::fs::write(path, came_out).unwrap(),
            Ok(came_out) => wrong.push(format!("{name}\n{}", difference(written, &came_out))),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(journeys.len() >= 130, "only {} journeys were found", journeys.len());
    assert!(
        wrong.is_empty(),
        "{} journeys came out differently:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_same_comes_out_through_http() {
    let runtime = Arc::new(Runtime::new().unwrap());
    let players = (0..SIDE_BY_SIDE).map(|_| Embedded(Arc::clone(&runtime))).collect();
    let played = Played::of(Journey::all(), players);
    println!("{played}");
    let Played { played, wrong, .. } = played;
    assert!(wrong.is_empty(), "{} came out differently:\n{}", wrong.len(), wrong.join("\n"));
    assert!(played >= PLAYED_OVER_HTTP, "only {played} scripts were played through HTTP");
}

/// How many scripts are played in parallel.
const SIDE_BY_SIDE: usize = 4;

/// Plays on an embedded Dacapo.
struct Embedded(Arc<Runtime>);

impl Player for Embedded {
    type Host = InProcess;

    /// On disk if the script stops it, in memory otherwise.
    fn host_for(&mut self, script: &Script) -> InProcess {
        let stopped = script.deeds().any(|deed| matches!(deed, Deed::DownUntil(_)));
        if stopped {
            InProcess::on_disk(Arc::clone(&self.0)).expect("a directory for the time of a test")
        } else {
            InProcess::in_memory(Arc::clone(&self.0))
        }
    }
}

#[test]
fn every_rule_is_named_by_a_journey_or_pinned_elsewhere() {
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    let mut untitled = Vec::new();
    for Journey { name, written, .. } in Journey::all() {
        let rules = written.lines().next().map(rules_named_by).unwrap_or_default();
        if rules.is_empty() {
            untitled.push(name);
        }
        for rule in rules {
            *named.entry(rule).or_default() += 1;
        }
    }
    assert!(untitled.is_empty(), "titles without a rule, such as `(R14)`: {untitled:?}");
    let unknown: Vec<_> = named.keys().filter(|rule| !RULES.contains(&rule.as_str())).collect();
    assert!(unknown.is_empty(), "there are no rules {unknown:?}");
    let elsewhere: BTreeSet<&str> = ELSEWHERE.iter().map(|(rule, ..)| *rule).collect();
    let missing: Vec<_> = RULES
        .iter()
        .filter(|rule| !named.contains_key(**rule) && !elsewhere.contains(**rule))
        .collect();
    assert!(missing.is_empty(), "no journey names {missing:?}, and no other test is listed");
}

#[test]
fn what_is_pinned_elsewhere_is_there() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (rule, what, file, test) in ELSEWHERE {
        let source = std::fs::read_to_string(repository.join(file))
            .unwrap_or_else(|error| panic!("{rule}, {what}: {file}: {error}"));
        assert!(source.contains(&format!("fn {test}(")), "{rule}, {what}: no {test} in {file}");
    }
}

/// The rules in the brackets at the end of a title.
fn rules_named_by(title: &str) -> Vec<String> {
    let Some((sentence, rules)) = title.trim_end().rsplit_once('(') else { return Vec::new() };
    if !sentence.starts_with("# ") {
        return Vec::new();
    }
    rules.trim_end_matches(')').split(", ").map(str::to_owned).collect()
}

//! The explorer, on the appointment loop: every way, from the beginning.

use dacapo_authoring::explore::{Limits, explore};
use dacapo_authoring::simulate::Surroundings;
use dacapo_engine::campaign::reader;
use serde_json::{Value, json};

use super::figure;
use super::stopwatch::Stopwatch;

/// How often it is measured; the quickest counts.
const TIMES: usize = 5;

/// How long one exploration takes, and how many places it walks from in a second.
pub(crate) fn measure() -> Value {
    let source = reader::read(include_str!("../../../examples/appointment-loop.yaml"))
        .unwrap_or_else(|_| unreachable!("the example is validated by a test"));
    let documents = [source.document];
    let (mut quickest, mut places) = (f64::INFINITY, 0);
    for _ in 0..TIMES {
        let stopwatch = Stopwatch::start();
        places = explore(&documents, &Surroundings::default(), &Limits::default()).bound.places;
        quickest = quickest.min(stopwatch.elapsed().as_secs_f64());
    }
    json!({
        "figure": "explore",
        "contacts": 1,
        "places": places,
        "per_second": figure(places) / quickest,
        "micros_a_contact": 1e6 * quickest,
    })
}

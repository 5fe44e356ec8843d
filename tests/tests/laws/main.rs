//! Laws: what holds for every campaign and every story, named by the rules' numbers.
//!
//! `PROPTEST_CASES` scales all of them (256 gives the numbers in the code). The stories are the
//! same every time unless `PROPTEST_RNG_SEED` is set.

#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod contacts;
mod documents;
mod drive;
mod hostile;
mod input;
mod objects;
mod order;
mod paths;
mod pauses;
mod regressions;
mod runs;
mod simulator;
mod sizes;
mod statistics;
mod stories;
mod timers;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// Checks a law on so many cases.
fn check<S: Strategy>(cases: u32, strategy: &S, law: impl Fn(S::Value)) {
    check_seeded(0, cases, strategy, law);
}

/// The same with cases of its own for each seed, so that tests can share a long law.
fn check_seeded<S: Strategy>(seed: u64, cases: u32, strategy: &S, law: impl Fn(S::Value)) {
    let given = Config::default();
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(0xDA_CA_90 + seed),
        RngSeed::Fixed(fixed) => RngSeed::Fixed(fixed.wrapping_add(seed)),
    };
    let scaled = u64::from(cases) * u64::from(given.cases) / 256;
    let config = Config {
        cases: u32::try_from(scaled).unwrap_or(u32::MAX).max(1),
        failure_persistence: None,
        rng_seed,
        max_shrink_iters: 3_000,
        ..given
    };
    let outcome = TestRunner::new(config).run(strategy, |value| {
        law(value);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

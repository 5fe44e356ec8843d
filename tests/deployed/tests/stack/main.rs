//! The deployed stack, driven over its API only: by `make e2e`.
//!
//! The tests run in parallel against one stack, each with its own contacts and campaigns. The
//! exception is the test that fills the stream with thousands of changes: it would delay the
//! others.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod bounced;
mod doors;
mod erased;
mod loops;
mod masses;
mod poison;
mod previewed;
mod redeployed;
mod restarted;
mod restored;

use std::fs::File;
use std::path::Path;

use dacapo_deployed_tests::Patience;

/// For immediate effects: a few functions in sequence, on a busy machine.
const IMMEDIATE: Patience = Patience::seconds(60);

/// A campaign of the examples.
fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// Runs in parallel with others, until the returned value is dropped.
fn beside_others() -> File {
    dacapo_deployed_tests::beside_others(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// Runs alone, until the returned value is dropped.
fn alone() -> File {
    dacapo_deployed_tests::alone(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

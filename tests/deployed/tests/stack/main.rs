//! The deployed stack, driven over its API only: by `make e2e`.
//!
//! The tests run side by side against one stack, each with contacts and campaigns of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod bounced;
mod loops;
mod masses;
mod poison;
mod redeployed;
mod restarted;

use dacapo_deployed_tests::Patience;

/// For what follows at once: a few functions after each other, on a machine that has others to do.
const AT_ONCE: Patience = Patience::seconds(60);

/// A campaign of the examples.
fn example(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    std::fs::read_to_string(path).unwrap()
}

//! Chance: the system's.

use dacapo_platform::ports::Chance;

/// The system's randomness.
pub struct SystemChance;

impl Chance for SystemChance {
    fn fill(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            // Without randomness there are no ids and no secrets; nothing can go on.
            panic!("the system has no randomness");
        }
    }
}

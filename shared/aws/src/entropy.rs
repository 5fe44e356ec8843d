//! Entropy: the system's.

use dacapo_platform::ports::Entropy;

/// The system's randomness.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            // Without randomness there are no ids and no secrets, so the process cannot continue.
            panic!("the system has no randomness");
        }
    }
}

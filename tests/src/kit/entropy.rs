//! Entropy that is the same in every run.

use std::sync::atomic::{AtomicU64, Ordering};

use dacapo_engine::hash::stable;
use dacapo_platform::ports::Entropy;

/// Hashes of a counter: the same in every run of a test, and no value twice in one. Stands for the
/// system's source of randomness, and must not be used for real keys.
#[derive(Debug, Default)]
pub struct CountingEntropy(AtomicU64);

impl Entropy for CountingEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let nth = self.0.fetch_add(1, Ordering::SeqCst).to_string();
            let drawn = stable(&["chance", &nth]).to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    }
}

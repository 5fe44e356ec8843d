//! A stable hash: the same for the same words, on every machine and in every version.

use sha2::{Digest, Sha256};

/// A number made from words. The words are kept apart, so that `["ab", "c"]` differs from `["a", "bc"]`.
pub fn stable(words: &[&str]) -> u64 {
    let mut digest = Sha256::new();
    for word in words {
        digest.update((word.len() as u64).to_be_bytes());
        digest.update(word.as_bytes());
    }
    let bytes = digest.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    u64::from_be_bytes(first)
}

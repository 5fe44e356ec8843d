//! Hashes, and how they are written down. They are the same on every machine and in every version,
//! so they may be stored. They keep nothing secret.

use sha2::{Digest, Sha256};

/// A number made from words. The words are separated, so that `["ab", "c"]` differs from `["a",
/// "bc"]`.
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

/// Bytes in lower-case hexadecimal, two digits each.
pub fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 0xf)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_has_two_digits_for_every_byte() {
        assert_eq!(hexadecimal(&[0x00, 0x0f, 0xa9, 0xff]), "000fa9ff");
    }
}

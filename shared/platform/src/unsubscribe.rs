//! Signed links by which a contact unsubscribes without a key (R32, RFC 8058), and what else is
//! derived from the account's secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dacapo_engine::address::folded;
use dacapo_engine::hash::hexadecimal;
use dacapo_engine::ids::ContactId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// It stands in the place of a token in a mail that is only looked at, or sent as a test: opened,
/// it says so, and unsubscribes nobody. It is no token: it names no contact.
pub const OF_A_TEST: &str = "test";

/// The link in a mail that is only looked at.
pub fn test_url(public_url: &str) -> String {
    format!("{public_url}/u/{OF_A_TEST}")
}

/// Where the contact unsubscribes, under the API's public URL.
pub(crate) fn unsubscribe_url(public_url: &str, secret: &str, contact: &ContactId) -> String {
    format!("{public_url}/u/{}", token(secret, contact))
}

/// The token of a contact's link: its id and a signature.
pub fn token(secret: &str, contact: &ContactId) -> String {
    format!(
        "{contact}.{}",
        URL_SAFE_NO_PAD.encode(&signed(secret, contact).finalize().into_bytes()[..18])
    )
}

/// The contact that a token was made for; `None` if it was not made with this secret.
pub fn contact_of(secret: &str, token: &str) -> Option<ContactId> {
    let (contact, signature) = token.rsplit_once('.')?;
    let contact = ContactId::new(contact).ok()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let long_enough = signature.len() == 18;
    let genuine = signed(secret, &contact).verify_truncated_left(&signature).is_ok();
    (long_enough && genuine && !secret.is_empty()).then_some(contact)
}

/// Bytes that are derived from words and the secret.
pub(crate) fn derived(secret: &str, words: &[&str]) -> [u8; 32] {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    keyed(secret, &words)
}

/// The same for bytes.
pub(crate) fn keyed(secret: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = mac(secret);
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// An address as it is named by what must not hold it: a tombstone, a pointer to a received call.
pub(crate) fn sealed(secret: &str, address: &str) -> String {
    hexadecimal(&derived(secret, &["erased", &folded(address)]))
}

fn mac(secret: &str) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"))
}

fn signed(secret: &str, contact: &ContactId) -> Hmac<Sha256> {
    let mut mac = mac(secret);
    mac.update(b"unsubscribe ");
    mac.update(contact.as_str().as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r32_a_link_names_its_contact_and_nobody_else() {
        let ann = ContactId::new("c123").unwrap();
        let made = token("secret", &ann);
        assert_eq!(contact_of("secret", &made), Some(ann));
        assert_eq!(contact_of("other", &made), None);
        assert_eq!(contact_of("secret", &made.replace("c123", "c124")), None);
        assert_eq!(contact_of("secret", "c123."), None);
        assert_eq!(contact_of("secret", "c123"), None);
        assert_eq!(contact_of("secret", OF_A_TEST), None);
    }
}
